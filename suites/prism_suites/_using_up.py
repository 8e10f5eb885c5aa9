"""Calls that fail, or are left early, over and over: each time as at first, and afterwards everything goes on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from prism_suites._judging import broken
from prism_testkit.outcomes import law

__all__ = ["crowds_are_cancelled", "left_early", "never_begun", "never_entered", "uses_nothing_up"]

_TIMES = 140
"""More than there are connections, cursors, slots and permits, as a rule."""
_CROWDS = 6
_OF = 60


async def uses_nothing_up(
    promise: str,
    what: str,
    call: Callable[[], Awaitable[Any]],
    errors: tuple[type[Exception], ...],
    goes_on: Callable[[], Awaitable[Any]],
) -> None:
    """Make a call so many times, which may raise ``errors`` and nothing else; then judge that ``goes_on`` does."""
    for number in range(_TIMES):
        try:
            await call()
        except errors:
            continue
        except Exception as error:
            wanted = " or ".join(kind.__name__ for kind in errors) or "an answer"
            told = f"{what} is answered otherwise the {number + 1}. time"
            broken(promise, told, expected=wanted, got=f"{type(error).__name__}: {error}")
    with law(promise):
        await goes_on()


async def crowds_are_cancelled(make: Callable[[], Awaitable[Any]], errors: tuple[type[Exception], ...]) -> None:
    """Cancel calls that are under way together, a crowd after another, each crowd a turn of the loop later than the one before.

    All of them are more than a driver lets be under way at once, as a rule. They may raise ``errors``.
    """
    for turns in range(_CROWDS):
        tasks = [asyncio.ensure_future(make()) for _ in range(_OF)]
        for _ in range(1 + turns):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception) and not isinstance(result, errors):
                raise result


async def never_begun(iterator: AsyncIterator[Any]) -> None:
    """Close what was made, and never asked for anything."""
    await iterator.aclose()  # type: ignore[attr-defined]  # it is a generator


async def never_entered(manager: object) -> None:
    """Forget a context that was made, and never entered."""


async def left_early(iterator: AsyncIterator[Any]) -> None:
    """Take one step and leave."""
    async for _ in iterator:
        break
    await iterator.aclose()  # type: ignore[attr-defined]  # it is a generator
