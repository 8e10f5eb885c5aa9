"""Waiting in tests of backends: for an error that a call raises, for something to become so."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

_BETWEEN_S = 0.001
_LOOKS = 8


async def expect(error: type[BaseException], call: Awaitable[Any]) -> BaseException:
    with pytest.raises(error) as caught:
        await call
    return caught.value


async def at_rest(*tasks: "asyncio.Task[Any]") -> None:
    """Wait until tasks have come to where they wait: each stands at one and the same await for some looks in a row."""
    stood, before = 0, [object() for _ in tasks]
    while stood < _LOOKS:
        await asyncio.sleep(_BETWEEN_S)
        now = [_place(task) for task in tasks]
        stood = stood + 1 if all(one is other for one, other in zip(now, before, strict=True)) else 0
        before = now
    assert not any(task.done() for task in tasks)


def _place(task: "asyncio.Task[Any]") -> object:
    inner: Any = task.get_coro()
    while (further := getattr(inner, "cr_await", None) or getattr(inner, "gi_yieldfrom", None)) is not None:
        inner = further
    return inner


async def changed(look: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something is so; the test's own deadline is the bound."""
    while not await look():  # noqa: ASYNC110  what is waited for has no event
        await asyncio.sleep(_BETWEEN_S)


async def until(is_so: Callable[[], object]) -> None:
    """Wait until something in this process is so; the test's own deadline is the bound."""
    while not is_so():  # noqa: ASYNC110  what is waited for has no event
        await asyncio.sleep(_BETWEEN_S)
