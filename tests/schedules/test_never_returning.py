"""The loop of virtual time: what never returns is reported."""

import asyncio
import contextlib
import itertools
import math
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from prism_testkit.clock import VirtualClock
from prism_testkit.schedules import VirtualLoop
from prism_testkit.stuck import Deadlock, Livelock

from .virtual import passed_ns


def test_deadlock_names_the_waiting_tasks_and_where(loop: VirtualLoop) -> None:
    queue: asyncio.Queue[int] = asyncio.Queue()

    async def consume() -> None:
        await queue.get()

    async def main() -> None:
        consumer = asyncio.create_task(consume(), name="consumer")
        await asyncio.gather(consumer, asyncio.sleep(1))

    with pytest.raises(Deadlock, match=r"'consumer' in \S*consume > Queue\.get \(queues\.py:\d+\)") as caught:
        loop.run_until_complete(main())

    assert "main (test_never_returning.py:" in str(caught.value)
    assert loop.time() == 1


def test_deadlock_of_a_bare_future_says_so_and_the_loop_stays_usable(loop: VirtualLoop) -> None:
    for _ in range(2):
        with pytest.raises(Deadlock, match="no task is left"):
            loop.run_until_complete(loop.create_future())
    with pytest.raises(Deadlock):
        loop.run_forever()
    assert loop.run_until_complete(asyncio.sleep(1, "fine")) == "fine"


def test_a_cancelled_timer_is_no_reason_to_wait(loop: VirtualLoop, clock: VirtualClock) -> None:
    loop.call_later(5, print).cancel()
    with pytest.raises(Deadlock):
        loop.run_until_complete(loop.create_future())
    assert passed_ns(clock) == 0


def test_tasks_at_one_place_are_counted(loop: VirtualLoop) -> None:
    async def wait() -> None:
        await asyncio.Event().wait()

    tasks = [loop.create_task(wait(), name=f"number {n}") for n in range(1000)]
    with pytest.raises(Deadlock) as caught:
        loop.run_until_complete(asyncio.gather(*tasks))
    assert "'number 0' and 999 more in" in str(caught.value)
    assert len(str(caught.value)) < 500


def test_who_waits_in_a_context_manager_is_named(loop: VirtualLoop) -> None:
    @asynccontextmanager
    async def connect() -> AsyncIterator[None]:
        await asyncio.Event().wait()
        yield

    async def enter() -> None:
        async with connect():
            pass

    with pytest.raises(Deadlock, match=r"__aenter__ > \S*connect > \S*wait"):
        loop.run_until_complete(enter())


@pytest.mark.parametrize(("pause_s", "state"), [(0, "ready to run"), (1, "waiting")])
def test_livelock_names_the_running_task_apart_from_the_others(loop: VirtualLoop, pause_s: float, state: str) -> None:
    async def spin() -> None:
        for _ in itertools.count():
            await asyncio.sleep(pause_s)

    idle = loop.create_task(asyncio.sleep(math.inf), name="idle")
    loop.step_limit = 1000
    with pytest.raises(Livelock, match="no end after 1000 steps") as caught:
        loop.run_until_complete(loop.create_task(spin(), name="spinner"))

    parts = dict(zip(["ready to run", "waiting"], str(caught.value).split("waiting: "), strict=True))
    assert "'idle' in sleep" in parts["waiting"]
    assert [name for name, part in parts.items() if re.search(r"'spinner' in \S*spin", part)] == [state]
    assert not idle.done()


def test_the_step_limit_counts_each_run_anew_and_is_exact(loop: VirtualLoop) -> None:
    async def steps(count: int) -> None:
        for _ in range(count):
            await asyncio.sleep(0)

    loop.step_limit = 100
    for count in (50, 50, 98):  # one step more for the task's end, and one to stop
        loop.run_until_complete(steps(count))
    with pytest.raises(Livelock):
        loop.run_until_complete(steps(99))


def test_who_waits_for_nothing_beside_one_who_looks_every_minute_has_not_an_endless_run(loop: VirtualLoop) -> None:
    asked: list[object] = []

    def hopeless(waiter: object) -> bool:
        asked.append(waiter)
        return len(asked) == 3

    async def looks_every_minute() -> None:
        for _ in itertools.count():
            await asyncio.sleep(60)

    async def waits() -> None:
        beside = asyncio.ensure_future(looks_every_minute())
        try:
            await asyncio.Event().wait()
        finally:
            beside.cancel()

    loop.hopeless = hopeless
    with pytest.raises(Livelock, match="time was let pass 3,072 times"):
        loop.run_until_complete(waits())
    assert asked[0] is not None
    assert asked[0] is asked[2]


@pytest.mark.parametrize("how", ["sleep", "timeout", "wait", "gather"])
def test_who_has_a_time_of_his_own_is_not_asked_about(loop: VirtualLoop, how: str) -> None:
    asked: list[object] = []

    def hopeless(waiter: object) -> bool:
        asked.append(waiter)
        return False

    async def looks_every_second() -> None:
        for _ in itertools.count():
            await asyncio.sleep(1)

    async def waits() -> None:
        beside = asyncio.ensure_future(looks_every_second())
        match how:
            case "sleep":
                await asyncio.sleep(3000)
            case "timeout":
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(3000):
                        await asyncio.Event().wait()
            case "wait":
                await asyncio.wait([asyncio.ensure_future(asyncio.sleep(3000))])
            case _:
                await asyncio.gather(asyncio.sleep(3000), asyncio.sleep(2000))
        beside.cancel()

    loop.hopeless = hopeless
    loop.run_until_complete(waits())
    assert len(asked) >= 2
    assert set(asked) == {None}
