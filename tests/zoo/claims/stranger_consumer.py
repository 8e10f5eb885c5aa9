"""The consumer of a stranger's claim check."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prism_patterns.claim_check import Claim, ClaimConsumer, ClaimDelivery, ClaimExpired, ClaimNotFound
from prism_testkit.interfaces import BucketNotFound, CorruptPayload, ObjectNotFound
from prism_testkit.interfaces.queue import Lease

from .stranger_codec import Check, marker_name, read_reference, unescape, unpack

if TYPE_CHECKING:
    from .strangers import StrangeClaimCheck

__all__ = ["Handle", "StrangeConsumer"]


@dataclass(slots=True)
class Handle:
    """A lease, and how far its ack came."""

    lease: Lease
    garbled: bool = False
    acked: bool = False


class StrangeConsumer(ClaimConsumer):
    """Leases messages for a minute."""

    visibility_s = 60.0

    def __init__(self, claims: "StrangeClaimCheck", topic: str, consumer: str) -> None:
        self.claims = claims
        self.topic = topic
        self.consumer = consumer

    async def receive(self, timeout_s: float = 0) -> ClaimDelivery | None:
        self.claims.check_open()
        lease = await self.claims.queue.receive(self.topic, self.visibility_s, timeout_s)
        return None if lease is None else self.delivered(lease)

    def delivered(self, lease: Lease) -> ClaimDelivery:
        field = self.claims.config.claim_check_field
        handle, claim = Handle(lease), None
        reference = lease.message.headers.get(field)
        if reference is not None:
            try:
                claim = self.claim_of(reference)
            except (ValueError, TypeError):
                handle.garbled = True
        headers = self.unescaped(lease.message.headers, field)
        return ClaimDelivery(lease.message.id, self.topic, headers, claim, lease.attempt, handle)

    def claim_of(self, reference: str) -> Claim:
        """Raise ValueError for a reference that is none."""
        return read_reference(reference)

    def unescaped(self, headers: Any, field: str) -> dict[str, str]:
        return unescape(headers, field)

    async def read(self, delivery: ClaimDelivery) -> bytes:
        return b"".join([piece async for piece in self.chunks(delivery)])

    async def chunks(self, delivery: ClaimDelivery) -> AsyncIterator[bytes]:
        self.claims.check_open()
        handle: Handle = delivery.handle
        if handle.garbled:
            raise CorruptPayload(f"message {delivery.message_id}: its reference cannot be read")
        if delivery.claim is None:
            yield handle.lease.message.payload
            return
        async for piece in self.fetched(delivery.claim):
            yield piece

    async def fetched(self, claim: Claim) -> AsyncIterator[bytes]:
        """Yield the original bytes, and raise at the end what is wrong with them."""
        check = Check()
        try:
            async for piece in self.unpacked(claim):
                check.feed(piece)
                if check.size > claim.size:
                    break
                if piece:
                    yield piece
        except CorruptPayload as error:
            raise CorruptPayload(f"{claim.bucket}/{claim.key}: {error}") from error
        except (ObjectNotFound, BucketNotFound) as error:
            raise await self.absent(claim) from error
        self.compare(check, claim)

    def unpacked(self, claim: Claim) -> AsyncIterator[bytes]:
        return unpack(self.claims.store.get_stream(claim.bucket, claim.key), claim.compression)

    def compare(self, check: Check, claim: Claim) -> None:
        if (check.size, check.checksum) != (claim.size, claim.checksum):
            raise CorruptPayload(f"{claim.bucket}/{claim.key}: expected {claim.size} bytes with {claim.checksum}, found others")

    async def absent(self, claim: Claim) -> ClaimExpired | ClaimNotFound:
        age_ms = await self.claims.now_ms() - claim.stored_ms
        where = f"{claim.bucket}/{claim.key}, stored {age_ms} ms ago, is not there"
        return ClaimExpired(where) if self.is_expired(age_ms) else ClaimNotFound(where)

    def is_expired(self, age_ms: int) -> bool:
        return age_ms > self.claims.config.max_age_s * 1000

    async def ack(self, delivery: ClaimDelivery) -> None:
        self.claims.check_open()
        handle: Handle = delivery.handle
        if not handle.acked:
            await self.claims.queue.ack(handle.lease)
            handle.acked = True
        if delivery.claim is not None:
            await self.mark(delivery.claim)

    async def mark(self, claim: Claim) -> None:
        await self.claims.store.put(claim.bucket, f"{claim.key}.acks/{marker_name(self.consumer)}", b"")

    async def nack(self, delivery: ClaimDelivery, delay_s: float = 0) -> None:
        self.claims.check_open()
        lease = delivery.handle.lease
        if delay_s > 0:
            await self.claims.queue.extend(lease, delay_s)
        else:
            await self.claims.queue.release(lease)
