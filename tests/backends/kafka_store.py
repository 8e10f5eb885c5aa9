"""A small world for tests of the Kafka drivers: a real server, a namespace nobody used, and any number of clients."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import prism_testkit as prism
from prism_backends.kafka.backend import KafkaClient, kafka
from prism_testkit.namespaces import Namespaces
from prism_testkit.servers import ServerUnavailable, locate, start

__all__ = ["World", "connected", "missing", "name", "over_kafka", "serving"]

RUN = "0kftests"
_namespaces = Namespaces(RUN, 0)


def missing() -> str:
    """Return why there is no server here; empty if there is one."""
    assert kafka.server is not None
    try:
        locate("kafka", kafka.server, "native")
    except ServerUnavailable as error:
        return str(error)
    return ""


def name() -> str:
    """Return a namespace that was never used."""
    return _namespaces.new()


@dataclass
class World:
    """What a test holds. ``client`` is the first one; `driver` makes one over another client, as another process has it."""

    url: str
    stack: contextlib.AsyncExitStack
    client: KafkaClient
    namespace: str

    async def driver(self, kind: Callable[[KafkaClient, str], Any]) -> Any:
        return kind(await self.stack.enter_async_context(connected(self.url)), self.namespace)

    async def topics(self) -> set[str]:
        """Return what there is of the namespace, without its name."""
        found = await self.client.topics("test")
        return {topic.removeprefix(self.namespace) for topic in found if topic.startswith(self.namespace)}


def connected(url: str) -> contextlib.AbstractAsyncContextManager[KafkaClient]:
    return kafka.connect(prism.Place(url=url, directory=Path(), shared={}, clock=prism.RealClock()))


def over_kafka(scenario: Callable[[World], Awaitable[None]]) -> Callable[[str], None]:
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
        assert kafka.clean is not None
        try:
            await scenario(World(url, stack, client, namespace))
        finally:
            await kafka.clean(client, namespace)


@contextlib.contextmanager
def serving(state: Path) -> Iterator[str]:
    """Yield the address of a server that lives as long as the block."""
    assert kafka.server is not None
    server = asyncio.run(start("kafka", kafka.server, state=state, run_id=RUN, prefer="native"))
    try:
        yield server.url
    finally:
        asyncio.run(server.stop())
