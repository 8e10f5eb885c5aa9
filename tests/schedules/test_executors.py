"""The loop of virtual time: executors run inline, threads have no place."""

import asyncio
import contextvars
import gc
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from prism_testkit.schedules import VirtualLoop
from prism_testkit.stuck import NoInputOutput


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
    gc.collect()  # what other tests left tells of itself now

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
