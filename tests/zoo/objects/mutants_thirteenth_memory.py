"""Wrong drivers that hold a whole stream where Python's own count of memory does not see it: in what a library of C's allocates."""

import mmap
import sqlite3
from collections.abc import AsyncIterable

from prism_testkit.interfaces import Bytes
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import FileObjects
from .stores import Spool

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

_MAPPED = 64 << 20


@mutant("18", "whole in memory", trap="put_stream of much more than a few chunks, in memory that is not Python's")
class GathersTheStreamInAMapping(FileObjects):
    """A mapping of memory that has no file is a buffer without a copy."""

    async def collect(self, spool: Spool, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        total = 0
        with mmap.mmap(-1, _MAPPED, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as gathered:
            async for chunk in chunks:
                data = self.chunk(chunk)
                self.check_growth(total + len(data), size)
                if total + len(data) <= _MAPPED:
                    gathered[total : total + len(data)] = data
                spool.write(data)
                total += len(data)
        self.check_end(total, size)


@mutant("18", "whole in memory", trap="put_stream of much more than a few chunks, in memory that is not Python's")
class GathersTheStreamInATableInMemory(FileObjects):
    """Chunks are staged as rows of a database without a file, and handed on when all are there."""

    async def collect(self, spool: Spool, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        total = 0
        staged = sqlite3.connect(":memory:")
        try:
            staged.execute("CREATE TABLE chunk (number INTEGER PRIMARY KEY, data BLOB)")
            async for chunk in chunks:
                data = self.chunk(chunk)
                self.check_growth(total + len(data), size)
                staged.execute("INSERT INTO chunk (data) VALUES (?)", (data,))
                total += len(data)
            self.check_end(total, size)
            for (data,) in staged.execute("SELECT data FROM chunk ORDER BY number"):
                spool.write(data)
        finally:
            staged.close()
