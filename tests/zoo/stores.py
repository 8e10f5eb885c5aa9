"""Where the zoo keeps its rows: in memory, or as the sum of a log file."""

import pickle
import struct
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from prism_testkit.backend import Place

__all__ = ["Changes", "Connect", "Entry", "FileStore", "Rows", "Store", "clean", "connector"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A value, the instant (seconds since the epoch) at which it is gone, and the seconds it was given."""

    value: bytes
    deadline: float | None = None
    given: float = 0.0


Rows: TypeAlias = dict[str, Entry]
Changes: TypeAlias = Mapping[str, Entry | None]


class Store:
    """The data of one place: rows by namespace. ``notes`` is room for what a mutant keeps beside them."""

    def __init__(self, place: Place) -> None:
        self.clock = place.clock
        self.spaces: dict[str, Rows] = {}
        self.notes: dict[Any, Any] = {}

    def rows(self, namespace: str) -> Rows:
        return self.spaces.setdefault(namespace, {})

    def apply(self, namespace: str, changes: Changes) -> None:
        """Make all changes at once; None removes."""
        rows = self.rows(namespace)
        for key, entry in changes.items():
            if entry is None:
                rows.pop(key, None)
            else:
                rows[key] = entry

    def clean(self, prefix: str) -> None:
        for namespace in [name for name in self.spaces if name.startswith(prefix)]:
            self.apply(namespace, dict.fromkeys(self.rows(namespace)))
            del self.spaces[namespace]
        self.notes.clear()

    def close(self) -> None:
        """The last client of the place has left in peace; after a kill this never runs."""


_HEAD = struct.Struct("<II")


class FileStore(Store):
    """Rows that are the sum of a log: a call's changes are one record, handed to the operating system before it returns.

    A record is length, CRC-32 and a pickle of plain values; a torn one at the end is cut off by the next write. Several
    processes may have the log open, as long as one of them writes.
    """

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.path: Path = place.directory / "zoo.log"
        self.position = 0
        self.catch_up()

    def rows(self, namespace: str) -> Rows:
        self.catch_up()
        return super().rows(namespace)

    def apply(self, namespace: str, changes: Changes) -> None:
        self.log(namespace, changes)
        super().apply(namespace, changes)

    def log(self, namespace: str, changes: Changes) -> None:
        plain = {key: entry and (entry.value, entry.deadline, entry.given) for key, entry in changes.items()}
        self.write(pickle.dumps((namespace, plain)))

    def write(self, record: bytes) -> None:
        self.catch_up()
        with self.path.open("ab") as file:
            file.truncate(self.position)
            file.write(_HEAD.pack(len(record), zlib.crc32(record)) + record)
        self.position = self.path.stat().st_size

    def catch_up(self) -> None:
        """Replay what is in the log and not yet in the rows."""
        if not self.path.exists() or self.path.stat().st_size <= self.position:
            return
        with self.path.open("rb") as file:
            file.seek(self.position)
            tail = file.read()
        at = 0
        while at + _HEAD.size <= len(tail):
            length, checksum = _HEAD.unpack_from(tail, at)
            record = tail[at + _HEAD.size : at + _HEAD.size + length]
            if len(record) < length or zlib.crc32(record) != checksum:
                break
            at += _HEAD.size + length
            self.position += _HEAD.size + length
            namespace, plain = pickle.loads(record)
            self.replay(namespace, {key: Entry(*entry) if entry else None for key, entry in plain.items()})

    def replay(self, namespace: str, changes: Changes) -> None:
        rows = self.spaces.setdefault(namespace, {})
        for key, entry in changes.items():
            if entry is None:
                rows.pop(key, None)
            else:
                rows[key] = entry


Connect: TypeAlias = Callable[[Place], AbstractAsyncContextManager[Store]]


def connector(store_type: type[Store]) -> Connect:
    """Return a ``connect`` that keeps one store for a place and closes it with the last client."""

    @asynccontextmanager
    async def connect(place: Place) -> AsyncIterator[Store]:
        store: Store = place.shared.get("zoo") or place.shared.setdefault("zoo", store_type(place))
        place.shared["zoo clients"] = place.shared.get("zoo clients", 0) + 1
        try:
            yield store
        finally:
            place.shared["zoo clients"] -= 1
            if not place.shared["zoo clients"]:
                store.close()

    return connect


async def clean(store: Store, prefix: str) -> None:
    store.clean(prefix)
