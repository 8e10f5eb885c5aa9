"""Object storages that keep every promise and take their time: they wait, take turns, or hop to a thread."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from prism_testkit.backend import Backend
from prism_testkit.interfaces import Bytes, ObjectInfo, ObjectMetadata

from .reference import Objects, backend, step
from .stores import Facts, Slot, Version

__all__ = ["UNUSUAL"]


class _Around(Objects):
    """Every effect happens in one step, and `around` says what comes before and after it."""

    @asynccontextmanager
    async def around(self) -> AsyncIterator[None]:
        yield

    async def write(self, slot: Slot, data: bytes, facts: Facts) -> Version:
        async with self.around():
            return await super().write(slot, data, facts)

    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        async with self.around():
            return await super().create(slot, data, facts)

    async def receive(self, slot: Slot, chunks: AsyncIterable[Bytes], size: int | None, facts: Facts) -> Version:
        async with self.around():
            return await super().receive(slot, chunks, size, facts)

    async def get(self, bucket: str, key: str) -> bytes | None:
        async with self.around():
            return await super().get(bucket, key)

    async def delete(self, bucket: str, key: str) -> bool:
        async with self.around():
            return await super().delete(bucket, key)

    async def exists(self, bucket: str, key: str) -> bool:
        async with self.around():
            return await super().exists(bucket, key)

    async def metadata(self, bucket: str, key: str) -> ObjectMetadata | None:
        async with self.around():
            return await super().metadata(bucket, key)

    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        async with self.around():
            return await super().set_ttl(bucket, key, ttl_s)

    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        async with self.around():
            pieces = self.pieces(self.need(self.slot(bucket, key, "get_stream")))
        for piece in pieces:
            yield piece

    async def create_bucket(self, bucket: str) -> bool:
        async with self.around():
            return await super().create_bucket(bucket)

    async def delete_bucket(self, bucket: str, *, force: bool = False) -> bool:
        async with self.around():
            return await super().delete_bucket(bucket, force=force)

    async def bucket_exists(self, bucket: str) -> bool:
        async with self.around():
            return await super().bucket_exists(bucket)


class Slow(_Around):
    """Each call takes ten seconds of the place's clock; its effect is in the middle."""

    @asynccontextmanager
    async def around(self) -> AsyncIterator[None]:
        await self.store.clock.sleep(5)
        yield
        await self.store.clock.sleep(5)


class Suspending(_Around):
    """Lets others run many times, before and after."""

    @asynccontextmanager
    async def around(self) -> AsyncIterator[None]:
        for _ in range(5):
            await step()
        yield
        for _ in range(5):
            await step()


class Threaded(_Around):
    """Hops to the executor, as a synchronous client library does."""

    @asynccontextmanager
    async def around(self) -> AsyncIterator[None]:
        await asyncio.get_running_loop().run_in_executor(None, bool)
        yield


class ListsAsOfTheCall(Objects):
    """Which keys a listing gives is settled when it is called, not at its first step."""

    def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        known = set(self.buckets().get(bucket, ()))
        return self._known(bucket, prefix, known)

    async def _known(self, bucket: str, prefix: str, known: set[str]) -> AsyncIterator[ObjectInfo]:
        async for info in super().list_objects(bucket, prefix):
            if info.key in known:
                yield info


UNUSUAL: tuple[Backend[Any], ...] = (
    backend("slow", Slow),
    backend("suspending", Suspending),
    backend("threaded", Threaded),
    backend("lists-as-of-the-call", ListsAsOfTheCall),
)
