"""A correct driver over shards: a call locks those that it needs, in their order, and goes from one to the next.

A commit holds all of its shards at once. A scan takes one page after another, each under its shard's lock.
"""

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
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
from prism_testkit.traits import Limits

from .independent_cells import Shard, Shards

__all__ = ["ShardKeyValue", "ShardTransaction", "shards_backend"]


class ShardTransaction(KeyValueTransaction):
    """Notes stamps, locks what it touched when it ends, and compares."""

    def __init__(self, driver: "ShardKeyValue") -> None:
        self.driver = driver
        self.shards = driver.shards
        self.stamps: dict[str, int | None] = {}
        self.changes: dict[str, bytes | None] = {}
        self.ended = False

    def key(self, key: str, operation: str) -> str:
        if self.ended:
            raise Closed(f"shards: {operation}: the transaction has ended")
        return self.driver.key(key, operation)

    def stamp(self, key: str) -> int | None:
        cell = self.shards.look(key)
        return None if cell is None else cell.stamp

    async def read(self, key: str) -> bytes | None:
        if key in self.changes:
            return self.changes[key]
        async with self.shards.holding([key]):
            await self.driver.hop()
            stamp = self.stamp(key)
            if self.stamps.setdefault(key, stamp) != stamp:
                self.stamps[key] = -1  # read as two: no commit finds that stamp
            return self.shards.value(key)

    async def get(self, key: str) -> bytes | None:
        return await self.read(self.key(key, "get"))

    async def set(self, key: str, value: Bytes) -> None:
        name = self.key(key, "set")
        self.changes[name] = self.driver.data(value, "set", key)

    async def delete(self, key: str) -> bool:
        name = self.key(key, "delete")
        there = await self.read(name) is not None
        self.changes[name] = None
        return there

    def touched(self) -> Iterable[str]:
        return {*self.stamps, *self.changes}

    async def commit(self) -> None:
        async with self.shards.holding(self.touched()):
            await self.driver.hop()
            if any(self.stamp(key) != stamp for key, stamp in self.stamps.items()):
                raise Conflict("shards: transaction: what was read has changed")
            self.apply()

    def apply(self) -> None:
        for key, data in self.changes.items():
            if data is None:
                self.shards.remove(key)
            else:
                self.shards.put(key, data)


class ShardKeyValue(KeyValueScan, KeyValueTtl, KeyValueTransactional, KeyValueBatch, KeyValueCas):
    """A client of the shards of one namespace."""

    transaction_type: ClassVar[type[ShardTransaction]] = ShardTransaction
    shards_type: ClassVar[type[Shards]] = Shards
    limits: ClassVar[Limits] = Limits()
    page = 6

    def __init__(self, place: Place, namespace: str) -> None:
        spaces = place.shared.setdefault("shards", {})
        if namespace not in spaces:
            spaces[namespace] = self.shards_type(place)
        self.shards: Shards = spaces[namespace]

    async def hop(self) -> None:
        await asyncio.sleep(0)

    def key(self, key: str, operation: str) -> str:
        check_name(key, operation, "shards", self.limits)
        return key

    def data(self, value: Bytes, operation: str, key: str) -> bytes:
        return check_payload(value, operation, "shards", key, self.limits)

    async def set(self, key: str, value: Bytes) -> None:
        name, data = self.key(key, "set"), self.data(value, "set", key)
        async with self.shards.holding([name]):
            await self.hop()
            self.shards.put(name, data)
            await self.hop()

    async def get(self, key: str) -> bytes | None:
        name = self.key(key, "get")
        async with self.shards.holding([name]):
            await self.hop()
            return self.shards.value(name)

    async def delete(self, key: str) -> bool:
        name = self.key(key, "delete")
        async with self.shards.holding([name]):
            await self.hop()
            there = self.shards.remove(name)
            await self.hop()
            return there

    async def exists(self, key: str) -> bool:
        name = self.key(key, "exists")
        async with self.shards.holding([name]):
            await self.hop()
            return self.shards.look(name) is not None

    def listed(self, shard: Shard, prefix: str, last: str | None, number: int) -> list[str]:
        """Return keys of a shard that are behind ``last``, the expired ones too."""
        at = bisect_left(shard.order, prefix) if last is None else bisect_right(shard.order, last)
        return [key for key in shard.order[at : at + number] if key.startswith(prefix)]

    async def pages(self, prefix: str, limit: int | None, operation: str) -> AsyncIterator[tuple[str, bytes]]:
        check_prefix(prefix, operation, "shards", self.limits)
        left = check_limit(limit, operation, "shards")
        for shard in self.shards.shards:
            last: str | None = None
            while left is None or left > 0:
                async with shard.gate:
                    await self.hop()
                    keys = self.listed(shard, prefix, last, self.page)
                    found = [(key, value) for key in keys if (value := self.shards.value(key)) is not None]
                if not keys:
                    break
                last = keys[-1]
                for pair in found[:left]:
                    yield pair
                left = None if left is None else max(0, left - len(found))

    def scan(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[tuple[str, bytes]]:
        return self.pages(prefix, limit, "scan")

    async def scan_keys(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[str]:
        async for key, _ in self.pages(prefix, limit, "scan_keys"):
            yield key

    async def count(self, prefix: str = "") -> int:
        check_prefix(prefix, "count", "shards", self.limits)
        number = 0
        for shard in self.shards.shards:
            async with shard.gate:
                await self.hop()
                number += sum(self.shards.look(key) is not None for key in self.listed(shard, prefix, None, len(shard.order)))
        return number

    async def set_with_ttl(self, key: str, value: Bytes, ttl_s: float) -> None:
        name, data = self.key(key, "set_with_ttl"), self.data(value, "set_with_ttl", key)
        check_seconds(ttl_s, "set_with_ttl", "shards")
        async with self.shards.holding([name]):
            await self.hop()
            if ttl_s <= 0:
                self.shards.remove(name)
            else:
                self.shards.put(name, data, self.shards.due(ttl_s), ttl_s)
            await self.hop()

    async def expire(self, key: str, ttl_s: float) -> bool:
        name, ttl_s = self.key(key, "expire"), check_seconds(ttl_s, "expire", "shards")
        async with self.shards.holding([name]):
            await self.hop()
            value = self.shards.value(name)
            if value is None:
                return False
            if ttl_s <= 0:
                self.shards.remove(name)
            else:
                self.shards.put(name, value, self.shards.due(ttl_s), ttl_s)
            return True

    async def ttl(self, key: str) -> float | None:
        name = self.key(key, "ttl")
        async with self.shards.holding([name]):
            await self.hop()
            cell = self.shards.look(name)
            if cell is None:
                raise NotFound(f"shards: ttl {key[:40]!a}: no such key")
            return None if cell.due_us is None else min(cell.given_s, (cell.due_us - self.shards.now_us()) / 1e6)

    async def persist(self, key: str) -> bool:
        name = self.key(key, "persist")
        async with self.shards.holding([name]):
            await self.hop()
            cell = self.shards.look(name)
            if cell is None or cell.due_us is None:
                return False
            self.shards.put(name, self.shards.blobs.data[cell.digest])
            return True

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        opened = self.transaction_type(self)
        try:
            yield opened
            await opened.commit()
        finally:
            opened.ended = True

    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        pairs = {self.key(key, "batch_set"): self.data(value, "batch_set", key) for key, value in items.items()}
        for index in range(self.shards.number):
            own = {key: data for key, data in pairs.items() if self.shards.index(key) == index}
            async with self.shards.holding(own):
                await self.hop()
                for key, data in own.items():
                    self.shards.put(key, data)

    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        names = [self.key(key, "batch_get") for key in keys]
        found: dict[str, bytes] = {}
        for index in range(self.shards.number):
            own = [key for key in names if self.shards.index(key) == index]
            async with self.shards.holding(own):
                await self.hop()
                found |= {key: value for key in own if (value := self.shards.value(key)) is not None}
        return found

    async def batch_delete(self, keys: Sequence[str]) -> int:
        names = {self.key(key, "batch_delete") for key in keys}
        number = 0
        for index in range(self.shards.number):
            own = [key for key in names if self.shards.index(key) == index]
            async with self.shards.holding(own):
                await self.hop()
                number += sum(self.shards.remove(key) for key in own)
        return number

    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        name, data = self.key(key, "compare_and_swap"), self.data(new, "compare_and_swap", key)
        wanted = None if expected is None else self.data(expected, "compare_and_swap", key)
        async with self.shards.holding([name]):
            await self.hop()
            if self.shards.value(name) != wanted:
                return False
            self.shards.put(name, data)
            await self.hop()
            return True

    async def compare_and_delete(self, key: str, expected: Bytes) -> bool:
        name, wanted = self.key(key, "compare_and_delete"), self.data(expected, "compare_and_delete", key)
        async with self.shards.holding([name]):
            await self.hop()
            return self.shards.value(name) == wanted and self.shards.remove(name)


async def _clean(place: Place, prefix: str) -> None:
    spaces = place.shared.get("shards", {})
    for namespace in [name for name in spaces if name.startswith(prefix)]:
        del spaces[namespace]


def shards_backend(name: str, driver: type[ShardKeyValue] = ShardKeyValue) -> Backend[Place]:
    @asynccontextmanager
    async def connect(place: Place) -> AsyncIterator[Place]:
        yield place

    return Backend(name=name, connect=connect, drivers=[driver], clean=_clean)
