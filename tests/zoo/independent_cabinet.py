"""A correct driver over a folder: a file for each key, a lock on the folder for each call, and a note of what a commit does.

Any number of processes may use one folder. A file is replaced, never changed; its first line says what it is of, since its name is
a digest. A commit writes a note of all its changes first; whoever finds one finishes it.
"""

import asyncio
import fcntl
import json
import math
import os
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

from prism_testkit.backend import Backend, Place
from prism_testkit.interfaces import (
    Bytes,
    Closed,
    Conflict,
    KeyValueBatch,
    KeyValueCas,
    KeyValueScan,
    KeyValueTransaction,
    KeyValueTransactional,
    KeyValueTtl,
    NotFound,
)
from prism_testkit.naming import check_limit, check_name, check_payload, check_prefix, check_seconds, hash_name
from prism_testkit.traits import Limits, Traits

__all__ = ["Cabinet", "CabinetKeyValue", "CabinetTransaction", "Sheet", "cabinet_backend"]


@dataclass(frozen=True, slots=True)
class Sheet:
    """The first line of a file; the value follows. ``stamp`` is another after each write."""

    key: str
    stamp: str
    due_ms: int | None = None
    given_s: float = 0.0


class Cabinet:
    """The folder of one namespace."""

    def __init__(self, place: Place, namespace: str) -> None:
        self.clock = place.clock
        self.home = place.directory / namespace
        self.lock = place.directory / f"{namespace}.lock"
        self.note = self.home / "note"

    @contextmanager
    def locked(self) -> Iterator[None]:
        with self.lock.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self.home.mkdir(exist_ok=True)
            if self.note.exists():
                self.finish()
            yield

    def path(self, key: str) -> Path:
        return self.home / f"key-{hash_name(key.encode())}"

    def load(self, path: Path) -> tuple[Sheet, bytes] | None:
        """Return what is in a file, unless it is missing or expired."""
        try:
            head, _, value = path.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        sheet = Sheet(**json.loads(head))
        return (sheet, value) if sheet.due_ms is None or self.clock.now_ms() < sheet.due_ms else None

    def look(self, key: str) -> tuple[Sheet, bytes] | None:
        return self.load(self.path(key))

    def value(self, key: str) -> bytes | None:
        found = self.look(key)
        return None if found is None else found[1]

    def fresh_stamp(self) -> str:
        return os.urandom(8).hex()

    def put(self, key: str, value: bytes, due_ms: int | None = None, given_s: float = 0.0) -> None:
        path = self.path(key)
        draft = path.with_name("draft")
        sheet = Sheet(key, self.fresh_stamp(), due_ms, given_s)
        draft.write_bytes(json.dumps(asdict(sheet)).encode() + b"\n" + value)
        draft.replace(path)

    def remove(self, key: str) -> bool:
        there = self.look(key) is not None
        self.path(key).unlink(missing_ok=True)
        return there

    def perform(self, changes: Mapping[str, bytes | None]) -> None:
        """Make all changes, or none, whenever the process is killed."""
        draft = self.home / "draft"
        draft.write_text(json.dumps({key: None if value is None else value.hex() for key, value in changes.items()}))
        draft.replace(self.note)
        self.finish()

    def finish(self) -> None:
        for key, value in json.loads(self.note.read_text()).items():
            if value is None:
                self.path(key).unlink(missing_ok=True)
            else:
                self.put(key, bytes.fromhex(value))
        self.note.unlink()

    def names(self) -> list[str]:
        return sorted(path.name for path in self.home.glob("key-*"))


class CabinetTransaction(KeyValueTransaction):
    """Notes stamps; locks the folder only to read, and to end."""

    def __init__(self, driver: "CabinetKeyValue") -> None:
        self.driver = driver
        self.cabinet = driver.cabinet
        self.stamps: dict[str, str | None] = {}
        self.changes: dict[str, bytes | None] = {}
        self.ended = False

    def key(self, key: str, operation: str) -> str:
        if self.ended:
            raise Closed(f"cabinet: {operation}: the transaction has ended")
        return self.driver.key(key, operation)

    def stamp(self, key: str) -> str | None:
        found = self.cabinet.look(key)
        return None if found is None else found[0].stamp

    def read(self, key: str) -> bytes | None:
        if key in self.changes:
            return self.changes[key]
        with self.cabinet.locked():
            self.note(key)
            return self.cabinet.value(key)

    def note(self, key: str) -> None:
        """Note what is read; what is read again and is another has no stamp that a commit finds."""
        stamp = self.stamp(key)
        if self.stamps.setdefault(key, stamp) != stamp:
            self.stamps[key] = "read as two"

    async def get(self, key: str) -> bytes | None:
        return self.read(self.key(key, "get"))

    async def set(self, key: str, value: Bytes) -> None:
        name = self.key(key, "set")
        self.changes[name] = self.driver.data(value, "set", key)

    async def delete(self, key: str) -> bool:
        name = self.key(key, "delete")
        there = self.read(name) is not None
        self.changes[name] = None
        return there

    def commit(self) -> None:
        with self.cabinet.locked():
            if any(self.stamp(key) != stamp for key, stamp in self.stamps.items()):
                raise Conflict("cabinet: transaction: what was read has changed")
            if self.changes:
                self.cabinet.perform(self.changes)


class CabinetKeyValue(KeyValueScan, KeyValueTtl, KeyValueTransactional, KeyValueBatch, KeyValueCas):
    """A client of one folder."""

    cabinet_type: ClassVar[type[Cabinet]] = Cabinet
    transaction_type: ClassVar[type[CabinetTransaction]] = CabinetTransaction
    limits: ClassVar[Limits] = Limits()

    def __init__(self, place: Place, namespace: str) -> None:
        self.cabinet = self.cabinet_type(place, namespace)

    def key(self, key: str, operation: str) -> str:
        return check_name(key, operation, "cabinet", self.limits).decode()

    def data(self, value: Bytes, operation: str, key: str) -> bytes:
        return check_payload(value, operation, "cabinet", key, self.limits)

    def due(self, ttl_s: float) -> int:
        return self.cabinet.clock.now_ms() + math.ceil(ttl_s * 1000)

    async def set(self, key: str, value: Bytes) -> None:
        name, data = self.key(key, "set"), self.data(value, "set", key)
        with self.cabinet.locked():
            self.cabinet.put(name, data)

    async def get(self, key: str) -> bytes | None:
        name = self.key(key, "get")
        with self.cabinet.locked():
            return self.cabinet.value(name)

    async def delete(self, key: str) -> bool:
        name = self.key(key, "delete")
        with self.cabinet.locked():
            return self.cabinet.remove(name)

    async def exists(self, key: str) -> bool:
        name = self.key(key, "exists")
        with self.cabinet.locked():
            return self.cabinet.look(name) is not None

    async def walk(self, prefix: str, limit: int | None, operation: str) -> AsyncIterator[tuple[str, bytes]]:
        check_prefix(prefix, operation, "cabinet", self.limits)
        left = check_limit(limit, operation, "cabinet")
        with self.cabinet.locked():
            names = self.cabinet.names()
        for start in range(0, len(names), 32):
            with self.cabinet.locked():
                page = [self.cabinet.load(self.cabinet.home / name) for name in names[start : start + 32]]
            for sheet, value in [found for found in page if found is not None and found[0].key.startswith(prefix)]:
                if left == 0:
                    return
                left = None if left is None else left - 1
                yield sheet.key, value
                await asyncio.sleep(0)

    def scan(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[tuple[str, bytes]]:
        return self.walk(prefix, limit, "scan")

    async def scan_keys(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[str]:
        async for key, _ in self.walk(prefix, limit, "scan_keys"):
            yield key

    async def count(self, prefix: str = "") -> int:
        check_prefix(prefix, "count", "cabinet", self.limits)
        with self.cabinet.locked():
            found = [self.cabinet.load(self.cabinet.home / name) for name in self.cabinet.names()]
        return sum(pair is not None and pair[0].key.startswith(prefix) for pair in found)

    async def set_with_ttl(self, key: str, value: Bytes, ttl_s: float) -> None:
        name, data = self.key(key, "set_with_ttl"), self.data(value, "set_with_ttl", key)
        check_seconds(ttl_s, "set_with_ttl", "cabinet")
        with self.cabinet.locked():
            if ttl_s <= 0:
                self.cabinet.remove(name)
            else:
                self.cabinet.put(name, data, self.due(ttl_s), ttl_s)

    async def expire(self, key: str, ttl_s: float) -> bool:
        name, ttl_s = self.key(key, "expire"), check_seconds(ttl_s, "expire", "cabinet")
        with self.cabinet.locked():
            value = self.cabinet.value(name)
            if value is not None and ttl_s > 0:
                self.cabinet.put(name, value, self.due(ttl_s), ttl_s)
            elif value is not None:
                self.cabinet.remove(name)
            return value is not None

    async def ttl(self, key: str) -> float | None:
        name = self.key(key, "ttl")
        with self.cabinet.locked():
            found = self.cabinet.look(name)
        if found is None:
            raise NotFound(f"cabinet: ttl {key[:40]!a}: no such key")
        due_ms = found[0].due_ms
        return None if due_ms is None else min(found[0].given_s, (due_ms - self.cabinet.clock.now_ms()) / 1000)

    async def persist(self, key: str) -> bool:
        name = self.key(key, "persist")
        with self.cabinet.locked():
            found = self.cabinet.look(name)
            if found is None or found[0].due_ms is None:
                return False
            self.cabinet.put(name, found[1])
            return True

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        opened = self.transaction_type(self)
        try:
            yield opened
            opened.commit()
        finally:
            opened.ended = True

    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        pairs = [(self.key(key, "batch_set"), self.data(value, "batch_set", key)) for key, value in items.items()]
        with self.cabinet.locked():
            for key, data in pairs:
                self.cabinet.put(key, data)

    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        names = [self.key(key, "batch_get") for key in keys]
        with self.cabinet.locked():
            return {key: value for key in names if (value := self.cabinet.value(key)) is not None}

    async def batch_delete(self, keys: Sequence[str]) -> int:
        names = [self.key(key, "batch_delete") for key in keys]
        with self.cabinet.locked():
            return sum(self.cabinet.remove(key) for key in names)

    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        name, data = self.key(key, "compare_and_swap"), self.data(new, "compare_and_swap", key)
        wanted = None if expected is None else self.data(expected, "compare_and_swap", key)
        with self.cabinet.locked():
            if self.cabinet.value(name) != wanted:
                return False
            self.cabinet.put(name, data)
            return True

    async def compare_and_delete(self, key: str, expected: Bytes) -> bool:
        name, wanted = self.key(key, "compare_and_delete"), self.data(expected, "compare_and_delete", key)
        with self.cabinet.locked():
            return self.cabinet.value(name) == wanted and self.cabinet.remove(name)


async def _clean(place: Place, prefix: str) -> None:
    for path in place.directory.glob(f"{prefix}*"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def cabinet_backend(name: str, driver: type[CabinetKeyValue] = CabinetKeyValue) -> Backend[Place]:
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
