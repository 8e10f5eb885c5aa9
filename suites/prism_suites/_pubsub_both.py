"""What is judged alike of plain and of durable subscriptions: long waits, calls that gave up, and sizes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from prism_suites._judging import broken
from prism_suites._pubsub_taking import Laws, hears, is_message, listening, send
from prism_testkit.case import Case
from prism_testkit.clock import VirtualClock
from prism_testkit.interfaces import PrismError
from prism_testkit.strategies import patterned

__all__ = ["LONG_S", "gives_up", "goes_on_waiting", "patience_has_no_bounds", "sizes_keep_their_order"]

LONG_S = (661.0, 3661.0, 86_461.0, 2_147_543.7, 31_536_061.0)
"""Timeouts beyond where waits are cut off: ten minutes, an hour, a day, 2**31 ms, a year."""
_BEFORE_ITS_END_S = 60.0


async def goes_on_waiting(case: Case, slot: Any, laws: Laws, seconds: float, how: str) -> None:
    """Nearly all of a long timeout passes at once, so that who looks now and then looks once; the wait goes on, and is woken."""
    if not isinstance(case.clock, VirtualClock):
        case.note("long waits are judged where time is virtual")
        return
    async with listening(case, slot, "t", laws) as ear:
        waiting = asyncio.ensure_future(anext(ear.inner) if how == "iteration" else ear.next(seconds))
        await case.clock.sleep(0.5)
        case.clock.jump(round((seconds - _BEFORE_ITS_END_S) * 1e9))
        await case.clock.sleep(0.5)
        passed = f"{seconds - _BEFORE_ITS_END_S:g} s"
        if waiting.done():
            got = waiting.exception() or waiting.result()
            told = "an iteration ends" if how == "iteration" else f"a receive with a timeout of {seconds:g} s ends"
            broken(laws.wait, f"{told} after {passed} without a message", expected="it waits on", got=got)
        sent = (await send(slot, "t", [b"comes"], laws))[0]
        is_message(laws.wait, await waiting, sent, f"who waits for {passed} is not given what comes then")


async def patience_has_no_bounds(case: Case, slot: Any, laws: Laws, timeout_s: float) -> None:
    """A receive with a huge timeout gives what is there at once, and what comes while it waits."""
    publisher = await case.client()
    async with listening(case, slot, "t", laws) as ear:
        with case.law(laws.wait):
            sent = (await send(publisher, "t", [b"there"], laws))[0]
            is_message(laws.wait, await ear.next(timeout_s), sent, "a receive with a huge timeout does not give what is there")
            waiting = asyncio.ensure_future(ear.next(timeout_s))
            await case.clock.sleep(1.0 if case.clock.virtual else 0.01)
            sent = (await send(publisher, "t", [b"comes"], laws))[0]
            is_message(laws.wait, await waiting, sent, "a receive with a huge timeout is not given what comes")
        await hears(ear, [], "after a receive with a huge timeout")


async def gives_up(case: Case, wait: Callable[[], Awaitable[Any]], wait_s: float, how: str, promise: str) -> None:
    """Begin a wait for what does not come, and end it from outside: it is over without an answer, for its time is not."""
    try:
        if how == "timeout":
            async with asyncio.timeout(wait_s):
                got = await wait()
        else:
            waiting = asyncio.ensure_future(wait())
            await case.clock.sleep(wait_s)
            waiting.cancel()
            got = await waiting
    except (TimeoutError, asyncio.CancelledError, PrismError):
        return
    except StopAsyncIteration as error:
        got = error
    sentence = f"a wait that was ended from outside ({how}) answers as though its time were over"
    broken(promise, sentence, expected="no answer", got=got)


async def sizes_keep_their_order(case: Case, slot: Any, laws: Laws, waits: bool) -> None:
    """A large message and a small one behind it come in the order of publishing."""
    most = case.limits.max_payload
    sizes = [min(size, most) for size in (most, 0, 70_000, 5, 300_000, 4_097, 1, 1_000_000, 65_537, 2)]
    payloads = [patterned(size, seed=number) for number, size in enumerate(sizes)]
    async with listening(case, slot, "t", laws) as ear:
        listener = asyncio.ensure_future(ear.next()) if waits else None
        if listener is not None:
            await asyncio.sleep(0)
        sents = await send(slot, "t", payloads, laws)
        if listener is not None:
            got = await listener
            if got is None or got.id != sents[0].id:
                broken(laws.order, "a message overtakes a larger one", expected=sents[0].id, got=got and got.id)
            sents = sents[1:]
        await hears(ear, sents, "large ones between small ones", lost=laws.order)
