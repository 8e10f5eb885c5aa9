"""What calls leave behind: cancelled ones, a while later; deaths of many at one instant; leases from before a redrive."""

from typing import Any

from prism_suites._judging import broken, same
from prism_suites._queue_cancelling import cancelled, points
from prism_suites._queue_dying import VisibilityAndDeadLetter
from prism_suites._queue_leases import conflicts, lease
from prism_suites._queue_taking import HELD_S, drained, fill, numbered
from prism_suites._queue_times import Times
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import QueueBasic, QueueVisibility
from prism_testkit.outcomes import law


@check("queue_basic.11", "queue_basic.2")
@gauntlet(points(("an empty queue", "behind another")))
async def a_cancelled_enqueue_leaves_nothing_for_later(queue: QueueBasic, case: Case, kind: str, point: int) -> None:
    """What is there an hour after a cancelled enqueue is its message, whole and once, or nothing of it (Q-30)."""
    if not case.clock.virtual:
        return
    before = await fill(queue, "q", [b"before"] if kind == "behind another" else [])
    case.overlap()
    ended, _ = await cancelled(queue.enqueue("q", b"payload", {"h": "v"}), point)
    found = [(message.payload, dict(message.headers)) for message in await drained(queue, "q", 5)]
    await case.advance(3600.0)
    found += [(message.payload, dict(message.headers)) for message in await drained(queue, "q", 5)]
    without = [(put.payload, dict(put.headers)) for put in before]
    whole = [*without, (b"payload", {"h": "v"})]
    if found != whole and (ended or found != without):
        broken("queue_basic.11", "a cancelled enqueue left a part of its message for later", expected=whole, got=found)


@check("queue_dead_letter.9", "queue_dead_letter.3")
@gauntlet(points(("release", "extend")))
async def a_call_on_the_last_attempt_is_whole_or_absent(queue: VisibilityAndDeadLetter, case: Case, kind: str, point: int) -> None:
    """A cancelled release or extend of the last attempt leaves the message leased, or in one of both queues (Q-16, Q-29)."""
    times = Times(case)
    if not times.virtual:
        return
    await queue.configure_dead_letter("q", "dead", 1)
    put = (await fill(queue, "q", [b"x"], {"h": "v"}))[0]
    held = await lease(times, queue, "q", put, 10_000.0)
    call: Any = queue.release(held.lease) if kind == "release" else queue.extend(held.lease, 20_000.0)
    await cancelled(call, point)
    await case.advance(30_000.0 + case.limits.clock_resolution_s + case.traits.ttl_late_s)
    with law("queue_dead_letter.9"):
        same("queue_dead_letter.9", await queue.receive("q", HELD_S), None, f"a cancelled {kind} gave the last attempt back")
        listed = [message.id for message in await queue.dead_letters("q")]
        same("queue_dead_letter.9", listed, [put.id], f"a cancelled {kind} of the last attempt lost or doubled its message")


@check("queue_dead_letter.3", "queue_dead_letter.1", "queue_dead_letter.5")
@gauntlet(lambda limits: [{"count": count, "most": most} for count, most in ((2, 1), (3, 2), (12, 1), (12, 2), (260, 1))])
async def those_that_die_at_one_instant_all_arrive(queue: VisibilityAndDeadLetter, case: Case, count: int, most: int) -> None:
    """Of messages whose last leases end together none is lost, none doubled (Q-15)."""
    times = Times(case)
    if not times.virtual:
        return
    await queue.configure_dead_letter("q", "dead", most)
    puts = await fill(queue, "q", numbered(count))
    for attempt in range(1, most + 1):
        held = [await lease(times, queue, "q", None, 5000.0, attempt=attempt) for _ in puts]
        await times.past(held[-1].deadline)
    listed = sorted(message.id for message in await queue.dead_letters("q"))
    same(
        "queue_dead_letter.3",
        listed,
        sorted(put.id for put in puts),
        "of those that die at one instant some are lost or doubled",
    )
    same("queue_dead_letter.5", await queue.redrive("q"), count, "redrive does not move what died at one instant")


@check("queue_visibility.5", "queue_visibility.4")
@gauntlet(lambda limits: [{"most": most} for most in (1, 2, 3)])
async def a_lease_from_before_a_redrive_has_ended(queue: VisibilityAndDeadLetter, case: Case, most: int) -> None:
    """A message that died and came back is delivered anew: leases of its earlier life are good for nothing (Q-16, Q-20)."""
    times, other = Times(case), await case.client()
    await queue.configure_dead_letter("q", "dead", most)
    put = (await fill(queue, "q", [b"x"]))[0]
    first = await lease(times, queue, "q", put)
    with law("queue_visibility.7"):
        await queue.release(first.lease)
    if most > 1:
        await _fail(times, queue, put, most)
    same("queue_dead_letter.4", len(await other.dead_letters("q")), 1, "dead_letters does not list what died")
    same("queue_dead_letter.5", await other.redrive("q"), 1, "redrive does not move what died")
    again = await lease(times, other, "q", put, promise="queue_dead_letter.5")
    await conflicts(queue, first.lease, "its message died, was brought back, and is delivered again")
    with law("queue_visibility.5"):
        await other.ack(again.lease)


async def _fail(times: Times, queue: Any, put: Any, most: int) -> None:
    for attempt in range(2, most + 1):
        held = await lease(times, queue, "q", put, attempt=attempt, promise="queue_dead_letter.1")
        await queue.release(held.lease)


@check("queue_visibility.2", "queue_visibility.3", "queue_visibility.5")
@gauntlet(lambda limits: [{"leases": leases} for leases in (1, 3, 40)])
async def leases_outlive_their_client(queue: QueueVisibility, case: Case, leases: int) -> None:
    """A client that dies or is closed releases nothing: what it held is leased until the deadline, and others may ack it (Q-20)."""
    times, other = Times(case), await case.client()
    puts = await fill(queue, "q", numbered(leases))
    held = [await lease(times, other, "q", put) for put in puts]
    await case.crash(other)
    same("queue_visibility.2", await queue.receive("q", HELD_S), None, "what a client held is given to another when it is gone")
    with law("queue_visibility.4"):
        for item in held:
            await queue.ack(item.lease)
