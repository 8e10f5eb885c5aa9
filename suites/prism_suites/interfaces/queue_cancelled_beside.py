"""A take that is cancelled undoes what it did itself, and no lease that others hold; what it found to be done is done, or left."""

from typing import Any

from prism_suites._judging import broken, same
from prism_suites._queue_cancelling import cancelled, points
from prism_suites._queue_leases import given_to_nobody, lease
from prism_suites._queue_shared import is_second
from prism_suites._queue_taking import HELD_S, empty, fill, numbered, take
from prism_suites._queue_times import Times
from prism_suites.interfaces.queue_delayed import Delayed
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import QueueBasic, QueueVisibility
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
