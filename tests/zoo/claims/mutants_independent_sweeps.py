"""What goes wrong in a claim check of other parts: what is swept, fetched, agreed on and escaped."""

import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from prism_patterns.claim_check import Claim
from prism_testkit.interfaces import CorruptPayload
from prism_testkit.interfaces.keyvalue import Bytes
from tests.zoo.declare import Mutant

from .declare import declaring
from .independent_claims import OwnClaimCheck
from .independent_codec import Squeezer, Sums
from .independent_sweep import Sweep

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("CC7", "what is left behind", "markers of claims that were removed by their age", also="CC4")
class LeavesTheMarkersOfExpiredClaims(OwnClaimCheck):
    """Only what was acked has markers."""

    class Sweeping(Sweep):
        async def remove_markers(self, claim: str) -> None:
            if claim not in self.claims or self.due(claim, await self.owner.store_now()) == "acked":
                await super().remove_markers(claim)


@mutant("CC7", "the wrong order", "a sweep that is interrupted between a marker and its claim", also="CC4")
class RemovesMarkersBeforeTheClaim(OwnClaimCheck):
    """A claim whose markers went, and which did not, waits for its age."""

    class Sweeping(Sweep):
        async def remove(self, claim: str) -> bool:
            await self.remove_markers(claim)
            self.markers.pop(claim, None)
            return await super().remove(claim)


@mutant("CC7", "a look that is too old", "a claim that is published and acked while a sweep lists", also="CC4")
class RemovesTheMarkersOfClaimsItDidNotSee(OwnClaimCheck):
    """What the listing did not have is gone."""

    class Sweeping(Sweep):
        async def there(self, claim: str) -> bool:
            return False


@mutant("CC7", "what is somebody's", "an object of somebody else's under the prefix, in capitals or with a dot", also="CC4")
class SweepsWhatLooksLikeAClaim(OwnClaimCheck):
    """``\\w`` for ``0-9a-z``."""

    class Sweeping(Sweep):
        async def look(self) -> None:
            c = self.owner.config
            async for info in self.owner.store.list_objects(c.bucket, f"{c.prefix}/"):
                found = re.fullmatch(r"([A-Za-z0-9]+)(?:\.acks/(.+))?", info.key[len(c.prefix) + 1 :], re.DOTALL)
                if found is not None and found[2] is None:
                    self.claims[found[1]] = info.last_modified_ms
                elif found is not None:
                    self.markers.setdefault(found[1], {})[found[2]] = info.last_modified_ms


@mutant("CC7", "a sibling", "two prefixes, of which one begins with the other", also="CC4")
class ListsThePrefixWithoutItsSlash(OwnClaimCheck):
    """``claims`` lists ``claims-of-others`` too, and takes the last part of each for a claim."""

    class Sweeping(Sweep):
        async def look(self) -> None:
            c = self.owner.config
            async for info in self.owner.store.list_objects(c.bucket, c.prefix):
                found = re.fullmatch(r"[^/]*/([0-9a-z]+)(?:\.acks/(.+))?", info.key[len(c.prefix) :], re.DOTALL)
                if found is not None and found[2] is None:
                    self.claims[found[1]] = info.last_modified_ms
                    self.__dict__.setdefault("keys", {})[found[1]] = info.key
                elif found is not None:
                    self.markers.setdefault(found[1], {})[found[2]] = info.last_modified_ms

        async def remove(self, claim: str) -> bool:
            return await self.delete(self.__dict__["keys"][claim])


@mutant("CC7", "one failure ends it", "a claim that cannot be removed before others")
class EndsASweepAtTheFirstFailure(OwnClaimCheck):
    """What comes behind it waits until it can be removed."""

    class Sweeping(Sweep):
        def failed(self, error: Exception) -> None:
            super().failed(error)
            self.end()


@mutant("CC7", "an error that is swallowed", "a claim that cannot be removed")
class SweepsWithoutAWord(OwnClaimCheck):
    """The next sweep will do it."""

    class Sweeping(Sweep):
        def end(self) -> None:
            return None


@mutant("CC4", "the wrong clock", "a store whose clock is not ours", also="CC7")
class TellsAgeByItsOwnClock(OwnClaimCheck):
    """Asks the clock of the process for now."""

    async def store_now(self) -> int:
        return self.clock.now_ms()


@mutant("CC5", "only so much is read", "an object with something behind its end")
class StopsAtTheSizeItWasTold(OwnClaimCheck):
    """Reads so many bytes as the claim has; what is behind them is not seen."""

    async def fetched(self, claim: Claim) -> AsyncIterator[bytes]:
        left = claim.size
        try:
            async for piece in super().fetched(replace(claim, size=2**62)):
                yield piece[:left]
                left -= len(piece[:left])
        except CorruptPayload:
            if left:
                raise

    def verify(self, claim: Claim, sums: Sums) -> None:
        if sums.size < claim.size:
            raise CorruptPayload(f"{claim.key} is too short")


@mutant("CC5", "an end that is not asked for", "a compressed object that lost its last bytes")
class TakesATruncatedEndForAnEnd(OwnClaimCheck):
    """The digest of what came is right, so the trailer may be missing."""

    whole = False


@mutant("CC5", "the digest is compared with itself", "an object that was exchanged with another claim's")
class ReadsTheDigestFromTheObject(OwnClaimCheck):
    """The digest stands in the metadata of the object, and is compared with that one."""

    async def upload(self, first: bytes, rest: AsyncIterator[Bytes] | None) -> Claim:
        claim = await super().upload(first, rest)
        self.__class__.digests[claim.checksum] = claim.size
        return claim

    digests: ClassVar[dict[str, int]] = {}

    def verify(self, claim: Claim, sums: Sums) -> None:
        if sums.checksum not in self.digests:
            super().verify(claim, sums)


@mutant("CC6", "the wrong instant", "a message that was delivered again late")
class CountsTheAgeFromItsFirstMiss(OwnClaimCheck):
    """Keeps when it first found a claim missing."""

    async def absent(self, claim: Claim) -> Exception:
        first = self.__dict__.setdefault("missed", {}).setdefault(claim.key, await self.store_now())
        return await super().absent(replace(claim, stored_ms=max(claim.stored_ms, first)))


@mutant("CC6", "the wrong bound", "an absent claim between max_age_s and the end of its grace")
class AddsTheGraceToTheAge(OwnClaimCheck):
    """Expired is what the sweeper may have removed."""

    async def absent(self, claim: Claim) -> Exception:
        later = round(self.config.grace_period_s * 1000)
        return await super().absent(replace(claim, stored_ms=claim.stored_ms + later))


@mutant("CC8", "a race for the configuration", "two instances that open at once")
class WritesTheConfigurationIfItSawNone(OwnClaimCheck):
    """get, then put, where the store has put_if_absent, and believes what it wrote."""

    async def agrees(self) -> None:
        at = (self.config.bucket, f"{self.config.prefix}/_config")
        if await self.store.get(*at) is None:
            await self.store.put(*at, json.dumps(self.agreed(), sort_keys=True).encode())
        else:
            await super().agrees()


@mutant("CC8", "compared as text", "a max_age_s given as 60 and as 60.5")
class ComparesWholeSecondsOfTheAge(OwnClaimCheck):
    """The age is kept as a whole number."""

    def agreed(self) -> dict[str, Any]:
        return super().agreed() | {"max_age_s": int(self.config.max_age_s)}


@mutant("CC8", "remembered per bucket", "two prefixes in one bucket")
class KeepsOneConfigurationForABucket(OwnClaimCheck):
    """``_config`` at the root of the bucket."""

    async def agrees(self) -> None:
        mine = self.config
        self.config = mine.model_copy(update={"prefix": "claims"})
        try:
            await super().agrees()
        finally:
            self.config = mine


@mutant("CC2", "held whole", "an async iterator, compressed")
class CompressesInOnePiece(OwnClaimCheck):
    """Collects a stream in order to compress it."""

    async def squeezed(self, first: bytes, rest: AsyncIterator[Bytes] | None, sums: Sums) -> AsyncIterator[bytes]:
        data = first if rest is None else first + b"".join([self.chunk(part) async for part in rest])
        if self.config.compression == "none":
            async for piece in super().squeezed(data, None, sums):
                yield piece
        else:
            squeezer = Squeezer(self.config.compression)
            yield squeezer.feed(sums.add(data)) + squeezer.end()


@mutant("CC1", "the wrong bound", "an async iterator of exactly threshold bytes, with an empty chunk behind")
class ClaimsAStreamThatFillsTheThreshold(OwnClaimCheck):
    """Looks for a further chunk, and takes an empty one for more."""

    async def begun(self, payload: Any) -> Any:
        first, rest = await super().begun(payload)
        if rest is None and not isinstance(payload, bytes | bytearray | memoryview) and len(first) == self.config.threshold:
            return first, aiter(_nothing())
        return first, rest


async def _nothing() -> AsyncIterator[bytes]:
    yield b""


@mutant("CC1", "an escape that is not undone once", "a user's header of the reference's name with quotes behind it")
class UnescapesAllQuotes(OwnClaimCheck):
    """``rstrip`` for one quote."""

    def unescaped(self, headers: Mapping[str, str]) -> dict[str, str]:
        field = self.config.claim_check_field
        return {
            field if name.startswith(field) and not name[len(field) :].strip("'") else name: value
            for name, value in headers.items()
            if name != field
        }


@mutant("CC1", "the case of a header", "a user's header that differs from the field in case")
class TakesAHeaderOfAnotherCaseForItsOwn(OwnClaimCheck):
    """Header names know no case, here they do."""

    def unescaped(self, headers: Mapping[str, str]) -> dict[str, str]:
        field = self.config.claim_check_field.lower()
        return {name: value for name, value in super().unescaped(headers).items() if name.lower() != field}


@mutant("CC1", "sent before it is refused", "headers without room for the reference")
class RefusesHeadersAfterTheUpload(OwnClaimCheck):
    """The queue refuses them, and then the object is removed again."""

    def room(self, headers: Mapping[str, str], reference: str | None) -> None:
        if reference is None:
            super().room(headers, None)
