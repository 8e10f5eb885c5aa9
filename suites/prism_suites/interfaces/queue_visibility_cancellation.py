"""Cancelled calls on leases and dead letters: the effect whole or absent, nothing lost or doubled, and the driver usable.

As in `queue_cancellation`, nothing runs between the effect of a receive and its return but what the driver itself does.
"""

import asyncio
import contextlib
from typing import Any, Protocol

from prism_suites._judging import broken, refused, same
from prism_suites._queue_cancelling import POINTS, cancelled, points
from prism_suites._queue_leases import lease, one_leased
from prism_suites._queue_taking import HELD_S, empty, fill, is_message, numbered
from prism_suites._queue_times import Times
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Conflict, QueueDeadLetter, QueueVisibility
from prism_testkit.outcomes import law


class VisibilityAndDeadLetter(QueueVisibility, QueueDeadLetter, Protocol):
    """A queue whose messages can fail."""


def _patience(case: Case) -> float:
    """So long a message may take to be there again after a receive of it was cancelled; leases are far longer."""
    return 100.0 if case.clock.virtual else 1.0


@check("queue_visibility.12", "queue_visibility.11")
@gauntlet(points(("at once", "with a timeout", "of another client")))
async def a_cancelled_receive_takes_nothing(queue: QueueVisibility, case: Case, kind: str, point: int) -> None:
    """A receive that is cancelled at any point leaves every message available, not leased to nobody (Q-29)."""
    taker = await case.client() if kind == "of another client" else queue
    puts = await fill(queue, "q", numbered(3), {"h": "v"})
    ended, got = await cancelled(taker.receive("q", HELD_S, _patience(case) if kind == "with a timeout" else 0), point)
    if ended:
        is_message("queue_visibility.1", got and got.message, puts[0], "a receive that was to be cancelled does not give the first")
        await taker.ack(got)
    left = {put.id: put for put in (puts[1:] if ended else puts)}
    for _ in list(left):
        again = await queue.receive("q", HELD_S, _patience(case))
        if again is None:
            broken("queue_visibility.12", "after a cancelled receive a message is not available", expected=sorted(left), got=None)
        put = left.pop(again.message.id, None)
        if put is None:
            broken("queue_visibility.12", "after a cancelled receive a message is given twice", expected=sorted(left), got=again)
        is_message("queue_visibility.12", again.message, put, "after a cancelled receive a message is changed")
        if not 1 <= again.attempt <= 2:
            broken(
                "queue_visibility.12", "a cancelled receive counts for more than one attempt", expected="1 or 2", got=again.attempt
            )
        await queue.ack(again)
    await empty(queue, "q", "queue_visibility.12", "after a cancelled receive a message is doubled")
    await _leases_go_on(queue)


async def _leases_go_on(queue: Any) -> None:
    with law("queue_visibility.12"):
        await queue.enqueue("next", b"next")
        held = await queue.receive("next", HELD_S)
        same("queue_visibility.12", held and held.message.payload, b"next", "after a cancelled call a receive is answered wrongly")
        await queue.ack(held)


@check("queue_visibility.12", "queue_visibility.11")
@gauntlet(points(("ack", "release", "extend", "extend, then ack"), few=("extend, then ack",)))
async def a_cancelled_call_on_a_lease_is_whole_or_absent(queue: QueueVisibility, case: Case, kind: str, point: int) -> None:
    """An ack, extend or release that is cancelled at any point took effect or did not; the message is not lost between (Q-29)."""
    times, other = Times(case), await case.client()
    held = await one_leased(times, queue, seconds=10_000.0)
    beside = await one_leased(times, queue, "beside")
    case.overlap()
    call: Any = queue.extend(held.lease, 30_000.0) if kind.startswith("extend") else getattr(queue, kind)(held.lease)
    ended, _ = await cancelled(call, point)
    if kind == "release":
        await _released(times, case, queue, other, held, ended)
    elif kind == "ack":
        await _acked(times, queue, other, held, ended)
    else:
        await _extended(times, queue, other, held, ended, at_once=kind != "extend")
    with law("queue_visibility.12"):
        await queue.ack(beside.lease)
    await empty(queue, "beside", "queue_visibility.12", "after a cancelled call a message is given again after its ack")
    await _leases_go_on(queue)


async def _released(times: Times, case: Case, queue: Any, other: Any, held: Any, ended: bool) -> None:
    again = await other.receive("q", HELD_S, _patience(case) if ended else 0)
    if again is None:
        if ended:
            broken("queue_visibility.7", "a release that ended did not make its message available", expected=held.put, got=None)
        if times.virtual:  # what did not take effect changed no deadline
            await times.past(held.deadline)
        else:
            with contextlib.suppress(Conflict):  # the cancelled one came late
                await queue.release(held.lease)
        again = await other.receive("q", HELD_S, _patience(case))
    if again is None:
        broken(
            "queue_visibility.12", "after a cancelled release a message is neither held nor available", expected=held.put, got=None
        )
    is_message("queue_visibility.12", again.message, held.put, "after a cancelled release a message is changed")
    await refused("queue_visibility.12", queue.ack(held.lease), Conflict, "after a release the lease is still good for an ack")
    await other.ack(again)
    await empty(queue, "q", "queue_visibility.12", "after a cancelled release a message is doubled")


async def _acked(times: Times, queue: Any, other: Any, held: Any, ended: bool) -> None:
    same("queue_visibility.2", await other.receive("q", HELD_S), None, "during a cancelled ack its message was given to another")
    acked = ended
    try:
        await queue.ack(held.lease)
        if ended:
            broken("queue_visibility.5", "a second ack succeeds", expected="Conflict", got=None)
        acked = True
    except Conflict:
        acked = True  # then the cancelled one took effect: the lease could not have ended otherwise
    await times.past(held.deadline)
    got = await other.receive("q", HELD_S)
    if acked and got is not None:
        broken(
            "queue_visibility.12", "after a cancelled ack the lease has ended, and the message comes again", expected=None, got=got
        )


async def _extended(times: Times, queue: Any, other: Any, held: Any, ended: bool, at_once: bool) -> None:
    if at_once or not times.virtual:  # it is valid, whether or not it was extended
        with law("queue_visibility.12"):
            await queue.ack(held.lease)
        return
    await times.past(held.deadline)
    got = await other.receive("q", HELD_S)
    if ended and got is not None:
        broken("queue_visibility.6", "an extend that ended did not move the deadline", expected=None, got=got)
    if got is None:
        with law("queue_visibility.12"):
            await queue.ack(held.lease)
        await empty(other, "q", "queue_visibility.12", "a message is given again after its ack")
    else:
        await refused("queue_visibility.12", queue.ack(held.lease), Conflict, "a lease that was not extended outlives its deadline")
        await other.ack(got)


@check("queue_visibility.12", "queue_visibility.9", "queue_visibility.1", "queue_visibility.11")
@gauntlet(lambda limits: [{"point": point} for point in range(1, 12)])
async def a_receive_cancelled_as_a_message_comes_loses_nothing(queue: QueueVisibility, case: Case, point: int) -> None:
    """Of a message that comes while a waiting receive is cancelled either it was told, or the message is available (Q-29)."""
    other = await case.client()
    waiting = asyncio.ensure_future(other.receive("q", HELD_S, 3600.0))
    await case.clock.sleep(1.0 if case.clock.virtual else 0.02)
    putting = asyncio.ensure_future(fill(queue, "q", [b"comes", b"behind"]))
    for _ in range(point):
        await asyncio.sleep(0)
    waiting.cancel()
    told: Any = (await asyncio.gather(waiting, return_exceptions=True))[0]
    await putting
    cut = told is None or isinstance(told, BaseException)
    left = await queue.receive("q", HELD_S, _patience(case) if cut else 0)
    behind = await queue.receive("q", HELD_S, _patience(case) if cut else 0)
    if left is not None and left.message.payload == b"behind":
        if behind is not None and behind.attempt == 1:
            sentence = "when a receive is cancelled, messages that were never delivered do not come in order"
            broken("queue_visibility.1", sentence, expected=[b"comes", b"behind"], got=[left, behind])
        left, behind = behind, left
    if behind is None or behind.message.payload != b"behind":
        broken("queue_visibility.11", "when a receive is cancelled, a message behind is lost", expected=b"behind", got=behind)
    if cut == (left is None):
        what = "is available too" if left else "is not available"
        broken(
            "queue_visibility.12",
            f"a message that comes as a receive is cancelled {what}",
            expected="one of both",
            got=(told, left),
        )


_CROWD = 120
"""More than are moved in one step by who moves them by the page."""
_DEAD = ("configure_dead_letter", "dead_letters", "redrive", "receive")


async def _configured_or_not(queue: Any) -> None:
    """After a cancelled configuration what has had its attempts died, or nothing dies: not the one for some, the other for new."""
    got = await queue.receive("q", HELD_S)
    if got is not None:
        await queue.release(got)
        sentence = "a cancelled configuration is in force, but what had as many attempts before was delivered again"
        same("queue_dead_letter.9", [message.id for message in await queue.dead_letters("q")], [], sentence)


@check("queue_dead_letter.9", "queue_dead_letter.3")
@gauntlet(
    lambda limits: [
        *({"kind": kind, "point": point, "count": 4} for kind in _DEAD for point in POINTS[:9]),
        *({"kind": "redrive", "point": point, "count": _CROWD} for point in (1, 2, 3, 5)),
    ]
)
async def a_cancelled_call_leaves_the_dead_in_one_queue(
    queue: VisibilityAndDeadLetter, case: Case, kind: str, point: int, count: int
) -> None:
    """A look, a redrive or a configuration that is cancelled at any point leaves every message in one of both queues (Q-16)."""
    times = Times(case)
    if case.server and count == _CROWD:
        return
    puts = await fill(queue, "q", numbered(count), {"h": "v"})
    if kind != "configure_dead_letter":
        await queue.configure_dead_letter("q", "dead", 1)
    held = [await lease(times, queue, "q", put) for put in puts]
    for item in held:
        await queue.release(item.lease)
    if kind == "redrive":
        same("queue_dead_letter.4", len(await queue.dead_letters("q")), count, "dead_letters does not list what died")
    calls: dict[str, Any] = {
        "configure_dead_letter": lambda: queue.configure_dead_letter("q", "dead", 1),
        "dead_letters": lambda: queue.dead_letters("q"),
        "redrive": lambda: queue.redrive("q"),
        "receive": lambda: queue.receive("q", HELD_S),
    }
    await cancelled(calls[kind](), point)
    with law("queue_dead_letter.9"):
        if kind == "configure_dead_letter" and times.virtual:
            await _configured_or_not(queue)
        await queue.configure_dead_letter("q", "dead", 1)
        listed = [message.id for message in await queue.dead_letters("q")]
        found = list(listed)
        while (got := await queue.receive("q", HELD_S, 1.0 if case.clock.virtual else 0.0)) is not None:
            found.append(got.message.id)
            await queue.ack(got)
        if sorted(found) != sorted(put.id for put in puts):
            expected = sorted(put.id for put in puts)
            broken("queue_dead_letter.9", f"a cancelled {kind} lost or doubled a message", expected=expected, got=sorted(found))
        same(
            "queue_dead_letter.9",
            await queue.redrive("q"),
            len(listed),
            "after a cancelled call redrive does not move what is listed",
        )
        same("queue_dead_letter.9", await queue.dead_letters("q"), [], "after a redrive dead messages are listed")
        again = [await queue.receive("q", HELD_S) for _ in listed]
        same(
            "queue_dead_letter.9",
            [item and item.message.id for item in again],
            listed,
            "after a cancelled call a redrive loses order",
        )
