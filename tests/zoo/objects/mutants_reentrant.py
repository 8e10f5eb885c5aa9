"""Mutants that hold a lock over what their user does in the midst of a stream or a listing."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator

from prism_testkit.interfaces import Bytes, ObjectInfo
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Objects
from .stores import Facts, Slot, Version

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _Locked(Objects):
    @property
    def lock(self) -> asyncio.Lock:
        """Of the whole client."""
        found: asyncio.Lock = self.__dict__.setdefault("_lock", asyncio.Lock())
        return found


@mutant("8", "lock", trap="a delete in the midst of a listing", also="4 17")
class DeletesWaitForListings(_Locked):
    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        async with self.lock:
            async for info in super().list_objects(bucket, prefix):
                yield info

    async def delete(self, bucket: str, key: str) -> bool:
        async with self.lock:
            return await super().delete(bucket, key)


@mutant("7", "lock", trap="a put in the midst of a stream", also="1 17 16")
class PutsWaitForStreams(_Locked):
    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        async with self.lock:
            async for piece in super().get_stream(bucket, key):
                yield piece

    async def write(self, slot: Slot, data: bytes, facts: Facts) -> Version:
        async with self.lock:
            return await super().write(slot, data, facts)


@mutant("6", "lock", trap="a read in the midst of an upload's source", also="1 17 16")
class ReadsWaitForUploads(_Locked):
    async def receive(self, slot: Slot, chunks: AsyncIterable[Bytes], size: int | None, facts: Facts) -> Version:
        async with self.lock:
            return await super().receive(slot, chunks, size, facts)

    async def get(self, bucket: str, key: str) -> bytes | None:
        async with self.lock:
            return await super().get(bucket, key)


@mutant("6", "lock", trap="an upload in the midst of an upload's source", also="1 17 16")
class UploadsWaitForUploads(_Locked):
    async def receive(self, slot: Slot, chunks: AsyncIterable[Bytes], size: int | None, facts: Facts) -> Version:
        async with self.lock:
            return await super().receive(slot, chunks, size, facts)
