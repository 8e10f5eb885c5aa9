"""Mutants of `QueueVisibility`: what an ack does, and what a lease that has ended is good for (4, 5)."""

from dataclasses import replace
from typing import Any

from prism_testkit.interfaces import Conflict, Lease, NotFound
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Queue
from .stores import Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# visibility.4: ack removes


@mutant("visibility.4", "missing step", trap="the deadline of an acked lease", also="visibility.5 basic.2")
class AckOnlyHides(Queue):
    """Marked as done, until the lease's deadline."""

    async def ack(self, lease: Lease) -> None:
        self.put(replace(self.held(lease, "ack"), token="done"))


@mutant("visibility.4", "wrong target", trap="an ack out of order", also="visibility.11 visibility.5")
class AckRemovesTheOldest(Queue):
    """A cumulative position: the oldest leased message goes."""

    async def ack(self, lease: Lease) -> None:
        held = self.held(lease, "ack")
        self.remove(min((row for row in self.rows(held.queue) if row.token), key=lambda row: row.place))


@mutant("visibility.4", "wrong target", trap="two equal payloads, one acked", also="visibility.11 visibility.2")
class AckRemovesByPayload(Queue):
    """LREM."""

    async def ack(self, lease: Lease) -> None:
        held = self.held(lease, "ack")
        for row in self.rows(held.queue):
            if row.payload == held.payload and row.headers == held.headers:
                self.remove(row)


@mutant("visibility.4", "missing step", trap="an ack of a second delivery", also="visibility.5 visibility.11")
class AckOfRedeliveryIsForgotten(Queue):
    """The row moved when it was put back; the delete finds nothing, and the lease runs on."""

    def remove(self, row: Row) -> None:
        if row.attempts > 1 and row.token:
            self.put(replace(row, token="gone"))
        else:
            super().remove(row)


@mutant("visibility.4", "missing step", trap="an ack through another client than the receiver's", also="visibility.5 basic.10")
class AckIsOfTheReceiversClient(Queue):
    """Others are told Conflict."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.mine: set[str] = set()

    def lease(self, row: Row, seconds: float) -> Lease:
        lease = super().lease(row, seconds)
        self.mine.add(lease.token)
        return lease

    async def ack(self, lease: Lease) -> None:
        if lease.token not in self.mine:
            raise Conflict("zoo: ack: unknown delivery tag")
        await super().ack(lease)


@mutant("visibility.4", "over-reach", trap="an ack with older leases open", also="visibility.11 visibility.5 visibility.2")
class AckIsCumulative(Queue):
    """All up to this one."""

    async def ack(self, lease: Lease) -> None:
        held = self.held(lease, "ack")
        for row in self.rows(held.queue):
            if row.token and row.place <= held.place:
                self.remove(row)


# visibility.5: a lease that has ended


class _Lax(Queue):
    """A lease counts by another rule, for the operations named."""

    operations: tuple[str, ...] = ("ack", "extend", "release")

    def still(self, row: Row, lease: Lease) -> bool:
        return True

    def held(self, lease: Lease, operation: str) -> Row:
        row = self.space().queues.get(self.name(lease.queue, operation), {}).get(lease.message.id)
        if operation in self.operations and row is not None and self.still(row, lease):
            return row
        return super().held(lease, operation)


@mutant("visibility.5", "missing check", trap="an ack of a lease that has ended", also="visibility.4 visibility.8")
class AckNeedsNoLease(_Lax):
    """DELETE WHERE id."""

    operations = ("ack",)


@mutant(
    "visibility.5",
    "missing check",
    trap="an ack after the deadline, before anybody else received",
    also="visibility.4 visibility.8",
)
class AckAfterTheDeadline(_Lax):
    """The token is still in the row, so the lease still holds."""

    operations = ("ack",)

    def still(self, row: Row, lease: Lease) -> bool:
        return row.token == lease.token


@mutant("visibility.5", "missing check", trap="an extend after the deadline", also="visibility.3 visibility.6 visibility.8")
class ExtendRevives(_Lax):
    operations = ("extend",)

    def still(self, row: Row, lease: Lease) -> bool:
        return row.token == lease.token


@mutant("visibility.5", "missing check", trap="a release after the deadline, while another holds the message", also="visibility.2")
class ReleaseNeedsNoLease(_Lax):
    operations = ("release",)

    def still(self, row: Row, lease: Lease) -> bool:
        return bool(row.token)


@mutant("visibility.5", "weak token", trap="the old lease after a redrive", also="visibility.4 dead_letter.5")
class TokenIsTheAttempt(Queue):
    """Attempts begin anew with a redrive, and so do tokens."""

    def lease(self, row: Row, seconds: float) -> Lease:
        return replace(super().lease(row, seconds), token=str(row.attempts + 1))

    def valid(self, row: Row, lease: Lease) -> bool:
        return bool(row.token) and row.attempts == lease.attempt and not self.lapsed(row)


@mutant("visibility.5", "idempotent delete", trap="a second ack", also="visibility.4 visibility.8")
class SecondAckIsFine(Queue):
    async def ack(self, lease: Lease) -> None:
        if lease.message.id in self.space().queues.get(self.name(lease.queue, "ack"), {}):
            await super().ack(lease)


@mutant("visibility.5", "idempotent call", trap="a second release", also="visibility.7")
class SecondReleaseIsFine(Queue):
    async def release(self, lease: Lease) -> None:
        row = self.space().queues.get(self.name(lease.queue, "release"), {}).get(lease.message.id)
        if row is None or row.token:
            await super().release(lease)


@mutant("visibility.5", "wrong error", trap="any call with an acked lease")
class AckedLeaseIsNotFound(Queue):
    def held(self, lease: Lease, operation: str) -> Row:
        if lease.message.id not in self.space().queues.get(self.name(lease.queue, operation), {}):
            raise NotFound(f"zoo: {operation}: no such message")
        return super().held(lease, operation)


@mutant(
    "visibility.5",
    "partial effect",
    trap="extend of an ended lease that raises, while another holds the message",
    also="visibility.6",
)
class ExtendsThenChecks(Queue):
    """The deadline is written before the token is looked at."""

    async def extend(self, lease: Lease, seconds: float) -> None:
        row = self.space().queues.get(self.name(lease.queue, "extend"), {}).get(lease.message.id)
        wanted = self.visibility(seconds, "extend")
        if row is not None and row.token:
            self.put(replace(row, until=self.after(wanted)))
        await super().extend(lease, seconds)


@mutant("visibility.5", "partial effect", trap="release of an ended lease that raises, then the attempts", also="visibility.3")
class FailedCallsCountAttempts(Queue):
    def held(self, lease: Lease, operation: str) -> Row:
        try:
            return super().held(lease, operation)
        except Conflict:
            row = self.space().queues.get(lease.queue, {}).get(lease.message.id)
            if row is not None:
                self.put(replace(row, attempts=row.attempts + 1))
            raise
