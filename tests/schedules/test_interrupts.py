"""The loop of virtual time: interrupts leave it at once and lose nothing."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from prism_testkit.clock import VirtualClock
from prism_testkit.schedules import VirtualLoop


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
