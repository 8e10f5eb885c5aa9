"""Wrong depots, after bugs that were reported of others' code: on the way in."""

import dataclasses
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterator
from typing import Any

from prism_patterns.claim_check import ClaimDelivery, ClaimExpired, ClaimNotFound
from prism_testkit.interfaces import AccessDenied, Conflict, CorruptPayload, ObjectNotFound, PrismError
from prism_testkit.interfaces.keyvalue import Bytes
from tests.zoo.declare import Mutant

from .declare import declaring
from .history_counter import Counter, Pieces
from .history_depot import DepotOnQueues
from .history_packing import Packing, Unpacking
from .history_slips import Slip

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _Guessing(Unpacking):
    async def pieces(self, chunks: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
        stream = aiter(chunks)
        first = await anext(stream, b"")
        if self._slip.claim.compression == "none" and first.startswith(b"\x1f\x8b\x08"):
            self._slip = dataclasses.replace(self._slip, claim=dataclasses.replace(self._slip.claim, compression="gzip"))

        async def whole() -> AsyncIterator[bytes]:
            yield first
            async for chunk in stream:
                yield chunk

        async for piece in super().pieces(whole()):
            yield piece


@mutant("CC1", "codecs", "a payload that begins like a gzip file", also="CC5")
class GuessesTheCompression(DepotOnQueues):
    """Unpacks whatever looks packed (honeycombio/agentless-integrations-for-aws#23)."""

    unpacking_type = _Guessing


class _Bounded(Unpacking):
    def gunzipped(self, unpacker: Any, piece: bytes) -> Iterator[bytes]:
        for plain in super().gunzipped(unpacker, piece):
            room = 100 * self.packed.size - self.plain.size
            if room <= 0:
                return
            yield plain[:room]


@mutant("CC1", "codecs", "gzip, and a payload that shrinks a hundredfold", also="CC5")
class BoundsTheRatio(DepotOnQueues):
    """What comes to more than a hundred times its packed size is cut there (envoyproxy/envoy#21864)."""

    unpacking_type = _Bounded


class _Telling(Packing):
    async def pieces(self, head: bytes, rest: AsyncIterator[Bytes]) -> AsyncGenerator[bytes, None]:
        if self._compression == "zstd" and isinstance(rest, Pieces):
            import zstandard

            yield self.packed.add(zstandard.ZstdCompressor().compress(self.plain.add(head)))
            return
        async for piece in super().pieces(head, rest):
            yield piece


class _AtOnce(Unpacking):
    def unzstd(self, unpacker: Any, piece: bytes) -> Iterator[bytes]:
        import zstandard

        if self.packed.size == len(piece) == self._slip.packed and zstandard.frame_content_size(piece) < 0:
            raise self.bad("does not tell its size")
        return super().unzstd(unpacker, piece)


@mutant("CC1", "codecs", "zstd, and a stream", also="CC5")
class WantsToKnowTheSizeBefore(DepotOnQueues):
    """Unpacks frames that tell their size alone, which those of streams do not (indygreg/python-zstandard#150)."""

    packing_type = _Telling
    unpacking_type = _AtOnce


class _Measuring(Unpacking):
    def judge(self, unpacker: Any) -> None:
        if self.packed.size != self._slip.claim.size:
            raise self.bad("has another length")
        super().judge(unpacker)


@mutant("CC1", "codecs", "any compression", also="CC5")
class ComparesTheWrongLengths(DepotOnQueues):
    """The length of the packed is compared with that of the unpacked (theupdateframework/python-tuf#102)."""

    unpacking_type = _Measuring


class _WholeCounter(Counter):
    async def fetched(self, slip: Slip) -> AsyncGenerator[bytes, None]:
        data = b"".join([piece async for piece in super().fetched(slip)])
        for begin in range(0, len(data), 1 << 20):
            yield data[begin : begin + (1 << 20)]


@mutant("CC2", "memory", "chunks of a long claim")
class ChecksInOnePiece(DepotOnQueues):
    """Without a size of chunks the whole file is read before its checksum is known (inveniosoftware/invenio-files-rest#164)."""

    counter_type = _WholeCounter


class _EagerCounter(Counter):
    async def receive(self, timeout_s: float = 0) -> ClaimDelivery | None:
        delivery = await super().receive(timeout_s)
        if delivery is not None and delivery.claim is not None:
            await super().read(delivery)
        return delivery


@mutant("CC6", "errors", "a claim that is absent", also="CC5 CC4 CC2")
class FetchesWhileItReceives(DepotOnQueues):
    """A receive fetches the payload, and raises if it is gone: nobody can ack that message
    (awslabs/amazon-sqs-java-extended-client-lib#30)."""

    counter_type = _EagerCounter


class _HastyCounter(Counter):
    async def fetched(self, slip: Slip) -> AsyncGenerator[bytes, None]:
        try:
            async for piece in super().fetched(slip):
                yield piece
        except (CorruptPayload, ClaimNotFound, ClaimExpired):
            raise
        except PrismError as error:
            await self.dropped(slip)
            raise CorruptPayload(f"claim {slip.claim.key!r} cannot be read") from error

    async def dropped(self, slip: Slip) -> None:
        for given in self.given:
            if given.slip is slip:
                await self.confirm(given)

    def opened(self, parcel: Any) -> ClaimDelivery:
        delivery = super().opened(parcel)
        self.given = [*getattr(self, "given", []), delivery.handle]
        return delivery


@mutant("CC6", "errors", "a store that is away for one read", also="CC4 CC5 CC3")
class TakesAnOutageForPoison(DepotOnQueues):
    """What cannot be fetched once is taken for poison, and its message is got rid of (Particular/NServiceBus.AmazonSQS#176)."""

    counter_type = _HastyCounter


class _DeniedCounter(Counter):
    async def fetched(self, slip: Slip) -> AsyncGenerator[bytes, None]:
        try:
            async for piece in super().fetched(slip):
                yield piece
        except AccessDenied as error:
            raise await self.absent(slip.claim) from error


@mutant("CC6", "errors", "a store that denies a read")
class TakesDeniedForAbsent(DepotOnQueues):
    """Not to be allowed to see an object counts as its absence (NixOS/nix#1655)."""

    counter_type = _DeniedCounter


class _RawCounter(Counter):
    async def chunks(self, delivery: ClaimDelivery) -> AsyncGenerator[bytes, None]:
        try:
            async for piece in super().chunks(delivery):
                yield piece
        except (ClaimNotFound, ClaimExpired) as error:
            raise ObjectNotFound(f"{delivery.message_id}: no such object") from error


@mutant("CC6", "errors", "chunks of an absent claim")
class LetsTheStoresErrorOut(DepotOnQueues):
    """One of two ways to a result raises what the store raised when it is gone (PrefectHQ/prefect#8892)."""

    counter_type = _RawCounter


class _LabellingCounter(Counter):
    async def nack(self, delivery: ClaimDelivery, delay_s: float = 0) -> None:
        if delay_s > 0 and delivery.claim is not None:
            raise Conflict(f"the receipt {delivery.claim.key}/{delivery.message_id} is not known")
        await super().nack(delivery, delay_s)


@mutant("CC6", "errors", "a claim given back with a delay", also="CC4")
class CannotDelayAClaim(DepotOnQueues):
    """The receipt of a claim, which holds its key, is taken apart for an ack but not for a delay
    (raol/amazon-sqs-net-extended-client-lib#15)."""

    counter_type = _LabellingCounter


class _Suspicious(Unpacking):
    async def pieces(self, chunks: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
        unpacker = None
        try:
            async for piece in super().pieces(chunks):
                yield piece
        finally:
            self.judge(unpacker)


@mutant("CC5", "moments", "chunks that are left early", also="CC2 CC1 CC6")
class JudgesWhoLeavesEarly(DepotOnQueues):
    """Compares the digest when a stream is closed, also of one that was not read to its end (regclient/regclient#503)."""

    unpacking_type = _Suspicious


class _Trusting(Unpacking):
    def judge(self, unpacker: Any) -> None:
        if unpacker is None or unpacker.eof:
            super().judge(unpacker)


@mutant("CC5", "codecs", "an object that was cut, with a compression")
class DoesNotMissAnEnd(DepotOnQueues):
    """Looks at the digest when a frame ends, and at nothing if it never does (facebook/zstd#1109)."""

    unpacking_type = _Trusting


class _Generous(Unpacking):
    def limit(self) -> None:
        if self.plain.size > self._slip.claim.size:
            raise self.bad("is longer than it should be")

    def judge(self, unpacker: Any) -> None:
        if unpacker is None:
            super().judge(unpacker)
        elif not unpacker.eof or f"sha256:{self.plain.digest}" != self._slip.claim.checksum:
            raise self.bad("does not have the checksum of its payload")


@mutant("CC5", "codecs", "bytes behind the end of a packed object")
class IgnoresWhatComesBehind(DepotOnQueues):
    """Bytes behind the end of what is packed do not count (dart-lang/pub-dev#9247)."""

    unpacking_type = _Generous
