"""The loop of virtual time: without timers its order is asyncio's own."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prism_testkit.clock import VirtualClock
from prism_testkit.schedules import VirtualLoop

Program = list[list[tuple[str, int]]]


async def interpret(script: list[tuple[str, int]], name: int, shared: dict[str, Any], log: list[tuple[int, int]]) -> None:
    for number, (action, slot) in enumerate(script):
        log.append((name, number))
        match action:
            case "yield":
                await asyncio.sleep(0)
            case "lock":
                async with shared["locks"][slot]:
                    await asyncio.sleep(0)
            case "put":
                await shared["queues"][slot].put(name)
            case "get":
                with_timeout = asyncio.ensure_future(shared["queues"][slot].get())
                await asyncio.sleep(0)
                with_timeout.cancel()
                await asyncio.gather(with_timeout, return_exceptions=True)
            case "spawn":
                shared["tasks"].append(asyncio.create_task(interpret(script[number + 1 :][:2], name * 10 + slot, shared, log)))
            case "soon":
                asyncio.get_running_loop().call_soon(log.append, (name, 100 + number))


def run_program(loop: asyncio.AbstractEventLoop, program: Program) -> list[tuple[int, int]]:
    log: list[tuple[int, int]] = []

    async def main() -> None:
        shared: dict[str, Any] = {
            "locks": [asyncio.Lock() for _ in range(2)],
            "queues": [asyncio.Queue() for _ in range(2)],
            "tasks": [],
        }
        await asyncio.gather(*(interpret(script, name, shared, log) for name, script in enumerate(program, 1)))
        while shared["tasks"]:
            await shared["tasks"].pop(0)

    loop.run_until_complete(main())
    loop.close()
    return log


ACTIONS = st.tuples(st.sampled_from(["yield", "lock", "put", "get", "spawn", "soon"]), st.integers(0, 1))


@given(st.lists(st.lists(ACTIONS, max_size=6), min_size=2, max_size=4))
def test_without_timers_the_order_is_asyncios_own(program: Program) -> None:
    assert run_program(VirtualLoop(VirtualClock()), program) == run_program(asyncio.new_event_loop(), program)


def test_stop_lets_what_is_ready_run_and_leaves_the_rest(loop: VirtualLoop) -> None:
    order: list[str] = []
    loop.call_soon(loop.stop)
    loop.call_soon(loop.call_soon, order.append, "later")
    loop.call_soon(order.append, "ready")
    loop.call_later(1, order.append, "timer")

    loop.run_forever()
    assert order == ["ready"]
    assert loop.time() == 0

    loop.run_until_complete(asyncio.sleep(2))
    assert order == ["ready", "later", "timer"]


def test_stop_before_the_run_ends_it_after_one_round_without_moving_time(loop: VirtualLoop) -> None:
    order: list[str] = []
    loop.stop()
    loop.run_forever()

    loop.call_later(1, order.append, "timer")
    loop.stop()
    loop.run_forever()

    assert order == []
    assert loop.time() == 0


def test_eager_tasks_run_at_creation(loop: VirtualLoop) -> None:
    factory = getattr(asyncio, "eager_task_factory", None)
    if factory is None:
        pytest.skip("eager tasks came with Python 3.12")
    order: list[str] = []

    async def child() -> None:
        order.append("child begins")
        await asyncio.sleep(1)
        order.append("child ends")

    async def main() -> None:
        task = asyncio.create_task(child())
        order.append("created")
        await task

    loop.set_task_factory(factory)
    loop.run_until_complete(main())

    assert order == ["child begins", "created", "child ends"]
