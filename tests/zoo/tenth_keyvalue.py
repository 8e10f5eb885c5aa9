"""A right driver over chains of editions: scans and transactions look as of a number, and each client keeps what it has read."""

import asyncio
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
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

from .tenth_editions import Edition, Editions, KeptEditions, Space

__all__ = ["EditionKeyValue", "EditionTransaction", "editions_backend"]


class EditionTransaction(KeyValueTransaction):
    """Looks as of the number at which it began, and compares when it ends; the context manager itself, too."""

    def __init__(self, driver: "EditionKeyValue") -> None:
        self.driver = driver
        self.number = 0
        self.seen: dict[str, int] = {}
        self.wishes: dict[str, bytes | None] = {}
        self.state = "new"

    async def __aenter__(self) -> KeyValueTransaction:
        self.number = self.driver.space.number
        self.driver.space.looking[self.number] += 1
        self.state = "open"
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.state = "over"
        space = self.driver.space
        try:
            if kind is None:
                await self.driver.hop()
                self.commit(space)
                await self.driver.hop()
        finally:
            self.driver.editions.leave(space, self.number)

    def commit(self, space: Space) -> None:
        if not self.holds(space):
            raise Conflict("editions: transaction: a key that was read has changed")
        if self.wishes:
            self.driver.write(*self.wishes.items())

    def holds(self, space: Space) -> bool:
        return all(self.driver.editions.stamp(space, key) == number for key, number in self.seen.items())

    def key(self, key: str, call: str) -> str:
        if self.state != "open":
            raise Closed(f"editions: {call}: the transaction is {self.state}")
        return self.driver.key(key, call)

    def find(self, key: str) -> bytes | None:
        if key in self.wishes:
            return self.wishes[key]
        edition = self.driver.editions.look(self.driver.space, key, self.number)
        self.seen.setdefault(key, 0 if edition is None else edition.number)
        return None if edition is None else edition.value

    async def get(self, key: str) -> bytes | None:
        key = self.key(key, "get")
        await self.driver.hop()
        return self.find(key)

    async def set(self, key: str, value: Bytes) -> None:
        key = self.key(key, "set")
        self.wishes[key] = self.driver.data(value, "set", key)

    async def delete(self, key: str) -> bool:
        key = self.key(key, "delete")
        await self.driver.hop()
        there = self.find(key) is not None
        self.wishes[key] = None
        return there


class EditionKeyValue(KeyValueScan, KeyValueTtl, KeyValueTransactional, KeyValueBatch, KeyValueCas):
    """One namespace. A value that was read is kept under its number, and asked for again only if the key has another one."""

    transaction_type: ClassVar[type[EditionTransaction]] = EditionTransaction
    limits: ClassVar[Limits] = Limits()
    page: ClassVar[int] = 25
    kept: ClassVar[int] = 64

    def __init__(self, editions: Editions, namespace: str) -> None:
        self.editions, self.namespace, self.clock = editions, namespace, editions.clock
        self.known: dict[str, tuple[int, bytes]] = {}

    # arguments

    def key(self, key: str, call: str) -> str:
        return check_name(key, call, "editions", self.limits).decode()

    def data(self, value: Bytes, call: str, key: str) -> bytes:
        return check_payload(value, call, "editions", key, self.limits)

    def due(self, ttl_s: float) -> int:
        return math.ceil((self.clock.now_s() + ttl_s) * 1000)

    # the store

    @property
    def space(self) -> Space:
        return self.editions.space(self.namespace)

    async def hop(self) -> None:
        await asyncio.sleep(0)

    def write(self, *pairs: tuple[str, bytes | None]) -> None:
        self.editions.write(self.namespace, [(key, value, None, 0.0) for key, value in pairs])

    def now(self, key: str) -> Edition | None:
        return self.editions.look(self.space, key)

    def remember(self, key: str, edition: Edition) -> bytes:
        assert edition.value is not None
        if len(self.known) >= self.kept:
            del self.known[next(iter(self.known))]
        self.known[key] = (edition.number, edition.value)
        return edition.value

    # basic

    async def set(self, key: str, value: Bytes) -> None:
        key = self.key(key, "set")
        data = self.data(value, "set", key)
        await self.hop()
        self.write((key, data))
        await self.hop()

    async def get(self, key: str) -> bytes | None:
        key = self.key(key, "get")
        await self.hop()
        stamp = self.editions.stamp(self.space, key)
        if not stamp:
            return None
        known = self.known.get(key)
        if known is not None and known[0] == stamp:
            return known[1]
        edition = self.now(key)
        assert edition is not None
        return self.remember(key, edition)

    async def exists(self, key: str) -> bool:
        key = self.key(key, "exists")
        await self.hop()
        return self.now(key) is not None

    async def delete(self, key: str) -> bool:
        key = self.key(key, "delete")
        await self.hop()
        found = self.now(key) is not None
        if found:
            self.write((key, None))
        await self.hop()
        return found

    # scan

    async def walk(self, prefix: str, limit: int | None, call: str) -> AsyncIterator[tuple[str, bytes]]:
        prefix = check_prefix(prefix, call, "editions", self.limits).decode()
        left = check_limit(limit, call, "editions")
        await self.hop()
        space = self.space
        number = space.number
        space.looking[number] += 1
        try:
            names = list(space.named(prefix))
            for at in range(0, len(names), self.page):
                for key in names[at : at + self.page]:
                    if left == 0:
                        return
                    edition = self.editions.look(space, key, number)
                    if edition is not None and edition.value is not None:
                        yield key, edition.value
                        left = None if left is None else left - 1
                await self.hop()
        finally:
            self.editions.leave(space, number)

    def scan(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[tuple[str, bytes]]:
        return self.walk(prefix, limit, "scan")

    async def scan_keys(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[str]:
        async for key, _ in self.walk(prefix, limit, "scan_keys"):
            yield key

    async def count(self, prefix: str = "") -> int:
        prefix = check_prefix(prefix, "count", "editions", self.limits).decode()
        await self.hop()
        space = self.space
        return sum(self.editions.look(space, key) is not None for key in space.named(prefix))

    # time to live

    async def set_with_ttl(self, key: str, value: Bytes, ttl_s: float) -> None:
        key = self.key(key, "set_with_ttl")
        data = self.data(value, "set_with_ttl", key)
        seconds = check_seconds(ttl_s, "set_with_ttl", "editions")
        await self.hop()
        if seconds > 0:
            self.editions.write(self.namespace, [(key, data, self.due(seconds), seconds)])
        elif self.now(key) is not None:
            self.write((key, None))
        await self.hop()

    async def expire(self, key: str, ttl_s: float) -> bool:
        key = self.key(key, "expire")
        seconds = check_seconds(ttl_s, "expire", "editions")
        await self.hop()
        edition = self.now(key)
        if edition is None:
            return False
        if seconds > 0:
            self.editions.write(self.namespace, [(key, edition.value, self.due(seconds), seconds)])
        else:
            self.write((key, None))
        await self.hop()
        return True

    async def ttl(self, key: str) -> float | None:
        key = self.key(key, "ttl")
        await self.hop()
        edition = self.now(key)
        if edition is None:
            raise NotFound(f"editions: ttl {key[:40]!a}: there is no such key")
        if edition.due_ms is None:
            return None
        return min(edition.given_s, edition.due_ms / 1000 - self.clock.now_s())

    async def persist(self, key: str) -> bool:
        key = self.key(key, "persist")
        await self.hop()
        edition = self.now(key)
        if edition is None or edition.due_ms is None:
            return False
        self.write((key, edition.value))
        await self.hop()
        return True

    # transactions, batches, swaps

    def transaction(self) -> EditionTransaction:
        return self.transaction_type(self)

    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        pairs = [(self.key(key, "batch_set"), self.data(value, "batch_set", key)) for key, value in items.items()]
        await self.hop()
        if pairs:
            self.write(*pairs)
        await self.hop()

    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        names = [self.key(key, "batch_get") for key in keys]
        await self.hop()
        space = self.space
        found = {key: self.editions.look(space, key) for key in names}
        return {key: edition.value for key, edition in found.items() if edition is not None and edition.value is not None}

    async def batch_delete(self, keys: Sequence[str]) -> int:
        names = {self.key(key, "batch_delete") for key in keys}
        await self.hop()
        there = [key for key in names if self.now(key) is not None]
        if there:
            self.write(*((key, None) for key in there))
        await self.hop()
        return len(there)

    def swap(self, key: str, expected: bytes | None, new: bytes | None) -> bool:
        edition = self.now(key)
        if (None if edition is None else edition.value) != expected:
            return False
        self.write((key, new))
        return True

    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        key = self.key(key, "compare_and_swap")
        data = self.data(new, "compare_and_swap", key)
        wanted = None if expected is None else self.data(expected, "compare_and_swap", key)
        await self.hop()
        done = self.swap(key, wanted, data)
        await self.hop()
        return done

    async def compare_and_delete(self, key: str, expected: Bytes) -> bool:
        key = self.key(key, "compare_and_delete")
        wanted = self.data(expected, "compare_and_delete", key)
        await self.hop()
        done = self.swap(key, wanted, None)
        await self.hop()
        return done


async def _clean(editions: Editions, prefix: str) -> None:
    editions.clean(prefix)


def editions_backend(
    name: str, driver: type[EditionKeyValue] = EditionKeyValue, store: type[Editions] = Editions
) -> Backend[Editions]:
    @asynccontextmanager
    async def connect(place: Place) -> AsyncIterator[Editions]:
        shared = place.shared
        if "editions" not in shared:
            shared["editions"], shared["clients"] = store(place), 0
        shared["clients"] += 1
        held: Editions = shared["editions"]
        try:
            yield held
        finally:
            shared["clients"] -= 1
            if not shared["clients"]:
                held.close()
                del shared["editions"]

    durable = issubclass(store, KeptEditions)
    return Backend(
        name=name, connect=connect, drivers=[driver], clean=_clean, traits=Traits(durability="process" if durable else "none")
    )
