"""Topics as tables of SQLite: a row for each message, and one for each subscription that it is still due to."""

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

from prism_testkit.backend import Backend, Place
from prism_testkit.interfaces import Message
from prism_testkit.traits import Traits

__all__ = ["FileOffice", "Office", "office_backend"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, namespace TEXT, topic BLOB, id TEXT, key BLOB, payload BLOB, headers TEXT);
CREATE INDEX IF NOT EXISTS by_topic ON message (namespace, topic, seq);
CREATE TABLE IF NOT EXISTS subscription (
    number INTEGER PRIMARY KEY AUTOINCREMENT, namespace TEXT, topic BLOB, name BLOB, UNIQUE (namespace, topic, name));
CREATE TABLE IF NOT EXISTS due (
    subscription INTEGER, seq INTEGER, key BLOB, count INTEGER, due_s REAL, member INTEGER, token TEXT,
    PRIMARY KEY (subscription, seq)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_key ON due (subscription, key, seq);
CREATE INDEX IF NOT EXISTS by_token ON due (token) WHERE token <> '';
"""


@dataclass(frozen=True)
class Row:
    """A message to be stored, names as bytes."""

    namespace: str
    topic: bytes
    id: str
    key: bytes | None
    payload: bytes
    headers: Mapping[str, str]


class Office:
    """The tables of one place, and who waits for them or listens."""

    insert_due = "INSERT INTO due SELECT number, ?, ?, 0, 0, 0, '' FROM subscription WHERE namespace = ? AND topic = ?"
    insert_earlier = "INSERT INTO due SELECT ?, seq, key, 0, 0, 0, '' FROM message WHERE namespace = ? AND topic = ? ORDER BY seq"
    select_last = "SELECT id FROM message WHERE namespace = ? AND topic = ? ORDER BY seq DESC LIMIT 1"
    select_free = """
        SELECT d.seq, d.count, m.id, m.topic, m.payload, m.headers FROM due AS d JOIN message AS m ON m.seq = d.seq
        WHERE d.subscription = ? AND d.member = 0 AND d.due_s <= ? AND (d.key IS NULL OR NOT EXISTS (
            SELECT 1 FROM due AS e WHERE e.subscription = d.subscription AND e.key = d.key AND e.seq < d.seq))
        ORDER BY d.seq LIMIT ?"""
    select_next_due = "SELECT min(due_s) FROM due WHERE subscription = ? AND member = 0 AND due_s > ?"
    update_held = "UPDATE due SET member = ?, token = ?, count = ? WHERE subscription = ? AND seq = ?"
    delete_acked = "DELETE FROM due WHERE subscription = ? AND member = ? AND token = ?"
    update_nacked = "UPDATE due SET member = 0, token = '', due_s = ? WHERE subscription = ? AND member = ? AND token = ?"
    update_left = "UPDATE due SET member = 0, token = '' WHERE subscription = ? AND member = ?"
    file = ":memory:"

    def __init__(self, place: Place) -> None:
        self.clock = place.clock
        self.place = place
        self.listeners: dict[str, list[Any]] = {}
        self.sleepers: set[asyncio.Future[None]] = set()
        self.members = 0
        self.notes: dict[Any, Any] = {}
        self.database = self.opened()
        self.database.executescript(SCHEMA)
        self.begin()

    def opened(self) -> sqlite3.Connection:
        return sqlite3.connect(self.file, isolation_level=None)

    def begin(self) -> None:
        """What members of before held is free."""
        self.database.execute("UPDATE due SET member = 0, token = ''")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        self.database.execute("BEGIN IMMEDIATE")
        try:
            yield self.database
        except BaseException:
            self.database.execute("ROLLBACK")
            raise
        self.database.execute("COMMIT")

    def wake(self) -> None:
        for sleeper in self.sleepers:
            if not sleeper.done():
                sleeper.set_result(None)

    async def sleep(self, within_s: float | None) -> None:
        """Return when something happened, or after ``within_s``."""
        sleeper = asyncio.get_running_loop().create_future()
        self.sleepers.add(sleeper)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await sleeper
        finally:
            self.sleepers.discard(sleeper)

    def store(self, row: Row) -> None:
        with self.transaction() as database:
            cursor = database.execute(
                "INSERT INTO message (namespace, topic, id, key, payload, headers) VALUES (?, ?, ?, ?, ?, ?)",
                (row.namespace, row.topic, row.id, row.key, row.payload, self.packed(row.headers)),
            )
            database.execute(self.insert_due, (cursor.lastrowid, row.key, row.namespace, row.topic))
        self.wake()

    def packed(self, headers: Mapping[str, str]) -> str:
        return json.dumps(dict(headers))

    def unpacked(self, text: str) -> dict[str, str]:
        headers: dict[str, str] = json.loads(text)
        return headers

    def subscription(self, namespace: str, topic: bytes, name: bytes, earliest: bool) -> int:
        """Return the number of a subscription, making it if there is none."""
        with self.transaction() as database:
            known = database.execute(
                "SELECT number FROM subscription WHERE namespace = ? AND topic = ? AND name = ?", (namespace, topic, name)
            ).fetchone()
            if known:
                return int(known[0])
            cursor = database.execute(
                "INSERT INTO subscription (namespace, topic, name) VALUES (?, ?, ?)", (namespace, topic, name)
            )
            if earliest:
                database.execute(self.insert_earlier, (cursor.lastrowid, namespace, topic))
            return int(cursor.lastrowid or 0)

    def last(self, namespace: str, topic: bytes) -> str | None:
        row = self.database.execute(self.select_last, (namespace, topic)).fetchone()
        return row[0] if row else None

    def take(self, subscription: int, member: int, most: int, token: Callable[[], str]) -> list[tuple[Message, int, str]]:
        """Hold up to ``most`` messages that are free: each with its count and token."""
        taken = []
        with self.transaction() as database:
            for seq, count, name, topic, payload, headers in database.execute(
                self.select_free, (subscription, self.clock.now_s(), most)
            ).fetchall():
                mark = token()
                database.execute(self.update_held, (member, mark, count + 1, subscription, seq))
                taken.append((Message(name, topic.decode(), payload, self.unpacked(headers)), count + 1, mark))
        return taken

    def next_due(self, subscription: int) -> float | None:
        due: float | None = self.database.execute(self.select_next_due, (subscription, self.clock.now_s())).fetchone()[0]
        return due

    def change(self, statement: str, *rows: tuple[Any, ...]) -> None:
        """Change all of these rows, or none."""
        with self.transaction() as database:
            database.executemany(statement, rows)
        self.wake()

    def clean(self, prefix: str) -> None:
        with self.transaction() as database:
            database.execute(
                "DELETE FROM due WHERE subscription IN (SELECT number FROM subscription WHERE substr(namespace, 1, ?) = ?)",
                (len(prefix), prefix),
            )
            for table in ("subscription", "message"):
                database.execute(f"DELETE FROM {table} WHERE substr(namespace, 1, ?) = ?", (len(prefix), prefix))
        self.notes.clear()

    def close(self) -> None:
        self.database.close()


class FileOffice(Office):
    """The tables are in a file, which is there after a kill."""

    def opened(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.place.directory / "office.db", isolation_level=None)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = OFF")
        return database


TRAITS = Traits(delivery_count="exact", member_timeout_s=0.0)
KEPT = Traits(
    delivery_count="exact", member_timeout_s=0.0, durability="process", ack_survives_kill="yes", attempts_survive_kill="yes"
)


async def _clean(office: Office, prefix: str) -> None:
    office.clean(prefix)


def office_backend(name: str, driver: Any, kind: type[Office] = Office, **more: Any) -> Backend[Office]:
    """Make a backend of a driver over tables."""

    @asynccontextmanager
    async def connect(place: Place) -> AsyncIterator[Office]:
        if not place.shared.get("office clients"):
            place.shared["office"] = kind(place)
        place.shared["office clients"] = place.shared.get("office clients", 0) + 1
        try:
            yield place.shared["office"]
        finally:
            place.shared["office clients"] -= 1
            if not place.shared["office clients"] and issubclass(kind, FileOffice):
                place.shared["office"].close()

    settings: dict[str, Any] = {"clean": _clean, "traits": KEPT if issubclass(kind, FileOffice) else TRAITS, **more}
    return Backend(name=name, connect=connect, drivers=(driver,), **settings)
