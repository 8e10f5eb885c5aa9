"""Mutants of the courier: what is sent, in which form, and what is left of it."""

import asyncio
import json
import zlib
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import prism_testkit as prism
from prism_patterns.claim_check import Claim, ClaimConsumer, ClaimDelivery, Receipt
from prism_testkit.interfaces import Bytes
from tests.zoo.declare import Mutant

from .courier import REFUSALS, Courier
from .courier_codec import PACKINGS, Packing, Slip
from .courier_lines import Page, Parcel
from .courier_parts import Counter
from .declare import declaring

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("CC1", "unit", trap="a memoryview of items of four bytes, over the threshold")
class CountsItems(Courier):
    async def post(self, topic: str, payload: Any, headers: Any) -> Receipt:
        if isinstance(payload, memoryview) and len(payload) <= self.config.threshold < payload.nbytes:
            headers = self.escape(prism.check_headers(headers, "publish", "courier"))
            return Receipt(await self.line.send(topic, bytes(payload), headers), None)
        return await super().post(topic, payload, headers)


@mutant("CC1", "aliasing", trap="a source that reuses its buffer, and stays under the threshold")
class KeepsTheBuffersOfTheSource(Courier):
    async def take_in(self, chunks: AsyncIterable[Bytes], sent: Mapping[str, str]) -> bytes | Claim:
        held: list[Any] = []
        size = 0
        source = aiter(chunks)
        async for chunk in source:
            held.append(chunk)
            size += len(chunk)
            if size > self.config.threshold:
                break
        else:
            return b"".join(held)

        async def rest() -> AsyncIterator[bytes]:
            for chunk in held:
                yield bytes(chunk)
            async for chunk in source:
                yield bytes(chunk)

        self.check_room(sent)
        return await self.upload(rest())


@mutant("CC1", "boundary", trap="a stream of exactly the threshold, whose last chunk is empty")
class StreamsAreClaimedOneEarlier(Courier):
    async def take_in(self, chunks: AsyncIterable[Bytes], sent: Mapping[str, str]) -> bytes | Claim:
        data = await super().take_in(chunks, sent)
        return await self.store_whole(data) if isinstance(data, bytes) and len(data) == self.config.threshold > 0 else data


@mutant("CC1", "falsy", trap="a threshold of 0")
class ZeroIsTheDefaultThreshold(Courier):
    async def post(self, topic: str, payload: Any, headers: Any) -> Receipt:
        if not self.config.threshold:
            self.config = self.config.model_copy(update={"threshold": 1024 * 1024})
        return await super().post(topic, payload, headers)


@mutant("CC1", "escaping", trap="a claim_check_field that ends with a quote, and a header of that name")
class FieldsHaveNoQuotes(Courier):
    def is_ours(self, name: str) -> bool:
        return name.rstrip("'") == self.config.claim_check_field


@mutant("CC1", "case", trap="a user's header that differs from the field in case, with a quote behind it")
class UnescapesInAnyCase(Courier):
    def unescape(self, headers: Mapping[str, str]) -> dict[str, str]:
        field = self.config.claim_check_field
        return {
            name[:-1] if name != field and name.rstrip("'").lower() == field.lower() and name.endswith("'") else name: v
            for name, v in headers.items()
            if name != field
        }


@mutant("CC1", "constant", trap="another claim_check_field, and a user's header of that name")
class EscapesTheDefaultField(Courier):
    def is_ours(self, name: str) -> bool:
        return name.rstrip("'") == "prism-claim-check"


@mutant("CC1", "late check", trap="a stream over the threshold, with headers that leave no room")
class ChecksRoomAfterTheUpload(Courier):
    async def take_in(self, chunks: AsyncIterable[Bytes], sent: Mapping[str, str]) -> bytes | Claim:
        return await super().take_in(chunks, {})


@mutant("CC1", "unit", trap="headers of characters of several bytes, that leave no room")
class WeighsCharacters(Courier):
    def weight(self, headers: Mapping[str, str]) -> int:
        return sum(len(name) + len(value) for name, value in headers.items())


@mutant("CC1", "too strict", trap="headers of nearly 8 KiB on a payload that travels inline")
class WantsRoomInline(Courier):
    def escape(self, headers: Mapping[str, str]) -> dict[str, str]:
        sent = super().escape(headers)
        self.check_room(sent)
        return sent


@mutant("CC1", "in place", trap="a claimed message that is given back over a queue that takes nothing back", also="CC4")
class TakesTheReferenceOutOfTheHeaders(Courier):
    class _Counter(Counter):
        def delivery(self, parcel: Parcel) -> ClaimDelivery:
            found = super().delivery(parcel)
            dict.pop(parcel.headers, self.claims.config.claim_check_field, None)  # type: ignore[arg-type]
            return found

    counter_type = _Counter


@mutant("CC1", "wrong measure", trap="a compressible payload over the threshold")
class ThresholdOfWhatIsSent(Courier):
    async def post(self, topic: str, payload: Any, headers: Any) -> Receipt:
        gzip = self.config.compression == "gzip" and isinstance(payload, bytes)
        if gzip and len(payload) > self.config.threshold >= len(zlib.compress(payload)):
            headers = self.escape(prism.check_headers(headers, "publish", "courier"))
            return Receipt(await self.line.send(topic, payload, headers), None)
        return await super().post(topic, payload, headers)


@mutant("CC1", "sentinel", trap="a stream with an empty chunk behind the threshold")
class EndsAtAnEmptyChunk(Courier):
    async def upload(self, chunks: AsyncIterator[bytes]) -> Claim:
        async def some() -> AsyncIterator[bytes]:
            size = 0
            async for chunk in chunks:
                if not chunk and size > self.config.threshold:
                    return
                size += len(chunk)
                yield chunk

        return await super().upload(some())


@mutant("CC1", "state", trap="a consumer of a stream without groups that is entered again")
class RemembersWhereItRead(Courier):
    @asynccontextmanager
    async def consume(self, topic: str, consumer: str) -> AsyncIterator[ClaimConsumer]:
        places = self.notes.setdefault("places", {})
        async with super().consume(topic, consumer) as counter:
            desk = counter.desk  # type: ignore[attr-defined]
            if isinstance(desk, Page):
                desk.at = places.get((topic, consumer), 0)
            try:
                yield counter
            finally:
                if isinstance(desk, Page):
                    places[topic, consumer] = desk.at


@mutant("CC1", "loss", trap="a header with an empty value")
class DropsEmptyHeaders(Courier):
    def unescape(self, headers: Mapping[str, str]) -> dict[str, str]:
        return {name: value for name, value in super().unescape(headers).items() if value or name.startswith("prism")}


@mutant("CC1", "shared state", trap="chunks that are left early, and another read, compressed", also="CC5")
class OneUnpackerForAll(Courier):
    class _Counter(Counter):
        kept: Packing | None = None

        async def pieces(self, delivery: ClaimDelivery) -> AsyncIterator[bytes]:
            claim = delivery.claim
            if claim is None or claim.compression == "none":
                async for piece in super().pieces(delivery):
                    yield piece
                return
            if self.kept is None or self.kept.done():
                self.kept = PACKINGS[claim.compression]()
            made = PACKINGS[claim.compression]
            PACKINGS[claim.compression] = lambda: self.kept  # type: ignore[assignment,return-value]
            inner = super().pieces(delivery)
            try:
                first = await anext(inner)
            finally:
                PACKINGS[claim.compression] = made
            yield first
            async for piece in inner:
                yield piece

    counter_type = _Counter


# CC2


@mutant("CC2", "encoding", trap="a bucket and a prefix of many characters that are not ASCII")
class WritesAscii(Courier):
    class _Slip(Slip):
        def write(self, claim: Claim) -> str:
            return json.dumps([1, *(getattr(claim, name) for name in self.fields)])

    slip_type = _Slip


@mutant("CC2", "unbounded", trap="a payload that compresses a thousandfold, read by chunks")
class UnpacksAsMuchAsComes(Courier):
    """gzip without max_length."""

    class _Counter(Counter):
        def unpacked(self, unpacking: Packing, stored: bytes, claim: Claim) -> Iterator[bytes]:
            found = b"".join(super().unpacked(unpacking, stored, claim))
            if found:
                yield found

    counter_type = _Counter


@mutant("CC2", "unbounded", trap="chunks of a compressed claim")
class HoldsWhatIsCompressed(Courier):
    class _Counter(Counter):
        async def pieces(self, delivery: ClaimDelivery) -> AsyncIterator[bytes]:
            packed = delivery.claim is not None and delivery.claim.compression != "none"
            whole = [piece async for piece in super().pieces(delivery)] if packed else []
            if not packed:
                async for piece in super().pieces(delivery):
                    yield piece
            else:
                for piece in whole:
                    yield piece

    counter_type = _Counter


@mutant("CC2", "unbounded", trap="a long stream, compressed")
class CompressesInMemory(Courier):
    async def upload(self, chunks: AsyncIterator[bytes]) -> Claim:
        if self.config.compression == "none":
            return await super().upload(chunks)
        whole = [chunk async for chunk in chunks]

        async def again() -> AsyncIterator[bytes]:
            for chunk in whole:
                yield chunk

        return await super().upload(again())


# CC3


@mutant("CC3", "exact type", trap="a refusal that is a subclass: GroupNotFound, BucketNotFound, UnicodeError")
class KnowsRefusalsByTheirExactType(Courier):
    async def withdraw(self, claim: Claim, refusal: BaseException) -> None:
        if type(refusal) in REFUSALS:
            await super().withdraw(claim, refusal)


@mutant("CC3", "masking", trap="a refusal, and a store that is away")
class RaisesWhyItCouldNotRemove(Courier):
    async def withdraw(self, claim: Claim, refusal: BaseException) -> None:
        await self.store.delete(claim.bucket, claim.key)


@mutant("CC3", "later", trap="a look at the store right behind a refusal")
class RemovesInTheBackground(Courier):
    async def withdraw(self, claim: Claim, refusal: BaseException) -> None:
        self.notes["removal"] = asyncio.create_task(super().withdraw(claim, refusal))


@mutant("CC3", "once", trap="a second refusal of one instance")
class RemovesTheFirstOnly(Courier):
    async def withdraw(self, claim: Claim, refusal: BaseException) -> None:
        if not self.notes.setdefault("withdrawn", 0):
            await super().withdraw(claim, refusal)
        self.notes["withdrawn"] = 1


@mutant("CC3", "cancelled", trap="a publish that is cancelled while its message is on its way")
class RemovesWhatWasCancelled(Courier):
    async def refer(self, topic: str, claim: Claim, sent: Mapping[str, str]) -> Receipt:
        try:
            return await super().refer(topic, claim, sent)
        except asyncio.CancelledError:
            await self.store.delete(claim.bucket, claim.key)
            raise


@mutant("CC3", "wrong condition", trap="a refusal of a message whose payload came as a stream")
class RemovesWholeOnesOnly(Courier):
    async def take_in(self, chunks: AsyncIterable[Bytes], sent: Mapping[str, str]) -> bytes | Claim:
        found = await super().take_in(chunks, sent)
        if isinstance(found, Claim):
            self.notes.setdefault("streamed", set()).add(found.key)
        return found

    async def withdraw(self, claim: Claim, refusal: BaseException) -> None:
        if claim.key not in self.notes.get("streamed", ()):
            await super().withdraw(claim, refusal)
