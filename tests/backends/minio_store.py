"""A small world for tests of object storage over S3: a real MinIO, a namespace nobody used, and the client of a place."""

import contextlib
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from serving import missing as missing_of
from serving import played, served

import prism_testkit as prism
from prism_backends.minio.backend import MinioObjectStorage, minio
from prism_backends.s3 import S3Client
from prism_backends.s3.cells import Cells
from prism_backends.s3.places import bucket_of, prefix_of
from prism_backends.s3.store import Store
from prism_testkit.namespaces import Namespaces

__all__ = ["World", "connected", "missing", "name", "over_minio", "serving"]

_namespaces = Namespaces("0s3tests", 0)


def missing() -> str:
    """Return why there is no server here; empty if there is one."""
    return missing_of(minio)


def name() -> str:
    """Return a namespace that was never used."""
    return _namespaces.new()


@dataclass
class World:
    """What a test holds. ``store`` is asked without a driver; ``driver`` makes one over connections of its own."""

    url: str
    stack: contextlib.AsyncExitStack
    client: S3Client
    namespace: str

    @property
    def bucket(self) -> str:
        """The bucket of S3 that all is in."""
        return bucket_of(self.client.wire, self.namespace)

    @property
    def cells(self) -> Cells:
        return Cells(self.client.wire, self.bucket)

    async def driver(self) -> MinioObjectStorage:
        return MinioObjectStorage(await self.stack.enter_async_context(connected(self.url)), self.namespace)

    def store(self) -> Store:
        return Store(self.cells, prefix_of(self.namespace), self.client.clock)

    def kept(self) -> dict[str, int]:
        """Return how many bytes the server keeps under each key, without what is written of buckets."""
        lines, more = self.cells.page(f"{self.namespace}/o/", "")
        assert not more
        return {line.key: line.stored_bytes for line in lines}


def connected(url: str) -> contextlib.AbstractAsyncContextManager[S3Client]:
    return minio.connect(prism.Place(url=url, directory=Path(), shared={}, clock=prism.RealClock()))


def over_minio(scenario: Callable[[World], Awaitable[None]]) -> Callable[[str], None]:
    """Make a plain test of a scenario; it asks for the address by the fixture ``url``."""
    return played(partial(_play, scenario=scenario), scenario)


async def _play(url: str, *, scenario: Callable[[World], Awaitable[None]]) -> None:
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(connected(url))
        namespace = name()
        assert minio.clean is not None
        try:
            await scenario(World(url, stack, client, namespace))
        finally:
            await minio.clean(client, namespace)


def serving(state: Path) -> contextlib.AbstractContextManager[str]:
    """Yield the address of a server that lives as long as the block."""
    return served(minio, state, secrets.token_hex(4))
