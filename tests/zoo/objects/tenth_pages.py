"""A right driver over a device of pages; whoever reads an object holds its pages."""

import math
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
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

from .tenth_disk import Disk, Inode, Volume, Writer

__all__ = ["PageObjects", "moved", "pages_backend"]

ROOM = 1024


class PageObjects(ObjectStorageConditional):
    """One namespace of a disk. Each call waits once before its effect, as for a request, and once after it."""

    limits = prism.Limits(max_payload=8_000_000)
    ahead = 16
    """How many pages a read gives at a time."""
    screen = 20
    """How many lines a listing gives before it waits."""

    def __init__(self, disk: Disk, namespace: str) -> None:
        self.disk, self.namespace, self.clock = disk, namespace, disk.clock
        self.notes: dict[Any, Any] = {}

    # arguments

    def name(self, name: str, call: str) -> str:
        return prism.check_name(name, call, "pages", self.limits).decode()

    def text(self, text: str | None, what: str) -> str | None:
        if text is None:
            return None
        if not isinstance(text, str):
            raise TypeError(f"pages: {what} is str or None, not {type(text).__name__}")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"pages: {what} holds a surrogate") from error
        return text

    def facts(self, content_type: str | None, content_encoding: str | None, labels: Mapping[str, str] | None) -> dict[str, Any]:
        return {
            "content_type": self.text(content_type, "content_type"),
            "content_encoding": self.text(content_encoding, "content_encoding"),
            "labels": prism.check_headers(labels, "put: user_metadata", "pages", ROOM),
        }

    # looking

    @property
    def volumes(self) -> dict[str, Volume]:
        return self.disk.spaces.setdefault(self.namespace, {})

    def volume(self, bucket: str) -> Volume:
        found = self.volumes.get(bucket)
        if found is None:
            raise BucketNotFound(f"pages: there is no bucket {bucket[:60]!a}")
        return found

    def over(self, inode: Inode) -> bool:
        return inode.due_s is not None and self.clock.now_s() >= inode.due_s

    def find(self, bucket: str, key: str) -> Inode | None:
        inode = self.volume(bucket).inodes.get(key)
        return None if inode is None or self.over(inode) else inode

    def tell(self, inode: Inode) -> ObjectMetadata:
        return ObjectMetadata(
            inode.size,
            inode.digest,
            inode.at_ms,
            inode.content_type,
            inode.content_encoding,
            dict(inode.labels),
            None if inode.due_s is None else math.ceil(inode.due_s * 1000),
        )

    def install(self, volume: Volume, key: str, inode: Inode) -> None:
        old = volume.inodes.get(key)
        volume.inodes[key] = inode
        if old is not None:
            self.disk.drop(old)

    def remove(self, volume: Volume, key: str) -> None:
        self.disk.drop(volume.inodes.pop(key))

    async def hop(self) -> None:
        await self.clock.sleep(0)

    # writing

    def write(self, data: bytes, facts: Mapping[str, Any]) -> Inode:
        writer = Writer(self.disk)
        writer.add(data)
        return writer.finish(facts)

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
        bucket, key = self.name(bucket, "put"), self.name(key, "put")
        kept = prism.check_payload(data, "put", "pages", key, self.limits)
        return await self.store(bucket, key, kept, self.facts(content_type, content_encoding, user_metadata))

    async def store(self, bucket: str, key: str, data: bytes, facts: Mapping[str, Any]) -> ObjectMetadata:
        await self.hop()
        volume = self.volume(bucket)
        inode = self.write(data, facts)
        self.install(volume, key, inode)
        told = self.tell(inode)
        await self.hop()
        return told

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
        bucket, key = self.name(bucket, "put_if_absent"), self.name(key, "put_if_absent")
        kept = prism.check_payload(data, "put_if_absent", "pages", key, self.limits)
        facts = self.facts(content_type, content_encoding, user_metadata)
        await self.hop()
        done = self.create(bucket, key, kept, facts)
        await self.hop()
        return done

    def create(self, bucket: str, key: str, data: bytes, facts: Mapping[str, Any]) -> bool:
        if self.find(bucket, key) is not None:
            return False
        self.install(self.volume(bucket), key, self.write(data, facts))
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
        bucket, key = self.name(bucket, "put_stream"), self.name(key, "put_stream")
        facts = self.facts(content_type, content_encoding, user_metadata)
        self.expect(size)
        if not isinstance(chunks, AsyncIterable):
            raise TypeError(f"pages: put_stream: chunks are an async iterable, not {type(chunks).__name__}")
        await self.hop()
        return await self.upload(bucket, key, chunks, size, facts)

    def expect(self, size: int | None) -> None:
        if size is None:
            return
        if isinstance(size, bool) or not isinstance(size, int):
            raise TypeError(f"pages: put_stream: size is int, not {type(size).__name__}")
        if size < 0:
            raise ValueError(f"pages: put_stream: size is {size}")
        self.bound(size)

    def bound(self, size: int) -> None:
        assert self.limits.max_payload is not None
        if size > self.limits.max_payload:
            raise PayloadTooLarge(f"pages: put_stream: {size} bytes or more, the limit is {self.limits.max_payload}")

    async def upload(
        self, bucket: str, key: str, chunks: AsyncIterable[Bytes], size: int | None, facts: Mapping[str, Any]
    ) -> ObjectMetadata:
        volume = self.volume(bucket)
        writer = Writer(self.disk)
        try:
            await self.receive(writer, chunks, size)
            if self.volumes.get(bucket) is not volume:
                raise BucketNotFound(f"pages: put_stream: the bucket {bucket[:60]!a} was removed meanwhile")
            inode = writer.finish(facts)
        except BaseException:
            writer.abandon()
            raise
        self.install(volume, key, inode)
        return self.tell(inode)

    async def receive(self, writer: Writer, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        async for chunk in chunks:
            if not isinstance(chunk, bytes | bytearray | memoryview):
                raise TypeError(f"pages: put_stream: a chunk is bytes-like, not {type(chunk).__name__}")
            writer.add(bytes(chunk))
            self.bound(writer.size)
            if size is not None and writer.size > size:
                break
        if size is not None and writer.size != size:
            raise ValueError(f"pages: put_stream: {writer.size} bytes or more, {size} were said")

    async def delete(self, bucket: str, key: str) -> bool:
        bucket, key = self.name(bucket, "delete"), self.name(key, "delete")
        await self.hop()
        found = self.find(bucket, key) is not None
        if found:
            self.remove(self.volume(bucket), key)
        await self.hop()
        return found

    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        bucket, key = self.name(bucket, "set_ttl"), self.name(key, "set_ttl")
        seconds = prism.check_seconds(ttl_s, "set_ttl", "pages")
        await self.hop()
        inode = self.find(bucket, key)
        if inode is None:
            return False
        if seconds <= 0:
            self.remove(self.volume(bucket), key)
        else:
            inode.due_s = self.clock.now_s() + seconds
        await self.hop()
        return True

    # reading

    async def get(self, bucket: str, key: str) -> bytes | None:
        bucket, key = self.name(bucket, "get"), self.name(key, "get")
        await self.hop()
        inode = self.find(bucket, key)
        if inode is None:
            return None
        self.disk.hold(inode)
        try:
            await self.hop()
            return self.disk.read(inode)
        finally:
            self.disk.drop(inode)

    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        bucket, key = self.name(bucket, "get_stream"), self.name(key, "get_stream")
        await self.hop()
        inode = self.find(bucket, key)
        if inode is None:
            raise ObjectNotFound(f"pages: get_stream: there is no object {key[:60]!a}")
        self.disk.hold(inode)
        try:
            for at in range(0, len(inode.pages), self.ahead):
                yield self.disk.read(inode, slice(at, at + self.ahead))
                await self.hop()
        finally:
            self.disk.drop(inode)

    async def exists(self, bucket: str, key: str) -> bool:
        bucket, key = self.name(bucket, "exists"), self.name(key, "exists")
        await self.hop()
        return self.find(bucket, key) is not None

    async def metadata(self, bucket: str, key: str) -> ObjectMetadata | None:
        bucket, key = self.name(bucket, "metadata"), self.name(key, "metadata")
        await self.hop()
        inode = self.find(bucket, key)
        return None if inode is None else self.tell(inode)

    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        bucket = self.name(bucket, "list_objects")
        prefix = prism.check_prefix(prefix, "list_objects", "pages", self.limits).decode()
        await self.hop()
        volume = self.volume(bucket)
        keys = [key for key in volume.inodes if key.startswith(prefix)]
        for number, key in enumerate(keys, 1):
            inode = volume.inodes.get(key)
            if inode is not None and not self.over(inode):
                yield self.line(key, inode)
            if number % self.screen == 0:
                await self.hop()

    def line(self, key: str, inode: Inode) -> ObjectInfo:
        return ObjectInfo(key, inode.size, inode.at_ms)

    # buckets

    async def create_bucket(self, bucket: str) -> bool:
        bucket = self.name(bucket, "create_bucket")
        await self.hop()
        new = bucket not in self.volumes
        if new:
            self.volumes[bucket] = Volume(next(self.disk.numbers))
        await self.hop()
        return new

    async def delete_bucket(self, bucket: str, *, force: bool = False) -> bool:
        bucket = self.name(bucket, "delete_bucket")
        await self.hop()
        volume = self.volumes.get(bucket)
        if volume is None:
            return False
        if not force and self.filled(volume):
            raise Conflict(f"pages: delete_bucket: {bucket[:60]!a} is not empty")
        self.empty(volume)
        del self.volumes[bucket]
        await self.hop()
        return True

    def filled(self, volume: Volume) -> bool:
        return any(not self.over(inode) for inode in volume.inodes.values())

    def empty(self, volume: Volume) -> None:
        for key in list(volume.inodes):
            self.remove(volume, key)

    async def bucket_exists(self, bucket: str) -> bool:
        bucket = self.name(bucket, "bucket_exists")
        await self.hop()
        return bucket in self.volumes


async def _clean(disk: Disk, prefix: str) -> None:
    disk.clean(prefix)


def pages_backend(name: str, driver: type[PageObjects] = PageObjects, disk: type[Disk] = Disk) -> prism.Backend[Disk]:
    @asynccontextmanager
    async def connect(place: prism.Place) -> AsyncIterator[Disk]:
        yield place.shared.get("disk") or place.shared.setdefault("disk", disk(place.clock))

    return prism.Backend(name=name, connect=connect, drivers=[driver], clean=_clean, limits=driver.limits)


def moved(inode: Inode, **changes: Any) -> Inode:
    """Return a copy of an inode with other facts, that nobody holds yet."""
    return replace(inode, **changes, held=1)
