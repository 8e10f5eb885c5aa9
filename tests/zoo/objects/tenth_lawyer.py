"""A right driver that takes each freedom that the contract gives: odd types and etags, halves of seconds, conflicts, odd chunks."""

import asyncio
import itertools
import math
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import prism_testkit as prism
from prism_testkit.interfaces import (
    BucketNotFound,
    Bytes,
    Conflict,
    InvalidName,
    ObjectInfo,
    ObjectMetadata,
    ObjectNotFound,
)

from .tenth_disk import Disk, Inode, Volume, Writer
from .tenth_pages import PageObjects, pages_backend

__all__ = ["RIGHT", "LawyerObjects", "lawyer_objects_backend"]

LIMITS = prism.Limits(max_payload=8_000_000, clock_resolution_s=0.5)


class Octets(bytes):
    """Bytes that show themselves otherwise."""

    def __repr__(self) -> str:
        return f"<{len(self)} octets>"

    __str__ = __repr__


class Word(str):
    """Text of a type of its own."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<word of {len(self)}>"


class Whole(int):
    """A whole number of a type of its own."""


class Labels(Mapping[str, str]):
    """A mapping that is no dict, and goes backwards."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        self._labels = dict(labels)

    def __getitem__(self, name: str) -> str:
        return self._labels[name]

    def __iter__(self) -> Iterator[str]:
        return reversed(self._labels)

    def __len__(self) -> int:
        return len(self._labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told(ObjectMetadata):
    """What this store tells besides."""

    storage_class: str = "attic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line(ObjectInfo):
    """What this store lists besides."""

    owner: str = "nobody"


class NoBucket(BucketNotFound, KeyError):
    """What this store says of a missing bucket."""


class NoObject(ObjectNotFound, FileNotFoundError):
    """What this store says of a missing object."""


class NameRefused(InvalidName, ValueError):
    """What this store says of a name."""


class Bare:
    """An iterator and no more: it has no ``aclose``, and nothing is open between its steps."""

    def __init__(self, steps: AsyncIterator[Any]) -> None:
        self.steps = steps
        self.rest: Iterator[Any] | None = None

    def __aiter__(self) -> "Bare":
        return self

    async def __anext__(self) -> Any:
        if self.rest is None:
            self.rest = iter([step async for step in self.steps])
        await asyncio.sleep(0)
        try:
            return next(self.rest)
        except StopIteration:
            raise StopAsyncIteration from None


class LawyerObjects(PageObjects):
    """Every call takes many turns; instants are halves of a second, the nearest of a put, the next of a deadline."""

    limits = LIMITS
    serial = itertools.count(1)

    async def hop(self) -> None:
        for _ in range(4):
            await self.clock.sleep(0)

    def name(self, name: str, call: str) -> str:
        try:
            return super().name(name, call)
        except InvalidName as error:
            raise NameRefused(str(error)) from error

    def volume(self, bucket: str) -> Volume:
        try:
            return super().volume(bucket)
        except BucketNotFound as error:
            raise NoBucket(str(error)) from error

    def install(self, volume: Volume, key: str, inode: Inode) -> None:
        inode.digest = f'W/"{next(self.serial)} \N{SNOWMAN}\0"'
        super().install(volume, key, inode)

    def tell(self, inode: Inode) -> ObjectMetadata:
        return Told(
            size=Whole(inode.size),
            etag=Word(inode.digest),
            last_modified_ms=Whole(math.floor(inode.at_ms / 500 + 0.5) * 500),
            content_type=None if inode.content_type is None else Word("".join([inode.content_type])),
            content_encoding=None if inode.content_encoding is None else Word("".join([inode.content_encoding])),
            user_metadata=Labels(inode.labels),
            expires_at_ms=None if inode.due_s is None else Whole(math.ceil(inode.due_s * 1000)),
        )

    def line(self, key: str, inode: Inode) -> ObjectInfo:
        return Line(Word("".join([key])), Whole(inode.size), Whole(math.floor(inode.at_ms / 500 + 0.5) * 500))

    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        """Rounds up, and makes another etag."""
        seconds = prism.check_seconds(ttl_s, "set_ttl", "lawyer")
        if seconds > 0:
            seconds = math.ceil((self.clock.now_s() + seconds) * 2) / 2 - self.clock.now_s()
        done = await super().set_ttl(bucket, key, seconds)
        inode = self.find(bucket, key) if bucket in self.volumes else None
        if inode is not None:
            inode.digest = f'W/"{next(self.serial)} \N{SNOWMAN}\0"'
        return done

    async def receive(self, writer: Writer, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        """One task takes from the source, another writes; what is too long or too short is found out last."""
        pipe: asyncio.Queue[Bytes | None] = asyncio.Queue(1)

        async def take() -> None:
            taken = 0
            async for chunk in chunks:
                if not isinstance(chunk, bytes | bytearray | memoryview):
                    raise TypeError(f"lawyer: put_stream: a chunk is bytes-like, not {type(chunk).__name__}")
                data = bytes(chunk)
                taken += len(data)
                if size is None:
                    self.bound(taken)
                elif taken > LIMITS.max_payload:
                    break
                await pipe.put(data)
            await pipe.put(None)

        taking = asyncio.ensure_future(take())
        getting: asyncio.Task[Bytes | None] | None = None
        try:
            while True:
                getting = asyncio.ensure_future(pipe.get())
                await asyncio.wait([getting, taking], return_when=asyncio.FIRST_COMPLETED)
                if not getting.done():
                    getting.cancel()
                    await asyncio.wait([getting])
                    await taking
                    continue
                chunk = getting.result()
                if chunk is None:
                    break
                writer.add(bytes(chunk))
            await taking
        finally:
            tasks = [task for task in (taking, getting) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            if not taking.cancelled():
                taking.exception()
        if size is not None and writer.size != size:
            raise ValueError(f"lawyer: put_stream: {writer.size} bytes or more, {size} were said")

    async def get(self, bucket: str, key: str) -> bytes | None:
        bucket, key = self.name(bucket, "get"), self.name(key, "get")
        await self.hop()
        inode = self.find(bucket, key)
        if inode is None:
            return None
        await self.hop()
        self.still(bucket, key, inode)
        return Octets(self.disk.read(inode))

    def still(self, bucket: str, key: str, inode: Inode) -> None:
        """Refuse to read on what was replaced or removed meanwhile."""
        now = self.volumes[bucket].inodes.get(key) if bucket in self.volumes else None
        if now is not inode:
            raise NoObject("lawyer: it was removed") if now is None else Conflict("lawyer: it was replaced meanwhile")

    async def pieces(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        """Nothing, a byte, and then what comes to hand; at the end nothing once more."""
        bucket, key = self.name(bucket, "get_stream"), self.name(key, "get_stream")
        await self.hop()
        inode = self.find(bucket, key)
        if inode is None:
            raise NoObject(f"lawyer: get_stream: there is no object {key[:60]!a}")
        yield b""
        at, length = 0, 1
        while at < inode.size:
            await self.hop()
            self.still(bucket, key, inode)
            first, last = at // self.disk.page, -(-min(inode.size, at + length) // self.disk.page)
            yield Octets(self.disk.read(inode, slice(first, last))[at - first * self.disk.page :][: min(length, inode.size - at)])
            at, length = at + length, length * 7 % 999_983
        yield b""

    def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        return _Steps(self.pieces(bucket, key))

    def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        self.name(bucket, "list_objects")
        prism.check_prefix(prefix, "list_objects", "lawyer", self.limits)
        return Bare(self.backwards(bucket, prefix))

    async def backwards(self, bucket: str, prefix: str) -> AsyncIterator[ObjectInfo]:
        await self.hop()
        for key, inode in reversed(self.volume(bucket).inodes.copy().items()):
            if key.startswith(prefix) and not self.over(inode):
                yield self.line(key, inode)


class _Steps:
    """Steps of an iterator, and no ``aclose``."""

    def __init__(self, steps: AsyncIterator[bytes]) -> None:
        self.steps = steps

    def __aiter__(self) -> "_Steps":
        return self

    async def __anext__(self) -> bytes:
        return await anext(self.steps)


class InstantObjects(PageObjects):
    """No call ever waits: each has happened when it is first awaited."""

    async def hop(self) -> None:
        pass


class SmallDisk(Disk):
    """Pages of 61 bytes."""

    page = 61


class SmallObjects(PageObjects):
    """Chunks of three pages, lines one by one."""

    limits = prism.Limits(max_payload=50_000)
    ahead = 3
    screen = 1


def lawyer_objects_backend(name: str) -> prism.Backend[Disk]:
    return replace(pages_backend(name, LawyerObjects), limits=LIMITS)


RIGHT: tuple[prism.Backend[Any], ...] = (
    pages_backend("tenth-pages"),
    pages_backend("tenth-small-pages", SmallObjects, SmallDisk),
    pages_backend("tenth-instant-pages", InstantObjects),
    lawyer_objects_backend("tenth-lawyer"),
)
"""Right drivers over pages."""
