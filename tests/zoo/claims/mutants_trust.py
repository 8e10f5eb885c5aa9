"""Mutants of what a consumer believes: objects that are not what was stored, and claims that are gone."""

import zlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from prism_patterns.claim_check import Claim, ClaimDelivery, ClaimExpired, ClaimNotFound
from prism_testkit.interfaces import BucketNotFound, CorruptPayload, ObjectNotFound
from tests.zoo.declare import Mutant

from .declare import declaring
from .ours import OurConsumer, OursOnQueues
from .stranger_codec import Check
from .stranger_consumer import StrangeConsumer
from .strangers import StrangeClaimCheck

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# CC5


@mutant("CC5", "order of steps", trap="a compressed claim: its digest is of the compressed bytes")
class DigestsTheCompressedBytes(StrangeClaimCheck):
    class _Digesting(StrangeConsumer):
        async def fetched(self, claim: Claim) -> AsyncIterator[bytes]:
            check = Check()
            async for piece in self.absent_or(claim):
                check.feed(piece)
            if check.checksum != claim.checksum:
                raise CorruptPayload(f"{claim.bucket}/{claim.key} was changed")
            async for piece in self.unpacked(claim):
                yield piece

        async def absent_or(self, claim: Claim) -> AsyncIterator[bytes]:
            try:
                async for piece in self.claims.store.get_stream(claim.bucket, claim.key):
                    yield piece
            except (ObjectNotFound, BucketNotFound) as error:
                raise await self.absent(claim) from error

    consumer_type = _Digesting

    async def upload(self, key: str, pieces: AsyncIterator[bytes]) -> Claim:
        claim = await super().upload(key, pieces)
        check = Check()
        async for piece in self.store.get_stream(claim.bucket, claim.key):
            check.feed(piece)
        return replace(claim, checksum=check.checksum)


@mutant("CC5", "wrong value", trap="the size in a compressed claim")
class TellsTheStoredSize(StrangeClaimCheck):
    class _Sizeless(StrangeConsumer):
        async def fetched(self, claim: Claim) -> AsyncIterator[bytes]:
            async for piece in super().fetched(replace(claim, size=1 << 60)):
                yield piece

        def compare(self, check: Check, claim: Claim) -> None:
            super().compare(check, replace(claim, size=check.size))

    consumer_type = _Sizeless

    async def upload(self, key: str, pieces: AsyncIterator[bytes]) -> Claim:
        claim = await super().upload(key, pieces)
        known = await self.store.metadata(claim.bucket, claim.key)
        return claim if known is None else replace(claim, size=known.size)


@mutant("CC5", "incomplete", trap="a truncated object")
class ReturnsATruncatedObject(StrangeClaimCheck):
    class _Lenient(StrangeConsumer):
        def compare(self, check: Check, claim: Claim) -> None:
            if check.size >= claim.size:
                super().compare(check, claim)

    consumer_type = _Lenient


@mutant("CC5", "incomplete", trap="an object that is changed, or swapped, at the same length")
class ComparesTheSizeOnly(StrangeClaimCheck):
    class _Sizing(StrangeConsumer):
        def compare(self, check: Check, claim: Claim) -> None:
            if check.size != claim.size:
                super().compare(check, claim)

    consumer_type = _Sizing


@mutant("CC5", "wrong error", trap="a compressed object that is changed")
class LeaksAnErrorOfZlib(OursOnQueues):
    class _Leaking(OurConsumer):
        async def _chunks(self, delivery: ClaimDelivery, *, whole: bool) -> AsyncIterator[bytes]:
            try:
                async for chunk in super()._chunks(delivery, whole=whole):
                    yield chunk
            except CorruptPayload as error:
                raise (error.__cause__ if isinstance(error.__cause__, zlib.error) else error) from None

    consumer_type = _Leaking


@mutant("CC5", "wrong error", trap="a compressed object that ends early")
class LeaksAnEofErrorOfGzip(StrangeClaimCheck):
    class _Leaking(StrangeConsumer):
        async def fetched(self, claim: Claim) -> AsyncIterator[bytes]:
            try:
                async for piece in super().fetched(claim):
                    yield piece
            except CorruptPayload as error:
                if "end early" in str(error):
                    raise EOFError(str(error)) from None
                raise

    consumer_type = _Leaking


@mutant("CC5", "one path", trap="chunks of an object that was changed")
class VerifiesReadsAndNotChunks(StrangeClaimCheck):
    class _Trusting(StrangeConsumer):
        verifying = False

        async def read(self, delivery: ClaimDelivery) -> bytes:
            self.verifying = True
            try:
                return await super().read(delivery)
            finally:
                self.verifying = False

        def compare(self, check: Check, claim: Claim) -> None:
            if self.verifying:
                super().compare(check, claim)

    consumer_type = _Trusting


@mutant("CC5", "one path", trap="read of an object that was changed")
class VerifiesChunksAndNotReads(OursOnQueues):
    class _Trusting(OurConsumer):
        async def read(self, delivery: ClaimDelivery) -> bytes:
            chunks = []
            try:
                async for chunk in self.chunks(delivery):
                    chunks.append(chunk)
            except CorruptPayload:
                if not chunks:
                    raise
            return b"".join(chunks)

    consumer_type = _Trusting


@mutant("CC5", "wrong place", trap="an object whose metadata is lost, or swapped with it")
class KeepsTheChecksumBesideTheObject(StrangeClaimCheck):
    class _Asking(StrangeConsumer):
        async def fetched(self, claim: Claim) -> AsyncIterator[bytes]:
            known = await self.claims.store.metadata(claim.bucket, claim.key)
            self._expected = "" if known is None else known.user_metadata.get("checksum", "")
            async for piece in super().fetched(claim):
                yield piece

        def compare(self, check: Check, claim: Claim) -> None:
            if self._expected not in ("", check.checksum):
                super().compare(check, claim)

    consumer_type = _Asking

    async def upload(self, key: str, pieces: AsyncIterator[bytes]) -> Claim:
        held = b"".join([piece async for piece in pieces])
        check = Check()
        check.feed(held)
        claim = await super().upload(key, self.sliced(held))
        data = await self.store.get(claim.bucket, claim.key) or b""
        await self.store.put(claim.bucket, claim.key, data, user_metadata={"checksum": check.checksum})
        return claim


@mutant("CC5", "stale cache", trap="an object that is changed after it was read once")
class VerifiesTheFirstTimeOnly(StrangeClaimCheck):
    class _Remembering(StrangeConsumer):
        def compare(self, check: Check, claim: Claim) -> None:
            verified: set[str] = self.claims.__dict__.setdefault("verified", set())
            if claim.key not in verified:
                super().compare(check, claim)
                verified.add(claim.key)

    consumer_type = _Remembering


@mutant("CC5", "falsy", trap="an object that was emptied", also="CC6")
class TakesAnEmptyObjectForNone(StrangeClaimCheck):
    class _Falsy(StrangeConsumer):
        async def fetched(self, claim: Claim) -> AsyncIterator[bytes]:
            known = await self.claims.store.metadata(claim.bucket, claim.key)
            if known is None or not known.size:
                raise await self.absent(claim)
            async for piece in super().fetched(claim):
                yield piece

    consumer_type = _Falsy


@mutant("CC5", "truncation", trap="an object with bytes behind its end")
class IgnoresWhatFollowsThePayload(StrangeClaimCheck):
    class _Cutting(StrangeConsumer):
        async def unpacked(self, claim: Claim) -> AsyncIterator[bytes]:
            left = claim.size
            try:
                async for piece in super().unpacked(claim):
                    yield piece[:left]
                    left -= len(piece[:left])
            except CorruptPayload:
                if left:
                    raise

    consumer_type = _Cutting


@mutant("CC5", "wrong condition", trap="an object that was changed, and is not compressed")
class VerifiesCompressedClaimsOnly(StrangeClaimCheck):
    class _Picky(StrangeConsumer):
        def compare(self, check: Check, claim: Claim) -> None:
            if claim.compression != "none":
                super().compare(check, claim)

    consumer_type = _Picky


# CC6


@mutant("CC6", "wrong error", trap="an absent claim, old or young")
class MixesUpExpiredAndNotFound(StrangeClaimCheck):
    class _Mixing(StrangeConsumer):
        def is_expired(self, age_ms: int) -> bool:
            return not super().is_expired(age_ms)

    consumer_type = _Mixing


@mutant("CC6", "boundary", trap="an absent claim that is max_age_s old, and not older")
class ExpiresAtMaxAge(StrangeClaimCheck):
    class _AtIt(StrangeConsumer):
        def is_expired(self, age_ms: int) -> bool:
            return age_ms >= self.claims.config.max_age_s * 1000

    consumer_type = _AtIt


@mutant("CC6", "wrong term", trap="an absent claim older than max_age_s, by less than the grace")
class ExpiresAfterTheGrace(StrangeClaimCheck):
    class _Late(StrangeConsumer):
        def is_expired(self, age_ms: int) -> bool:
            return age_ms > (self.claims.config.max_age_s + self.claims.config.grace_period_s) * 1000

    consumer_type = _Late


@mutant("CC6", "unit", trap="an absent claim that is older than max_age_s milliseconds")
class TakesMaxAgeForMilliseconds(StrangeClaimCheck):
    class _Quick(StrangeConsumer):
        def is_expired(self, age_ms: int) -> bool:
            return age_ms > self.claims.config.max_age_s

    consumer_type = _Quick


@mutant("CC6", "origin", trap="an old claim that is delivered late")
class CountsAgeFromTheDelivery(StrangeClaimCheck):
    class _FromDelivery(StrangeConsumer):
        async def receive(self, timeout_s: float = 0) -> ClaimDelivery | None:
            delivery = await super().receive(timeout_s)
            self._received_ms = self.claims.clock.now_ms()
            return delivery

        async def absent(self, claim: Claim) -> ClaimExpired | ClaimNotFound:
            return await super().absent(replace(claim, stored_ms=self._received_ms))

    consumer_type = _FromDelivery


@mutant("CC6", "wrong error", trap="an absent claim")
class LeaksTheStoresNotFound(StrangeClaimCheck):
    class _Leaking(StrangeConsumer):
        async def absent(self, claim: Claim) -> Any:
            return ObjectNotFound(f"{claim.bucket}/{claim.key}")

    consumer_type = _Leaking


@mutant("CC6", "wrong error", trap="an absent claim of a payload that was not empty", also="CC5")
class TakesAnAbsentClaimForACorruptOne(StrangeClaimCheck):
    class _Corrupt(StrangeConsumer):
        async def absent(self, claim: Claim) -> Any:
            return CorruptPayload(f"{claim.bucket}/{claim.key}: expected {claim.size} bytes, found 0")

    consumer_type = _Corrupt


@mutant("CC6", "swallowed error", trap="an absent claim", also="CC5 CC1")
class ReturnsNothingForAnAbsentClaim(OursOnQueues):
    class _Quiet(OurConsumer):
        async def read(self, delivery: ClaimDelivery) -> bytes:
            try:
                return await super().read(delivery)
            except (ClaimNotFound, ClaimExpired):
                return b""

    consumer_type = _Quiet


@mutant("CC6", "message", trap="an absent claim that has to be found in a log")
class DoesNotNameTheClaim(OursOnQueues):
    class _Vague(OurConsumer):
        async def _absent(self, claim: Claim, what: str) -> ClaimExpired | ClaimNotFound:
            return await super()._absent(claim, "claim check: the claim")

    consumer_type = _Vague


@mutant("CC6", "partial effect", trap="an absent claim whose message is to be nacked")
class AcksTheMessageOfAnAbsentClaim(OursOnQueues):
    class _Tidy(OurConsumer):
        async def read(self, delivery: ClaimDelivery) -> bytes:
            try:
                return await super().read(delivery)
            except (ClaimNotFound, ClaimExpired):
                await self._source.ack(delivery.handle.incoming)
                raise

    consumer_type = _Tidy


@mutant("CC6", "order of steps", trap="a delivery whose claim is gone: it cannot be received")
class LooksForTheClaimOnReceive(StrangeClaimCheck):
    class _Eager(StrangeConsumer):
        async def receive(self, timeout_s: float = 0) -> ClaimDelivery | None:
            delivery = await super().receive(timeout_s)
            claim = None if delivery is None else delivery.claim
            if claim is not None and not await self.claims.store.exists(claim.bucket, claim.key):
                raise await self.absent(claim)
            return delivery

    consumer_type = _Eager


@mutant("CC6", "wrong condition", trap="an old claim that is still there", also="CC4 CC1")
class RefusesWhatIsOldThoughItIsThere(StrangeClaimCheck):
    class _Strict(StrangeConsumer):
        async def fetched(self, claim: Claim) -> AsyncIterator[bytes]:
            if self.is_expired(await self.claims.now_ms() - claim.stored_ms):
                raise await self.absent(claim)
            async for piece in super().fetched(claim):
                yield piece

    consumer_type = _Strict
