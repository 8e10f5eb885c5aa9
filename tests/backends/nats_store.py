"""A small world for tests of the NATS drivers: a real server, a namespace nobody used, and the client of a place."""

import contextlib
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from serving import played, served

import prism_testkit as prism
from prism_backends.jetstream import jetstream
from prism_backends.jetstream.api import JetStream
from prism_backends.nats import NatsClient, nats
from prism_testkit.namespaces import Namespaces

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
    return played(partial(_play, scenario=scenario), scenario)


async def _play(url: str, *, scenario: Callable[[World], Awaitable[None]]) -> None:
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(connected(url))
        namespace = name()
        assert jetstream.clean is not None
        try:
            await scenario(World(url, stack, client, namespace, JetStream(client, "test")))
        finally:
            await jetstream.clean(client, namespace)


def serving(backend: "prism.Backend[Any]", state: Path) -> contextlib.AbstractContextManager[str]:
    """Yield the address of a server that lives as long as the block."""
    assert backend in (nats, jetstream)
    return served(backend, state, secrets.token_hex(4))
