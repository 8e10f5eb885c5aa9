"""Objects as lists of pieces that are kept once each, by their hash and with a count of who needs them."""

import hashlib
import itertools
import math
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import prism_testkit as prism
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

__all__ = ["LIMITS", "Manifest", "PoolObjects", "clean", "connect"]

LIMITS = prism.Limits(max_payload=8_000_000)
ROOM = 1024


@dataclass
class Pool:
    """Pieces by hash, with how many manifests hold them."""

    pieces: dict[bytes, bytes] = field(default_factory=dict)
    held: dict[bytes, int] = field(default_factory=dict)

    def keep(self, piece: bytes) -> bytes:
        name = hashlib.sha256(piece).digest()
        self.pieces.setdefault(name, piece)
        self.held[name] = self.held.get(name, 0) + 1
        return name

    def drop(self, names: tuple[bytes, ...]) -> None:
        for name in names:
            self.held[name] -= 1
            if not self.held[name]:
                del self.held[name], self.pieces[name]


@dataclass(frozen=True)
class Manifest:
    """One version; ``readers`` are counted by the pool, too."""

    pieces: tuple[bytes, ...]
    size: int
    etag: str
    at_ms: int
    content_type: str | None
    content_encoding: str | None
    labels: Mapping[str, str]
    deadline_s: float | None = None


class World:
    def __init__(self, clock: prism.Clock) -> None:
        self.clock = clock
        self.pool = Pool()
        self.spaces: dict[str, dict[str, dict[str, Manifest]]] = {}
        self.serial = itertools.count(1)
        self.notes: dict[Any, Any] = {}


@asynccontextmanager
async def connect(place: prism.Place) -> AsyncIterator[World]:
    yield place.shared.get("pool objects") or place.shared.setdefault("pool objects", World(place.clock))


async def clean(world: World, prefix: str) -> None:
    for name in [name for name in world.spaces if name.startswith(prefix)]:
        for objects in world.spaces.pop(name).values():
            for manifest in objects.values():
                world.pool.drop(manifest.pieces)
    world.notes.clear()


class PoolObjects(ObjectStorageConditional):
    """Everything happens between two awaits, at the one place that changes a bucket: `_install`."""

    limits = LIMITS
    piece = 1 << 16

    def __init__(self, world: World, namespace: str) -> None:
        self.world, self.namespace, self.clock, self.pool = world, namespace, world.clock, world.pool
        self.notes: dict[str, Any] = {}
        """Room for what a wrong one keeps."""

    # arguments

    def _name(self, name: str, call: str) -> str:
        return prism.check_name(name, call, "pool", self.limits).decode()

    def _labels(self, labels: Mapping[str, str] | None) -> dict[str, str]:
        return prism.check_headers(labels, "put: metadata", "pool", ROOM)

    def _text(self, text: str | None, what: str) -> str | None:
        if text is not None:
            if not isinstance(text, str):
                raise TypeError(f"pool: {what} is str or None, not {type(text).__name__}")
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise ValueError(f"pool: {what} holds a surrogate") from error
        return text

    def _facts(self, content_type: str | None, content_encoding: str | None, labels: Mapping[str, str] | None) -> dict[str, Any]:
        return {
            "content_type": self._text(content_type, "content_type"),
            "content_encoding": self._text(content_encoding, "content_encoding"),
            "labels": self._labels(labels),
        }

    # looking

    @property
    def _buckets(self) -> dict[str, dict[str, Manifest]]:
        return self.world.spaces.setdefault(self.namespace, {})

    def _bucket(self, bucket: str) -> dict[str, Manifest]:
        if bucket not in self._buckets:
            raise BucketNotFound(f"pool: there is no bucket {bucket[:60]!a}")
        return self._buckets[bucket]

    def _over(self, manifest: Manifest) -> bool:
        return manifest.deadline_s is not None and self.clock.now_s() >= manifest.deadline_s

    def _find(self, bucket: str, key: str) -> Manifest | None:
        manifest = self._bucket(bucket).get(key)
        if manifest is not None and self._over(manifest):
            self._remove(bucket, key)
            return None
        return manifest

    def _remove(self, bucket: str, key: str) -> None:
        self.pool.drop(self._buckets[bucket].pop(key).pieces)

    def _install(self, bucket: str, key: str, manifest: Manifest) -> None:
        objects = self._bucket(bucket)
        old = objects.get(key)
        objects[key] = manifest
        if old is not None:
            self.pool.drop(old.pieces)

    def _manifest(self, pieces: list[bytes], size: int, facts: Mapping[str, Any]) -> Manifest:
        return Manifest(tuple(pieces), size, f"v{next(self.world.serial)}", self.clock.now_ms(), **facts)

    def _tell(self, manifest: Manifest) -> ObjectMetadata:
        until = None if manifest.deadline_s is None else math.ceil(manifest.deadline_s * 1000)
        return ObjectMetadata(
            manifest.size,
            manifest.etag,
            manifest.at_ms,
            manifest.content_type,
            manifest.content_encoding,
            dict(manifest.labels),
            until,
        )

    def _cut(self, data: bytes) -> list[bytes]:
        return [self.pool.keep(data[at : at + self.piece]) for at in range(0, len(data), self.piece)]

    async def _turn(self) -> None:
        await self.clock.sleep(0)

    # writing

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
        bucket, key = self._name(bucket, "put"), self._name(key, "put")
        kept = prism.check_payload(data, "put", "pool", key, self.limits)
        facts = self._facts(content_type, content_encoding, user_metadata)
        return await self._put(bucket, key, kept, facts)

    async def _put(self, bucket: str, key: str, data: bytes, facts: Mapping[str, Any]) -> ObjectMetadata:
        await self._turn()
        self._bucket(bucket)
        return self._store(bucket, key, data, facts)

    def _store(self, bucket: str, key: str, data: bytes, facts: Mapping[str, Any]) -> ObjectMetadata:
        manifest = self._manifest(self._cut(data), len(data), facts)
        self._install(bucket, key, manifest)
        return self._tell(manifest)

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
        bucket, key = self._name(bucket, "put_stream"), self._name(key, "put_stream")
        facts = self._facts(content_type, content_encoding, user_metadata)
        if size is not None and (isinstance(size, bool) or not isinstance(size, int)):
            raise TypeError(f"pool: put_stream: size is int, not {type(size).__name__}")
        if size is not None and size < 0:
            raise ValueError(f"pool: put_stream: size is {size}")
        if size is not None and size > self.limits.max_payload:
            raise PayloadTooLarge(f"pool: put_stream: {size} bytes")
        if not isinstance(chunks, AsyncIterable):
            raise TypeError(f"pool: put_stream: chunks are an async iterable, not {type(chunks).__name__}")
        return await self._upload(bucket, key, chunks, size, facts)

    async def _upload(
        self, bucket: str, key: str, chunks: AsyncIterable[Bytes], size: int | None, facts: Mapping[str, Any]
    ) -> ObjectMetadata:
        await self._turn()
        self._bucket(bucket)
        names: list[bytes] = []
        done = False
        try:
            total = await self._take(chunks, names, size)
            if size is not None and total != size:
                raise ValueError(f"pool: put_stream: {total} bytes, {size} were said")
            manifest = self._manifest(names, total, facts)
            self._install(bucket, key, manifest)
            done = True
            return self._tell(manifest)
        finally:
            if not done:
                self.pool.drop(tuple(names))

    async def _take(self, chunks: AsyncIterable[Bytes], names: list[bytes], size: int | None) -> int:
        total, rest = 0, b""
        async for chunk in chunks:
            if not isinstance(chunk, bytes | bytearray | memoryview):
                raise TypeError(f"pool: put_stream: a chunk is bytes-like, not {type(chunk).__name__}")
            data = bytes(chunk)
            total += len(data)
            if total > self.limits.max_payload:
                raise PayloadTooLarge(f"pool: put_stream: more than {self.limits.max_payload} bytes")
            if size is not None and total > size:
                raise ValueError(f"pool: put_stream: more than the {size} bytes that were said")
            rest += data
            while len(rest) >= self.piece:
                names.append(self.pool.keep(rest[: self.piece]))
                rest = rest[self.piece :]
        if rest:
            names.append(self.pool.keep(rest))
        return total

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
        bucket, key = self._name(bucket, "put_if_absent"), self._name(key, "put_if_absent")
        kept = prism.check_payload(data, "put_if_absent", "pool", key, self.limits)
        facts = self._facts(content_type, content_encoding, user_metadata)
        return await self._create(bucket, key, kept, facts)

    async def _create(self, bucket: str, key: str, data: bytes, facts: Mapping[str, Any]) -> bool:
        await self._turn()
        if self._find(bucket, key) is not None:
            return False
        self._store(bucket, key, data, facts)
        return True

    async def delete(self, bucket: str, key: str) -> bool:
        bucket, key = self._name(bucket, "delete"), self._name(key, "delete")
        await self._turn()
        found = self._find(bucket, key) is not None
        if found:
            self._remove(bucket, key)
        return found

    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        bucket, key = self._name(bucket, "set_ttl"), self._name(key, "set_ttl")
        seconds = prism.check_seconds(ttl_s, "set_ttl", "pool")
        await self._turn()
        manifest = self._find(bucket, key)
        if manifest is None:
            return False
        if seconds <= 0:
            self._remove(bucket, key)
        else:
            self._buckets[bucket][key] = replace(manifest, deadline_s=self.clock.now_s() + seconds)
        return True

    # reading

    async def get(self, bucket: str, key: str) -> bytes | None:
        bucket, key = self._name(bucket, "get"), self._name(key, "get")
        await self._turn()
        manifest = self._find(bucket, key)
        return None if manifest is None else b"".join(self.pool.pieces[name] for name in manifest.pieces)

    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        bucket, key = self._name(bucket, "get_stream"), self._name(key, "get_stream")
        await self._turn()
        manifest = self._find(bucket, key)
        if manifest is None:
            raise ObjectNotFound(f"pool: get_stream: {key[:60]!a} is not in {bucket[:60]!a}")
        for name in manifest.pieces:
            self.pool.held[name] += 1
        left = list(manifest.pieces)
        try:
            while left:
                yield self.pool.pieces[left[0]]
                self.pool.drop((left.pop(0),))
                await self._turn()
        finally:
            self.pool.drop(tuple(left))

    async def exists(self, bucket: str, key: str) -> bool:
        bucket, key = self._name(bucket, "exists"), self._name(key, "exists")
        await self._turn()
        return self._find(bucket, key) is not None

    async def metadata(self, bucket: str, key: str) -> ObjectMetadata | None:
        bucket, key = self._name(bucket, "metadata"), self._name(key, "metadata")
        await self._turn()
        manifest = self._find(bucket, key)
        return None if manifest is None else self._tell(manifest)

    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        bucket, start = self._name(bucket, "list_objects"), prism.check_prefix(prefix, "list_objects", "pool", self.limits).decode()
        await self._turn()
        for key in [key for key in self._bucket(bucket) if key.startswith(start)]:
            manifest = self._find(bucket, key) if bucket in self._buckets else None
            if manifest is not None:
                yield ObjectInfo(key, manifest.size, manifest.at_ms)

    # buckets

    async def create_bucket(self, bucket: str) -> bool:
        bucket = self._name(bucket, "create_bucket")
        await self._turn()
        new = bucket not in self._buckets
        self._buckets.setdefault(bucket, {})
        return new

    async def delete_bucket(self, bucket: str, *, force: bool = False) -> bool:
        bucket = self._name(bucket, "delete_bucket")
        await self._turn()
        if bucket not in self._buckets:
            return False
        present = [key for key in list(self._buckets[bucket]) if self._find(bucket, key) is not None]
        if present and not force:
            raise Conflict(f"pool: delete_bucket: {len(present)} objects in {bucket[:60]!a}")
        for key in present:
            self._remove(bucket, key)
        del self._buckets[bucket]
        return True

    async def bucket_exists(self, bucket: str) -> bool:
        bucket = self._name(bucket, "bucket_exists")
        await self._turn()
        return bucket in self._buckets
