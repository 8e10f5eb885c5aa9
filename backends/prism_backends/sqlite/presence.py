"""Is whoever wrote a row still there? Known by a lock, which the operating system takes from a process however it dies.

So nobody has to send signs of life, and no clock has to tell when they stopped coming. The lock is SQLite's own, on an empty
file beside the database: it works where SQLite works, and between two connections of one process as between two processes
(https://sqlite.org/lockingv3.html, https://sqlite.org/src/doc/trunk/src/os_unix.c on why no other way of locking may touch it).
"""

import asyncio
import secrets
import sqlite3
from collections.abc import Hashable
from contextlib import closing
from pathlib import Path

from prism_backends.sqlite.client import SqliteClient, Work
from prism_testkit.interfaces.errors import Closed

__all__ = ["Presence", "depart", "is_gone"]


class Presence:
    """One driver, as others see it: ``name`` stands in its rows, and is locked while somebody is in."""

    def __init__(self) -> None:
        self.name = secrets.token_hex(8)
        self._inside: set[Hashable] = set()
        self._lock: sqlite3.Connection | None = None
        self._path = Path()

    def enter(self, connection: sqlite3.Connection, who: Hashable) -> str:
        """Be there for others from now on, and return the name. To be called on the connection's thread, before the row is."""
        self._inside.add(who)
        if self._lock is None:
            self._path = _path(connection, self.name)
            self._lock = sqlite3.connect(self._path, timeout=0, isolation_level=None, check_same_thread=False)
            self._lock.execute("PRAGMA journal_mode = OFF")  # no second file: nothing is ever written
            self._lock.execute("BEGIN EXCLUSIVE")
        return self.name

    def leave(self, who: Hashable) -> None:
        """Let go of the name, and remove its file, when the last one leaves. A repeat does nothing."""
        self._inside.discard(who)
        if self._lock is not None and not self._inside:
            self._lock.close()
            self._lock = None
            self._path.unlink(missing_ok=True)


def is_gone(connection: sqlite3.Connection, name: str) -> bool:
    """Tell whether nobody holds ``name`` any more; it will not come back. What a dead one left behind is removed."""
    path = _path(connection, name)
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=0, isolation_level=None)) as probe:
            probe.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_CANTOPEN  # there is no such file; else it is busy
    path.unlink(missing_ok=True)
    return True


async def depart(client: SqliteClient, what: str, rows: Work[None], presence: Presence, who: Hashable) -> None:
    """Remove one's rows, then one's presence, whoever cancels the caller. A client that is closed left its rows to others."""
    try:
        await asyncio.shield(client.write(what, rows))
    except Closed:
        pass
    finally:
        try:
            await asyncio.shield(client.read(what, lambda connection, now_s: presence.leave(who)))
        except Closed:
            presence.leave(who)  # the thread has ended


def _path(connection: sqlite3.Connection, name: str) -> Path:
    (_, _, file), *_ = connection.execute("PRAGMA database_list")
    return Path(f"{file}-{name}")
