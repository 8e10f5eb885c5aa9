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

__all__ = ["Program", "Race", "World", "expect", "number", "others", "play", "together"]


class Race(AssertionError):
    """A program went wrong as it is meant to."""


@dataclass
class World:
    """What a program is given. ``correct`` asks for the twin that must never go wrong."""

    correct: bool
    scheduler: Scheduler | None = None
    steps: int = 0
    _store: MemoryClient = field(default_factory=lambda: MemoryClient({}, VirtualClock()))

    def client(self, number: int) -> KeyValueCas:
        tap = Tap(client=number, suspend=True, scheduler=self.scheduler)
        slot: KeyValueCas = tapped(MemoryKeyValue(self._store, "races"), ("keyvalue_basic", "keyvalue_cas"), tap)
        return slot


Program = Callable[[World], Awaitable[None]]


def play(program: Program, plan: Plan, *, correct: bool = False) -> World:
    """Run a program on a loop of its own; raise what it raises."""
    loop = VirtualLoop(VirtualClock())
    world = World(correct)
    if plan.deviates:
        world.scheduler = Turns(plan, loop)
    try:
        loop.run_until_complete(_run(program, world))
    finally:
        if world.scheduler is not None:
            world.scheduler.close()
        loop.close()
    return world


async def _run(program: Program, world: World) -> None:
    await program(world)


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
