"""One consumer of the courier, and one sweep."""

import hashlib
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Protocol

import prism_testkit as prism
from prism_patterns.claim_check import (
    Claim,
    ClaimCheckConfig,
    ClaimConsumer,
    ClaimDelivery,
    ClaimExpired,
    ClaimNotFound,
    Swept,
)
from prism_testkit.interfaces import (
    BucketNotFound,
    Closed,
    Conflict,
    CorruptPayload,
    InvalidName,
    NotFound,
    ObjectNotFound,
    ObjectStorage,
    PrismError,
)

from .courier_codec import PACKINGS, Packing, Slip
from .courier_lines import Desk, Parcel

__all__ = ["ID", "Broom", "Counter"]

ID = 40
FAILURES_IN_A_ROW = 16


class Office(Protocol):
    """What a consumer and a sweep need of the claim check."""

    config: ClaimCheckConfig
    store: ObjectStorage
    clock: prism.Clock
    line: Any
    slip: Slip
    notes: dict[str, Any]

    def alive(self) -> None: ...

    def unescape(self, headers: Mapping[str, str]) -> dict[str, str]: ...

    def marker(self, key: str, consumer: str) -> str: ...

    async def now_ms(self) -> int: ...


class Counter(ClaimConsumer):
    """One consumer."""

    def __init__(self, claims: Office, desk: Desk, topic: str, consumer: str) -> None:
        self.claims, self.desk, self.topic, self.consumer = claims, desk, topic, consumer
        self.left = False
        self.notes: dict[str, Any] = {}

    def check(self) -> None:
        self.claims.alive()
        if self.left:
            raise Closed("courier: the consumer was left")

    async def receive(self, timeout_s: float = 0) -> ClaimDelivery | None:
        self.check()
        prism.check_timeout(timeout_s, "receive", "courier")
        parcel = await self.desk.take(timeout_s)
        return None if parcel is None else self.delivery(parcel)

    def delivery(self, parcel: Parcel) -> ClaimDelivery:
        claim = None
        text = parcel.headers.get(self.claims.config.claim_check_field)
        if text is not None:
            try:
                claim = self.claims.slip.read(text)
            except ValueError:
                claim = None  # read says so
        headers = self.claims.unescape(parcel.headers)
        return ClaimDelivery(parcel.id, self.topic, headers, claim, parcel.count, parcel)

    async def read(self, delivery: ClaimDelivery) -> bytes:
        for _ in range(2):
            try:
                return b"".join([piece async for piece in self.pieces(delivery)])
            except Conflict:
                continue
        return b"".join([piece async for piece in self.chunks(delivery)])

    async def chunks(self, delivery: ClaimDelivery) -> AsyncIterator[bytes]:
        try:
            async for piece in self.pieces(delivery):
                yield piece
        except Conflict as error:
            raise CorruptPayload(f"courier: the claim was replaced while it was read: {error}") from error

    async def pieces(self, delivery: ClaimDelivery) -> AsyncIterator[bytes]:
        self.check()
        claim, parcel = delivery.claim, delivery.handle
        if claim is None:
            text = parcel.headers.get(self.claims.config.claim_check_field)
            if text is not None:
                raise CorruptPayload(f"courier: the message {parcel.id} refers to nothing: {text[:100]!r}")
            yield parcel.payload
            return
        digest, size, unpacking = hashlib.sha256(), 0, PACKINGS[claim.compression]()
        try:
            async for stored in self.claims.store.get_stream(claim.bucket, claim.key):
                for piece in self.unpacked(unpacking, stored, claim):
                    size += len(piece)
                    if size > claim.size:
                        raise CorruptPayload(f"courier: {claim.key} is longer than {claim.size} bytes")
                    digest.update(piece)
                    yield piece
        except (ObjectNotFound, BucketNotFound) as error:
            raise await self.absent(claim) from error
        except InvalidName as error:
            raise CorruptPayload(f"courier: the message {parcel.id} refers to what has no name: {error}") from error
        if size != claim.size or not unpacking.done() or f"sha256:{digest.hexdigest()}" != claim.checksum:
            raise CorruptPayload(f"courier: {claim.key} is not what was stored: {size} bytes, {claim.size} were")

    def unpacked(self, unpacking: Packing, stored: bytes, claim: Claim) -> Iterator[bytes]:
        try:
            yield from unpacking.unpack(stored)
        except CorruptPayload:
            raise
        except Exception as error:
            raise CorruptPayload(f"courier: {claim.key} cannot be unpacked: {error}") from error

    async def absent(self, claim: Claim) -> NotFound:
        try:
            age_ms = await self.claims.now_ms() - claim.stored_ms
        except BucketNotFound:
            age_ms = self.claims.clock.now_ms() - claim.stored_ms
        what = f"courier: {claim.bucket}: {claim.key} is not there; it was stored {age_ms / 1000} s ago"
        return ClaimExpired(what) if age_ms > self.claims.config.max_age_s * 1000 else ClaimNotFound(what)

    async def ack(self, delivery: ClaimDelivery) -> None:
        self.check()
        parcel: Parcel = delivery.handle
        if not parcel.settled:
            await self.desk.settle(parcel)
            parcel.settled = True
        if delivery.claim is not None:
            await self.mark(delivery.claim)

    async def mark(self, claim: Claim) -> None:
        await self.claims.store.put(claim.bucket, self.claims.marker(claim.key, self.consumer), b"")

    async def nack(self, delivery: ClaimDelivery, delay_s: float = 0) -> None:
        self.check()
        await self.desk.put_back(delivery.handle, prism.check_seconds(delay_s, "nack", "courier"))


class Broom:
    """One sweep."""

    def __init__(self, store: ObjectStorage, config: ClaimCheckConfig, claims: Office) -> None:
        self.claims, self.config, self.store = claims, config, store
        self.born: dict[str, int] = {}
        self.marks: dict[str, dict[str, int]] = {}
        self.errors: list[Exception] = []
        self.in_a_row = 0
        self.expired = self.acked = self.markers = 0

    async def run(self) -> Swept:
        now_ms = await self.claims.now_ms()
        await self.look()
        for key in list(self.born):
            why = self.due(key, now_ms)
            if why:
                await self.clear(key, why)
        for key in [key for key in self.marks if key not in self.born]:
            await self.orphans(key)
        self.end()
        return Swept(self.expired, self.acked, self.markers)

    def end(self) -> None:
        if self.errors:
            self.errors[0].add_note(f"courier: the sweep met {len(self.errors)} errors")
            raise self.errors[0]

    async def look(self) -> None:
        start = f"{self.config.prefix}/"
        async for info in self.store.list_objects(self.config.bucket, start):
            name, dot, consumer = info.key[len(start) :].partition(".acks/")
            if not self.is_id(name):
                continue
            if not dot:
                self.born[start + name] = info.last_modified_ms
            elif consumer:
                self.marks.setdefault(start + name, {})[info.key] = info.last_modified_ms

    def is_id(self, name: str) -> bool:
        return len(name) == ID and set(name) <= set("0123456789abcdef")

    def due(self, key: str, now_ms: int) -> str:
        if now_ms - self.born[key] > (self.config.max_age_s + self.config.grace_period_s) * 1000:
            return "expired"
        if self.config.cleanup == "on_ack" and self.done(key, now_ms):
            return "acked"
        return ""

    def done(self, key: str, now_ms: int) -> bool:
        marks = self.marks.get(key, {})
        wanted = [self.claims.marker(key, consumer) for consumer in self.config.consumers] or list(marks)
        if not wanted or not all(name in marks for name in wanted):
            return False
        return now_ms - max(marks[name] for name in wanted) > self.config.retention_after_ack_s * 1000

    async def clear(self, key: str, why: str) -> None:
        removed = await self.remove(key)
        if removed is None:
            return
        if removed:
            setattr(self, why, getattr(self, why) + 1)
        for mark in self.marks.get(key, {}):
            self.markers += bool(await self.remove(mark))

    async def orphans(self, key: str) -> None:
        try:
            if await self.store.exists(self.config.bucket, key):
                return
        except PrismError as error:
            self.failed(error)
            return
        for mark in self.marks[key]:
            self.markers += bool(await self.remove(mark))

    async def remove(self, key: str) -> bool | None:
        try:
            removed = await self.store.delete(self.config.bucket, key)
        except PrismError as error:
            self.failed(error)
            return None
        self.in_a_row = 0
        return removed

    def failed(self, error: Exception) -> None:
        self.errors.append(error)
        self.in_a_row += 1
        if self.in_a_row >= FAILURES_IN_A_ROW:
            self.end()
