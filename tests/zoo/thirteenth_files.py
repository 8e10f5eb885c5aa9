"""A right driver over SQL that keeps long values in files of their own, as caches on disk do.

A file is written before the row that names it, and removed after the commit that takes the name away; who finds a file gone reads
the row again. What a process leaves that dies in between is a file that no row names.
"""

import itertools
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from prism_testkit.backend import Place

from .independent_sql import Database, SqlKeyValue, sql_backend

__all__ = ["RIGHT", "FileDatabase", "FileKeyValue"]

_INLINE, _FILE = b"i", b"f"


class FileDatabase(Database):
    """The connection, and a folder of values beside its file."""

    _numbers: ClassVar[Any] = itertools.count()

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.folder: Path = place.directory / "values"
        self.folder.mkdir(exist_ok=True)

    def keep(self, value: bytes) -> str:
        """Write a file of a name of its own; return that."""
        name = f"{os.getpid()}-{next(self._numbers)}-{os.urandom(6).hex()}"
        (self.folder / name).write_bytes(value)
        return name

    def fetch(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def drop(self, name: str) -> None:
        with suppress(FileNotFoundError):
            (self.folder / name).unlink()


class FileKeyValue(SqlKeyValue):
    """What is longer than ``longest`` is in a file, and the row holds its name."""

    database: FileDatabase
    longest: ClassVar[int] = 32_768

    def __init__(self, database: FileDatabase, namespace: str) -> None:
        super().__init__(database, namespace)
        self.given_up: list[str] = []

    def stored(self, value: bytes) -> bytes:
        return _INLINE + value if len(value) <= self.longest else _FILE + self.database.keep(value).encode()

    def loaded(self, stored: bytes) -> bytes:
        return stored[1:] if stored[:1] == _INLINE else self.database.fetch(stored[1:].decode())

    def file_of(self, row: bytes) -> str | None:
        """Return the name of the file of a row, be it in force or not."""
        found = self.database.run("SELECT value FROM entry WHERE space = ? AND key = ?", self.namespace, row).fetchone()
        return found[0][1:].decode() if found and found[0][:1] == _FILE else None

    def give_up(self, row: bytes) -> None:
        """The row goes, or names another file, once this is committed."""
        name = self.file_of(row)
        if name is not None:
            self.given_up.append(name)

    def writing(self, work: Callable[..., Any], *arguments: Any) -> Any:
        self.given_up.clear()
        result = super().writing(work, *arguments)
        self.sweep()
        return result

    def sweep(self) -> None:
        while self.given_up:
            self.database.drop(self.given_up.pop())

    def put(self, row: bytes, value: bytes, ttl_s: float | None = None) -> None:
        self.give_up(row)
        super().put(row, self.stored(value), ttl_s)

    def remove(self, row: bytes) -> bool:
        self.give_up(row)
        return super().remove(row)

    def look(self, row: bytes) -> tuple[int, bytes | None]:
        while True:
            number, stored = super().look(row)
            if stored is None:
                return number, None
            with suppress(FileNotFoundError):
                return number, self.loaded(stored)

    def page(self, prefix: bytes, after: bytes, size: int) -> list[Any]:
        while True:
            with suppress(FileNotFoundError):
                return [(row, self.loaded(stored)) for row, stored in super().page(prefix, after, size)]


RIGHT = (sql_backend("zoo-thirteenth-files", FileKeyValue, FileDatabase),)
