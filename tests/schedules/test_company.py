"""The loop of virtual time: runners, debug mode, descriptors, and what it refuses."""

import asyncio
import gc
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import pytest

from prism_testkit.clock import VirtualClock
from prism_testkit.schedules import VirtualLoop
from prism_testkit.stuck import NoInputOutput


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
    gc.collect()  # what other tests left tells of itself now
    with caplog.at_level(logging.WARNING), asyncio.Runner(debug=debug, loop_factory=lambda: VirtualLoop(clock)) as runner:
        assert runner.run(main()) == 5
        assert runner.run(asyncio.sleep(1, "again")) == "again"

    assert closed == ["task", "generator"]
    assert not caplog.records


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Whoever runs us in the background may have us ignore SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
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

    gc.collect()  # what other tests left is closed now, and not between two looks
    before = lowest_free()
    loop = VirtualLoop(VirtualClock())
    loop.run_until_complete(asyncio.sleep(1))
    loop.call_later(1, print)
    assert lowest_free() <= before  # what a thread of another test closes meanwhile is no matter

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
