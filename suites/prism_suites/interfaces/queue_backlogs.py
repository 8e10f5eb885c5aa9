"""queue: a take that waits is woken, whatever else there is that is not for it: leased, delayed, dead, or in another queue."""

from functools import partial
from typing import Any

from prism_suites._judging import same
from prism_suites._queue_taking import HELD_S
from prism_suites._waiters import WAITS_S, the_last_is_served
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import QueueBasic, QueueDeadLetter, QueueDelayed, QueuePriority, QueueVisibility
from prism_testkit.tap import offers

_WHAT = ("leased", "leased of a higher priority", "delayed", "dead", "in another queue", "leased in another queue")


async def _lay_out(slot: Any, what: str, count: int) -> bool:
    """Leave so many messages that no take of ``q`` is given; False where that cannot be."""
    needs = {"delayed": QueueDelayed, "leased of a higher priority": QueuePriority, "dead": QueueDeadLetter}.get(what, QueueBasic)
    if not offers(slot, needs) or (("leased" in what or what == "dead") and not offers(slot, QueueVisibility)):
        return False
    name = "other" if what.endswith("another queue") else "q"
    if what == "dead":
        await slot.configure_dead_letter("q", "dead", 1)
    for number in range(count):
        match what:
            case "delayed":
                await slot.enqueue_delayed(name, b"%d" % number, delay_s=HELD_S)
            case "leased of a higher priority":
                await slot.enqueue_with_priority(name, b"%d" % number, priority=9)
            case _:
                await slot.enqueue(name, b"%d" % number)
        if "leased" in what or what == "dead":
            lease = await slot.receive(name, HELD_S)
            if what == "dead":
                await slot.release(lease)
    if what == "dead":
        await slot.dead_letters("q")
    return True


async def _is_woken(case: Case, promise: str, what: str, count: int, take: str) -> None:
    slot, other = await case.whole(), await case.client(whole=True)
    if not await _lay_out(other, what, count):
        return
    for number, client in enumerate((other, slot) if case.clock.virtual else (other,)):
        wait = partial(slot.dequeue, "q", WAITS_S) if take == "dequeue" else partial(slot.receive, "q", HELD_S, WAITS_S)
        got = await the_last_is_served(case, promise, [wait], partial(client.enqueue, "q", b"mine %d" % number))
        payload = got and (got.payload if take == "dequeue" else got.message.payload)
        same(promise, payload, b"mine %d" % number, f"a take beside {count} messages {what} gives another")
        if take == "receive":
            await slot.ack(got)


@check("queue_basic.4")
@gauntlet(lambda limits: [{"what": what, "count": count} for what in _WHAT for count in (1, 12, 101)])
async def what_is_not_for_it_keeps_no_take_waiting(queue: QueueBasic, case: Case, what: str, count: int) -> None:
    """A `dequeue` that waits is given what comes at once."""
    if not case.server or count == 12:  # each wait takes its time there
        await _is_woken(case, "queue_basic.4", what, count, "dequeue")


@check("queue_visibility.9")
@gauntlet(lambda limits: [{"what": what, "count": count} for what in _WHAT for count in (1, 12, 101)])
async def what_is_not_for_it_keeps_no_receive_waiting(queue: QueueVisibility, case: Case, what: str, count: int) -> None:
    """A `receive` that waits is given what comes at once."""
    if not case.server or count == 12:  # each wait takes its time there
        await _is_woken(case, "queue_visibility.9", what, count, "receive")
