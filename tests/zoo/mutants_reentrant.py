"""Mutants that hold a lock over what their user does in the midst of a call: an iteration, a transaction, a source."""

import asyncio
from collections.abc import AsyncGenerator

from prism_testkit.interfaces import Bytes

from .declare import Mutant, declaring
from .reference import KeyValue
from .stores import Entry

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _Locked(KeyValue):
    @property
    def lock(self) -> asyncio.Lock:
        """Of the whole client."""
        found: asyncio.Lock = self.__dict__.setdefault("_lock", asyncio.Lock())
        return found

    async def walk(self, prefix: str, limit: int | None) -> AsyncGenerator[tuple[str, Entry], None]:
        async with self.lock:
            async for found in super().walk(prefix, limit):
                yield found


@mutant("scan.3", "lock", trap="a set in the midst of a scan", also="scan.7 basic.10")
class SetsWaitForScans(_Locked):
    async def set(self, key: str, value: Bytes) -> None:
        async with self.lock:
            await super().set(key, value)


@mutant("scan.3", "lock", trap="a get in the midst of a scan", also="scan.7 basic.10 scan.1")
class GetsWaitForScans(_Locked):
    async def get(self, key: str) -> bytes | None:
        async with self.lock:
            return await super().get(key)


@mutant("scan.3", "lock", trap="a scan in the midst of a scan", also="scan.7 scan.1")
class ScansWaitForScans(_Locked):
    pass


@mutant("scan.5", "lock", trap="a count in the midst of a scan", also="scan.3 scan.7")
class CountsWaitForScans(_Locked):
    async def count(self, prefix: str = "") -> int:
        async with self.lock:
            return await super().count(prefix)
