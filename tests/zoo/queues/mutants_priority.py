"""Mutants of `QueuePriority`."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from prism_testkit.interfaces import Bytes, Lease
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Queue
from .stores import Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# priority.1: the highest first


class _Ranks(Queue):
    """Priorities count as something else."""

    def weight(self, priority: int) -> float:
        raise NotImplementedError

    def order(self, row: Row) -> Any:
        return -self.weight(row.priority), row.place


@mutant("priority.1", "direction", trap="two priorities", also="priority.3")
class LowestFirst(_Ranks):
    """As of cron or nice: 0 is best."""

    def weight(self, priority: int) -> float:
        return -priority


@mutant("priority.1", "levels", trap="two neighbouring priorities", also="priority.3")
class FourLevels(_Ranks):
    def weight(self, priority: int) -> float:
        return priority // 3


@mutant("priority.1", "boundary", trap="priorities 8 and 9")
class NineIsEight(_Ranks):
    """Eight levels above 0."""

    def weight(self, priority: int) -> float:
        return min(priority, 8)


@mutant("priority.1", "default", trap="a plain enqueue beside priorities 1 to 4", also="priority.4")
class PlainIsInTheMiddle(Queue):
    """A default of 5."""

    def add(self, operation: str, *arguments: Any, **more: Any) -> str:
        if operation == "enqueue":
            more["priority"] = 5
        return super().add(operation, *arguments, **more)


@mutant("priority.1", "order", trap="two messages of one priority above 0", also="priority.4")
class LatestFirstWithinAPriority(Queue):
    """A heap without a counter that breaks ties."""

    def order(self, row: Row) -> Any:
        return -row.priority, -row.place if row.priority else row.place


@mutant("priority.1", "ties", trap="two messages of one priority, the greater payload first", also="priority.4")
class HeapComparesPayloads(Queue):
    def order(self, row: Row) -> Any:
        return -row.priority, row.payload if row.priority else b"", row.place


@mutant("priority.1", "missing path", trap="priorities, received", also="priority.3")
class ReceiveIgnoresPriority(Queue):
    receiving = False

    def first(self, queue: str) -> Row | None:
        if not self.receiving:
            return super().first(queue)
        return min(filter(self.available, self.rows(queue)), key=lambda row: row.place, default=None)

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        self.receiving = not timeout_s
        try:
            return await super().receive(queue, visibility_s, timeout_s)
        finally:
            self.receiving = False


@mutant("priority.1", "starvation", trap="many messages of a high priority, and one of a low one")
class FairShare(Queue):
    """Every fourth take is of the lowest priority."""

    def first(self, queue: str) -> Row | None:
        rows = [row for row in self.rows(queue) if self.available(row)]
        return rows[-1 if rows[-1].priority != rows[0].priority and len(rows) % 4 == 0 else 0] if rows else None


@mutant("priority.1", "aging", trap="a low priority that waited longer than a minute", also="priority.3")
class OldMessagesRise(Queue):
    """One priority a minute."""

    def insert(self, row: Row) -> str:
        self.store.notes[self.namespace, row.id] = self.now()
        return super().insert(row)

    def order(self, row: Row) -> Any:
        waited = self.now() - self.store.notes.get((self.namespace, row.id), self.now())
        return -min(9, row.priority + int(waited // 60)), row.place


# priority.2: what a priority is


@mutant("priority.2", "boundary", trap="priority 10")
class TenIsAccepted(Queue):
    def rank(self, priority: int, operation: str) -> int:
        return 10 if priority == 10 and isinstance(priority, int) else super().rank(priority, operation)


@mutant("priority.2", "missing check", trap="a negative priority")
class NegativeIsAccepted(Queue):
    def rank(self, priority: int, operation: str) -> int:
        return super().rank(max(0, priority) if isinstance(priority, int) else priority, operation)


@mutant("priority.2", "clamping", trap="a priority above 9")
class ClampsToNine(Queue):
    def rank(self, priority: int, operation: str) -> int:
        return super().rank(min(9, priority) if isinstance(priority, int) else priority, operation)


@mutant("priority.2", "type", trap="a priority that is a float")
class RoundsFloats(Queue):
    def rank(self, priority: int, operation: str) -> int:
        return super().rank(int(priority) if isinstance(priority, float) else priority, operation)


@mutant("priority.2", "type", trap="a priority that is text or None")
class ParsesText(Queue):
    def rank(self, priority: int, operation: str) -> int:
        try:
            return super().rank(int(priority or 0), operation)
        except TypeError as error:
            raise ValueError(str(error)) from error


@mutant("priority.2", "wrong error", trap="priority 10")
class OutOfRangeIsATypeError(Queue):
    def rank(self, priority: int, operation: str) -> int:
        try:
            return super().rank(priority, operation)
        except ValueError as error:
            raise TypeError(str(error)) from error


@mutant("priority.2", "order of steps", trap="an illegal priority, then a take")
class RanksAfterTheInsert(Queue):
    """Enqueued with priority 0, then given the right one."""

    async def enqueue_with_priority(
        self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, priority: int = 0
    ) -> str:
        made = self.add("enqueue_with_priority", queue, payload, headers)
        row = self.space().queues[self.name(queue, "enqueue_with_priority")][made]
        self.put(replace(row, priority=self.rank(priority, "enqueue_with_priority")))
        return made


# priority.3: a message that comes again


@mutant("priority.3", "missing step", trap="a release, then two priorities", also="priority.1")
class ReleaseLosesPriority(Queue):
    async def release(self, lease: Lease) -> None:
        row = self.held(lease, "release")
        self.put(replace(self.ended(row, self.now()), priority=0))
        self.bury(row.queue)


@mutant("priority.3", "missing step", trap="a deadline, then two priorities", also="priority.1")
class DeadlineLosesPriority(Queue):
    def ended(self, row: Row, when: float) -> Row:
        return replace(super().ended(row, when), priority=0 if self.lapsed(row) else row.priority)


@mutant("priority.3", "penalty", trap="a release, then neighbouring priorities", also="priority.1")
class EachFailureCostsAPriority(Queue):
    def ended(self, row: Row, when: float) -> Row:
        return replace(super().ended(row, when), priority=max(0, row.priority - 1))


@mutant("priority.3", "boost", trap="a release of a low priority beside a higher one", also="priority.1")
class RedeliveriesComeFirst(Queue):
    """What was released goes to the head, before every priority."""

    def order(self, row: Row) -> Any:
        return row.attempts == 0, -row.priority, row.place


# priority.4: everything else


class _Ranked(Queue):
    """What is enqueued with a priority goes another way."""

    def ranked(self, row: Row) -> Row:
        return row

    def insert(self, row: Row) -> str:
        return super().insert(self.ranked(row) if row.priority else row)


@mutant("priority.4", "missing field", trap="headers with a priority", also="priority.1")
class PriorityDropsHeaders(_Ranked):
    def ranked(self, row: Row) -> Row:
        return replace(row, headers={})


@mutant("priority.4", "addition", trap="headers with a priority")
class PriorityIsAHeader(_Ranked):
    """Stored among the headers, and given back with them."""

    def ranked(self, row: Row) -> Row:
        return replace(row, headers={**row.headers, "priority": str(row.priority)})


@mutant("priority.4", "truncation", trap="a large payload with a priority")
class PriorityCutsAt64KiB(_Ranked):
    def ranked(self, row: Row) -> Row:
        return replace(row, payload=row.payload[:65536])


@mutant("priority.4", "identity", trap="the id of what was enqueued with a priority", also="basic.1 basic.2 priority.1")
class PrioritiesNumberTheirOwn(_Ranked):
    """Each priority counts its ids by itself: two messages of one queue have one."""

    def insert(self, row: Row) -> str:
        slot = self.namespace, row.queue, row.priority
        self.store.notes[slot] = self.store.notes.get(slot, 0) + 1
        self.store.notes[self.namespace, "public", row.id] = str(self.store.notes[slot])
        super().insert(row)
        return str(self.store.notes[slot])

    def message(self, row: Row) -> Any:
        return replace(super().message(row), id=self.store.notes.get((self.namespace, "public", row.id), row.id))

    def held(self, lease: Lease, operation: str) -> Row:
        name = self.name(lease.queue, operation)
        row = next((row for row in self.rows(name) if row.token == lease.token), None)
        return super().held(lease if row is None else replace(lease, message=replace(lease.message, id=row.id)), operation)


@mutant("priority.4", "separator", trap="a queue named as the driver names a priority of another", also="basic.6 priority.1")
class PriorityIsASuffixOfTheName(Queue):
    """``jobs:5`` holds priority 5 of ``jobs``."""

    def rows(self, queue: str) -> list[Row]:
        plain, colon, digit = queue.rpartition(":")
        found = super().rows(queue)
        if colon and len(digit) == 1 and digit in "123456789":
            found += [row for row in super().rows(plain) if row.priority == int(digit)]
        return found


@mutant("priority.4", "missing wake-up", trap="a take waits, and a message with a priority comes", also="basic.4 visibility.9")
class PriorityWakesNobody(Queue):
    def insert(self, row: Row) -> str:
        if not row.priority:
            return super().insert(row)
        self.space().apply({(row.queue, row.id): row})
        return row.id


@mutant("priority.4", "missing check", trap="an illegal name with a priority", also="basic.7")
class PriorityChecksNoName(Queue):
    def name(self, queue: str, operation: str) -> str:
        if operation == "enqueue_with_priority" and queue == "":
            return "default"
        return super().name(queue, operation)


@mutant("priority.4", "late effect", trap="a take right after an enqueue with a priority", also="priority.1 basic.10 basic.3")
class PriorityIsSortedInLater(Queue):
    """A background task puts it into the queue; for the sender it is there."""

    def insert(self, row: Row) -> str:
        if not row.priority:
            return super().insert(row)
        asyncio.get_running_loop().call_later(0.01, self.put, row)
        return row.id
