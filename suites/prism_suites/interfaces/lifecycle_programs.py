"""Generated programs against a model of four states: what only a sequence of openings, calls, drains and closes shows."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from hypothesis import given

from prism_suites._judging import broken, refused, same
from prism_suites._lifecycle import ENDED, Waiting, asked, in_vain, turns
from prism_suites._lifecycle_worlds import HOUR_S, World, world_of
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import Closed, Drained
from prism_testkit.programs import Program, Step, programs

_OPERATIONS = ("write", "wait", "feed", "give_up", "health", "open", "drain", "close")
_STEPS = 30
_WAITS = 3
"""Calls that each driver may have in hand, and that wait, in one program."""
_TIMES_S = (0, 0.01, 5.0, -1.0)
_REAL_TIMES_S = (0, 0.01, 0.2, -1.0)
"""A drain of calls that wait takes as long as it may."""


@check("lifecycle.2", "lifecycle.3", "lifecycle.1", "lifecycle.4")
@given(program=programs(_OPERATIONS, _STEPS))
async def programs_of_drivers_that_come_and_go_match_the_model(slot: Waiting, case: Case, program: Program) -> None:
    """Three drivers of one namespace are opened, used, drained and closed in any order; each answer is the one of its state."""
    async with AsyncExitStack() as stack:
        worlds = [await stack.enter_async_context(world_of(case, slot, calls=_WAITS, first=number * _WAITS)) for number in range(3)]
        drivers = [_Driver(world) for world in worlds]
        acknowledged: list[int] = []
        for number, step in enumerate(program.steps):
            acknowledged += await drivers[step.client].make(step, number)
        found = await worlds[0].written(len(program.steps))
        if found != acknowledged:
            sentence = "of writes through drivers that come and go one is lost, doubled, or was refused and is there"
            broken("lifecycle.2", sentence, expected=acknowledged, got=found)
        for driver in drivers:
            await driver.close()


class _Driver:
    """One driver, what state it is in, and its calls that wait."""

    def __init__(self, world: World) -> None:
        self.world, self.state = world, "open"
        self.waiting: dict[int, asyncio.Task[Any]] = {}
        self.begun = 0

    async def make(self, step: Step, number: int) -> list[int]:
        """Make a step and judge it; return the writes that it acknowledged."""
        if step.op == "write":
            return await self._write(number)
        made = getattr(self, f"_{step.op}" if step.op != "close" else "close")
        times = _TIMES_S if self.world.case.clock.virtual else _REAL_TIMES_S
        await (made(times[step.extra % len(times)]) if step.op == "drain" else made())
        return []

    async def _write(self, number: int) -> list[int]:
        call = self.world.write(self.world.living, number)
        if self.state == "open":
            await in_vain("lifecycle.2", call, "a write through a driver that is open fails")
            return [number]
        await refused(self._promise(), call, Closed, f"a write is not refused, though the driver is {self.state}")
        return []

    async def _wait(self) -> None:
        if self.begun == _WAITS:
            return
        call = self.world.wait(self.begun, 10 * HOUR_S)
        if self.state != "open":
            await refused(
                self._promise(), call, Closed, f"a call that would wait is not refused, though the driver is {self.state}"
            )
            return
        self.waiting[self.begun] = asyncio.ensure_future(call)
        self.begun += 1
        await self.world.case.clock.sleep(1.0 if self.world.case.clock.virtual else 0.0)

    async def _feed(self) -> None:
        for number in list(self.waiting)[:1]:
            task = self.waiting.pop(number)
            await self.world.feed(number)
            got = await in_vain("lifecycle.2", task, "a call in hand of a driver that is open fails")
            if got is None:
                broken("lifecycle.2", "a call in hand is told that nothing came, before its time", expected="what came", got=None)

    async def _give_up(self) -> None:
        for number in list(self.waiting)[-1:]:
            task = self.waiting.pop(number)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _health(self) -> None:
        health = await asked(self.world.living.health())
        if (health.status == "healthy") != (self.state == "open"):
            broken("lifecycle.4", f"health of a driver that is {self.state} says otherwise", expected=self.state, got=health)

    async def _open(self) -> None:
        if self.state == "closed":
            await refused("lifecycle.2", self.world.living.open(), Closed, "an open after close is not refused with Closed")
        elif self.state == "open":
            await in_vain("lifecycle.1", self.world.living.open(), "an open of what is open fails")

    async def _drain(self, timeout_s: float) -> None:
        drained = await in_vain("lifecycle.3", self.world.living.drain(timeout_s), "a drain fails")
        same("lifecycle.3", drained, Drained(0, len(self.waiting)), "a drain counts otherwise than there were calls in hand")
        self.state = "closed" if self.state == "closed" else "draining"
        await self._ended("lifecycle.3", "a drain")

    async def close(self) -> None:
        await in_vain("lifecycle.2", self.world.living.close(), "a close fails")
        self.state = "closed"
        await self._ended("lifecycle.2", "a close")

    async def _ended(self, promise: str, how: str) -> None:
        await turns(10)
        for task in self.waiting.values():
            if not task.done() or not (task.cancelled() or isinstance(task.exception(), ENDED)):
                broken(promise, f"a call that waited was not ended by {how}", expected="Closed", got=_told(task))
        self.waiting.clear()

    def _promise(self) -> str:
        return "lifecycle.2" if self.state == "closed" else "lifecycle.3"


def _told(task: "asyncio.Task[Any]") -> str:
    """Say what became of a call."""
    if not task.done():
        return "it waits on"
    error = task.exception()
    return f"it returned {task.result()!r}" if error is None else f"it raised {type(error).__name__}: {error}"
