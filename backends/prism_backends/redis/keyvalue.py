"""`RedisKeyValue`: all six key-value interfaces."""

import math
import re
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any, ClassVar, TypeVar

from redis import exceptions as native

import prism_testkit as prism
from prism_backends.redis.client import RedisClient, script, translated
from prism_backends.redis.living import LivingRedis
from prism_backends.redis.transactions import Transaction
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

__all__ = ["RedisKeyValue"]

_LONGEST_TTL_S = 1e10
_KEYS_AT_ONCE = 1000
_VALUES_AT_ONCE = 100
_BYTES_AT_ONCE = 4_000_000

_SWAP = script("if redis.call('GET',KEYS[1])==ARGV[1] then redis.call('SET',KEYS[1],ARGV[2]) return 1 end return 0")
_REMOVE = script("if redis.call('GET',KEYS[1])==ARGV[1] then return redis.call('DEL',KEYS[1]) end return 0")

T = TypeVar("T")


class RedisKeyValue(LivingRedis, KeyValueScan, KeyValueTtl, KeyValueTransactional, KeyValueBatch, KeyValueCas):
    """A key is stored as ``<namespace>:<key>``, in bytes; its expiry is the server's.

    Scanning and counting go through the whole database and pick out the namespace, so they cost what all of it costs.
    """

    backend_name: ClassVar[str] = "redis"

    def __init__(self, client: RedisClient, namespace: str) -> None:
        self.client = client
        self._prefix = namespace.encode() + b":"

    async def set(self, key: str, value: Bytes) -> None:
        await self._call("set", key, "SET", self._at("set", key), self._data("set", key, value))

    async def get(self, key: str) -> bytes | None:
        value: bytes | None = await self._call("get", key, "GET", self._at("get", key))
        return value

    async def delete(self, key: str) -> bool:
        return bool(await self._call("delete", key, "DEL", self._at("delete", key)))

    async def exists(self, key: str) -> bool:
        return bool(await self._call("exists", key, "EXISTS", self._at("exists", key)))

    async def scan(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[tuple[str, bytes]]:
        left = sys.maxsize if limit is None else limit
        async for page in self._pages("scan", prefix, limit):
            rest = iter(page)
            # Never more than may still be given, and few enough that large values fit in memory; a key that went is None.
            while left and (some := list(islice(rest, min(left, _VALUES_AT_ONCE)))):
                for key, value in zip(some, await self._call("scan", prefix, "MGET", *some), strict=True):
                    if value is not None:
                        left -= 1
                        yield self._name(key), value
            if not left:
                return

    async def scan_keys(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[str]:
        left = sys.maxsize if limit is None else limit
        async for page in self._pages("scan_keys", prefix, limit):
            for key in page[:left]:
                yield self._name(key)
            left -= len(page)
            if left <= 0:
                return

    async def count(self, prefix: str = "") -> int:
        return sum([len(page) async for page in self._pages("count", prefix, None)])

    async def _pages(self, operation: str, prefix: str, limit: int | None) -> AsyncIterator[list[bytes]]:
        """Yield the keys there are, each once: SCAN repeats some when the server's table is resized meanwhile."""
        pattern = _escaped(self._prefix + prism.check_prefix(prefix, operation, self.backend_name)) + b"*"
        if prism.check_limit(limit, operation, self.backend_name) == 0:
            return
        seen: set[bytes] = set()
        cursor, keys = 0, []
        while True:
            cursor, keys = await self._call(operation, prefix, "SCAN", cursor, "MATCH", pattern, "COUNT", _KEYS_AT_ONCE)
            page = [key for key in dict.fromkeys(keys) if key not in seen]
            seen.update(page)
            yield page
            if cursor == 0:
                return

    async def set_with_ttl(self, key: str, value: Bytes, ttl_s: float) -> None:
        at, data = self._at("set_with_ttl", key), self._data("set_with_ttl", key, value)
        milliseconds = self._milliseconds("set_with_ttl", ttl_s)
        command = ("SET", at, data, "PX", milliseconds) if milliseconds else ("DEL", at)
        await self._call("set_with_ttl", key, *command)

    async def expire(self, key: str, ttl_s: float) -> bool:
        # PEXPIRE with 0 removes the key, and still says 1.
        at = self._at("expire", key)
        return bool(await self._call("expire", key, "PEXPIRE", at, self._milliseconds("expire", ttl_s)))

    async def ttl(self, key: str) -> float | None:
        left = await self._call("ttl", key, "PTTL", self._at("ttl", key))
        if left == -2:
            raise errors.NotFound(f"{self.backend_name}: ttl {key[:40]!a}: there is no such key")
        # One less, because it was rounded up: what is returned must not be more than was given.
        return None if left == -1 else max(0, left - 1) / 1000

    async def persist(self, key: str) -> bool:
        return bool(await self._call("persist", key, "PERSIST", self._at("persist", key)))

    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        at, data = self._at("compare_and_swap", key), self._data("compare_and_swap", key, new)
        if expected is None:
            return bool(await self._call("compare_and_swap", key, "SET", at, data, "NX"))
        known = self._data("compare_and_swap", key, expected)
        return bool(await self._call("compare_and_swap", key, "EVALSHA", _SWAP, 1, at, known, data))

    async def compare_and_delete(self, key: str, expected: Bytes) -> bool:
        at, known = self._at("compare_and_delete", key), self._data("compare_and_delete", key, expected)
        return bool(await self._call("compare_and_delete", key, "EVALSHA", _REMOVE, 1, at, known))

    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        pairs = [(self._at("batch_set", key), self._data("batch_set", key, value)) for key, value in items.items()]
        for some in _portions(pairs):
            await self._call("batch_set", "", "MSET", *(part for pair in some for part in pair))

    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        wanted = {key: self._at("batch_get", key) for key in keys}
        found: dict[str, bytes] = {}
        for some in _chunks(wanted, _VALUES_AT_ONCE):
            values = await self._call("batch_get", "", "MGET", *(wanted[key] for key in some))
            found |= {key: value for key, value in zip(some, values, strict=True) if value is not None}
        return found

    async def batch_delete(self, keys: Sequence[str]) -> int:
        unwanted = dict.fromkeys([self._at("batch_delete", key) for key in keys])
        return sum([await self._call("batch_delete", "", "UNLINK", *some) for some in _chunks(unwanted, _KEYS_AT_ONCE)])

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        opened = Transaction(self.client, self.backend_name, self._at, self._data)
        try:
            yield opened
        except BaseException:
            await opened.discard()
            raise
        await opened.commit()

    def _at(self, operation: str, key: str) -> bytes:
        return self._prefix + prism.check_name(key, operation, self.backend_name)

    def _data(self, operation: str, key: str, value: Bytes) -> bytes:
        return prism.check_payload(value, operation, self.backend_name, key)

    def _name(self, at: bytes) -> str:
        return at[len(self._prefix) :].decode()

    def _milliseconds(self, operation: str, ttl_s: float) -> int:
        """Return the time to live, rounded up, so that nothing expires early; 0 for what expires at once."""
        if prism.check_seconds(ttl_s, operation, self.backend_name) > _LONGEST_TTL_S:
            raise ValueError(f"{self.backend_name}: {operation}: ttl_s={ttl_s!r} is above {_LONGEST_TTL_S:g}")
        return math.ceil(max(0.0, ttl_s) * 1000)

    async def _call(self, operation: str, name: str, *command: Any) -> Any:
        try:
            return await self.client.execute_command(*command)
        except (native.RedisError, OSError) as error:
            what = f"{self.backend_name}: {operation}" + (f" {name[:40]!a}" if name else "")
            raise translated(error, what) from error


def _escaped(literal: bytes) -> bytes:
    return re.sub(rb"[\\*?\[\]^-]", rb"\\\g<0>", literal)


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


def _portions(pairs: Iterable[tuple[bytes, bytes]]) -> Iterator[list[tuple[bytes, bytes]]]:
    """Yield commands' worth: a server closes the connection of a client whose command is over 1 GB."""
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
