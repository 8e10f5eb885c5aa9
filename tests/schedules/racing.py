"""A small world for racy programs: one memory store, a tapped client for each task, and a plan."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from prism_backends.memory.client import MemoryClient
from prism_backends.memory.keyvalue import MemoryKeyValue
from prism_testkit.clock import VirtualClock
from prism_testkit.interfaces import KeyValueCas
from prism_testkit.plan import Plan
from prism_testkit.schedules import VirtualLoop
from prism_testkit.scheduling import Scheduler
from prism_testkit.tap import Tap, tapped
from prism_testkit.turns import Turns

__all__ = ["FIFO", "Played", "Program", "Race", "World", "expect", "number", "others", "play", "together"]


class Race(AssertionError):
    """A program went wrong as it is meant to."""


@dataclass
class World:
    """What a program is given. ``correct`` asks for the twin that must never go wrong."""

    correct: bool
    scheduler: Scheduler | None = None
    _store: MemoryClient = field(default_factory=lambda: MemoryClient({}, VirtualClock()))

    def client(self, number: int) -> KeyValueCas:
        tap = Tap(client=number, suspend=True, scheduler=self.scheduler)
        slot: KeyValueCas = tapped(MemoryKeyValue(self._store, "races"), ("keyvalue_basic", "keyvalue_cas"), tap)
        return slot


Program = Callable[[World], Awaitable[None]]


@dataclass(frozen=True)
class Played:
    """How a program went wrong, if it did; in words what the plan did; and how many choices it had."""

    race: Race | None
    words: str
    steps: int


FIFO = Plan(changes=((1_000_000, 0),))
"""No deviation that is ever reached."""


def play(program: Program, plan: Plan, *, correct: bool = False) -> Played:
    """Run a program on a loop of its own."""
    loop = VirtualLoop(VirtualClock())
    scheduler = Turns(plan, loop)
    raced = None
    try:
        loop.run_until_complete(_run(program, World(correct, scheduler)))
    except Race as error:
        raced = error
    finally:
        loop.chooser = None
        loop.run_until_complete(_end(asyncio.all_tasks(loop)))
        loop.close()
    return Played(raced, scheduler.told(lambda client: f"client {client}"), scheduler.steps)


async def _run(program: Program, world: World) -> None:
    await program(world)


async def _end(tasks: set[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def number(kv: KeyValueCas, key: str) -> int:
    """Read a whole number; 0 if there is none."""
    return int(await kv.get(key) or b"0")


async def others(kv: KeyValueCas, calls: int) -> None:
    """Be busy with something else."""
    for _ in range(calls):
        await kv.get("something else")


def expect(holds: bool, message: str, *details: Any) -> None:
    if not holds:
        raise Race(f"{message}: {', '.join(map(repr, details))}")


async def together(*works: Awaitable[None]) -> None:
    await asyncio.gather(*works)
