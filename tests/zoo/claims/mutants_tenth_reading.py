"""Mutants of the freight: what a reader makes of bills and objects."""

from collections.abc import AsyncIterator, Iterator

from prism_patterns.claim_check import Claim, ClaimDelivery, ClaimNotFound
from prism_testkit.interfaces import NotFound, ObjectNotFound
from tests.zoo.declare import Mutant

from .declare import declaring
from .tenth_bills import Meter, Unwrapping
from .tenth_freight import Clerk, OnQueues, Slip

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("CC2", "without bound", trap="a payload that zstd makes very small")
class ThawsAtOnce(OnQueues):
    class _Clerk(Clerk):
        def unwrapping(self, claim: Claim) -> Unwrapping:
            return _Hot(claim.compression)

    clerk_type = _Clerk


class _Hot(Unwrapping):
    def add(self, piece: bytes) -> Iterator[bytes]:
        if self.how == "zstd":
            yield self._thawed(piece)
        else:
            yield from super().add(piece)


@mutant("CC1", "shared state", trap="two payloads of one consumer that are read in turns", also="CC5")
class OneToolForAConsumer(OnQueues):
    class _Clerk(Clerk):
        tool: Unwrapping | None = None

        def unwrapping(self, claim: Claim) -> Unwrapping:
            if self.tool is None or claim.compression == "none" or self.tool.tool.eof:
                self.tool = Unwrapping(claim.compression)
            return self.tool

    clerk_type = _Clerk


@mutant("CC5", "empty", trap="an object truncated to nothing")
class NothingIsNothing(OnQueues):
    class _Clerk(Clerk):
        def compare(self, claim: Claim, meter: Meter, where: str) -> None:
            if meter.size:
                super().compare(claim, meter, where)

        def unwrapping(self, claim: Claim) -> Unwrapping:
            return _Lenient(claim.compression)

    clerk_type = _Clerk


class _Lenient(Unwrapping):
    began = False

    def add(self, piece: bytes) -> Iterator[bytes]:
        self.began = self.began or bool(piece)
        yield from super().add(piece)

    def end(self) -> None:
        if self.began:
            super().end()


@mutant("CC5", "only small", trap="a large object that was changed")
class TrustsLargeOnes(OnQueues):
    class _Clerk(Clerk):
        def compare(self, claim: Claim, meter: Meter, where: str) -> None:
            if claim.size <= 1 << 20:
                super().compare(claim, meter, where)

    clerk_type = _Clerk


@mutant("CC5", "verified once", trap="an object that is changed while it is read a second time, after a nack")
class TrustsWhatComesAgain(OnQueues):
    class _Clerk(Clerk):
        def compare(self, claim: Claim, meter: Meter, where: str) -> None:
            seen = self.house.__dict__.setdefault("seen", set())
            if claim.checksum not in seen:
                super().compare(claim, meter, where)
                seen.add(claim.checksum)

    clerk_type = _Clerk


@mutant("CC5", "prefix", trap="an object changed so that its size stays, and a checksum that begins alike")
class ComparesSizesOfCompressed(OnQueues):
    class _Clerk(Clerk):
        def compare(self, claim: Claim, meter: Meter, where: str) -> None:
            if claim.compression == "none" or meter.size != claim.size:
                super().compare(claim, meter, where)

    clerk_type = _Clerk


@mutant("CC6", "race", trap="a claim that is removed between the look and the read")
class LooksBeforeItReads(OnQueues):
    class _Clerk(Clerk):
        async def opened(self, claim: Claim, slip: Slip) -> AsyncIterator[bytes]:
            where = f"{claim.bucket}/{claim.key}"
            if not await self.house.store.exists(claim.bucket, claim.key):
                raise await self.missing(claim, where)
            async for piece in super().opened(claim, slip):
                yield piece

        async def missing(self, claim: Claim, where: str) -> NotFound:
            if await self.house.store.exists(claim.bucket, claim.key):
                return await super().missing(claim, where)
            return ObjectNotFound(where) if where.startswith("freight") else await super().missing(claim, where)

    clerk_type = _Clerk


@mutant("CC6", "grace", trap="a claim absent, older than max_age_s and younger than the grace")
class ExpiresWithTheGrace(OnQueues):
    class _Clerk(Clerk):
        async def missing(self, claim: Claim, where: str) -> NotFound:
            claim_ = Claim(
                claim.bucket,
                claim.key,
                claim.size,
                claim.checksum,
                claim.compression,
                claim.stored_ms + int(self.house.config.grace_period_s * 1000),
            )
            return await super().missing(claim_, where)

    clerk_type = _Clerk


@mutant("CC6", "gives up", trap="a message whose claim has expired, nacked after the read")
class ConfirmsWhatExpired(OnQueues):
    class _Clerk(Clerk):
        async def read(self, delivery: ClaimDelivery) -> bytes:
            try:
                return await super().read(delivery)
            except NotFound as error:
                if "old, and gone" in str(error):
                    await self.confirm(delivery)
                raise

    clerk_type = _Clerk


@mutant("CC6", "unit", trap="max_age_s with a fraction", also="CC8")
class ExpiresInWholeSeconds(OnQueues):
    class _Clerk(Clerk):
        async def missing(self, claim: Claim, where: str) -> NotFound:
            error = await super().missing(claim, where)
            age_ms = await self.house.yard.now_ms() - claim.stored_ms
            if age_ms // 1000 <= int(self.house.config.max_age_s) and "old, and gone" in str(error):
                return ClaimNotFound(str(error))
            return error

    clerk_type = _Clerk


@mutant("CC6", "cached absence", trap="a claim that was not there yet, or not seen, at the first read")
class RemembersWhatIsMissing(OnQueues):
    class _Clerk(Clerk):
        async def missing(self, claim: Claim, where: str) -> NotFound:
            kept: dict[str, NotFound] = self.house.__dict__.setdefault("kept", {})
            if claim.key not in kept:
                kept[claim.key] = await super().missing(claim, where)
            return kept[claim.key]

    clerk_type = _Clerk
