"""A plan over real servers: one call at a time, in the order of the plan, and nobody waits for ever."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from prism_testkit.gates import Gate
from prism_testkit.plan import Plan
from prism_testkit.tap import Tap

from .hunting import random_plans
from .programs_known import KNOWN
from .programs_more import MORE
from .racing import FIFO, Program, Race, World

NEVER_S = 1000.0
"""A patience that no test outlives: whoever waits for it hangs."""
PROGRAMS = {**KNOWN, **MORE}
EACH = pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
Body = Callable[[Tap], Awaitable[None]]


async def nothing() -> None:
    """A call with no effect."""


async def call(tap: Tap, function: Callable[[], Awaitable[None]] = nothing) -> None:
    await tap.call("get", function, (), {})


def run(plan: Plan, *bodies: Body, patience_s: float = NEVER_S) -> Gate:
    """Run each body in a task of its own on a loop of asyncio's, client 1 the first."""

    async def main() -> Gate:
        gate = Gate(plan, asyncio.get_running_loop(), patience_s)
        taps = [Tap(client=n, suspend=True, scheduler=gate) for n in range(1, len(bodies) + 1)]
        await asyncio.gather(*(body(tap) for body, tap in zip(bodies, taps, strict=True)))
        gate.close()
        return gate

    return asyncio.run(main())


def play(program: Program, plan: Plan, correct: bool = False) -> bool:
    """Run a racy program; return whether it went wrong."""

    async def main() -> bool:
        gate = Gate(plan, asyncio.get_running_loop(), NEVER_S)
        try:
            await program(World(correct, gate))
        except Race:
            return True
        finally:
            gate.close()
        return False

    return asyncio.run(main())


@EACH
def test_no_program_fails_first_come_first_served_and_no_twin_ever(program: Program) -> None:
    # Who is late by turns of the loop is not late at the gate, which waits for whoever is about to come.
    assert play(program, FIFO) == (program is KNOWN["two dispatchers, late start"])
    assert not any(play(program, plan, correct=True) for plan in [FIFO, *random_plans(2, 40)])


@pytest.mark.parametrize("name", ["lost update, late start", "offset overtaken", "bucket checked, then created"])
def test_what_is_found_on_virtual_time_is_found_here(name: str) -> None:
    assert any(play(PROGRAMS[name], plan) for plan in random_plans(3, 200))


def test_one_call_is_under_way_at_a_time() -> None:
    inside = most = 0

    async def slow() -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.001)
        inside -= 1

    async def body(tap: Tap) -> None:
        for _ in range(3):
            await call(tap, slow)

    gate = run(Plan((0, 1)), body, body, body)
    assert most == 1
    assert gate.steps == 18
    assert not gate.overtaken


def test_the_highest_goes_first_and_a_change_lets_the_others_pass() -> None:
    order: list[int] = []

    async def body(tap: Tap) -> None:
        for _ in range(2):
            await call(tap, lambda: asyncio.sleep(0.001))
            order.append(tap.client)
            await asyncio.sleep(0)

    run(Plan((0, 2, 1)), body, body, body)
    assert order == [2, 2, 3, 3, 1, 1]
    order.clear()
    gate = run(Plan((0, 2, 1), ((3, 0),)), body, body, body)
    assert order == [2, 3, 3, 1, 1, 2]
    assert gate.told(str) == "2 before 3 before 1; one preemption at step 3: 2 waits before its get"


def test_a_call_that_waits_in_the_server_for_another_is_left_alone() -> None:
    there = asyncio.Event()

    async def waits(tap: Tap) -> None:
        await call(tap, lambda: asyncio.wait_for(there.wait(), None))
        await call(tap)

    async def comes(tap: Tap) -> None:
        await tap.call("set", lambda: asyncio.sleep(0, there.set()), (), {})

    gate = run(Plan((1,)), waits, comes, patience_s=0.01)
    assert [(who.client, who.operation) for who in gate.overtaken] == [(1, "get")]
    assert gate.told(str) == "1 before 2; others went while the server held get of 1"


def test_a_refusal_is_an_answer() -> None:
    async def refuse() -> None:
        await asyncio.sleep(0)
        raise ValueError

    async def refused(tap: Tap) -> None:
        for _ in range(2):
            with pytest.raises(ValueError):  # noqa: PT011 - it has no words
                await call(tap, refuse)

    assert run(Plan((1,)), refused, call).steps == 4


def test_who_is_cancelled_at_the_gate_or_behind_it_holds_up_nobody() -> None:
    async def cancelled(tap: Tap, turns: int) -> None:
        task = asyncio.create_task(call(tap, lambda: asyncio.sleep(NEVER_S)))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    for turns in range(12):
        gate = run(Plan((0, 1)), lambda tap, turns=turns: cancelled(tap, turns), call)  # type: ignore[misc]
        assert not gate.overtaken
        assert turns != 1 or gate.steps == 2  # it was still waiting, so it had no step


def test_who_never_comes_to_the_tap_is_not_waited_for() -> None:
    done = asyncio.Event()

    async def spins(tap: Tap) -> None:
        await call(tap)
        while not done.is_set():  # noqa: ASYNC110 - it is to spin
            await asyncio.sleep(0)

    async def works(tap: Tap) -> None:
        await call(tap)
        done.set()

    run(Plan((7,)), spins, works)


def test_the_end_lets_everybody_go() -> None:
    under_way, over = asyncio.Event(), asyncio.Event()

    async def served() -> None:
        under_way.set()
        await over.wait()

    async def ends(tap: Tap) -> None:
        assert tap.scheduler is not None
        await under_way.wait()
        tap.scheduler.close()
        await call(tap)

    async def waits(tap: Tap) -> None:
        await call(tap)
        over.set()

    run(Plan((1,)), lambda tap: call(tap, served), ends, waits)
