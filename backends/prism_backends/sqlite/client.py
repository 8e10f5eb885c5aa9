"""One connection to one SQLite file, off the event loop: how it is made, used, shared between processes, and how it fails.

The file is in WAL mode, where readers and the one writer do not wait for each other (https://sqlite.org/wal.html), and every
commit is synced. Writers of several connections take turns; who waits longer than `BUSY_S` for the turn gives up.
"""

import asyncio
import os
import sqlite3
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import prism_testkit as prism
from prism_backends.cancellation import ended
from prism_backends.sqlite.schema import SCHEMA, TABLES, above
from prism_testkit.interfaces.errors import AccessDenied, BackendUnavailable, Closed, CorruptPayload, PrismError, QuotaExceeded

__all__ = ["BUSY_S", "SqliteClient", "Work", "clean", "connect"]

T = TypeVar("T")
Work = Callable[[sqlite3.Connection, float], T]
"""What runs on the connection's thread, given the connection and the instant in seconds since the epoch."""

BUSY_S = 10.0
"""How long a write waits for the writer of another connection."""

_BETWEEN = "namespace >= :lower AND namespace < :upper"
_USED = "SELECT " + ", ".join(f"EXISTS (SELECT 1 FROM {table} WHERE {_BETWEEN})" for table in TABLES)

_ERRORS: dict[int, type[PrismError]] = {
    sqlite3.SQLITE_FULL: QuotaExceeded,
    sqlite3.SQLITE_PERM: AccessDenied,
    sqlite3.SQLITE_READONLY: AccessDenied,
    sqlite3.SQLITE_CORRUPT: CorruptPayload,
    sqlite3.SQLITE_NOTADB: CorruptPayload,
}


class SqliteClient:
    """What `connect` yields: one connection, and one thread for it, so that calls queue in order instead of colliding.

    A call is one function that begins and ends its own transaction, so nothing is locked between two calls. A cancelled call
    that has begun runs to its end; the next one waits behind it. ``shared`` is one for all clients of a place in this process.
    """

    def __init__(self, path: Path, clock: prism.Clock, shared: dict[str, Any] | None = None) -> None:
        self.clock = clock
        self.shared = {} if shared is None else shared
        self._path = path
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="prism-sqlite")
        self._connection: sqlite3.Connection | None = None
        self.spare: list[Any] = []
        """Locked names (see `presence`) that nobody uses; only for the connection's thread."""
        self.swept = False
        self._closed = False

    async def open(self) -> None:
        """Make the file if there is none, and open it."""
        await self.read("connect", lambda connection, now_s: None)

    async def close(self) -> None:
        """Let what was called before finish, then close the connection. A repeat does nothing; later calls raise `Closed`."""
        if not self._closed:
            self._closed = True
            closing_down = asyncio.get_running_loop().run_in_executor(self._executor, self._close)
            self._executor.shutdown(wait=False)
            await asyncio.shield(closing_down)  # a cancelled close is a close too

    async def read(self, what: str, work: Work[T]) -> T:
        """Run ``work`` outside of a transaction: each statement sees one state of the file. ``what`` is for the error."""
        return await self._run(what, partial(self._read, work), BackendUnavailable)

    async def write(self, what: str, work: Work[T], busy: type[PrismError] = BackendUnavailable) -> T:
        """Run ``work`` as the only writer and commit; ``busy`` is raised, with nothing done, if the turn does not come."""
        return await self._run(what, partial(self._write, work), busy)

    async def take(self, what: str, work: Work[T], undo: Callable[[T], Work[object]]) -> T:
        """Like `write`, but cancelled it leaves nothing done: what ``work`` committed meanwhile is undone before the call ends.

        Between the two commits others see what was done. What the undoing raises is raised instead of the cancellation.
        """
        abandoned = threading.Event()

        def unless_abandoned(connection: sqlite3.Connection, now_s: float) -> T:
            result = work(connection, now_s)
            if abandoned.is_set():
                raise _Abandoned
            return result

        # Not a task: whoever cancels all tasks to end a loop would cancel this one too, and nobody would know what it did.
        taking = self._begin(what, partial(self._write, unless_abandoned))
        try:
            await asyncio.wait([taking])
        except asyncio.CancelledError:
            abandoned.set()
            await ended(taking)
            if taking.exception() is None:
                undoing = self._begin(what, partial(self._write, undo(taking.result())))
                await ended(undoing)
                with _translating(what, BackendUnavailable):
                    undoing.result()
            raise
        with _translating(what, BackendUnavailable):
            return taking.result()

    async def _run(self, what: str, step: Callable[[], T], busy: type[PrismError]) -> T:
        try:
            return await self._begin(what, step)
        except (sqlite3.Error, OSError) as error:
            raise _translated(error, busy)(f"sqlite: {what}: {error}") from error

    def _begin(self, what: str, step: Callable[[], T]) -> asyncio.Future[T]:
        if self._closed:
            raise Closed(f"sqlite: {what}: the connection is closed")
        return asyncio.get_running_loop().run_in_executor(self._executor, step)

    def _read(self, work: Work[T]) -> T:
        # The instant is taken before the look: what was present then, and is still there, was present for sure.
        return work(self._opened(), self.clock.now_s())

    def _write(self, work: Work[T]) -> T:
        connection = self._opened()
        connection.execute("BEGIN IMMEDIATE")
        try:
            # The instant is taken while nobody else can write, so that expiry and writes have one order.
            result = work(connection, self.clock.now_s())
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return result

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = _open(self._path)
        return self._connection

    def _close(self) -> None:
        while self.spare:
            self.spare.pop().close()
        if self._connection is not None:
            self._connection.close()


@asynccontextmanager
async def connect(place: prism.Place) -> AsyncIterator[SqliteClient]:
    """Open the place's file; whoever comes first makes it."""
    client = SqliteClient(place.directory / "prism.sqlite", place.clock, place.shared)
    try:
        await client.open()
        yield client
    finally:
        await client.close()


async def clean(client: SqliteClient, prefix: str) -> None:
    """Remove every namespace that begins with ``prefix``, from every table."""
    lower = prefix.encode()
    row = {"lower": lower, "upper": above(lower)}

    def work(connection: sqlite3.Connection, now_s: float) -> None:
        # Most tables have nothing to remove, and to ask all at once takes a fifth of the time of as many statements.
        (used,) = connection.execute(_USED, row)
        for table, is_used in zip(TABLES, used, strict=True):
            if is_used:
                connection.execute(f"DELETE FROM {table} WHERE {_BETWEEN}", row)

    await client.write(f"clean {prefix!a}", work)


def _open(path: Path) -> sqlite3.Connection:
    if not path.exists():
        _create(path)
    connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def _create(path: Path) -> None:
    """Make the file whole beside its place, then link it there: of any number that race one wins, and none sees it half made.

    Switching an open file to WAL cannot be raced: it fails with SQLITE_BUSY at once, whatever the busy timeout.
    """
    handle, name = tempfile.mkstemp(prefix="draft-", dir=path.parent)
    os.close(handle)
    try:
        with closing(sqlite3.connect(name)) as connection:
            connection.executescript(SCHEMA)
        with suppress(FileExistsError):
            path.hardlink_to(name)
    finally:
        Path(name).unlink()


class _Abandoned(Exception):
    """Raised inside of a transaction, to roll it back because nobody waits for it any more."""


@contextmanager
def _translating(what: str, busy: type[PrismError]) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise _translated(error, busy)(f"sqlite: {what}: {error}") from error


def _translated(error: sqlite3.Error | OSError, busy: type[PrismError]) -> type[PrismError]:
    if isinstance(error, PermissionError):
        return AccessDenied
    # The low byte is the primary code: SQLITE_BUSY_SNAPSHOT and SQLITE_BUSY_RECOVERY are SQLITE_BUSY too.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
    return busy if code == sqlite3.SQLITE_BUSY else _ERRORS.get(code, BackendUnavailable)
