"""The key-value driver: a row a key, named by bytes, so that no two names are ever folded into one."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from functools import partial
from typing import Any, TypeVar

import prism_testkit as prism
from prism_backends.sqlite.client import SqliteClient
from prism_backends.sqlite.living import LivingSqlite
from prism_backends.sqlite.schema import above
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

__all__ = ["SqliteKeyValue"]

T = TypeVar("T")
Row = tuple[Any, ...]

_ME = "sqlite"
_ROUNDING_S = 1e-5
"""A deadline is a float, good to 2e-6 s as far as 1e10 s ahead. It is put this much late, so that rounding makes none early."""
_PAGE_ROWS = 500
_PAGE_BYTES = 1_000_000
"""A page of a scan ends when either is reached, so memory is bounded by one page and one value."""
_PURGE_ROWS = 100
"""One `set_with_ttl` removes at most so many expired rows: more than it adds, and never so many that others have to wait."""

_PRESENT = "namespace = :namespace AND (deadline_s IS NULL OR deadline_s > :now_s)"
_HERE = f"{_PRESENT} AND key = :key"
_RANGE = f"{_PRESENT} AND key >= :lower AND key < :upper"
_NEW_ROW = "keyvalue (namespace, key, deadline_s, value) VALUES (:namespace, :key, :now_s + :ttl_s, :value)"

_GET = f"SELECT value FROM keyvalue WHERE {_HERE}"
_EXISTS = f"SELECT 1 FROM keyvalue WHERE {_HERE}"
_SECONDS_LEFT = f"SELECT deadline_s - :now_s FROM keyvalue WHERE {_HERE}"
_SET = f"REPLACE INTO {_NEW_ROW}"
_DELETE = f"DELETE FROM keyvalue WHERE {_HERE}"
_EXPIRE = f"UPDATE keyvalue SET deadline_s = :now_s + :ttl_s WHERE {_HERE}"
_PERSIST = f"UPDATE keyvalue SET deadline_s = NULL WHERE {_HERE} AND deadline_s IS NOT NULL"
_CREATE = f"""INSERT INTO {_NEW_ROW} ON CONFLICT (namespace, key)
  DO UPDATE SET value = excluded.value, deadline_s = NULL WHERE deadline_s <= :now_s"""
_SWAP = f"UPDATE keyvalue SET value = :value, deadline_s = NULL WHERE {_HERE} AND value = :expected"
_COMPARE_AND_DELETE = f"{_DELETE} AND value = :expected"
_PURGE = f"""DELETE FROM keyvalue WHERE namespace = :namespace AND key IN
  (SELECT key FROM keyvalue WHERE namespace = :namespace AND deadline_s <= :now_s LIMIT {_PURGE_ROWS})"""
_SCAN = f"SELECT key, value FROM keyvalue WHERE {_RANGE} ORDER BY key"
_SCAN_KEYS = f"SELECT key FROM keyvalue WHERE {_RANGE} ORDER BY key"
_COUNT = f"SELECT count(*) FROM keyvalue WHERE {_RANGE}"


class SqliteKeyValue(LivingSqlite, KeyValueScan, KeyValueTtl, KeyValueTransactional, KeyValueBatch, KeyValueCas):
    """All six key-value interfaces. An expired row is hidden at its deadline, and removed by some later `set_with_ttl`."""

    def __init__(self, client: SqliteClient, namespace: str) -> None:
        self._client, self._namespace = client, namespace.encode()

    async def set(self, key: str, value: Bytes) -> None:
        await self._change("set", key, _SET, value=prism.check_payload(value, "set", _ME, key))

    async def get(self, key: str) -> bytes | None:
        row = await self._select("get", key, _GET)
        return None if row is None else row[0]

    async def delete(self, key: str) -> bool:
        return await self._change("delete", key, _DELETE)

    async def exists(self, key: str) -> bool:
        return await self._select("exists", key, _EXISTS) is not None

    def scan(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[tuple[str, bytes]]:
        return self._walk("scan", _SCAN, lambda row: (row[0].decode(), row[1]), prefix, limit)

    def scan_keys(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[str]:
        return self._walk("scan_keys", _SCAN_KEYS, lambda row: row[0].decode(), prefix, limit)

    async def count(self, prefix: str = "") -> int:
        lower = prism.check_prefix(prefix, "count", _ME)
        row = self._row(lower=lower, upper=above(lower))
        found: Row = await self._client.read(_what("count", prefix), partial(_first, _COUNT, row))
        return int(found[0])

    async def set_with_ttl(self, key: str, value: Bytes, ttl_s: float) -> None:
        data = prism.check_payload(value, "set_with_ttl", _ME, key)
        prism.check_seconds(ttl_s, "set_with_ttl", _ME)
        if ttl_s > 0:
            await self._change("set_with_ttl", key, _SET, _PURGE, value=data, ttl_s=ttl_s + _ROUNDING_S)
        else:
            await self._change("set_with_ttl", key, _DELETE)

    async def expire(self, key: str, ttl_s: float) -> bool:
        prism.check_seconds(ttl_s, "expire", _ME)
        return await self._change("expire", key, _EXPIRE if ttl_s > 0 else _DELETE, ttl_s=ttl_s + _ROUNDING_S)

    async def ttl(self, key: str) -> float | None:
        row = await self._select("ttl", key, _SECONDS_LEFT)
        if row is None:
            raise NotFound(f"{_ME}: ttl {key[:40]!a}: there is no such key")
        # Twice: once for what was added, once so that no rounding gives more than was asked for.
        return None if row[0] is None else max(0.0, row[0] - 2 * _ROUNDING_S)

    async def persist(self, key: str) -> bool:
        return await self._change("persist", key, _PERSIST)

    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        names = [(key, prism.check_name(key, "batch_set", _ME)) for key in items]
        rows = [self._row(key=name, value=prism.check_payload(items[key], "batch_set", _ME, key)) for key, name in names]
        await self._client.write(_what("batch_set", len(rows)), partial(_changed_by_all, _SET, rows))

    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        rows = {key: self._row(key=prism.check_name(key, "batch_get", _ME)) for key in keys}

        def work(connection: sqlite3.Connection, now_s: float) -> dict[str, bytes]:
            found = ((key, _first(_GET, row, connection, now_s)) for key, row in rows.items())
            return {key: row[0] for key, row in found if row is not None}

        return await self._client.read(_what("batch_get", len(rows)), work)

    async def batch_delete(self, keys: Sequence[str]) -> int:
        rows = [self._row(key=prism.check_name(key, "batch_delete", _ME)) for key in keys]
        return await self._client.write(_what("batch_delete", len(rows)), partial(_changed_by_all, _DELETE, rows))

    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        data = prism.check_payload(new, "compare_and_swap", _ME, key)
        if expected is None:
            return await self._change("compare_and_swap", key, _CREATE, value=data)
        old = prism.check_payload(expected, "compare_and_swap", _ME, key)
        return await self._change("compare_and_swap", key, _SWAP, value=data, expected=old)

    async def compare_and_delete(self, key: str, expected: Bytes) -> bool:
        old = prism.check_payload(expected, "compare_and_delete", _ME, key)
        return await self._change("compare_and_delete", key, _COMPARE_AND_DELETE, expected=old)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        transaction = _Transaction(self)
        try:
            yield transaction
        finally:
            transaction.is_open = False
        if transaction.reads or transaction.writes:
            # A read-only one too takes the writers' turn: only then do all its reads and the instant of expiry belong together.
            await self._client.write("transaction", partial(self._commit, transaction), busy=Conflict)

    def _commit(self, transaction: "_Transaction", connection: sqlite3.Connection, now_s: float) -> None:
        for name, value in transaction.reads.items():
            row = _first(_GET, self._row(key=name), connection, now_s)
            if (None if row is None else row[0]) != value:
                raise Conflict(f"{_ME}: transaction: {name.decode()[:40]!a} is no longer what was read")
        for name, value in transaction.writes.items():
            _changed(_DELETE if value is None else _SET, self._row(key=name, value=value), connection, now_s)

    def _row(self, **values: object) -> dict[str, object]:
        return {"namespace": self._namespace, "ttl_s": None, **values}

    async def _select(self, operation: str, key: str, sql: str) -> Row | None:
        row = self._row(key=prism.check_name(key, operation, _ME))
        return await self._client.read(_what(operation, key), partial(_first, sql, row))

    async def _change(self, operation: str, key: str, *sql: str, **values: object) -> bool:
        """Run statements on one key as one; True if the first changed something."""
        row = self._row(key=prism.check_name(key, operation, _ME), **values)

        def work(connection: sqlite3.Connection, now_s: float) -> list[int]:
            return [_changed(statement, row, connection, now_s) for statement in sql]

        return (await self._client.write(_what(operation, key), work))[0] > 0

    async def _walk(self, operation: str, sql: str, decode: Callable[[Row], T], prefix: str, limit: int | None) -> AsyncIterator[T]:
        """Go through a range page by page, each from the last key on, so that nothing is held open between two pages."""
        lower = prism.check_prefix(prefix, operation, _ME)
        left = prism.check_limit(limit, operation, _ME)
        upper, more = above(lower), True
        while more and left != 0:
            row, most = self._row(lower=lower, upper=upper), _PAGE_ROWS if left is None else min(left, _PAGE_ROWS)
            page, more = await self._client.read(_what(operation, prefix), partial(_page, sql, row, most))
            for found in page:
                yield decode(found)
            if page:
                lower = page[-1][0] + b"\0"
                left = None if left is None else left - len(page)


class _Transaction(KeyValueTransaction):
    """Optimistic: reads are remembered and writes kept back; the commit checks the ones and applies the others in one step.

    What was read once reads the same again, and all of it still holds at the instant of the commit. So the transaction could
    have run whole at that instant, which is what serializable means (Kung and Robinson, "On Optimistic Methods", 1981). Values
    are compared, not versions: a value that went and came back is the same one to everybody.
    """

    def __init__(self, store: SqliteKeyValue) -> None:
        self._store = store
        self.reads: dict[bytes, bytes | None] = {}
        self.writes: dict[bytes, bytes | None] = {}
        self.is_open = True

    def _check_open(self, operation: str) -> None:
        if not self.is_open:
            raise Closed(f"{_ME}: {operation}: the transaction has ended")

    async def _value(self, operation: str, key: str, name: bytes) -> bytes | None:
        if name not in self.writes and name not in self.reads:
            row = await self._store._select(operation, key, _GET)
            # Meanwhile others may have used this transaction, or ended it: what they read first or wrote counts.
            self._check_open(operation)
            self.reads.setdefault(name, None if row is None else row[0])
        return self.writes[name] if name in self.writes else self.reads[name]

    async def get(self, key: str) -> bytes | None:
        self._check_open("transaction get")
        return await self._value("transaction get", key, prism.check_name(key, "transaction get", _ME))

    async def set(self, key: str, value: Bytes) -> None:
        self._check_open("transaction set")
        name = prism.check_name(key, "transaction set", _ME)
        self.writes[name] = prism.check_payload(value, "transaction set", _ME, key)

    async def delete(self, key: str) -> bool:
        self._check_open("transaction delete")
        name = prism.check_name(key, "transaction delete", _ME)
        present = await self._value("transaction delete", key, name) is not None
        self.writes[name] = None
        return present


def _first(sql: str, row: Mapping[str, object], connection: sqlite3.Connection, now_s: float) -> Any:
    return connection.execute(sql, {**row, "now_s": now_s}).fetchone()


def _changed(sql: str, row: Mapping[str, object], connection: sqlite3.Connection, now_s: float) -> int:
    return connection.execute(sql, {**row, "now_s": now_s}).rowcount


def _changed_by_all(sql: str, rows: Sequence[Mapping[str, object]], connection: sqlite3.Connection, now_s: float) -> int:
    return max(0, connection.executemany(sql, ({**row, "now_s": now_s} for row in rows)).rowcount)


def _page(sql: str, row: Mapping[str, object], most: int, connection: sqlite3.Connection, now_s: float) -> tuple[list[Row], bool]:
    """Return the first rows of a range, and whether there may be more."""
    page: list[Row] = []
    size = 0
    with closing(connection.execute(sql, {**row, "now_s": now_s})) as cursor:
        for found in cursor:
            page.append(found)
            size += sum(map(len, found))
            if len(page) >= most or size >= _PAGE_BYTES:
                return page, True
    return page, False


def _what(operation: str, subject: str | int) -> str:
    return f"{operation} of {subject} keys" if isinstance(subject, int) else f"{operation} {subject[:40]!a}"
