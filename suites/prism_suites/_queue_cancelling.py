"""Cancels one call on a queue at a chosen point."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from typing import Any

from prism_testkit.interfaces import PrismError
from prism_testkit.traits import Limits

__all__ = ["POINTS", "cancelled", "points"]

POINTS = (*range(1, 10), 11, 14, 20)
"""After how many turns of the event loop to cancel; a call that ended before is judged as one that was not cancelled."""
_FEW = (1, 2, 3, 5, 9)


def points(kinds: Iterable[str], *, few: bool | Collection[str] = False) -> Callable[[Limits], Iterator[dict[str, Any]]]:
    """Return the cases of every kind of call, cancelled at every point, or at a few (all kinds, or those in ``few``)."""

    def of(kind: str) -> tuple[int, ...]:
        return _FEW if (few if isinstance(few, bool) else kind in few) else POINTS

    return lambda limits: ({"kind": kind, "point": point} for kind in kinds for point in of(kind))


async def cancelled(call: Awaitable[Any], point: int) -> tuple[bool, Any]:
    """Make a call and cancel it after ``point`` turns; return whether it ended by itself, and what it returned.

    An error of the contract counts as cancelled: some clients can only say that they do not know.
    """
    task = asyncio.ensure_future(call)
    for _ in range(point):
        await asyncio.sleep(0)
    task.cancel()
    try:
        return True, await task
    except (asyncio.CancelledError, PrismError):
        return False, None
