"""queues: a take waits while its connections are reset, and is given what another client enqueues then."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from prism_suites._judging import broken
from prism_suites._network import TRIES, Load, passes
from prism_suites._queue_taking import HELD_S
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import QueueBasic, QueueVisibility
from prism_testkit.outcomes import Violation

_WAITS_S = 20_000.0
_LOOKS, _LOOK_S = 1200, 0.025
"""So many looks take the place of time: who connects again may take its time, and looks now and then meanwhile."""
_STILL_S = 0.3
"""Who waits for so long has found nothing, and waits to be told."""


@check("queue_basic.4", "queue_basic.13", needs_server=True)
@gauntlet(lambda limits: [{"refused": refused} for refused in (True, False)])
async def a_take_that_waits_outlives_its_connection(queue: QueueBasic, case: Case, refused: bool) -> None:
    """A take that waits, or is begun anew where it says that the server is away, is given what another client enqueues while it
    is cut off, or after its connections were reset (Q-21)."""
    await _outlives(
        case, "queue_basic", lambda slot, name: slot.dequeue(name, _WAITS_S), lambda slot: slot.dequeue("unseen"), refused
    )


@check("queue_visibility.9", "queue_visibility.14", needs_server=True)
@gauntlet(lambda limits: [{"refused": refused} for refused in (True, False)])
async def a_receive_that_waits_outlives_its_connection(queue: QueueVisibility, case: Case, refused: bool) -> None:
    """The same of a queue that leases (Q-21)."""
    await _outlives(
        case,
        "queue_visibility",
        lambda slot, name: slot.receive(name, HELD_S, _WAITS_S),
        lambda slot: slot.receive("unseen", 1.0),
        refused,
    )


async def _outlives(
    case: Case, family: str, wait: Callable[[Any, str], Awaitable[Any]], look: Callable[[Any], Awaitable[Any]], refused: bool
) -> None:
    waits, away = (f"{family}.4", f"{family}.13") if family == "queue_basic" else (f"{family}.9", f"{family}.14")
    load = Load(away)
    async with case.private_server() as private:
        one, other = await private.client(proxied=True), await private.client()
        await passes(case, private, lambda: one.enqueue("warm", b"v"), lambda: look(one))
        waiting = await _that_waits(load, lambda: wait(one, "q"))
        if refused:
            await private.proxy.refuse()
        await private.proxy.reset()
        if not refused:
            await asyncio.wait([waiting], timeout=_STILL_S)
            if waiting.done():
                await load.call("a take", waiting)
                waiting = await _that_waits(load, lambda: wait(one, "q"))
        await other.enqueue("q", b"m")
        await private.proxy.pass_on()
        try:
            for _ in range(_LOOKS):
                if waiting.done():
                    break
                await asyncio.wait([waiting], timeout=_LOOK_S)
            when = "while it was cut off" if refused else "after its connections were reset"
            if not waiting.done():
                broken(waits, f"a take that waits is not given what another client enqueued {when}", expected=b"m", got="it waits")
        finally:
            waiting.cancel()
            await asyncio.wait([waiting])
        answered, got = await load.call("a take", waiting)
        if answered and got is None:
            broken(waits, f"a take that waits ends with nothing, though another client enqueued {when}", expected=b"m", got=None)


async def _that_waits(load: Load, wait: Callable[[], Awaitable[Any]]) -> "asyncio.Future[Any]":
    """Return a take that waits; one that says that the server is away is made anew."""
    for _ in range(TRIES):
        waiting = asyncio.ensure_future(wait())
        await asyncio.wait([waiting], timeout=_STILL_S)
        if not waiting.done():
            return waiting
        answered, got = await load.call("a take", waiting)
        if answered:
            broken(load.promise, "a take of an empty queue does not wait", expected="that the server is away", got=got)
    raise Violation.of(load.promise, f"the network is whole again, and a take still fails the {TRIES}. time")
