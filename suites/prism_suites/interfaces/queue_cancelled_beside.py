"""A take that is cancelled undoes what it did itself, and no lease that others hold; what it found to be done is done, or left."""

import asyncio
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._queue_cancelling import cancelled, points
from prism_suites._queue_dying import VisibilityAndDeadLetter, listed
from prism_suites._queue_leases import given_to_nobody, lease
from prism_suites._queue_shared import is_second
from prism_suites._queue_taking import HELD_S, Put, drained, empty, fill, numbered, take
from prism_suites._queue_times import Times
from prism_suites.interfaces.queue_delayed import Delayed
from prism_suites.interfaces.queue_priority import Prioritised
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Lease, QueueBasic, QueueMessage, QueueVisibility
from prism_testkit.tap import offers

_LOST = "queue_visibility.12"
_TAKEN = "queue_visibility.2"


@check(_TAKEN, _LOST)
@gauntlet(points(("the first", "a later one"), few=True))
async def leases_of_others_stay(queue: QueueVisibility, case: Case, kind: str, point: int) -> None:
    """Beside it others hold what their receive of the same turn gave them, of this queue and of another one."""
    times, other = Times(case), await case.client()
    puts = await fill(queue, "q", numbered(6))
    elsewhere = await fill(other, "r", numbered(1))
    holders = [(queue, await lease(times, queue, "q", puts[0])), (other, await lease(times, other, "q", puts[1]))]
    holders.append((other, await lease(times, other, "r", elsewhere[0])))
    third, left = await case.client(), puts[2:]
    if kind == "a later one":
        holders.append((third, await lease(times, third, "q", left[0])))
        left = left[1:]
    ended, got = await cancelled(third.receive("q", HELD_S), point)
    if ended and got is not None:
        left = [put for put in left if put.id != got.message.id]
        await third.ack(got)
    waiting = {put.id: put for put in left}
    while waiting:
        found = await third.receive("q", HELD_S, 100.0 if case.clock.virtual else 10.0)
        if found is None or waiting.pop(found.message.id, None) is None:
            theirs = found is not None and any(found.message.id == held.put.id for _, held in holders)
            sentence = "it is given what another one holds" if theirs else "a message is missing, or comes twice"
            broken(_TAKEN if theirs else _LOST, f"after a cancelled receive {sentence}", expected=list(waiting.values()), got=found)
        await third.ack(found)
    for holder, held in holders:
        await given_to_nobody(times, [third], held, "a receive was cancelled beside it")
        with case.law(_TAKEN):
            await holder.ack(held.lease)


@check("queue_delayed.4", "queue_delayed.1")
@gauntlet(points(("a take", "a look"), few=True))
async def what_is_due_is_not_lost_with_a_take(queue: Delayed, case: Case, kind: str, point: int) -> None:
    """A call that finds delays over, and is cancelled while it sees to that, leaves every message there, once (Q-29)."""
    if case.server and await is_second(queue, case):
        return
    other = await case.client()
    short_s = 10.0 if case.clock.virtual else 0.005
    ids = [await queue.enqueue_delayed("q", b"due", {"h": "v"}, delay_s=short_s) for _ in range(3)]
    await case.clock.sleep(short_s * 2)
    await _every_message_is_there(queue, other, case, ids, kind, point, "queue_delayed.4", "whose delay was over")


@check(_LOST, "queue_visibility.11")
@gauntlet(points(("a take",), few=True))
async def what_has_lapsed_is_not_lost_with_a_take(queue: QueueVisibility, case: Case, kind: str, point: int) -> None:
    """Nor is what a call finds to be held no longer (Q-29)."""
    other = await case.client()
    short_s = 10.0 if case.clock.virtual else 0.005
    ids = [put.id for put in await fill(queue, "q", numbered(3), {"h": "v"})]
    for _ in ids:
        await other.receive("q", short_s)
    await case.clock.sleep(short_s * 2)
    await _every_message_is_there(queue, other, case, ids, kind, point, _LOST, "whose lease was over")


async def _every_message_is_there(
    slot: Any, other: Any, case: Case, ids: list[str], kind: str, point: int, promise: str, which: str
) -> None:
    left, patience_s = list(ids), 100.0 if case.clock.virtual else 1.0
    basic, timeout_s = offers(slot, QueueBasic), patience_s if point % 3 == 2 else 0
    look = kind == "a look" and basic
    call = slot.peek("q") if look else slot.dequeue("q", timeout_s) if basic else slot.receive("q", HELD_S, timeout_s)
    ended, got = await cancelled(call, point)
    if ended and got is not None and not look:
        name = got.id if basic else got.message.id
        same(promise, name in left, True, f"beside messages {which} a take gives another one")
        left.remove(name)
    for _ in list(left):
        message = await take(other, "q", patience_s)
        if message is None or message.id not in left:
            what = "is lost" if message is None else "is given twice"
            broken(promise, f"after a cancelled call a message {which} {what}", expected=left, got=message)
        left.remove(message.id)
    await empty(slot, "q", promise, f"after a cancelled call a message {which} is given twice")


@check("queue_dead_letter.9", "queue_dead_letter.4", "queue_dead_letter.5")
@gauntlet(points(("a take",), few=True))
async def a_cancelled_take_leaves_the_dead_what_they_are(queue: VisibilityAndDeadLetter, case: Case, kind: str, point: int) -> None:
    """Somebody takes from the target, and is cancelled: what he did not take is listed as before, and can be brought back."""
    whole, other = await case.whole(), await case.client()
    await queue.configure_dead_letter("q", "dead", 1)
    puts = await fill(queue, "q", numbered(3))
    for _ in puts:
        await queue.release((await lease(Times(case), queue, "q", None)).lease)
    ended, got = await cancelled(whole.dequeue("dead") if offers(whole, QueueBasic) else whole.receive("dead", HELD_S), point)
    left = puts
    if ended and got is not None:
        left = [put for put in puts if put.id != (got.message.id if isinstance(got, Lease) else got.id)]
        if isinstance(got, Lease):
            await queue.ack(got)
    dead = sorted(message.id for message in await other.dead_letters("q"))
    same(
        "queue_dead_letter.4",
        dead,
        sorted(put.id for put in left),
        "after a cancelled take of the target others are listed as dead",
    )
    told = "after a cancelled take of the target redrive brings back others"
    same("queue_dead_letter.5", await other.redrive("q"), len(left), told)
    back = [await take(queue, "q") for _ in left]
    found = sorted(message.id for message in back if message is not None)
    same("queue_dead_letter.5", found, sorted(put.id for put in left), told)


@check("queue_priority.1", "queue_priority.3")
@gauntlet(points(("a take",), few=True))
async def a_cancelled_take_leaves_the_priorities(queue: Prioritised, case: Case, kind: str, point: int) -> None:
    """What a cancelled take gave back still goes before what is less urgent, and before what is as urgent and came later."""
    whole, other = await case.whole(), await case.client(whole=True)
    places: dict[str, tuple[int, int]] = {}
    for number, priority in enumerate((0, 9, 5, 0, 9)):
        places[await queue.enqueue_with_priority("q", b"%d" % number, priority=priority)] = (-priority, number)
    ended, got = await cancelled(whole.dequeue("q") if offers(whole, QueueBasic) else whole.receive("q", HELD_S), point)
    first = got.message if isinstance(got, Lease) else got
    given = [first] if ended and first is not None else []
    while (message := await take(other, "q")) is not None:
        given.append(message)
    found = [places[message.id] for message in given]
    expected = sorted(places.values())
    if not offers(whole, QueueBasic):  # among equals, what comes again may be overtaken
        found, expected = [(rank, 0) for rank, _ in found], [(rank, 0) for rank, _ in expected]
    same("queue_priority.1", found, expected, "after a cancelled take messages are not given by their priorities")


@check("queue_visibility.3", _LOST)
@gauntlet(points(("dequeue", "receive", "waiting receive"), few=True))
async def a_cancelled_take_leaves_the_attempts(queue: QueueVisibility, case: Case, kind: str, point: int) -> None:
    """What a cancelled take gave back has been delivered as often as before, or once more: its count does not begin anew."""
    whole, other, times = await case.whole(), await case.client(), Times(case)
    if kind == "dequeue" and not offers(whole, QueueBasic):
        return
    await _delivered(times, queue, "q", (await fill(queue, "q", numbered(1), {"h": "v"}))[0], 2)
    if not await _cut(case, whole, "q", kind, point):
        again = await other.receive("q", HELD_S, _patience_s(case))
        if again is None:
            broken(_LOST, "after a cancelled take a message is not available", expected="a lease", got=None)
        _counts_on(again, 2, kind)


@check("queue_dead_letter.1", "queue_visibility.3", "queue_dead_letter.4", "queue_dead_letter.2")
@gauntlet(points(("dequeue", "receive"), few=True))
async def a_cancelled_take_grants_no_more_deliveries(queue: VisibilityAndDeadLetter, case: Case, kind: str, point: int) -> None:
    """So what was cancelled is followed by no delivery beyond the last; and in the target a message counts on, and stays dead."""
    whole, other, times = await case.whole(), await case.client(), Times(case)
    if kind == "dequeue" and not offers(whole, QueueBasic):
        return
    await queue.configure_dead_letter("q", "dead", 3)
    put = (await fill(queue, "q", numbered(1), {"h": "v"}))[0]
    await _delivered(times, queue, "q", put, 2)
    if await _cut(case, whole, "q", kind, point):
        return
    last = await other.receive("q", HELD_S, 1.0 if case.clock.virtual else 0.1)
    if last is not None:  # the cancelled one may have been the last
        _counts_on(last, 2, kind, most=3)
        await other.release(last)
    await listed(other, "q", [put])
    await _delivered(times, queue, "dead", put, 1)
    if await _cut(case, whole, "dead", kind, point):
        return
    again = await other.receive("dead", HELD_S, _patience_s(case))
    if again is None:
        broken("queue_dead_letter.3", "after a cancelled take of the target a message is lost", expected="a lease", got=None)
    _counts_on(again, 1, kind)
    await other.release(again)
    await listed(other, "q", [put])


async def _delivered(times: Times, slot: Any, queue: str, put: Put, attempts: int) -> None:
    """Let so many deliveries of a message fail."""
    for attempt in range(1, attempts + 1):
        await slot.release((await lease(times, slot, queue, put, attempt=attempt)).lease)


async def _cut(case: Case, whole: Any, queue: str, kind: str, point: int) -> bool:
    """Take, and be cancelled; return whether something was taken nevertheless."""
    timeout_s = _patience_s(case) if kind.startswith("waiting") else 0.0
    call = whole.dequeue(queue, timeout_s) if kind == "dequeue" else whole.receive(queue, HELD_S, timeout_s)
    ended, got = await cancelled(call, point)
    return ended and got is not None


def _patience_s(case: Case) -> float:
    """So long a message may take to be there again."""
    return 100.0 if case.clock.virtual else 1.0


def _counts_on(again: Lease, attempts: int, kind: str, *, most: int | None = None) -> None:
    allowed = range(attempts + 1, min(attempts + 2, most or attempts + 2) + 1)
    if again.attempt not in allowed:
        sentence = f"after a cancelled {kind} the attempt of a lease is not the number of deliveries"
        broken("queue_visibility.3", sentence, expected=" or ".join(map(str, allowed)), got=again.attempt)


@check("queue_basic.11", "queue_basic.10")
@gauntlet(lambda limits: [{"takes": takes, "messages": messages} for takes in (2, 5) for messages in (2, 5)])
async def the_first_take_that_is_given_one_cancels_the_others(queue: QueueBasic, case: Case, takes: int, messages: int) -> None:
    """Of several takes the first one to end cancels the others, for whom messages may have come just then: all are still there."""
    puts = await fill(queue, "q", numbered(messages))
    tasks: list[asyncio.Task[Any]] = []

    async def take_and_cancel(number: int) -> Any:
        got = await queue.dequeue("q")
        for place, task in enumerate(tasks):
            if place != number:
                task.cancel()
        return got

    tasks += [asyncio.create_task(take_and_cancel(number)) for number in range(takes)]
    told = await asyncio.gather(*tasks, return_exceptions=True)
    given = {got.id for got in told if isinstance(got, QueueMessage)}
    left = [put.id for put in puts if put.id not in given]
    found = [message.id for message in await drained(await case.client(), "q")]
    same(
        "queue_basic.11", found, left, "cancelled takes, for which a message may just have come, changed what is left, or its order"
    )
