"""queue_basic, queue_visibility: what wakes a take that goes away just then is handed on to the next that waits."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from prism_suites._judging import broken
from prism_suites._noticing import TURNS
from prism_suites._queue_leases import one_leased
from prism_suites._queue_taking import HELD_S, fill
from prism_suites._queue_times import Times
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import QueueBasic, QueueVisibility
from prism_testkit.tap import offers
from prism_testkit.traits import Limits

_PATIENCE_S = 20_000.0
"""So long the one that stays would wait, in virtual time; every lease here is far longer."""
_SHORT_S = 5.0


def _cases(*events: str) -> Callable[[Limits], Iterator[dict[str, Any]]]:
    def cases(limits: Limits) -> Iterator[dict[str, Any]]:
        for event in events:
            for number, turns in enumerate(TURNS):
                for leaving in ("cancelled", "timed out"):
                    yield {"event": event, "turns": turns, "leaving": leaving, "other": number % 2 == 1}

    return cases


async def _wait(slot: Any, timeout_s: float) -> Any:
    """Take in one call: what is cancelled between a receive and its ack keeps the message."""
    return await (slot.dequeue("q", timeout_s) if offers(slot, QueueBasic) else slot.receive("q", HELD_S, timeout_s))


async def _handed_on(
    slot: Any, case: Case, promise: str, turns: int, leaving: str, other: bool, happen: Callable[[], Awaitable[Any]]
) -> None:
    """Two takes wait, something comes, and so many turns of the loop later the first of them is cancelled, or its time is over.

    Whatever became of it, the other one is given what is there, or, if the first one took it, what comes next.
    """
    client = await case.client() if other else slot
    began_s = case.clock.now_s()
    first = asyncio.ensure_future(_wait(slot, _SHORT_S if leaving == "timed out" else _PATIENCE_S * 2))
    await case.clock.sleep(1.0)
    second = asyncio.ensure_future(_wait(client, _PATIENCE_S))
    await case.clock.sleep(max(0.0, began_s + _SHORT_S - case.clock.now_s()))
    if leaving == "timed out":
        for _ in range(turns):
            await asyncio.sleep(0)
        await happen()
    else:
        coming = asyncio.ensure_future(happen())
        for _ in range(turns):
            await asyncio.sleep(0)
        first.cancel()
        await coming
    await asyncio.wait([first])
    if not first.cancelled() and first.result() is not None:
        await fill(slot, "q", [b"next"])
    came_s = case.clock.now_s()
    await asyncio.wait([second])
    passed_s, got = case.clock.now_s() - came_s, second.result()
    told = f"{leaving}, {turns} turns from what came"
    if got is None:
        broken(promise, f"a message came, one take went away, and the other is given nothing ({told})", expected="it", got=None)
    if passed_s > _PATIENCE_S / 2:
        sentence = f"a take is given what another left only when its own time is nearly over ({told})"
        broken(promise, sentence, expected="as soon as there is a message", got=f"after {passed_s:g} of {_PATIENCE_S:g} s")


@check("queue_basic.11", "queue_basic.4")
@gauntlet(_cases("enqueue"))
async def what_comes_to_one_that_goes_is_handed_on(
    queue: QueueBasic, case: Case, event: str, turns: int, leaving: str, other: bool
) -> None:
    """Of two takes that wait one is cancelled as a message comes: the other is given it (Q-11, Q-29)."""
    if case.clock.virtual:
        await _handed_on(queue, case, "queue_basic.11", turns, leaving, other, lambda: queue.enqueue("q", b"x"))


@check("queue_visibility.12", "queue_visibility.9")
@gauntlet(_cases("enqueue", "release"))
async def what_becomes_available_to_one_that_goes_is_handed_on(
    queue: QueueVisibility, case: Case, event: str, turns: int, leaving: str, other: bool
) -> None:
    """So of receives, and of what is released (Q-11, Q-29)."""
    if not case.clock.virtual:
        return
    by = await case.client()
    held = await one_leased(Times(case), by, "q" if event == "release" else "elsewhere")
    call: Callable[[], Awaitable[Any]] = lambda: by.release(held.lease) if event == "release" else by.enqueue("q", b"x")  # noqa: E731
    await _handed_on(queue, case, "queue_visibility.12", turns, leaving, other, call)
