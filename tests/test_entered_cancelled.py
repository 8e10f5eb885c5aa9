"""What a check entered is left again, wherever it is cancelled: at a point of the harness's own too."""

import asyncio
from types import TracebackType

import pytest

from prism_testkit.tap import Tap


class _Counted:
    """A context that is a class, which no collector leaves: how often it was entered and left."""

    def __init__(self) -> None:
        self.entered = self.left = 0

    async def __aenter__(self) -> "_Counted":
        self.entered += 1
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.left += 1


async def _within(tap: Tap, context: _Counted) -> None:
    async with tap.enter("subscribe", None, lambda: context, (), {}):
        await asyncio.sleep(0)


def _scenario(turns: int) -> _Counted:
    async def run() -> _Counted:
        context = _Counted()
        task = asyncio.ensure_future(_within(Tap(suspend=True), context))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return context

    return asyncio.run(run())


@pytest.mark.parametrize("turns", range(9))
def test_what_was_entered_is_left_at_whatever_turn_it_is_cancelled(turns: int) -> None:
    context = _scenario(turns)
    assert context.left == context.entered


def test_some_of_these_turns_are_behind_the_entry_and_before_the_exit() -> None:
    assert {_scenario(turns).entered for turns in range(9)} == {0, 1}
