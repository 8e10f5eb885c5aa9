"""A correct driver over two tables of SQLite, of an architecture of its own: what is in force is a condition of each statement.

Instants are whole microseconds. Every write gives its row the next number of a counter that is kept beside the rows, and a
transaction commits if the numbers it met are those of the moment. Any number of clients and processes may have the file open.
"""

import math
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, ClassVar

from prism_testkit.backend import Backend, Place
from prism_testkit.clock import Clock
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
from prism_testkit.traits import Traits

__all__ = ["Database", "SqlKeyValue", "SqlTransaction", "sql_backend"]


class Database:
    """A connection, and the statements that are common to all calls."""

    SCHEMA: ClassVar[Sequence[str]] = (
        """CREATE TABLE IF NOT EXISTS entry (space TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, due INTEGER, given REAL,
        number INTEGER NOT NULL, PRIMARY KEY (space, key)) WITHOUT ROWID""",
        "CREATE TABLE IF NOT EXISTS counter (id INTEGER PRIMARY KEY CHECK (id = 1), last INTEGER NOT NULL)",
        "INSERT OR IGNORE INTO counter VALUES (1, 0)",
    )

    def __init__(self, place: Place) -> None:
        self.clock: Clock = place.clock
        self.connection = sqlite3.connect(place.directory / "entries.db", timeout=60, isolation_level=None)
        for pragma in ("busy_timeout = 60000", "journal_mode = WAL", "synchronous = OFF"):
            self.connection.execute(f"PRAGMA {pragma}")
        with self.writing():
            for statement in self.SCHEMA:
                self.connection.execute(statement)

    @contextmanager
    def writing(self) -> Iterator[None]:
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def run(self, statement: str, *values: Any) -> sqlite3.Cursor:
        return self.connection.execute(statement, values)

    def now(self) -> int:
        return math.floor(self.clock.now_s() * 1e6)

    def close(self) -> None:
        self.connection.close()


class SqlTransaction(KeyValueTransaction):
    """Remembers the number of the row it met for each key, and what it is to write."""

    def __init__(self, driver: "SqlKeyValue") -> None:
        self.driver = driver
        self.met: dict[bytes, tuple[int, bytes | None]] = {}
        self.pending: dict[bytes, bytes | None] = {}
        self.over = False

    def begin(self, operation: str, key: str) -> bytes:
        if self.over:
            raise Closed(f"sql: {operation}: the transaction is over")
        return self.driver.key(key, operation)

    def see(self, row: bytes) -> bytes | None:
        if row in self.pending:
            return self.pending[row]
        if row not in self.met:
            self.met[row] = self.driver.look(row)
        return self.met[row][1]

    async def get(self, key: str) -> bytes | None:
        return self.see(self.begin("get in a transaction", key))

    async def set(self, key: str, value: Bytes) -> None:
        row = self.begin("set in a transaction", key)
        self.pending[row] = self.driver.data(value, "set in a transaction", key)

    async def delete(self, key: str) -> bool:
        row = self.begin("delete in a transaction", key)
        present = self.see(row) is not None
        self.pending[row] = None
        return present

    def holds(self) -> bool:
        return all(self.driver.look(row)[0] == number for row, (number, _) in self.met.items())

    def write(self) -> None:
        for row, value in self.pending.items():
            if value is None:
                self.driver.remove(row)
            else:
                self.driver.put(row, value)

    async def finish(self) -> None:
        with self.driver.database.writing():
            if not self.holds():
                raise Conflict("sql: commit: a key that was read has changed")
            self.write()


class SqlKeyValue(KeyValueScan, KeyValueTtl, KeyValueTransactional, KeyValueBatch, KeyValueCas):
    """All six interfaces."""

    LIVE = "space = ?1 AND (due IS NULL OR due > ?2)"
    PAGE = 40
    transaction_type: ClassVar[type[SqlTransaction]] = SqlTransaction

    def __init__(self, database: Database, namespace: str) -> None:
        self.database = database
        self.namespace = namespace

    # What calls are made of. Nothing here suspends.

    def key(self, key: str, operation: str) -> bytes:
        return check_name(key, operation, "sql")

    def data(self, value: Bytes, operation: str, key: str) -> bytes:
        return check_payload(value, operation, "sql", key)

    def seconds(self, ttl_s: float, operation: str) -> float:
        if check_seconds(ttl_s, operation, "sql") > 1e10:
            raise ValueError(f"sql: {operation}: {ttl_s} s is over 1e10")
        return ttl_s

    def due(self, ttl_s: float) -> int:
        return math.ceil((self.database.clock.now_s() + ttl_s) * 1e6) + 1

    def live(self, columns: str, more: str = "", *values: Any) -> list[Any]:
        """Select from the entries in force; ``more`` numbers its values from ?3."""
        return self.database.run(
            f"SELECT {columns} FROM entry WHERE {self.LIVE} {more}", self.namespace, self.database.now(), *values
        ).fetchall()

    def look(self, row: bytes) -> tuple[int, bytes | None]:
        """Return number and value; (0, None) of what is missing."""
        found = self.live("number, value", "AND key = ?3", row)
        return found[0] if found else (0, None)

    def read(self, row: bytes) -> bytes | None:
        return self.look(row)[1]

    def number(self) -> int:
        number: int = self.database.run("UPDATE counter SET last = last + 1 RETURNING last").fetchone()[0]
        return number

    def put(self, row: bytes, value: bytes, ttl_s: float | None = None) -> None:
        due, given = (None, None) if ttl_s is None else (self.due(ttl_s), ttl_s)
        self.database.run(
            "INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?, ?, ?)", self.namespace, row, value, due, given, self.number()
        )

    def remove(self, row: bytes) -> bool:
        present = self.look(row)[0] != 0
        self.database.run("DELETE FROM entry WHERE space = ? AND key = ?", self.namespace, row)
        return present

    def change(self, row: bytes, due: int | None, given: float | None) -> None:
        self.database.run(
            "UPDATE entry SET due = ?, given = ?, number = ? WHERE space = ? AND key = ?",
            due,
            given,
            self.number(),
            self.namespace,
            row,
        )

    def writing(self, work: Callable[..., Any], *arguments: Any) -> Any:
        with self.database.writing():
            return work(*arguments)

    # Basic

    async def set(self, key: str, value: Bytes) -> None:
        self.writing(self.put, self.key(key, "set"), self.data(value, "set", key))

    async def get(self, key: str) -> bytes | None:
        return self.read(self.key(key, "get"))

    async def delete(self, key: str) -> bool:
        removed: bool = self.writing(self.remove, self.key(key, "delete"))
        return removed

    async def exists(self, key: str) -> bool:
        return bool(self.live("1", "AND key = ?3", self.key(key, "exists")))

    # Scan

    def prefix(self, prefix: str, operation: str) -> bytes:
        return check_prefix(prefix, operation, "sql")

    def page(self, prefix: bytes, after: bytes, size: int) -> list[Any]:
        return self.live(
            "key, value", "AND key > ?3 AND substr(key, 1, ?4) = ?5 ORDER BY key LIMIT ?6", after, len(prefix), prefix, size
        )

    async def walk(self, prefix: bytes, limit: int | None) -> AsyncIterator[tuple[str, bytes]]:
        after, left = b"", math.inf if limit is None else limit
        while left > 0:
            rows = self.page(prefix, after, int(min(self.PAGE, left)))
            for row, value in rows:
                yield row.decode(), value
            if len(rows) < self.PAGE:
                return
            after, left = rows[-1][0], left - len(rows)

    async def scan(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[tuple[str, bytes]]:
        async for key, value in self.walk(self.prefix(prefix, "scan"), check_limit(limit, "scan", "sql")):
            yield key, value

    async def scan_keys(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[str]:
        async for key, _ in self.walk(self.prefix(prefix, "scan_keys"), check_limit(limit, "scan_keys", "sql")):
            yield key

    async def count(self, prefix: str = "") -> int:
        wanted = self.prefix(prefix, "count")
        return int(self.live("count(*)", "AND substr(key, 1, ?3) = ?4", len(wanted), wanted)[0][0])

    # Ttl

    async def set_with_ttl(self, key: str, value: Bytes, ttl_s: float) -> None:
        row, data = self.key(key, "set_with_ttl"), self.data(value, "set_with_ttl", key)
        if self.seconds(ttl_s, "set_with_ttl") > 0:
            self.writing(self.put, row, data, ttl_s)
        else:
            self.writing(self.remove, row)

    def restart(self, row: bytes, ttl_s: float) -> bool:
        if self.look(row)[0] == 0:
            return False
        if ttl_s > 0:
            self.change(row, self.due(ttl_s), ttl_s)
        else:
            self.remove(row)
        return True

    async def expire(self, key: str, ttl_s: float) -> bool:
        done: bool = self.writing(self.restart, self.key(key, "expire"), self.seconds(ttl_s, "expire"))
        return done

    async def ttl(self, key: str) -> float | None:
        found = self.live("due, given", "AND key = ?3", self.key(key, "ttl"))
        if not found:
            raise NotFound(f"sql: ttl {key[:40]!a}: missing")
        due, given = found[0]
        return None if due is None else float(min(given, (due - self.database.now()) / 1e6))

    def keep(self, row: bytes) -> bool:
        found = self.live("due", "AND key = ?3", row)
        if not found or found[0][0] is None:
            return False
        self.change(row, None, None)
        return True

    async def persist(self, key: str) -> bool:
        kept: bool = self.writing(self.keep, self.key(key, "persist"))
        return kept

    # Transactional

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        transaction = self.transaction_type(self)
        try:
            yield transaction
        finally:
            transaction.over = True
        await transaction.finish()

    # Batch

    def put_all(self, rows: Mapping[bytes, bytes]) -> None:
        for row, value in rows.items():
            self.put(row, value)

    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        rows = {self.key(key, "batch_set"): self.data(value, "batch_set", key) for key, value in items.items()}
        self.writing(self.put_all, rows)

    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        rows = {self.key(key, "batch_get"): key for key in keys}
        found = {key: self.read(row) for row, key in rows.items()}
        return {key: value for key, value in found.items() if value is not None}

    def remove_all(self, rows: Sequence[bytes]) -> int:
        return sum(self.remove(row) for row in rows)

    async def batch_delete(self, keys: Sequence[str]) -> int:
        removed: int = self.writing(self.remove_all, [self.key(key, "batch_delete") for key in keys])
        return removed

    # Compare and swap

    def swap(self, row: bytes, expected: bytes | None, new: bytes | None) -> bool:
        if self.read(row) != expected:
            return False
        if new is None:
            self.remove(row)
        else:
            self.put(row, new)
        return True

    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        row, data = self.key(key, "compare_and_swap"), self.data(new, "compare_and_swap", key)
        wanted = None if expected is None else self.data(expected, "compare_and_swap", key)
        swapped: bool = self.writing(self.swap, row, wanted, data)
        return swapped

    async def compare_and_delete(self, key: str, expected: Bytes) -> bool:
        row, wanted = self.key(key, "compare_and_delete"), self.data(expected, "compare_and_delete", key)
        removed: bool = self.writing(self.swap, row, wanted, None)
        return removed


async def _clean(database: Database, prefix: str) -> None:
    with database.writing():
        database.run("DELETE FROM entry WHERE substr(space, 1, ?) = ?", len(prefix), prefix)


def sql_backend(name: str, driver: type[SqlKeyValue] = SqlKeyValue, database: type[Database] = Database) -> Backend[Database]:
    """Make the backend of this name: a connection for each client, and a file that outlives them."""

    @asynccontextmanager
    async def connect(place: Place) -> AsyncIterator[Database]:
        opened = database(place)
        try:
            yield opened
        finally:
            opened.close()

    traits = Traits(durability="process", sharing="processes")
    return Backend(name=name, connect=connect, drivers=(driver,), clean=_clean, traits=traits)
