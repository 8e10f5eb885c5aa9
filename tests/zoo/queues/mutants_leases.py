"""Mutants of `QueueVisibility`: what is delivered, to whom, and until when (1 to 3)."""

import asyncio
import math
from dataclasses import replace
from typing import Any

from prism_testkit.interfaces import Lease, QueueMessage
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Queue, step
from .stores import Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# visibility.1: what receive gives


class _Delivers(Queue):
    """A lease holds something else than the row does."""

    def delivery(self, lease: Lease) -> Lease:
        return lease

    def leased(self, row: Row) -> Lease:
        return self.delivery(super().leased(row))


@mutant("visibility.1", "missing field", trap="headers of a received message", also="visibility.15")
class ReceiveDropsHeaders(_Delivers):
    def delivery(self, lease: Lease) -> Lease:
        return replace(lease, message=replace(lease.message, headers={}))


@mutant(
    "visibility.1", "missing field", trap="headers of a message that comes again", also="visibility.15 visibility.3 visibility.7"
)
class RedeliveryDropsHeaders(_Delivers):
    def delivery(self, lease: Lease) -> Lease:
        return lease if lease.attempt == 1 else replace(lease, message=replace(lease.message, headers={}))


@mutant("visibility.1", "truncation", trap="a received payload of more than 256 KiB", also="visibility.15")
class ReceivesTheFirst256KiB(_Delivers):
    """As SQS's limit was."""

    def delivery(self, lease: Lease) -> Lease:
        return replace(lease, message=replace(lease.message, payload=lease.message.payload[: 256 * 1024]))


@mutant("visibility.1", "count", trap="the first attempt", also="visibility.3 visibility.7")
class AttemptsBeginAtZero(_Delivers):
    """As redelivery counts do."""

    def delivery(self, lease: Lease) -> Lease:
        return replace(lease, attempt=lease.attempt - 1)


@mutant("visibility.1", "count", trap="the first attempt of a second message", also="visibility.3")
class CountsAttemptsOfTheQueue(Queue):
    def lease(self, row: Row, seconds: float) -> Lease:
        counts = self.store.notes.setdefault((self.namespace, "attempts"), {})
        counts[row.queue] = counts.get(row.queue, 0) + 1
        return replace(super().lease(row, seconds), attempt=counts[row.queue])


@mutant("visibility.1", "order", trap="two received messages", also="basic.10")
class ReceivesTheLast(Queue):
    """The dequeue is right; the statement of the receive has no order."""

    receiving = False

    def first(self, queue: str) -> Row | None:
        rows = [row for row in self.rows(queue) if self.available(row)]
        return (rows[-1] if self.receiving else rows[0]) if rows else None

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        self.receiving = timeout_s == 0
        try:
            return await super().receive(queue, visibility_s, timeout_s)
        finally:
            self.receiving = False


@mutant("visibility.1", "identity", trap="the id of a received message", also="dead_letter.2")
class MessageHasIdOfItsLease(_Delivers):
    """The handle in place of the id; ack knows better."""

    def delivery(self, lease: Lease) -> Lease:
        return replace(lease, message=replace(lease.message, id=f"{lease.message.id}.{lease.token}"))

    def held(self, lease: Lease, operation: str) -> Row:
        return super().held(replace(lease, message=replace(lease.message, id=lease.message.id.split(".")[0])), operation)


# visibility.2: nobody else


@mutant("visibility.2", "missing condition", trap="a dequeue while a lease is open", also="basic.2 visibility.4 visibility.5")
class DequeueTakesLeased(Queue):
    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        name, timeout = self.name(queue, "dequeue"), self.timeout(timeout_s, "dequeue")
        found = await self.take(name, 0, self.pop)
        leased = next((row for row in self.rows(name) if row.token), None)
        if found is None and leased is not None:
            return self.pop(leased)
        return found or await self.take(name, timeout, self.pop)


@mutant("visibility.2", "scope", trap="another client receives", also="visibility.3 visibility.8 basic.10")
class LeasesAreOfTheClient(Queue):
    """Each client hides what it holds itself, and nobody else."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.mine: set[str] = set()

    def lease(self, row: Row, seconds: float) -> Lease:
        self.mine.add(row.id)
        return super().lease(replace(row, token=""), seconds)

    def available(self, row: Row) -> bool:
        return not self.delayed(row) and not (row.token and row.id in self.mine)


@mutant("visibility.2", "limit", trap="a visibility above 30 s", also="visibility.3")
class LeasesLast30Seconds(Queue):
    """At most, whatever was asked for."""

    def after(self, seconds: float) -> float:
        return super().after(seconds)

    def lease(self, row: Row, seconds: float) -> Lease:
        return super().lease(row, min(30.0, seconds))


@mutant("visibility.2", "rounding", trap="a visibility below one second", also="visibility.3")
class WholeSecondsOfVisibility(Queue):
    """Rounded down."""

    def lease(self, row: Row, seconds: float) -> Lease:
        return super().lease(row, float(math.floor(seconds)))


@mutant("visibility.2", "over-reach", trap="a release beside another open lease", also="visibility.3 visibility.7 visibility.5")
class ReleaseFreesTheQueue(Queue):
    """All leases of the queue end."""

    async def release(self, lease: Lease) -> None:
        await super().release(lease)
        for row in self.rows(self.name(lease.queue, "release")):
            if row.token:
                self.put(self.ended(row, self.now()))


@mutant("visibility.2", "over-reach", trap="the holder's client closes", also="visibility.3 visibility.5")
class ClosingFreesLeases(Queue):
    """As AMQP does with what a channel has not acked."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.mine: set[str] = set()

    def lease(self, row: Row, seconds: float) -> Lease:
        lease = super().lease(row, seconds)
        self.mine.add(lease.token)
        return lease

    async def close(self) -> None:
        for queue in list(self.space().queues):
            self.put(*[self.ended(row, self.now()) for row in self.rows(queue) if row.token in self.mine])


@mutant(
    "visibility.2", "missing condition", trap="redrive of a message that is leased in the target", also="dead_letter.5 visibility.5"
)
class RedriveTakesLeased(Queue):
    def revive(self, queue: str) -> int:
        rows = self.dead(queue)
        for row in rows:
            self.move(row, self.revived(row, queue))
        return len(rows)


@mutant("visibility.2", "limit", trap="more than 16 open leases", also="visibility.3 visibility.5")
class RemembersSixteenLeases(Queue):
    """The table of leases is a cache; the oldest falls out."""

    def lease(self, row: Row, seconds: float) -> Lease:
        open_ones = [other for other in self.rows(row.queue) if other.token]
        if len(open_ones) >= 16:
            self.put(self.ended(min(open_ones, key=lambda other: int(other.token)), self.now()))
        return super().lease(row, seconds)


# visibility.3: the deadline


@mutant("visibility.3", "boundary", trap="one clock resolution before the deadline", also="visibility.2")
class EndsOneResolutionEarly(Queue):
    """``now + resolution >= deadline``."""

    def lapsed(self, row: Row) -> bool:
        return bool(row.token) and self.over(row.until - 0.0011)


@mutant("visibility.3", "unit", trap="any deadline", also="visibility.2")
class EndsTenPercentEarly(Queue):
    """A margin for skewed clocks, on the wrong side."""

    def lease(self, row: Row, seconds: float) -> Lease:
        return super().lease(row, seconds * 0.9)


@mutant("visibility.3", "missing step", trap="a deadline that passes", also="visibility.11 visibility.9")
class NeverComesAgain(Queue):
    """There is no reaper; release alone brings messages back."""

    def lapsed(self, row: Row) -> bool:
        return False

    def valid(self, row: Row, lease: Lease) -> bool:
        return row.token == lease.token and not self.over(row.until)


@mutant("visibility.3", "late", trap="right after the deadline and its slack", also="visibility.9 visibility.11")
class ReaperComesEvery30Seconds(Queue):
    """Leases end when the reaper comes by, on half minutes."""

    def lapsed(self, row: Row) -> bool:
        return bool(row.token) and self.over(math.ceil(row.until / 30) * 30)


@mutant("visibility.3", "count", trap="attempt after a deadline")
class DeadlineDoesNotCount(Queue):
    """Only a release is a failed attempt."""

    def settle(self, queue: str) -> None:
        for row in filter(self.lapsed, self.rows(queue)):
            self.put(replace(row, attempts=row.attempts - 1))
        super().settle(queue)


@mutant("visibility.3", "count", trap="attempt after a deadline")
class DeadlineCountsTwice(Queue):
    """At the deadline and at the delivery."""

    def settle(self, queue: str) -> None:
        for row in filter(self.lapsed, self.rows(queue)):
            self.put(replace(row, attempts=row.attempts + 1))
        super().settle(queue)


@mutant("visibility.3", "count", trap="more than three attempts", also="visibility.7 dead_letter.1")
class AttemptsStopAtThree(Queue):
    """A field of two bits."""

    def lease(self, row: Row, seconds: float) -> Lease:
        return super().lease(replace(row, attempts=min(row.attempts, 2)), seconds)


@mutant("visibility.3", "count", trap="extend and a later attempt", also="visibility.6 visibility.7")
class ExtendCountsAnAttempt(Queue):
    async def extend(self, lease: Lease, seconds: float) -> None:
        await super().extend(lease, seconds)
        row = self.held(lease, "extend")
        self.put(replace(row, attempts=row.attempts + 1))


@mutant(
    "visibility.3", "origin", trap="a message that waited in the queue before it was received", also="visibility.2 visibility.5"
)
class CountsFromTheEnqueue(Queue):
    """Visibility is counted from the instant at which the message came."""

    def insert(self, row: Row) -> str:
        self.store.notes[self.namespace, row.id] = self.now()
        return super().insert(row)

    def lease(self, row: Row, seconds: float) -> Lease:
        waited = self.now() - self.store.notes.get((self.namespace, row.id), self.now())
        return super().lease(row, seconds - (waited if row.attempts == 0 else 0))


@mutant("visibility.3", "doubling", trap="a deadline that passes, then two receives", also="visibility.2 visibility.4 basic.2")
class ComesTwiceAfterTheDeadline(Queue):
    """Put back, and left where it was."""

    def ended(self, row: Row, when: float) -> Row:
        if self.lapsed(row):
            self.put(replace(super().ended(row, when), id=self.new_id(row.queue), place=self.serial()))
        return super().ended(row, when)


# visibility.2: a cancelled receive undoes what others did


@mutant(
    "visibility.2",
    "wrong owner",
    trap="a receive that is cancelled behind its take, beside who holds",
    also="visibility.12 visibility.4",
)
class UndoesByTheTurn(Queue):
    """What a cancelled receive took is found by its number among those of its driver; another driver's has the same."""

    turns = 0

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        self.turns += 1
        got = await super().receive(queue, visibility_s, timeout_s)
        taken = self.store.notes.setdefault(("taken", self.namespace, queue, self.turns), [])
        taken += [] if got is None else [got.message.id]
        try:
            await step()
        except asyncio.CancelledError:
            for row in [row for row in self.rows(queue) if row.id in taken and row.token]:
                self.put(self.ended(row, self.now()))
            raise
        return got
