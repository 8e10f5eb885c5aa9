"""A correct driver over a log-structured tree, whose transactions compare the numbers of records."""

import asyncio
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
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
from prism_testkit.naming import check_limit, check_name, check_payload, check_prefix, check_seconds
from prism_testkit.traits import Limits, Traits

from .independent_tree import LevelFiles, Levels

__all__ = ["LevelKeyValue", "LevelTransaction", "levels_backend"]


class LevelTransaction(KeyValueTransaction):
    """Notes the numbers of what it read, and compares them when it ends."""

    def __init__(self, driver: "LevelKeyValue") -> None:
        self.driver = driver
        self.seen: dict[bytes, int] = {}
        self.changes: dict[bytes, bytes | None] = {}
        self.open = True

    def key(self, key: str, operation: str) -> bytes:
        if not self.open:
            raise Closed(f"levels: {operation}: the transaction has ended")
        return self.driver.key(key, operation)

    def stamp(self, name: bytes) -> int:
        record = self.driver.tree.look(name)
        return 0 if record is None else record.number

    def look(self, name: bytes) -> bytes | None:
        if name in self.changes:
            return self.changes[name]
        record = self.driver.tree.look(name)
        stamp = self.stamp(name)
        if self.seen.setdefault(name, stamp) != stamp:
            self.seen[name] = -1  # read as two: no commit finds that number
        return None if record is None else record.value

    async def get(self, key: str) -> bytes | None:
        name = self.key(key, "get")
        await asyncio.sleep(0)
        return self.look(name)

    async def set(self, key: str, value: Bytes) -> None:
        name = self.key(key, "set")
        self.changes[name] = self.driver.data(value, "set", key)

    async def delete(self, key: str) -> bool:
        name = self.key(key, "delete")
        await asyncio.sleep(0)
        there = self.look(name) is not None
        self.changes[name] = None
        return there

    def commit(self) -> None:
        if any(self.stamp(name) != stamp for name, stamp in self.seen.items()):
            raise Conflict("levels: transaction: a key that was read has changed")
        if self.changes:
            self.apply()

    def apply(self) -> None:
        self.driver.tree.write(*((name, value, None, 0.0) for name, value in self.changes.items()))


class LevelKeyValue(KeyValueScan, KeyValueTtl, KeyValueTransactional, KeyValueBatch, KeyValueCas):
    """One namespace of a tree. Each call waits once before its effect, as for a request, and once after it."""

    transaction_type: ClassVar[type[LevelTransaction]] = LevelTransaction
    limits: ClassVar[Limits] = Limits()

    def __init__(self, tree: Levels, namespace: str) -> None:
        self.tree = tree
        self.space = namespace.encode()

    def key(self, key: str, operation: str) -> bytes:
        return self.space + check_name(key, operation, "levels", self.limits)

    def data(self, value: Bytes, operation: str, key: str) -> bytes:
        return check_payload(value, operation, "levels", key, self.limits)

    def due(self, ttl_s: float) -> int:
        return self.tree.clock.now_ms() + math.ceil(ttl_s * 1000)

    async def hop(self) -> None:
        await asyncio.sleep(0)

    async def set(self, key: str, value: Bytes) -> None:
        name, data = self.key(key, "set"), self.data(value, "set", key)
        await self.hop()
        self.tree.write((name, data, None, 0.0))
        await self.hop()

    async def get(self, key: str) -> bytes | None:
        name = self.key(key, "get")
        await self.hop()
        record = self.tree.look(name)
        await self.hop()
        return None if record is None else record.value

    async def exists(self, key: str) -> bool:
        name = self.key(key, "exists")
        await self.hop()
        return self.tree.look(name) is not None

    def remove(self, name: bytes) -> bool:
        there = self.tree.look(name) is not None
        if there:
            self.tree.write((name, None, None, 0.0))
        return there

    async def delete(self, key: str) -> bool:
        name = self.key(key, "delete")
        await self.hop()
        there = self.remove(name)
        await self.hop()
        return there

    async def walk(self, prefix: str, limit: int | None, operation: str) -> AsyncIterator[tuple[str, bytes]]:
        name = self.space + check_prefix(prefix, operation, "levels", self.limits)
        left = check_limit(limit, operation, "levels")
        await self.hop()
        for record in self.tree.walk(name):
            if left == 0:
                return
            if self.tree.live(record) is not None and record.value is not None:
                yield record.key[len(self.space) :].decode(), record.value
                left = None if left is None else left - 1

    def scan(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[tuple[str, bytes]]:
        return self.walk(prefix, limit, "scan")

    async def scan_keys(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[str]:
        async for key, _ in self.walk(prefix, limit, "scan_keys"):
            yield key

    async def count(self, prefix: str = "") -> int:
        name = self.space + check_prefix(prefix, "count", "levels", self.limits)
        await self.hop()
        return sum(self.tree.live(record) is not None for record in self.tree.walk(name))

    async def set_with_ttl(self, key: str, value: Bytes, ttl_s: float) -> None:
        name, data = self.key(key, "set_with_ttl"), self.data(value, "set_with_ttl", key)
        check_seconds(ttl_s, "set_with_ttl", "levels")
        await self.hop()
        if ttl_s <= 0:
            self.remove(name)
        else:
            self.tree.write((name, data, self.due(ttl_s), ttl_s))
        await self.hop()

    async def expire(self, key: str, ttl_s: float) -> bool:
        name, ttl_s = self.key(key, "expire"), check_seconds(ttl_s, "expire", "levels")
        await self.hop()
        record = self.tree.look(name)
        if record is None:
            return False
        if ttl_s <= 0:
            self.remove(name)
        else:
            self.tree.write((name, record.value, self.due(ttl_s), ttl_s))
        await self.hop()
        return True

    async def ttl(self, key: str) -> float | None:
        name = self.key(key, "ttl")
        await self.hop()
        record = self.tree.look(name)
        if record is None:
            raise NotFound(f"levels: ttl {key[:40]!a}: no such key")
        return None if record.due_ms is None else min(record.given_s, (record.due_ms - self.tree.clock.now_ms()) / 1000)

    async def persist(self, key: str) -> bool:
        name = self.key(key, "persist")
        await self.hop()
        record = self.tree.look(name)
        if record is None or record.due_ms is None:
            return False
        self.tree.write((name, record.value, None, 0.0))
        await self.hop()
        return True

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        opened = self.transaction_type(self)
        try:
            yield opened
            await self.hop()
            opened.commit()
        finally:
            opened.open = False

    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        pairs = [(self.key(key, "batch_set"), self.data(value, "batch_set", key)) for key, value in items.items()]
        await self.hop()
        for name, data in pairs:
            self.tree.write((name, data, None, 0.0))
        await self.hop()

    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        names = {key: self.key(key, "batch_get") for key in keys}
        await self.hop()
        found = {key: self.tree.look(name) for key, name in names.items()}
        return {key: record.value for key, record in found.items() if record is not None and record.value is not None}

    async def batch_delete(self, keys: Sequence[str]) -> int:
        names = [self.key(key, "batch_delete") for key in keys]
        await self.hop()
        number = sum(self.remove(name) for name in names)
        await self.hop()
        return number

    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        name, data = self.key(key, "compare_and_swap"), self.data(new, "compare_and_swap", key)
        wanted = None if expected is None else self.data(expected, "compare_and_swap", key)
        await self.hop()
        done = self.swap(name, wanted, data)
        await self.hop()
        return done

    def swap(self, name: bytes, wanted: bytes | None, data: bytes | None) -> bool:
        record = self.tree.look(name)
        if (None if record is None else record.value) != wanted:
            return False
        self.tree.write((name, data, None, 0.0))
        return True

    async def compare_and_delete(self, key: str, expected: Bytes) -> bool:
        name, wanted = self.key(key, "compare_and_delete"), self.data(expected, "compare_and_delete", key)
        await self.hop()
        done = self.swap(name, wanted, None)
        await self.hop()
        return done


async def _clean(tree: Levels, prefix: str) -> None:
    tree.clean(prefix.encode())


def levels_backend(name: str, driver: type[LevelKeyValue] = LevelKeyValue, tree: type[Levels] = Levels) -> Backend[Levels]:
    @asynccontextmanager
    async def connect(place: Place) -> AsyncIterator[Levels]:
        shared = place.shared
        if "levels" not in shared:
            shared["levels"], shared["clients"] = tree(place), 0
        shared["clients"] += 1
        held: Levels = shared["levels"]
        try:
            yield held
        finally:
            shared["clients"] -= 1
            if not shared["clients"]:
                held.close()
                del shared["levels"]

    durable = issubclass(tree, LevelFiles)
    return Backend(
        name=name, connect=connect, drivers=[driver], clean=_clean, traits=Traits(durability="process" if durable else "none")
    )
