"""A right driver of all five stream interfaces over SQL tables in a file: every call is one transaction.

Names are stored as the bytes of their UTF-8. Every lane (a partition, or the one of an ordinary stream) counts its records from 1.
"""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from prism_testkit.backend import Backend, Place
from prism_testkit.clock import Clock
from prism_testkit.interfaces import Record
from prism_testkit.traits import Traits

__all__ = ["FAR", "TRAITS", "Tables", "clean", "connect_with", "tables_backend"]

FAR = 2**62
"""No offset comes as far; what is asked for beyond it is not told apart, for the tables hold 64 bits."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS stream(id INTEGER PRIMARY KEY AUTOINCREMENT, space TEXT, name BLOB, parts INTEGER DEFAULT 1,
    used INTEGER DEFAULT 0, age REAL, most INTEGER, UNIQUE(space, name));
CREATE TABLE IF NOT EXISTS lane(stream INTEGER, part INTEGER, last INTEGER DEFAULT 0, floor INTEGER DEFAULT 0, ms INTEGER DEFAULT 0,
    PRIMARY KEY(stream, part));
CREATE TABLE IF NOT EXISTS record(stream INTEGER, part INTEGER, off INTEGER, key BLOB, payload BLOB, headers TEXT, ms INTEGER,
    PRIMARY KEY(stream, part, off));
CREATE TABLE IF NOT EXISTS grp(id INTEGER PRIMARY KEY AUTOINCREMENT, stream INTEGER, name BLOB, UNIQUE(stream, name));
CREATE TABLE IF NOT EXISTS cursor(grp INTEGER, part INTEGER, at INTEGER, PRIMARY KEY(grp, part));
CREATE TABLE IF NOT EXISTS member(id INTEGER PRIMARY KEY AUTOINCREMENT, grp INTEGER, label BLOB);
CREATE TABLE IF NOT EXISTS pending(grp INTEGER, part INTEGER, off INTEGER, times INTEGER, member INTEGER DEFAULT 0,
    due REAL DEFAULT 0, PRIMARY KEY(grp, part, off));
"""


class Tables:
    """One file, with the one connection that this process has to it, and those who wait for something to change."""

    def __init__(self, place: Place) -> None:
        self.clock: Clock = place.clock
        self.base = sqlite3.connect(place.directory / "independent.db", isolation_level=None)
        self.base.execute("PRAGMA journal_mode=WAL")
        self.base.execute("PRAGMA synchronous=OFF")
        self.base.executescript(SCHEMA)
        self.clients = 0
        self.waiting: set[asyncio.Future[None]] = set()
        self.bury()

    def bury(self) -> None:
        """Whoever is a member here died with the process before: what it held comes again."""
        with self.writing():
            self.run("UPDATE pending SET member=0, due=0 WHERE member")
            self.run("DELETE FROM member")

    def run(self, statement: str, *values: Any) -> sqlite3.Cursor:
        return self.base.execute(statement, values)

    def one(self, statement: str, *values: Any) -> Any:
        """Return the first column of the first row, or None."""
        row = self.run(statement, *values).fetchone()
        return None if row is None else row[0]

    @contextmanager
    def writing(self, wakes: bool = True) -> Iterator[None]:
        self.run("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.run("ROLLBACK")
            raise
        self.run("COMMIT")
        if wakes:
            self.wake()

    def wake(self) -> None:
        waiting, self.waiting = self.waiting, set()
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def changed(self, seconds: float) -> None:
        """Return after a change, or after so many seconds."""
        waiter = asyncio.get_running_loop().create_future()
        self.waiting.add(waiter)
        try:
            await asyncio.wait({waiter}, timeout=max(0.001, seconds))
        finally:
            self.waiting.discard(waiter)

    # Streams

    def stream(self, space: str, name: str) -> int | None:
        found: int | None = self.one("SELECT id FROM stream WHERE space=? AND name=?", space, name.encode())
        return found

    def made(self, space: str, name: str) -> int:
        found = self.stream(space, name)
        if found is None:
            self.run("INSERT INTO stream(space, name) VALUES(?,?)", space, name.encode())
            found = self.stream(space, name)
            assert found is not None
            self.run("INSERT INTO lane(stream, part) VALUES(?,0)", found)
        return found

    def parts(self, stream: int | None) -> int:
        return 1 if stream is None else int(self.one("SELECT parts FROM stream WHERE id=?", stream))

    def use(self, stream: int) -> None:
        self.run("UPDATE stream SET used=1 WHERE id=?", stream)

    def last(self, stream: int | None, part: int) -> int:
        return int(self.one("SELECT last FROM lane WHERE stream=? AND part=?", stream, part) or 0)

    def add(self, stream: int, part: int, key: str | None, payload: bytes, headers: Mapping[str, str]) -> int:
        offset = self.last(stream, part) + 1
        ms = max(self.clock.now_ms(), self.one("SELECT ms FROM lane WHERE stream=? AND part=?", stream, part))
        named = None if key is None else key.encode()
        self.run("INSERT INTO record VALUES(?,?,?,?,?,?,?)", stream, part, offset, named, payload, json.dumps(headers), ms)
        self.run("UPDATE lane SET last=?, ms=? WHERE stream=? AND part=?", offset, ms, stream, part)
        self.use(stream)
        return offset

    def rows(self, stream: int | None, part: int, first: int, last: int, most: int) -> list[Record]:
        """Return up to ``most`` records from ``first`` to ``last``."""
        found = self.run(
            "SELECT off, key, payload, headers, ms FROM record"
            " WHERE stream=? AND part=? AND off BETWEEN ? AND ? ORDER BY off LIMIT ?",
            *(stream, part, min(first, FAR), min(last, FAR), min(most, FAR)),
        )
        return [
            Record(off, None if key is None else key.decode(), payload, json.loads(headers), ms, part)
            for off, key, payload, headers, ms in found.fetchall()
        ]

    def oldest(self, stream: int, part: int) -> int:
        """Return the offset of the first record that is kept, or of the next one."""
        return int(self.one("SELECT min(off) FROM record WHERE stream=? AND part=?", stream, part) or self.last(stream, part) + 1)

    def cut(self, stream: int, part: int, before: int) -> int:
        """Remove what is below, and return the lowest offset that is left."""
        bound = min(before, self.last(stream, part) + 1)
        self.run("DELETE FROM record WHERE stream=? AND part=? AND off<?", stream, part, bound)
        self.run("UPDATE lane SET floor=max(floor, ?) WHERE stream=? AND part=?", bound, stream, part)
        return int(self.one("SELECT floor FROM lane WHERE stream=? AND part=?", stream, part))

    def enforce(self, stream: int) -> None:
        age, most = self.run("SELECT age, most FROM stream WHERE id=?", stream).fetchone()
        for part in range(self.parts(stream)):
            if age is not None:
                past = self.clock.now_ms() - age * 1000
                self.run("DELETE FROM record WHERE stream=? AND part=? AND ms<?", stream, part, past)
            if most is not None:
                self.run(
                    "DELETE FROM record WHERE stream=? AND part=? AND off NOT IN"
                    " (SELECT off FROM record WHERE stream=? AND part=? ORDER BY off DESC LIMIT ?)",
                    *(stream, part, stream, part, most),
                )

    def compact(self, stream: int) -> None:
        self.run(
            "DELETE FROM record WHERE stream=? AND key IS NOT NULL AND off < (SELECT max(b.off) FROM record b"
            " WHERE b.stream=record.stream AND b.part=record.part AND b.key=record.key)",
            stream,
        )

    # Groups

    def group(self, stream: int | None, name: str) -> int | None:
        found: int | None = self.one("SELECT id FROM grp WHERE stream=? AND name=?", stream, name.encode())
        return found

    def release(self, group: int, member: int) -> None:
        """A member has left: what it held is to come again."""
        self.run("UPDATE pending SET member=0, due=0 WHERE grp=? AND member=?", group, member)
        self.run("DELETE FROM member WHERE id=?", member)


def connect_with(kind: type[Tables]) -> Any:
    """Return a ``connect`` whose clients of one place share one connection."""

    @asynccontextmanager
    async def connect(place: Place) -> AsyncIterator[Tables]:
        tables: Tables = place.shared.get("tables") or place.shared.setdefault("tables", kind(place))
        tables.clients += 1
        try:
            yield tables
        finally:
            tables.clients -= 1
            if not tables.clients:
                del place.shared["tables"]
                tables.base.close()

    return connect


async def clean(tables: Tables, prefix: str) -> None:
    """Remove every namespace that begins with ``prefix``."""
    with tables.writing():
        found = tables.run("SELECT id FROM stream WHERE substr(space, 1, ?)=?", len(prefix), prefix).fetchall()
        for (stream,) in found:
            for table in ("lane", "record"):
                tables.run(f"DELETE FROM {table} WHERE stream=?", stream)
            for table in ("cursor", "member", "pending"):
                tables.run(f"DELETE FROM {table} WHERE grp IN (SELECT id FROM grp WHERE stream=?)", stream)
            tables.run("DELETE FROM grp WHERE stream=?", stream)
            tables.run("DELETE FROM stream WHERE id=?", stream)


TRAITS = Traits(
    durability="process",
    ack_survives_kill="yes",
    attempts_survive_kill="yes",
    member_timeout_s=1.0,
    group_parallelism="record",
    delivery_count="exact",
    compaction="immediate",
)


def tables_backend(name: str, driver: Any, kind: type[Tables] = Tables, **more: Any) -> Backend[Tables]:
    """Make a backend of a driver over tables."""
    settings: dict[str, Any] = {"clean": clean, **more}
    return Backend(name=name, connect=connect_with(kind), drivers=(driver,), **settings)
