"""Mutants whose reads mix versions when they race a write, and those that hold a whole stream in memory."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import suppress

from prism_testkit.interfaces import Bytes, ObjectNotFound
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import PIECE, FileObjects, Objects, step
from .stores import Slot, Spool, Version

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# 7: one version, whole


class _Ranges(Objects):
    """Reads range by range, and looks the object up for each."""

    def size_of_ranges(self) -> int:
        return PIECE

    def gone(self) -> bytes:
        return b""

    def current(self, slot: Slot, first: Version) -> bytes:
        version = self.find(slot)
        return self.gone() if version is None else self.whole(version)

    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        slot = self.slot(bucket, key, "get_stream")
        first = self.need(slot)
        at, length = 0, self.size_of_ranges()
        while piece := self.current(slot, first)[at : at + length]:
            yield piece
            at += length


@mutant("7", "mixture", trap="an overwrite during get_stream")
class StreamReadsTheCurrentVersion(_Ranges):
    pass


@mutant("7", "mixture", trap="an overwrite of the same size during get_stream")
class StreamComparesSizes(_Ranges):
    """A version of another size would be noticed."""

    def current(self, slot: Slot, first: Version) -> bytes:
        version = self.find(slot)
        if version is None or version.blob.size != first.blob.size:
            return self.whole(first)
        return self.whole(version)


@mutant("7", "part as whole", trap="a delete during get_stream")
class StreamEndsWhenDeleted(_Ranges):
    def current(self, slot: Slot, first: Version) -> bytes:
        return b"" if self.find(slot) is None else self.whole(first)


@mutant("7", "part as whole", trap="an overwrite during get_stream")
class StreamEndsWhenOverwritten(_Ranges):
    def current(self, slot: Slot, first: Version) -> bytes:
        version = self.find(slot)
        return b"" if version is not None and version is not first else self.whole(first)


@mutant("7", "part as whole", trap="a deadline that passes during get_stream", also="9")
class StreamEndsWhenExpired(_Ranges):
    def current(self, slot: Slot, first: Version) -> bytes:
        return self.whole(first) if self.alive(self.rows(slot[0]).get(slot[1], first)) else b""


@mutant("7", "wrong error", trap="a delete during get_stream")
class StreamRaisesKeyErrorWhenDeleted(_Ranges):
    def current(self, slot: Slot, first: Version) -> bytes:
        if self.find(slot) is None:
            raise KeyError(slot[1])
        return self.whole(first)


@mutant("7", "repetition", trap="an overwrite during get_stream")
class StreamStartsAnew(Objects):
    """Having noticed another version, it begins again, and what was given stays given."""

    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        slot = self.slot(bucket, key, "get_stream")
        version = self.need(slot)
        at = 0
        while piece := self.whole(version)[at : at + PIECE]:
            yield piece
            at += PIECE
            now = self.find(slot)
            if now is not None and now is not version:
                version, at = now, 0


@mutant("7", "mixture", trap="an overwrite during get_stream, before its second step")
class StreamLooksAgainAfterTheFirstChunk(Objects):
    """The first chunk comes with the metadata, the rest from a second request."""

    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        slot = self.slot(bucket, key, "get_stream")
        first = self.need(slot)
        yield self.whole(first)[:PIECE]
        rest = self.whole(self.find(slot) or first)[PIECE:]
        for at in range(0, len(rest), PIECE):
            yield rest[at : at + PIECE]


@mutant("7", "mixture", trap="a put during a get")
class GetReadsInHalves(Objects):
    async def get(self, bucket: str, key: str) -> bytes | None:
        slot = self.slot(bucket, key, "get")
        first = self.find(slot)
        if first is None:
            return None
        half = self.whole(first)[: first.blob.size // 2]
        await step()
        last = self.find(slot)
        return None if last is None else half + self.whole(last)[len(half) :]


@mutant("7", "truncation", trap="a put of another size during a get")
class GetReadsAsMuchAsThereWas(Objects):
    """The size first, then so many bytes, of whatever is there."""

    async def get(self, bucket: str, key: str) -> bytes | None:
        slot = self.slot(bucket, key, "get")
        first = self.find(slot)
        if first is None:
            return None
        await step()
        last = self.find(slot)
        return None if last is None else self.whole(last)[: first.blob.size].ljust(first.blob.size, b"\0")


@mutant("7", "mixture", trap="an overwrite during a get of more than 65536 bytes")
class LargeGetsAreParallelRanges(Objects):
    async def get(self, bucket: str, key: str) -> bytes | None:
        slot = self.slot(bucket, key, "get")
        first = self.find(slot)
        if first is None or first.blob.size <= PIECE:
            return None if first is None else self.whole(first)
        data = self.whole(first)[:PIECE]
        await step()
        return data + self.whole(self.find(slot) or first)[PIECE:]


@mutant("7", "gap", trap="a read during a put over an old object", also="14 16")
class PutRemovesThenInserts(Objects):
    async def write(self, slot: Slot, data: bytes, facts: object) -> Version:
        self.drop(slot)
        await step()
        return await super().write(slot, data, facts)  # type: ignore[arg-type]


# 18: memory


@mutant("18", "size of a chunk", trap="get_stream of more than 8 MiB")
class StreamIsOneChunk(FileObjects):
    def pieces(self, version: Version) -> Iterator[bytes]:
        yield self.whole(version)


@mutant("18", "boundary", trap="get_stream of more than 8 MiB")
class ChunksOf9MiB(FileObjects):
    def pieces(self, version: Version) -> Iterator[bytes]:
        with self.store.open(version.blob) as file:
            while piece := file.read(9 << 20):
                yield piece


@mutant("18", "whole in memory", trap="get_stream of an object much larger than a few chunks")
class ReadsAllThenCuts(FileObjects):
    def pieces(self, version: Version) -> Iterator[bytes]:
        data = self.whole(version)
        for at in range(0, len(data), PIECE):
            yield data[at : at + PIECE]


@mutant("18", "whole in memory", trap="put_stream of much more than a few chunks")
class GathersTheStream(FileObjects):
    async def collect(self, spool: Spool, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        data = bytearray()
        async for chunk in chunks:
            data += self.chunk(chunk)
            self.check_growth(len(data), size)
        self.check_end(len(data), size)
        spool.write(bytes(data))


@mutant("18", "leak", trap="put_stream of much more than a few chunks")
class KeepsChunksForARetry(FileObjects):
    """Writes as they come, and holds them until the end, should the store ask for them again."""

    async def collect(self, spool: Spool, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        kept: list[bytes] = []

        async def keeping() -> AsyncIterator[bytes]:
            async for chunk in chunks:
                kept.append(self.chunk(chunk))
                yield kept[-1]

        await super().collect(spool, keeping(), size)


@mutant("18", "no back pressure", trap="put_stream of much more than a few chunks from a fast source")
class ReadsAheadWithoutBound(FileObjects):
    async def collect(self, spool: Spool, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()

        async def read() -> None:
            try:
                async for chunk in chunks:
                    queue.put_nowait(self.chunk(chunk))
            finally:
                queue.put_nowait(None)

        reader = asyncio.ensure_future(read())
        try:
            await asyncio.wait([reader])
            while (chunk := await queue.get()) is not None:
                spool.write(chunk)
                self.check_growth(spool.size, size)
            await reader
        finally:
            reader.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await reader
        self.check_end(spool.size, size)


@mutant("18", "cache", trap="get_stream of an object much larger than a few chunks, followed to its end")
class GathersWhatItStreamsForTheNext(FileObjects):
    """A read-through cache without a bound."""

    def pieces(self, version: Version) -> Iterator[bytes]:
        gathered = bytearray()
        for piece in super().pieces(version):
            gathered += piece
            yield piece
        self.store.notes[version.blob.held] = bytes(gathered)


# 2 and 7 in one: the race of a first step


@mutant("7", "part as whole", trap="a delete between the look and the first chunk")
class EmptyWhenDeletedAtOnce(Objects):
    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        slot = self.slot(bucket, key, "get_stream")
        if not await self.exists(bucket, key):
            raise ObjectNotFound("zoo: get_stream: no such object")
        await step()
        version = self.find(slot)
        for piece in self.pieces(version) if version is not None else ():
            yield piece
