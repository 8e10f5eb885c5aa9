"""A small world for tests of embedded backends: one place, a clock that is moved by hand, and any number of clients."""

import asyncio
import contextlib
import dataclasses
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

import prism_testkit as prism
from prism_backends.memory import MemoryKeyValue, memory
from prism_backends.sqlite import SqliteKeyValue, sqlite
from prism_testkit.schedules import VirtualLoop

__all__ = [
    "BAD_NAMES",
    "HERE",
    "LARGEST",
    "LONGEST",
    "STORES",
    "THERE",
    "TOO_LARGE",
    "KeyValue",
    "World",
    "every_store",
    "everything",
    "listed",
    "place_of",
    "play",
    "raw_sqlite",
]

T = TypeVar("T")

KeyValue = MemoryKeyValue | SqliteKeyValue

HERE = "prism00000001000aaaaaaaa"
THERE = "prism00000001000aaaaaaab"

LONGEST = "é" * 256
BAD_NAMES = ["", LONGEST + "a", "a\ud800"]
LARGEST = bytes(1_000_000)
TOO_LARGE = bytes(1_000_001)


@dataclasses.dataclass
class World:
    """What a test holds: ``kv`` is the first client; ``client`` opens another, over a connection of its own."""

    backend: prism.Backend[Any]
    place: prism.Place
    clock: prism.VirtualClock
    stack: contextlib.AsyncExitStack
    connection: Any = None
    kv: KeyValue = None  # type: ignore[assignment]

    async def client(self, namespace: str = HERE) -> KeyValue:
        connection = await self.stack.enter_async_context(self.backend.connect(self.place))
        return self.driver(connection, namespace)

    def driver(self, connection: Any, namespace: str = HERE) -> KeyValue:
        driver = self.backend.drivers[0](connection, namespace)
        assert isinstance(driver, MemoryKeyValue | SqliteKeyValue)
        return driver

    async def clean(self, prefix: str) -> None:
        assert self.backend.clean is not None
        await self.backend.clean(self.connection, prefix)

    def wait(self, seconds: float) -> None:
        self.clock.jump(round(seconds * 1e9))


def virtual_loop(clock: prism.VirtualClock) -> asyncio.AbstractEventLoop:
    return VirtualLoop(clock)


def threaded_loop(clock: prism.VirtualClock) -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


STORES: dict[str, tuple[prism.Backend[Any], Callable[[prism.VirtualClock], asyncio.AbstractEventLoop]]] = {
    "memory": (memory, virtual_loop),
    "sqlite-threads": (sqlite, threaded_loop),
    "sqlite-virtual": (sqlite, virtual_loop),
}


def play(store: str, directory: Path, scenario: Callable[[World], Awaitable[None]]) -> None:
    """Run a scenario over a fresh place, or over what is in the directory already."""
    backend, make_loop = STORES[store]
    clock = prism.VirtualClock()

    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:
            world = World(backend, prism.Place(directory=directory, shared={}, clock=clock), clock, stack)
            world.connection = await stack.enter_async_context(backend.connect(world.place))
            world.kv = world.driver(world.connection)
            await scenario(world)

    with asyncio.Runner(loop_factory=lambda: make_loop(clock)) as runner:
        runner.run(main())


def every_store(scenario: Callable[[World], Awaitable[None]]) -> Callable[[str, Path], None]:
    """Make a plain test of a scenario, run over every embedded store."""

    def test(store: str, tmp_path: Path) -> None:
        play(store, tmp_path, scenario)

    # Not functools.wraps: pytest would follow it to the coroutine function and its parameters.
    test.__name__, test.__qualname__, test.__doc__ = scenario.__name__, scenario.__qualname__, scenario.__doc__
    test.__module__ = scenario.__module__
    return pytest.mark.parametrize("store", STORES)(test)


@contextlib.contextmanager
def raw_sqlite(directory: Path) -> Iterator[sqlite3.Connection]:
    """Open the file as a stranger would."""
    with contextlib.closing(sqlite3.connect(directory / "prism.sqlite", timeout=0, isolation_level=None)) as connection:
        yield connection


def place_of(directory: Path) -> prism.Place:
    return prism.Place(directory=directory, shared={}, clock=prism.VirtualClock())


async def listed(steps: AsyncIterator[T]) -> list[T]:
    return [item async for item in steps]


async def everything(kv: KeyValue) -> dict[str, bytes]:
    """Return what a scan gives, each key once."""
    found = await listed(kv.scan())
    assert len(dict(found)) == len(found)
    return dict(found)
