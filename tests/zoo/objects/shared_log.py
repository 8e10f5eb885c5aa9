"""A correct store over files: the events of a namespace in one log, folded by each process, and merged when it has grown.

Any number of processes may use it. Whoever writes holds a lock, which is no file that is ever replaced. A log begins with its
generation: a merge writes the next one, of what is there, and puts it in the place of the log. An event that is not whole is cut
off by whoever appends next: who wrote it is dead. Long pages are files of their own, which stay.
"""

import asyncio
import fcntl
import hashlib
import os
import pickle
import struct
import uuid
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from prism_testkit.backend import Backend, Place
from prism_testkit.traits import Traits

from .independent_ledger import LIMITS, Event, LedgerObjects, Said, View

__all__ = ["LogFile", "LogObjects", "log_backend"]

T = TypeVar("T")
_GENERATION = struct.Struct("<Q")
_HEAD = struct.Struct("<II")


class Page(bytes):
    """A page in a file beside the log: of itself it is empty, but as long as it is."""

    name: str
    size: int

    def __new__(cls, name: str, size: int) -> "Page":
        page = super().__new__(cls)
        page.name, page.size = name, size
        return page

    def __len__(self) -> int:
        return self.size

    def __reduce__(self) -> tuple[type["Page"], tuple[str, int]]:
        return Page, (self.name, self.size)


class LogFile:
    """The log of one namespace, as a process reads it."""

    most: ClassVar[int] = 12
    """A log of so many events more than there are buckets and objects is merged."""

    def __init__(self, home: Path) -> None:
        self.path = home.with_suffix(".log")
        self.lock = home.with_suffix(".lock")
        self.forget(0)

    def forget(self, generation: int) -> None:
        self.generation, self.at, self.view = generation, _GENERATION.size, View()

    @contextmanager
    def locked(self) -> Iterator[None]:
        with self.lock.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def catch_up(self) -> bytes:
        """Fold what was appended since, or all if the log is another one; return what is not whole."""
        data = self.path.read_bytes() if self.path.exists() else _GENERATION.pack(0)
        (generation,) = _GENERATION.unpack_from(data)
        if generation != self.generation:
            self.forget(generation)
        while self.at + _HEAD.size <= len(data):
            length, checksum = _HEAD.unpack_from(data, self.at)
            body = data[self.at + _HEAD.size : self.at + _HEAD.size + length]
            if len(body) < length or zlib.crc32(body) != checksum:
                break
            self.fold(pickle.loads(body))
            self.at += _HEAD.size + length
        return data[self.at :]

    def fold(self, events: list[Event]) -> None:
        for event in events:
            self.view.fold(event)

    def append(self, events: list[Event]) -> None:
        """Add events behind what was folded; only with the lock, and caught up."""
        if not self.path.exists():
            self.replace(_GENERATION.pack(0))
        self.cut()
        data = self.spelt(events)
        self.write(self.path, data, os.O_APPEND)
        self.fold(events)
        self.at += len(data)
        if self.view.position > self.most + sum(1 + len(bucket) for bucket in self.view.buckets.values()):
            self.merge()

    def cut(self) -> None:
        if self.path.stat().st_size > self.at:
            os.truncate(self.path, self.at)

    @staticmethod
    def spelt(events: list[Event]) -> bytes:
        body = pickle.dumps(events)
        return _HEAD.pack(len(body), zlib.crc32(body)) + body

    def merge(self) -> None:
        """Write the next generation: the events that make what is there."""
        events = list(self.kept())
        self.replace(_GENERATION.pack(self.generation + 1) + self.spelt(events))
        self.catch_up()

    def kept(self) -> Iterator[Event]:
        for bucket, objects in self.view.buckets.items():
            yield Event(bucket)
            for key, held in objects.items():
                yield Event(bucket, key, held)

    def replace(self, data: bytes) -> None:
        draft = self.path.with_suffix(".draft")
        self.write(draft, data, os.O_TRUNC)
        draft.replace(self.path)

    @staticmethod
    def write(path: Path, data: bytes, how: int) -> None:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | how)
        try:
            while data:
                data = data[os.write(file, data) :]
        finally:
            os.close(file)


class LogObjects(LedgerObjects):
    """A client of one such log. Its decisions are made with the lock, so none is made twice."""

    log_type: ClassVar[type[LogFile]] = LogFile
    page = 2**20

    def __init__(self, place: Place, namespace: str) -> None:
        self.namespace, self.clock = namespace, place.clock
        self.log = self.log_type(place.directory / namespace)

    def pages(self, data: bytes) -> tuple[bytes, ...]:
        return tuple(self.kept(page) if len(page) > 4096 else page for page in super().pages(data))

    def kept(self, page: bytes) -> Page:
        path = self.log.path.with_suffix(f".{uuid.uuid4().hex}")
        self.log.write(path, page, 0)
        return Page(path.name, len(page))

    def read(self, page: bytes) -> bytes:
        return self.log.path.with_name(page.name).read_bytes() if isinstance(page, Page) else page

    def etag(self, pages: tuple[bytes, ...], said: Said) -> str:
        digest = hashlib.sha256()
        for page in pages:
            digest.update(self.read(page))
        return digest.hexdigest()

    async def get(self, bucket: str, key: str) -> bytes | None:
        held = await self.look("get", bucket, key)
        return None if held is None else b"".join(map(self.read, held.pages))

    def bundles(self, pages: tuple[bytes, ...]) -> Iterator[bytes]:
        return map(self.read, pages)

    async def now(self) -> View:
        await asyncio.sleep(0)
        with self.log.locked():
            self.log.catch_up()
        return self.log.view

    async def decide(self, decide: Callable[[View], tuple[list[Event], T]]) -> T:
        await asyncio.sleep(0)
        with self.log.locked():
            self.log.catch_up()
            events, answer = decide(self.log.view)
            if events:
                self.log.append(events)
        return answer


async def _clean(place: Place, prefix: str) -> None:
    for path in place.directory.glob(f"{prefix}*"):
        path.unlink()


def log_backend(name: str, driver: type[LogObjects] = LogObjects, **settings: Any) -> Backend[Place]:
    @asynccontextmanager
    async def connect(place: Place) -> AsyncIterator[Place]:
        yield place

    traits = Traits(durability="process", sharing="processes")
    return Backend(name=name, connect=connect, drivers=[driver], clean=_clean, limits=LIMITS, traits=traits, **settings)
