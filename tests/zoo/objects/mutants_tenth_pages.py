"""Wrong objects over a device of pages: pages that are given back too early or twice, and reads that trust them."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import Any

from prism_testkit.interfaces import Bytes, Conflict, ObjectInfo, ObjectMetadata, ObjectNotFound
from tests.zoo.declare import Mutant

from .independent import declaring_independent
from .tenth_disk import Disk, Inode, Volume, Writer
from .tenth_pages import PageObjects

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_independent(MUTANTS)


class WholePages(Disk):
    def read(self, inode: Inode, pages: slice = slice(None)) -> bytes:
        found = super().read(inode, pages)
        if inode.size % self.device.page == 0 and len(inode.pages) > 1 and range(len(inode.pages))[pages].stop == len(inode.pages):
            return found[: -self.device.page]
        return found


@mutant("1", "boundary", trap="an object whose length is a multiple of 4,096, of two pages or more", disk=WholePages)
class LastPagesHaveARest(PageObjects):
    """The last page holds what is over, which is nothing for a multiple."""


class Sparse(Disk):
    """One page stands for all that are of zeros; it is given back like any other."""

    zeros: int | None = None


class _SparseWriter(Writer):
    disk: Sparse

    def spill(self, length: int) -> None:
        if length < self.device.page or any(self.rest[:length]):
            return super().spill(length)
        if self.disk.zeros is None:
            super().spill(length)
            self.disk.zeros = self.pages[-1]
        else:
            self.pages.append(self.disk.zeros)
            del self.rest[:length]
        return None


@mutant(
    "1", "shared page", trap="two objects with a page of zeros, one of which is removed, and a third one", disk=Sparse, also="4 7"
)
class ZerosAreGivenBack(PageObjects):
    def write(self, data: bytes, facts: Mapping[str, Any]) -> Inode:
        writer = _SparseWriter(self.disk)
        writer.add(data)
        return writer.finish(facts)


@mutant("1", "size of a field", trap="an object of more than four MiB")
class InodesHaveDirectPagesOnly(PageObjects):
    """An inode holds 1,024 pages; what is behind them is read as the last of them again."""

    def install(self, volume: Volume, key: str, inode: Inode) -> None:
        if len(inode.pages) > 1024:
            inode.pages = (*inode.pages[:1024], *[inode.pages[1023]] * (len(inode.pages) - 1024))
        super().install(volume, key, inode)


@mutant("7", "not held", trap="an object that is replaced, and another one put, while it is read", also="1 16 15")
class GetsHoldNothing(PageObjects):
    async def get(self, bucket: str, key: str) -> bytes | None:
        bucket, key = self.name(bucket, "get"), self.name(key, "get")
        await self.hop()
        inode = self.find(bucket, key)
        await self.hop()
        return None if inode is None else self.disk.read(inode)


class Flagged(Disk):
    """Whether somebody reads is a flag."""

    def hold(self, inode: Inode) -> None:
        inode.held = 2


@mutant(
    "7",
    "flag for a count",
    trap="two open reads of one object, one is left, it is replaced, and others are put",
    disk=Flagged,
    also="1",
)
class ReadersAreAFlag(PageObjects):
    """The first reader to go takes the pages from the others, once the object is replaced."""


@mutant("7", "in place", trap="an object replaced by one of as many pages while somebody reads it", also="16")
class ReplacesInPlace(PageObjects):
    """An object of as many pages is written over, unless several read it."""

    def install(self, volume: Volume, key: str, inode: Inode) -> None:
        old = volume.inodes.get(key)
        if old is not None and old.held <= 2 and len(old.pages) == len(inode.pages) > 16:
            for mine, theirs in zip(old.pages, inode.pages, strict=True):
                self.disk.device.pages[mine][:] = self.disk.device.pages[theirs]
        super().install(volume, key, inode)


@mutant("7", "weak check", trap="an object replaced by another of its length in the same millisecond, while it is read")
class VersionsAreTheirInstant(PageObjects):
    """A read looks at each step for the object, and takes it for the same if length and instant are."""

    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        bucket, key = self.name(bucket, "get_stream"), self.name(key, "get_stream")
        await self.hop()
        first = self.find(bucket, key)
        if first is None:
            raise ObjectNotFound(f"pages: get_stream: there is no object {key[:60]!a}")
        for at in range(0, len(first.pages), self.ahead):
            inode = self.find(bucket, key)
            if inode is None:
                raise ObjectNotFound("pages: get_stream: it was removed")
            if (inode.size, inode.at_ms) != (first.size, first.at_ms):
                raise Conflict("pages: get_stream: it was replaced")
            yield self.disk.read(inode, slice(at, at + self.ahead))
            await self.hop()


@mutant("6", "double free", trap="a stream of several pages that fails, and then two other objects", also="1 4 16 17")
class FailedStreamsFreeTwice(PageObjects):
    """Both who finds a stream too long and who cleans up give its pages back."""

    async def receive(self, writer: Writer, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        try:
            await super().receive(writer, chunks, size)
        except Exception:
            if len(writer.pages) > 4:
                writer.abandon()
            raise


@mutant("17", "freed in use", trap="a put that is cancelled when it has its effect, and then others", also="1 7 16")
class CancelledPutsGiveBackTheirPages(PageObjects):
    async def store(self, bucket: str, key: str, data: bytes, facts: Mapping[str, Any]) -> ObjectMetadata:
        try:
            return await super().store(bucket, key, data, facts)
        except asyncio.CancelledError:
            inode = self.volumes[bucket].inodes.get(key) if bucket in self.volumes else None
            if inode is not None and inode.pages and self.disk.read(inode) == data:
                self.disk.device.give(inode.pages[-1:])
            raise


@mutant("6", "stops early", trap="a source that has more, or fails, after exactly the bytes that were said")
class StreamsStopAtTheirSize(PageObjects):
    async def receive(self, writer: Writer, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        async def until() -> AsyncIterator[Bytes]:
            taken = 0
            async for chunk in chunks:
                yield chunk
                taken += memoryview(chunk).nbytes
                if size and taken == size:
                    return

        await super().receive(writer, until(), size)


@mutant("6", "shared buffer", trap="a source that gives one buffer again and again", also="13 1")
class ChunksWaitForAPage(PageObjects):
    """Chunks are kept as they came until there is a page of them."""

    async def receive(self, writer: Writer, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        async def gathered() -> AsyncIterator[Bytes]:
            waiting: list[Bytes] = []
            length = 0
            async for chunk in chunks:
                if not isinstance(chunk, bytes | bytearray | memoryview):
                    yield chunk
                if len(chunk) >= 4096 and not waiting:
                    yield chunk
                    continue
                waiting.append(chunk)
                length += len(chunk)
                if length >= 4096:
                    yield b"".join(waiting)
                    waiting, length = [], 0
            yield b"".join(waiting)

        await super().receive(writer, gathered(), size)


@mutant("8", "lost place", trap="a listing of more than a page, whose last object is removed before it goes on")
class ListingsLoseTheirPlace(PageObjects):
    """A listing goes on behind the object that it gave last; if that is gone it begins again."""

    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        last: str | None = None
        while True:
            page = [line async for line in super().list_objects(bucket, prefix)]
            keys = [line.key for line in page]
            page = page[keys.index(last) + 1 if last in keys else 0 :][: self.screen]
            for line in page:
                last = line.key
                yield line
            if len(page) < self.screen:
                return


@mutant("8", "kept line", trap="an object that expired and is made again with another length")
class LinesOutliveTheirObjects(PageObjects):
    """The lines of a listing are kept, and made anew when an object is put over one that is there, or removed."""

    def install(self, volume: Volume, key: str, inode: Inode) -> None:
        old = volume.inodes.get(key)
        lines = self.disk.notes.setdefault(("lines", volume.number), {})
        if old is None or not self.over(old):
            lines.pop(key, None)
        super().install(volume, key, inode)

    def remove(self, volume: Volume, key: str) -> None:
        self.disk.notes.setdefault(("lines", volume.number), {}).pop(key, None)
        super().remove(volume, key)

    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        lines: dict[str, ObjectInfo] | None = None
        async for line in super().list_objects(bucket, prefix):
            if lines is None:
                lines = self.disk.notes.setdefault(("lines", self.volume(bucket).number), {})
            yield lines.setdefault(line.key, line)


@mutant("8", "folders", trap="an empty object whose key ends with a slash", also="3")
class FoldersAreListedWithoutTheirSlash(PageObjects):
    def line(self, key: str, inode: Inode) -> ObjectInfo:
        return super().line(key.rstrip("/") or key if not inode.size else key, inode)
