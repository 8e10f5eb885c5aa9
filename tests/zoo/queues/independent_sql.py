"""Queues over one table of SQLite: a column says from when on a row may be taken, be it after a delay or a lease.

Nothing is written when time ends a lease; instants are whole milliseconds, rounded up.
"""

import asyncio
import json
import math
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, ClassVar, TypeVar

import prism_testkit as prism
from prism_testkit.interfaces import (
    Bytes,
    Conflict,
    Lease,
    QueueBasic,
    QueueDeadLetter,
    QueueDelayed,
    QueueMessage,
    QueuePriority,
    QueueVisibility,
)
from prism_testkit.traits import Traits

from .independent_rules import Draft, Rules

__all__ = ["Database", "SqlQueue", "connector"]

T = TypeVar("T")

_TABLES = """
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY AUTOINCREMENT, namespace TEXT NOT NULL, queue BLOB NOT NULL, place INTEGER NOT NULL,
    rank INTEGER NOT NULL, payload BLOB NOT NULL, headers TEXT NOT NULL, from_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, token INTEGER, released INTEGER NOT NULL DEFAULT 0, origin BLOB
);
CREATE INDEX IF NOT EXISTS by_turn ON message (namespace, queue, rank DESC, place);
CREATE TABLE IF NOT EXISTS policy (
    namespace TEXT NOT NULL, queue BLOB NOT NULL, target BLOB NOT NULL, attempts INTEGER NOT NULL, PRIMARY KEY (namespace, queue)
);
CREATE TABLE IF NOT EXISTS serial (last INTEGER NOT NULL);
INSERT INTO serial SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM serial);
"""


class Database:
    """One connection to the file of a place, shared by its clients, and who waits for a change."""

    file = "queues.db"
    settings = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = OFF")

    def __init__(self, place: prism.Place) -> None:
        self.clock = place.clock
        self.connection = sqlite3.connect(place.directory / self.file, isolation_level=None)
        for setting in self.settings:
            self.connection.execute(setting)
        self.connection.executescript(_TABLES)
        self.waiting: list[asyncio.Future[None]] = []

    @contextmanager
    def change(self) -> Iterator[None]:
        """Make what is done within one transaction; if it changed anything, wake who waits."""
        if self.connection.in_transaction:
            yield
            return
        before = self.connection.total_changes
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")
        if self.connection.total_changes != before:  # two that wait would wake each other for ever
            self.wake()

    def wake(self) -> None:
        for future in self.waiting:
            if not future.done():
                future.set_result(None)

    def ask(self, statement: str, *arguments: object) -> list[Any]:
        return self.connection.execute(statement, arguments).fetchall()

    def clean(self, prefix: str) -> None:
        with self.change():
            for table in ("message", "policy"):
                self.ask(f"DELETE FROM {table} WHERE substr(namespace, 1, ?) = ?", len(prefix), prefix)

    def close(self) -> None:
        self.connection.close()


class SqlQueue(QueueBasic, QueueVisibility, QueueDeadLetter, QueuePriority, QueueDelayed):
    """All five interfaces over one table."""

    traits: Traits = Traits(durability="process", ack_survives_kill="yes", lease_survives_kill="yes", attempts_survive_kill="yes")
    rules_type: ClassVar[type[Rules]] = Rules

    turn = "rank DESC, place"
    """The order in which rows are taken."""

    def __init__(self, database: Database, namespace: str) -> None:
        self.database, self.namespace, self.rules = database, namespace, self.rules_type()

    # Steps

    def key(self, queue: str) -> bytes:
        return queue.encode()

    def ask(self, statement: str, *arguments: object) -> list[Any]:
        """Run a statement that begins with a condition on this namespace."""
        return self.database.ask(statement, self.namespace, *arguments)

    def now_ms(self) -> int:
        return self.database.clock.now_ms()

    def from_ms(self, seconds: float) -> int:
        """Return the instant so far away, rounded up."""
        return math.ceil(round((self.database.clock.now_s() + seconds) * 1000, 3))

    def serial(self) -> int:
        (row,) = self.database.ask("UPDATE serial SET last = last + 1 RETURNING last")
        return int(row[0])

    def message(self, row: Any) -> QueueMessage:
        return QueueMessage(str(row[0]), bytes(row[1]), json.loads(row[2]))

    def policy(self, queue: str) -> tuple[bytes, int] | None:
        rows = self.ask("SELECT target, attempts FROM policy WHERE namespace = ? AND queue = ?", self.key(queue))
        return (rows[0][0], rows[0][1]) if rows else None

    def bury(self, queue: str) -> None:
        """Move what failed too often, in the order in which it did."""
        policy = self.policy(queue)
        if policy is None:
            return
        found = self.ask(
            "SELECT id FROM message WHERE namespace = ? AND queue = ? AND attempts >= ? AND from_ms <= ? "
            "ORDER BY from_ms, released, place",
            *(self.key(queue), policy[1], self.now_ms()),
        )
        for (number,) in found:
            self.move(number, policy[0], self.key(queue))

    def move(self, number: int, queue: bytes, origin: bytes | None) -> None:
        """Put a message at the tail of another queue, with attempts from 0."""
        self.database.ask(
            "UPDATE message SET queue = ?, place = ?, attempts = 0, token = NULL, from_ms = 0, released = 0, origin = ? "
            "WHERE id = ?",
            *(queue, self.serial(), origin, number),
        )

    def first(self, queue: str) -> Any | None:
        rows = self.ask(
            "SELECT id, payload, headers, attempts FROM message WHERE namespace = ? AND queue = ? AND from_ms <= ? "
            f"ORDER BY {self.turn} LIMIT 1",
            *(self.key(queue), self.now_ms()),
        )
        return rows[0] if rows else None

    def dead(self, queue: str) -> list[Any]:
        policy = self.policy(queue)
        if policy is None:
            return []
        return self.ask(
            "SELECT id, payload, headers, from_ms FROM message WHERE namespace = ? AND queue = ? AND origin = ? ORDER BY place",
            *(policy[0], self.key(queue)),
        )

    def put(self, draft: Draft) -> str:
        with self.database.change():
            place = self.serial()
            self.ask(
                "INSERT INTO message (namespace, queue, place, rank, payload, headers, from_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
                *(self.key(draft.queue), place, draft.rank, draft.payload, json.dumps(draft.headers), self.due(draft)),
            )
            return str(self.database.ask("SELECT last_insert_rowid()")[0][0])

    def due(self, draft: Draft) -> int:
        return self.from_ms(draft.delay_s) if draft.delay_s > 0 else 0

    async def take(self, queue: str, timeout_s: float, how: Callable[[Any], T]) -> T | None:
        end = self.from_ms(timeout_s)
        while True:
            with self.database.change():
                self.bury(queue)
                row = self.first(queue)
                if row is not None:
                    return how(row)
            if timeout_s <= 0 or self.now_ms() >= end:
                return None
            await self.listen(queue, end)

    async def listen(self, queue: str, end: int) -> None:
        """Wait for a change, or until the next row may be taken."""
        found = self.ask(
            "SELECT min(from_ms) FROM message WHERE namespace = ? AND queue = ? AND from_ms > ?", self.key(queue), self.now_ms()
        )
        until = min([end, *(row[0] for row in found if row[0] is not None)])
        future = asyncio.get_running_loop().create_future()
        self.database.waiting.append(future)
        try:
            await asyncio.wait([future], timeout=max(0.0, until / 1000 - self.database.clock.now_s()) + 1e-6)
        finally:
            self.database.waiting.remove(future)

    def valid(self, lease: Lease, call: str) -> int:
        queue = self.rules.queue(lease.queue, call)
        number = int(lease.message.id)
        rows = self.ask(
            "SELECT id FROM message WHERE namespace = ? AND queue = ? AND id = ? AND token = ? AND from_ms > ?",
            *(self.key(queue), number, int(lease.token), self.now_ms()),
        )
        if not rows:
            raise Conflict(f"sql: {call} {queue[:40]!a}: the lease has ended")
        return number

    # Calls

    async def enqueue(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        return self.put(self.rules.draft("enqueue", queue, payload, headers))

    async def enqueue_with_priority(
        self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, priority: int = 0
    ) -> str:
        return self.put(self.rules.draft("enqueue_with_priority", queue, payload, headers, rank=priority))

    async def enqueue_delayed(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, delay_s: float) -> str:
        return self.put(self.rules.draft("enqueue_delayed", queue, payload, headers, delay_s=delay_s))

    async def scheduled_count(self, queue: str) -> int:
        self.rules.queue(queue, "scheduled_count")
        rows = self.ask(
            "SELECT count(*) FROM message WHERE namespace = ? AND queue = ? AND token IS NULL AND from_ms > ?",
            *(self.key(queue), self.now_ms()),
        )
        return int(rows[0][0])

    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        self.rules.queue(queue, "dequeue")
        return await self.take(queue, self.rules.wait(timeout_s, "dequeue"), self.pop)

    def pop(self, row: Any) -> QueueMessage:
        self.database.ask("DELETE FROM message WHERE id = ?", row[0])
        return self.message(row)

    async def peek(self, queue: str) -> QueueMessage | None:
        self.rules.queue(queue, "peek")
        with self.database.change():
            self.bury(queue)
        row = self.first(queue)
        return None if row is None else self.message(row)

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        self.rules.queue(queue, "receive")
        seconds, timeout_s = self.rules.lease(visibility_s, "receive"), self.rules.wait(timeout_s, "receive")
        return await self.take(queue, timeout_s, lambda row: self.lend(queue, row, seconds))

    def lend(self, queue: str, row: Any, seconds: float) -> Lease:
        token = self.serial()
        self.database.ask(
            "UPDATE message SET token = ?, from_ms = ?, attempts = attempts + 1, released = 0 WHERE id = ?",
            *(token, self.from_ms(seconds), row[0]),
        )
        return Lease(queue, self.message(row), row[3] + 1, str(token))

    async def ack(self, lease: Lease) -> None:
        with self.database.change():
            self.database.ask("DELETE FROM message WHERE id = ?", self.valid(lease, "ack"))

    async def extend(self, lease: Lease, seconds: float) -> None:
        self.rules.lease(seconds, "extend")
        with self.database.change():
            self.database.ask("UPDATE message SET from_ms = ? WHERE id = ?", self.from_ms(seconds), self.valid(lease, "extend"))

    async def release(self, lease: Lease) -> None:
        with self.database.change():
            number = self.valid(lease, "release")
            self.database.ask(
                "UPDATE message SET token = NULL, from_ms = ?, released = ? WHERE id = ?", self.now_ms(), self.serial(), number
            )
            self.bury(lease.queue)

    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        _, _, most = self.rules.policy(queue, target, max_attempts)
        with self.database.change():
            self.ask("REPLACE INTO policy VALUES (?, ?, ?, ?)", self.key(queue), self.key(target), most)
            self.bury(queue)

    async def dead_letters(self, queue: str) -> list[QueueMessage]:
        self.rules.queue(queue, "dead_letters")
        with self.database.change():
            self.bury(queue)
        return [self.message(row) for row in self.dead(queue)]

    async def redrive(self, queue: str) -> int:
        self.rules.queue(queue, "redrive")
        with self.database.change():
            self.bury(queue)
            rows = [row for row in self.dead(queue) if row[3] <= self.now_ms()]
            for row in rows:
                self.move(row[0], self.key(queue), None)
        return len(rows)


def connector(database_type: type[Database]) -> Any:
    """Return a ``connect`` that opens the file of a place once."""

    @asynccontextmanager
    async def connect(place: prism.Place) -> AsyncIterator[Database]:
        if place.shared.get("clients", 0) == 0:
            place.shared["database"] = database_type(place)
        place.shared["clients"] = place.shared.get("clients", 0) + 1
        database = place.shared["database"]
        try:
            yield database
        finally:
            place.shared["clients"] -= 1
            if not place.shared["clients"]:
                database.close()

    return connect


async def clean(database: Database, prefix: str) -> None:
    database.clean(prefix)
