"""Many calls of one client that wait at once, each for what is its own."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._noticing import ends_soon
from prism_testkit.case import Case

__all__ = ["WAITS_S", "how_many", "over", "the_last_is_served"]

WAITS_S = 1000.0
"""So long each would wait. Whoever is told of nothing until then, or until another's time is over, was not woken."""
_MANY, _ON_A_SERVER = 40, 12
"""More than a pool lets wait, as a rule."""


def how_many(case: Case) -> int:
    """Return how many wait."""
    return _ON_A_SERVER if case.server else _MANY


async def the_last_is_served(
    case: Case, promise: str, waits: Sequence[Callable[[], Awaitable[Any]]], write: Callable[[], Awaitable[Any]]
) -> Any:
    """Let all wait, in order, and write what is for the last; judge that this one is given it, soon, and that the others go on.

    Return what it was given.
    """
    began_s = case.clock.now_s()
    tasks: list[asyncio.Future[Any]] = [asyncio.ensure_future(wait()) for wait in waits]
    await case.clock.sleep(1.0 if case.clock.virtual else 0.2)
    try:
        await write()
        ended = await ends_soon(case, tasks[-1])
        passed_s = case.clock.now_s() - began_s
        if not ended or passed_s >= WAITS_S:
            told = f"a call that waits beside {len(tasks) - 1} others of its client, for other things, is not given what is there"
            broken(promise, told, expected="as soon as it is there", got=f"after {passed_s:g} s" if ended else "it still waits")
        same(
            promise, [task for task in tasks[:-1] if task.done()], [], "a call that waits ends because another was given something"
        )
        return tasks[-1].result()
    finally:
        await over(tasks)


async def over(tasks: Sequence["asyncio.Future[Any]"]) -> None:
    """Cancel these and wait for their end."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
