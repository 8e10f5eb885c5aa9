"""Mutants that hold a lock over what their user does in the midst of a read."""

import asyncio
from collections.abc import Mapping

from prism_testkit.interfaces import Bytes
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Reading, Streams

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _Locked(Streams):
    @property
    def lock(self) -> asyncio.Lock:
        """Of the whole client."""
        found: asyncio.Lock = self.__dict__.setdefault("_lock", asyncio.Lock())
        return found

    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        async with self.lock:
            async for record in super().walk(stream, start, limit):
                yield record


@mutant("basic.12", "lock", trap="an append in the midst of a read", also="basic.1 basic.14")
class AppendsWaitForReads(_Locked):
    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        async with self.lock:
            return await super().append(stream, payload, key, headers)


@mutant("basic.7", "lock", trap="a trim in the midst of a read", also="basic.1 basic.14")
class TrimsWaitForReads(_Locked):
    async def trim(self, stream: str, before: int) -> int:
        async with self.lock:
            return await super().trim(stream, before)


@mutant("basic.6", "lock", trap="a look at the end in the midst of a read", also="basic.1 basic.14")
class LooksWaitForReads(_Locked):
    async def latest_offset(self, stream: str) -> int | None:
        async with self.lock:
            return await super().latest_offset(stream)
