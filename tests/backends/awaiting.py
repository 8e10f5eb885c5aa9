"""Waiting in tests of backends: for an error that a call raises, for something to become so.

Nothing here is bounded by a time in which a machine would have to be done: a limit is there against hanging alone.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import pytest

from prism_backends.bell import Bell

T = TypeVar("T")

HANGS_S = 300.0
"""What has not ended after this hangs; no machine is so slow."""
LONG_S = 60.0
"""Longer than anything takes that is waited for: what is there sooner ends the wait."""
_BETWEEN_S = 0.001


async def expect(error: type[BaseException], call: Awaitable[Any]) -> BaseException:
    with pytest.raises(error) as caught:
        await call
    return caught.value


async def step(iterator: AsyncIterator[T]) -> T | None:
    """Return what comes next; None if nothing does. (`at_rest` cannot see into an ``anext`` with a default.)"""
    try:
        return await anext(iterator)
    except StopAsyncIteration:
        return None


async def at_rest(*tasks: "asyncio.Task[Any]") -> None:
    """Wait until each task has looked, found nothing, and waits for a bell of its driver's."""
    await until(lambda: all(task.done() or _rests(task) for task in tasks))
    assert not any(task.done() for task in tasks)


def _rests(task: "asyncio.Task[Any]") -> bool:
    inner: Any = task.get_coro()
    while inner is not None:
        if getattr(inner, "cr_code", None) is Bell.rest.__code__:
            return True
        inner = getattr(inner, "cr_await", None)
    return False


async def changed(look: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something is so; the test's own deadline is the bound."""
    while not await look():  # noqa: ASYNC110  what is waited for has no event
        await asyncio.sleep(_BETWEEN_S)


async def until(is_so: Callable[[], object]) -> None:
    """Wait until something in this process is so; the test's own deadline is the bound."""
    while not is_so():  # noqa: ASYNC110  what is waited for has no event
        await asyncio.sleep(_BETWEEN_S)
