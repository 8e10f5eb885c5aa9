"""A small world for tests of the Kafka drivers: a real server, a namespace nobody used, and any number of clients."""

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from serving import missing as missing_of
from serving import played, served

import prism_testkit as prism
from prism_backends.kafka.backend import KafkaClient, kafka
from prism_testkit.namespaces import Namespaces

__all__ = ["World", "connected", "missing", "name", "over_kafka", "serving"]

RUN = "0kftests"
_namespaces = Namespaces(RUN, 0)


def missing() -> str:
    """Return why there is no server here; empty if there is one."""
    return missing_of(kafka)


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
    return played(partial(_play, scenario=scenario), scenario)


async def _play(url: str, *, scenario: Callable[[World], Awaitable[None]]) -> None:
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(connected(url))
        namespace = name()
        assert kafka.clean is not None
        try:
            await scenario(World(url, stack, client, namespace))
        finally:
            await kafka.clean(client, namespace)


def serving(state: Path) -> contextlib.AbstractContextManager[str]:
    """Yield the address of a server that lives as long as the block."""
    return served(kafka, state, RUN)
