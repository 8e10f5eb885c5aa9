"""Wrong depots, after bugs that were reported of others' code: on the way out."""

import hashlib
import zlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping
from typing import Any

from prism_patterns.claim_check import Claim, ClaimCheckConfig, Receipt
from prism_testkit.clock import Clock
from prism_testkit.interfaces import BackendUnavailable, ObjectMetadata, ObjectStorage, PayloadTooLarge, QueueVisibility
from prism_testkit.interfaces.keyvalue import Bytes
from tests.zoo.declare import Mutant

from .declare import declaring
from .history_counter import Pieces
from .history_depot import DepotOnLogs, DepotOnQueues
from .history_packing import Packing, Tally
from .history_slips import MOST_HEADERS, Headers, Slip
from .history_ways import Logs, LogStand, Parcel, Way

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("CC1", "units", "a view of items of several bytes")
class CountsTheItemsOfAView(DepotOnQueues):
    """Compares the number of items, not of bytes, with the threshold (MassTransit/MassTransit#6183 counts characters)."""

    async def begun(self, payload: Bytes | AsyncIterable[Bytes]) -> tuple[bytes, AsyncIterator[Bytes] | None]:
        if isinstance(payload, memoryview):
            return bytes(payload), (Pieces() if len(payload) > self.config.threshold else None)
        return await super().begun(payload)


class _OneDefault(Headers):
    none: dict[str, str]

    def outward(self, headers: Mapping[str, str] | None, room: int) -> dict[str, str]:
        if headers is None:
            self.none = getattr(self, "none", {})
            return self.none
        return super().outward(headers, room)

    def with_slip(self, headers: dict[str, str], slip: str) -> dict[str, str]:
        headers[self._field] = slip
        return headers


@mutant("CC1", "leaks", "a small message without headers behind a claim without headers", also="CC5")
class SharesADefaultOfHeaders(DepotOnQueues):
    """All messages without headers share one dictionary, into which claims are written
    (timothymugayi/boto3-sqs-extended-client-lib#13)."""

    headers_type = _OneDefault


@mutant("CC1", "aliasing", "the same buffer published twice")
class EmptiesTheCallersBuffer(DepotOnQueues):
    """What was stored elsewhere is taken out of the caller's own object, and not put back (JasperFx/wolverine#3048)."""

    async def publish(self, topic: str, payload: Bytes | AsyncIterable[Bytes], headers: Mapping[str, str] | None = None) -> Receipt:
        receipt = await super().publish(topic, payload, headers)
        if receipt.claim is not None and isinstance(payload, bytearray):
            payload.clear()
        return receipt


class _Clearing(Headers):
    def outward(self, headers: Mapping[str, str] | None, room: int) -> dict[str, str]:
        coded = super().outward(headers, room)
        given = coded if coded == headers else dict(headers or {})  # nothing to escape: the codec gives the same object back
        given.clear()
        given.update(coded)
        return given


@mutant("CC1", "aliasing", "headers that need no escape")
class ClearsWhatItWasGivenBack(DepotOnQueues):
    """Clears the old metadata before it takes over the new, which is the same object where the codec changed nothing
    (temporalio/sdk-python#526)."""

    headers_type = _Clearing


@mutant("CC1", "retries", "an upload of a stream that fails once", also="CC3")
class UploadsTheRestOfASpentStream(DepotOnQueues):
    """Tries an upload again with what is left of the stream, and believes that this is all of it
    (databricks/databricks-sdk-java#872)."""

    async def uploaded(self, key: str, head: bytes, rest: AsyncIterator[Bytes]) -> tuple[Packing, ObjectMetadata]:
        try:
            return await super().uploaded(key, head, rest)
        except BackendUnavailable:
            return await super().uploaded(key, b"", rest)


@mutant("CC3", "errors", "a publish whose outcome is unknown", also="CC4")
class TakesUnknownForRefused(DepotOnQueues):
    """Removes the object after any error, also where the message may have been sent (apache/pulsar#17228)."""

    async def sent(self, topic: str, outward: dict[str, str], slip: Slip) -> Receipt:
        try:
            return await super().sent(topic, outward, slip)
        except Exception:
            await self.take_back(slip.claim)
            raise


@mutant("CC3", "errors", "a refused publish")
class LeavesARefusedObject(DepotOnQueues):
    """The object of a publish that failed stays (NuGet/NuGetGallery#10641)."""

    async def take_back(self, claim: Claim) -> None:
        return


@mutant("CC3", "paths", "a refused publish of a stream")
class ForgetsToTakeBackStreams(DepotOnQueues):
    """One of two ways in which data goes does not reach the hook that removes it elsewhere (apache/airflow#31774)."""

    streams: set[str]

    async def stored(self, key: str, head: bytes, rest: AsyncIterator[Bytes]) -> Slip:
        self.streams = getattr(self, "streams", set())
        if not isinstance(rest, Pieces):
            self.streams.add(key)
        return await super().stored(key, head, rest)

    async def take_back(self, claim: Claim) -> None:
        if claim.key not in self.streams:
            await super().take_back(claim)


@mutant("CC1", "names", "two claims in one millisecond", also="CC3 CC4 CC5")
class NamesClaimsByTheMillisecond(DepotOnQueues):
    """Objects are named by the time of their upload: of two in one millisecond one remains (AakashRathore136/FinSight-AI#1342)."""

    def new_name(self, head: bytes, rest: AsyncIterator[Bytes]) -> str:
        return f"{self.clock.now_ms():x}"


class _ByContent(DepotOnQueues):
    def new_name(self, head: bytes, rest: AsyncIterator[Bytes]) -> str:
        return hashlib.sha256(head).hexdigest() if isinstance(rest, Pieces) else super().new_name(head, rest)


@mutant("CC3", "caches", "a payload published again after its claim was removed", also="CC1 CC4 CC6")
class KnowsWhatIsThere(_ByContent):
    """Uploads nothing that it remembers to have uploaded, be it removed meanwhile (distribution/distribution#4569)."""

    known: dict[str, Slip]

    async def stored(self, key: str, head: bytes, rest: AsyncIterator[Bytes]) -> Slip:
        self.known = getattr(self, "known", {})
        if not isinstance(rest, Pieces):
            return await super().stored(key, head, rest)
        if key not in self.known:
            self.known[key] = await super().stored(key, head, rest)
        return self.known[key]


@mutant("CC4", "sharing", "a refused publish of a payload that was published before", also="CC3 CC1 CC6")
class RemovesWhatOthersShare(_ByContent):
    """Equal payloads are one object, which goes with the first of those who refer to it (rails/rails#33013)."""


class _Growing(Headers):
    names: list[str]

    def with_slip(self, headers: dict[str, str], slip: str) -> dict[str, str]:
        self.names = getattr(self, "names", [])
        self.names.append(self._field)
        return super().with_slip(headers, slip + "\n" + ",".join(self.names))

    def inward(self, headers: Mapping[str, str]) -> tuple[dict[str, str], str | None]:
        users, slip = super().inward(headers)
        return users, None if slip is None else slip.split("\n")[0]


@mutant("CC2", "growth", "a hundred claims of one instance")
class GrowsWithEveryMessage(DepotOnQueues):
    """Each use adds a name to a list that every message carries (awslabs/amazon-sqs-java-extended-client-lib#25)."""

    headers_type = _Growing


class _Hoarding(Packing):
    async def pieces(self, head: bytes, rest: AsyncIterator[Bytes]) -> AsyncGenerator[bytes, None]:
        sent = bytearray()
        async for piece in super().pieces(head, rest):
            sent += piece
            yield piece


@mutant("CC2", "memory", "a long stream")
class KeepsWhatWasSent(DepotOnQueues):
    """What was sent of a stream is let go only when all of it is (oven-sh/bun#42722)."""

    packing_type = _Hoarding


@mutant("CC2", "memory", "a long stream")
class GathersBeforeItSends(DepotOnQueues):
    """Reads a stream to its end before the upload begins (terricain/aioboto3#273)."""

    async def uploaded(self, key: str, head: bytes, rest: AsyncIterator[Bytes]) -> tuple[Packing, ObjectMetadata]:
        return await super().uploaded(key, head + b"".join([bytes(chunk) async for chunk in rest]), Pieces())


@mutant("CC1", "empties", "a stream without a chunk")
class FailsOnEmptyStreams(DepotOnQueues):
    """Wants a first chunk of every stream (aws/aws-sdk-net#675)."""

    async def begun(self, payload: Bytes | AsyncIterable[Bytes]) -> tuple[bytes, AsyncIterator[Bytes] | None]:
        if not isinstance(payload, AsyncIterable):
            return await super().begun(payload)
        first = await anext(chunks := aiter(payload))

        async def whole() -> AsyncIterator[Bytes]:
            yield first
            async for chunk in chunks:
                yield chunk

        return await super().begun(whole())


@mutant("CC5", "sharing", "two uploads at once", also="CC1 CC3")
class SharesOneHasher(DepotOnQueues):
    """Concurrent uploads reset and feed one and the same hasher (minio/minio-go#2290)."""

    def __init__(self, *, queue: QueueVisibility, store: ObjectStorage, config: ClaimCheckConfig, clock: Clock) -> None:
        super().__init__(queue=queue, store=store, config=config, clock=clock)
        shared = Tally()

        class Shared(Packing):
            def __init__(self, compression: str) -> None:
                super().__init__(compression)
                shared.__init__()  # type: ignore[misc]
                self.plain = shared

        self.packing_type = Shared


class _BareLogStand(LogStand):
    def again(self, parcel: Parcel) -> Parcel:
        own = {name: value for name, value in parcel.headers.items() if name == "prism-claim-check"}
        return Parcel(parcel.id, parcel.payload, own, parcel.count + 1)


@mutant("CC1", "redelivery", "a message with headers that was given back", also="CC4")
class LosesHeadersWhenItComesAgain(DepotOnLogs):
    """What is delivered again has not all of its headers (MassTransit/MassTransit#5255)."""

    def checked(self) -> Way:
        way = super().checked()
        assert isinstance(way, Logs)
        way.stand_type = _BareLogStand
        return way


class _ShortLogStand(LogStand):
    def again(self, parcel: Parcel) -> Parcel:
        return Parcel(parcel.id, parcel.payload[:65536], parcel.headers, parcel.count + 1)


@mutant("CC1", "redelivery", "an inline payload over 64 KiB that was given back", also="CC4")
class CutsWhatComesAgain(DepotOnLogs):
    """What is delivered again is the copy that is shown to people, 64 KiB of it (apache/rocketmq-dashboard#4735)."""

    def checked(self) -> Way:
        way = super().checked()
        assert isinstance(way, Logs)
        way.stand_type = _ShortLogStand
        return way


class _Lowering(Headers):
    def outward(self, headers: Mapping[str, str] | None, room: int) -> dict[str, str]:
        return {name.lower(): value for name, value in super().outward(headers, room).items()}


@mutant("CC1", "headers", "names with capitals")
class LowersNames(DepotOnQueues):
    """Names of headers are written small, and of two that differ in that alone one remains (walkor/workerman#600)."""

    headers_type = _Lowering


class _Characters(Headers):
    def outward(self, headers: Mapping[str, str] | None, room: int) -> dict[str, str]:
        sent = {self._outward(name): value for name, value in (headers or {}).items()}
        if sum(map(len, (*sent, *sent.values()))) + room > MOST_HEADERS:
            raise PayloadTooLarge("headers leave no room for the reference to the payload")
        return sent


@mutant("CC1", "units", "headers beyond ASCII that fill their 8 KiB", also="CC3")
class CountsCharactersOfHeaders(DepotOnQueues):
    """Sizes are counted in characters before sending, and in bytes where it counts (ably/ably-js#2289)."""

    headers_type = _Characters


class _Members(Packing):
    async def pieces(self, head: bytes, rest: AsyncIterator[Bytes]) -> AsyncGenerator[bytes, None]:
        plain = Packing("none")
        self.plain = plain.plain
        async for piece in plain.pieces(head, rest):
            packer: Any = zlib.compressobj(wbits=31)
            yield self.packed.add(packer.compress(piece) + packer.flush())


@mutant("CC1", "codecs", "gzip, and a payload of more than a MiB", also="CC5")
class ReadsTheFirstMemberAlone(DepotOnQueues):
    """A gzip file of several members is read to the end of the first (urllib3/urllib3#1285)."""

    async def uploaded(self, key: str, head: bytes, rest: AsyncIterator[Bytes]) -> tuple[Packing, ObjectMetadata]:
        if self.config.compression == "gzip":
            self.packing_type = _Members
        return await super().uploaded(key, head, rest)
