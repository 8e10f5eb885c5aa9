"""Wrong drivers that keep long values in files of their own: when the old file goes, and who still reads it.

The first two were met in a cache on disk that thousands use, under a driver of a hundred lines that passed every check but one.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from prism_testkit.backend import Backend
from prism_testkit.interfaces import Bytes, KeyValueTransaction

from .declare import HOME, Mutant
from .family import declaring_family
from .independent import make
from .independent_sql import SqlKeyValue, SqlTransaction
from .thirteenth_files import FileDatabase, FileKeyValue

__all__ = ["MUTANTS"]


def _make(name: str, wrong: type, /, **settings: Any) -> Backend[Any]:
    return make(name, wrong, **({"database": FileDatabase} if issubclass(wrong, FileKeyValue) else {}), **settings)


MUTANTS: list[Mutant] = []
mutant = declaring_family(MUTANTS, prefix="keyvalue_", make=_make, home=HOME)


@mutant(
    "basic.12",
    "order of effects",
    trap="kill in a call that replaces a long value by a long one",
    also="transactional.1",
)
class OldFilesGoBeforeTheCommit(FileKeyValue):
    """A file is removed as soon as its row was changed, within the transaction of the store."""

    def put(self, row: bytes, value: bytes, ttl_s: float | None = None) -> None:
        super().put(row, value, ttl_s)
        self.sweep()

    def remove(self, row: bytes) -> bool:
        present = super().remove(row)
        self.sweep()
        return present


@mutant(
    "basic.10",
    "gap between row and file",
    trap="a long value that is replaced by a long one while it is read",
)
class FilesThatAreGoneReadAsNothing(FileKeyValue):
    """The row is read, and then its file; if that went meanwhile the key is said to be missing."""

    async def get(self, key: str) -> bytes | None:
        row = self.key(key, "get")
        found = self.live("value", "AND key = ?3", row)
        await asyncio.sleep(0)
        try:
            return self.loaded(found[0][0]) if found else None
        except FileNotFoundError:
            return None


@mutant("scan.3", "gap between row and file", trap="a long value that is replaced while it is listed")
class ListingsSkipFilesThatAreGone(FileKeyValue):
    """A page holds names of files, which are read at their step."""

    async def walk(self, prefix: bytes, limit: int | None) -> AsyncIterator[tuple[str, bytes]]:
        rows = [item async for item in super().walk(prefix, limit)]
        named = {row: self.file_of(row.encode()) for row, _ in rows}
        await asyncio.sleep(0)
        for row, value in rows:
            name = named[row]
            if name is None or (self.database.folder / name).exists():
                yield row, value


class _DropsFirst(FileKeyValue):
    async def make_room(self, rows: Any) -> None:
        """Remove the files of rows that are going to be written, so that the disk never holds both."""
        for row in rows:
            name = self.file_of(row)
            if name is not None:
                self.database.drop(name)
        await asyncio.sleep(0)

    def look(self, row: bytes) -> tuple[int, bytes | None]:
        number, stored = SqlKeyValue.look(self, row)
        try:
            return number, None if stored is None else self.loaded(stored)
        except FileNotFoundError:
            return 0, None

    def page(self, prefix: bytes, after: bytes, size: int) -> list[Any]:
        return [(row, value) for row, _ in SqlKeyValue.page(self, prefix, after, size) if (value := self.look(row)[1]) is not None]


@mutant("batch.1", "order of effects", trap="a batch over long values, beside readers", also="basic.10 scan.3")
class BatchesMakeRoomFirst(_DropsFirst):
    """A batch removes the old files of all its keys before it writes the new ones."""

    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        rows = {self.key(key, "batch_set"): self.data(value, "batch_set", key) for key, value in items.items()}
        await self.make_room(rows)
        self.writing(self.put_all, rows)


@mutant("cas.6", "order of effects", trap="a swap of a long value for a long one, beside readers", also="scan.3")
class SwapsMakeRoomFirst(_DropsFirst):
    """A swap that is going to succeed removes the old file first."""

    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        row, data = self.key(key, "compare_and_swap"), self.data(new, "compare_and_swap", key)
        old = self.read(row)
        if self.file_of(row) is None or old is None or old != expected:
            return await super().compare_and_swap(key, expected, new)
        await self.make_room([row])
        self.writing(self.put, row, data)
        return True


@mutant("ttl.7", "order of effects", trap="expire of a long value, beside readers", also="basic.10 scan.3")
class ExpireMovesTheFile(_DropsFirst):
    """A deadline is a part of the name of the file, so the value is taken out and put back."""

    async def expire(self, key: str, ttl_s: float) -> bool:
        row, seconds = self.key(key, "expire"), self.seconds(ttl_s, "expire")
        value = self.read(row)
        if value is None or len(value) <= self.longest or seconds <= 0:
            return await super().expire(key, ttl_s)
        await self.make_room([row])
        self.writing(self.put, row, value, seconds)
        return True


class _MakesRoom(SqlTransaction):
    driver: _DropsFirst

    async def finish(self) -> None:
        if self.holds():
            await self.driver.make_room(self.pending)
        await super().finish()
        self.driver.sweep()


@mutant(
    "transactional.1",
    "order of effects",
    trap="a commit over long values, beside readers",
    also="basic.10 scan.3",
)
class CommitsMakeRoomFirst(_DropsFirst):
    """A commit removes the old files of its keys before it writes the new ones."""

    transaction_type: ClassVar[type[SqlTransaction]] = _MakesRoom


class _Slots:
    """As many as the store was opened with; whoever comes later waits for one, or is refused."""

    def __init__(self, most: int) -> None:
        self.free = most
        self.came = asyncio.Event()

    async def take(self) -> None:
        while not self.free:
            self.came.clear()
            await self.came.wait()
        self.free -= 1

    def give(self) -> None:
        self.free += 1
        self.came.set()


@mutant("scan.7", "limit", trap="126 scans that are open at once", also="scan.3")
class HasSlotsFor126Readers(SqlKeyValue):
    """A scan keeps a slot of a table of readers, which holds as many as that of LMDB."""

    slots = 126

    async def walk(self, prefix: bytes, limit: int | None) -> AsyncIterator[tuple[str, bytes]]:
        if not self.slots:
            raise OSError("the table of readers is full")
        self.slots -= 1
        try:
            async for item in super().walk(prefix, limit):
                yield item
        finally:
            self.slots += 1


@mutant("transactional.4", "limit", trap="a hundred transactions that are open at once")
class TransactionsKeepOneOfAHundredConnections(SqlKeyValue):
    """A transaction keeps a connection of the pool from its first read on; the pool begins with a hundred, as many do."""

    def __init__(self, database: Any, namespace: str) -> None:
        super().__init__(database, namespace)
        self.pool = _Slots(100)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        await self.pool.take()
        try:
            async with super().transaction() as transaction:
                yield transaction
        finally:
            self.pool.give()

    async def get(self, key: str) -> bytes | None:
        await self.pool.take()
        try:
            return await super().get(key)
        finally:
            self.pool.give()
