"""Dead letters, with mistakes that real projects had shipped: what counts, what moves, and what comes along."""

from dataclasses import replace
from typing import Any

from prism_testkit.interfaces import Lease, QueueMessage
from tests.zoo.declare import Mutant

from .declare_history import declaring
from .history_broker import Broker, Keys, Record

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("dead_letter.1", "counters", "any death")
class CountsTheFirstAsNought(Broker):
    """Admiral-Piett/goaws#263: the first delivery counts as none, so there is one more before a message moves."""

    def fail(self, space: str, queue: str, record: Record) -> None:
        keys = self.keys(space, queue)
        policy = keys.policy
        if policy is not None:
            keys.policy = policy[0], policy[1] + 1
        super().fail(space, queue, record)
        keys.policy = policy


@mutant("dead_letter.2", "state", "a target that has a target", "visibility.1")
class CarriesTheCountAlong(Broker):
    """localstack/localstack#5225: what arrives in a dead-letter queue keeps its count, and moves on to that queue's own at once."""

    def bury(self, space: str, queue: str, record: Record) -> None:
        attempts = record.attempts
        super().bury(space, queue, record)
        record.attempts = attempts


@mutant("dead_letter.2", "counters", "a second delivery in the target", "visibility.3 dead_letter.1")
class CountsNoMoreOnceDead(Broker):
    """Azure/azure-sdk-for-net#53437: the count of deliveries of what is in a dead-letter queue stays at 1."""

    def fail(self, space: str, queue: str, record: Record) -> None:
        if record.died_in:
            record.attempts = 0
        super().fail(space, queue, record)


@mutant("dead_letter.3", "state", "any death", "dead_letter.1 basic.2")
class DiesAndGoesOn(Broker):
    """ServiceStack/Issues#596: a message is put into the dead-letter queue, and is not acked where it came from."""

    def bury(self, space: str, queue: str, record: Record) -> None:
        again = replace(record)
        super().bury(space, queue, record)
        self.arrive(space, queue, again)


@mutant("dead_letter.3", "size", "the death of the largest payload with headers", "dead_letter.2 dead_letter.4 visibility.11")
class RefusedByTheTarget(Broker):
    """stackshy/cloudemu#621: it is dropped where it was whether or not the target took it, which refuses what is too large."""

    def bury(self, space: str, queue: str, record: Record) -> None:
        super().bury(space, queue, record)
        size = len(record.payload) + sum(len(name.encode()) + len(text.encode()) for name, text in record.headers.items())
        if size > 1_000_000:
            keys = self.keys(space, self.target(space, queue))
            keys.ready.remove(record.rank)
            del keys.bodies[record.id]

    def target(self, space: str, queue: str) -> str:
        policy = self.keys(space, queue).policy
        assert policy is not None
        return policy[0]


@mutant("dead_letter.2", "contents", "the death of a message with headers")
class HeadersStayBehind(Broker):
    """smallrye/smallrye-reactive-messaging#1080: a new message is made for the dead-letter queue, without its headers."""

    def bury(self, space: str, queue: str, record: Record) -> None:
        record.headers = {}
        super().bury(space, queue, record)


@mutant("dead_letter.1", "state", "a second death after a redrive", "dead_letter.5")
class RedrivenOnesNeverDie(Broker):
    """timgit/pg-boss#874: what is driven back has no dead-letter queue noted, though the queue that it comes into has one."""

    def revive(self, space: str, queue: str, now: float) -> int:
        before = set(self.keys(space, queue).bodies)
        count = super().revive(space, queue, now)
        for name in set(self.keys(space, queue).bodies) - before:
            self.keys(space, queue).bodies[name].failed = -1
        return count

    def fail(self, space: str, queue: str, record: Record) -> None:
        immortal = record.failed == -1
        keys = self.keys(space, queue)
        policy, keys.policy = keys.policy, None if immortal else keys.policy
        super().fail(space, queue, record)
        keys.policy = policy
        if immortal:
            record.failed = -1


class LapsesApart(Broker):
    """Lets the end of a lease by its deadline be another thing than its release."""

    def reap(self, space: str, queue: str, now: float) -> None:
        for name in self.lapsed(space, queue, now):
            self.lapse(space, queue, self.keys(space, queue), self.keys(space, queue).bodies[name])

    def lapse(self, space: str, queue: str, keys: Keys, record: Record) -> None:
        raise NotImplementedError


@mutant("dead_letter.1", "state", "a last delivery that ends by its deadline")
class RescuesWithoutLimit(LapsesApart):
    """oban-bg/oban#137: jobs of a node that died are rescued without a look at how often that has happened."""

    def lapse(self, space: str, queue: str, keys: Keys, record: Record) -> None:
        policy, keys.policy = keys.policy, None
        self.fail(space, queue, record)
        keys.policy = policy


@mutant("dead_letter.1", "counters", "a delivery that ended by its deadline, before one that is released")
class CountsOnlyReleases(LapsesApart):
    """pipeshub-ai/pipeshub-ai#3037: only a failure that was told of counts against the limit, not one that nobody told."""

    def __init__(self, place: Any) -> None:
        super().__init__(place)
        self.silent: dict[str, int] = {}

    def lapse(self, space: str, queue: str, keys: Keys, record: Record) -> None:
        self.silent[record.id] = self.silent.get(record.id, 0) + 1
        policy, keys.policy = keys.policy, None
        self.fail(space, queue, record)
        keys.policy = policy

    def fail(self, space: str, queue: str, record: Record) -> None:
        keys = self.keys(space, queue)
        policy = keys.policy
        if policy is not None:
            keys.policy = policy[0], policy[1] + self.silent.get(record.id, 0)
        super().fail(space, queue, record)
        keys.policy = policy


@mutant("dead_letter.1", "state", "a delivery, not the last, that ends by its deadline")
class ExpiredOnesAreDead(LapsesApart):
    """contribsys/faktory#409: a job whose reservation is over is dead, though it has retries left."""

    def lapse(self, space: str, queue: str, keys: Keys, record: Record) -> None:
        policy = keys.policy
        if policy is not None:
            keys.policy = policy[0], 1
        self.fail(space, queue, record)
        keys.policy = policy


@mutant("dead_letter.6", "state", "a configuration that finds attempts used up", "dead_letter.1 dead_letter.4")
class StuckAtTheLimit(Broker):
    """oban-bg/oban#1059: who has no attempts left is not fetched, and nothing but a fetch that fails would discard it."""

    def configure(self, space: str, queue: str, now: float, target: str, max_attempts: int) -> None:
        keys = self.keys(space, queue)
        self.tick(space, queue, now)
        ready, keys.ready = keys.ready, []
        super().configure(space, queue, now, target, max_attempts)
        keys.ready = ready

    def take(self, space: str, queue: str, now: float, seconds: float) -> Lease | None:
        self.tick(space, queue, now)
        keys = self.keys(space, queue)
        stuck = [rank for rank in keys.ready if keys.policy is not None and keys.bodies[rank[2]].attempts >= keys.policy[1]]
        keys.ready = [rank for rank in keys.ready if rank not in stuck]
        lease = super().take(space, queue, now, seconds)
        keys.ready = sorted([*keys.ready, *stuck])
        return lease


@mutant(
    "visibility.11",
    "state",
    "a take from a queue of which something is dead",
    "dead_letter.3 dead_letter.1 visibility.9 basic.10 basic.4",
)
class TheDeadLockTheQueue(Broker):
    """localstack/localstack#3013: what moved to the dead-letter queue still locks the queue that it came from."""

    def locked(self, space: str, queue: str, now: float) -> bool:
        self.tick(space, queue, now)
        return bool(self.dead(space, queue))

    def take(self, space: str, queue: str, now: float, seconds: float) -> Lease | None:
        return None if self.locked(space, queue, now) else super().take(space, queue, now, seconds)

    def pop(self, space: str, queue: str, now: float) -> QueueMessage | None:
        return None if self.locked(space, queue, now) else super().pop(space, queue, now)


@mutant("dead_letter.1", "features", "the death of a message that had been delayed")
class DelayedOnesNeverDie(Broker):
    """rebus-org/Rebus.AzureServiceBus#63: a deferred message cannot be dead-lettered, and is delivered for ever."""

    def postpone(self, space: str, queue: str, record: Record, now: float, delay_s: float) -> None:
        record.death = -1
        super().postpone(space, queue, record, now, delay_s)

    def fail(self, space: str, queue: str, record: Record) -> None:
        keys = self.keys(space, queue)
        policy, keys.policy = keys.policy, None if record.death == -1 else keys.policy
        super().fail(space, queue, record)
        keys.policy = policy
