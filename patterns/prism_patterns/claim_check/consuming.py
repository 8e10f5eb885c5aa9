"""A consumer of our claim check."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress

from prism_patterns.claim_check.channels import Incoming, Source
from prism_patterns.claim_check.codec import Seal, check_seal, unpacked
from prism_patterns.claim_check.config import ClaimCheckConfig
from prism_patterns.claim_check.contract import Claim, ClaimConsumer, ClaimDelivery, ClaimExpired, ClaimNotFound
from prism_patterns.claim_check.references import reference_of, unescaped
from prism_patterns.claim_check.sweeping import Layout
from prism_patterns.working import Work
from prism_testkit.interfaces.errors import BucketNotFound, CorruptPayload, ObjectNotFound
from prism_testkit.interfaces.object_storage import ObjectStorage

__all__ = ["Consumer"]

_WHOLE_BYTES = 4 * 1024 * 1024


class _Handle:
    """What a delivery stands for: its message, and whether the broker has confirmed its ack."""

    __slots__ = ("acked", "broken", "incoming")

    def __init__(self, incoming: Incoming, broken: CorruptPayload | None) -> None:
        self.incoming, self.broken, self.acked = incoming, broken, False


def _name(claim: Claim) -> str:
    return f"claim check: claim {claim.bucket!a}/{claim.key!a}"


class Consumer(ClaimConsumer):
    """`ClaimConsumer` over a source of messages."""

    def __init__(
        self, store: ObjectStorage, config: ClaimCheckConfig, layout: Layout, source: Source, topic: str, name: str, work: Work
    ) -> None:
        self._store, self._config, self._layout, self._source = store, config, layout, source
        self._topic, self._name, self._work = topic, name, work

    async def receive(self, timeout_s: float = 0) -> ClaimDelivery | None:
        self._work.check_open("receive")
        incoming = await self._source.receive(timeout_s)
        if incoming is None:
            return None
        field = self._config.claim_check_field
        claim, broken = None, None
        try:
            claim = reference_of(incoming.headers, field, f"claim check: message {incoming.id!a} of {self._topic[:40]!a}")
        except CorruptPayload as error:  # the message can still be acked or nacked
            broken = error
        headers = unescaped(incoming.headers, field)
        return ClaimDelivery(incoming.id, self._topic, headers, claim, incoming.count, _Handle(incoming, broken))

    async def read(self, delivery: ClaimDelivery) -> bytes:
        # What will be held whole anyway is fetched whole, up to a size.
        claim = delivery.claim
        whole = claim is not None and claim.size <= _WHOLE_BYTES
        if claim is not None and whole and claim.compression == "none":
            return await self._plain(delivery.handle, claim)
        return b"".join([chunk async for chunk in self._chunks(delivery, whole=whole)])

    async def _plain(self, handle: _Handle, claim: Claim) -> bytes:
        """Return the bytes of an object that are the payload."""
        self._check(handle)
        what = _name(claim)
        await self._source.keep(handle.incoming)
        try:
            data = await self._store.get(claim.bucket, claim.key)
        except BucketNotFound as error:
            raise await self._absent(claim, what) from error
        if data is None:
            raise await self._absent(claim, what)
        seal = Seal()
        seal.update(data)
        check_seal(seal, claim.size, claim.checksum, what)
        return data

    def _check(self, handle: _Handle) -> None:
        self._work.check_open("read")
        if handle.broken is not None:
            raise handle.broken

    def chunks(self, delivery: ClaimDelivery) -> AsyncIterator[bytes]:
        return self._chunks(delivery, whole=False)

    async def _chunks(self, delivery: ClaimDelivery, *, whole: bool) -> AsyncIterator[bytes]:
        handle: _Handle = delivery.handle
        self._check(handle)
        claim = delivery.claim
        if claim is None:
            yield handle.incoming.payload
            return
        what = _name(claim)
        stored = self._kept(claim, handle.incoming, whole)
        try:
            async for chunk in unpacked(stored, claim.compression, claim.size, claim.checksum, what):
                yield chunk
        except (ObjectNotFound, BucketNotFound) as error:
            raise await self._absent(claim, what) from error
        finally:
            await stored.aclose()

    async def _kept(self, claim: Claim, incoming: Incoming, whole: bool) -> AsyncGenerator[bytes, None]:
        """Yield the object's bytes, keeping the message meanwhile."""
        await self._source.keep(incoming)
        if whole:
            data = await self._store.get(claim.bucket, claim.key)
            if data is None:
                raise ObjectNotFound(f"{claim.bucket!a}/{claim.key!a}")
            yield data
            return
        async for chunk in self._store.get_stream(claim.bucket, claim.key):
            yield chunk
            await self._source.keep(incoming)

    async def _absent(self, claim: Claim, what: str) -> ClaimExpired | ClaimNotFound:
        with suppress(BucketNotFound):
            now_ms = (await self._store.put(self._config.bucket, self._layout.clock, b"")).last_modified_ms
            if now_ms - claim.stored_ms > self._config.max_age_s * 1000:
                return ClaimExpired(f"{what} is gone: it is older than {self._config.max_age_s:g} s")
        return ClaimNotFound(f"{what} is not there, although it is not older than {self._config.max_age_s:g} s")

    async def ack(self, delivery: ClaimDelivery) -> None:
        with self._work.call("ack"):
            handle: _Handle = delivery.handle
            if not handle.acked:  # a repeat is for the marker
                await self._source.ack(handle.incoming)
                handle.acked = True
            if delivery.claim is not None and self._marks():
                await self._store.put(delivery.claim.bucket, self._layout.marker(delivery.claim.key, self._name), b"")

    def _marks(self) -> bool:
        config = self._config
        return config.cleanup == "on_ack" and (not config.consumers or self._name in config.consumers)

    async def nack(self, delivery: ClaimDelivery, delay_s: float = 0) -> None:
        with self._work.call("nack"):
            await self._source.nack(delivery.handle.incoming, delay_s)
