"""Wrong claim checks of the same classes of mistakes, in other places: clocks, what is somebody's, listings, memory."""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

from prism_patterns.claim_check import Claim, ClaimExpired, ClaimNotFound
from prism_testkit.interfaces import NotFound
from prism_testkit.interfaces.keyvalue import Bytes
from tests.zoo.declare import Mutant

from .declare import declaring
from .independent_claims import OwnClaimCheck
from .independent_codec import Stretcher, Sums
from .independent_sweep import Sweep

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("CC6", "the wrong clock", "an absent claim, and a process whose clock is not the store's")
class TellsAnAbsentClaimsAgeByItsOwnClock(OwnClaimCheck):
    """The sweep asks the store for now; what is absent is only told of."""

    async def absent(self, claim: Claim) -> Exception:
        old = self.clock.now_ms() - claim.stored_ms > self.config.max_age_s * 1000
        return (ClaimExpired if old else ClaimNotFound)(f"{claim.bucket}/{claim.key} is not there")


@mutant("CC6", "the wrong clock", "an absent claim, put by a process whose clock is not the store's")
class StampsAClaimByItsOwnClock(OwnClaimCheck):
    """The instant in the message is the publisher's."""

    async def upload(self, first: bytes, rest: AsyncIterator[Bytes] | None) -> Claim:
        return replace(await super().upload(first, rest), stored_ms=self.clock.now_ms())


@mutant("CC4", "the wrong clock", "an ack, and a process whose clock is not the store's", also="CC7")
class CountsTheRetentionByItsOwnClock(OwnClaimCheck):
    """Ages are told by the store's clock, what passed since an ack by that of the process."""

    class Sweeping(Sweep):
        def acked(self, markers: Mapping[str, int], now: int) -> bool:
            return super().acked(markers, self.owner.clock.now_ms())


@mutant("CC7", "what is somebody's", "an object whose name is an id and a newline", also="CC4")
class TakesANewlineForTheEnd(OwnClaimCheck):
    """``$`` also matches before a newline at the end."""

    class Sweeping(Sweep):
        async def look(self) -> None:
            c = self.owner.config
            async for info in self.owner.store.list_objects(c.bucket, f"{c.prefix}/"):
                name = info.key[len(c.prefix) + 1 :]
                if re.match(r"[0-9a-z]+$", name):
                    self.claims[name] = info.last_modified_ms
                elif found := re.match(r"([0-9a-z]+)\.acks/(.+)$", name, re.DOTALL):
                    self.markers.setdefault(found[1], {})[found[2]] = info.last_modified_ms


@mutant("CC7", "what is somebody's", "an object whose name has .acks in it, of another's", also="CC4")
class TakesEverythingWithAcksForAMarker(OwnClaimCheck):
    """A marker is what has ``.acks`` in its name and no claim beside it."""

    class Sweeping(Sweep):
        async def look(self) -> None:
            await super().look()
            c = self.owner.config
            async for info in self.owner.store.list_objects(c.bucket, f"{c.prefix}/"):
                claim, acks, name = info.key[len(c.prefix) + 1 :].partition(".acks")
                if acks and claim and not claim.startswith("_") and "/" not in claim:
                    self.markers.setdefault(claim, {}).setdefault(name[1:], info.last_modified_ms)


@mutant("CC7", "a look that is too old", "a claim that is published and acked while a sweep lists", also="CC4")
class LooksIntoASecondListingForTheClaim(OwnClaimCheck):
    """What was listed in neither of two listings is gone; the second is that of the prefix without what came late."""

    class Sweeping(Sweep):
        async def there(self, claim: str) -> bool:
            return claim in self.claims or not self.claims


@mutant("CC7", "a look that is too old", "a claim that a sweep lists after its marker", also="CC4")
class JudgesEachLineAsItComes(OwnClaimCheck):
    """A marker whose claim was not listed before it is one of a claim that is gone: a prefix comes before what it begins."""

    class Sweeping(Sweep):
        async def look(self) -> None:
            c = self.owner.config
            async for info in self.owner.store.list_objects(c.bucket, f"{c.prefix}/"):
                found = re.fullmatch(r"([0-9a-z]+)(?:\.acks/(.+))?", info.key[len(c.prefix) + 1 :], re.DOTALL)
                if found is not None and found[2] is None:
                    self.claims[found[1]] = info.last_modified_ms
                elif found is not None and found[1] in self.claims:
                    self.markers.setdefault(found[1], {})[found[2]] = info.last_modified_ms
                elif found is not None:
                    await self.delete(info.key)


@mutant("CC2", "held whole", "a compressed claim that is read in chunks")
class FetchesCompressedObjectsWhole(OwnClaimCheck):
    """Decompresses in pieces what it got at once."""

    async def fetched(self, claim: Claim) -> AsyncIterator[bytes]:
        if claim.compression == "none":
            async for piece in super().fetched(claim):
                yield piece
            return
        stored = await self.store.get(claim.bucket, claim.key)
        if stored is None:
            raise await self.absent(claim)
        sums, stretcher = Sums(), Stretcher(claim.compression)
        for piece in stretcher.feed(stored):
            yield sums.add(piece)
        yield sums.add(stretcher.end())
        self.verify(claim, sums)


@mutant("CC2", "held whole", "an uncompressed stream")
class GathersAnUncompressedStream(OwnClaimCheck):
    """The upload is begun at the threshold, and its data come when all of them are there."""

    async def squeezed(self, first: bytes, rest: AsyncIterator[Bytes] | None, sums: Sums) -> AsyncIterator[bytes]:
        if self.config.compression == "none" and rest is not None:
            first, rest = first + b"".join([self.chunk(part) async for part in rest]), None
        async for piece in super().squeezed(first, rest, sums):
            yield piece


@mutant("CC8", "what is agreed on is what was said last", "two who disagree at once")
class OverwritesTheAgreementItWrote(OwnClaimCheck):
    """Creates the agreement; if it was missing, puts it once more, to be sure that it is there."""

    async def agrees(self) -> None:
        at = (self.config.bucket, f"{self.config.prefix}/_config")
        try:
            missing = await self.store.metadata(*at) is None
        except NotFound:
            missing = True
        if missing:
            await self.store.put(*at, b"{}")
            await self.store.delete(*at)
        await super().agrees()
