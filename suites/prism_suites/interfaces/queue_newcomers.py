"""queues: who connects while others are at work takes nothing of theirs for something that a dead one left."""

import asyncio
from collections.abc import Iterator
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._queue_leases import lease
from prism_suites._queue_taking import HELD_S, fill, is_message, numbered
from prism_suites._queue_times import Times
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import QueueBasic, QueueDelayed, QueueVisibility
from prism_testkit.outcomes import law
from prism_testkit.tap import offers
from prism_testkit.traits import Limits

_PATIENCE_S = 20.0


def _first_calls(limits: Limits) -> Iterator[dict[str, Any]]:
    for first in ("receive", "enqueue", "another queue"):
        yield {"first": first}


@check("queue_visibility.2", "queue_visibility.1")
@gauntlet(_first_calls)
async def a_newcomer_leaves_what_is_leased(queue: QueueVisibility, case: Case, first: str) -> None:
    """Leases stay valid, with their attempts and in whatever place, when somebody connects and uses the queues."""
    times, promise = Times(case), "queue_visibility.2"
    puts = await fill(queue, "q", numbered(4), {"h": "v"})
    held = [await lease(times, queue, "q", put) for put in puts[:3]]
    await queue.release(held[0].lease)
    again = await queue.receive("q", HELD_S)  # which one is open: what came back may be overtaken
    newcomer = await case.newcomer()
    if first == "enqueue":
        await fill(newcomer, "other", [b"other"])
    elif first == "another queue":
        same("queue_visibility.1", await newcomer.receive("other", HELD_S), None, "a queue that nobody used gives a message")
    busy = {item.put.id for item in held[1:]} | {again.message.id if again is not None else ""}
    for client in (newcomer, await case.newcomer()):
        while (got := await client.receive("q", HELD_S)) is not None:
            if got.message.id in busy:
                broken(promise, "a message that is leased is given to a newcomer", expected=sorted(busy), got=got)
            busy.add(got.message.id)
    same("queue_visibility.11", sorted(busy - {""}), sorted(put.id for put in puts), "what newcomers and others hold")
    with law(promise):
        for item in held[1:]:
            await queue.ack(item.lease)


@check("queue_basic.4", "queue_basic.10")
async def a_take_that_waits_is_left_waiting_by_a_newcomer(queue: QueueBasic, case: Case) -> None:
    """A dequeue that waits is given what a newcomer enqueues; one that was cancelled before takes nothing of it."""
    waiting = asyncio.ensure_future(queue.dequeue("q", _PATIENCE_S))
    await case.clock.sleep(0.01)
    newcomer = await case.newcomer()
    puts = await fill(newcomer, "q", numbered(2), {"h": "v"})
    with law("queue_basic.4"):
        is_message("queue_basic.4", await waiting, puts[0], "a dequeue that waits is not given what a newcomer enqueues")
    late = await (await case.newcomer()).dequeue("q")
    is_message("queue_basic.10", late, puts[1], "a newcomer is not given what another enqueued")


@check("queue_delayed.1", "queue_delayed.2")
async def a_newcomer_leaves_what_is_delayed(queue: QueueDelayed, case: Case) -> None:
    """A delay goes on when somebody connects: nothing comes earlier, nothing is gone."""
    await queue.enqueue_delayed("q", b"later", {"h": "v"}, delay_s=40_000.0)
    for number in range(2):
        newcomer = await case.newcomer(whole=True)
        same("queue_delayed.2", await newcomer.scheduled_count("q"), 1, "a newcomer does not count what is delayed")
        if number and offers(newcomer, QueueBasic):
            same("queue_delayed.1", await newcomer.dequeue("q"), None, "a newcomer is given a message whose delay is not over")
    same("queue_delayed.2", await queue.scheduled_count("q"), 1, "what is delayed, after somebody connected")
