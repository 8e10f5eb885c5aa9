"""More mutants that nobody who knew the checks would write: what clients and proxies do to bodies, and uploads that are late."""

import gzip
from collections.abc import AsyncIterable
from contextlib import suppress
from dataclasses import replace

from prism_testkit.interfaces import Bytes, ObjectMetadata
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Objects
from .stores import Blob, Facts, Slot, Spool, Version

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("1", "transformation", trap="an object of gzip, stored with this encoding", also="5 3")
class GzipIsUndone(Objects):
    """As HTTP clients do by themselves."""

    def whole(self, version: Version) -> bytes:
        data = super().whole(version)
        if version.facts.content_encoding == "gzip":
            with suppress(OSError, EOFError):
                return gzip.decompress(data)
        return data


@mutant("6", "late copy", trap="a source that yields one buffer again and again", also="13 1")
class ChunksAreWrittenLate(Objects):
    """Each is written when the next is there."""

    async def collect(self, spool: Spool, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        last: Bytes | None = None
        total = 0
        async for chunk in chunks:
            if last is not None:
                spool.write(bytes(last))
            last = chunk
            total += memoryview(chunk).nbytes if isinstance(chunk, bytes | bytearray | memoryview) else len(self.chunk(chunk))
            self.check_growth(total, size)
        if last is not None:
            spool.write(self.chunk(last))
        self.check_end(spool.size, size)


@mutant("6", "falsy", trap="size=0 and chunks")
class SizeZeroIsUnknown(Objects):
    async def collect(self, spool: Spool, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        await super().collect(spool, chunks, size or None)


@mutant("5", "wrong instant", trap="an upload that takes a while", also="14")
class UploadsAreOfTheirBegin(Objects):
    """But not before what the first byte saw: the version is made when the upload begins, and loses to a later one."""

    async def receive(self, slot: Slot, chunks: AsyncIterable[Bytes], size: int | None, facts: Facts) -> Version:
        before = self.find(slot)
        version = await super().receive(slot, chunks, size, facts)
        now = self.store.notes.get(slot)
        if now is not None and now is not before:
            self.apply({slot: now})
        return version

    async def write(self, slot: Slot, data: bytes, facts: Facts) -> Version:
        version = await super().write(slot, data, facts)
        self.store.notes[slot] = version
        return version


@mutant("5", "lost on update", trap="metadata after set_ttl of an object with a content type", also="9")
class TtlIsACopyInPlace(Objects):
    """Which S3 does with a new instant."""

    def limit_life(self, slot: Slot, version: Version, seconds: float) -> None:
        super().limit_life(slot, replace(version, modified_ms=self.now_ms()), seconds)


@mutant("5", "aliasing", trap="two objects of one content, the second with other metadata", also="1 3")
class SameContentIsTheSameObject(Objects):
    """Put again under the same key it is not written anew."""

    async def write(self, slot: Slot, data: bytes, facts: Facts) -> Version:
        old = self.find(slot)
        blob = self.blob(data)
        if old is not None and old.blob.digest == blob.digest and old.facts.content_type == facts.content_type:
            return old
        return await super().write(slot, data, facts)


@mutant("11", "counter that resets", trap="a bucket whose objects were overwritten, then deleted", also="4")
class BucketsCountPutsAndDeletes(Objects):
    """An overwrite counts as a put; so a bucket that is empty is not."""

    def keep(self, slot: Slot, version: Version) -> None:
        super().keep(slot, version)
        counts = self.store.notes
        counts[self.namespace, slot[0]] = counts.get((self.namespace, slot[0]), 0) + 1

    def drop(self, slot: Slot) -> bool:
        dropped = super().drop(slot)
        self.store.notes[self.namespace, slot[0]] = self.store.notes.get((self.namespace, slot[0]), 0) - dropped
        return dropped

    async def remove_bucket(self, bucket: str) -> None:
        await super().remove_bucket(bucket)
        self.store.notes.pop((self.namespace, bucket), None)

    def occupied(self, bucket: str) -> bool:
        return super().occupied(bucket) or (
            self.store.notes.get((self.namespace, bucket), 0) > 0 and bool(self.rows(bucket)) is False
        )


@mutant("5", "shared state", trap="two puts that return before either is looked at", also="13")
class PutsReturnOneMapping(Objects):
    def told(self, version: Version) -> ObjectMetadata:
        shared: dict[str, str] = self.store.notes.setdefault("labels", {})
        shared.clear()
        shared.update(version.facts.labels)
        return replace(super().told(version), user_metadata=shared)


@mutant("3", "aliasing", trap="a key that ends with the name of the file of metadata", also="8 5")
class MetaFilesAreKeys(Objects):
    """The metadata of ``k`` lie in ``k.meta``, and so does the object of this name."""

    def listed(self, slot: Slot) -> Version | None:
        rows = self.rows(slot[0]) if slot[0] in self.buckets() else {}
        for ending in (".meta", ".json", ".tmp", ".part"):
            if slot[1].endswith(ending) and slot[1].removesuffix(ending) in rows:
                return None
        return super().listed(slot)


@mutant("5", "etag reuse", trap="two contents of one length, one beginning and one end", also="1")
class EtagOfBothEnds(Objects):
    def etag(self, blob: Blob) -> str:
        assert isinstance(blob.held, bytes)
        return f"{blob.size}-{blob.held[:64].hex()}-{blob.held[-64:].hex()}"
