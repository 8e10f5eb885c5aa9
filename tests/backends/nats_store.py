"""A small world for tests of the NATS drivers: a real server, a namespace nobody used, and the client of a place."""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import prism_testkit as prism
from prism_backends.jetstream import jetstream
from prism_backends.jetstream.api import JetStream
from prism_backends.nats import NatsClient, nats
from prism_testkit.namespaces import Namespaces
from prism_testkit.servers import start

__all__ = ["World", "connected", "name", "over_jetstream", "serving"]

_namespaces = Namespaces("0nattest", 0)


def name() -> str:
    """Return a namespace that was never used."""
    return _namespaces.new()


@dataclass
class World:
    """What a test holds. ``server`` is asked without a driver; ``driver`` makes one over another connection."""

    url: str
    stack: contextlib.AsyncExitStack
    client: NatsClient
    namespace: str
    server: JetStream

    async def driver(self, kind: Callable[[NatsClient, str], Any]) -> Any:
        return kind(await self.stack.enter_async_context(connected(self.url)), self.namespace)

    async def kept(self, model: str) -> dict[str, int]:
        """Return how many messages the server keeps under each subject of a model."""
        found = await self.server.info("test", f"{self.namespace}_{model}", subjects_filter=">")
        return dict((found or {}).get("state", {}).get("subjects") or {})


def connected(url: str) -> contextlib.AbstractAsyncContextManager[NatsClient]:
    return jetstream.connect(prism.Place(url=url, directory=Path(), shared={}, clock=prism.RealClock()))


def over_jetstream(scenario: Callable[[World], Awaitable[None]]) -> Callable[[str], None]:
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
        namespace = name()
        assert jetstream.clean is not None
        try:
            await scenario(World(url, stack, client, namespace, JetStream(client, "test")))
        finally:
            await jetstream.clean(client, namespace)


@contextlib.contextmanager
def serving(backend: "prism.Backend[Any]", state: Path) -> Iterator[str]:
    """Yield the address of a server that lives as long as the block."""
    assert backend in (nats, jetstream)
    assert backend.server is not None
    server = asyncio.run(start(backend.name, backend.server, state=state, run_id=secrets.token_hex(4), prefer="native"))
    try:
        yield server.url
    finally:
        asyncio.run(server.stop())
