"""Many calls of one client that wait at once, each for what is its own."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._noticing import ends_soon
from prism_testkit.case import Case

__all__ = ["WAITS_S", "each_ends_in_its_time", "gives_up", "how_many", "over", "the_last_is_served"]

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


_TIMES_S = (300.0, 100.0, 900.0, 200.0)
"""For so long calls of one client wait in vain, side by side."""


async def each_ends_in_its_time(case: Case, promise: str, wait: Callable[[int, float], Awaitable[Any]], count: int) -> None:
    """Let so many calls wait in vain, each for a time of its own; judge that each ends then, not with another or much later."""
    if not case.clock.virtual:
        case.note("how long a wait takes is judged where time is virtual")
        return

    async def ends(number: int, wait_s: float) -> tuple[Any, float]:
        began_s = case.clock.now_s()
        return await wait(number, wait_s), case.clock.now_s() - began_s

    times_s = [_TIMES_S[number % len(_TIMES_S)] for number in range(count)]
    found = await asyncio.gather(*(ends(number, wait_s) for number, wait_s in enumerate(times_s)))
    for (got, took_s), wait_s in zip(found, times_s, strict=True):
        same(promise, bool(got), False, "a call that waits gives something, and nothing was written")
        if not wait_s - 1e-3 <= took_s <= wait_s + _LATE_S:
            sentence = "a call that waits in vain beside others of its client does not end when its own time is over"
            broken(promise, sentence, expected=f"after {wait_s:g} s", got=f"after {took_s:g} s")


_LATE_S = 60.0
"""So much later a wait may end: less than their times differ."""


async def gives_up(case: Case, wait: Awaitable[Any]) -> None:
    """Let a call wait for a moment, and cancel it."""
    waiting = asyncio.ensure_future(wait)
    await case.clock.sleep(1.0 if case.clock.virtual else 0.05)
    waiting.cancel()
    with suppress(asyncio.CancelledError):
        await waiting


async def over(tasks: Sequence["asyncio.Future[Any]"]) -> None:
    """Cancel these and wait for their end."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
