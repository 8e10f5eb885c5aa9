"""A device of pages: inodes, volumes, pages by number, and a list of those that are free."""

import hashlib
import itertools
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import prism_testkit as prism
from prism_testkit.interfaces import Bytes

__all__ = ["Device", "Disk", "Inode", "Volume", "Writer"]


@dataclass
class Device:
    """Pages of one length. The last one that was freed, with what was in it, is used first."""

    page: int = 4096
    pages: list[bytearray] = field(default_factory=list)
    free: deque[int] = field(default_factory=deque)

    def take(self) -> int:
        if self.free:
            return self.free.pop()
        self.pages.append(bytearray(self.page))
        return len(self.pages) - 1

    def write(self, number: int, data: Bytes) -> None:
        self.pages[number][: len(data)] = data

    def give(self, numbers: tuple[int, ...]) -> None:
        self.free.extend(numbers)


@dataclass(eq=False)
class Inode:
    """One version: its pages, what was said of it, and how many hold it (its name, and each who reads it)."""

    pages: tuple[int, ...]
    size: int
    digest: str
    at_ms: int
    content_type: str | None
    content_encoding: str | None
    labels: Mapping[str, str]
    due_s: float | None = None
    held: int = 1


@dataclass
class Volume:
    """One bucket; ``number`` tells it from one of the same name that was removed."""

    number: int
    inodes: dict[str, Inode] = field(default_factory=dict)


class Disk:
    """The data of one place."""

    page = 4096

    def __init__(self, clock: prism.Clock) -> None:
        self.clock = clock
        self.device = Device(self.page)
        self.spaces: dict[str, dict[str, Volume]] = {}
        self.numbers = itertools.count(1)
        self.notes: dict[Any, Any] = {}
        """Room for what a wrong one keeps."""

    def hold(self, inode: Inode) -> None:
        inode.held += 1

    def drop(self, inode: Inode) -> None:
        inode.held -= 1
        if not inode.held:
            self.device.give(inode.pages)

    def read(self, inode: Inode, pages: slice = slice(None)) -> bytes:
        """Return what is in some of the pages of an inode."""
        numbers = range(len(inode.pages))[pages]
        found = bytearray()
        for at in numbers:
            length = min(self.device.page, inode.size - at * self.device.page)
            found += self.device.pages[inode.pages[at]][:length]
        return bytes(found)

    def clean(self, prefix: str) -> None:
        for name in [name for name in self.spaces if name.startswith(prefix)]:
            for volume in self.spaces.pop(name).values():
                for inode in volume.inodes.values():
                    self.drop(inode)
        self.notes.clear()


class Writer:
    """Takes bytes as they come, and writes each page when it is full."""

    def __init__(self, disk: Disk) -> None:
        self.disk, self.device = disk, disk.device
        self.pages: list[int] = []
        self.rest = bytearray()
        self.size = 0
        self.hash = hashlib.blake2b(digest_size=12)

    def add(self, data: bytes) -> None:
        self.size += len(data)
        self.hash.update(data)
        self.rest += data
        while len(self.rest) >= self.device.page:
            self.spill(self.device.page)

    def spill(self, length: int) -> None:
        number = self.device.take()
        self.device.write(number, self.rest[:length])
        self.pages.append(number)
        del self.rest[:length]

    def finish(self, facts: Mapping[str, Any]) -> Inode:
        if self.rest:
            self.spill(len(self.rest))
        return Inode(tuple(self.pages), self.size, self.hash.hexdigest(), self.disk.clock.now_ms(), **facts)

    def abandon(self) -> None:
        self.device.give(tuple(self.pages))
