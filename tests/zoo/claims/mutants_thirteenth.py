"""Mutants of claim checks whose references are bytes of a binary format: a suite that reads texts only would miss them."""

from collections.abc import AsyncIterator
from typing import Any, ClassVar

from prism_patterns.claim_check import Claim, ClaimDelivery
from tests.zoo.declare import Mutant

from .declare import declaring
from .thirteenth_binary import BinaryConsumer, BinaryReferences, HexadecimalReferences

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)
BINARY = "references in base64"


@mutant("CC5", "unchecked input", trap=f"{BINARY}, one word of which is another", also="CC6")
class BelievesAnyCompression(BinaryReferences):
    """What it does not know how to unpack is looked up in a table, and not found."""

    class _Consumer(BinaryConsumer):
        def check(self, claim: Claim, digest: bytes) -> None:
            return None

        def unpacked(self, claim: Claim) -> AsyncIterator[bytes]:
            {"none": 0, "gzip": 1, "zstd": 2}[claim.compression]
            return super().unpacked(claim)

    consumer_type = _Consumer


@mutant("CC5", "unchecked input", trap="references in hexadecimal digits that are cut", also="CC6")
class FailsAtTheReceive(HexadecimalReferences):
    """A reference is cut into its fields when its message is received, and what comes of it is not looked at."""

    class _Consumer(HexadecimalReferences._Consumer):
        def claim_of(self, reference: str) -> Claim:
            try:
                return super().claim_of(reference)
            except ValueError as error:
                raise IndexError("no field") from error

    consumer_type = _Consumer


@mutant("CC3", "order of steps", trap=f"{BINARY}: which object a message means", also="CC4 CC1")
class SendsBeforeItsUploadIsDone(BinaryReferences):
    """The reference goes out with the first piece of the payload."""

    async def upload(self, key: str, pieces: AsyncIterator[bytes]) -> Claim:
        gathered = b"".join([piece async for piece in pieces])
        held: dict[str, bytes] = self.__dict__.setdefault("held", {})
        held[key] = gathered

        async def again() -> AsyncIterator[bytes]:
            yield gathered

        claim = await super().upload(key, again())
        await self.store.delete(claim.bucket, key)
        return claim

    async def refer(self, topic: str, claim: Claim, headers: dict[str, str]) -> str:
        told = await super().refer(topic, claim, headers)

        async def again() -> AsyncIterator[bytes]:
            yield self.__dict__["held"].pop(claim.key)

        await super().upload(claim.key, again())
        return told


@mutant("CC4", "order of steps", trap=f"{BINARY}: whose ack the broker took")
class MarksBeforeTheBrokerTookIt(BinaryReferences):
    class _Consumer(BinaryConsumer):
        async def ack(self, delivery: ClaimDelivery) -> None:
            handle: Any = delivery.handle
            if delivery.claim is not None and not handle.acked:
                await self.mark(delivery.claim)
            await super().ack(delivery)

    consumer_type = _Consumer


@mutant("CC5", "missing field", trap=f"{BINARY}: what is in them", also="CC1")
class KnowsChecksumsByHeart(BinaryReferences):
    """A checksum is kept beside the publisher, and not in the message."""

    known: ClassVar[dict[str, str]] = {}

    class _Consumer(BinaryConsumer):
        def claim_of(self, reference: str) -> Claim:
            claim = super().claim_of(reference)
            checksum = KnowsChecksumsByHeart.known.get(claim.key, claim.checksum)
            return Claim(claim.bucket, claim.key, claim.size, checksum, claim.compression, claim.stored_ms)

    consumer_type = _Consumer

    def reference(self, claim: Claim) -> str:
        self.known[claim.key] = claim.checksum
        return super().reference(
            Claim(claim.bucket, claim.key, claim.size, f"sha256:{'00' * 32}", claim.compression, claim.stored_ms)
        )
