"""Whether one that waits notices what happens at any turn of the loop: between its look and its sleep, too."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from prism_suites._judging import broken
from prism_testkit.case import Case

__all__ = ["TURNS", "ends_soon", "is_handed_on", "is_not_prolonged", "is_noticed"]

TURNS = range(9)
"""Turns of the loop that pass between the start of a call that waits and what it waits for."""
_PATIENCE_S = 20_000.0
"""So long it would wait, in virtual time. How soon is not promised beyond "as soon as there is one": a driver may look now and
then, and calls may be slow."""

_LOOKS, _LOOK_S = 400, 0.025
"""On a real clock so many looks take the place of time: a machine that stands still does not look either."""
_REAL_TURNS = (0, 3)
"""Those that are judged on a real clock, where each costs a wait."""


async def ends_soon(case: Case, waiting: "asyncio.Future[Any]") -> bool:
    """Tell whether a call that would wait for hours ends: in its time where that is virtual, else while this looks and looks."""
    if case.clock.virtual:
        await asyncio.wait([waiting])
    for _ in range(_LOOKS):
        if waiting.done():
            break
        await asyncio.wait([waiting], timeout=_LOOK_S)
    return waiting.done()


async def is_noticed(
    case: Case,
    promise: str,
    turns: int,
    wait: Callable[[float], Awaitable[Any]],
    happen: Callable[[], Awaitable[Any]],
    story: str,
    *,
    at_once: bool = False,
) -> Any:
    """Begin to wait, let so many turns pass, let it happen; judge that the wait ends with something, in the first half of its time.

    On a real clock only what happens ``at_once`` is judged, and at few of the turns: the wait must end while a number of looks
    pass. Returns what was given.
    """
    if not case.clock.virtual and not (at_once and turns in _REAL_TURNS):
        case.note("that waits end at once is judged where time is virtual, and on a real clock for what happens at once")
        return None
    began_s = case.clock.now_s()
    waiting = asyncio.ensure_future(wait(_PATIENCE_S))
    for _ in range(turns):
        await asyncio.sleep(0)
    await happen()
    told = f"{story}, {turns} turns after the wait began"
    if not await ends_soon(case, waiting):
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        broken(
            promise, f"who waits is not given what comes ({told})", expected="as soon as there is something", got="it still waits"
        )
    got = await waiting
    passed_s = case.clock.now_s() - began_s
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


async def is_not_prolonged(
    case: Case, promise: str, wait: Callable[[float], Awaitable[Any]], happen: Callable[[int], Awaitable[Any]], story: str
) -> Any:
    """Wait for nothing, and let happen, again and again, what gives it nothing; judge that the wait ends, and return what it gave.

    By its timeout is not promised, but a wait that begins anew each time ends never. Only where time is virtual.
    """
    if not case.clock.virtual:
        case.note("that what gives nothing prolongs no wait is judged where time is virtual")
        return None
    waiting, began_s, times = asyncio.ensure_future(wait(1000.0)), case.clock.now_s(), 0
    while not waiting.done() and case.clock.now_s() - began_s < _PATIENCE_S:
        await case.clock.sleep(300.0)
        await happen(times)
        times += 1
    done, _ = waiting.done(), waiting.cancel()
    got = (await asyncio.gather(waiting, return_exceptions=True))[0]
    if not done:
        sentence = f"a wait goes on when its timeout is long over, and nothing came for it (meanwhile, each 300 s: {story})"
        broken(promise, sentence, expected="over after 1000 s", got=f"not over after {case.clock.now_s() - began_s:g} s")
    if isinstance(got, BaseException):
        raise got
    return got
