"""A correct driver of the six key-value interfaces, made of small steps: a mutant replaces one of them.

No call suspends, so every call is atomic. An `Entry` is never changed, only replaced: its identity is the version of its key.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, ClassVar

from prism_testkit.backend import Backend
from prism_testkit.interfaces import (
    Bytes,
    Closed,
    Conflict,
    KeyValueBasic,
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

from .stores import Changes, Connect, Entry, FileStore, Rows, Store, clean, connector

__all__ = [
    "Basic",
    "Batching",
    "Expiring",
    "FileKeyValue",
    "KeyValue",
    "Scanning",
    "Swapping",
    "Transacting",
    "Transaction",
    "backend",
    "step",
]


async def step() -> None:
    """Let the others run once."""
    await asyncio.sleep(0)


class Transaction(KeyValueTransaction):
    """Buffers writes, remembers what it first read of each key, and commits if all of that still holds."""

    def __init__(self, driver: "Basic") -> None:
        self.driver = driver
        self.reads: dict[str, Entry | None] = {}
        self.torn = False
        """Two reads of one key did not agree."""
        self.writes: dict[str, Entry | None] = {}
        self.ended = False

    def check_open(self, operation: str) -> None:
        if self.ended:
            raise Closed(f"zoo: {operation}: the transaction has ended")

    def look(self, key: str) -> Entry | None:
        if key in self.writes:
            return self.writes[key]
        entry = self.driver.find(key)
        self.torn |= self.reads.setdefault(key, entry) is not entry
        return entry

    async def get(self, key: str) -> bytes | None:
        self.check_open("get")
        entry = self.look(self.driver.name(key, "transaction get"))
        return None if entry is None else self.driver.value(entry)

    async def set(self, key: str, value: Bytes) -> None:
        self.check_open("set")
        name = self.driver.name(key, "transaction set")
        self.writes[name] = self.driver.entry(self.driver.data(value, "transaction set", key))

    async def delete(self, key: str) -> bool:
        self.check_open("delete")
        name = self.driver.name(key, "transaction delete")
        present = self.look(name) is not None
        self.writes[name] = None
        return present

    def stale(self) -> bool:
        return self.torn or any(self.driver.find(key) is not entry for key, entry in self.reads.items())

    async def commit(self) -> None:
        if self.stale():
            raise Conflict("zoo: commit: what was read has changed")
        self.driver.apply(self.writes)


class Basic(KeyValueBasic):
    """`KeyValueBasic` over a `Store`, and the steps that all calls are made of."""

    traits: Traits = Traits()
    limits: Limits = Limits()

    def __init__(self, store: Store, namespace: str) -> None:
        self.store = store
        self.namespace = namespace

    # Steps; none of them suspends

    def name(self, key: str, operation: str) -> str:
        """Return the key under which a legal name is stored."""
        check_name(key, operation, "zoo", self.limits)
        return key

    def data(self, value: Bytes, operation: str, key: str) -> bytes:
        return check_payload(value, operation, "zoo", key, self.limits)

    def now(self) -> float:
        return self.store.clock.now_s()

    def entry(self, data: bytes, seconds: float | None = None) -> Entry:
        """Make what is stored; a microsecond is added to the deadline, for floats round to less than that."""
        return Entry(data) if seconds is None else Entry(data, self.now() + seconds + 1e-6, seconds)

    def value(self, entry: Entry) -> bytes:
        """Return what a reader is given."""
        return entry.value

    def alive(self, entry: Entry) -> bool:
        return entry.deadline is None or self.now() < entry.deadline

    def left(self, deadline: float, given: float) -> float:
        """Return the seconds that `ttl` tells."""
        return min(given, max(0.0, deadline - self.now()))

    def rows(self) -> Rows:
        return self.store.rows(self.namespace)

    def find(self, key: str) -> Entry | None:
        """Return the entry of a present key."""
        entry = self.rows().get(key)
        return entry if entry is not None and self.alive(entry) else None

    def apply(self, changes: Changes) -> None:
        """Change rows; everything that writes comes here."""
        self.store.apply(self.namespace, changes)

    def drop(self, key: str) -> bool:
        if self.find(key) is None:
            return False
        self.apply({key: None})
        return True

    async def set(self, key: str, value: Bytes) -> None:
        name = self.name(key, "set")
        self.apply({name: self.entry(self.data(value, "set", key))})

    async def get(self, key: str) -> bytes | None:
        entry = self.find(self.name(key, "get"))
        return None if entry is None else self.value(entry)

    async def delete(self, key: str) -> bool:
        return self.drop(self.name(key, "delete"))

    async def exists(self, key: str) -> bool:
        return self.find(self.name(key, "exists")) is not None


class Scanning(Basic, KeyValueScan):
    """`KeyValueScan`."""

    def prefix(self, prefix: str, operation: str) -> str:
        check_prefix(prefix, operation, "zoo", self.limits)
        return prefix

    def matches(self, key: str, prefix: str) -> bool:
        return key.startswith(prefix)

    def matching(self, prefix: str) -> list[str]:
        """Return the present keys that match."""
        return [key for key in list(self.rows()) if self.matches(key, prefix) and self.find(key) is not None]

    async def walk(self, prefix: str, limit: int | None) -> AsyncGenerator[tuple[str, Entry], None]:
        """Yield the keys that matched at the first step and are still present, each with its entry of the moment."""
        given = 0
        for key in self.matching(prefix):
            if given == limit:
                return
            entry = self.find(key)
            if entry is not None:
                given += 1
                yield key, entry

    async def scan(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[tuple[str, bytes]]:
        async with aclosing(self.walk(self.prefix(prefix, "scan"), check_limit(limit, "scan", "zoo"))) as found:
            async for key, entry in found:
                yield key, self.value(entry)

    async def scan_keys(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[str]:
        async with aclosing(self.walk(self.prefix(prefix, "scan_keys"), check_limit(limit, "scan_keys", "zoo"))) as found:
            async for key, _ in found:
                yield key

    async def count(self, prefix: str = "") -> int:
        return len(self.matching(self.prefix(prefix, "count")))


class Expiring(Basic, KeyValueTtl):
    """`KeyValueTtl`."""

    def seconds(self, ttl_s: float, operation: str) -> float:
        return check_seconds(ttl_s, operation, "zoo")

    async def set_with_ttl(self, key: str, value: Bytes, ttl_s: float) -> None:
        name, data = self.name(key, "set_with_ttl"), self.data(value, "set_with_ttl", key)
        seconds = self.seconds(ttl_s, "set_with_ttl")
        self.apply({name: self.entry(data, seconds) if seconds > 0 else None})

    async def expire(self, key: str, ttl_s: float) -> bool:
        name, seconds = self.name(key, "expire"), self.seconds(ttl_s, "expire")
        entry = self.find(name)
        if entry is None:
            return False
        self.apply({name: self.entry(entry.value, seconds) if seconds > 0 else None})
        return True

    async def ttl(self, key: str) -> float | None:
        entry = self.find(self.name(key, "ttl"))
        if entry is None:
            raise NotFound(f"zoo: ttl {key[:40]!a}: no such key")
        return None if entry.deadline is None else self.left(entry.deadline, entry.given)

    async def persist(self, key: str) -> bool:
        name = self.name(key, "persist")
        entry = self.find(name)
        if entry is None or entry.deadline is None:
            return False
        self.apply({name: self.entry(entry.value)})
        return True


class Transacting(Basic, KeyValueTransactional):
    """`KeyValueTransactional`."""

    transaction_type: ClassVar[type[Transaction]] = Transaction

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        transaction = self.transaction_type(self)
        try:
            yield transaction
        finally:
            transaction.ended = True
        await transaction.commit()


class Batching(Basic, KeyValueBatch):
    """`KeyValueBatch`."""

    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        checked = {self.name(key, "batch_set"): self.data(value, "batch_set", key) for key, value in items.items()}
        self.apply({name: self.entry(data) for name, data in checked.items()})

    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        found = {key: self.find(self.name(key, "batch_get")) for key in keys}
        return {key: self.value(entry) for key, entry in found.items() if entry is not None}

    async def batch_delete(self, keys: Sequence[str]) -> int:
        names = [self.name(key, "batch_delete") for key in keys]
        return sum(self.drop(name) for name in names)


class Swapping(Basic, KeyValueCas):
    """`KeyValueCas`."""

    def same(self, current: bytes, expected: bytes) -> bool:
        return current == expected

    def holds(self, key: str, expected: bytes | None) -> bool:
        entry = self.find(key)
        if entry is None or expected is None:
            return entry is None and expected is None
        return self.same(entry.value, expected)

    def swap(self, key: str, expected: bytes | None, new: Entry | None) -> bool:
        if not self.holds(key, expected):
            return False
        self.apply({key: new})
        return True

    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        name, data = self.name(key, "compare_and_swap"), self.data(new, "compare_and_swap", key)
        wanted = None if expected is None else self.data(expected, "compare_and_swap", key)
        return self.swap(name, wanted, self.entry(data))

    async def compare_and_delete(self, key: str, expected: Bytes) -> bool:
        return self.swap(self.name(key, "compare_and_delete"), self.data(expected, "compare_and_delete", key), None)


class KeyValue(Scanning, Expiring, Transacting, Batching, Swapping):
    """All six interfaces."""


class FileKeyValue(KeyValue):
    """All six interfaces over a `FileStore`."""

    traits: Traits = Traits(durability="process")


def backend(name: str, driver: type[Basic], connect: Connect | None = None, **more: Any) -> Backend[Store]:
    """Make the backend ``zoo-<name>``."""
    store_type = FileStore if issubclass(driver, FileKeyValue) else Store
    settings: dict[str, Any] = {"clean": clean, "traits": driver.traits, "limits": driver.limits, **more}
    return Backend(name=f"zoo-{name}", connect=connect or connector(store_type), drivers=(driver,), **settings)
