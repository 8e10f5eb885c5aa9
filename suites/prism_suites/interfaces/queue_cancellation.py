"""Cancelled calls on plain queues: the effect whole or absent, nothing lost or doubled, and the driver usable.

Nothing runs between the effect of a take and its return but what the driver itself does: a take that is cancelled behind its
effect, by the harness, would have lost its message to nobody's fault.
"""

import asyncio
from typing import Any

from prism_suites._judging import broken
from prism_suites._queue_cancelling import cancelled, points
from prism_suites._queue_taking import BASIC, Put, drained, drains, empty, fill, is_message, numbered
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import QueueBasic, QueueMessage
from prism_testkit.outcomes import law

_PATIENCE_S = 1.0
"""So long a message may take to be there again after a take of it was cancelled; leases are far longer."""


def _patience(case: Case) -> float:
    return 100.0 if case.clock.virtual else _PATIENCE_S


@check("queue_basic.11", "queue_basic.2")
@gauntlet(points(("small", "large")))
async def a_cancelled_enqueue_is_whole_or_absent(queue: QueueBasic, case: Case, kind: str, point: int) -> None:
    """An enqueue that is cancelled at any point leaves its message whole, once, or not at all; others are not touched (Q-30)."""
    payload = b"new;" * (min(case.limits.max_payload, 100_000) // 4) if kind == "large" else b"new"
    headers = {"a": "b", "c": "d"}
    before = await fill(queue, "q", [b"before"])
    case.overlap()
    ended, identity = await cancelled(queue.enqueue("q", payload, headers), point)
    after = await fill(queue, "q", [b"after"])
    got = await drained(queue, "q", 10)
    wanted = [put.payload for put in (*before, *after)]
    found = [message.payload for message in got]
    if found not in ([wanted[0], payload, wanted[1]], *([] if ended else [wanted, [*wanted, payload]])):
        broken(
            "queue_basic.11",
            "a cancelled enqueue left something else than its message, once, or nothing",
            expected=wanted,
            got=found,
        )
    for message in got:
        if message.payload == payload:
            put = Put(identity if ended else message.id, payload, headers)
            is_message("queue_basic.11", message, put, "a cancelled enqueue left a part of its message")
    await _goes_on(queue)


async def _goes_on(queue: Any) -> None:
    with law("queue_basic.11"):
        await drains(queue, "next", await fill(queue, "next", numbered(2)), BASIC, "after a cancelled call")


@check("queue_basic.11", "queue_basic.2", "queue_basic.3")
@gauntlet(points(("at once", "with a timeout", "peek", "of another client")))
async def a_cancelled_take_takes_nothing(queue: QueueBasic, case: Case, kind: str, point: int) -> None:
    """A take that is cancelled at any point takes nothing, and the order stays; the next take is given the message (Q-29)."""
    taker = await case.client() if kind == "of another client" else queue
    puts = await fill(queue, "q", numbered(4), {"h": "v"})
    call = taker.peek("q") if kind == "peek" else taker.dequeue("q", _patience(case) if kind == "with a timeout" else 0)
    ended, got = await cancelled(call, point)
    if ended:
        is_message("queue_basic.3", got, puts[0], "a take that was to be cancelled does not give the first message")
    left = puts[1:] if ended and kind != "peek" else puts
    first = await queue.dequeue("q", _patience(case))  # what is given back may take a moment
    if not isinstance(first, QueueMessage):
        broken("queue_basic.11", "a cancelled take lost a message", expected=left[0], got=first)
    found = [first.id, *[message.id for message in await drained(queue, "q", 10)]]
    if found != [put.id for put in left]:
        what = (
            "lost a message" if len(found) < len(left) else "changed the order" if len(found) == len(left) else "doubled a message"
        )
        broken("queue_basic.11", f"a cancelled take {what}", expected=[put.id for put in left], got=found)
    await _goes_on(queue)


@check("queue_basic.11", "queue_basic.2")
@gauntlet(lambda limits: [{"how": how, "point": point} for how in ("cancel", "timeout") for point in (0, 1, 2, 5)])
async def a_take_that_gave_up_waiting_takes_nothing(queue: QueueBasic, case: Case, how: str, point: int) -> None:
    """A take that waits and is cancelled, or whose time is up, is given nothing that comes later (Q-29)."""
    other = await case.client()
    if how == "cancel":
        waiting = asyncio.ensure_future(other.dequeue("q", 3600.0))
        await case.clock.sleep(20.0 if case.clock.virtual else 0.03)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    else:
        try:
            async with asyncio.timeout(20.0 if case.clock.virtual else 0.03):
                await other.dequeue("q", 3600.0)
        except TimeoutError:
            pass
        else:
            broken("queue_basic.4", "a take of an empty queue ended before its timeout", expected="it waits", got="it returned")
    for _ in range(point):
        await asyncio.sleep(0)
    puts = await fill(queue, "q", numbered(3))
    await case.clock.sleep(5.0 if case.clock.virtual else 0.02)
    with law("queue_basic.11"):
        await drains(queue, "q", puts, BASIC, "after a take that gave up waiting")
    await _goes_on(other)


@check("queue_basic.11")
@gauntlet(lambda limits: [{"point": point} for point in range(1, 12)])
async def a_take_cancelled_as_messages_come_keeps_their_order(queue: QueueBasic, case: Case, point: int) -> None:
    """Of two messages that come while a waiting take is cancelled the first was given to it, or is still the first (Q-29)."""
    other = await case.client()
    waiting = asyncio.ensure_future(other.dequeue("q", 3600.0))
    await case.clock.sleep(1.0 if case.clock.virtual else 0.02)
    putting = asyncio.ensure_future(fill(queue, "q", [b"comes", b"behind"]))
    for _ in range(point):
        await asyncio.sleep(0)
    waiting.cancel()
    told = (await asyncio.gather(waiting, return_exceptions=True))[0]
    puts = await putting
    left = puts[1:] if isinstance(told, QueueMessage) else puts
    await drains(queue, "q", left, BASIC, "after a take that was cancelled as they came")


@check("queue_basic.11")
@gauntlet(lambda limits: [{"point": point} for point in range(1, 12)])
async def a_take_cancelled_as_a_message_comes_loses_nothing(queue: QueueBasic, case: Case, point: int) -> None:
    """Of a message that comes while a waiting take is cancelled either the take was told, or it is still there (Q-29)."""
    other = await case.client()
    waiting = asyncio.ensure_future(other.dequeue("q", 3600.0))
    await case.clock.sleep(1.0 if case.clock.virtual else 0.02)
    putting = asyncio.ensure_future(queue.enqueue("q", b"comes"))
    for _ in range(point):
        await asyncio.sleep(0)
    waiting.cancel()
    told = (await asyncio.gather(waiting, return_exceptions=True))[0]
    await putting
    left = await queue.dequeue("q", _patience(case) if not isinstance(told, QueueMessage) else 0)
    if isinstance(told, QueueMessage) == (left is not None):
        what = "is given to it and again" if left else "is lost"
        broken(
            "queue_basic.11", f"a message that comes as a take is cancelled {what}", expected="it is given once", got=(told, left)
        )
    await empty(queue, "q", "queue_basic.11", "a message that comes as a take is cancelled is doubled")


@check("queue_basic.11")
@gauntlet(lambda limits: [{"times": 120}])
async def many_cancelled_takes_use_nothing_up(queue: QueueBasic, case: Case, times: int) -> None:
    """After many cancelled calls connections, slots and locks are all there again, and so is every message (Q-29)."""
    puts = await fill(queue, "q", numbered(5))
    for number in range(times):
        ended, got = await cancelled(queue.dequeue("q") if number % 2 else queue.peek("q"), 1 + number % 5)
        if ended and got is not None and number % 2:
            puts = [put for put in puts if put.id != got.id] + await fill(queue, "q", [b"again-%d" % number])
    with law("queue_basic.11"):
        await drains(queue, "q", puts, BASIC, f"after {times} cancelled calls")
