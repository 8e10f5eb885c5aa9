"""A look that begins after a change returned sees it, and answers, whatever older looks are under way: it is none of theirs."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from prism_suites._judging import broken, same

__all__ = ["BESIDE", "is_its_own"]

BESIDE = [{"turns": turns, "ending": ending} for turns in range(4) for ending in ("answered", "cancelled")]
"""Turns of the loop that the older looks are ahead, and what becomes of the first of them."""
_OLDER = 2


async def is_its_own(
    promise: str,
    turns: int,
    ending: str,
    look: Callable[[], Awaitable[Any]],
    change: Callable[[], Awaitable[Any]],
    expected: Callable[[], Any],
    *,
    legal: tuple[type[Exception], ...] = (),
    story: str = "",
) -> None:
    """Begin older looks, let so many turns pass, change, and look: it gives what is expected now. Some older look is cancelled
    beside a later one, which then answers all the same. ``legal`` is what a look that races the change may raise instead."""
    older = [asyncio.ensure_future(look()) for _ in range(_OLDER)]
    for _ in range(turns):
        await asyncio.sleep(0)
    if ending == "answered":
        await change()
        got = await look()
        for error in await asyncio.gather(*older, return_exceptions=True):
            if isinstance(error, BaseException) and not isinstance(error, legal):
                raise error
    else:
        older[0].cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await older[0]
        await asyncio.wait([older[1]])
        if older[1].cancelled():
            sentence = f"{story}a call is cancelled with another one, which asked the same"
            broken(promise, sentence, expected="an answer", got="CancelledError")
        await change()
        got = await look()
    sentence = f"{story}a call that began after a write had returned does not see it; an older one was {ending} before"
    same(promise, got, expected(), sentence)
