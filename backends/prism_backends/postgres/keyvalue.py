"""`PostgresKeyValue`: all six key-value interfaces."""

import math
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any, TypeVar

import prism_testkit as prism
from prism_backends.postgres import keyvalue_sql as sql
from prism_backends.postgres.client import PostgresClient, Row
from prism_backends.postgres.living import LivingPostgres
from prism_backends.postgres.transactions import Transaction
from prism_testkit.interfaces import errors
from prism_testkit.interfaces.keyvalue import (
    Bytes,
    KeyValueBatch,
    KeyValueCas,
    KeyValueScan,
    KeyValueTransaction,
    KeyValueTransactional,
    KeyValueTtl,
)

__all__ = ["PostgresKeyValue"]

_ME = "postgres"
_LONGEST_TTL_S = 1e10
_KEYS_AT_ONCE = 1000
_VALUES_AT_ONCE = 100
_BYTES_AT_ONCE = 4_000_000
_SWEEP_EACH = 100
"""After so many writes with a deadline a driver removes rows whose deadline has passed."""

T = TypeVar("T")


class PostgresKeyValue(LivingPostgres, KeyValueScan, KeyValueTtl, KeyValueTransactional, KeyValueBatch, KeyValueCas):
    """A row a key. A transaction reads as plain calls do, and is checked and written in one statement at its end."""

    def __init__(self, client: PostgresClient, namespace: str) -> None:
        self.client, self.namespace = client, namespace.encode()
        self._deadlines = 0

    async def set(self, key: str, value: Bytes) -> None:
        await self._rows("set", key, sql.SET, _data("set", key, value))

    async def get(self, key: str) -> bytes | None:
        found = await self._rows("get", key, sql.GET)
        return found[0][0] if found else None

    async def delete(self, key: str) -> bool:
        found = await self._rows("delete", key, sql.DELETE)
        return bool(found and found[0][0])

    async def exists(self, key: str) -> bool:
        return bool(await self._rows("exists", key, sql.EXISTS))

    async def scan(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[tuple[str, bytes]]:
        async for page in self._pages("scan", prefix, limit, sql.SCAN, _VALUES_AT_ONCE):
            for key, value in page:
                yield key.decode(), value

    async def scan_keys(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[str]:
        async for page in self._pages("scan_keys", prefix, limit, sql.SCAN_KEYS, _KEYS_AT_ONCE):
            for (key,) in page:
                yield key.decode()

    async def count(self, prefix: str = "") -> int:
        low, high = _range("count", prefix)
        return int(await self.client.value(_what("count", prefix), sql.COUNT, self.namespace, low, high))

    async def _pages(self, operation: str, prefix: str, limit: int | None, statement: str, most: int) -> AsyncIterator[list[Row]]:
        left = prism.check_limit(limit, operation, _ME)
        left = sys.maxsize if left is None else left
        low, high = _range(operation, prefix)
        while left > 0:
            rows = min(left, most)
            page = await self.client.rows(_what(operation, prefix), statement, self.namespace, low, high, rows)
            if page:
                yield page
            if len(page) < rows:
                return
            left -= rows
            low = page[-1][0] + b"\0"  # the least that is above it

    async def set_with_ttl(self, key: str, value: Bytes, ttl_s: float) -> None:
        data, microseconds = _data("set_with_ttl", key, value), _microseconds("set_with_ttl", ttl_s)
        if microseconds:
            await self._rows("set_with_ttl", key, sql.SET_FOR, data, microseconds)
            await self._sweep()
        else:
            await self._rows("set_with_ttl", key, sql.DELETE)

    async def expire(self, key: str, ttl_s: float) -> bool:
        microseconds = _microseconds("expire", ttl_s)
        if not microseconds:
            found = await self._rows("expire", key, sql.DELETE)
            return bool(found and found[0][0])
        return bool(await self._rows("expire", key, sql.EXPIRE, microseconds))

    async def ttl(self, key: str) -> float | None:
        found = await self._rows("ttl", key, sql.TTL)
        if not found:
            raise errors.NotFound(f"{_what('ttl', key)}: there is no such key")
        left: float | None = found[0][0]
        return None if left is None else max(0.0, left)

    async def persist(self, key: str) -> bool:
        return bool(await self._rows("persist", key, sql.PERSIST))

    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        data = _data("compare_and_swap", key, new)
        if expected is None:
            return bool(await self._rows("compare_and_swap", key, sql.CREATE, data))
        return bool(await self._rows("compare_and_swap", key, sql.SWAP, _data("compare_and_swap", key, expected), data))

    async def compare_and_delete(self, key: str, expected: Bytes) -> bool:
        return bool(await self._rows("compare_and_delete", key, sql.REMOVE, _data("compare_and_delete", key, expected)))

    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        pairs = [(_name("batch_set", key), _data("batch_set", key, value)) for key, value in items.items()]
        for some in _portions(pairs):
            keys, values = zip(*some, strict=True)
            await self.client.rows(f"{_ME}: batch_set", sql.BATCH_SET, self.namespace, keys, values)

    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        wanted = dict.fromkeys([_name("batch_get", key) for key in keys])
        found: dict[str, bytes] = {}
        for some in _chunks(wanted, _VALUES_AT_ONCE):
            rows = await self.client.rows(f"{_ME}: batch_get", sql.BATCH_GET, self.namespace, some)
            found |= {key.decode(): value for key, value in rows}
        return found

    async def batch_delete(self, keys: Sequence[str]) -> int:
        unwanted = dict.fromkeys([_name("batch_delete", key) for key in keys])
        what = f"{_ME}: batch_delete"
        return sum(
            [await self.client.value(what, sql.BATCH_DELETE, self.namespace, some) for some in _chunks(unwanted, _KEYS_AT_ONCE)]
        )

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        opened = Transaction(self.client, self.namespace)
        try:
            yield opened
        except BaseException:
            opened.discard()
            raise
        await opened.commit()

    async def _rows(self, operation: str, key: str, statement: str, *arguments: Any) -> list[Row]:
        name = _name(operation, key)
        return await self.client.rows(_what(operation, key), statement, self.namespace, name, *arguments)

    async def _sweep(self) -> None:
        """Free what keys take that are missing because their time is over. What goes wrong here is the next call's to tell."""
        self._deadlines += 1
        if self._deadlines % _SWEEP_EACH == 0:
            await self.client.rows(f"{_ME}: set_with_ttl", sql.SWEEP, self.namespace)


def _what(operation: str, key: str) -> str:
    return f"{_ME}: {operation} {key[:40]!a}"


def _name(operation: str, key: str) -> bytes:
    return prism.check_name(key, operation, _ME)


def _data(operation: str, key: str, value: Bytes) -> bytes:
    _name(operation, key)
    return prism.check_payload(value, operation, _ME, key)


def _range(operation: str, prefix: str) -> tuple[bytes, bytes | None]:
    """Return the lowest name with a prefix and what is above all of them; None: nothing is. No byte of UTF-8 is the highest."""
    low = prism.check_prefix(prefix, operation, _ME)
    return low, low[:-1] + bytes([low[-1] + 1]) if low else None


def _microseconds(operation: str, ttl_s: float) -> int:
    """Return the time to live, rounded up, so that nothing expires early; 0 for what expires at once."""
    if prism.check_seconds(ttl_s, operation, _ME) > _LONGEST_TTL_S:
        raise ValueError(f"{_ME}: {operation}: ttl_s={ttl_s!r} is above {_LONGEST_TTL_S:g}")
    return math.ceil(max(0.0, ttl_s) * 1_000_000)


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


def _portions(pairs: Iterable[tuple[bytes, bytes]]) -> Iterator[list[tuple[bytes, bytes]]]:
    """Yield statements' worth: a server takes no message of more than 1 GB."""
    some: list[tuple[bytes, bytes]] = []
    size = 0
    for pair in pairs:
        size += len(pair[1])
        if some and (len(some) == _KEYS_AT_ONCE or size > _BYTES_AT_ONCE):
            yield some
            some, size = [], len(pair[1])
        some.append(pair)
    if some:
        yield some
