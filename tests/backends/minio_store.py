"""A small world for tests of object storage over S3: a real MinIO, a namespace nobody used, and the client of a place."""

import asyncio
import contextlib
import os
import secrets
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import prism_testkit as prism
from prism_backends.minio.backend import MinioObjectStorage, minio
from prism_backends.s3 import S3Client
from prism_backends.s3.cells import Cells
from prism_backends.s3.places import bucket_of, prefix_of
from prism_backends.s3.store import Store
from prism_testkit.namespaces import Namespaces
from prism_testkit.servers import ServerUnavailable, start
from prism_testkit.servers.locate import locate

__all__ = ["World", "connected", "missing", "name", "over_minio", "serving"]

_namespaces = Namespaces("0s3tests", 0)


def missing() -> str:
    """Return why there is no server here; empty if there is one."""
    assert minio.server is not None
    try:
        locate("minio", minio.server, "native", os.environ)
    except ServerUnavailable as error:
        return str(error)
    return ""


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

    def test(url: str) -> None:
        asyncio.run(asyncio.wait_for(_play(url, scenario), 120))

    # Not functools.wraps: pytest would follow it to the coroutine function and its parameters.
    test.__name__, test.__qualname__, test.__doc__ = scenario.__name__, scenario.__qualname__, scenario.__doc__
    test.__module__ = scenario.__module__
    return test


async def _play(url: str, scenario: Callable[[World], Awaitable[None]]) -> None:
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(connected(url))
        namespace = name()
        assert minio.clean is not None
        try:
            await scenario(World(url, stack, client, namespace))
        finally:
            await minio.clean(client, namespace)


@contextlib.contextmanager
def serving(state: Path) -> Iterator[str]:
    """Yield the address of a server that lives as long as the block."""
    assert minio.server is not None
    server = asyncio.run(start("minio", minio.server, state=state, run_id=secrets.token_hex(4), prefer="native"))
    try:
        yield server.url
    finally:
        asyncio.run(server.stop())
