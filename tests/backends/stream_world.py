"""A small world for tests of stream drivers: one place, a clock of its own, several processes in one.

The drivers of a process know of each other by ``Place.shared``. A driver with a ``shared`` of its own is as one elsewhere.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from awaiting import HANGS_S
from redis_store import name

import prism_testkit as prism
from prism_backends.memory import MemoryStream, memory
from prism_backends.redis import RedisStream
from prism_backends.sqlite import SqliteStream, sqlite
from prism_backends.valkey import ValkeyStream, valkey
from prism_testkit.interfaces import Conflict, Record, RecordDelivery
from prism_testkit.schedules import VirtualLoop

__all__ = ["HERE", "Stream", "World", "every_store", "listed", "numbers", "over", "payloads", "play", "texts", "with_horizons"]

HERE = "prism00000001000aaaaaaaa"
Stream = MemoryStream | SqliteStream | RedisStream


@dataclass
class World:
    """What a test holds: ``stream`` is the first driver; `another` opens one over a connection of its own."""

    backend: prism.Backend[Any]
    place: prism.Place
    stack: contextlib.AsyncExitStack
    namespace: str = HERE
    connection: Any = None
    stream: Stream = None  # type: ignore[assignment]

    @property
    def clock(self) -> prism.Clock:
        return self.place.clock

    async def another(self, *, elsewhere: bool = False) -> Stream:
        shared: dict[str, Any] = {} if elsewhere else self.place.shared
        place = prism.Place(url=self.place.url, directory=self.place.directory, shared=shared, clock=self.clock)
        return self.driver(await self.stack.enter_async_context(self.backend.connect(place)))

    def driver(self, connection: Any) -> Stream:
        kind = {"memory": MemoryStream, "sqlite": SqliteStream, "valkey": ValkeyStream}[self.backend.name]
        assert kind in self.backend.drivers
        made: Stream = kind(connection, self.namespace)
        return made

    async def clean(self) -> None:
        assert self.backend.clean is not None
        await self.backend.clean(self.connection, self.namespace)

    async def fill(self, number: int) -> list[int]:
        return [await self.stream.append("s", b"%d" % index) for index in range(number)]


BACKENDS: dict[str, prism.Backend[Any]] = {
    "memory": memory,
    "sqlite": sqlite,
    "sqlite-threads": sqlite,
    "sqlite-real": sqlite,
    "valkey": valkey,
}
REAL_TIME = ("sqlite-real", "valkey")


def play(store: str, directory: Path, scenario: Callable[[World], Awaitable[None]], url: str = "") -> None:
    """Run a scenario over a fresh place: on virtual time, on threads with a clock that stands still, or on real time."""
    clock: prism.Clock = prism.RealClock() if store in REAL_TIME else prism.VirtualClock()
    on_virtual_time = store in ("memory", "sqlite")

    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:
            place = prism.Place(url=url, directory=directory, shared={}, clock=clock)
            world = World(BACKENDS[store], place, stack, name() if url else HERE)
            world.connection = await stack.enter_async_context(world.backend.connect(place))
            world.stream = world.driver(world.connection)
            await asyncio.wait_for(scenario(world), 1e6 if on_virtual_time else HANGS_S)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    def make_loop() -> asyncio.AbstractEventLoop:
        return VirtualLoop(clock) if isinstance(clock, prism.VirtualClock) and on_virtual_time else asyncio.new_event_loop()

    with asyncio.Runner(loop_factory=make_loop) as runner:
        runner.run(main())


def over(*stores: str) -> Callable[[Callable[[World], Awaitable[None]]], Callable[..., None]]:
    """Make a plain test of a scenario, run over each of these stores; valkey asks for its address by the fixture ``url``."""

    def decorate(scenario: Callable[[World], Awaitable[None]]) -> Callable[..., None]:
        def test(store: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
            play(store, tmp_path, scenario, request.getfixturevalue("url") if store == "valkey" else "")

        # Not functools.wraps: pytest would follow it to the coroutine function and its parameters.
        test.__name__, test.__qualname__, test.__doc__ = scenario.__name__, scenario.__qualname__, scenario.__doc__
        test.__module__ = scenario.__module__
        return pytest.mark.parametrize("store", stores)(test)

    return decorate


def with_horizons(attempt: Callable[[float], None], *horizons_s: float) -> None:
    """Make an attempt with each horizon until one succeeds; what the last one raises is the verdict.

    Who gives no sign of life for as long counts as dead, also one that the machine did not let. The short horizons are for quick
    machines; a driver that is wrong is so with every one.
    """
    *short, longest_s = horizons_s
    for horizon_s in short:
        with contextlib.suppress(AssertionError, Conflict):
            attempt(horizon_s)
            return
    attempt(longest_s)


every_store = over("memory", "sqlite", "sqlite-threads", "valkey")


async def listed(records: AsyncIterator[Record]) -> list[Record]:
    return [record async for record in records]


def payloads(deliveries: list[RecordDelivery]) -> list[bytes]:
    return [delivery.record.payload for delivery in deliveries]


def numbers(deliveries: list[RecordDelivery]) -> list[int]:
    return [delivery.record.offset for delivery in deliveries]


def texts(records: list[Record]) -> list[bytes]:
    return [record.payload for record in records]
