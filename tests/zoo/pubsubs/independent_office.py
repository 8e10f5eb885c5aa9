"""The tables of a place, who waits for a change of them, and the clerks who alone ask them."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from prism_testkit.backend import Place

__all__ = ["SCHEMA", "TAKE", "Clerk", "Office", "wait_for"]

T = TypeVar("T")
SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, ns TEXT, topic BLOB, payload BLOB, headers TEXT, okey BLOB);
CREATE INDEX IF NOT EXISTS by_topic ON message (ns, topic, okey, seq);
CREATE TABLE IF NOT EXISTS sub (id INTEGER PRIMARY KEY, ns TEXT, topic BLOB, name BLOB, since INTEGER, UNIQUE (ns, topic, name));
CREATE TABLE IF NOT EXISTS state (
    sub INTEGER, seq INTEGER, member INTEGER, count INTEGER, due REAL, acked INTEGER DEFAULT 0, PRIMARY KEY (sub, seq));
CREATE TABLE IF NOT EXISTS mail (
    n INTEGER PRIMARY KEY AUTOINCREMENT, listener INTEGER, id TEXT, topic TEXT, payload BLOB, headers TEXT);
CREATE INDEX IF NOT EXISTS by_listener ON mail (listener, n);
"""
TAKE = """
SELECT m.seq, m.payload, m.headers, coalesce(s.count, 0) FROM message m LEFT JOIN state s ON s.sub = :sub AND s.seq = m.seq
WHERE m.ns = :ns AND m.topic = :topic AND m.seq > :since AND (s.seq IS NULL OR (NOT s.acked AND s.member IS NULL AND s.due <= :now))
AND (m.okey IS NULL OR NOT EXISTS (
    SELECT 1 FROM message e LEFT JOIN state t ON t.sub = :sub AND t.seq = e.seq WHERE e.ns = :ns AND e.topic = :topic
    AND e.okey = m.okey AND e.seq < m.seq AND e.seq > :since AND NOT coalesce(t.acked, 0)))
ORDER BY m.seq LIMIT :most
"""


class Office:
    """The tables of one place, who listens, who is a member, and who waits for something to change."""

    def __init__(self, place: Place, path: str) -> None:
        self.clock = place.clock
        self.db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.db.executescript(SCHEMA)
        self.db.execute("PRAGMA synchronous = OFF")
        self.db.execute("UPDATE state SET member = NULL")
        self.db.execute("DELETE FROM mail")
        self.listeners: dict[int, tuple[str, Callable[[str, Mapping[str, str]], bool]]] = {}
        self.members: set[int] = set()
        self.waiting: set[asyncio.Future[None]] = set()
        self.numbers = 0

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it or nothing; then whoever waits looks again."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield self.db
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")
        self.ring()

    def ring(self) -> None:
        for waiter in self.waiting:
            if not waiter.done():
                waiter.set_result(None)

    @contextlib.contextmanager
    def noticing(self) -> Iterator["asyncio.Future[None]"]:
        """Notice a change that comes from now on, so that none falls between a look and a wait."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.add(waiter)
        try:
            yield waiter
        finally:
            self.waiting.discard(waiter)


class Clerk:
    """Does what is asked of the tables, one thing after the other."""

    def __init__(self) -> None:
        self.mailbox: asyncio.Queue[tuple[Callable[[], Any], asyncio.Future[Any]]] = asyncio.Queue()
        self.task: asyncio.Task[None] | None = None

    async def ask(self, work: Callable[[], T], undo: Callable[[T], None] | None = None) -> T:
        """Have it done. Cancelled, it is not begun any more; was it done already, ``undo`` takes it back."""
        if self.task is None:
            self.task = asyncio.create_task(self.run())
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.mailbox.put_nowait((work, answer))
        try:
            return await answer
        except asyncio.CancelledError:
            if undo is not None and answer.done() and not answer.cancelled() and answer.exception() is None:
                undo(answer.result())
            raise

    async def run(self) -> None:
        while True:
            work, answer = await self.mailbox.get()
            if answer.done():
                continue
            try:
                answer.set_result(work())
            except Exception as error:
                answer.set_exception(error)

    async def close(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait((self.task,))
            self.task = None


async def wait_for(waiter: "asyncio.Future[None]", seconds: float | None) -> None:
    await asyncio.wait((waiter,), timeout=seconds)
