"""A small world for tests of the PostgreSQL drivers: a real server, a namespace nobody used, and any number of clients."""

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from serving import missing as missing_of
from serving import played, served
from serving import private as private_of

import prism_testkit as prism
from prism_backends.postgres import PostgresClient, postgres
from prism_testkit.namespaces import Namespaces
from prism_testkit.servers import RunningServer

__all__ = ["World", "missing", "name", "over_postgres", "private", "serving"]

RUN = "0pgtests"
_namespaces = Namespaces(RUN, 0)


def missing() -> str:
    """Return why there is no server here; empty if there is one."""
    return missing_of(postgres, {"PATH": ""})


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
    return played(partial(_play, scenario=scenario), scenario)


async def _play(url: str, *, scenario: Callable[[World], Awaitable[None]]) -> None:
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(connected(url))
        await client.value("make the schema", "SELECT 1")
        await scenario(World(url, stack, client, name()))


def serving(state: Path) -> contextlib.AbstractContextManager[str]:
    """Yield the address of a server that lives as long as the block."""
    return served(postgres, state, RUN)


def private(state: Path) -> contextlib.AbstractAsyncContextManager[RunningServer]:
    """Yield a server of one's own, to be killed."""
    return private_of(postgres, state, RUN)
