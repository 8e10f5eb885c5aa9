"""Wrong objects over a device of pages that need many uses, many chunks, or two calls that meet."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import Any

from prism_testkit.interfaces import Bytes, ObjectInfo, ObjectMetadata
from tests.zoo.declare import Mutant

from .independent import declaring_independent
from .tenth_disk import Volume, Writer
from .tenth_pages import PageObjects

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_independent(MUTANTS)


@mutant("6", "many parts", trap="a stream of more than a thousand chunks", also="1")
class StreamsHaveAThousandParts(PageObjects):
    """What comes after a thousand chunks is left out."""

    async def receive(self, writer: Writer, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        async def first() -> AsyncIterator[Bytes]:
            number = 0
            async for chunk in chunks:
                number += 1
                if number <= 1000 or size is not None:
                    yield chunk

        await super().receive(writer, first(), size)


@mutant("6", "shared state", trap="two streams of one driver at once", also="16 1")
class StreamsShareTheirRest(PageObjects):
    """What is not yet a page is kept by the driver."""

    rest: bytearray | None = None

    async def receive(self, writer: Writer, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        if self.rest is None:
            self.rest = bytearray()
        writer.rest = self.rest
        try:
            await super().receive(writer, chunks, size)
        finally:
            writer.rest = bytearray(self.rest)
            self.rest.clear()


@mutant("10", "kept", trap="a deadline that is set of the old object while a stream over it is under way", also="6 9")
class DeadlinesSetMeanwhileAreKept(PageObjects):
    """A deadline that was set after a stream began is that of the new object."""

    async def upload(
        self, bucket: str, key: str, chunks: AsyncIterable[Bytes], size: int | None, facts: Mapping[str, Any]
    ) -> ObjectMetadata:
        old = self.find(bucket, key)
        due_s = old.due_s if old is not None else None
        told = await super().upload(bucket, key, chunks, size, facts)
        if old is not None and old.due_s != due_s and not self.over(old):
            self.volume(bucket).inodes[key].due_s = old.due_s
        return told


@mutant("17", "double free", trap="a get that is cancelled, another object put, and the first one read", also="1 7")
class CancelledGetsDropTwice(PageObjects):
    async def get(self, bucket: str, key: str) -> bytes | None:
        inode = self.volumes[bucket].inodes.get(key) if isinstance(bucket, str) and bucket in self.volumes else None
        held = inode.held if inode is not None else 0
        try:
            return await super().get(bucket, key)
        except asyncio.CancelledError:
            if inode is not None and inode.held == held == 1:
                self.disk.drop(inode)
            raise


@mutant("7", "double free", trap="a read that is left before its end, another object put, and the first one read", also="1 17")
class LeftReadsDropTwice(PageObjects):
    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        try:
            async for chunk in super().get_stream(bucket, key):
                yield chunk
        except GeneratorExit:
            inode = self.volumes[bucket].inodes.get(key) if bucket in self.volumes else None
            if inode is not None:
                self.disk.device.give(inode.pages[-2:])
            raise


@mutant("7", "freed in use", trap="a bucket removed by force while an object of it is read, and other objects put", also="11")
class ForceFreesWhatIsRead(PageObjects):
    def empty(self, volume: Volume) -> None:
        for inode in volume.inodes.values():
            self.disk.device.give(inode.pages)
        volume.inodes.clear()


@mutant(
    "7",
    "freed in use",
    trap="an object that expires while it is read and is made again by a creation, and others put",
    also="conditional.1 10",
)
class CreationsFreeTheExpired(PageObjects):
    """Nobody can need what has expired."""

    def create(self, bucket: str, key: str, data: bytes, facts: Mapping[str, Any]) -> bool:
        inodes = self.volume(bucket).inodes
        old = inodes.get(key)
        if old is not None and self.over(old):
            del inodes[key]
            self.disk.device.give(old.pages)
        return super().create(bucket, key, data, facts)


@mutant("5", "clipped", trap="a content type of more than 255 characters")
class TypesAreCut(PageObjects):
    def text(self, text: str | None, what: str) -> str | None:
        found = super().text(text, what)
        return None if found is None else found[:255]


@mutant("5", "clipped", trap="metadata of more than 64 names", also="12")
class LabelsAreAtMost64(PageObjects):
    def facts(self, content_type: str | None, content_encoding: str | None, labels: Mapping[str, str] | None) -> dict[str, Any]:
        said = super().facts(content_type, content_encoding, labels)
        return {**said, "labels": dict(list(said["labels"].items())[:64])}


@mutant("9", "every second", trap="a deadline set for the third time of one object", also="10")
class TheThirdDeadlineIsLost(PageObjects):
    """An object's deadline is kept in two places by turns, and read from where the first two are."""

    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        inode = self.volumes[bucket].inodes.get(key) if isinstance(bucket, str) and bucket in self.volumes else None
        before = None if inode is None else inode.due_s
        done = await super().set_ttl(bucket, key, ttl_s)
        if done and inode is not None and ttl_s > 0:
            times = self.disk.notes[id(inode)] = self.disk.notes.get(id(inode), 0) + 1
            self.disk.notes["kept", id(inode)] = inode
            if times >= 3:
                inode.due_s = before
        return done


@mutant("8", "after many", trap="a bucket in which more than 300 objects were put and removed", also="14")
class ListingsStopAtTheDead(PageObjects):
    """A bucket knows how many have been removed since it was made; beyond 300 the newest object is not listed."""

    def remove(self, volume: Volume, key: str) -> None:
        self.disk.notes["dead", volume.number] = self.disk.notes.get(("dead", volume.number), 0) + 1
        super().remove(volume, key)

    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        before: ObjectInfo | None = None
        async for line in super().list_objects(bucket, prefix):
            if before is not None:
                yield before
            before = line
        dead = self.disk.notes.get(("dead", self.volume(bucket).number), 0) if bucket in self.volumes else 0
        if before is not None and dead <= 300:
            yield before
