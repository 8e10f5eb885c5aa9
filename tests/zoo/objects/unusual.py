"""Object storages that keep every promise in an unusual way. No check may fail on any of them."""

import math
import random
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping
from dataclasses import replace
from typing import Any

from prism_testkit.backend import Backend
from prism_testkit.interfaces import Bytes, Closed, Conflict, InvalidName, ObjectInfo, ObjectMetadata, ObjectNotFound
from prism_testkit.traits import NO_LIMIT, Limits, Traits

from .reference import FileObjects, Objects, backend, step
from .stores import Blob, Facts, Rows, Slot, Spool, Version
from .sweeping import Sweeping

__all__ = ["UNUSUAL"]


class Coarse(Objects):
    """Instants are whole seconds: those of puts are cut, deadlines come late, as the limits say."""

    limits = Limits(clock_resolution_s=1.0)

    def now_ms(self) -> int:
        return super().now_ms() // 1000 * 1000

    def deadline_ms(self, ttl_s: float) -> int:
        return math.ceil(super().deadline_ms(ttl_s) / 1000) * 1000


class Late(Objects):
    """Expires two and a half seconds late, for every method alike, as the traits say."""

    traits = Traits(ttl_late_s=2.5)

    def alive(self, version: Version) -> bool:
        return version.deadline_ms is None or self.now() * 1000 < version.deadline_ms + 2500


class LongTtlRefused(Objects):
    """``ValueError`` above 1e9 seconds."""

    def seconds(self, ttl_s: float) -> float:
        if super().seconds(ttl_s) > 1e9:
            raise ValueError(f"zoo: set_ttl: {ttl_s!r} is more than 1e9 seconds")
        return ttl_s


class Shuffled(Objects):
    """Lists in another order each time."""

    listings = 0

    def matching(self, bucket: str, prefix: str) -> list[str]:
        keys = super().matching(bucket, prefix)
        self.listings += 1
        random.Random(self.listings).shuffle(keys)
        return keys


class Paged(Objects):
    """Lists in pages of three by name, and sees what is put behind its cursor."""

    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        name, wanted, last = self.bucket_name(bucket, "list_objects"), self.prefix(prefix), ""
        self.rows(name)
        while name in self.buckets() and (page := sorted(key for key in self.matching(name, wanted) if key > last)[:3]):
            await step()
            for last in page:
                version = self.listed((name, last))
                if version is not None:
                    yield self.info(last, version)


class FixedListing(Objects):
    """A listing shows everything as it was at its first step, deadlines that pass meanwhile aside."""

    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        name, wanted = self.bucket_name(bucket, "list_objects"), self.prefix(prefix)
        found = {key: self.find((name, key)) for key in self.matching(name, wanted)}
        for key, version in found.items():
            if version is not None and self.alive(version):
                yield self.info(key, version)


class ConflictingReads(Objects):
    """A stream that notices another version, or none, gives up."""

    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        slot = self.slot(bucket, key, "get_stream")
        version = self.need(slot)
        for piece in self.pieces(version):
            yield piece
            now = self.find(slot) if slot[0] in self.buckets() else None
            if now is None:
                raise ObjectNotFound("zoo: get_stream: the object went")
            if now.blob is not version.blob or now.modified_ms != version.modified_ms:
                raise Conflict("zoo: get_stream: another version")


class ByteByByte(Objects):
    """Gives the first bytes one by one, then chunks of a prime size, and empty ones between them."""

    def pieces(self, version: Version) -> Iterator[bytes]:
        data = self.whole(version)
        for at in range(min(5, len(data))):
            yield data[at : at + 1]
            yield b""
        for at in range(5, len(data), 9973):
            yield data[at : at + 9973]


class OneChunk(Objects):
    """Gives up to 8 MiB at once, which here is everything."""

    def pieces(self, version: Version) -> Iterator[bytes]:
        yield self.whole(version)


class Octets(bytes):
    """Bytes of a class of their own, as some client libraries give."""


class BytesSubclass(Objects):
    def whole(self, version: Version) -> bytes:
        return Octets(super().whole(version))

    def pieces(self, version: Version) -> Iterator[bytes]:
        yield from map(Octets, super().pieces(version))


class SerialEtags(Objects):
    """Each put has another etag, whatever it stores."""

    def etag(self, blob: Blob) -> str:
        self.store.notes["etag"] = self.store.notes.get("etag", 0) + 1
        return f'W/"{self.store.notes["etag"]}"'


class StartOfStream(Objects):
    """A stream is put, as far as its instant goes, when it begins."""

    async def receive(self, slot: Slot, chunks: AsyncIterable[Bytes], size: int | None, facts: Facts) -> Version:
        began = self.now_ms()
        version = replace(await super().receive(slot, chunks, size, facts), modified_ms=began)
        self.apply({slot: version})
        return version


class EagerChecks(Objects):
    """Refuses arguments of iterators at the call, not at the first step."""

    def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        self.slot(bucket, key, "get_stream")
        return super().get_stream(bucket, key)

    def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        self.bucket_name(bucket, "list_objects")
        self.prefix(prefix)
        return super().list_objects(bucket, prefix)


class ReadsToTheEnd(Objects):
    """Notices a contradicted size when the source has ended, and closes it."""

    async def collect(self, spool: Spool, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        await super().collect(spool, chunks, None)
        self.check_end(spool.size, size)


class ReadsOneChunkAhead(Objects):
    """Asks for the next chunk before it stores the last one."""

    async def collect(self, spool: Spool, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        before = b""
        async for chunk in chunks:
            spool.write(before)
            before = self.chunk(chunk)
            self.check_growth(spool.size + len(before), size)
        spool.write(before)
        self.check_end(spool.size, size)


class HexNames(Objects):
    """Stores keys encoded, and lists them decoded."""

    def key_name(self, key: str, operation: str) -> str:
        return super().key_name(key, operation).encode().hex()

    def prefix(self, prefix: str) -> str:
        return super().prefix(prefix).encode().hex()

    def info(self, key: str, version: Version) -> ObjectInfo:
        return super().info(bytes.fromhex(key).decode(), version)


class VendorInvalidName(InvalidName):
    """A vendor's own kind of `InvalidName`."""


class NativeErrors(Objects):
    def key_name(self, key: str, operation: str) -> str:
        try:
            return super().key_name(key, operation)
        except InvalidName as error:
            raise VendorInvalidName(str(error)) from OSError(22, "invalid argument")


class OpensAndCloses(Objects):
    """Nothing works before ``open()`` or after ``close()``."""

    is_open = False

    async def open(self) -> None:
        self.is_open = True

    async def close(self) -> None:
        self.is_open = False

    def buckets(self) -> dict[str, Rows]:
        if not self.is_open:
            raise Closed("zoo: the driver is not open")
        return super().buckets()


class ShortNames(Objects):
    limits = Limits(max_name=64)


class SmallObjects(Objects):
    limits = Limits(max_payload=64)


class AnySize(Objects):
    limits = Limits(max_payload=NO_LIMIT)


class MappingProxy(Mapping[str, str]):
    """A read-only mapping of a class of its own."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        self._labels = dict(labels)

    def __getitem__(self, name: str) -> str:
        return self._labels[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._labels)

    def __len__(self) -> int:
        return len(self._labels)


class MappingsOfItsOwn(Objects):
    def told(self, version: Version) -> ObjectMetadata:
        told = super().told(version)
        return ObjectMetadata(
            told.size,
            told.etag,
            told.last_modified_ms,
            told.content_type,
            told.content_encoding,
            MappingProxy(told.user_metadata),
            told.expires_at_ms,
        )


UNUSUAL: tuple[Backend[Any], ...] = (
    backend("plain", Objects),
    backend("file", FileObjects),
    backend("sweeping", Sweeping),
    backend("coarse-clock", Coarse),
    backend("late-expiry", Late),
    backend("long-ttl-refused", LongTtlRefused),
    backend("shuffled", Shuffled),
    backend("paged", Paged),
    backend("fixed-listing", FixedListing),
    backend("conflicting-reads", ConflictingReads),
    backend("byte-by-byte", ByteByByte),
    backend("one-chunk", OneChunk),
    backend("bytes-subclass", BytesSubclass),
    backend("serial-etags", SerialEtags),
    backend("start-of-stream", StartOfStream),
    backend("eager-checks", EagerChecks),
    backend("reads-to-the-end", ReadsToTheEnd),
    backend("reads-one-chunk-ahead", ReadsOneChunkAhead),
    backend("hex-names", HexNames),
    backend("native-errors", NativeErrors),
    backend("opens-and-closes", OpensAndCloses),
    backend("short-names", ShortNames),
    backend("small-objects", SmallObjects),
    backend("any-size", AnySize),
    backend("mappings-of-its-own", MappingsOfItsOwn),
    backend("real-clock", Objects, clock="real"),
)
