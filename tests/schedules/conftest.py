"""A loop of virtual time for each test."""

import asyncio
from collections.abc import Iterator

import pytest

from prism_testkit.clock import VirtualClock
from prism_testkit.schedules import VirtualLoop


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def loop(clock: VirtualClock) -> Iterator[VirtualLoop]:
    loop = VirtualLoop(clock)
    yield loop
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
