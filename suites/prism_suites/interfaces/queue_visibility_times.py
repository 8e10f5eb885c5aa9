"""queue_visibility: deadlines, to the millisecond where time can be moved; and takes that wait."""

import asyncio
import math
from dataclasses import replace
from typing import Any

from prism_suites._judging import broken, refused, same
from prism_suites._keyvalue_model import Window
from prism_suites._queue_leases import Held, conflicts, given_to_nobody, is_available, lease, one_leased
from prism_suites._queue_taking import HELD_S, VISIBILITY, Put, drains, empty, fill, numbered
from prism_suites._queue_times import Times
from prism_suites._racing import together
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Conflict, QueueVisibility
from prism_testkit.outcomes import law
from prism_testkit.strategies import around, durations

_LADDER = [*durations(0.0001, HELD_S), 43_200, 43_199.5, 0.0015, 31, 29.999]
_LONG_S = 5_000_000.0
"""What is kept is kept for longer than any span for which a driver might forget: eight weeks."""
_MANY = 40
_FEW = (0.001, 0.5, 1, 1.5, 29.5, 30.0, 31.0, 60.0, 600.5, 3600.0, 3601.0, HELD_S)


def _virtual(case: Case) -> bool:
    if not case.clock.virtual:
        case.note("what comes after a deadline is judged on this clock by the ladder of queue_visibility_real alone")
    return case.clock.virtual


@check("queue_visibility.2", "queue_visibility.3")
@gauntlet(
    lambda limits: (
        [{"seconds": s, "before": 0} for s in _LADDER] + [{"seconds": s, "before": 1 + n % 2} for n, s in enumerate(_FEW)]
    )
)
async def a_lease_holds_until_its_deadline(queue: QueueVisibility, case: Case, seconds: float, before: int) -> None:
    """Before the deadline nobody else is given the message, at every instant of a ladder; after it, it is (Q-02, Q-03).

    Here and below the message was leased so many times ``before``.
    """
    if not _virtual(case):
        return
    times, other = Times(case), await case.client()
    held = await one_leased(times, queue, seconds=seconds, before=before)
    inside, _ = around(seconds, case.limits.clock_resolution_s, case.traits.ttl_late_s)
    for number, offset in enumerate(inside):
        await times.to(held.deadline.start - round(seconds * 1e9) + round(offset * 1e9))
        await given_to_nobody(times, ((other, queue)[number % 2],), held, f"a lease of {seconds:g} s, {offset:g} s after it began")
    await times.past(held.deadline)
    again = await is_available(times, other, held, before + 2, f"a lease of {seconds:g} s is over")
    await conflicts(queue, held.lease, "past its deadline")
    await other.ack(again.lease)
    await empty(queue, "q", "queue_visibility.4", "a message is given again after its ack")


@check("queue_visibility.4", "queue_visibility.5")
@gauntlet(
    lambda limits: [
        {"seconds": seconds, "call": call, "before": before}
        for before, lengths in ((0, _FEW), (1, _FEW[1:8:3]), (2, _FEW[2:8:5]))
        for seconds in lengths
        for call in ("ack", "release", "extend")
    ]
)
async def a_lease_can_be_used_until_its_deadline(
    queue: QueueVisibility, case: Case, seconds: float, call: str, before: int
) -> None:
    """Just before its deadline a lease is valid, for its holder and through another client; just after it is not (Q-05)."""
    if not _virtual(case):
        return
    times, other = Times(case), await case.client()
    first, second = [await one_leased(times, queue, name, seconds, before=before) for name in ("a", "b")]
    await times.before(first.deadline)
    with law("queue_visibility.4" if call == "ack" else "queue_visibility.7" if call == "release" else "queue_visibility.6"):
        start = times.now_ns()
        try:
            await (other.extend(first.lease, 5.0) if call == "extend" else getattr(other, call)(first.lease))
        except Exception:
            if times.is_present(first.deadline, Window(start, times.now_ns())):
                raise
    await times.past(second.deadline)
    await conflicts(queue, second.lease, f"{call} after its deadline")
    again = await is_available(times, other, second, before + 2, "after calls on a lease that was over", "queue_visibility.5")
    await conflicts(queue, second.lease, f"{call} after its deadline, held again")
    await other.ack(again.lease)
    await empty(queue, "b", "queue_visibility.4", "a message is given again after its ack")


@check("queue_visibility.6", "queue_visibility.2", "queue_visibility.3")
@gauntlet(
    lambda limits: [
        {"seconds": (1000.0, 3600.0)[(number + place) % 2], "wait": wait, "steps": steps, "before": before}
        for before in (0, 1)
        for place, wait in enumerate((0.0, 0.5, 0.9))
        for number, steps in enumerate(
            (
                (2.0,),
                (0.5,),
                (0.01,),
                (1.0,),
                (0.5, 0.5),
                (2.0, 0.25),
                (0.25, 3.0),
                (1.0, 1.0, 1.0, 1.0),
                (12.0,),
                (12.0,) * 9,  # for four days in all
                (1.5, 0.1),
            )
        )
    ]
)
async def extend_counts_from_now(
    queue: QueueVisibility, case: Case, seconds: float, wait: float, steps: tuple[float, ...], before: int
) -> None:
    """`extend` lets a lease end so many seconds from now, later or earlier than it would, again and again (Q-04)."""
    if not _virtual(case):
        return
    times, other = Times(case), await case.client()
    held = await one_leased(times, queue, seconds=seconds, before=before)
    for number, part in enumerate(steps):
        await times.to(times.now_ns() + round((held.deadline.start - times.now_ns()) * wait))
        given = min(HELD_S, seconds * part)
        try:
            _, now = await times.during((other if number % 2 else queue).extend(held.lease, given))
        except Conflict:
            if times.now_ns() < held.deadline.start:
                raise
            case.inconclusive("a call took so long that the lease may have ended meanwhile")
        held = replace(held, deadline=now.after(given))
    for share in (0.2, 0.7):
        await times.to(times.now_ns() + round((held.deadline.start - times.now_ns()) * share))
        await given_to_nobody(times, (other, queue), held, "extended", "queue_visibility.6")
    await times.before(held.deadline)
    await given_to_nobody(times, (other, queue), held, "just before the deadline that extend gave", "queue_visibility.6")
    await times.past(held.deadline)
    again = await is_available(times, other, held, before + 2, "past the deadline that extend gave", "queue_visibility.6")
    await conflicts(queue, held.lease, "past the deadline that extend gave")
    await other.ack(again.lease)


@check("queue_visibility.6", "queue_visibility.2", "queue_visibility.3")
@gauntlet(lambda limits: [{"seconds": seconds, "first": (HELD_S, 0.25)[number % 2]} for number, seconds in enumerate(_LADDER)])
async def every_length_of_an_extension_is_kept(queue: QueueVisibility, case: Case, seconds: float, first: float) -> None:
    """What `extend` gives is kept as exactly as what `receive` gives, at every step of the same ladder (Q-04)."""
    if not _virtual(case):
        return
    times, other = Times(case), await case.client()
    held = await one_leased(times, queue, seconds=first)
    try:
        _, now = await times.during(queue.extend(held.lease, seconds))
    except Conflict:
        if times.is_present(held.deadline, Window(times.now_ns(), times.now_ns())):
            raise
        case.inconclusive("a call took so long that the lease may have ended meanwhile")
    held = replace(held, deadline=now.after(seconds))
    before, _ = around(seconds, case.limits.clock_resolution_s, case.traits.ttl_late_s)
    for offset in before[-2:]:
        await times.to(now.start + round(offset * 1e9))
        await given_to_nobody(times, (other,), held, f"extended by {seconds:g} s, {offset:g} s ago", "queue_visibility.6")
    await times.past(held.deadline)
    again = await is_available(times, other, held, 2, f"an extension of {seconds:g} s is over", "queue_visibility.6")
    await conflicts(queue, held.lease, "past the deadline that extend gave")
    await other.ack(again.lease)


@check("queue_visibility.11", "queue_visibility.3", "queue_visibility.1")
@gauntlet(lambda limits: [{"count": count, "rounds": rounds} for count, rounds in ((1, 40), (1, 258), (3, 12), (12, 3), (40, 2))])
async def nothing_is_lost_by_deadlines(queue: QueueVisibility, case: Case, count: int, rounds: int) -> None:
    """Of a consumer that takes and never acks, everything comes back each time, all of it, counted (Q-20, Q-24)."""
    if not _virtual(case):
        return
    times, other = Times(case), await case.client()
    puts = {put.id: put for put in await fill(queue, "q", numbered(count), {"h": "v"})}
    for attempt in range(1, rounds + 2):
        held = [
            await lease(times, (queue, other)[attempt % 2], "q", None, 1000.0, attempt=attempt, promise="queue_visibility.11")
            for _ in puts
        ]
        if count > 1 and attempt % 2:  # all to one instant
            held = [replace(item, deadline=(await times.during(queue.extend(item.lease, 900.0)))[1].after(900.0)) for item in held]
        found = {item.put.id: item.put for item in held}
        if found != puts:
            broken("queue_visibility.11", "what comes back is not what had been leased", expected=sorted(puts), got=sorted(found))
        if attempt <= rounds:
            await times.past(max((item.deadline for item in held), key=lambda window: window.end), _LONG_S if attempt == 2 else 0)
    for item in held:
        await queue.ack(item.lease)
    await empty(other, "q", "queue_visibility.4", "a message is given again after its ack")


@check("queue_visibility.3", "queue_visibility.2", "queue_visibility.1")
async def deadlines_are_each_their_own(queue: QueueVisibility, case: Case) -> None:
    """Of many leases with different deadlines each ends at its own, in whatever order they were taken (Q-02).

    Before them come as many that go on as not all fit into what a driver looks at at once, if it looks at a few, by whatever order;
    and before the last one ends as many that are shorter, and end behind it.
    """
    if not _virtual(case):
        return
    times, other = Times(case), await case.client()
    for put in await fill(queue, "q", numbered(_MANY, "beside")):
        await lease(times, queue, "q", put, HELD_S)
    puts = await fill(queue, "q", numbered(12))
    seconds = [2000.0, 500.0, 3500.0, 1000.0, 3000.0, 250.0, 1500.0, 4000.0, 750.0, 2500.0, 5000.0, 1250.0]
    held = [await lease(times, queue, "q", put, length) for put, length in zip(puts, seconds, strict=True)]
    for number, item in enumerate(sorted(held, key=lambda item: item.deadline.start)):
        if number == len(held) - 1:
            await times.to(item.deadline.start - 900_000_000_000)
            for _ in range(_MANY):
                if times.now_ns() < item.deadline.start - 100_000_000_000:  # a call may take long
                    await one_leased(times, queue, "q", 1000.0)
        await times.before(item.deadline)
        got, now = await times.during(other.receive("q", HELD_S))
        if got is not None and times.is_present(item.deadline, now):
            broken("queue_visibility.2", "receive gives a message before its deadline", expected=None, got=got)
        if got is None:
            await times.past(item.deadline)
            await is_available(times, other, item, 2, "of many leases this one is over")


def _short(case: Case, virtual_s: float) -> float:
    return virtual_s if case.clock.virtual else min(virtual_s / 1000, 0.05)


@check("queue_visibility.9")
@gauntlet(lambda limits: [{"timeout_s": timeout_s} for timeout_s in (0, -1, -1e9, 1e-3, 0.25, 1.5, 10, 600.0)])
async def nothing_available_is_waited_for(queue: QueueVisibility, case: Case, timeout_s: float) -> None:
    """`receive` of an empty queue, or one whose messages are leased, returns None, not before its timeout (Q-11)."""
    times = Times(case)
    wait_s = _short(case, timeout_s)
    await one_leased(times, queue, "leased")
    for name in ("never used", "leased"):
        began_s = case.clock.now_s()
        same("queue_visibility.9", await queue.receive(name, 30.0, timeout_s=wait_s), None, "receive gives what is not available")
        passed_s = case.clock.now_s() - began_s
        least = wait_s * 0.8 - 0.01 if not case.clock.virtual else wait_s - 1e-4
        if passed_s < least:
            broken(
                "queue_visibility.9", "receive returned None before its timeout", expected=f"{wait_s:g} s", got=f"{passed_s:g} s"
            )
    for bad in (math.nan, math.inf, -math.inf):
        for name in ("never used", "leased"):
            await refused("queue_visibility.9", queue.receive(name, 30.0, bad), ValueError, f"a timeout of {bad} is not refused")


@check("queue_visibility.9")
@gauntlet(
    lambda limits: [
        {"event": event, "waiters": waiters}
        for event in ("enqueue", "release", "deadline", "extended deadline", "delivery while others wait")
        for waiters in (1, 3)
    ]
)
async def a_waiting_receive_is_given_what_comes(queue: QueueVisibility, case: Case, event: str, waiters: int) -> None:
    """What becomes available while takes wait, by enqueue, release or a deadline, is given to one of them (Q-11)."""
    virtual = case.clock.virtual
    if ("deadline" in event and not _virtual(case)) or (waiters > 1 and event != "release" and not virtual):
        return  # those that go away empty-handed wait in real time
    times, others = Times(case), [await case.client() for _ in range(waiters)]
    held = await one_leased(times, queue, seconds=80.0) if event != "enqueue" else None
    patience_s, pause_s = (120.0, 30.0) if virtual else (10.0 if waiters == 1 else 0.8, 0.03)

    async def happen() -> None:
        await case.clock.sleep(pause_s)
        if event in ("enqueue", "delivery while others wait"):
            await queue.enqueue("q", b"comes", {"h": "v"})
        elif event == "release" and held is not None:
            await queue.release(held.lease)
        elif event == "extended deadline" and held is not None:
            await queue.extend(held.lease, 50.0)

    began_ns = times.now_ns()
    *got, _ = await together(*(other.receive("q", HELD_S, patience_s) for other in others), happen())
    given = [item for item in got if item is not None]
    allowed = 1 if held is None or event != "delivery while others wait" or not virtual else 2
    if not given:
        broken(
            "queue_visibility.9",
            f"a receive that waits is not given what becomes available ({event})",
            expected="a lease",
            got=None,
        )
    if len(given) > allowed or len({item.message.id for item in given}) < len(given):
        broken("queue_visibility.8", "one message is given to several receives that wait", expected=allowed, got=given)
    if virtual and allowed == 1:  # its seconds begin when it is given, not when the wait began
        span_ns = round(HELD_S * 1e9)
        deadline = Window(began_ns + round(pause_s * 1e9) + span_ns, times.now_ns() + span_ns)
        item = Held(given[0], Put(given[0].message.id, given[0].message.payload, {"h": "v"}), deadline)
        await times.before(deadline)
        await given_to_nobody(times, (queue,), item, f"given to a receive that waited, {event}", "queue_visibility.3")
        await times.past(deadline)
        await is_available(times, queue, item, given[0].attempt + 1, f"given to a receive that waited, {event}")


@check("queue_visibility.9", "queue_visibility.15")
async def a_waiting_receive_minds_its_own_queue(queue: QueueVisibility, case: Case) -> None:
    """What comes to another queue or namespace wakes nobody else's take."""
    other, sibling = await case.client(), await case.sibling()
    pause_s = 5.0 if case.clock.virtual else 0.01

    async def elsewhere() -> None:
        await asyncio.sleep(0)
        await case.clock.sleep(pause_s)
        await queue.enqueue("q2", b"elsewhere")
        await queue.enqueue("Q", b"elsewhere")
        await sibling.enqueue("q", b"elsewhere")

    got, _ = await together(other.receive("q", HELD_S, pause_s * 20), elsewhere())
    same("queue_visibility.15", got, None, "a receive is given what came to another queue or namespace")
    with law("queue_visibility.11"):
        for slot, name in ((queue, "q2"), (queue, "Q"), (sibling, "q")):
            same("queue_visibility.11", (await slot.receive(name, HELD_S)) is None, False, "a message was lost to a take elsewhere")


@check("queue_visibility.11", "queue_visibility.1")
async def one_that_always_fails_stops_nobody(queue: QueueVisibility, case: Case) -> None:
    """A message that is released each time does not keep the others from being taken (Q-24)."""
    first, *rest = await fill(queue, "q", numbered(8))
    left = {put.id for put in rest}
    for _ in range(200):
        got: Any = await queue.receive("q", HELD_S)
        if got is None:
            broken("queue_visibility.11", "nothing is available, though messages are left", expected=sorted(left), got=None)
        if got.message.id == first.id:
            again = await queue.receive("q", HELD_S)
            await queue.release(got)
            got = again
            if got is None:
                break
        await queue.ack(got)
        left.discard(got.message.id)
    same("queue_visibility.11", left, set(), "beside a message that always fails others are never given")
    await drains(queue, "q", [first], VISIBILITY, "the message that always failed")
