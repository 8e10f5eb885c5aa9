"""The event loop of virtual time: time, order, executors, what never returns, and what it refuses."""

import asyncio
import contextvars
import gc
import itertools
import logging
import math
import os
import random
import re
import signal
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prism_testkit.clock import VirtualClock
from prism_testkit.schedules import Deadlock, Livelock, NoInputOutput, VirtualLoop

START_NS = VirtualClock.START_S * 1_000_000_000


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


def passed_ns(clock: VirtualClock) -> int:
    return clock.now_ns() - START_NS


# Time


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
        loop.call_later(1e-10, order.append, "rounded to 0")
        loop.call_soon(order.append, "soon after")
        await asyncio.sleep(0)

    loop.run_until_complete(main())

    assert order == ["soon", "0", "negative", "minus infinity", "past", "rounded to 0", "soon after"]
    assert loop.time() == 1


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


# Order


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


# Executors and threads


def test_an_executor_call_is_a_suspension_and_runs_inline(loop: VirtualLoop) -> None:
    order: list[str] = []

    async def caller() -> None:
        future = loop.run_in_executor(None, lambda: order.append(f"call in {threading.current_thread().name}"))
        order.append(f"done at once: {future.done()}")
        await future
        order.append("back")

    async def other() -> None:
        order.append("other")

    async def main() -> None:
        await asyncio.gather(caller(), other())

    loop.run_until_complete(main())

    assert order == ["call in MainThread", "done at once: False", "other", "back"]


def test_any_executor_argument_and_to_thread_work(loop: VirtualLoop) -> None:
    async def main() -> list[int]:
        with ThreadPoolExecutor(1) as executor:
            loop.set_default_executor(executor)
            loop.set_default_executor(object())
            return [
                await loop.run_in_executor(executor, int, "1"),
                await loop.run_in_executor(None, int, "2"),
                await asyncio.to_thread(int, "3"),
            ]

    assert loop.run_until_complete(main()) == [1, 2, 3]
    loop.run_until_complete(loop.shutdown_default_executor())
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("asyncio", "ThreadPool"))]


def test_an_error_in_the_executor_reaches_the_awaiting_task_only(loop: VirtualLoop) -> None:
    async def main() -> None:
        future = loop.run_in_executor(None, int, "x")
        with pytest.raises(ValueError, match="invalid literal"):
            await future
        with pytest.raises(RuntimeError, match="StopIteration") as caught:
            await loop.run_in_executor(None, next, iter(()))
        assert isinstance(caught.value.__cause__, StopIteration)

    loop.run_until_complete(main())


def test_an_error_in_the_executor_leaves_no_reference_cycle(loop: VirtualLoop) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="invalid literal"):
            await loop.run_in_executor(None, int, "x")

    loop.run_until_complete(main())
    gc.collect()
    gc.disable()
    try:
        future = loop.run_in_executor(None, int, "x")
        loop.call_soon(loop.stop)
        loop.run_forever()
        error = future.exception()
        assert error is not None
        assert future not in [value for frame in _frames(error) for value in frame.values()]
    finally:
        gc.enable()


def _frames(error: BaseException) -> Iterator[dict[str, Any]]:
    traceback = error.__traceback__
    while traceback is not None:
        yield traceback.tb_frame.f_locals
        traceback = traceback.tb_next


def test_a_cancelled_executor_call_keeps_its_effect_and_the_loop_goes_on(
    loop: VirtualLoop, caplog: pytest.LogCaptureFixture
) -> None:
    effects: list[int] = []

    async def main() -> None:
        loop.run_in_executor(None, effects.append, 1).cancel()
        loop.run_in_executor(None, int, "x").cancel()
        await asyncio.sleep(1)

    loop.run_until_complete(main())

    assert effects == [1]
    assert not caplog.records


def test_the_executor_sees_neither_the_loop_nor_the_callers_context(loop: VirtualLoop) -> None:
    variable = contextvars.ContextVar("variable", default="none")

    def outside() -> tuple[object, str]:
        seen = (asyncio._get_running_loop(), variable.get())
        variable.set("outside")
        return seen

    async def main() -> None:
        variable.set("inside")
        assert await loop.run_in_executor(None, outside) == (None, "none")
        assert variable.get() == "inside"
        assert asyncio.get_running_loop() is loop

    loop.run_until_complete(main())


def test_call_soon_threadsafe_from_the_loops_own_thread(loop: VirtualLoop) -> None:
    async def main() -> str:
        future: asyncio.Future[str] = loop.create_future()
        loop.call_soon_threadsafe(future.set_result, "done")
        return await future

    assert loop.run_until_complete(main()) == "done"


def test_call_soon_threadsafe_from_another_thread_is_refused_while_running(loop: VirtualLoop) -> None:
    errors: list[BaseException] = []

    def meddle() -> None:
        try:
            loop.call_soon_threadsafe(print)
        except NoInputOutput as error:
            errors.append(error)

    async def main() -> None:
        thread = threading.Thread(target=meddle, name="meddler")
        thread.start()
        thread.join()

    loop.run_until_complete(main())

    assert "'meddler'" in str(errors[0])
    assert "run_in_executor" in str(errors[0])


def test_a_generator_lost_in_another_thread_is_closed_by_the_loop(loop: VirtualLoop) -> None:
    closed_in: list[str] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            closed_in.append(threading.current_thread().name)

    async def main() -> None:
        held = [numbers()]
        await anext(held[0])
        thread = threading.Thread(target=held.clear)
        thread.start()
        thread.join()
        assert closed_in == []
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    loop.run_until_complete(main())

    assert closed_in == ["MainThread"]


# What never returns


def test_deadlock_names_the_waiting_tasks_and_where(loop: VirtualLoop) -> None:
    queue: asyncio.Queue[int] = asyncio.Queue()

    async def consume() -> None:
        await queue.get()

    async def main() -> None:
        consumer = asyncio.create_task(consume(), name="consumer")
        await asyncio.gather(consumer, asyncio.sleep(1))

    with pytest.raises(Deadlock, match=r"'consumer' in \S*consume > Queue\.get \(queues\.py:\d+\)") as caught:
        loop.run_until_complete(main())

    assert "main (test_schedules.py:" in str(caught.value)
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


# Interrupts


class Interrupt(BaseException):
    pass


@pytest.fixture
def raise_on_signal() -> Iterator[Callable[[type[BaseException]], None]]:
    """Return a function that makes the next SIGINT raise what it is given; afterwards the handler is as before."""
    before = signal.getsignal(signal.SIGINT)

    def install(kind: type[BaseException]) -> None:
        def handler(number: int, frame: object) -> None:
            raise kind

        signal.signal(signal.SIGINT, handler)

    yield install
    signal.signal(signal.SIGINT, before)


INTERRUPTS = pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, Interrupt])


@INTERRUPTS
def test_an_interrupt_in_a_callback_leaves_the_run_and_loses_nothing(
    loop: VirtualLoop, kind: type[BaseException], raise_on_signal: Callable[[type[BaseException]], None]
) -> None:
    raise_on_signal(kind)
    order: list[str] = []

    async def main() -> str:
        loop.call_soon(signal.raise_signal, signal.SIGINT)
        loop.call_soon(order.append, "next")
        await asyncio.sleep(1)
        return "done"

    task = loop.create_task(main())
    with pytest.raises(kind):
        loop.run_until_complete(task)

    assert not loop.is_running()
    assert asyncio._get_running_loop() is None
    assert loop.run_until_complete(task) == "done"
    assert order == ["next"]


@INTERRUPTS
def test_an_interrupt_in_the_main_task_is_its_outcome(
    loop: VirtualLoop, kind: type[BaseException], raise_on_signal: Callable[[type[BaseException]], None]
) -> None:
    raise_on_signal(kind)

    async def main() -> None:
        await asyncio.sleep(1)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(kind):
        loop.run_until_complete(main())
    assert loop.run_until_complete(asyncio.sleep(1, "fine")) == "fine"


def test_an_interrupt_between_steps_loses_no_timer() -> None:
    class Interrupting(VirtualClock):
        armed = True

        def jump(self, nanoseconds: int) -> None:
            if self.armed:
                self.armed = False
                raise Interrupt
            super().jump(nanoseconds)

    loop = VirtualLoop(Interrupting())
    task = loop.create_task(asyncio.sleep(1, "done"))
    with pytest.raises(Interrupt):
        loop.run_until_complete(task)

    assert loop.run_until_complete(task) == "done"
    loop.close()


def test_an_interrupt_in_the_executor_reaches_the_caller_at_once(loop: VirtualLoop) -> None:
    def interrupted() -> None:
        raise Interrupt

    async def main() -> None:
        returned = False
        with pytest.raises(Interrupt):
            returned = bool(loop.run_in_executor(None, interrupted))
        assert not returned
        assert asyncio.get_running_loop() is loop

    loop.run_until_complete(main())


@pytest.mark.parametrize("error", [ValueError("oops"), asyncio.CancelledError("oops")])
def test_an_ordinary_error_in_a_callback_goes_to_the_exception_handler(loop: VirtualLoop, error: BaseException) -> None:
    seen: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda loop, context: seen.append(context))

    def fail() -> None:
        raise error

    loop.call_soon(fail)
    assert loop.run_until_complete(asyncio.sleep(1, "fine")) == "fine"

    assert [context["exception"] for context in seen] == [error]
    assert "fail" in seen[0]["message"]


# Good company


@pytest.mark.parametrize("debug", [False, True])
def test_a_runner_drives_it(clock: VirtualClock, debug: bool, caplog: pytest.LogCaptureFixture) -> None:
    closed: list[str] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await asyncio.sleep(1)
            closed.append("generator")

    async def background() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(1)
            closed.append("task")

    left_open = numbers()

    async def main() -> float:
        keep.append(asyncio.create_task(background()))
        await anext(left_open)
        await asyncio.sleep(5)
        return asyncio.get_running_loop().time()

    keep: list[asyncio.Task[None]] = []
    with caplog.at_level(logging.WARNING), asyncio.Runner(debug=debug, loop_factory=lambda: VirtualLoop(clock)) as runner:
        assert runner.run(main()) == 5
        assert runner.run(asyncio.sleep(1, "again")) == "again"

    assert closed == ["task", "generator"]
    assert not caplog.records


def test_an_interrupted_runner_cancels_the_main_task(clock: VirtualClock) -> None:
    events: list[str] = []

    async def main() -> None:
        asyncio.get_running_loop().call_later(1, signal.raise_signal, signal.SIGINT)
        try:
            await asyncio.sleep(3600)
        finally:
            events.append("cleaned up")

    with pytest.raises(KeyboardInterrupt), asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as runner:
        runner.run(main())

    assert events == ["cleaned up"]
    assert clock.now_s() == VirtualClock.START_S + 1


def test_debug_mode_keeps_asyncios_checks(loop: VirtualLoop) -> None:
    loop.set_debug(True)

    async def never() -> None: ...

    with pytest.raises(TypeError, match="coroutines cannot be used"):
        loop.call_soon(never)


def test_no_descriptor_is_opened_and_closing_leaves_nothing() -> None:
    def lowest_free() -> int:
        descriptor = os.open(os.devnull, os.O_RDONLY)
        os.close(descriptor)
        return descriptor

    before = lowest_free()
    loop = VirtualLoop(VirtualClock())
    loop.run_until_complete(asyncio.sleep(1))
    loop.call_later(1, print)
    assert lowest_free() == before

    loop.close()
    loop.close()

    assert not loop._timers
    schedule: list[Callable[[], object]] = [
        lambda: loop.call_soon(print),
        lambda: loop.call_soon_threadsafe(print),
        lambda: loop.call_later(1, print),
        lambda: loop.call_at(1, print),
        lambda: loop.run_in_executor(None, print),
    ]
    for call in schedule:
        with pytest.raises(RuntimeError, match="closed"):
            call()


WORKING = {
    "call_at", "call_exception_handler", "call_later", "call_soon", "call_soon_threadsafe", "close", "create_future",
    "create_task", "default_exception_handler", "get_debug", "get_exception_handler", "get_task_factory", "is_closed",
    "is_running", "run_forever", "run_in_executor", "run_until_complete", "set_debug", "set_default_executor",
    "set_exception_handler", "set_task_factory", "shutdown_asyncgens", "shutdown_default_executor", "stop", "time",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted({name for name in dir(asyncio.BaseEventLoop) if name[0] != "_"} - WORKING))
def test_everything_that_reaches_out_is_refused(loop: VirtualLoop, name: str) -> None:
    method = getattr(loop, name)
    if not callable(method):
        assert name == "slow_callback_duration"
        return
    with pytest.raises(NoInputOutput, match=rf"{name}: this loop has no I/O: give the backend clock='real'"):
        method()


def test_streams_and_subprocesses_are_refused_through_asyncio(loop: VirtualLoop) -> None:
    attempts: list[Callable[[], Coroutine[Any, Any, Any]]] = [
        lambda: asyncio.open_connection("127.0.0.1", 9),
        lambda: asyncio.start_server(print, "127.0.0.1", 0),
        lambda: asyncio.create_subprocess_exec("true"),
    ]
    for attempt in attempts:
        with pytest.raises(NoInputOutput):
            loop.run_until_complete(attempt())
