"""A call that stands still behind a step of its own, while others go on, on a loop of virtual time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from prism_testkit.clock import VirtualClock
from prism_testkit.outcomes import HarnessError
from prism_testkit.schedules import VirtualLoop
from prism_testkit.standing import Actor, actors


class _Store:
    """Calls that look, let others run, and act; those of ``slow`` take time, those of ``locked`` a lock."""

    def __init__(self) -> None:
        self.value = 0
        self.log: list[str] = []
        self.lock = asyncio.Lock()

    async def add(self, mark: str) -> int:
        for step in range(3):
            self.log.append(f"{mark}{step}")
            await asyncio.sleep(0)
        self.value += 1
        return self.value

    async def locked(self, mark: str) -> str:
        async with self.lock:
            await self.add(mark)
        return mark

    async def slow(self, mark: str) -> str:
        await asyncio.sleep(0.2)
        self.log.append(mark)
        return mark

    async def inner(self, mark: str) -> str:
        return await asyncio.ensure_future(self._inner(mark))

    async def _inner(self, mark: str) -> str:
        await self.add(mark)
        return mark

    async def leaves(self, mark: str) -> str:
        asyncio.get_running_loop().call_later(0.1, self.log.append, f"{mark} later")
        await self.add(mark)
        return mark


def _run(play: Callable[[Actor, Actor, _Store], Awaitable[Any]]) -> Any:
    async def scenario() -> Any:
        store = _Store()
        async with actors((store, store), clock) as (one, other):
            return await play(one, other, store)

    clock = VirtualClock(0)
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as runner:
        return runner.run(scenario())


def test_one_stands_behind_each_of_its_steps_while_the_other_makes_all_of_its_own() -> None:
    async def play(one: Actor, other: Actor, store: _Store) -> list[list[str]]:
        logs = []
        for point in (1, 2, 3, 4):
            store.log.clear()
            where = await one.begin("add", "a", point=point)
            assert (where is None) == (point == 4), "it has three steps behind which others run"
            if where is not None:
                assert "__sleep0" in where
            await other.begin("add", "b")
            assert await other.settle()
            told = [await one.end(), await other.end()]
            assert sorted(each.result for each in told) == [store.value - 1, store.value]
            logs.append(list(store.log))
        return logs

    assert _run(play) == [
        ["a0", "b0", "b1", "b2", "a1", "a2"],
        ["a0", "a1", "b0", "b1", "b2", "a2"],
        ["a0", "a1", "a2", "b0", "b1", "b2"],
        ["a0", "a1", "a2", "b0", "b1", "b2"],
    ]


def test_who_waits_for_what_stands_still_is_told_so() -> None:
    async def play(one: Actor, other: Actor, store: _Store) -> list[Any]:
        await one.begin("locked", "a", point=2)
        await other.begin("locked", "b")
        assert not await other.settle()
        return [(await one.end()).result, (await other.end()).result, store.log]

    assert _run(play) == ["a", "b", ["a0", "a1", "a2", "b0", "b1", "b2"]]


def test_time_passes_for_others_and_what_a_call_left_behind_goes_on() -> None:
    async def play(one: Actor, other: Actor, store: _Store) -> list[str]:
        await one.begin("leaves", "a", point=1)
        await other.begin("slow", "b")
        assert await other.settle()
        await one.end()
        await other.end()
        return store.log

    assert _run(play) == ["a0", "a later", "b", "a1", "a2"]


def test_a_task_that_the_call_awaits_stands_still_with_it() -> None:
    async def play(one: Actor, other: Actor, store: _Store) -> list[str]:
        await one.begin("inner", "a", point=3)
        await other.call("add", "b")
        await one.end()
        return store.log

    log = _run(play)
    assert log.index("b2") < log.index("a2"), log


def test_whoever_gives_up_leaves_nothing_standing() -> None:
    async def play(one: Actor, other: Actor, store: _Store) -> int:
        await one.begin("add", "a", point=1)
        return store.value

    assert _run(play) == 0  # and the runner ends, for the call went on


def test_calls_stand_still_on_virtual_time_alone() -> None:
    async def scenario() -> None:
        async with actors((), VirtualClock(0)):
            pass

    with pytest.raises(HarnessError, match="virtual time"):
        asyncio.run(scenario())
