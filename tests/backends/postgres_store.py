"""A small world for tests of the PostgreSQL drivers: a real server, a namespace nobody used, and any number of clients."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import prism_testkit as prism
from prism_backends.postgres import PostgresClient, postgres
from prism_testkit.namespaces import Namespaces
from prism_testkit.servers import RunningServer, ServerUnavailable, locate, start

__all__ = ["World", "missing", "name", "over_postgres", "private", "serving"]

RUN = "0pgtests"
_namespaces = Namespaces(RUN, 0)


def missing() -> str:
    """Return why there is no server here; empty if there is one."""
    assert postgres.server is not None
    try:
        locate("postgres", postgres.server, "native", {"PATH": ""})
    except ServerUnavailable as error:
        return str(error)
    return ""


def name() -> str:
    """Return a namespace that was never used."""
    return _namespaces.new()


@dataclass
class World:
    """What a test holds. ``client`` is the first one; `another` opens one more, over connections and with bells of its own."""

    url: str
    stack: contextlib.AsyncExitStack
    client: PostgresClient
    namespace: str

    async def another(self) -> PostgresClient:
        return await self.stack.enter_async_context(connected(self.url))


def connected(url: str) -> contextlib.AbstractAsyncContextManager[PostgresClient]:
    return postgres.connect(prism.Place(url=url, directory=Path(), shared={}, clock=prism.RealClock()))


def over_postgres(scenario: Callable[[World], Awaitable[None]]) -> Callable[[str], None]:
    """Make a plain test of a scenario; it asks for the address by the fixture ``url``."""

    def test(url: str) -> None:
        asyncio.run(asyncio.wait_for(_play(url, scenario), 60))

    # Not functools.wraps: pytest would follow it to the coroutine function and its parameters.
    test.__name__, test.__qualname__, test.__doc__ = scenario.__name__, scenario.__qualname__, scenario.__doc__
    test.__module__ = scenario.__module__
    return test


async def _play(url: str, scenario: Callable[[World], Awaitable[None]]) -> None:
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(connected(url))
        await client.value("make the schema", "SELECT 1")
        await scenario(World(url, stack, client, name()))


@contextlib.contextmanager
def serving(state: Path) -> Iterator[str]:
    """Yield the address of a server that lives as long as the block."""
    server = asyncio.run(_start(state))
    try:
        yield server.url
    finally:
        asyncio.run(server.stop())


@contextlib.asynccontextmanager
async def private(state: Path) -> AsyncIterator[RunningServer]:
    """Yield a server of one's own, to be killed."""
    server = await _start(state)
    try:
        yield server
    finally:
        await server.stop()


async def _start(state: Path) -> RunningServer:
    assert postgres.server is not None
    return await start("postgres", postgres.server, state=state, run_id=RUN, prefer="native")
