"""The loop of virtual time: timers, sleeps, and when time moves."""

import asyncio
import gc
import math
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prism_testkit.clock import VirtualClock
from prism_testkit.schedules import VirtualLoop
from prism_testkit.stuck import Deadlock

from .virtual import passed_ns


def test_sleeps_add_up_to_the_nanosecond(loop: VirtualLoop, clock: VirtualClock) -> None:
    async def main() -> None:
        for _ in range(10):
            await asyncio.sleep(0.1)

    loop.run_until_complete(main())

    assert passed_ns(clock) == 1_000_000_000
    assert loop.time() == 1.0


def test_sleeps_are_exact_however_late_it_is(loop: VirtualLoop, clock: VirtualClock) -> None:
    clock.jump(10**19)  # a float of that many seconds tells no less than 2 microseconds apart

    async def main() -> None:
        for _ in range(10):
            await asyncio.sleep(0.1)

    loop.run_until_complete(main())

    assert passed_ns(clock) == 10**19 + 1_000_000_000


def test_seconds_are_the_float_nearest_to_the_instant() -> None:
    """A hundred years ahead they tell microseconds apart no more, but a whole second is a whole second."""
    for seconds in range(4_800_010_000, 4_800_020_000):
        assert VirtualClock(seconds * 1_000_000_000).now_s() == seconds


def test_time_moves_only_when_nothing_is_ready(loop: VirtualLoop, clock: VirtualClock) -> None:
    seen = []

    async def busy() -> None:
        for _ in range(5):
            seen.append(clock.now_ms())
            await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(busy(), asyncio.sleep(0.001))

    loop.run_until_complete(main())

    assert set(seen) == {VirtualClock.START_S * 1000}
    assert passed_ns(clock) == 1_000_000


@pytest.mark.parametrize("seconds", [0.000_001, 0.01, 2.0])
def test_time_creeps_while_somebody_looks_over_and_over(loop: VirtualLoop, clock: VirtualClock, seconds: float) -> None:
    """A reader that goes on until the writer is done does not keep the writer from its sleep."""
    looks = []

    async def main() -> None:
        writer = asyncio.ensure_future(asyncio.sleep(seconds))
        while not writer.done():
            looks.append(clock.now_ms())
            await asyncio.sleep(0)

    loop.run_until_complete(main())

    assert set(looks[:900]) == {VirtualClock.START_S * 1000}
    assert passed_ns(clock) == round(seconds * 1e9)
    assert len(looks) < 25_000


@given(st.lists(st.integers(0, 50), min_size=1, max_size=12))
def test_timers_run_in_order_of_instant_then_creation(delays_ns: list[int]) -> None:
    clock = VirtualClock()
    loop = VirtualLoop(clock)
    order: list[tuple[int, int]] = []
    for index, delay_ns in enumerate(delays_ns):
        loop.call_later(delay_ns / 1e9, lambda number: order.append((passed_ns(clock), number)), index)
    loop.call_later(1, loop.stop)

    loop.run_forever()
    loop.close()

    assert order == sorted((delay_ns, index) for index, delay_ns in enumerate(delays_ns))


def test_call_at_and_call_later_meet_at_one_instant(loop: VirtualLoop) -> None:
    order: list[str] = []

    async def main() -> None:
        await asyncio.sleep(0.3)
        loop.call_at(0.1 + 0.2 + 0.7, order.append, "at")  # 0.1 + 0.2 is not 0.3
        loop.call_later(0.7, order.append, "later")
        loop.call_at(0.9999999994, order.append, "rounded down")
        loop.call_at(0.9999999996, order.append, "rounded up")
        await asyncio.sleep(1)

    loop.run_until_complete(main())

    assert order == ["rounded down", "at", "later", "rounded up"]


def test_timers_that_a_jump_passed_run_next_in_order(loop: VirtualLoop, clock: VirtualClock) -> None:
    order: list[str] = []

    async def main() -> None:
        for delay_s in (3, 1, 2, 9):
            loop.call_later(delay_s, order.append, f"{delay_s} s")
        clock.jump(3_000_000_000)
        loop.call_soon(order.append, "made ready after the jump")
        await asyncio.sleep(0)

    loop.run_until_complete(main())

    assert order == ["1 s", "2 s", "3 s", "made ready after the jump"]
    assert passed_ns(clock) == 3_000_000_000


def test_a_time_that_is_not_ahead_queues_like_call_soon(loop: VirtualLoop) -> None:
    order: list[str] = []

    async def main() -> None:
        await asyncio.sleep(1)
        loop.call_soon(order.append, "soon")
        loop.call_later(0, order.append, "0")
        loop.call_later(-5, order.append, "negative")
        loop.call_later(-math.inf, order.append, "minus infinity")
        loop.call_at(0.5, order.append, "past")
        loop.call_soon(order.append, "soon after")
        await asyncio.sleep(0)

    loop.run_until_complete(main())

    assert order == ["soon", "0", "negative", "minus infinity", "past", "soon after"]
    assert loop.time() == 1


@pytest.mark.parametrize("wait", [asyncio.sleep, lambda left_s: asyncio.wait({asyncio.Future()}, timeout=left_s)])
def test_who_waits_for_the_rest_of_a_span_comes_to_its_end(loop: VirtualLoop, wait: Callable[[float], Any]) -> None:
    async def main() -> int:
        await asyncio.sleep(0.1)
        end = loop.time() + 0.2  # which is more than 0.3, by less than a nanosecond
        waits = 0
        while (left_s := end - loop.time()) > 0:
            await wait(left_s)
            waits += 1
        return waits

    assert loop.run_until_complete(main()) == 2
    assert loop.time() == 0.300000001


def test_an_instant_just_ahead_is_not_now(loop: VirtualLoop) -> None:
    seen: list[float] = []

    async def main() -> None:
        loop.call_later(1e-10, lambda: seen.append(loop.time()))
        loop.call_at(1e-10, lambda: seen.append(loop.time()))
        await asyncio.sleep(1)

    loop.run_until_complete(main())

    assert seen == [1e-9, 1e-9]


def test_a_sleep_without_end_ends_with_the_others(loop: VirtualLoop, clock: VirtualClock) -> None:
    async def main() -> str:
        forever = [loop.create_task(asyncio.sleep(seconds)) for seconds in (math.inf, 1e300)]
        await asyncio.sleep(1e10)  # the longest time to live that a driver must accept
        for task in forever:
            task.cancel()
        return "done"

    assert loop.run_until_complete(main()) == "done"
    assert passed_ns(clock) == 10**19


@pytest.mark.parametrize("seconds", [math.inf, 1e300])
def test_nothing_but_a_sleep_without_end_is_a_deadlock(loop: VirtualLoop, clock: VirtualClock, seconds: float) -> None:
    with pytest.raises(Deadlock):
        loop.run_until_complete(asyncio.sleep(seconds))
    assert passed_ns(clock) == 0


def test_not_a_number_is_refused(loop: VirtualLoop) -> None:
    with pytest.raises(ValueError, match="NaN"):
        loop.call_later(math.nan, print)


def test_timeout_cancels_at_its_deadline(loop: VirtualLoop, clock: VirtualClock) -> None:
    async def main() -> None:
        await asyncio.sleep(0.3)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.7):
                await asyncio.sleep(5)
        assert passed_ns(clock) == 1_000_000_000
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(5), 0.25)

    loop.run_until_complete(main())

    assert passed_ns(clock) == 1_250_000_000


def test_the_clock_sleeps_and_advances_on_the_loop(loop: VirtualLoop, clock: VirtualClock) -> None:
    events: list[tuple[str, int]] = []

    async def sleeper(seconds: float) -> None:
        await clock.sleep(seconds)
        events.append((f"slept {seconds}", passed_ns(clock)))

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(sleeper(2))
            group.create_task(sleeper(1))
            group.create_task(sleeper(4))
            await clock.advance(3)
            events.append(("advanced", passed_ns(clock)))

    loop.run_until_complete(main())

    second = 1_000_000_000
    assert events == [("slept 1", second), ("slept 2", 2 * second), ("advanced", 3 * second), ("slept 4", 4 * second)]


def test_what_is_cancelled_neither_runs_nor_moves_time_nor_piles_up(
    loop: VirtualLoop, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[str] = []
    gc.collect()  # what other tests left tells of itself now

    async def main() -> None:
        kept = loop.call_later(10, ran.append, "kept")
        for _ in range(1000):
            loop.call_later(5, ran.append, "cancelled").cancel()
        assert len(loop._timers) < 150
        loop.call_later(1, ran.append, "first").cancel()
        loop.call_soon(ran.append, "ready").cancel()
        await asyncio.sleep(7)
        assert not kept.cancelled()
        await asyncio.sleep(7)

    loop.run_until_complete(main())

    assert ran == ["kept"]
    assert passed_ns(clock) == 14_000_000_000
    assert not caplog.records


def test_compaction_keeps_live_timers_in_order(loop: VirtualLoop) -> None:
    rng = random.Random(0)
    order: list[float] = []
    delays = [rng.randint(1, 10_000) for _ in range(1000)]
    timers = {delay: loop.call_later(delay, order.append, delay) for delay in delays}
    cancelled = rng.sample(sorted(timers), len(timers) * 3 // 5)
    for delay in cancelled:
        timers[delay].cancel()
    assert len(loop._timers) < 1000
    for delay in cancelled:  # pushed onto what compaction left
        loop.call_later(delay, order.append, delay)
    loop.call_later(20_000, loop.stop)

    loop.run_forever()

    assert order == sorted(delays)
