"""A small world for tests of queues: one place, any number of clients, and time that moves by itself where it can."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from awaiting import until

import prism_testkit as prism
from prism_backends.memory import MemoryQueue, memory
from prism_backends.redis import RedisQueue
from prism_backends.sqlite import SqliteQueue, sqlite
from prism_testkit.interfaces import Lease
from prism_testkit.schedules import VirtualLoop

__all__ = [
    "HERE",
    "Queue",
    "World",
    "cancelled_after",
    "connected",
    "driver_of",
    "every_queue",
    "play",
    "resting",
    "settled",
]

Queue = MemoryQueue | SqliteQueue | RedisQueue

HERE = "prism00000001000qqqqqqqq"


@dataclass
class World:
    """What a test holds: ``q`` is the first client's driver; `client` opens another, over a connection of its own."""

    backend: prism.Backend[Any]
    place: prism.Place
    stack: contextlib.AsyncExitStack
    namespace: str = HERE
    connections: list[Any] = field(default_factory=list)
    q: Queue = None  # type: ignore[assignment]

    @property
    def clock(self) -> prism.Clock:
        return self.place.clock

    async def client(self, namespace: str = "") -> Queue:
        self.connections.append(await self.stack.enter_async_context(self.backend.connect(self.place)))
        driver = driver_of(self.backend, self.connections[-1], namespace or self.namespace)
        if isinstance(driver, RedisQueue):
            self.stack.push_async_callback(driver.close)
        return driver

    async def leased(self, queue: str, seconds: float = 100, timeout_s: float = 0) -> Lease:
        lease = await self.q.receive(queue, seconds, timeout_s)
        assert lease is not None
        return lease

    async def drained(self, queue: str) -> list[bytes]:
        """Take all there is."""
        taken = []
        while (message := await self.q.dequeue(queue)) is not None:
            taken.append(message.payload)
        return taken


def driver_of(backend: prism.Backend[Any], connection: Any, namespace: str = HERE) -> Queue:
    (made,) = [driver for driver in backend.drivers if getattr(driver, "__name__", "").endswith("Queue")]
    driver = made(connection, namespace)
    assert isinstance(driver, MemoryQueue | SqliteQueue | RedisQueue)
    return driver


@contextlib.asynccontextmanager
async def connected(backend: prism.Backend[Any], place: prism.Place, namespace: str = HERE) -> AsyncIterator[World]:
    async with contextlib.AsyncExitStack() as stack:
        world = World(backend, place, stack, namespace)
        world.q = await world.client()
        yield world


def play(backend: prism.Backend[Any], directory: Path, scenario: Callable[[World], Awaitable[None]]) -> None:
    """Run a scenario on virtual time, over a fresh place or over what is in the directory already."""
    clock = prism.VirtualClock()

    async def main() -> None:
        async with connected(backend, prism.Place(directory=directory, shared={}, clock=clock)) as world:
            await scenario(world)

    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as runner:
        runner.run(main())


def every_queue(scenario: Callable[[World], Awaitable[None]]) -> Callable[[str, Path], None]:
    """Make a plain test of a scenario, run over every embedded queue on virtual time."""
    backends = {"memory": memory, "sqlite": sqlite}

    def test(name: str, tmp_path: Path) -> None:
        play(backends[name], tmp_path, scenario)

    # Not functools.wraps: pytest would follow it to the coroutine function and its parameters.
    test.__name__, test.__qualname__, test.__doc__ = scenario.__name__, scenario.__qualname__, scenario.__doc__
    test.__module__ = scenario.__module__
    return pytest.mark.parametrize("name", backends)(test)


async def cancelled_after(steps: int | None, call: Awaitable[Any]) -> Any:
    """Cancel a call after so many turns of the loop; return what it gave if it was quicker, else None.

    With None for ``steps`` the call ends by itself: how many turns it takes is up to the machine.
    """
    task = asyncio.ensure_future(call)
    if steps is None:
        return await task
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        return await task


async def settled(*tasks: "asyncio.Task[Any]") -> list[Any]:
    """Return what tasks gave; an error or a cancellation as such."""
    return await asyncio.gather(*tasks, return_exceptions=True)


async def resting(driver: Queue, queue: str) -> None:
    """Wait until a take of ``queue`` through ``driver`` has found nothing and waits."""
    assert not isinstance(driver, MemoryQueue)
    waiting = driver._takers._waiting
    await until(lambda: any(taker._rest for taker in waiting.get(queue, ())))
