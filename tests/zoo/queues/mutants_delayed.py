"""Mutants of `QueueDelayed`, without those that need a kill."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from prism_testkit.interfaces import Bytes, QueueMessage
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Queue
from .stores import Row

__all__ = ["MUTANTS"]

T = TypeVar("T")

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# delayed.1: not before, and from then on


class _Due(Queue):
    """Another instant."""

    def instant(self, due: float) -> float:
        raise NotImplementedError

    def insert(self, row: Row) -> str:
        return super().insert(replace(row, due=self.instant(row.due)) if row.due else row)


@mutant("delayed.1", "rounding", trap="a delay that does not end on a whole second", also="delayed.2")
class DueOnTheSecondBefore(_Due):
    def instant(self, due: float) -> float:
        return float(math.floor(due))


@mutant("delayed.1", "rounding", trap="a delay that does not end on a whole second", also="delayed.5 delayed.2")
class DueOnTheMinuteAfter(_Due):
    """A cron job."""

    def instant(self, due: float) -> float:
        return math.ceil(due / 60) * 60.0


@mutant("delayed.1", "boundary", trap="one clock resolution before the instant", also="delayed.2")
class DueOneResolutionEarly(_Due):
    def instant(self, due: float) -> float:
        return due - 0.0011


@mutant("delayed.1", "limit", trap="a delay above 900 s", also="delayed.3 delayed.2")
class DelaysOf15MinutesAtMost(Queue):
    """As SQS does."""

    def delay(self, delay_s: float, operation: str) -> float:
        return min(900.0, super().delay(delay_s, operation))


@mutant("delayed.1", "wrap", trap="a delay above 49 days", also="delayed.3 delayed.2")
class MillisecondsIn32Bits(Queue):
    def delay(self, delay_s: float, operation: str) -> float:
        seconds = super().delay(delay_s, operation)
        return seconds % (2**32 / 1000) if seconds > 0 else seconds


@mutant("delayed.1", "missing path", trap="a peek before the instant", also="basic.5")
class PeekShowsDelayed(Queue):
    def shown(self, queue: str) -> Row | None:
        return super().shown(queue) or next((row for row in self.rows(queue) if not row.token), None)


@mutant("delayed.1", "missing path", trap="a dequeue before the instant", also="delayed.4")
class DequeueTakesDelayed(Queue):
    """Only receive looks at the instant."""

    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        name, timeout = self.name(queue, "dequeue"), self.timeout(timeout_s, "dequeue")
        early = next((row for row in self.rows(name) if not row.token), None)
        return self.pop(early) if early is not None else await self.take(name, timeout, self.pop)


@mutant("delayed.1", "missing step", trap="a waiting take, the message due in that time", also="delayed.5")
class WaitingTakesWhatIsDueInTime(Queue):
    """A take that would wait for it anyway gets it at once."""

    async def take(self, queue: str, timeout_s: float, how: Callable[[Row], T]) -> T | None:
        for row in self.rows(queue) if timeout_s > 0 else ():
            if self.delayed(row) and row.due <= self.after(timeout_s) and self.first(queue) is None:
                return how(row)
        return await super().take(queue, timeout_s, how)


# delayed.2: the count


class _Counts(Queue):
    def counts(self, row: Row) -> bool:
        raise NotImplementedError

    def scheduled(self, queue: str) -> int:
        return sum(map(self.counts, self.rows(queue)))


@mutant("delayed.2", "missing condition", trap="a count after the delay is over")
class CountsWhatIsDue(_Counts):
    """Until it is taken."""

    def counts(self, row: Row) -> bool:
        return row.due > 0


@mutant("delayed.2", "missing condition", trap="a count with messages that were never delayed")
class CountsTheWholeQueue(_Counts):
    def counts(self, row: Row) -> bool:
        return True


@mutant("delayed.2", "missing condition", trap="a count while a lease is open")
class CountsTheLeased(_Counts):
    """Everything that is not available."""

    def counts(self, row: Row) -> bool:
        return not self.available(row)


@mutant("delayed.2", "horizon", trap="a count with a delay above an hour")
class CountsTheNextHour(_Counts):
    def counts(self, row: Row) -> bool:
        return self.delayed(row) and not row.due > self.after(3600)


@mutant("delayed.2", "scope", trap="a count with delayed messages in two queues")
class CountsAllQueues(Queue):
    def scheduled(self, queue: str) -> int:
        return sum(map(super().scheduled, list(self.space().queues)))


@mutant("delayed.2", "missing step", trap="two counts, time between them, nothing taken", also="delayed.1")
class CountsDownWithTakes(Queue):
    """A counter that a take lowers; time does not."""

    def insert(self, row: Row) -> str:
        if row.due:
            self.count(row.queue, 1)
        return super().insert(row)

    def remove(self, row: Row) -> None:
        if row.due:
            self.count(row.queue, -1)
        super().remove(row)

    def count(self, queue: str, more: int) -> int:
        slot = self.namespace, queue, "scheduled"
        self.store.notes[slot] = self.store.notes.get(slot, 0) + more
        return int(self.store.notes[slot])

    def scheduled(self, queue: str) -> int:
        return self.count(queue, 0)


@mutant("delayed.2", "limit", trap="more than ten scheduled messages")
class CountsAPage(Queue):
    def scheduled(self, queue: str) -> int:
        return min(10, super().scheduled(queue))


# delayed.3: bounds


@mutant("delayed.3", "wrong error", trap="a negative delay")
class NegativeDelayRaises(Queue):
    def delay(self, delay_s: float, operation: str) -> float:
        if delay_s < 0:
            raise ValueError(f"zoo: {operation}: {delay_s} is negative")
        return super().delay(delay_s, operation)


@mutant("delayed.3", "missing check", trap="a delay that is NaN")
class NanIsNoDelay(Queue):
    def delay(self, delay_s: float, operation: str) -> float:
        return 0.0 if math.isnan(delay_s) else super().delay(delay_s, operation)


@mutant("delayed.3", "missing check", trap="an infinite delay")
class InfiniteIsALongTime(Queue):
    def delay(self, delay_s: float, operation: str) -> float:
        return math.copysign(1e9, delay_s) if math.isinf(delay_s) else super().delay(delay_s, operation)


@mutant("delayed.3", "limit", trap="a delay of 1e9")
class RefusesYears(Queue):
    def delay(self, delay_s: float, operation: str) -> float:
        if delay_s > 86_400 * 365:
            raise ValueError(f"zoo: {operation}: {delay_s} s is more than a year")
        return super().delay(delay_s, operation)


@mutant("delayed.3", "order", trap="a delay of 0 between ordinary messages", also="basic.3 delayed.4")
class ZeroDelayGoesBehind(Queue):
    """By way of the list of the delayed, which is read when the queue is empty."""

    async def enqueue_delayed(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, delay_s: float) -> str:
        made = await super().enqueue_delayed(queue, payload, headers, delay_s=delay_s)
        row = self.space().queues[queue][made]
        if not row.due:
            self.put(replace(row, place=row.place + 10**6))
        return made


@mutant("delayed.3", "late", trap="a delay of 0 or less, then a take", also="delayed.2 delayed.1")
class ZeroDelayIsATick(Queue):
    """At least ten milliseconds."""

    def delay(self, delay_s: float, operation: str) -> float:
        return max(0.01, super().delay(delay_s, operation))


@mutant("delayed.3", "order of steps", trap="an illegal delay, then a take")
class ChecksDelayAfterTheInsert(Queue):
    async def enqueue_delayed(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, delay_s: float) -> str:
        made = self.add("enqueue_delayed", queue, payload, headers)
        seconds = self.delay(delay_s, "enqueue_delayed")
        row = self.space().queues[queue][made]
        if seconds > 0:
            self.put(replace(row, due=self.after(seconds)))
        return made


# delayed.4: everything else


class _Delayed(Queue):
    """What is delayed goes another way."""

    def later(self, row: Row) -> Row:
        return row

    def insert(self, row: Row) -> str:
        return super().insert(self.later(row) if row.due else row)


@mutant("delayed.4", "missing field", trap="headers of a delayed message")
class DelayDropsHeaders(_Delayed):
    def later(self, row: Row) -> Row:
        return replace(row, headers={})


@mutant("delayed.4", "encoding", trap="a delayed payload that is not UTF-8")
class DelayedPayloadIsText(_Delayed):
    def later(self, row: Row) -> Row:
        return replace(row, payload=row.payload.decode(errors="replace").encode())


@mutant("delayed.4", "identity", trap="the id of a delayed message", also="basic.1")
class DelayedGetTheirIdWhenDue(Queue):
    """The one returned is that of the timer."""

    def insert(self, row: Row) -> str:
        made = super().insert(row)
        return f"timer-{made}" if row.due else made


@mutant("delayed.4", "doubling", trap="a delayed message that is due, taken twice", also="basic.2 delayed.1")
class ComesTwiceWhenDue(Queue):
    """Put into the queue, and left in the schedule until the next tick."""

    def pop(self, row: Row) -> QueueMessage:
        found = super().pop(row)
        if row.due:
            self.put(replace(row, due=0.0, place=self.serial()))
        return found


@mutant("delayed.4", "blocking", trap="a delayed message before an ordinary one", also="delayed.1 basic.4")
class DelayedBlocksTheHead(Queue):
    """The queue is read from its head, and stops at what is not due."""

    def first(self, queue: str) -> Row | None:
        row = next((row for row in self.rows(queue) if not row.token), None)
        return row if row is not None and self.available(row) else None


@mutant("delayed.4", "overwrite", trap="two delayed messages due at one instant", also="delayed.2 basic.2")
class OneMessagePerInstant(Queue):
    """The instant is the key."""

    def insert(self, row: Row) -> str:
        for other in self.rows(row.queue):
            if row.due and other.due == row.due:
                self.remove(other)
        return super().insert(row)


@mutant("delayed.4", "overwrite", trap="equal payloads, both delayed", also="delayed.2 basic.2")
class ScheduleIsASetOfPayloads(Queue):
    """A sorted set: the same member twice is one, with the later score."""

    def insert(self, row: Row) -> str:
        for other in self.rows(row.queue):
            if row.due and self.delayed(other) and other.payload == row.payload:
                self.remove(other)
        return super().insert(row)


# delayed.5: waiting


@mutant("delayed.5", "missing wake-up", trap="a take waits while a delay ends", also="basic.4 visibility.9")
class DelayWakesNobody(Queue):
    def instants(self, queue: str) -> list[float]:
        return [row.until for row in self.rows(queue) if row.token and not self.over(row.until)]


@mutant("delayed.5", "stale plan", trap="a take waits, and a shorter delay is enqueued than the one that is there", also="basic.4")
class WaitsForTheFirstDelaySeen(Queue):
    """The timer is set when the wait begins; what is delayed wakes nobody when it is enqueued."""

    def insert(self, row: Row) -> str:
        if not row.due:
            return super().insert(row)
        self.space().apply({(row.queue, row.id): row})
        return row.id


@mutant("delayed.5", "early return", trap="a take waits, and a message that is not due is enqueued", also="basic.4")
class GivesUpWhenNothingIsDue(Queue):
    async def take(self, queue: str, timeout_s: float, how: Callable[[Row], T]) -> T | None:
        return await super().take(queue, 0 if any(map(self.delayed, self.rows(queue))) else timeout_s, how)


@mutant("delayed.5", "lost wake-up", trap="several takes wait, and the first of them is cancelled", also="basic.4")
class OneTimerForAll(Queue):
    """One take at a time watches the schedule; those that wait beside it are not told."""

    def instants(self, queue: str) -> list[float]:
        return super().instants(queue) if self.store.notes.get((self.namespace, queue, "watcher")) is self.watching else []

    async def pause(self, queue: str, end: float) -> None:
        slot = self.namespace, queue, "watcher"
        self.watching = object()
        mine = self.store.notes.setdefault(slot, self.watching) is self.watching
        try:
            await super().pause(queue, end)
        finally:
            if mine:
                self.store.notes.pop(slot, None)

    watching = object()
