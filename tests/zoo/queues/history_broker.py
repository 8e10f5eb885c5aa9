"""A server of sorted sets, as those that most of the reported queues are built on: each script runs whole, then answers.

A queue is a few keys: the bodies, a sorted set of what is ready, one of what is delayed by its instant, and one of what is leased
by its deadline. Nothing is computed when it is read: a script first moves what has become due (`tick`), then does its own work.
`Journal` keeps the scripts that changed something, with their arguments and their instant, and runs them again when it comes back.
"""

import asyncio
from bisect import insort
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from prism_testkit.backend import Place
from prism_testkit.interfaces import Conflict, Lease, QueueMessage
from tests.zoo.family import Log

__all__ = ["Broker", "Journal", "Keys", "Record", "clean", "connector"]

ROUNDING = 1e-6
"""Added to an instant, for the sum of two floats may be a little less than that."""


@dataclass(slots=True)
class Record:
    """A message. It is in its queue's bodies, and in one of the three sets."""

    id: str
    payload: bytes
    headers: Mapping[str, str]
    seq: int
    priority: int = 0
    attempts: int = 0
    token: str = ""
    failed: int = 0
    died_in: str = ""
    death: int = 0

    @property
    def rank(self) -> tuple[int, int, str]:
        return -self.priority, self.seq, self.id


@dataclass
class Keys:
    """What there is of one queue."""

    bodies: dict[str, Record] = field(default_factory=dict)
    ready: list[tuple[int, int, str]] = field(default_factory=list)
    delayed: list[tuple[float, int, str]] = field(default_factory=list)
    leased: dict[str, float] = field(default_factory=dict)
    policy: tuple[str, int] | None = None


class Broker:
    """All queues of a place. What has no underscore and takes ``space, queue, now`` first is a script."""

    def __init__(self, place: Place) -> None:
        self.clock = place.clock
        self.spaces: dict[str, dict[str, Keys]] = {}
        self.counter = 0
        self.bells: dict[tuple[str, str], set[asyncio.Future[None]]] = {}
        self.sessions: set[object] = set()
        self.changed = False

    def now(self) -> float:
        return self.clock.now_s()

    def run(self, script: str, space: str, queue: str, *arguments: Any) -> Any:
        """Run a script whole and return its answer."""
        return getattr(self, script)(space, queue, self.now(), *arguments)

    # What scripts are made of

    def keys(self, space: str, queue: str) -> Keys:
        return self.spaces.setdefault(space, {}).setdefault(queue, Keys())

    def serial(self, space: str) -> int:
        self.counter += 1
        return self.counter

    def new_id(self, space: str, queue: str, now: float) -> str:
        return f"m{self.serial(space):x}"

    def ring(self, space: str, queue: str) -> None:
        """Wake who waits for the queue; called by all that makes something ready or that changes an instant."""
        self.changed = True
        for waiter in self.bells.get((space, queue), ()):
            if not waiter.done():
                waiter.set_result(None)

    def make_ready(self, space: str, queue: str, record: Record) -> None:
        insort(self.keys(space, queue).ready, record.rank)
        self.ring(space, queue)

    def tick(self, space: str, queue: str, now: float) -> None:
        """Move what has become due."""
        self.promote(space, queue, now)
        self.reap(space, queue, now)

    def promote(self, space: str, queue: str, now: float) -> None:
        keys = self.keys(space, queue)
        while keys.delayed and keys.delayed[0][0] <= now:
            self.make_ready(space, queue, keys.bodies[keys.delayed.pop(0)[2]])

    def lapsed(self, space: str, queue: str, now: float) -> list[str]:
        """Return the leases whose deadline is past, in the order of deadlines."""
        leased = self.keys(space, queue).leased
        return sorted((name for name, until in leased.items() if until <= now), key=lambda name: leased[name])

    def reap(self, space: str, queue: str, now: float) -> None:
        for name in self.lapsed(space, queue, now):
            self.fail(space, queue, self.keys(space, queue).bodies[name])

    def fail(self, space: str, queue: str, record: Record) -> None:
        """End a lease without ack."""
        keys = self.keys(space, queue)
        del keys.leased[record.id]
        record.token = ""
        record.failed = self.serial(space)
        if keys.policy is not None and record.attempts >= keys.policy[1]:
            self.bury(space, queue, record)
        else:
            self.make_ready(space, queue, record)

    def bury(self, space: str, queue: str, record: Record) -> None:
        """Move a message that is in none of the sets to the target."""
        keys = self.keys(space, queue)
        assert keys.policy is not None
        del keys.bodies[record.id]
        record.attempts, record.died_in = 0, queue
        record.death = record.seq = self.serial(space)
        self.arrive(space, keys.policy[0], record)

    def arrive(self, space: str, queue: str, record: Record) -> None:
        self.keys(space, queue).bodies[record.id] = record
        self.make_ready(space, queue, record)

    def dead(self, space: str, queue: str) -> list[Record]:
        policy = self.keys(space, queue).policy
        if policy is None:
            return []
        found = (record for record in self.keys(space, policy[0]).bodies.values() if record.died_in == queue)
        return sorted(found, key=lambda record: record.death)

    def message(self, record: Record) -> QueueMessage:
        return QueueMessage(record.id, record.payload, dict(record.headers))

    def held(self, space: str, lease: Lease, now: float) -> Record:
        """Return what a valid lease holds."""
        self.tick(space, lease.queue, now)
        record = self.keys(space, lease.queue).bodies.get(lease.message.id)
        if record is None or not record.token or record.token != lease.token:
            raise Conflict(f"history: {lease.queue[:40]!a}: the lease has ended")
        return record

    def instants(self, space: str, queue: str) -> list[float]:
        """Return when time alone may make something ready."""
        keys = self.keys(space, queue)
        return [*(due for due, _, _ in keys.delayed[:1]), *keys.leased.values()]

    # Scripts

    def push(
        self, space: str, queue: str, now: float, payload: bytes, headers: Mapping[str, str], priority: int, delay_s: float
    ) -> str:
        record = Record(self.new_id(space, queue, now), payload, headers, self.serial(space), priority)
        self.keys(space, queue).bodies[record.id] = record
        if delay_s > 0:
            self.postpone(space, queue, record, now, delay_s)
        else:
            self.make_ready(space, queue, record)
        return record.id

    def postpone(self, space: str, queue: str, record: Record, now: float, delay_s: float) -> None:
        insort(self.keys(space, queue).delayed, (now + delay_s + ROUNDING, record.seq, record.id))
        self.ring(space, queue)

    def pop(self, space: str, queue: str, now: float) -> QueueMessage | None:
        self.tick(space, queue, now)
        keys = self.keys(space, queue)
        if not keys.ready:
            return None
        self.changed = True
        return self.message(keys.bodies.pop(keys.ready.pop(0)[2]))

    def top(self, space: str, queue: str, now: float) -> QueueMessage | None:
        self.tick(space, queue, now)
        keys = self.keys(space, queue)
        return self.message(keys.bodies[keys.ready[0][2]]) if keys.ready else None

    def take(self, space: str, queue: str, now: float, seconds: float) -> Lease | None:
        self.tick(space, queue, now)
        keys = self.keys(space, queue)
        if not keys.ready:
            return None
        return self.lend(space, queue, keys.bodies[keys.ready.pop(0)[2]], now, seconds)

    def lend(self, space: str, queue: str, record: Record, now: float, seconds: float) -> Lease:
        record.attempts += 1
        record.token = self.new_token(space)
        self.keys(space, queue).leased[record.id] = now + seconds + ROUNDING
        self.ring(space, queue)
        return Lease(queue, self.message(record), record.attempts, record.token)

    def new_token(self, space: str) -> str:
        return f"t{self.serial(space)}"

    def ack(self, space: str, queue: str, now: float, lease: Lease) -> None:
        record = self.held(space, lease, now)
        self.changed = True
        del self.keys(space, queue).leased[record.id]
        del self.keys(space, queue).bodies[record.id]

    def extend(self, space: str, queue: str, now: float, lease: Lease, seconds: float) -> None:
        self.keys(space, queue).leased[self.held(space, lease, now).id] = now + seconds + ROUNDING
        self.ring(space, queue)

    def release(self, space: str, queue: str, now: float, lease: Lease) -> None:
        self.fail(space, queue, self.held(space, lease, now))

    def count(self, space: str, queue: str, now: float) -> int:
        self.tick(space, queue, now)
        return len(self.keys(space, queue).delayed)

    def configure(self, space: str, queue: str, now: float, target: str, max_attempts: int) -> None:
        self.tick(space, queue, now)
        self.changed = True
        keys = self.keys(space, queue)
        keys.policy = target, max_attempts
        spent = [keys.bodies[name] for _, _, name in keys.ready if keys.bodies[name].attempts >= max_attempts]
        for record in sorted(spent, key=lambda record: record.failed):
            keys.ready.remove(record.rank)
            self.bury(space, queue, record)

    def buried(self, space: str, queue: str, now: float) -> list[QueueMessage]:
        self.tick_both(space, queue, now)
        return [self.message(record) for record in self.dead(space, queue)]

    def tick_both(self, space: str, queue: str, now: float) -> None:
        """Move what has become due in a queue, and in its target."""
        self.tick(space, queue, now)
        policy = self.keys(space, queue).policy
        if policy is not None:
            self.tick(space, policy[0], now)

    def revive(self, space: str, queue: str, now: float) -> int:
        self.tick_both(space, queue, now)
        policy = self.keys(space, queue).policy
        if policy is None:
            return 0
        target = self.keys(space, policy[0])
        records = [record for record in self.dead(space, queue) if record.id not in target.leased]
        for record in records:
            target.ready.remove(record.rank)
            del target.bodies[record.id]
            record.attempts, record.died_in, record.seq = 0, "", self.serial(space)
            self.arrive(space, queue, record)
        return len(records)

    def clean(self, prefix: str) -> None:
        for space in [space for space in self.spaces if space.startswith(prefix)]:
            del self.spaces[space]


class Journal(Broker):
    """A broker whose scripts survive: what changed something is in a file before it is answered."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.log = Log(place.directory / "history.log")
        self.catch_up()

    def run(self, script: str, space: str, queue: str, *arguments: Any) -> Any:
        self.catch_up()
        self.changed = False
        now = self.now()
        try:
            return getattr(self, script)(space, queue, now, *arguments)
        finally:
            if self.changed:
                self.write(script, space, queue, now, arguments)

    def write(self, script: str, space: str, queue: str, now: float, arguments: tuple[Any, ...]) -> None:
        self.log.append((script, space, queue, now, arguments))

    def catch_up(self) -> None:
        for record in self.log.unread():
            self.again(*record)

    def again(self, script: str, space: str, queue: str, now: float, arguments: tuple[Any, ...]) -> None:
        """Run a script of the journal; what it raised then it raises now."""
        if script == "clean":
            super().clean(space)
            return
        try:
            getattr(self, script)(space, queue, now, *arguments)
        except Conflict:
            return

    def clean(self, prefix: str) -> None:
        self.catch_up()
        self.write("clean", prefix, "", self.now(), ())
        super().clean(prefix)


def connector(broker_type: type[Broker]) -> Any:
    """Return a ``connect`` that keeps one broker for a place."""

    @asynccontextmanager
    async def connect(place: Place) -> AsyncIterator[Broker]:
        broker: Broker = place.shared.get("history") or place.shared.setdefault("history", broker_type(place))
        yield broker

    return connect


async def clean(broker: Broker, prefix: str) -> None:
    broker.clean(prefix)
