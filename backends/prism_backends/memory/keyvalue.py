"""Dicts that keep every promise of the key-value interfaces: the driver to read first.

No method waits for anything, so on one event loop each call is one atomic step; only transactions and scans span several.
"""

import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice

import prism_testkit as prism
from prism_backends.living import Living
from prism_backends.memory.client import MemoryClient
from prism_testkit.interfaces.errors import Closed, Conflict, NotFound
from prism_testkit.interfaces.keyvalue import (
    Bytes,
    KeyValueBatch,
    KeyValueCas,
    KeyValueScan,
    KeyValueTransaction,
    KeyValueTransactional,
    KeyValueTtl,
)

__all__ = ["MemoryKeyValue"]

_ME = "memory"
_ROUNDING_S = 1e-5
"""A deadline is a float, good to 2e-6 s as far as 1e10 s ahead. It is put this much late, so that rounding makes none early."""


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    """What a key holds. A write makes a new entry, so its identity is a version: the same value written again is a change."""

    value: bytes
    deadline_s: float | None = None


class MemoryKeyValue(Living, KeyValueScan, KeyValueTtl, KeyValueTransactional, KeyValueBatch, KeyValueCas):
    """All six key-value interfaces. An expired entry is removed by whoever meets it: a call on its key, or a scan."""

    def __init__(self, client: MemoryClient, namespace: str) -> None:
        self._spaces: dict[str, dict[str, _Entry]] = client.model("keyvalue")
        self._clock, self._namespace = client.clock, namespace

    def _entries(self) -> dict[str, _Entry]:
        # Looked up each time, for `clean` drops the dict of a namespace while drivers of it may live on.
        return self._spaces.get(self._namespace) or self._spaces.setdefault(self._namespace, {})

    def _find(self, key: str) -> _Entry | None:
        entries = self._entries()
        entry = entries.get(key)
        if entry is not None and entry.deadline_s is not None and entry.deadline_s <= self._clock.now_s():
            del entries[key]
            return None
        return entry

    def _put(self, key: str, value: bytes, ttl_s: float | None = None) -> None:
        if ttl_s is None:
            self._entries()[key] = _Entry(value)
        elif ttl_s > 0:
            self._entries()[key] = _Entry(value, self._clock.now_s() + ttl_s + _ROUNDING_S)
        else:
            self._remove(key)

    def _remove(self, key: str) -> bool:
        present = self._find(key) is not None
        if present:
            del self._entries()[key]
        return present

    def _present(self, operation: str, prefix: str, limit: int | None = None) -> Iterator[tuple[str, bytes]]:
        prism.check_prefix(prefix, operation, _ME)
        prism.check_limit(limit, operation, _ME)
        # The names are those of now, but each is looked up when its turn comes: none is given twice, or after it is gone.
        names = [name for name in self._entries() if name.startswith(prefix)]
        most = limit if limit is None else min(limit, sys.maxsize)  # islice takes no more
        return islice(((name, entry.value) for name in names if (entry := self._find(name)) is not None), most)

    async def set(self, key: str, value: Bytes) -> None:
        prism.check_name(key, "set", _ME)
        self._put(key, prism.check_payload(value, "set", _ME, key))

    async def get(self, key: str) -> bytes | None:
        prism.check_name(key, "get", _ME)
        entry = self._find(key)
        return None if entry is None else entry.value

    async def delete(self, key: str) -> bool:
        prism.check_name(key, "delete", _ME)
        return self._remove(key)

    async def exists(self, key: str) -> bool:
        prism.check_name(key, "exists", _ME)
        return self._find(key) is not None

    async def scan(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[tuple[str, bytes]]:
        for item in self._present("scan", prefix, limit):
            yield item

    async def scan_keys(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[str]:
        for key, _ in self._present("scan_keys", prefix, limit):
            yield key

    async def count(self, prefix: str = "") -> int:
        return sum(1 for _ in self._present("count", prefix))

    async def set_with_ttl(self, key: str, value: Bytes, ttl_s: float) -> None:
        prism.check_name(key, "set_with_ttl", _ME)
        data = prism.check_payload(value, "set_with_ttl", _ME, key)
        self._put(key, data, prism.check_seconds(ttl_s, "set_with_ttl", _ME))

    async def expire(self, key: str, ttl_s: float) -> bool:
        prism.check_name(key, "expire", _ME)
        prism.check_seconds(ttl_s, "expire", _ME)
        entry = self._find(key)
        if entry is not None:
            self._put(key, entry.value, ttl_s)
        return entry is not None

    async def ttl(self, key: str) -> float | None:
        prism.check_name(key, "ttl", _ME)
        entry = self._find(key)
        if entry is None:
            raise NotFound(f"{_ME}: ttl {key[:40]!a}: there is no such key")
        # Twice: once for what `_put` added, once so that no rounding gives more than was asked for.
        return None if entry.deadline_s is None else max(0.0, entry.deadline_s - self._clock.now_s() - 2 * _ROUNDING_S)

    async def persist(self, key: str) -> bool:
        prism.check_name(key, "persist", _ME)
        entry = self._find(key)
        if entry is None or entry.deadline_s is None:
            return False
        self._put(key, entry.value)
        return True

    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        for key in items:
            prism.check_name(key, "batch_set", _ME)
        for key, data in [(key, prism.check_payload(value, "batch_set", _ME, key)) for key, value in items.items()]:
            self._put(key, data)

    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        for key in keys:
            prism.check_name(key, "batch_get", _ME)
        return {key: entry.value for key in keys if (entry := self._find(key)) is not None}

    async def batch_delete(self, keys: Sequence[str]) -> int:
        for key in keys:
            prism.check_name(key, "batch_delete", _ME)
        return sum(self._remove(key) for key in keys)

    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        prism.check_name(key, "compare_and_swap", _ME)
        old = None if expected is None else prism.check_payload(expected, "compare_and_swap", _ME, key)
        data = prism.check_payload(new, "compare_and_swap", _ME, key)
        entry = self._find(key)
        if (None if entry is None else entry.value) != old:
            return False
        self._put(key, data)
        return True

    async def compare_and_delete(self, key: str, expected: Bytes) -> bool:
        prism.check_name(key, "compare_and_delete", _ME)
        old = prism.check_payload(expected, "compare_and_delete", _ME, key)
        entry = self._find(key)
        return entry is not None and entry.value == old and self._remove(key)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        transaction = _Transaction(self)
        try:
            yield transaction
        finally:
            transaction.is_open = False
        transaction.commit()


class _Transaction(KeyValueTransaction):
    """Optimistic: reads are remembered and writes kept back; `commit` checks the ones and applies the others in one step.

    What was read once reads the same again, and all of it still holds at the instant of the commit. So the transaction could
    have run whole at that instant, which is what serializable means (Kung and Robinson, "On Optimistic Methods", 1981).
    """

    def __init__(self, store: MemoryKeyValue) -> None:
        self._store = store
        self._reads: dict[str, _Entry | None] = {}
        self._writes: dict[str, bytes | None] = {}
        self.is_open = True

    def _check(self, key: str, operation: str) -> None:
        if not self.is_open:
            raise Closed(f"{_ME}: {operation}: the transaction has ended")
        prism.check_name(key, operation, _ME)

    def _value(self, key: str) -> bytes | None:
        if key in self._writes:
            return self._writes[key]
        if key not in self._reads:
            self._reads[key] = self._store._find(key)
        entry = self._reads[key]
        return None if entry is None else entry.value

    async def get(self, key: str) -> bytes | None:
        self._check(key, "transaction get")
        return self._value(key)

    async def set(self, key: str, value: Bytes) -> None:
        self._check(key, "transaction set")
        self._writes[key] = prism.check_payload(value, "transaction set", _ME, key)

    async def delete(self, key: str) -> bool:
        self._check(key, "transaction delete")
        present = self._value(key) is not None
        self._writes[key] = None
        return present

    def commit(self) -> None:
        for key, entry in self._reads.items():
            if self._store._find(key) is not entry:
                raise Conflict(f"{_ME}: transaction: {key[:40]!a} is no longer what was read")
        for key, value in self._writes.items():
            if value is None:
                self._store._remove(key)
            else:
                self._store._put(key, value)
