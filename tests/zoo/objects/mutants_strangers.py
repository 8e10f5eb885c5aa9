"""Mutants that nobody who knew the checks would write: single defects of the kind that a stranger plants into a short driver."""

import hashlib
import struct
import unicodedata
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping
from dataclasses import replace

from prism_testkit.interfaces import BackendUnavailable, Bytes, ObjectInfo, QuotaExceeded
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import PIECE, Objects
from .stores import Blob, Changes, Facts, Rows, Slot, Spool, Store, Version

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("1", "shared state", trap="two get_streams of one object by one client under way at a time", also="7")
class ReadersShareTheirPlace(Objects):
    """An open file is kept for each version, and its place in it with it."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.places: dict[str, int] = {}

    def pieces(self, version: Version) -> Iterator[bytes]:
        self.places[version.etag] = 0
        with self.store.open(version.blob) as file:
            while True:
                file.seek(self.places[version.etag])
                if not (piece := file.read(PIECE)):
                    return
                self.places[version.etag] = file.tell()
                yield piece


@mutant("5", "identity", trap="the etags of two contents of a key that was deleted between")
class EtagIsTheNumberOfTheVersion(Objects):
    def version(self, slot: Slot, blob: Blob, facts: Facts) -> Version:
        old = self.rows(slot[0]).get(slot[1])
        return replace(super().version(slot, blob, facts), etag=str(1 if old is None else int(old.etag) + 1))


@mutant("5", "mutable default", trap="an object without metadata after one with metadata")
class MetadataSticks(Objects):
    """As ``user_metadata={}`` that is updated in place has it."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.default: dict[str, str] = {}

    def labels(self, labels: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        given = super().labels(labels, operation)
        if labels is None:
            return dict(self.default)
        self.default.update(given)
        return given


@mutant("6", "type", trap="a chunk that is a memoryview of items of several bytes, and a size", also="1")
class ChunksAreCountedInItems(Objects):
    async def collect(self, spool: Spool, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        total = 0
        async for chunk in chunks:
            spool.write(self.chunk(chunk))
            total += len(chunk)
            self.check_growth(total, size)
        self.check_end(total, size)


@mutant("17", "resources", trap="four streams of one client that fail or are cancelled", also="6")
class FailedUploadsKeepTheirSlot(Objects):
    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.free = 4

    async def receive(self, slot: Slot, chunks: AsyncIterable[Bytes], size: int | None, facts: Facts) -> Version:
        if not self.free:
            raise QuotaExceeded("zoo: put_stream: too many uploads at a time")
        self.free -= 1
        version = await super().receive(slot, chunks, size, facts)
        self.free += 1
        return version


@mutant("8", "shared state", trap="two listings of one client under way at a time")
class ListingsShareTheirCursor(Objects):
    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.ahead: list[tuple[str, str]] = []

    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        name, wanted = self.bucket_name(bucket, "list_objects"), self.prefix(prefix)
        self.ahead = [(name, key) for key in self.matching(name, wanted)]
        while self.ahead:
            slot = self.ahead.pop(0)
            version = self.listed(slot)
            if version is not None:
                yield self.info(slot[1], version)


@mutant("9", "rounding", trap="a time to live of more than 2**24 seconds that is odd")
class TtlInSinglePrecision(Objects):
    def deadline_ms(self, ttl_s: float) -> int:
        (rounded,) = struct.unpack("f", struct.pack("f", min(ttl_s, 1e12)))
        return super().deadline_ms(rounded)


@mutant("14", "stale cache", trap="a bucket that another client removed and made again", also="11 15")
class BucketHandlesAreKept(Objects):
    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.handles: dict[str, Rows] = {}

    def rows(self, bucket: str) -> Rows:
        fresh = super().rows(bucket)
        return self.handles.setdefault(bucket, fresh)

    async def create_bucket(self, bucket: str) -> bool:
        self.handles.pop(bucket, None)
        return await super().create_bucket(bucket)

    async def remove_bucket(self, bucket: str) -> None:
        self.handles.pop(bucket, None)
        await super().remove_bucket(bucket)


@mutant("5", "wrong value", trap="the etags of two streams that end alike")
class EtagOfTheLastChunk(Objects):
    async def collect(self, spool: Spool, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        async for chunk in chunks:
            spool.write(self.chunk(chunk))
            spool.hash = hashlib.blake2b(self.chunk(chunk), digest_size=16)
            self.check_growth(spool.size, size)
        self.check_end(spool.size, size)


@mutant("5", "stale field", trap="what a put tells over an object with a deadline", also="9 10")
class PutTellsTheOldDeadline(Objects):
    async def write(self, slot: Slot, data: bytes, facts: Facts) -> Version:
        old = self.find(slot)
        version = await super().write(slot, data, facts)
        return version if old is None else replace(version, deadline_ms=old.deadline_ms)


@mutant("6", "wrong error", trap="a source that raises an OSError")
class OsErrorsOfTheSourceAreItsOwn(Objects):
    """It was meant for the disk."""

    async def collect(self, spool: Spool, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        try:
            await super().collect(spool, chunks, size)
        except OSError as error:
            raise BackendUnavailable("zoo: put_stream: the disk failed") from error


@mutant("6", "stale cache", trap="exists of an object whose stream failed", also="2 17")
class FailedStreamIsRemembered(Objects):
    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.known: set[Slot] = set()

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        self.known.difference_update(changes)

    async def receive(self, slot: Slot, chunks: AsyncIterable[Bytes], size: int | None, facts: Facts) -> Version:
        self.known.add(slot)
        return await super().receive(slot, chunks, size, facts)

    async def exists(self, bucket: str, key: str) -> bool:
        return await super().exists(bucket, key) or (bucket, key) in self.known


@mutant("9", "overflow", trap="a deadline after January 2038")
class NothingOutlives2038(Objects):
    def deadline_ms(self, ttl_s: float) -> int:
        deadline_ms = super().deadline_ms(ttl_s)
        return deadline_ms - 2**32 * 1000 if deadline_ms >= 2**31 * 1000 else deadline_ms


@mutant("11", "tie", trap="a bucket that is deleted and made again within a millisecond")
class BucketTombstoneBeatsTheSameInstant(Objects):
    """The last change wins, and of two at one instant the removal."""

    async def remove_bucket(self, bucket: str) -> None:
        await super().remove_bucket(bucket)
        self.store.notes[self.namespace, bucket] = self.now_ms()

    async def create_bucket(self, bucket: str) -> bool:
        name = self.bucket_name(bucket, "create_bucket")
        if self.store.notes.get((self.namespace, name)) == self.now_ms():
            return True
        return await super().create_bucket(bucket)


@mutant("3", "truncation", trap="a key that holds a separator of lines, such as U+2028 or U+0085")
class KeysEndWithTheirLine(Objects):
    def key_name(self, key: str, operation: str) -> str:
        checked = super().key_name(key, operation)
        return next((line for line in checked.splitlines() if line), checked)


@mutant("5", "normalisation", trap="user metadata whose values are not in normal form C")
class MetadataAreNfc(Objects):
    def labels(self, labels: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        return {name: unicodedata.normalize("NFC", text) for name, text in super().labels(labels, operation).items()}


@mutant("5", "tie", trap="two contents of one size that are put under one key within a millisecond")
class EtagIsInstantAndSize(Objects):
    def version(self, slot: Slot, blob: Blob, facts: Facts) -> Version:
        return replace(super().version(slot, blob, facts), etag=f"{self.now_ms()}-{blob.size}")


@mutant("6", "side effect", trap="a listing while a stream over an object that is there is under way", also="8")
class OpenUploadsAreNotListed(Objects):
    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.uploads: set[Slot] = set()

    async def receive(self, slot: Slot, chunks: AsyncIterable[Bytes], size: int | None, facts: Facts) -> Version:
        self.uploads.add(slot)
        try:
            return await super().receive(slot, chunks, size, facts)
        finally:
            self.uploads.discard(slot)

    def listed(self, slot: Slot) -> Version | None:
        return None if slot in self.uploads else super().listed(slot)


@mutant("9", "shortcut", trap="set_ttl of the seconds that the object was given before, some of which have passed")
class SetTtlOfTheSameTimeIsSkipped(Objects):
    def limit_life(self, slot: Slot, version: Version, seconds: float) -> None:
        key = self.namespace, slot
        if version.deadline_ms is None or self.store.notes.get(key) != seconds:
            self.store.notes[key] = seconds
            super().limit_life(slot, version, seconds)


@mutant("9", "stale cache", trap="a listing, a deadline, and the listing again without a write between", also="8")
class ListingIsCachedUntilAWrite(Objects):
    """Expiring is no write."""

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        self.store.notes.clear()

    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        name, wanted = self.bucket_name(bucket, "list_objects"), self.prefix(prefix)
        self.rows(name)
        key = self.namespace, name, wanted
        if key not in self.store.notes:
            rows = self.rows(name)
            self.store.notes[key] = [self.info(each, rows[each]) for each in self.matching(name, wanted)]
        for info in self.store.notes[key]:
            yield info


class _Handles(Objects):
    handles = 16

    def pieces(self, version: Version) -> Iterator[bytes]:
        if not self.handles:
            raise QuotaExceeded("zoo: get_stream: no handle is free")
        self.handles -= 1
        yield from super().pieces(version)
        self.handles += 1


@mutant("17", "resources", trap="sixteen get_streams of one client that are left early", also="1 7")
class LeftStreamsKeepTheirHandle(_Handles):
    pass


@mutant("2", "resources", trap="sixteen get_streams of one client of objects that are missing", also="17")
class MissingStreamsKeepTheirHandle(Objects):
    handles = 16

    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        if not self.handles:
            raise QuotaExceeded("zoo: get_stream: no handle is free")
        self.handles -= 1
        async for piece in super().get_stream(bucket, key):
            yield piece
        self.handles += 1
