"""Wrong depots of the kinds that were missed at first: two more of each, written without a look at what catches them."""

import asyncio
import dataclasses
import zlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from prism_patterns.claim_check import ClaimDelivery, Receipt
from prism_testkit.interfaces import BackendUnavailable, ObjectMetadata, PrismError
from prism_testkit.interfaces.keyvalue import Bytes
from tests.zoo.declare import Mutant

from .declare import declaring
from .history_broom import Broom, Seen, marker_of
from .history_counter import Counter, Pieces
from .history_depot import DepotOnLogs, DepotOnQueues, DepotOnTopics
from .history_packing import PIECE, Packing, Unpacking
from .history_slips import Slip
from .history_ways import Parcel

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("CC1", "aliasing", "the same headers published twice")
class EmptiesTheCallersHeaders(DepotOnQueues):
    """The caller's own dictionary of headers is emptied once a claim is sent."""

    async def publish(self, topic: str, payload: Bytes | AsyncIterable[Bytes], headers: Mapping[str, str] | None = None) -> Receipt:
        receipt = await super().publish(topic, payload, headers)
        if receipt.claim is not None and isinstance(headers, dict):
            headers.clear()
        return receipt


@mutant("CC1", "aliasing", "a view that its caller uses again")
class ReleasesTheCallersView(DepotOnQueues):
    """A memoryview that was given is released."""

    async def publish(self, topic: str, payload: Bytes | AsyncIterable[Bytes], headers: Mapping[str, str] | None = None) -> Receipt:
        receipt = await super().publish(topic, payload, headers)
        if isinstance(payload, memoryview):
            payload.release()
        return receipt


@mutant("CC1", "retries", "an upload that fails once", also="CC3")
class GoesOnWhereItWasNot(DepotOnQueues):
    """An upload that is tried again goes on in the middle, as if the first half were there."""

    uploads = 1

    async def uploaded(self, key: str, head: bytes, rest: AsyncIterator[Bytes]) -> tuple[Packing, ObjectMetadata]:
        try:
            return await super().uploaded(key, head, rest)
        except BackendUnavailable:
            return await super().uploaded(key, head[len(head) // 2 :], rest)


@mutant("CC3", "retries", "an upload that fails once", also="CC1 CC4 CC6")
class TriesUnderAnotherName(DepotOnQueues):
    """An upload that is tried again goes under a new name, and the message has the old one."""

    uploads = 1

    async def uploaded(self, key: str, head: bytes, rest: AsyncIterator[Bytes]) -> tuple[Packing, ObjectMetadata]:
        try:
            return await super().uploaded(key, head, rest)
        except BackendUnavailable:
            if not isinstance(rest, Pieces):
                raise
            return await super().uploaded(self.key(self.new_name(head, rest)), head, rest)


class _Listing(Packing):
    async def pieces(self, head: bytes, rest: AsyncIterator[Bytes]) -> AsyncGenerator[bytes, None]:
        seen = []

        async def noted() -> AsyncIterator[Bytes]:
            async for chunk in rest:
                seen.append(chunk)
                yield chunk

        async for piece in super().pieces(head, noted()):
            yield piece


@mutant("CC2", "memory", "a long stream")
class RemembersEveryChunk(DepotOnQueues):
    """The chunks of a stream are listed as they come, in case that somebody asks for them again."""

    packing_type = _Listing


@mutant("CC2", "memory", "a stream that is quicker than the store")
class ReadsAhead(DepotOnQueues):
    """A task of its own reads the stream into a queue without a bound."""

    async def uploaded(self, key: str, head: bytes, rest: AsyncIterator[Bytes]) -> tuple[Packing, ObjectMetadata]:
        if isinstance(rest, Pieces):
            return await super().uploaded(key, head, rest)
        ahead: asyncio.Queue[bytes | None] = asyncio.Queue()

        async def read() -> None:
            try:
                async for chunk in rest:
                    ahead.put_nowait(bytes(chunk))
            finally:
                ahead.put_nowait(None)

        async def queued() -> AsyncIterator[Bytes]:
            while (chunk := await ahead.get()) is not None:
                yield chunk
            await reading

        reading = asyncio.create_task(read())
        try:
            await asyncio.sleep(0)
            return await super().uploaded(key, head, queued())
        finally:
            reading.cancel()
            await asyncio.wait([reading])


class _TextCounter(Counter):
    def opened(self, parcel: Parcel) -> ClaimDelivery:
        if parcel.count > 1:
            text = parcel.payload.decode(errors="replace")
            parcel = Parcel(parcel.id, text.encode(), parcel.headers, parcel.count, parcel.token)
        return super().opened(parcel)


@mutant("CC1", "redelivery", "an inline payload that is no text, given back", also="CC4")
class ComesAgainAsText(DepotOnQueues):
    """What comes again went through a text."""

    counter_type = _TextCounter


class _ForgetfulCounter(Counter):
    def opened(self, parcel: Parcel) -> ClaimDelivery:
        delivery = super().opened(parcel)
        if parcel.count > 2:
            delivery.handle.slip = None
            delivery = dataclasses.replace(delivery, claim=None)
        return delivery


@mutant("CC4", "redelivery", "a claim that was given back twice", also="CC1 CC6")
class ComesAgainWithoutItsClaim(DepotOnLogs):
    """The third time a message has lost its reference."""

    counter_type = _ForgetfulCounter


class _Twice(Unpacking):
    def gunzipped(self, unpacker: Any, piece: bytes) -> Iterator[bytes]:
        plain = b"".join(super().gunzipped(unpacker, piece))
        try:
            yield zlib.decompress(plain, wbits=31)
        except zlib.error:
            yield plain


@mutant("CC1", "codecs", "gzip, and a payload that is a gzip file", also="CC5")
class UnzipsTwice(DepotOnQueues):
    """Unpacks for as long as it looks packed."""

    unpacking_type = _Twice


class _Sparing(Packing):
    def packer(self) -> Any:
        return None if self._bare else super().packer()

    _bare = False

    async def pieces(self, head: bytes, rest: AsyncIterator[Bytes]) -> AsyncGenerator[bytes, None]:
        self._bare = head.startswith(b"\x1f\x8b\x08")
        async for piece in super().pieces(head, rest):
            yield piece


@mutant("CC1", "codecs", "gzip, and a payload that is a gzip file", also="CC5")
class DoesNotPackWhatIsPacked(DepotOnQueues):
    """What is packed already is stored as it is, and unpacked all the same."""

    packing_type = _Sparing


class _BlindCounter(Counter):
    async def chunks(self, delivery: ClaimDelivery) -> AsyncGenerator[bytes, None]:
        try:
            async for piece in super().chunks(delivery):
                yield piece
        except BackendUnavailable as error:
            assert delivery.claim is not None
            raise await self.absent(delivery.claim) from error


@mutant("CC6", "errors", "a store that is away for one read in chunks")
class TakesAnOutageForAbsence(DepotOnQueues):
    """A claim that cannot be asked for, is not there: for who reads in chunks."""

    counter_type = _BlindCounter


class _LookingCounter(Counter):
    async def fetched(self, slip: Slip) -> AsyncGenerator[bytes, None]:
        try:
            there = await self._depot.store.exists(slip.claim.bucket, slip.claim.key)
        except PrismError:
            there = False
        if not there:
            raise await self.absent(slip.claim)
        async for piece in super().fetched(slip):
            yield piece


@mutant("CC6", "errors", "a store that does not say whether an object is there")
class AsksBeforeItReads(DepotOnQueues):
    """Asks whether the object is there, and takes no answer for no."""

    counter_type = _LookingCounter


class _UnquotingCounter(Counter):
    def marker(self) -> str:
        return marker_of(unquote(self._name) or self._name)


class _UnquotingBroom(Broom):
    def marker(self, consumer: str) -> str:
        return marker_of(unquote(consumer) or consumer)


@mutant("CC4", "names", "two consumers, one called as the other is quoted in a URL")
class UnquotesNames(DepotOnTopics):
    """Names are unquoted, as those in a URL."""

    counter_type = _UnquotingCounter
    broom_type = _UnquotingBroom


class _NulBroom(Broom):
    def marker(self, consumer: str) -> str:
        return marker_of(consumer.split("\x00")[0] or consumer)

    def note(self, seen: Seen, name: str, at_ms: int) -> None:
        super().note(seen, name.split("\x00")[0], at_ms)


@mutant("CC4", "names", "two consumers alike up to a NUL", also="CC7")
class EndsNamesAtNul(DepotOnTopics):
    """Who sweeps takes names for texts that end at the first NUL."""

    broom_type = _NulBroom


class _WholeAcks(Broom):
    def note(self, seen: Seen, name: str, at_ms: int) -> None:
        super().note(seen, name, at_ms // 1000 * 1000 if ".acks/" in name else at_ms)


@mutant("CC4", "times", "a sweep less than a second before an ack is old enough")
class TakesWholeSecondsOfAcks(DepotOnQueues):
    """The instants of acks lose what is under a second."""

    broom_type = _WholeAcks


@mutant("CC6", "times", "a claim that is absent, less than a second before its max_age")
class StampsWholeSeconds(DepotOnQueues):
    """The instant of an upload travels in whole seconds."""

    async def stored(self, key: str, head: bytes, rest: AsyncIterator[Bytes]) -> Slip:
        slip = await super().stored(key, head, rest)
        stored_ms = slip.claim.stored_ms // 1000 * 1000
        return dataclasses.replace(slip, claim=dataclasses.replace(slip.claim, stored_ms=stored_ms))


class _Wrapping(Broom):
    def is_old(self, stored_ms: int) -> bool:
        life_ms = int(1000 * (self._config.max_age_s + self._config.grace_period_s))
        return self._now_ms - stored_ms > life_ms & 0xFFFF_FFFF


@mutant("CC4", "times", "a claim that lives for two months", also="CC7")
class WrapsLives(DepotOnQueues):
    """A life in milliseconds is kept in 32 bits."""

    broom_type = _Wrapping


class _WholeDays(Broom):
    def is_old(self, stored_ms: int) -> bool:
        life_s = self._config.max_age_s + self._config.grace_period_s
        if life_s < 86_400:
            return super().is_old(stored_ms)
        return (self._now_ms - stored_ms) // 86_400_000 >= int(life_s // 86_400)


@mutant("CC4", "times", "a claim that lives for days and a part of one", also="CC7")
class CountsWholeDays(DepotOnQueues):
    """What lives for days lives for whole ones."""

    broom_type = _WholeDays


class _Impatient(Broom):
    strange = 0

    def note(self, seen: Seen, name: str, at_ms: int) -> None:
        before = len(seen.claims) + sum(map(len, seen.acks.values()))
        if self.strange < 1000:
            super().note(seen, name, at_ms)
            self.strange += before == len(seen.claims) + sum(map(len, seen.acks.values()))


@mutant("CC7", "pages", "a thousand of somebody's objects before those that are due", also="CC4")
class TiresOfStrangers(DepotOnQueues):
    """After so much that is not its own it believes that nothing of its own follows."""

    broom_type = _Impatient


class _OneMouthful(Unpacking):
    def gunzipped(self, unpacker: Any, piece: bytes) -> Iterator[bytes]:
        if plain := unpacker.decompress(piece, PIECE):
            yield plain


@mutant("CC1", "codecs", "gzip, and a payload that shrinks a lot", also="CC5 CC2")
class LeavesWhatDoesNotFit(DepotOnQueues):
    """Of what a piece unpacks to, what goes beyond a MiB is left behind."""

    unpacking_type = _OneMouthful


class _Frames(Packing):
    async def pieces(self, head: bytes, rest: AsyncIterator[Bytes]) -> AsyncGenerator[bytes, None]:
        if self._compression != "zstd":
            async for piece in super().pieces(head, rest):
                yield piece
            return
        import zstandard

        plain = Packing("none")
        self.plain = plain.plain
        async for piece in plain.pieces(head, rest):
            yield self.packed.add(zstandard.ZstdCompressor().compress(piece))


@mutant("CC1", "codecs", "zstd, and a payload of more than a MiB", also="CC5 CC2")
class ReadsTheFirstFrameAlone(DepotOnQueues):
    """Writes a frame for each MiB, and reads to the end of the first."""

    packing_type = _Frames


class _AtAnyEnd(Unpacking):
    async def pieces(self, chunks: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
        try:
            async for piece in super().pieces(chunks):
                yield piece
        except GeneratorExit:
            self.judge(None)
            raise


@mutant("CC5", "moments", "chunks that are left after the first")
class JudgesAtAnyEnd(DepotOnQueues):
    """Whoever goes before the end is taken to have seen the end."""

    unpacking_type = _AtAnyEnd
