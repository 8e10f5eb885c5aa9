"""Mutants of what travels: which way a payload goes, its bytes and headers, the size of a message, and memory."""

import zlib
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import Any

from prism_patterns.claim_check import Claim, Receipt
from prism_patterns.claim_check.consuming import Consumer
from prism_testkit.interfaces import Bytes
from prism_testkit.interfaces.object_storage import ObjectMetadata
from tests.zoo.declare import Mutant

from .declare import declaring
from .ours import OurConsumer, OursOnQueues
from .stranger_consumer import StrangeConsumer
from .strangers import StrangeClaimCheck, sliced

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# CC1: a payload and its headers


@mutant("CC1", "boundary", trap="a payload of exactly the threshold")
class ClaimsAtTheThreshold(StrangeClaimCheck):
    def is_large(self, head: list[bytes]) -> bool:
        return sum(map(len, head)) >= self.config.threshold


@mutant("CC1", "condition", trap="a stream of small chunks that is large in all")
class JudgesAStreamByItsFirstChunk(StrangeClaimCheck):
    def is_large(self, head: list[bytes]) -> bool:
        return len(head) == 1 and len(head[0]) > self.config.threshold


@mutant("CC1", "unit", trap="a payload over the threshold by less than a KiB")
class CountsTheThresholdInKib(StrangeClaimCheck):
    def is_large(self, head: list[bytes]) -> bool:
        return sum(map(len, head)) // 1024 > self.config.threshold // 1024


@mutant("CC1", "missing step", trap="a user's header of the name of ours")
class LosesAHeaderOfOurName(StrangeClaimCheck):
    def escaped(self, headers: dict[str, str]) -> dict[str, str]:
        return {name: text for name, text in headers.items() if name != self.config.claim_check_field}


@mutant("CC1", "aliasing", trap="a user's header of the escaped name beside one of ours", also="CC5")
class EscapesIntoANameThatMayBeTaken(OursOnQueues):
    """One quote is added to our name, and none to a name that has one."""

    async def _publish_inline(self, topic: str, data: bytes, headers: dict[str, str]) -> Receipt:
        return await super()._publish_inline(topic, data, self._colliding(headers))

    async def _publish_claim(self, topic: str, payload: bytes | AsyncIterator[Bytes], headers: dict[str, str]) -> Receipt:
        return await super()._publish_claim(topic, payload, self._colliding(headers))

    def _colliding(self, headers: dict[str, str]) -> dict[str, str]:
        field = self._config.claim_check_field
        taken = headers.get(f"{field}'")
        return headers if taken is None else {**{n: t for n, t in headers.items() if n != f"{field}'"}, field: taken}


@mutant("CC1", "one path", trap="a user's header of the name of ours, and a payload that travels inline", also="CC5")
class EscapesClaimsOnly(OursOnQueues):
    async def _publish_inline(self, topic: str, data: bytes, headers: dict[str, str]) -> Receipt:
        return Receipt(await self._channel.publish(topic, data, headers), None)


@mutant("CC1", "wrong inverse", trap="a user's header of the name of ours with quotes behind it")
class UnescapesAllQuotesAtOnce(OursOnQueues):
    class _Unescaping(OurConsumer):
        async def receive(self, timeout_s: float = 0) -> Any:
            delivery = await super().receive(timeout_s)
            if delivery is not None:
                field = self._config.claim_check_field
                headers = delivery.headers
                for name in [name for name in headers if name.startswith(field)]:
                    headers[name.rstrip("'")] = headers.pop(name)
            return delivery

    consumer_type = _Unescaping


@mutant("CC1", "falsy", trap="a header with an empty text")
class LosesEmptyHeadersOfClaims(StrangeClaimCheck):
    async def refer(self, topic: str, claim: Claim, headers: dict[str, str]) -> str:
        return await super().refer(topic, claim, {name: text for name, text in headers.items() if text})


@mutant("CC1", "normalising", trap="a header whose text has blanks at its ends")
class StripsHeaders(StrangeClaimCheck):
    def escaped(self, headers: dict[str, str]) -> dict[str, str]:
        return super().escaped({name: text.strip() for name, text in headers.items()})


@mutant("CC1", "normalising", trap="headers whose names differ in case")
class FoldsNamesOfHeaders(StrangeClaimCheck):
    def escaped(self, headers: dict[str, str]) -> dict[str, str]:
        return super().escaped({name.lower(): text for name, text in headers.items()})


@mutant("CC1", "order of steps", trap="headers that leave no room for the reference")
class LooksForRoomAfterTheUpload(StrangeClaimCheck):
    async def upload(self, key: str, pieces: AsyncIterator[bytes]) -> Claim:
        claim = await super().upload(key, pieces)
        super().check_room(self._headers, key)
        return claim

    def check_room(self, headers: dict[str, str], key: str) -> None:
        self._headers = headers


@mutant("CC1", "missing step", trap="headers that leave no room for the reference")
class LooksForNoRoom(StrangeClaimCheck):
    def check_room(self, headers: dict[str, str], key: str) -> None:
        """The queue will say."""


@mutant("CC1", "partial effect", trap="headers that leave no room for the reference")
class LeavesOutHeadersWithoutRoom(StrangeClaimCheck):
    def check_room(self, headers: dict[str, str], key: str) -> None:
        while sum(len(name.encode()) + len(text.encode()) for name, text in headers.items()) > 6000:
            headers.popitem()


@mutant("CC1", "aliasing", trap="a stream that uses one buffer again and again")
class KeepsTheBuffersOfAStream(StrangeClaimCheck):
    async def sliced(self, payload: Bytes | AsyncIterable[Bytes]) -> AsyncIterator[Any]:
        if isinstance(payload, bytes | bytearray | memoryview):
            async for piece in sliced(payload):
                yield piece
        else:
            async for chunk in payload:
                yield chunk


@mutant("CC1", "falsy", trap="a stream with an empty chunk in it")
class EndsAStreamAtAnEmptyChunk(OursOnQueues):
    async def publish(self, topic: str, payload: Bytes | AsyncIterable[Bytes], headers: Mapping[str, str] | None = None) -> Receipt:
        if isinstance(payload, bytes | bytearray | memoryview):
            return await super().publish(topic, payload, headers)
        return await super().publish(topic, self._until_empty(payload), headers)

    async def _until_empty(self, chunks: AsyncIterable[Bytes]) -> AsyncIterator[Bytes]:
        async for chunk in chunks:
            if not chunk:
                return
            yield chunk


# CC2: the size of a message, and memory


@mutant("CC2", "padding", trap="any claim: the first 4 KiB travel beside the reference", also="CC1")
class SendsAPreview(StrangeClaimCheck):
    async def upload(self, key: str, pieces: AsyncIterator[bytes]) -> Claim:
        self._preview = b""

        async def watched() -> AsyncIterator[bytes]:
            async for piece in pieces:
                self._preview = (self._preview + piece)[:4096]
                yield piece

        return await super().upload(key, watched())

    def beside(self, claim: Claim) -> bytes:
        return self._preview


@mutant("CC2", "padding", trap="the reference over 2 KiB in a header")
class RefersInOver2Kib(StrangeClaimCheck):
    def reference(self, claim: Claim) -> str:
        return super().reference(claim) + " " * 2048


@mutant("CC2", "growth", trap="a payload of a few MiB: the reference has a digest for each 64 KiB")
class RefersToEveryBlock(StrangeClaimCheck):
    def reference(self, claim: Claim) -> str:
        return super().reference(claim) + " " * (64 * (claim.size // 65536))


@mutant("CC2", "unbounded", trap="a stream larger than memory")
class GathersAStreamBeforeTheUpload(OursOnQueues):
    async def _stored(self, key: str, payload: bytes | AsyncIterator[Bytes], seal: Any) -> ObjectMetadata:
        if not isinstance(payload, bytes):
            payload = b"".join([bytes(chunk) async for chunk in payload])
        return await super()._stored(key, payload, seal)


@mutant("CC2", "unbounded", trap="a stream whose size is told by holding it", also="CC1")
class ReadsAheadOfTheStore(StrangeClaimCheck):
    async def upload(self, key: str, pieces: AsyncIterator[bytes]) -> Claim:
        held = [piece async for piece in pieces]

        async def again() -> AsyncIterator[bytes]:
            for piece in held:
                yield piece

        return await super().upload(key, again())


@mutant("CC2", "unbounded", trap="chunks of a large claim")
class FetchesWholeBeforeTheFirstChunk(OursOnQueues):
    class _Whole(Consumer):
        def chunks(self, delivery: Any) -> AsyncIterator[bytes]:
            return self._chunks(delivery, whole=True)

    consumer_type = _Whole


@mutant("CC2", "unbounded", trap="chunks of a large claim: they are verified before the first is given")
class VerifiesBeforeTheFirstChunk(StrangeClaimCheck):
    class _Cautious(StrangeConsumer):
        async def fetched(self, claim: Claim) -> AsyncIterator[bytes]:
            held = [piece async for piece in super().fetched(claim)]
            for piece in held:
                yield piece

    consumer_type = _Cautious


@mutant("CC2", "amplification", trap="chunks of a large claim of zeros, compressed")
class InflatesWithoutBound(StrangeClaimCheck):
    class _Inflating(StrangeConsumer):
        async def unpacked(self, claim: Claim) -> AsyncIterator[bytes]:
            if claim.compression != "gzip":
                async for piece in super().unpacked(claim):
                    yield piece
                return
            decompressor = zlib.decompressobj(31)
            async for piece in self.claims.store.get_stream(claim.bucket, claim.key):
                yield decompressor.decompress(piece)
            if not decompressor.eof or decompressor.unused_data:
                raise zlib.error("it ends elsewhere")

    consumer_type = _Inflating
