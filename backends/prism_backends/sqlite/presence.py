"""Is whoever wrote a row still there? Known by a lock, which the operating system takes from a process however it dies.

So nobody has to send signs of life, and no clock has to tell when they stopped coming. The lock is SQLite's own, on an empty
file beside the database: it works where SQLite works, and between two connections of one process as between two processes
(https://sqlite.org/lockingv3.html, https://sqlite.org/src/doc/trunk/src/os_unix.c on why no other way of locking may touch it).

To make such a file costs several times what a row does. So a name that nobody uses any more, with not a row left that has it, is
kept with its lock by the client, for the next one.
"""

import asyncio
import secrets
import sqlite3
from collections.abc import Hashable
from contextlib import closing
from pathlib import Path
from weakref import WeakValueDictionary

from prism_backends.sqlite.client import SqliteClient, Work
from prism_testkit.interfaces.errors import Closed

__all__ = ["Presence", "depart", "is_gone"]


class _Name:
    """A name with its lock: a file that is locked until it is closed, or this is collected."""

    def __init__(self, file: str) -> None:
        self.text = secrets.token_hex(8)
        self._path = Path(f"{file}-{self.text}")
        self._lock = sqlite3.connect(self._path, timeout=0, isolation_level=None, check_same_thread=False)
        self._lock.execute("PRAGMA journal_mode = OFF")  # no second file: nothing is ever written
        self._lock.execute("BEGIN EXCLUSIVE")
        _HERE[self.text] = self

    def close(self) -> None:
        _HERE.pop(self.text, None)
        self._lock.close()
        self._path.unlink(missing_ok=True)


_HERE: WeakValueDictionary[str, _Name] = WeakValueDictionary()
"""What this process has locked, so that it need not try its own locks."""


class Presence:
    """One driver, as others see it: ``name`` stands in its rows, and is locked while somebody is in."""

    def __init__(self, client: SqliteClient) -> None:
        self._client = client
        self._name: _Name | None = None
        self._inside: set[Hashable] = set()
        self._left_rows = False

    @property
    def name(self) -> str:
        """Empty while nobody is in."""
        return "" if self._name is None else self._name.text

    def enter(self, connection: sqlite3.Connection, who: Hashable) -> str:
        """Be there for others from now on, and return the name. To be called in the transaction that writes the row, before it."""
        self._inside.add(who)
        if self._name is None:
            self._name = self._client.spare.pop() if self._client.spare else self._made(connection)
        return self._name.text

    def _made(self, connection: sqlite3.Connection) -> _Name:
        file = _file(connection)
        if not self._client.swept:
            self._client.swept = True
            # Of killed processes, some of which nobody asks for any more. Files are made, and locked, by one writer at a time.
            for path in Path(file).parent.glob(f"{Path(file).name}-{'[0-9a-f]' * 16}"):
                is_gone(connection, path.name.rpartition("-")[2])
        return _Name(file)

    def leave(self, who: Hashable, *, left_rows: bool = False) -> None:
        """Let go of the name when the last one leaves; if one of them left rows, for good. A repeat does nothing."""
        self._left_rows |= left_rows and who in self._inside
        self._inside.discard(who)
        if self._name is not None and not self._inside:
            name, self._name = self._name, None
            if self._left_rows:
                name.close()
            else:
                self._client.spare.append(name)
            self._left_rows = False


def is_gone(connection: sqlite3.Connection, name: str) -> bool:
    """Tell whether nobody holds ``name`` any more; it will not come back. What a dead one left behind is removed."""
    if name in _HERE:
        return False
    path = Path(f"{_file(connection)}-{name}")
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=0, isolation_level=None)) as probe:
            probe.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_CANTOPEN  # there is no such file; else it is busy
    path.unlink(missing_ok=True)
    return True


async def depart(client: SqliteClient, what: str, rows: Work[None], presence: Presence, who: Hashable) -> None:
    """Remove one's rows, then one's presence, whoever cancels the caller. A client that is closed left its rows to others."""
    left_rows = True
    try:
        await asyncio.shield(client.write(what, rows))
        left_rows = False
    except Closed:
        pass
    finally:
        try:
            await asyncio.shield(client.read(what, lambda connection, now_s: presence.leave(who, left_rows=left_rows)))
        except Closed:
            presence.leave(who, left_rows=True)  # the thread has ended


def _file(connection: sqlite3.Connection) -> str:
    (_, _, file), *_ = connection.execute("PRAGMA database_list")
    return str(file)
