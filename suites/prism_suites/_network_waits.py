"""Calls that wait while their connections are reset, or refused, and what another client writes then."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from prism_suites._judging import broken
from prism_suites._network import TRIES, Load
from prism_testkit.outcomes import Violation
from prism_testkit.private import ToldProxy

__all__ = ["WAITS_S", "is_told_after_all"]

WAITS_S = 20_000.0
"""So long a call would wait."""
_LOOKS, _LOOK_S = 1200, 0.025
"""So many looks take the place of time: who connects again may take its time, and looks now and then meanwhile."""
_STILL_S = 0.3
"""Who waits for so long has found nothing, and waits to be told."""


async def is_told_after_all(
    proxy: ToldProxy,
    promise: str,
    away: str,
    wait: Callable[[], Awaitable[Any]],
    write: Callable[[], Awaitable[Any]],
    *,
    refused: bool,
) -> None:
    """Judge that a call that waits is given what another client writes while the connections of the first are ``refused``, or after
    they were reset. One that says that the server is away, as ``away`` lets it, is made anew before that is written."""
    load = Load(away)
    waiting = await _that_waits(load, wait)
    if refused:
        await proxy.refuse()
    await proxy.reset()
    if not refused:
        await asyncio.wait([waiting], timeout=_STILL_S)
        if waiting.done():
            await load.call("a call that waits", waiting)
            waiting = await _that_waits(load, wait)
    await write()
    await proxy.pass_on()
    when = "while it was cut off" if refused else "after its connections were reset"
    try:
        for _ in range(_LOOKS):
            if waiting.done():
                break
            await asyncio.wait([waiting], timeout=_LOOK_S)
        else:
            broken(promise, f"a call that waits is not given what another client wrote {when}", expected="it", got="it still waits")
    finally:
        waiting.cancel()
        await asyncio.wait([waiting])
    answered, got = await load.call("a call that waits", waiting)
    if answered and not got:
        broken(promise, f"a call that waits ends with nothing, though another client wrote {when}", expected="it", got=got)


async def _that_waits(load: Load, wait: Callable[[], Awaitable[Any]]) -> "asyncio.Future[Any]":
    """Return a call that waits; one that says that the server is away is made anew."""
    for _ in range(TRIES):
        waiting = asyncio.ensure_future(wait())
        await asyncio.wait([waiting], timeout=_STILL_S)
        if not waiting.done():
            return waiting
        answered, got = await load.call("a call that waits", waiting)
        if answered:
            broken(load.promise, "a call that would wait ends at once, with nothing there", expected="it waits", got=got)
    raise Violation.of(load.promise, f"the network is whole again, and a call that waits still fails the {TRIES}. time")
