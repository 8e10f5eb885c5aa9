"""A small world for tests of the Redis driver: a real Valkey, a namespace nobody used, and any number of clients."""

import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from serving import played, served
from serving import private as private_of

import prism_testkit as prism
from prism_backends.redis import RedisClient, RedisKeyValue
from prism_backends.valkey import valkey
from prism_testkit.namespaces import Namespaces
from prism_testkit.servers import RunningServer

__all__ = [
    "World",
    "connected",
    "connections",
    "listed",
    "name",
    "no_connection_is_in_a_bad_state",
    "over_valkey",
    "private",
    "serving",
]

T = TypeVar("T")

RUN = "0redtest"
_namespaces = Namespaces(RUN, 0)
_counter = itertools.count()


def name() -> str:
    """Return a namespace that was never used."""
    return _namespaces.new()


@dataclass
class World:
    """What a test holds. ``kv`` is the first client; `client` opens another, over connections of its own."""

    url: str
    stack: contextlib.AsyncExitStack
    raw: RedisClient
    namespace: str
    kv: RedisKeyValue

    async def client(self, namespace: str = "", url: str = "") -> RedisKeyValue:
        return driver(await self.stack.enter_async_context(connected(url or self.url)), namespace or self.namespace)


def driver(client: RedisClient, namespace: str) -> RedisKeyValue:
    made = valkey.drivers[0](client, namespace)
    assert isinstance(made, RedisKeyValue)
    return made


def connected(url: str) -> contextlib.AbstractAsyncContextManager[RedisClient]:
    return valkey.connect(prism.Place(url=url, directory=Path(), shared={}, clock=prism.RealClock()))


def over_valkey(scenario: Callable[[World], Awaitable[None]]) -> Callable[[str], None]:
    """Make a plain test of a scenario; it asks for the address by the fixture ``url``."""
    return played(partial(_play, scenario=scenario), scenario)


async def _play(url: str, *, scenario: Callable[[World], Awaitable[None]]) -> None:
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(connected(url))
        namespace = name()
        await scenario(World(url, stack, client, namespace, driver(client, namespace)))


def serving(state: Path, *options: str) -> contextlib.AbstractContextManager[str]:
    """Yield the address of a server that lives as long as the block."""
    return served(_with(*options), state, RUN)


@contextlib.asynccontextmanager
async def private(state: Path, *options: str) -> AsyncIterator[tuple[RunningServer, RedisKeyValue]]:
    """Yield a server of one's own, to be killed, and a driver on it."""
    async with private_of(_with(*options), state, RUN) as server, connected(server.url) as client:
        yield server, driver(client, name())


def _with(*options: str) -> "prism.Backend[RedisClient]":
    """Return Valkey, started with more options."""
    assert valkey.server is not None
    command = valkey.server.command
    assert command is not None
    known = command

    def with_options(binary: str, directory: Path, port: int) -> list[str]:
        return [*known(binary, directory, port), *options]

    return replace(valkey, server=replace(valkey.server, command=with_options))


async def listed(steps: AsyncIterator[T]) -> list[T]:
    return [item async for item in steps]


def connections(kv: RedisKeyValue) -> list[Any]:
    """Return what the pool has, after checking that nobody still holds one."""
    pool = kv.client.connection_pool
    assert pool._in_use_connections == set()
    return list(pool._available_connections)


async def no_connection_is_in_a_bad_state(kv: RedisKeyValue) -> None:
    """Nothing is watched, no MULTI is open, no reply is left over: whatever takes the connection next gets its own answer."""
    for connection in connections(kv):
        await connection.connect()
        leftover = getattr(connection, "can_read", None) or connection.can_read_destructive  # its name before redis-py 8
        assert not await leftover()
        await connection.send_command("CLIENT", "INFO")
        state = dict(word.split("=", 1) for word in (await connection.read_response()).decode().split())
        assert (state["flags"], state.get("watch", "0")) == ("N", "0")
