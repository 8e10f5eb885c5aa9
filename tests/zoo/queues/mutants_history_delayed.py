"""Delays and priorities, with mistakes that real projects had shipped."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from prism_testkit.interfaces import Bytes, Lease, QueueMessage
from tests.zoo.declare import Mutant

from .declare_history import declaring
from .history_broker import ROUNDING, Broker, Record
from .history_queue import BrokerQueue

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class OneMarker(Broker):
    """Says of each queue when there is something; the last that was put says it."""

    def __init__(self, place: Any) -> None:
        super().__init__(place)
        self.markers: dict[tuple[str, str], float] = {}

    def make_ready(self, space: str, queue: str, record: Record) -> None:
        self.markers[space, queue] = 0.0
        super().make_ready(space, queue, record)

    def postpone(self, space: str, queue: str, record: Record, now: float, delay_s: float) -> None:
        self.markers[space, queue] = now + delay_s
        super().postpone(space, queue, record, now, delay_s)


@mutant(
    "delayed.4",
    "waiting",
    "a delayed message enqueued while another is ready, then a take that waits",
    "basic.4 visibility.9 delayed.5",
    broker=OneMarker,
)
class MarkersReplaceEachOther(BrokerQueue):
    """taskforcesh/bullmq#2389: a delayed job's marker replaces that of a ready one, and who blocks on markers waits."""

    async def blocking(self, script: str, queue: str, timeout_s: float, *arguments: Any) -> Any:
        markers = getattr(self.broker, "markers", {})
        end = self.broker.now() + timeout_s + ROUNDING
        while timeout_s > 0 and self.broker.now() < min(end, markers.get((self.space, self.key(queue)), 0.0)):
            await self.wait(queue, end)
        return await super().blocking(script, queue, max(0.0, end - self.broker.now() - ROUNDING), *arguments)


@mutant("delayed.5", "clients", "a take that waits in a client that did not enqueue", "basic.4 visibility.9")
class TimerOfTheEnqueuer(BrokerQueue):
    """OptimalBits/bull#103: the timer of delays is set by who adds a job, and a worker that starts later has none."""

    def __init__(self, broker: Broker, namespace: str) -> None:
        super().__init__(broker, namespace)
        self.timers: list[float] = []

    async def enqueue_delayed(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, delay_s: float) -> str:
        name = await super().enqueue_delayed(queue, payload, headers, delay_s=delay_s)
        self.timers.append(self.broker.now() + delay_s)
        return name

    def instants(self, queue: str) -> list[float]:
        keys = self.broker.keys(self.space, self.key(queue))
        return [*(due for due in self.timers if due > self.broker.now()), *keys.leased.values()]


class Promoting(BrokerQueue):
    """Moves what is due by commands of its own, before a take; the broker under it moves nothing."""

    broker: "MovesNothing"

    async def blocking(self, script: str, queue: str, timeout_s: float, *arguments: Any) -> Any:
        end = self.broker.now() + timeout_s + ROUNDING
        while True:
            await self.promote(queue)
            found = await super().blocking(script, queue, 0, *arguments)
            if found is not None or timeout_s <= 0 or self.broker.now() >= end:
                return found
            await self.wait(queue, end)

    async def peek(self, queue: str) -> QueueMessage | None:
        await self.promote(queue)
        return await super().peek(queue)

    async def scheduled_count(self, queue: str) -> int:
        await self.promote(queue)
        return await super().scheduled_count(queue)

    def due(self, queue: str) -> list[tuple[float, int, str]]:
        delayed = self.broker.keys(self.space, self.key(queue)).delayed
        return [entry for entry in delayed if entry[0] <= self.broker.now()]

    async def promote(self, queue: str) -> None:
        raise NotImplementedError


class MovesNothing(Broker):
    """Leaves it to the clients to move what is due. A copy is kept under a name of its own, and shown under the other."""

    def __init__(self, place: Any) -> None:
        super().__init__(place)
        self.kept: dict[str, Record] = {}

    def promote(self, space: str, queue: str, now: float) -> None:
        return

    def postpone(self, space: str, queue: str, record: Record, now: float, delay_s: float) -> None:
        self.kept[record.id] = record
        del self.keys(space, queue).bodies[record.id]
        super().postpone(space, queue, record, now, delay_s)

    def appear(self, space: str, queue: str, name: str) -> None:
        kept, serial = self.kept[name], self.serial(space)
        self.arrive(space, queue, Record(f"{name}~{serial}", kept.payload, kept.headers, serial))

    def message(self, record: Record) -> QueueMessage:
        return QueueMessage(record.id.partition("~")[0], record.payload, dict(record.headers))

    def held(self, space: str, lease: Lease, now: float) -> Record:
        for record in self.keys(space, lease.queue).bodies.values():
            if record.token == lease.token:
                lease = replace(lease, message=replace(lease.message, id=record.id))
        return super().held(space, lease, now)


@mutant("delayed.4", "race", "two takes at the instant when a delay ends", "basic.2 basic.10 visibility.8", broker=MovesNothing)
class ReadsThenRemoves(Promoting):
    """coleifer/huey#105: what is due is read by one command and removed by the next, so two consumers read the same."""

    async def promote(self, queue: str) -> None:
        entries = self.due(queue)
        await self.wire()
        delayed = self.broker.keys(self.space, self.key(queue)).delayed
        delayed[:] = [entry for entry in delayed if entry not in entries]
        for _, _, name in entries:
            self.broker.appear(self.space, self.key(queue), name)


@mutant(
    "delayed.4",
    "cancellation",
    "a take cancelled while it moves what is due",
    "basic.11 visibility.11 visibility.12",
    broker=MovesNothing,
)
class PopsThenPushes(Promoting):
    """sidekiq/sidekiq#843: a poller takes a job out of the schedule and then puts it into its queue; between the two it may die."""

    async def promote(self, queue: str) -> None:
        while entries := self.due(queue):
            self.broker.keys(self.space, self.key(queue)).delayed.remove(entries[0])
            await self.wire()
            self.broker.appear(self.space, self.key(queue), entries[0][2])


@mutant("delayed.4", "cancellation", "a take cancelled while it moves what is due", "basic.2 basic.11", broker=MovesNothing)
class CopiesThenAcks(Promoting):
    """Bogdanp/dramatiq#431: a delayed message is copied to its queue and then acked where it was; between the two it is in both."""

    async def promote(self, queue: str) -> None:
        for entry in self.due(queue):
            self.broker.appear(self.space, self.key(queue), entry[2])
            await self.wire()
            delayed = self.broker.keys(self.space, self.key(queue)).delayed
            if entry in delayed:
                delayed.remove(entry)


@mutant("delayed.4", "order", "a delayed message enqueued before a plain one")
class HeadOfTheLineIsDelayed(Broker):
    """procrastinate-org/procrastinate#1599: a job for later that was enqueued first holds up all that is ready behind it."""

    def blocked(self, space: str, queue: str) -> bool:
        keys = self.keys(space, queue)
        return bool(keys.ready and keys.delayed) and min(seq for _, seq, _ in keys.delayed) < keys.ready[0][1]

    def pop(self, space: str, queue: str, now: float) -> QueueMessage | None:
        self.tick(space, queue, now)
        return None if self.blocked(space, queue) else super().pop(space, queue, now)

    def take(self, space: str, queue: str, now: float, seconds: float) -> Lease | None:
        self.tick(space, queue, now)
        return None if self.blocked(space, queue) else super().take(space, queue, now, seconds)


@mutant("delayed.1", "rounding", "a look within the second in which the delay ends")
class WholeSeconds(Broker):
    """actionhero/node-resque#286: the instant is rounded down to a second."""

    def postpone(self, space: str, queue: str, record: Record, now: float, delay_s: float) -> None:
        super().postpone(space, queue, record, now, int(now + delay_s) - now)


@mutant("delayed.4", "contents", "equal messages with the same instant", "basic.2")
class DelayedByContent(Broker):
    """actionhero/node-resque#145: what is known of a delayed job is kept under its content, one entry for all that are equal."""

    def __init__(self, place: Any) -> None:
        super().__init__(place)
        self.stamps: dict[tuple[str, str, bytes], set[int]] = {}

    def postpone(self, space: str, queue: str, record: Record, now: float, delay_s: float) -> None:
        self.stamps.setdefault((space, queue, record.payload), set()).add(int(now + delay_s))
        super().postpone(space, queue, record, now, delay_s)

    def promote(self, space: str, queue: str, now: float) -> None:
        keys = self.keys(space, queue)
        while keys.delayed and keys.delayed[0][0] <= now:
            due, _, name = keys.delayed.pop(0)
            stamps = self.stamps[space, queue, keys.bodies[name].payload]
            if int(due - ROUNDING) in stamps:
                stamps.discard(int(due - ROUNDING))
                self.make_ready(space, queue, keys.bodies[name])
            else:
                del keys.bodies[name]


@mutant("delayed.1", "bounds", "a delay of more than 24.8 days", "delayed.3 delayed.2")
class TimersOf31Bits(Broker):
    """OptimalBits/bull#244: a timer of more than 2**31 - 1 ms fires at once."""

    def postpone(self, space: str, queue: str, record: Record, now: float, delay_s: float) -> None:
        super().postpone(space, queue, record, now, delay_s if delay_s * 1000 < 2**31 else 0.001)


@mutant(
    "delayed.1", "many", "more than twenty delayed, of which one has a longer delay and is due", "delayed.4 delayed.5 delayed.2"
)
class PromotesTheShortestFew(Broker):
    """Automattic/kue#312: a promotion looks at the first few by the length of their delay, be a long one due."""

    def __init__(self, place: Any) -> None:
        super().__init__(place)
        self.lengths: dict[str, float] = {}

    def postpone(self, space: str, queue: str, record: Record, now: float, delay_s: float) -> None:
        self.lengths[record.id] = delay_s
        super().postpone(space, queue, record, now, delay_s)

    def promote(self, space: str, queue: str, now: float) -> None:
        keys = self.keys(space, queue)
        batch = sorted(keys.delayed, key=lambda entry: (self.lengths[entry[2]], entry[1]))[:20]
        for entry in [entry for entry in batch if entry[0] <= now]:
            keys.delayed.remove(entry)
            self.make_ready(space, queue, keys.bodies[entry[2]])


@mutant("delayed.1", "many", "more than twenty messages in the queue", "delayed.2")
class OverflowsWithoutDelay(Broker):
    """nsqio/nsq#1375: what does not fit into memory goes to disk, and its delay is not written there."""

    def postpone(self, space: str, queue: str, record: Record, now: float, delay_s: float) -> None:
        if len(self.keys(space, queue).bodies) > 20:
            self.make_ready(space, queue, record)
        else:
            super().postpone(space, queue, record, now, delay_s)


@mutant("delayed.2", "counters", "a count after a delayed message was taken")
class CountsBelowNought(Broker):
    """Azure/azure-service-bus#254: the number of what is scheduled is a counter, which goes down once too often."""

    def __init__(self, place: Any) -> None:
        super().__init__(place)
        self.scheduled: dict[tuple[str, str], int] = {}

    def postpone(self, space: str, queue: str, record: Record, now: float, delay_s: float) -> None:
        self.scheduled[space, queue] = self.scheduled.get((space, queue), 0) + 1
        record.failed = -1
        super().postpone(space, queue, record, now, delay_s)

    def promote(self, space: str, queue: str, now: float) -> None:
        before = len(self.keys(space, queue).delayed)
        super().promote(space, queue, now)
        self.scheduled[space, queue] = self.scheduled.get((space, queue), 0) - before + len(self.keys(space, queue).delayed)

    def pop(self, space: str, queue: str, now: float) -> QueueMessage | None:
        self.tick(space, queue, now)
        keys = self.keys(space, queue)
        if keys.ready and keys.bodies[keys.ready[0][2]].failed == -1:
            self.scheduled[space, queue] -= 1
        return super().pop(space, queue, now)

    def count(self, space: str, queue: str, now: float) -> int:
        self.tick(space, queue, now)
        return self.scheduled.get((space, queue), 0)


@mutant("priority.1", "order", "a delayed message that is due before one of a higher priority is enqueued", "delayed.4")
class DueGoesBeforePriority(Broker):
    """collectiveidea/delayed_job#172: what had been due for long is taken before what has a higher priority."""

    def promote(self, space: str, queue: str, now: float) -> None:
        for _, _, name in [entry for entry in self.keys(space, queue).delayed if entry[0] <= now]:
            self.keys(space, queue).bodies[name].priority = 10
        super().promote(space, queue, now)


@mutant("priority.3", "state", "a release of a message with a priority")
class RetriesWithoutPriority(Broker):
    """OptimalBits/bull#1755: a retry puts the job back into the list of those that wait, where priorities are not looked at."""

    def fail(self, space: str, queue: str, record: Record) -> None:
        record.priority = 0
        super().fail(space, queue, record)


@mutant("priority.1", "bounds", "priority 0 given in words, and a plain one")
class NoughtIsNotGiven(BrokerQueue):
    """OptimalBits/bull#223: the lowest priority is 0, which is taken for none and replaced by the one in the middle."""

    async def enqueue_with_priority(
        self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, priority: int = 0
    ) -> str:
        return await super().enqueue_with_priority(queue, payload, headers, priority=self.rank(priority) or 5)


@mutant("priority.1", "order", "equal priorities", "basic.3 visibility.1 basic.1")
class ComparesThePayloads(Broker):
    """hifi/heisenbridge#110: a heap of pairs does not keep the order within a priority: then the second of the pair is compared."""

    def make_ready(self, space: str, queue: str, record: Record) -> None:
        ready = self.keys(space, queue).ready
        super().make_ready(space, queue, record)
        bodies = self.keys(space, queue).bodies
        ready.sort(key=lambda rank: (rank[0], bodies[rank[2]].payload))
