"""Mutants of the courier: what a reader makes of references and objects."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

from prism_patterns.claim_check import Claim, ClaimDelivery, ClaimExpired, ClaimNotFound
from prism_testkit.interfaces import BucketNotFound, CorruptPayload, NotFound
from tests.zoo.declare import Mutant

from .courier import Courier
from .courier_codec import Gzip, Packing, Slip
from .courier_lines import Parcel
from .courier_parts import Counter
from .declare import declaring

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("CC5", "ignored rest", trap="bytes behind the end of what was compressed")
class IgnoresWhatFollows(Courier):
    class _Counter(Counter):
        def unpacked(self, unpacking: Packing, stored: bytes, claim: Claim) -> Iterator[bytes]:
            if claim.compression != "none" and unpacking.done():
                return
            try:
                yield from unpacking.unpack(stored)
            except ValueError as error:
                if "follows" not in str(error):
                    raise CorruptPayload(f"{claim.key}: {error}") from error
            except Exception as error:
                raise CorruptPayload(f"{claim.key}: {error}") from error

    counter_type = _Counter


@mutant("CC5", "missing check", trap="a compressed object without its last bytes, all data being there")
class NeedsNoEnd(Courier):
    class _Counter(Counter):
        async def pieces(self, delivery: ClaimDelivery) -> AsyncIterator[bytes]:
            done = Gzip.done
            Gzip.done = lambda self: True  # type: ignore[method-assign]
            try:
                async for piece in super().pieces(delivery):
                    yield piece
            finally:
                Gzip.done = done  # type: ignore[method-assign]

    counter_type = _Counter


@mutant("CC5", "cache", trap="an object that is changed between two reads of one delivery", also="CC6")
class KeepsWhatItRead(Courier):
    class _Counter(Counter):
        async def read(self, delivery: ClaimDelivery) -> bytes:
            kept = self.notes.setdefault("kept", {})
            if delivery.message_id not in kept:
                kept[delivery.message_id] = await super().read(delivery)
            return bytes(kept[delivery.message_id])

    counter_type = _Counter


@mutant("CC5", "verified once", trap="an object that is changed after it was read once")
class TrustsWhatWasVerified(Courier):
    class _Counter(Counter):
        async def pieces(self, delivery: ClaimDelivery) -> AsyncIterator[bytes]:
            claim = delivery.claim
            seen = self.claims.notes.setdefault("seen", set())
            if claim is not None and claim.key in seen and claim.compression == "none":
                async for piece in self.claims.store.get_stream(claim.bucket, claim.key):
                    yield piece
                return
            async for piece in super().pieces(delivery):
                yield piece
            if claim is not None:
                seen.add(claim.key)

    counter_type = _Counter


@mutant("CC5", "wrong source", trap="an object that was swapped for another claim's, with its metadata")
class ChecksumOfTheObject(Courier):
    async def upload(self, chunks: AsyncIterator[bytes]) -> Claim:
        claim = await super().upload(chunks)
        data = await self.store.get(claim.bucket, claim.key) or b""
        await self.store.put(claim.bucket, claim.key, data, user_metadata={"sum": claim.checksum, "size": str(claim.size)})
        return claim

    class _Counter(Counter):
        async def pieces(self, delivery: ClaimDelivery) -> AsyncIterator[bytes]:
            claim = delivery.claim
            if claim is not None:
                try:
                    about = await self.claims.store.metadata(claim.bucket, claim.key)
                except BucketNotFound:
                    about = None
                if about is not None and "sum" in about.user_metadata:
                    told = about.user_metadata
                    delivery = replace(delivery, claim=replace(claim, checksum=told["sum"], size=int(told["size"])))
            async for piece in super().pieces(delivery):
                yield piece

    counter_type = _Counter


@mutant("CC5", "skipped", trap="a reference that lost its checksum, and an object that was changed")
class NoChecksumNoCheck(Courier):
    class _Slip(Slip):
        def read(self, text: str) -> Claim:
            try:
                return super().read(text)
            except ValueError:
                _, bucket, key, size, *rest = json.loads(text)
                if len(rest) == 3 and not str(rest[0]).startswith("sha256:"):
                    return Claim(bucket, key, size, "", *rest[1:])
                raise

    slip_type = _Slip

    class _Counter(Counter):
        async def pieces(self, delivery: ClaimDelivery) -> AsyncIterator[bytes]:
            claim = delivery.claim
            if claim is not None and not claim.checksum:
                async for piece in self.claims.store.get_stream(claim.bucket, claim.key):
                    yield piece
                return
            async for piece in super().pieces(delivery):
                yield piece

    counter_type = _Counter


class _Raises(Courier):
    """A reference that is not ours is noticed at the receive."""

    class _Counter(Counter):
        error: type[Exception] = ValueError

        def delivery(self, parcel: Parcel) -> ClaimDelivery:
            text = parcel.headers.get(self.claims.config.claim_check_field)
            if text is not None:
                try:
                    self.claims.slip.read(text)
                except ValueError as error:
                    raise self.error(str(error)) from error
            return super().delivery(parcel)

    counter_type = _Counter


@mutant("CC5", "poison", trap="a message whose reference is none of ours", also="CC6")
class ReceivesNoForeignReference(_Raises):
    pass


@mutant("CC5", "poison", trap="a message whose reference is none of ours", also="CC6")
class ReceiveSaysCorrupt(_Raises):
    class _Counter(_Raises._Counter):
        error = CorruptPayload

    counter_type = _Counter


@mutant("CC5", "missing check", trap="a reference whose size is a text")
class TakesAnyTypes(Courier):
    class _Slip(Slip):
        def read(self, text: str) -> Claim:
            try:
                _, *found = json.loads(text)
            except ValueError as error:
                raise ValueError("no reference") from error
            if len(found) != len(self.fields):
                raise ValueError("no reference")
            return Claim(*found)

    slip_type = _Slip


@mutant("CC5", "missing check", trap="a reference that lacks a field")
class TakesAnyLength(Courier):
    class _Slip(Slip):
        def read(self, text: str) -> Claim:
            try:
                found = json.loads(text)
            except ValueError as error:
                raise ValueError("no reference") from error
            return Claim(found[1], found[2], found[3], found[4], found[5], found[6])

    slip_type = _Slip


@mutant("CC5", "downgrade", trap="a message whose reference is none of ours")
class TakesItForInline(Courier):
    """What cannot be parsed was not meant for us: the (empty) payload is given."""

    class _Counter(Counter):
        async def pieces(self, delivery: ClaimDelivery) -> AsyncIterator[bytes]:
            if delivery.claim is None:
                yield delivery.handle.payload
                return
            async for piece in super().pieces(delivery):
                yield piece

    counter_type = _Counter


@mutant("CC5", "wrong condition", trap="an object that was cut to nothing")
class EmptyObjectsAreFine(Courier):
    class _Counter(Counter):
        async def pieces(self, delivery: ClaimDelivery) -> AsyncIterator[bytes]:
            any_piece = False
            try:
                async for piece in super().pieces(delivery):
                    any_piece = True
                    yield piece
            except CorruptPayload:
                if any_piece or (delivery.claim and await self.claims.store.get(delivery.claim.bucket, delivery.claim.key)):
                    raise

    counter_type = _Counter


# CC6


@mutant("CC6", "side effect", trap="a failed read over a queue, then an ack")
class GivesBackWhatCannotBeRead(Courier):
    class _Counter(Counter):
        async def absent(self, claim: Claim) -> NotFound:
            error = await super().absent(claim)
            self.notes["gone"] = True
            return error

        async def read(self, delivery: ClaimDelivery) -> bytes:
            try:
                return await super().read(delivery)
            except NotFound:
                await self.nack(delivery)
                raise

    counter_type = _Counter


@mutant("CC6", "side effect", trap="a claim that expired, whose message is nacked after the read")
class DropsWhatExpired(Courier):
    class _Counter(Counter):
        async def read(self, delivery: ClaimDelivery) -> bytes:
            try:
                return await super().read(delivery)
            except ClaimExpired:
                await self.ack(delivery)
                raise

    counter_type = _Counter


@mutant("CC6", "unit", trap="max_age_s below a second")
class AgesInWholeSeconds(Courier):
    class _Counter(Counter):
        async def absent(self, claim: Claim) -> NotFound:
            age_s = (await self.claims.now_ms() - claim.stored_ms) // 1000
            what = f"{claim.bucket}: {claim.key} is not there"
            return ClaimExpired(what) if age_s > self.claims.config.max_age_s else ClaimNotFound(what)

    counter_type = _Counter


@mutant("CC6", "falsy", trap="max_age_s of 0")
class ZeroAgeIsNoAge(Courier):
    class _Counter(Counter):
        async def absent(self, claim: Claim) -> NotFound:
            error = await super().absent(claim)
            return error if self.claims.config.max_age_s else ClaimNotFound(str(error))

    counter_type = _Counter


@mutant("CC6", "cache", trap="an absent claim that is read again, when it is older")
class RemembersWhatIsAbsent(Courier):
    class _Counter(Counter):
        async def absent(self, claim: Claim) -> NotFound:
            known = self.claims.notes.setdefault("absent", {})
            if claim.key not in known:
                known[claim.key] = await super().absent(claim)
            return type(known[claim.key])(str(known[claim.key]))

    counter_type = _Counter


@mutant("CC6", "wrong error", trap="chunks of an absent claim, compressed")
class ChunksOfAnAbsentCompressedClaim(Courier):
    class _Counter(Counter):
        async def chunks(self, delivery: ClaimDelivery) -> AsyncIterator[bytes]:
            try:
                async for piece in super().chunks(delivery):
                    yield piece
            except NotFound as error:
                if delivery.claim is not None and delivery.claim.compression != "none":
                    raise CorruptPayload(str(error)) from error
                raise

    counter_type = _Counter
