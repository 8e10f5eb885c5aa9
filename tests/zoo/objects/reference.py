"""A correct driver of both interfaces of object storage, made of small steps: a mutant replaces one of them.

No call suspends, but for the source of a stream and the one who reads one, so every other call is atomic.
"""

import asyncio
import math
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping
from dataclasses import replace
from typing import Any

from prism_testkit.backend import Backend
from prism_testkit.interfaces import (
    BucketNotFound,
    Bytes,
    Conflict,
    ObjectInfo,
    ObjectMetadata,
    ObjectNotFound,
    ObjectStorageConditional,
    PayloadTooLarge,
)
from prism_testkit.naming import METADATA_BYTES, check_headers, check_name, check_payload, check_prefix, check_seconds
from prism_testkit.traits import NO_LIMIT, Limits, Traits

from .stores import Blob, Changes, Connect, Facts, FileStore, Rows, Slot, Spool, Store, Version, clean, connector

__all__ = ["PIECE", "FileObjects", "Objects", "backend", "step"]

PIECE = 64 * 1024
"""The bytes of a chunk that `get_stream` gives."""


async def step() -> None:
    """Let the others run once."""
    await asyncio.sleep(0)


class Objects(ObjectStorageConditional):
    """`ObjectStorageConditional` over a `Store`."""

    traits: Traits = Traits()
    limits: Limits = Limits()

    def __init__(self, store: Store, namespace: str) -> None:
        self.store = store
        self.namespace = namespace

    # Arguments; none of the steps below suspends

    def bucket_name(self, bucket: str, operation: str) -> str:
        """Return the name under which a bucket of a legal name is stored."""
        check_name(bucket, operation, "zoo", self.limits)
        return bucket

    def key_name(self, key: str, operation: str) -> str:
        """Return the name under which an object of a legal name is stored."""
        check_name(key, operation, "zoo", self.limits)
        return key

    def slot(self, bucket: str, key: str, operation: str) -> Slot:
        return self.bucket_name(bucket, operation), self.key_name(key, operation)

    def prefix(self, prefix: str) -> str:
        check_prefix(prefix, "list_objects", "zoo", self.limits)
        return prefix

    def data(self, data: Bytes, operation: str, key: str) -> bytes:
        return check_payload(data, operation, "zoo", key, self.limits)

    def text(self, text: str | None, operation: str) -> str | None:
        """Check a content type or a content encoding."""
        if text is not None and not isinstance(text, str):
            raise TypeError(f"zoo: {operation}: a content type or encoding is str, not {type(text).__name__}")
        if text is not None and not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            raise ValueError(f"zoo: {operation}: {text[:40]!a} holds a surrogate")
        return text

    def labels(self, labels: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        return check_headers(labels, operation, "zoo", METADATA_BYTES)

    def facts(self, operation: str, content_type: str | None, encoding: str | None, labels: Mapping[str, str] | None) -> Facts:
        return Facts(self.text(content_type, operation), self.text(encoding, operation), self.labels(labels, operation))

    def check_size(self, size: int | None) -> None:
        if size is not None and size < 0:
            raise ValueError(f"zoo: put_stream: size={size} is negative")

    # Rows

    def now(self) -> float:
        return self.store.clock.now_s()

    def now_ms(self) -> int:
        return self.store.clock.now_ms()

    def buckets(self) -> dict[str, Rows]:
        return self.store.buckets(self.namespace)

    def rows(self, bucket: str) -> Rows:
        rows = self.buckets().get(bucket)
        if rows is None:
            raise BucketNotFound(f"zoo: there is no bucket {bucket[:40]!a}")
        return rows

    def alive(self, version: Version) -> bool:
        return version.deadline_ms is None or self.now() * 1000 < version.deadline_ms

    def find(self, slot: Slot) -> Version | None:
        """Return a present object."""
        version = self.rows(slot[0]).get(slot[1])
        return version if version is not None and self.alive(version) else None

    def apply(self, changes: Changes) -> None:
        """Everything that writes comes here."""
        self.store.apply(self.namespace, changes)

    def keep(self, slot: Slot, version: Version) -> None:
        """Make a new version the present one."""
        self.rows(slot[0])
        self.apply({slot: version})

    def drop(self, slot: Slot) -> bool:
        if self.find(slot) is None:
            return False
        self.apply({slot: None})
        return True

    def etag(self, blob: Blob) -> str:
        return blob.digest

    def version(self, slot: Slot, blob: Blob, facts: Facts) -> Version:
        return Version(blob, facts, self.etag(blob), self.now_ms())

    def blob(self, data: bytes) -> Blob:
        spool = self.store.spool()
        spool.write(data)
        return spool.finish()

    def told(self, version: Version) -> ObjectMetadata:
        """Return what `metadata` and the puts tell."""
        facts = version.facts
        return ObjectMetadata(
            size=version.blob.size,
            etag=version.etag,
            last_modified_ms=version.modified_ms,
            content_type=facts.content_type,
            content_encoding=facts.content_encoding,
            user_metadata=dict(facts.labels),
            expires_at_ms=version.deadline_ms,
        )

    def info(self, key: str, version: Version) -> ObjectInfo:
        return ObjectInfo(key, version.blob.size, version.modified_ms)

    # Puts

    async def put(
        self,
        bucket: str,
        key: str,
        data: Bytes,
        *,
        content_type: str | None = None,
        content_encoding: str | None = None,
        user_metadata: Mapping[str, str] | None = None,
    ) -> ObjectMetadata:
        slot, facts = self.slot(bucket, key, "put"), self.facts("put", content_type, content_encoding, user_metadata)
        body = self.data(data, "put", key)
        self.rows(slot[0])
        return self.told(await self.write(slot, body, facts))

    async def write(self, slot: Slot, data: bytes, facts: Facts) -> Version:
        """Store what was checked; one step."""
        version = self.version(slot, self.blob(data), facts)
        self.keep(slot, version)
        return version

    async def put_if_absent(
        self,
        bucket: str,
        key: str,
        data: Bytes,
        *,
        content_type: str | None = None,
        content_encoding: str | None = None,
        user_metadata: Mapping[str, str] | None = None,
    ) -> bool:
        facts = self.facts("put_if_absent", content_type, content_encoding, user_metadata)
        return await self.create(self.slot(bucket, key, "put_if_absent"), self.data(data, "put_if_absent", key), facts)

    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        """Store what was checked if there is none; one step."""
        if self.find(slot) is not None:
            return False
        self.keep(slot, self.version(slot, self.blob(data), facts))
        return True

    async def put_stream(
        self,
        bucket: str,
        key: str,
        chunks: AsyncIterable[Bytes],
        *,
        size: int | None = None,
        content_type: str | None = None,
        content_encoding: str | None = None,
        user_metadata: Mapping[str, str] | None = None,
    ) -> ObjectMetadata:
        slot, facts = self.slot(bucket, key, "put_stream"), self.facts("put_stream", content_type, content_encoding, user_metadata)
        self.check_size(size)
        self.rows(slot[0])
        return self.told(await self.receive(slot, chunks, size, facts))

    async def receive(self, slot: Slot, chunks: AsyncIterable[Bytes], size: int | None, facts: Facts) -> Version:
        """Store a stream, in one step at its end."""
        spool = self.store.spool()
        try:
            await self.collect(spool, chunks, size)
            version = self.version(slot, spool.finish(), facts)
            self.keep(slot, version)
        except BaseException:
            spool.abort()
            raise
        return version

    async def collect(self, spool: Spool, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        async for chunk in chunks:
            spool.write(self.chunk(chunk))
            self.check_growth(spool.size, size)
        self.check_end(spool.size, size)

    def chunk(self, chunk: Bytes) -> bytes:
        return check_payload(chunk, "put_stream", "zoo", "chunk", Limits(max_payload=NO_LIMIT))

    def check_growth(self, so_far: int, size: int | None) -> None:
        if so_far > self.limits.max_payload:
            raise PayloadTooLarge(f"zoo: put_stream: {so_far} bytes so far, the limit is {self.limits.max_payload}")
        if size is not None and so_far > size:
            raise ValueError(f"zoo: put_stream: {so_far} bytes so far, size={size}")

    def check_end(self, total: int, size: int | None) -> None:
        if size is not None and total != size:
            raise ValueError(f"zoo: put_stream: {total} bytes, size={size}")

    # Reads

    def whole(self, version: Version) -> bytes:
        """Return the data of an object."""
        with self.store.open(version.blob) as file:
            return file.read()

    def pieces(self, version: Version) -> Iterator[bytes]:
        """Yield the data of an object in chunks."""
        with self.store.open(version.blob) as file:
            while piece := file.read(PIECE):
                yield piece

    async def get(self, bucket: str, key: str) -> bytes | None:
        version = self.find(self.slot(bucket, key, "get"))
        return None if version is None else self.whole(version)

    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        slot = self.slot(bucket, key, "get_stream")
        for piece in self.pieces(self.need(slot)):
            yield piece

    def need(self, slot: Slot) -> Version:
        version = self.find(slot)
        if version is None:
            raise ObjectNotFound(f"zoo: get_stream {slot[1][:40]!a}: no such object")
        return version

    async def exists(self, bucket: str, key: str) -> bool:
        return self.find(self.slot(bucket, key, "exists")) is not None

    async def metadata(self, bucket: str, key: str) -> ObjectMetadata | None:
        version = self.find(self.slot(bucket, key, "metadata"))
        return None if version is None else self.told(version)

    async def delete(self, bucket: str, key: str) -> bool:
        return self.drop(self.slot(bucket, key, "delete"))

    # Deadlines

    def seconds(self, ttl_s: float) -> float:
        return check_seconds(ttl_s, "set_ttl", "zoo")

    def deadline_ms(self, ttl_s: float) -> int:
        return math.ceil((self.now() + min(ttl_s, 1e12)) * 1000)

    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        slot, seconds = self.slot(bucket, key, "set_ttl"), self.seconds(ttl_s)
        version = self.find(slot)
        if version is None:
            return False
        self.limit_life(slot, version, seconds)
        return True

    def limit_life(self, slot: Slot, version: Version, seconds: float) -> None:
        """Give a present object its deadline."""
        self.apply({slot: replace(version, deadline_ms=self.deadline_ms(seconds)) if seconds > 0 else None})

    # Listings and buckets

    def matches(self, key: str, prefix: str) -> bool:
        return key.startswith(prefix)

    def matching(self, bucket: str, prefix: str) -> list[str]:
        """Return the present keys that match."""
        return [key for key in list(self.rows(bucket)) if self.matches(key, prefix) and self.listed((bucket, key)) is not None]

    def listed(self, slot: Slot) -> Version | None:
        """Return what a listing shows of an object; None to leave it out."""
        return self.find(slot) if slot[0] in self.buckets() else None

    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        name, wanted = self.bucket_name(bucket, "list_objects"), self.prefix(prefix)
        for key in self.matching(name, wanted):
            version = self.listed((name, key))
            if version is not None:
                yield self.info(key, version)

    async def create_bucket(self, bucket: str) -> bool:
        name = self.bucket_name(bucket, "create_bucket")
        if name in self.buckets():
            return False
        self.apply({(name, ""): True})
        return True

    def occupied(self, bucket: str) -> bool:
        return any(self.alive(version) for version in self.rows(bucket).values())

    async def delete_bucket(self, bucket: str, *, force: bool = False) -> bool:
        name = self.bucket_name(bucket, "delete_bucket")
        if name not in self.buckets():
            return False
        if not force and self.occupied(name):
            raise Conflict(f"zoo: delete_bucket {bucket[:40]!a}: it holds objects")
        await self.remove_bucket(name)
        return True

    async def remove_bucket(self, bucket: str) -> None:
        self.apply({(bucket, ""): None})

    async def bucket_exists(self, bucket: str) -> bool:
        return self.bucket_name(bucket, "bucket_exists") in self.buckets()


class FileObjects(Objects):
    """Both interfaces over a `FileStore`, for objects of any size."""

    traits: Traits = Traits(durability="process")
    limits: Limits = Limits(max_payload=NO_LIMIT)


def backend(name: str, driver: type[Objects] = Objects, connect: Connect | None = None, **more: Any) -> Backend[Store]:
    """Make the backend ``zoo-objects-<name>``."""
    store_type = FileStore if issubclass(driver, FileObjects) else Store
    settings: dict[str, Any] = {"clean": clean, "traits": driver.traits, "limits": driver.limits, **more}
    return Backend(name=f"zoo-objects-{name}", connect=connect or connector(store_type), drivers=(driver,), **settings)
