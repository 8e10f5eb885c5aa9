"""Several calls at once, none of which goes on behind the caller's back."""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import TypeVar

__all__ = ["all_of", "together"]

T = TypeVar("T")
U = TypeVar("U")


async def all_of(calls: Iterable[Awaitable[T]]) -> list[T]:
    """Return all results. When one fails, or this is cancelled, the others are cancelled and waited for."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


async def together(first: Awaitable[T], second: Awaitable[U]) -> tuple[T, U]:
    """Return both results; as `all_of`."""
    one, two = asyncio.ensure_future(first), asyncio.ensure_future(second)
    await all_of([one, two])
    return one.result(), two.result()
