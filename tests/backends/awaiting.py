"""Waiting in tests of backends: for an error that a call raises, for something to become so."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

_BETWEEN_S = 0.001


async def expect(error: type[BaseException], call: Awaitable[Any]) -> BaseException:
    with pytest.raises(error) as caught:
        await call
    return caught.value


async def changed(look: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something is so; the test's own deadline is the bound."""
    while not await look():  # noqa: ASYNC110  what is waited for has no event
        await asyncio.sleep(_BETWEEN_S)


async def until(is_so: Callable[[], object]) -> None:
    """Wait until something in this process is so; the test's own deadline is the bound."""
    while not is_so():  # noqa: ASYNC110  what is waited for has no event
        await asyncio.sleep(_BETWEEN_S)
