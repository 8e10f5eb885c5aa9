"""Whether one that waits notices what happens at any turn of the loop: between its look and its sleep, too."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from prism_suites._judging import broken
from prism_testkit.case import Case

__all__ = ["TURNS", "is_handed_on", "is_noticed"]

TURNS = range(9)
"""Turns of the loop that pass between the start of a call that waits and what it waits for."""
_PATIENCE_S = 20_000.0
"""So long it would wait, in virtual time. How soon is not promised beyond "as soon as there is one": a driver may look now and
then, and calls may be slow."""


async def is_noticed(
    case: Case, promise: str, turns: int, wait: Callable[[float], Awaitable[Any]], happen: Callable[[], Awaitable[Any]], story: str
) -> Any:
    """Begin to wait, let so many turns pass, let it happen; judge that the wait ends with something, in the first half of its time.

    On a real clock nothing is judged, for there one cannot tell early from late without waiting. Returns what was given.
    """
    if not case.clock.virtual:
        case.note("that waits end at once is judged where time is virtual")
        return None
    began_s = case.clock.now_s()
    waiting = asyncio.ensure_future(wait(_PATIENCE_S))
    for _ in range(turns):
        await asyncio.sleep(0)
    await happen()
    got = await waiting
    passed_s = case.clock.now_s() - began_s
    told = f"{story}, {turns} turns after the wait began"
    if not got:
        broken(promise, f"who waits is not given what comes ({told})", expected="something", got=got)
    if passed_s > _PATIENCE_S / 2:
        sentence = f"who waits is given what came only when its time is nearly over ({told})"
        broken(promise, sentence, expected="as soon as there is something", got=f"after {passed_s:g} of {_PATIENCE_S:g} s")
    return got


async def is_handed_on(
    case: Case,
    promise: str,
    turns: int,
    waits: tuple[Callable[[float], Awaitable[Any]], Callable[[float], Awaitable[Any]]],
    happen: Callable[[], Awaitable[Any]],
) -> None:
    """Let two wait, let it happen, and so many turns later cancel the first: the other is given what is there, and soon.

    If the first was given it already it happens again, for the other. Only where time is virtual, as for `is_noticed`.
    """
    leaving = asyncio.ensure_future(waits[0](2 * _PATIENCE_S))
    await case.clock.sleep(1.0)
    staying = asyncio.ensure_future(waits[1](_PATIENCE_S))
    await case.clock.sleep(1.0)
    coming = asyncio.ensure_future(happen())
    for _ in range(turns):
        await asyncio.sleep(0)
    leaving.cancel()
    await coming
    told = (await asyncio.gather(leaving, return_exceptions=True))[0]
    if told and not isinstance(told, BaseException):
        await happen()
    began_s = case.clock.now_s()
    got = await staying
    passed_s = case.clock.now_s() - began_s
    story = f"two waited, and the first was cancelled {turns} turns from what came"
    if not got:
        broken(promise, f"who waits on is not given what is there ({story})", expected="something", got=got)
    if passed_s > _PATIENCE_S / 2:
        sentence = f"who waits on is given what is there only when its time is nearly over ({story})"
        broken(promise, sentence, expected="as soon as there is something", got=f"after {passed_s:g} of {_PATIENCE_S:g} s")
