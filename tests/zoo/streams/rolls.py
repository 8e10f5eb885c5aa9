"""A correct log over files: segments of a few records, each named by its first offset, written under one lock.

Any number of processes may use one folder. The last segment stays, whatever is trimmed, so that its name and its records tell the
next offset. A record that is not whole is cut off by whoever appends next: who wrote it is dead.
"""

import fcntl
import itertools
import json
import os
import shutil
import struct
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import ClassVar

from prism_testkit.backend import Backend, Place
from prism_testkit.interfaces import Bytes, Record, StreamBasic
from prism_testkit.naming import hash_name
from prism_testkit.traits import Traits

from .independent_arguments import Arguments

__all__ = ["RollStreams", "Rolls", "rolls_backend"]

_HEAD = struct.Struct("<II")


class Rolls:
    """The segments of one stream."""

    most: ClassVar[int] = 8
    """How many records a segment holds."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.lock = home.with_suffix(".lock")
        self.bound = home / "floor"

    @contextmanager
    def locked(self) -> Iterator[None]:
        with self.lock.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def firsts(self) -> list[int]:
        """Return the first offset of each segment."""
        return sorted(int(path.stem) for path in self.home.glob("*.seg"))

    def path(self, first: int) -> Path:
        return self.home / f"{first:020}.seg"

    def floor(self) -> int:
        return int(self.bound.read_text()) if self.bound.exists() else 0

    def load(self, first: int) -> tuple[list[Record], int]:
        """Return the records of a segment, and how many bytes of it they are."""
        data, at, found = self.path(first).read_bytes(), 0, list[Record]()
        while at + _HEAD.size <= len(data):
            length, checksum = _HEAD.unpack_from(data, at)
            body = data[at + _HEAD.size : at + _HEAD.size + length]
            if len(body) < length or zlib.crc32(body) != checksum:
                break
            head, _, payload = body.partition(b"\n")
            key, headers, appended_ms = json.loads(head)
            found.append(Record(first + len(found), key, payload, headers, appended_ms))
            at += _HEAD.size + length
        return found, at

    def next(self) -> int:
        firsts = self.firsts()
        return firsts[-1] + len(self.load(firsts[-1])[0]) if firsts else 0

    def append(self, key: str | None, payload: bytes, headers: Mapping[str, str], now_ms: int) -> int:
        self.home.mkdir(exist_ok=True)
        first, offset, newest_ms = self.room()
        body = json.dumps([key, headers, max(now_ms, newest_ms)]).encode() + b"\n" + payload
        self.write(self.path(first), _HEAD.pack(len(body), zlib.crc32(body)) + body, os.O_APPEND)
        return offset

    def room(self) -> tuple[int, int, int]:
        """Return the segment that takes the next record, its offset, and when the record before it was appended."""
        firsts = self.firsts()
        if not firsts:
            return 0, 0, 0
        records, whole = self.load(firsts[-1])
        if self.path(firsts[-1]).stat().st_size > whole:
            os.truncate(self.path(firsts[-1]), whole)
        before = records or (self.load(firsts[-2])[0] if firsts[1:] else [])  # who began a segment may have died there
        offset, newest_ms = firsts[-1] + len(records), before[-1].appended_ms if before else 0
        return self.roll(offset) if len(records) >= self.most else firsts[-1], offset, newest_ms

    def roll(self, first: int) -> int:
        """Begin a new segment."""
        return first

    @staticmethod
    def write(path: Path, data: bytes, how: int) -> None:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | how)
        try:
            while data:
                data = data[os.write(file, data) :]
        finally:
            os.close(file)

    def read(self, start: int, limit: int | None) -> list[Record]:
        firsts, start, found = self.firsts(), max(start, self.floor()), list[Record]()
        for first, following in itertools.zip_longest(firsts, firsts[1:]):
            if following is None or following > start:
                found += [record for record in self.load(first)[0] if record.offset >= start]
            if limit is not None and len(found) >= limit:
                return found[:limit]
        return found

    def trim(self, before: int) -> int:
        floor = max(self.floor(), min(before, self.next()))
        if self.firsts() and floor > self.floor():
            draft = self.bound.with_suffix(".draft")
            self.write(draft, str(floor).encode(), os.O_TRUNC)
            draft.replace(self.bound)
        self.drop(floor)
        return floor

    def drop(self, floor: int) -> None:
        """Remove the segments of which nothing is left."""
        firsts = self.firsts()
        for first, following in itertools.pairwise(firsts):
            if following <= floor:
                self.path(first).unlink()


class RollStreams(Arguments, StreamBasic):
    """A client of one folder of streams."""

    rolls_type: ClassVar[type[Rolls]] = Rolls

    def __init__(self, place: Place, namespace: str) -> None:
        self.place = place
        self.home = place.directory / namespace
        self.home.mkdir(exist_ok=True)

    def rolls(self, stream: str) -> Rolls:
        self.named(stream)
        return self.rolls_type(self.home / f"stream-{hash_name(stream.encode())}")

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        rolls = self.rolls(stream)
        kept, data, told = self.content(payload, key, headers)
        with rolls.locked():
            return rolls.append(kept, data, told, self.place.clock.now_ms())

    async def read(self, stream: str, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        rolls = self.rolls(stream)
        first, most = self.window(start, limit)
        with rolls.locked():
            found = rolls.read(first, most)
        for record in found:
            yield record

    async def latest_offset(self, stream: str) -> int | None:
        rolls = self.rolls(stream)
        with rolls.locked():
            return rolls.next() - 1 if rolls.firsts() and rolls.next() else None

    async def trim(self, stream: str, before: int) -> int:
        rolls = self.rolls(stream)
        self.window(before, None)
        with rolls.locked():
            return rolls.trim(before)


async def _clean(place: Place, prefix: str) -> None:
    for path in place.directory.glob(f"{prefix}*"):
        shutil.rmtree(path)


def rolls_backend(name: str, driver: type[RollStreams] = RollStreams) -> Backend[Place]:
    @asynccontextmanager
    async def connect(place: Place) -> AsyncIterator[Place]:
        yield place

    return Backend(
        name=name,
        connect=connect,
        drivers=[driver],
        clean=_clean,
        traits=Traits(durability="process", sharing="processes"),
    )
