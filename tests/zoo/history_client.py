"""A right driver of the six key-value interfaces that talks to a `Node` over connections of a pool.

A connection carries one request at a time, and its answer is read some steps after it was asked for. One whose answer was not
read to its end, as the call was cancelled, is thrown away. Batches are split by slot and by number; a scan asks page by page and
holds no connection between its steps; a transaction remembers the revisions of what it read, and commits by one request.
"""

import asyncio
import zlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar, TypeVar

from prism_testkit.backend import Backend
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

from .history_server import SLOTS, Cursor, Node, Space, clean, connect

__all__ = ["BATCH", "POOL", "Open", "Remote", "Wire", "history"]

POOL = 3
BATCH = 40
"""Names in one request of a batch."""

T = TypeVar("T")


class Wire:
    """One connection: requests go out, answers come back in the same order."""

    def __init__(self) -> None:
        self.answers: deque[Any] = deque()

    async def call(self, request: Callable[[], T]) -> T:
        await asyncio.sleep(0)
        self.answers.append(request())
        await asyncio.sleep(0)
        answer: T = self.answers.popleft()
        return answer


class Pool:
    """Connections, at most so many at once; who comes too late waits in order."""

    def __init__(self, size: int = POOL) -> None:
        self.idle = [Wire() for _ in range(size)]
        self.waiting: deque[asyncio.Future[Wire]] = deque()

    async def take(self) -> Wire:
        if self.idle:
            return self.idle.pop()
        ticket: asyncio.Future[Wire] = asyncio.get_running_loop().create_future()
        self.waiting.append(ticket)
        try:
            return await ticket
        except BaseException:
            if ticket.done() and not ticket.cancelled():
                self.give(ticket.result())
            elif ticket in self.waiting:
                self.waiting.remove(ticket)
            raise

    def give(self, wire: Wire) -> None:
        while self.waiting:
            ticket = self.waiting.popleft()
            if not ticket.done():
                ticket.set_result(wire)
                return
        self.idle.append(wire)


class Open(KeyValueTransaction):
    """A transaction before its end."""

    def __init__(self, driver: "Remote") -> None:
        self.driver = driver
        self.reads: dict[bytes, int] = {}
        self.torn = False
        """Two reads of one name did not agree."""
        self.writes: dict[bytes, bytes | None] = {}
        self.ended = False

    def check_open(self, operation: str) -> None:
        if self.ended:
            raise Closed(f"history: {operation}: the transaction has ended")

    async def look(self, name: bytes) -> bytes | None:
        if name in self.writes:
            return self.writes[name]
        row = await self.driver.ask(lambda node, space: node.get(space, name))
        revision = 0 if row is None else row.revision
        self.torn |= self.reads.setdefault(name, revision) != revision
        return None if row is None else self.driver.value(row.value)

    async def get(self, key: str) -> bytes | None:
        self.check_open("get")
        return await self.look(self.driver.name(key, "transaction get"))

    async def set(self, key: str, value: Bytes) -> None:
        self.check_open("set")
        name = self.driver.name(key, "transaction set")
        self.writes[name] = self.driver.data(value, "transaction set", key)

    async def delete(self, key: str) -> bool:
        self.check_open("delete")
        name = self.driver.name(key, "transaction delete")
        present = await self.look(name) is not None
        self.writes[name] = None
        return present

    async def commit(self) -> None:
        reads, writes = dict(self.reads), dict(self.writes)
        if self.torn or not await self.driver.ask(lambda node, space: node.commit(space, reads, writes)):
            raise Conflict("history: commit: what was read has changed")


class Remote(KeyValueScan, KeyValueTtl, KeyValueTransactional, KeyValueBatch, KeyValueCas):
    """All six interfaces."""

    traits: Traits = Traits()
    limits: Limits = Limits()
    transaction_type: ClassVar[type[Open]] = Open

    def __init__(self, node: Node, namespace: str) -> None:
        self.node = node
        self.namespace = namespace
        self.pool = Pool()

    # Steps

    async def ask(self, request: Callable[[Node, Space], T]) -> T:
        """Send a request over a connection of the pool."""
        wire = await self.pool.take()
        try:
            answer = await wire.call(lambda: request(self.node, self.node.space(self.namespace)))
        except BaseException:
            self.pool.give(Wire())
            raise
        self.pool.give(wire)
        return answer

    def name(self, key: str, operation: str) -> bytes:
        return check_name(key, operation, "history", self.limits)

    def key(self, name: bytes) -> str:
        return name.decode()

    def data(self, value: Bytes, operation: str, key: str) -> bytes:
        return check_payload(value, operation, "history", key, self.limits)

    def value(self, data: bytes) -> bytes:
        """Return what a reader is given."""
        return data

    def seconds(self, ttl_s: float, operation: str) -> float:
        return check_seconds(ttl_s, operation, "history")

    # Basic

    async def set(self, key: str, value: Bytes) -> None:
        name, data = self.name(key, "set"), self.data(value, "set", key)
        await self.ask(lambda node, space: node.set(space, name, data))

    async def get(self, key: str) -> bytes | None:
        name = self.name(key, "get")
        row = await self.ask(lambda node, space: node.get(space, name))
        return None if row is None else self.value(row.value)

    async def delete(self, key: str) -> bool:
        name = self.name(key, "delete")
        return await self.ask(lambda node, space: node.delete_many(space, [name])) == 1

    async def exists(self, key: str) -> bool:
        name = self.name(key, "exists")
        return await self.ask(lambda node, space: node.get(space, name)) is not None

    # Scan

    async def pages(self, prefix: bytes) -> AsyncIterator[list[tuple[bytes, bytes]]]:
        cursor: Cursor | None = (0, b"")
        while cursor is not None:
            at = cursor
            found, cursor = await self.ask(lambda node, space: node.page(space, prefix, at))  # noqa: B023  asked at once
            yield found

    async def walk(self, prefix: bytes, limit: int | None) -> AsyncIterator[tuple[bytes, bytes]]:
        given = 0
        if limit == 0:
            return
        async for found in self.pages(prefix):
            for name, value in found:
                yield name, value
                given += 1
                if given == limit:
                    return

    def prefix(self, prefix: str, operation: str) -> bytes:
        return check_prefix(prefix, operation, "history", self.limits)

    async def scan(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[tuple[str, bytes]]:
        async for name, value in self.walk(self.prefix(prefix, "scan"), check_limit(limit, "scan", "history")):
            yield self.key(name), self.value(value)

    async def scan_keys(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[str]:
        async for name, _ in self.walk(self.prefix(prefix, "scan_keys"), check_limit(limit, "scan_keys", "history")):
            yield self.key(name)

    async def count(self, prefix: str = "") -> int:
        start = self.prefix(prefix, "count")
        return await self.ask(lambda node, space: node.count(space, start))

    # TTL

    async def set_with_ttl(self, key: str, value: Bytes, ttl_s: float) -> None:
        name, data = self.name(key, "set_with_ttl"), self.data(value, "set_with_ttl", key)
        seconds = self.seconds(ttl_s, "set_with_ttl")
        await self.ask(lambda node, space: node.set(space, name, data, seconds))

    async def expire(self, key: str, ttl_s: float) -> bool:
        name, seconds = self.name(key, "expire"), self.seconds(ttl_s, "expire")
        return await self.ask(lambda node, space: node.expire(space, name, seconds))

    async def ttl(self, key: str) -> float | None:
        name = self.name(key, "ttl")
        present, left = await self.ask(lambda node, space: node.left(space, name))
        if not present:
            raise NotFound(f"history: ttl {key[:40]!a}: no such key")
        return left

    async def persist(self, key: str) -> bool:
        name = self.name(key, "persist")
        return await self.ask(lambda node, space: node.persist(space, name))

    # Transactions

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        opened = self.transaction_type(self)
        try:
            yield opened
        finally:
            opened.ended = True
        await opened.commit()

    # Batches

    def parts(self, names: Sequence[bytes]) -> list[list[bytes]]:
        """Split by slot, then by number."""
        slots: list[list[bytes]] = [[] for _ in range(SLOTS)]
        for name in names:
            slots[zlib.crc32(name) % SLOTS].append(name)
        return [names[at : at + BATCH] for names in slots for at in range(0, len(names), BATCH)]

    async def set_part(self, part: Mapping[bytes, bytes]) -> None:
        await self.ask(lambda node, space: node.commit(space, {}, part))

    async def get_part(self, part: Sequence[bytes]) -> list[bytes | None]:
        return await self.ask(lambda node, space: node.get_many(space, part))

    async def delete_part(self, part: Sequence[bytes]) -> int:
        return await self.ask(lambda node, space: node.delete_many(space, part))

    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        checked = {self.name(key, "batch_set"): self.data(value, "batch_set", key) for key, value in items.items()}
        for part in self.parts(list(checked)):
            await self.set_part({name: checked[name] for name in part})

    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        names = dict.fromkeys(self.name(key, "batch_get") for key in keys)
        found: dict[str, bytes] = {}
        for part in self.parts(list(names)):
            for name, value in zip(part, await self.get_part(part), strict=True):
                if value is not None:
                    found[self.key(name)] = self.value(value)
        return found

    async def batch_delete(self, keys: Sequence[str]) -> int:
        names = dict.fromkeys(self.name(key, "batch_delete") for key in keys)
        return sum([await self.delete_part(part) for part in self.parts(list(names))])

    # Compare-and-swap

    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        name, data = self.name(key, "compare_and_swap"), self.data(new, "compare_and_swap", key)
        wanted = None if expected is None else self.data(expected, "compare_and_swap", key)
        return await self.ask(lambda node, space: node.swap(space, name, wanted, data))

    async def compare_and_delete(self, key: str, expected: Bytes) -> bool:
        name, wanted = self.name(key, "compare_and_delete"), self.data(expected, "compare_and_delete", key)
        return await self.ask(lambda node, space: node.swap(space, name, wanted, None))


def history(name: str, driver: type[Remote] = Remote, node: type[Node] = Node, **more: Any) -> Backend[Node]:
    """Make the backend ``zoo-<name>``."""
    settings: dict[str, Any] = {"clean": clean, "traits": driver.traits, "limits": driver.limits, **more}
    return Backend(name=f"zoo-{name}", connect=connect(node), drivers=(driver,), **settings)
