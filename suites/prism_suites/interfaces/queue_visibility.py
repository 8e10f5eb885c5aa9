"""queue_visibility: a lease is for one, until ack, release or its deadline; then it is worth nothing."""

import contextlib
import math
import pickle
from dataclasses import replace
from typing import Any

from prism_suites._judging import broken, refused, same
from prism_suites._queue_leases import ENDINGS, Held, conflicts, end, given_to_nobody, is_available, lease, one_leased
from prism_suites._queue_taking import HELD_S, VISIBILITY, drains, empty, fill, is_message, numbered
from prism_suites._queue_times import Times
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Conflict, Lease, QueueMessage, QueueVisibility
from prism_testkit.outcomes import law
from prism_testkit.strategies import counts
from prism_testkit.traits import Limits


@check("queue_visibility.1", "queue_visibility.2", "queue_visibility.4")
@gauntlet(
    lambda limits: [
        {"count": count, "clients": clients}
        for number, count in enumerate(counts(33)[1:])
        for clients in ((1, 2) if count < 4 else (number % 2 + 1,))
    ]
)
async def what_is_received_comes_in_order(queue: QueueVisibility, case: Case, count: int, clients: int) -> None:
    """First deliveries come in the order of the enqueues, with attempt 1, each to one, also while all are held (Q-01, Q-10)."""
    if case.server and (count > 17 or (clients == 1 and count > 3)):
        count = 2
    times = Times(case)
    slots: list[Any] = [queue, *[await case.client() for _ in range(clients - 1)]]
    puts = await fill(queue, "q", numbered(count), {"h": "v"})
    held = [await lease(times, slots[number % clients], "q", put) for number, put in enumerate(puts)]
    for slot in slots:
        same("queue_visibility.2", await slot.receive("q", HELD_S), None, "receive gives a message that is leased")
    same("queue_visibility.2", len({item.lease.message.id for item in held}), count, "two leases are of one message")
    # Acks in an odd order: each removes its own message and no other.
    order = sorted(range(count), key=lambda number: (number * 7 + 3) % count)
    for number in order[: count // 2]:
        await slots[number % clients].ack(held[number].lease)
    rest = [held[number] for number in order[count // 2 :]]
    for item in rest:
        await queue.release(item.lease)
    got = {lease.message.id: lease for lease in [await slots[-1].receive("q", HELD_S) for _ in rest] if lease is not None}
    for item in rest:
        if item.put.id not in got:
            broken("queue_visibility.4", "an ack removed another message than its own", expected=item.put, got=list(got))
        is_message("queue_visibility.1", got[item.put.id].message, item.put, "a message comes again changed")
        same("queue_visibility.7", got[item.put.id].attempt, 2, "the attempt of a released message is not counted")
    same("queue_visibility.4", await queue.receive("q", HELD_S), None, "a message is given again after its ack")


@check("queue_visibility.4", "queue_visibility.5")
async def an_ack_removes_for_good(queue: QueueVisibility, case: Case) -> None:
    """What was acked never comes again, after any time, and a second ack raises `Conflict` (Q-01)."""
    times, other = Times(case), await case.client()
    held = await one_leased(times, queue, seconds=30.0)
    await queue.ack(held.lease)
    for seconds in (0.0, 29.0, 2.0, 3600.0, 43_200.0, 86_400.0, 1e6, 4e7):
        await times.move(seconds)
        for slot in (queue, other):
            await empty(slot, "q", "queue_visibility.4", "a message is given again after its ack")
        await conflicts(other, held.lease, "acked")
    await drains(queue, "q", await fill(queue, "q", numbered(3)), VISIBILITY, "after an ack")


def _matrix(limits: Limits) -> list[dict[str, Any]]:
    return [
        {"ending": ending, "call": call, "again": again, "same_client": same_client, "before": before}
        for before, calls in ((0, ("ack", "extend", "release", "extend far")), (1, ("ack", "extend")), (3, ("ack", "release")))
        for ending in ENDINGS
        for call in calls
        for again in (False, True)
        for same_client in ((False, True) if not before else (before > 1,))
        if not (ending == "ack" and again)
    ]


@check("queue_visibility.5", "queue_visibility.3")
@gauntlet(_matrix)
async def a_lease_that_ended_does_nothing(
    queue: QueueVisibility, case: Case, ending: str, call: str, again: bool, same_client: bool, before: int
) -> None:
    """However a lease ended, ack, extend and release raise `Conflict` and change nothing for whoever holds it now (Q-05).

    The message was leased so many times before.
    """
    times, other = Times(case), await case.client()
    holder = queue if same_client else other
    beside = await fill(queue, "beside", [b"x"])
    held = await one_leased(times, queue, seconds=2000.0)
    for attempt in range(2, before + 2):
        await queue.release(held.lease)
        held = await lease(times, queue, "q", held.put, 2000.0, attempt=attempt)
    if not await end(times, queue, held, ending):
        return
    if not again:
        await _call(queue, held.lease, call, ending)
        if ending == "ack":
            await times.move(10_000.0)
            await empty(queue, "q", "queue_visibility.5", "a message comes again by a call on a lease that had ended")
        else:
            await is_available(
                times, other, held, before + 2, f"after {call} of a lease that ended by {ending}", "queue_visibility.5"
            )
    else:
        now = await lease(times, holder, "q", held.put, 6000.0, attempt=before + 2)
        for _ in range(2):
            await _call(queue, held.lease, call, ending)
            await given_to_nobody(times, (queue, other), now, f"after {call} of an earlier lease", "queue_visibility.5")
        await times.before(now.deadline)
        await given_to_nobody(times, (queue, other), now, f"after {call} of an earlier lease", "queue_visibility.5")
        if await times.past(now.deadline):
            third = await is_available(times, other, held, before + 3, f"after {call} of an earlier lease", "queue_visibility.5")
            await other.ack(third.lease)
        else:
            await holder.ack(now.lease)
        await empty(queue, "q", "queue_visibility.4", "a message is given again after its ack")
    await drains(queue, "beside", beside, VISIBILITY, "another queue, after a call on a lease that had ended")


async def _call(slot: Any, ended: Lease, call: str, ending: str) -> None:
    made = slot.extend(ended, 1000.0 if call == "extend far" else 5.0) if call[:3] == "ext" else getattr(slot, call)(ended)
    sentence = f"{call} of a lease that ended by {ending} is not refused by Conflict"
    await refused("queue_visibility.5", made, Conflict, sentence)


@check("queue_visibility.7", "queue_visibility.1")
@gauntlet(lambda limits: [{"times": times} for times in (1, 2, 9, 10, 11, 40)])
async def a_release_makes_it_available_at_once(queue: QueueVisibility, case: Case, times: int) -> None:
    """A released message can be received at once by anybody, with its attempt counted, however often (Q-24)."""
    clock, other = Times(case), await case.client()
    held = await one_leased(clock, queue, bare=times == 1)
    for attempt in range(2, times + 2):
        slots = (other, queue) if attempt % 2 else (queue, other)
        await slots[0].release(held.lease)
        before = held.lease
        held = await is_available(clock, slots[1], held, attempt, "after a release", "queue_visibility.7")
        await conflicts(slots[0], before, "released")
        same("queue_visibility.2", await other.receive("q", HELD_S), None, "receive gives a message that is leased")
    await other.ack(held.lease)
    await empty(queue, "q", "queue_visibility.4", "a message is given again after its ack")


@check("queue_visibility.4", "queue_visibility.6", "queue_visibility.7")
@gauntlet(
    lambda limits: [
        {"form": form, "call": call} for form in ("pickled", "rebuilt", "other") for call in ("ack", "release", "extend")
    ]
)
async def a_lease_is_data(queue: QueueVisibility, case: Case, form: str, call: str) -> None:
    """A lease may be used through any client, and by any copy of it: its fields are all there is to it."""
    times, other = Times(case), await case.client()
    held = await one_leased(times, queue)
    copy = _copied(held.lease, form)
    promise = {"ack": "queue_visibility.4", "release": "queue_visibility.7", "extend": "queue_visibility.6"}[call]
    with law(promise):
        if call == "extend":
            await other.extend(copy, 40_000.0)
            await other.ack(copy)
        else:
            await getattr(other, call)(copy)
    if call == "release":
        await is_available(times, queue, held, 2, "released through a copy of its lease", promise)
    else:
        await empty(queue, "q", promise, "a message that was acked through a copy of its lease is given again")
    await conflicts(queue, held.lease, f"{call} was made with a copy")


def _copied(held: Lease, form: str) -> Lease:
    if form == "other":
        return replace(held)
    message = QueueMessage(str(held.message.id), bytes(held.message.payload), dict(held.message.headers))
    copy = Lease(queue=str(held.queue), message=message, attempt=int(held.attempt), token="".join(held.token))
    if form == "pickled":  # what it is made of need not be what can be pickled: headers are any mapping
        copy = pickle.loads(pickle.dumps(copy))
    return copy


@check("queue_visibility.5", "queue_visibility.15")
async def equal_histories_do_not_meet(queue: QueueVisibility, case: Case) -> None:
    """Leases of queues and namespaces in which the same happened stay apart, whatever ids and tokens look like (Q-06)."""
    times, sibling = Times(case), await case.sibling()
    places = [(queue, "a"), (queue, "b"), (sibling, "a")]
    held: list[Held] = []
    for slot, name in places:
        held.append(await one_leased(times, slot, name))
    for number, (slot, name) in enumerate(places):
        if number:
            await slot.release(held[number].lease)
            held[number] = await is_available(times, slot, held[number], 2, f"queue {name}", "queue_visibility.15")
    await queue.ack(held[0].lease)
    for number, (slot, name) in list(enumerate(places))[1:]:
        same("queue_visibility.2", await slot.receive(name, HELD_S), None, "an ack in one queue ended a lease in another")
        with law("queue_visibility.15"):
            await slot.release(held[number].lease)
            again = await is_available(times, slot, held[number], 3, "after an ack in another queue", "queue_visibility.15")
            await slot.ack(again.lease)


@check("queue_visibility.15", "queue_visibility.5")
@gauntlet(lambda limits: [{"call": call} for call in ("ack", "extend", "release")])
async def a_lease_of_another_namespace_has_no_effect(queue: QueueVisibility, case: Case, call: str) -> None:
    """A lease used through another namespace, where the same happened, changes nothing here or there."""
    times, sibling = Times(case), await case.sibling()
    here, there = await one_leased(times, queue), await one_leased(times, sibling)
    with contextlib.suppress(Exception):  # which error it is, is nobody's promise; that it has no effect is
        await (sibling.extend(here.lease, 0.5) if call == "extend" else getattr(sibling, call)(here.lease))
    if here.lease == there.lease:
        return  # nothing tells them apart: it was as well a lease of that namespace
    await times.move(10.0)
    for slot, held in ((queue, here), (sibling, there)):
        if held is there and here.lease.message.id == there.lease.message.id and here.lease.token == there.lease.token:
            continue
        await given_to_nobody(times, (slot,), held, f"after {call} through another namespace", "queue_visibility.15")
        with law("queue_visibility.15"):
            await slot.ack(held.lease)


_BAD_SECONDS = (0, 0.0, -0.0, -1, -1e-9, -43_200.0, math.nan, math.inf, -math.inf)


@check("queue_visibility.10")
@gauntlet(lambda limits: [{"seconds": seconds} for seconds in _BAD_SECONDS])
async def seconds_out_of_range_are_refused(queue: QueueVisibility, case: Case, seconds: float) -> None:
    """0, negative, NaN and infinite seconds raise ``ValueError`` before any effect, in `receive` and in `extend`."""
    times = Times(case)
    puts = await fill(queue, "q", numbered(2))
    sentence = f"of {seconds} s is not refused by ValueError"
    for name in ("q", "empty"):
        await refused("queue_visibility.10", queue.receive(name, seconds), ValueError, f"a lease {sentence}")
        await refused("queue_visibility.10", queue.receive(name, seconds, 5.0), ValueError, f"a lease {sentence}")
    held = await lease(times, queue, "q", puts[0], 50.0, promise="queue_visibility.10")
    await refused("queue_visibility.10", queue.extend(held.lease, seconds), ValueError, f"an extension {sentence}")
    with law("queue_visibility.10"):
        await queue.ack(held.lease)
    await drains(queue, "q", puts[1:], VISIBILITY, "after refusals")


@check("queue_visibility.10")
@gauntlet(lambda limits: [{"seconds": seconds} for seconds in (43_200, 43_200.0, 43_199.999, 60, 3600, 3601.5, 30_000.25)])
async def seconds_in_range_are_accepted(queue: QueueVisibility, case: Case, seconds: float) -> None:
    """Up to 43,200 s, whole or not, must be accepted by `receive` and `extend`, by name too."""
    times = Times(case)
    with law("queue_visibility.10"):
        held = await one_leased(times, queue, seconds=seconds)
        await queue.extend(lease=held.lease, seconds=seconds)
        await queue.release(lease=held.lease)
        again = await queue.receive(queue="q", visibility_s=seconds, timeout_s=0)
        if again is None:
            broken("queue_visibility.7", "a released message is not available", expected=held.put, got=None)
        await queue.ack(lease=again)
