"""Mutants of `QueueVisibility`: extend, release, races and waits (6 to 9)."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from prism_testkit.interfaces import Conflict, Lease
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Queue, step
from .stores import Row

__all__ = ["MUTANTS"]

T = TypeVar("T")

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# visibility.6: extend


class _Extends(Queue):
    """The new deadline is another one."""

    def deadline(self, row: Row, seconds: float) -> float:
        raise NotImplementedError

    async def extend(self, lease: Lease, seconds: float) -> None:
        wanted = self.visibility(seconds, "extend")
        row = self.held(lease, "extend")
        self.put(replace(row, until=self.deadline(row, wanted)))


@mutant("visibility.6", "origin", trap="extend before the deadline", also="visibility.3")
class ExtendAddsToTheDeadline(_Extends):
    def deadline(self, row: Row, seconds: float) -> float:
        return row.until + seconds


@mutant("visibility.6", "missing direction", trap="extend to an earlier instant", also="visibility.3")
class ExtendNeverShortens(_Extends):
    def deadline(self, row: Row, seconds: float) -> float:
        return max(row.until, self.after(seconds))


@mutant("visibility.6", "missing direction", trap="extend to a later instant", also="visibility.3 visibility.2")
class ExtendNeverLengthens(_Extends):
    def deadline(self, row: Row, seconds: float) -> float:
        return min(row.until, self.after(seconds))


@mutant("visibility.6", "missing step", trap="any extend", also="visibility.3 visibility.2")
class ExtendOnlyChecks(_Extends):
    def deadline(self, row: Row, seconds: float) -> float:
        return row.until


@mutant(
    "visibility.6", "wrong argument", trap="extend by other seconds than those of the receive", also="visibility.3 visibility.2"
)
class ExtendRepeatsTheVisibility(_Extends):
    """A touch: the lease begins anew, with the seconds it had."""

    def lease(self, row: Row, seconds: float) -> Lease:
        self.store.notes[self.namespace, row.queue, row.id] = seconds
        return super().lease(row, seconds)

    def deadline(self, row: Row, seconds: float) -> float:
        return self.after(self.store.notes.get((self.namespace, row.queue, row.id), seconds))


@mutant("visibility.6", "limit", trap="several extends that add up to more than a minute", also="visibility.3 visibility.2")
class LeaseLastsAMinuteInAll(_Extends):
    def lease(self, row: Row, seconds: float) -> Lease:
        self.store.notes[self.namespace, row.id] = self.after(max(60.0, seconds))
        return super().lease(row, seconds)

    def deadline(self, row: Row, seconds: float) -> float:
        return min(self.after(seconds), self.store.notes.get((self.namespace, row.id), math.inf))


# visibility.7: release


@mutant("visibility.7", "missing step", trap="a receive right after a release", also="visibility.9")
class ReleaseWaitsForTheDeadline(Queue):
    async def release(self, lease: Lease) -> None:
        row = self.held(lease, "release")
        self.put(replace(row, token=str(self.serial())))


@mutant("visibility.7", "delay", trap="a receive right after a release", also="visibility.9")
class ReleaseBacksOff(Queue):
    """For a second."""

    async def release(self, lease: Lease) -> None:
        await super().release(lease)
        row = self.space().queues[self.name(lease.queue, "release")].get(lease.message.id)
        if row is not None:
            self.put(replace(row, due=self.after(1)))


@mutant("visibility.7", "count", trap="attempt after a release", also="dead_letter.1")
class ReleaseTakesTheAttemptBack(Queue):
    async def release(self, lease: Lease) -> None:
        row = self.held(lease, "release")
        self.put(self.ended(replace(row, attempts=row.attempts - 1), self.now()))


@mutant("visibility.7", "lost", trap="a receive after a release", also="visibility.11")
class ReleaseDiscards(Queue):
    """Nack without requeue."""

    async def release(self, lease: Lease) -> None:
        self.remove(self.held(lease, "release"))


@mutant("visibility.7", "identity", trap="id and attempt after a release", also="visibility.1 visibility.3")
class ReleaseEnqueuesAnew(Queue):
    """The message comes back as another one."""

    async def release(self, lease: Lease) -> None:
        row = self.held(lease, "release")
        fresh = replace(self.ended(row, self.now()), id=self.new_id(row.queue), attempts=0, place=self.serial())
        self.move(row, fresh)


@mutant("visibility.7", "threshold", trap="more than two releases of one message", also="visibility.11")
class ThirdReleaseParks(Queue):
    """For an hour."""

    async def release(self, lease: Lease) -> None:
        await super().release(lease)
        row = self.space().queues[self.name(lease.queue, "release")].get(lease.message.id)
        if row is not None and row.attempts >= 3:
            self.put(replace(row, due=self.after(3600)))


# visibility.8: races


@mutant("visibility.8", "race", trap="two receives at once", also="visibility.2 visibility.1 basic.10")
class ReceivesInTwoSteps(Queue):
    """SELECT, then UPDATE."""

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        name, timeout = self.name(queue, "receive"), self.timeout(timeout_s, "receive")
        seconds = self.visibility(visibility_s, "receive")
        row = await self.take(name, timeout, lambda row: row)
        if row is None:
            return None
        await step()
        return self.lease(row, seconds)


@mutant("visibility.8", "race", trap="two acks of one lease at once", also="visibility.5 visibility.4")
class AcksInTwoSteps(Queue):
    """The lease is looked at, then the message deleted."""

    async def ack(self, lease: Lease) -> None:
        row = self.held(lease, "ack")
        await step()
        self.remove(row)


@mutant(
    "visibility.8", "write back", trap="an ack and an extend at once", also="visibility.11 visibility.4 visibility.5 visibility.6"
)
class ExtendWritesBack(Queue):
    """The row is read before an await, and written whole after it."""

    async def extend(self, lease: Lease, seconds: float) -> None:
        wanted = self.visibility(seconds, "extend")
        row = self.held(lease, "extend")
        await step()
        self.put(replace(row, until=self.after(wanted)))


@mutant(
    "visibility.8", "write back", trap="an ack and a release at once", also="visibility.4 visibility.5 visibility.7 visibility.2"
)
class ReleaseWritesBack(Queue):
    async def release(self, lease: Lease) -> None:
        row = self.held(lease, "release")
        await step()
        self.put(self.ended(row, self.now()))


@mutant(
    "visibility.8",
    "race",
    trap="the deadline passes during an ack, and another receives",
    also="visibility.5 visibility.4 visibility.2",
)
class SlowAckOverrunsTheDeadline(Queue):
    """The check is a round trip before the delete; the delete asks for no token."""

    async def ack(self, lease: Lease) -> None:
        row = self.held(lease, "ack")
        await self.store.clock.sleep(0.02)
        if row.id not in self.space().queues[row.queue]:
            raise Conflict("zoo: ack: the message is gone")
        self.remove(row)


@mutant("visibility.8", "early return", trap="several receives at once and several messages", also="visibility.9")
class ConcurrentReceivesGetOne(Queue):
    """While one receive is on its way, others find nothing."""

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        self.visibility(visibility_s, "receive")
        slot = self.namespace, self.name(queue, "receive"), "receiving"
        if self.store.notes.get(slot) and self.timeout(timeout_s, "receive") <= 0:
            return None
        self.store.notes[slot] = True
        try:
            await step()
            return await super().receive(queue, visibility_s, timeout_s)
        finally:
            self.store.notes[slot] = False


# visibility.9: waiting


@mutant("visibility.9", "missing wake-up", trap="a receive waits while a deadline passes", also="basic.4 visibility.3")
class DeadlineWakesNobody(Queue):
    def instants(self, queue: str) -> list[float]:
        return [row.due for row in self.rows(queue) if self.delayed(row)]


@mutant("visibility.9", "missing wake-up", trap="a receive waits, and the message is released", also="visibility.7")
class ReleaseWakesNobody(Queue):
    async def release(self, lease: Lease) -> None:
        row = self.ended(self.held(lease, "release"), self.now())
        self.space().apply({(row.queue, row.id): row})


@mutant("visibility.9", "stale plan", trap="a receive waits while the lease is shortened", also="visibility.6")
class WaitsForTheFirstDeadlineSeen(Queue):
    """The wait is planned when it begins; an extend to an earlier instant wakes nobody."""

    async def extend(self, lease: Lease, seconds: float) -> None:
        wanted = self.visibility(seconds, "extend")
        row = replace(self.held(lease, "extend"), until=self.after(wanted))
        self.space().apply({(row.queue, row.id): row})


@mutant("visibility.9", "early return", trap="a receive waits while all messages are leased")
class NoWaitWhileAllIsLeased(Queue):
    """The queue is not empty, so there is no reason to wait; nor anything to give."""

    async def take(self, queue: str, timeout_s: float, how: Callable[[Row], T]) -> T | None:
        return await super().take(queue, 0 if any(row.token for row in self.rows(queue)) else timeout_s, how)


@mutant("visibility.9", "early return", trap="a receive waits, and a deadline passes that helps another receive", also="basic.4")
class ReturnsAfterTheFirstWait(Queue):
    async def take(self, queue: str, timeout_s: float, how: Callable[[Row], T]) -> T | None:
        found = await super().take(queue, 0, how)
        if found is not None or timeout_s <= 0:
            return found
        await self.pause(queue, self.after(timeout_s))
        return await super().take(queue, 0, how)
