"""Queues that keep every promise in an unusual way. No check may fail on any of them.

`unusual_timing` holds those that take their time.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from prism_testkit.backend import Backend
from prism_testkit.interfaces import Bytes, Conflict, InvalidName, Lease, PayloadTooLarge, QueueMessage
from prism_testkit.traits import Limits, Traits

from .reference import FileQueue, Queue, backend
from .stores import Row

__all__ = ["UNUSUAL"]


class LongIds(Queue):
    """Ids are digests."""

    def new_id(self, queue: str) -> str:
        return hashlib.blake2b(super().new_id(queue).encode(), digest_size=24).hexdigest()


class Coarse(Queue):
    """Leases and delays end on whole seconds, rounded up, as the limits say."""

    limits = Limits(clock_resolution_s=1.0)

    def deadline(self, seconds: float) -> float:
        return float(math.ceil(self.now() + seconds))


class Late(Queue):
    """Leases and delays end two and a half seconds late, for all methods alike, as the traits say."""

    traits = Traits(ttl_late_s=2.5)

    def lapsed(self, row: Row) -> bool:
        return bool(row.token) and self.over(row.until + 2.5)

    def delayed(self, row: Row) -> bool:
        return not self.over(row.due + 2.5)

    def instants(self, queue: str) -> list[float]:
        return [instant + 2.5 for row in self.rows(queue) for instant in (row.until, row.due) if not self.over(instant + 2.5)]


class LateForOthersOnly(Late):
    """A lease ends in time for its holder, and late for those who wait for the message."""

    def valid(self, row: Row, lease: Lease) -> bool:
        return row.token == lease.token and not self.over(row.until)


class ShortNames(Queue):
    limits = Limits(max_name=64)


class SmallPayloads(Queue):
    limits = Limits(max_payload=64)


class Octets(bytes):
    """Bytes of a class of their own, as some client libraries give."""


class Headers(Mapping[str, str]):
    """A mapping that is no dict and cannot be changed."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._pairs = tuple(headers.items())

    def __getitem__(self, name: str) -> str:
        return dict(self._pairs)[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self._pairs))

    def __len__(self) -> int:
        return len(self._pairs)


class BytesSubclass(Queue):
    """Payloads are of a class below bytes, headers a mapping of another kind."""

    def message(self, row: Row) -> QueueMessage:
        return QueueMessage(row.id, Octets(row.payload), Headers(row.headers))


class HexNames(Queue):
    """Stores names encoded, and gives leases the name that was asked for."""

    def name(self, queue: str, operation: str) -> str:
        return super().name(queue, operation).encode().hex()

    def leased(self, row: Row) -> Lease:
        return replace(super().leased(row), queue=bytes.fromhex(row.queue).decode())


class ReleasedToTheTail(Queue):
    """What comes again comes last in its priority."""

    def ended(self, row: Row, when: float) -> Row:
        return replace(super().ended(row, when), place=self.serial())


class ReleasedToTheHead(Queue):
    """What comes again comes first in its priority, the latest first."""

    def ended(self, row: Row, when: float) -> Row:
        return replace(super().ended(row, when), place=-self.serial())


class DelayedByInstant(Queue):
    """Messages that were delayed are ordered by when they became available."""

    def order(self, row: Row) -> Any:
        came = self.store.notes.get((self.namespace, row.id), 0.0)
        return -row.priority, max(row.due, came), row.place

    def insert(self, row: Row) -> str:
        self.store.notes[self.namespace, row.id] = self.now()
        return super().insert(row)

    def corpse(self, row: Row, target: str) -> Row:
        self.store.notes[self.namespace, row.id] = self.now()
        return super().corpse(row, target)

    def revived(self, row: Row, queue: str) -> Row:
        self.store.notes[self.namespace, row.id] = self.now()
        return super().revived(row, queue)


class PeekShowsLeased(Queue):
    """While a lease is open, a peek shows the leased message."""

    def shown(self, queue: str) -> Row | None:
        return next((row for row in self.rows(queue) if row.token), None) or super().shown(queue)


class PeekIsBlindWhileLeased(Queue):
    """While a lease is open, a peek shows nothing."""

    def shown(self, queue: str) -> Row | None:
        return None if any(row.token for row in self.rows(queue)) else super().shown(queue)


class HidesLeasedDead(Queue):
    """`dead_letters` leaves out what is leased in the target."""

    async def dead_letters(self, queue: str) -> list[QueueMessage]:
        await super().dead_letters(queue)
        return [self.message(row) for row in self.dead(self.name(queue, "dead_letters")) if not row.token or self.lapsed(row)]


class HidesLeasedDeadByTurns(HidesLeasedDead):
    """`dead_letters` leaves them out every other time."""

    looks = 0

    async def dead_letters(self, queue: str) -> list[QueueMessage]:
        self.looks += 1
        return await (super() if self.looks % 2 else super(HidesLeasedDead, self)).dead_letters(queue)


class BuriesAtLooks(Queue):
    """The dead move at the next receive, peek or `dead_letters` and not before; until then a dequeue takes them."""

    burying = False

    def bury(self, queue: str) -> None:
        if self.burying:
            super().bury(queue)

    def settle(self, queue: str) -> None:
        super().settle(queue)

    def shown(self, queue: str) -> Row | None:
        self.bury_now(queue)
        return super().shown(queue)

    def bury_now(self, queue: str) -> None:
        self.burying = True
        super().bury(queue)
        self.burying = False

    async def dead_letters(self, queue: str) -> list[QueueMessage]:
        name = self.name(queue, "dead_letters")
        self.settle(name)
        self.bury_now(name)
        return await super().dead_letters(queue)

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        name = self.name(queue, "receive")
        seconds, timeout = self.visibility(visibility_s, "receive"), self.timeout(timeout_s, "receive")
        end = self.after(timeout)
        while True:
            self.settle(name)
            self.bury_now(name)
            row = self.first(name)
            if row is not None:
                return self.lease(row, seconds)
            if timeout <= 0 or self.over(end):
                return None
            await self.pause(name, end)


class VendorInvalidName(InvalidName):
    """A vendor's own kind of `InvalidName`."""


class VendorConflict(Conflict):
    """A vendor's own kind of `Conflict`."""


class NativeErrors(Queue):
    """Errors are of the vendor's own classes below ours, and have a native one as their cause."""

    def name(self, queue: str, operation: str) -> str:
        try:
            return super().name(queue, operation)
        except InvalidName as error:
            raise VendorInvalidName(str(error)) from OSError(22, "invalid argument")

    def data(self, payload: Bytes, operation: str, queue: str) -> bytes:
        try:
            return super().data(payload, operation, queue)
        except PayloadTooLarge as error:
            raise PayloadTooLarge(str(error)) from OSError(27, "file too large")

    def held(self, lease: Lease, operation: str) -> Row:
        try:
            return super().held(lease, operation)
        except Conflict as error:
            raise VendorConflict(str(error)) from KeyError(lease.token)


class ChecksInAnotherOrder(Queue):
    """Of several mistakes in one call another one is told first."""

    def add(
        self, operation: str, queue: str, payload: Bytes, headers: Mapping[str, str] | None, *more: Any, **settings: Any
    ) -> str:
        self.labels(headers, operation)
        self.data(payload, operation, str(queue))
        return super().add(operation, queue, payload, headers, *more, **settings)


class LongTimesRefused(Queue):
    """``ValueError`` above what must be accepted."""

    def visibility(self, seconds: float, operation: str) -> float:
        if super().visibility(seconds, operation) > 43_200:
            raise ValueError(f"zoo: {operation}: {seconds} s is more than twelve hours")
        return seconds

    def delay(self, delay_s: float, operation: str) -> float:
        if super().delay(delay_s, operation) > 1e9:
            raise ValueError(f"zoo: {operation}: {delay_s} s is more than 1e9")
        return delay_s


UNUSUAL: tuple[Backend[Any], ...] = (
    backend("plain", Queue),
    backend("file", FileQueue),
    backend("file-claims-less", FileQueue, traits=Traits(durability="process")),
    backend("long-ids", LongIds),
    backend("coarse", Coarse),
    backend("late", Late),
    backend("late-for-others-only", LateForOthersOnly),
    backend("short-names", ShortNames),
    backend("small-payloads", SmallPayloads),
    backend("bytes-subclass", BytesSubclass),
    backend("hex-names", HexNames),
    backend("released-to-the-tail", ReleasedToTheTail),
    backend("released-to-the-head", ReleasedToTheHead),
    backend("delayed-by-instant", DelayedByInstant),
    backend("peek-shows-leased", PeekShowsLeased),
    backend("peek-is-blind-while-leased", PeekIsBlindWhileLeased),
    backend("hides-leased-dead", HidesLeasedDead),
    backend("hides-leased-dead-by-turns", HidesLeasedDeadByTurns),
    backend("buries-at-looks", BuriesAtLooks),
    backend("native-errors", NativeErrors),
    backend("checks-in-another-order", ChecksInAnotherOrder),
    backend("long-times-refused", LongTimesRefused),
)
