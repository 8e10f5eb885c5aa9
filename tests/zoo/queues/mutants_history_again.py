"""Two more of each class of mistakes that no check had found at first, written before it was known whether the new checks do."""

from typing import Any

from prism_testkit.interfaces import Lease
from tests.zoo.declare import Mutant

from .declare_history import declaring
from .history_broker import ROUNDING, Broker, Record
from .history_queue import BrokerQueue

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("basic.4", "waiting", "an event in the queue that gives nothing to who waits", "visibility.9")
class EachWakeBeginsAnew(BrokerQueue):
    """The class of coinbase/redisbetween#10: a take that is woken for nothing waits its whole timeout again."""

    async def blocking(self, script: str, queue: str, timeout_s: float, *arguments: Any) -> Any:
        await self.wire()
        while True:
            end = self.broker.now() + timeout_s + ROUNDING
            found = self.broker.run(script, self.space, self.key(queue), *arguments)
            if found is not None or timeout_s <= 0:
                return found
            await self.wait(queue, end)
            if self.broker.now() >= end:
                return self.broker.run(script, self.space, self.key(queue), *arguments)


@mutant("basic.4", "bounds", "a negative timeout", "visibility.9")
class NegativeIsForEver(BrokerQueue):
    """The class of coinbase/redisbetween#10: a negative timeout is that of a protocol in which it means for ever."""

    async def dequeue(self, queue: str, timeout_s: float = 0) -> Any:
        return await super().dequeue(queue, 1e8 if timeout_s < 0 else timeout_s)

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        return await super().receive(queue, visibility_s, 1e8 if timeout_s < 0 else timeout_s)


@mutant("visibility.9", "waiting", "a take that may wait, with a message ready and a lease open", "basic.4")
class WaitsForTheNextDeadline(BrokerQueue):
    """The class of taskforcesh/bullmq#2389: who may wait waits for the next deadline of a lease first, whatever is ready."""

    async def blocking(self, script: str, queue: str, timeout_s: float, *arguments: Any) -> Any:
        leased = self.broker.keys(self.space, self.key(queue)).leased
        if timeout_s > 0 and leased:
            began = self.broker.now()
            await self.wait(queue, began + timeout_s)
            timeout_s = max(0.0, timeout_s - self.broker.now() + began)
        return await super().blocking(script, queue, timeout_s, *arguments)


@mutant("delayed.4", "waiting", "a take that may wait, beside a delayed message", "basic.4 visibility.9 delayed.5")
class PollsWhereThereAreDelays(BrokerQueue):
    """The class of taskforcesh/bullmq#2389: where something is delayed a take that may wait looks once in two hours."""

    async def blocking(self, script: str, queue: str, timeout_s: float, *arguments: Any) -> Any:
        end = self.broker.now() + timeout_s + ROUNDING
        while timeout_s > 0 and self.broker.keys(self.space, self.key(queue)).delayed and self.broker.now() < end:
            await self.wait(queue, min(end, self.broker.now() + 7200))
            found = await super().blocking(script, queue, 0, *arguments)
            if found is not None:
                return found
        return await super().blocking(script, queue, max(0.0, end - self.broker.now() - ROUNDING), *arguments)


class ReapsNothing(Broker):
    """Leaves it to the clients to end the leases that have lapsed."""

    def reap(self, space: str, queue: str, now: float) -> None:
        return


@mutant(
    "visibility.12",
    "cancellation",
    "a take cancelled while it ends a lease that has lapsed",
    "visibility.11 visibility.3",
    broker=ReapsNothing,
)
class ReapsInTwoSteps(BrokerQueue):
    """The class of sidekiq/sidekiq#843: what has lapsed is taken out of the leases, and put back into its queue a turn later."""

    async def reap(self, queue: str) -> None:
        keys = self.broker.keys(self.space, self.key(queue))
        for name in self.broker.lapsed(self.space, self.key(queue), self.broker.now()):
            if name in keys.leased:
                del keys.leased[name]
                keys.bodies[name].token = ""
                await self.wire()
                keys.leased[name] = 0.0
                self.broker.fail(self.space, self.key(queue), keys.bodies[name])

    async def call(self, script: str, queue: str, *arguments: Any) -> Any:
        await self.reap(queue)
        return await super().call(script, queue, *arguments)

    async def blocking(self, script: str, queue: str, timeout_s: float, *arguments: Any) -> Any:
        end = self.broker.now() + timeout_s + ROUNDING
        while True:
            await self.reap(queue)
            found = await super().blocking(script, queue, 0, *arguments)
            if found is not None or timeout_s <= 0 or self.broker.now() >= end:
                return found
            await self.wait(queue, end)


class KeepsTheDying(Broker):
    """Leaves it to the clients to move what has had its attempts."""

    def __init__(self, place: Any) -> None:
        super().__init__(place)
        self.dying: dict[tuple[str, str], list[Record]] = {}

    def bury(self, space: str, queue: str, record: Record) -> None:
        self.dying.setdefault((space, queue), []).append(record)

    def move(self, space: str, queue: str, record: Record) -> None:
        super().bury(space, queue, record)


@mutant(
    "dead_letter.9",
    "cancellation",
    "a look cancelled while it moves what has died",
    "dead_letter.3 dead_letter.1",
    broker=KeepsTheDying,
)
class BuriesInTwoSteps(BrokerQueue):
    """The class of sidekiq/sidekiq#843: what has died is taken out of its queue, and put into the target a turn later."""

    broker: KeepsTheDying

    async def bury(self, queue: str) -> None:
        self.broker.run("tick", self.space, self.key(queue))
        dying = self.broker.dying.get((self.space, self.key(queue)), [])
        while dying:
            record = dying.pop(0)
            await self.wire()
            self.broker.move(self.space, self.key(queue), record)

    async def call(self, script: str, queue: str, *arguments: Any) -> Any:
        await self.bury(queue)
        answer = await super().call(script, queue, *arguments)
        if script in ("release", "configure", "buried"):
            await self.bury(queue)
        return answer

    async def blocking(self, script: str, queue: str, timeout_s: float, *arguments: Any) -> Any:
        await self.bury(queue)
        return await super().blocking(script, queue, timeout_s, *arguments)


@mutant("delayed.1", "many", "more than twenty-five delayed, of which an old one is due", "delayed.4 delayed.5 delayed.2")
class PromotesTheNewestFew(Broker):
    """The class of Automattic/kue#312: a promotion looks at the few that were enqueued last."""

    def promote(self, space: str, queue: str, now: float) -> None:
        keys = self.keys(space, queue)
        for entry in [entry for entry in sorted(keys.delayed, key=lambda entry: -entry[1])[:25] if entry[0] <= now]:
            keys.delayed.remove(entry)
            self.make_ready(space, queue, keys.bodies[entry[2]])


@mutant(
    "visibility.3",
    "many",
    "over thirty leases, of which a long one has lapsed",
    "visibility.9 visibility.11 dead_letter.1 dead_letter.3",
)
class ReapsTheShortestFew(Broker):
    """The class of Automattic/kue#312: who looks for lapsed leases looks at a few by the length that they were given."""

    def __init__(self, place: Any) -> None:
        super().__init__(place)
        self.lengths: dict[str, float] = {}

    def lend(self, space: str, queue: str, record: Record, now: float, seconds: float) -> Lease:
        self.lengths[record.id] = seconds
        return super().lend(space, queue, record, now, seconds)

    def lapsed(self, space: str, queue: str, now: float) -> list[str]:
        batch = sorted(self.keys(space, queue).leased, key=lambda name: (self.lengths[name], name))[:30]
        return [name for name in super().lapsed(space, queue, now) if name in batch]


@mutant("basic.6", "names", "a queue that is named like what another has leased", "visibility.15 visibility.2")
class LeasedUnderAPrefix(Broker):
    """The class of sonus21/rqueue#14: what is leased is in a list beside, with a word before the name of the queue."""

    def lend(self, space: str, queue: str, record: Record, now: float, seconds: float) -> Lease:
        lease = super().lend(space, queue, record, now, seconds)
        beside = f"processing:{queue}"
        if record.id not in self.keys(space, beside).bodies:
            self.arrive(space, beside, Record(record.id, record.payload, record.headers, record.seq))
        return lease


@mutant("basic.6", "names", "a queue that is named like the lock of another", "basic.10 basic.2 basic.4")
class LockedByAName(Broker):
    """The class of sonus21/rqueue#14: a queue whose lock there is gives nothing, and the lock is a name that may be a queue."""

    def pop(self, space: str, queue: str, now: float) -> Any:
        return None if self.keys(space, f"{queue}:lock").bodies else super().pop(space, queue, now)
