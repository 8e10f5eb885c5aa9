"""Mutants of `QueueVisibility`: bounds, losses, cancellation and names (10 to 12, 15)."""

import asyncio
import math
from dataclasses import replace
from typing import TypeVar

from prism_testkit.interfaces import Conflict, InvalidName, Lease
from prism_testkit.naming import check_seconds
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Queue, step
from .stores import Row

__all__ = ["MUTANTS"]

T = TypeVar("T")

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# visibility.10: bounds


class _Bounds(Queue):
    """Other seconds are accepted."""

    def refuse(self, seconds: float) -> bool:
        return False

    def visibility(self, seconds: float, operation: str) -> float:
        if self.refuse(seconds):
            raise ValueError(f"zoo: {operation}: {seconds} s")
        return seconds if math.isfinite(seconds) else 1.0


@mutant("visibility.10", "boundary", trap="a visibility of 43,200 s")
class Refuses43200(_Bounds):
    def refuse(self, seconds: float) -> bool:
        return not 0 < seconds < 43_200


@mutant("visibility.10", "boundary", trap="a visibility of 0")
class AcceptsZero(_Bounds):
    def refuse(self, seconds: float) -> bool:
        return not (seconds >= 0 and math.isfinite(seconds))


@mutant("visibility.10", "missing check", trap="a negative visibility")
class AcceptsNegative(_Bounds):
    def refuse(self, seconds: float) -> bool:
        return seconds == 0 or not math.isfinite(seconds)


@mutant("visibility.10", "missing check", trap="a visibility that is NaN")
class AcceptsNan(_Bounds):
    def refuse(self, seconds: float) -> bool:
        return seconds <= 0 or math.isinf(seconds)


@mutant("visibility.10", "missing check", trap="an infinite visibility")
class AcceptsInfinity(_Bounds):
    def refuse(self, seconds: float) -> bool:
        return not seconds > 0


@mutant("visibility.10", "boundary", trap="a visibility below one millisecond")
class RefusesLessThanAMillisecond(_Bounds):
    """``int(seconds * 1000)`` is 0."""

    def refuse(self, seconds: float) -> bool:
        return not math.isfinite(seconds) or int(seconds * 1000) <= 0


@mutant("visibility.10", "missing call", trap="extend by 0 or less")
class ExtendTakesAnySeconds(Queue):
    def visibility(self, seconds: float, operation: str) -> float:
        return check_seconds(seconds, operation, "zoo") if operation == "extend" else super().visibility(seconds, operation)


@mutant("visibility.10", "order of steps", trap="an illegal visibility and a message there", also="visibility.12 visibility.11")
class ChecksVisibilityAfterTheTake(Queue):
    """The message is marked, then its deadline computed."""

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        try:
            return await super().receive(queue, visibility_s, timeout_s)
        except ValueError:
            await super().receive(queue, 60)
            raise


@mutant("visibility.10", "order of steps", trap="extend by an illegal number, then the lease")
class FailedExtendEndsTheLease(Queue):
    async def extend(self, lease: Lease, seconds: float) -> None:
        try:
            await super().extend(lease, seconds)
        except ValueError:
            await self.release(lease)
            raise


# visibility.11: nothing is lost


@mutant("visibility.11", "discard", trap="more than four attempts, no dead letter configured", also="visibility.3 dead_letter.6")
class DiscardsAfterFourAttempts(Queue):
    """A default."""

    def bury(self, queue: str) -> None:
        super().bury(queue)
        for row in self.rows(queue):
            if not row.token and row.attempts >= 4:
                self.remove(row)


@mutant("visibility.11", "discard", trap="a deadline passes while nobody asks for more than an hour", also="visibility.3")
class DiscardsWhatNobodyAskedFor(Queue):
    """Leases that ended more than an hour ago are taken for finished."""

    def settle(self, queue: str) -> None:
        for row in self.rows(queue):
            if row.token and self.over(row.until + 3600):
                self.remove(row)
        super().settle(queue)


@mutant("visibility.11", "overwrite", trap="two deadlines pass at one instant", also="visibility.3")
class OneLeaseEndsPerInstant(Queue):
    """Put back under the deadline as key."""

    def settle(self, queue: str) -> None:
        seen: set[float] = set()
        for row in filter(self.lapsed, self.rows(queue)):
            if row.until in seen:
                self.remove(row)
            seen.add(row.until)
        super().settle(queue)


@mutant("visibility.11", "lost", trap="a call with an ended lease", also="visibility.5")
class ConflictDiscards(Queue):
    """A message of whose lease nobody is sure is thrown away."""

    def held(self, lease: Lease, operation: str) -> Row:
        try:
            return super().held(lease, operation)
        except Conflict:
            row = self.space().queues.get(lease.queue, {}).get(lease.message.id)
            if row is not None and not row.token:
                self.remove(row)
            raise


@mutant(
    "visibility.11", "lost", trap="the last message of a queue is leased, and another is enqueued", also="visibility.4 visibility.5"
)
class QueueIsRemadeWhenAllIsLeased(Queue):
    """A queue in which nothing is available is taken for empty, and made anew by an enqueue."""

    def insert(self, row: Row) -> str:
        rows = self.rows(row.queue)
        if rows and all(other.token for other in rows):
            for other in rows:
                self.remove(other)
        return super().insert(row)


# visibility.12: cancellation


@mutant("visibility.12", "lost on cancel", trap="a receive cancelled when it has leased", also="visibility.11")
class AwaitsAfterTheLease(Queue):
    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        lease = await super().receive(queue, visibility_s, timeout_s)
        await step(2)
        return lease


@mutant(
    "visibility.12",
    "partial effect",
    trap="an ack cancelled between its steps",
    also="visibility.5 visibility.8 visibility.1 visibility.4 visibility.11",
)
class CancelledAckLeavesAStump(Queue):
    """The contents are deleted first, then the row."""

    async def ack(self, lease: Lease) -> None:
        row = self.held(lease, "ack")
        self.put(replace(row, payload=b"", headers={}))
        await step()
        self.remove(row)


@mutant("visibility.12", "partial effect", trap="a release cancelled between its steps", also="visibility.11 visibility.7")
class CancelledReleaseLoses(Queue):
    """Out of one list, then into the other."""

    async def release(self, lease: Lease) -> None:
        row = self.held(lease, "release")
        self.remove(row)
        await step()
        self.put(self.ended(row, self.now()))


@mutant(
    "visibility.12", "partial effect", trap="an extend cancelled between its steps", also="visibility.5 visibility.2 visibility.6"
)
class CancelledExtendEndsTheLease(Queue):
    """The old lease is removed, then the new one made."""

    async def extend(self, lease: Lease, seconds: float) -> None:
        wanted = self.visibility(seconds, "extend")
        row = self.held(lease, "extend")
        self.put(replace(row, token="between", until=self.after(wanted)))
        await step()
        self.put(replace(row, until=self.after(wanted)))


@mutant(
    "visibility.12",
    "late effect",
    trap="a waiting receive is cancelled, then a message comes",
    also="visibility.11 visibility.9 basic.11",
)
class CancelledReceiveGoesOn(Queue):
    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        if not timeout_s > 0:
            return await super().receive(queue, visibility_s, timeout_s)
        return await asyncio.shield(asyncio.ensure_future(super().receive(queue, visibility_s, timeout_s)))


# visibility.15: as in QueueBasic


class _Renames(Queue):
    """Names are what they are, except for the calls of this interface."""

    def name(self, queue: str, operation: str) -> str:
        checked = super().name(queue, operation)
        if operation not in ("receive", "ack", "extend", "release"):
            return checked
        return next((name for name in self.space().queues if self.alike(name, checked)), checked)

    def alike(self, one: str, other: str) -> bool:
        raise NotImplementedError


@mutant("visibility.15", "case", trap="receive from names that differ in case", also="visibility.1 visibility.2")
class ReceiveFoldsCase(_Renames):
    def alike(self, one: str, other: str) -> bool:
        return one.casefold() == other.casefold()


@mutant("visibility.15", "stripping", trap="receive from a name with white space at an end", also="visibility.1 visibility.2")
class ReceiveStripsNames(_Renames):
    def alike(self, one: str, other: str) -> bool:
        return one.strip() == other.strip()


@mutant("visibility.15", "missing check", trap="receive from an illegal name")
class ReceiveAcceptsAnyName(Queue):
    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        try:
            return await super().receive(queue, visibility_s, timeout_s)
        except InvalidName:
            return None


@mutant("visibility.15", "scope", trap="a lease of a queue of that name in another namespace", also="visibility.5")
class LeasesHoldInAnyNamespace(Queue):
    """The token says where the message is."""

    async def ack(self, lease: Lease) -> None:
        for namespace in list(self.store.spaces):
            row = self.store.space(namespace).queues.get(lease.queue, {}).get(lease.message.id)
            if row is not None and row.token == lease.token:
                self.store.space(namespace).apply({(row.queue, row.id): None})
                return
        await super().ack(lease)


@mutant("visibility.15", "alteration", trap="the queue's name in a lease", also="visibility.4 visibility.1")
class LeaseHasAnotherName(Queue):
    """The name in the lease is the stored one, and encoded again by ack."""

    def leased(self, row: Row) -> Lease:
        return replace(super().leased(row), queue=row.queue.casefold())
