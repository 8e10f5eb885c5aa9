"""queue_visibility: a receive that is cancelled undoes what it did itself, and no lease that others hold."""

from prism_suites._judging import broken
from prism_suites._queue_cancelling import cancelled, points
from prism_suites._queue_leases import given_to_nobody, lease
from prism_suites._queue_taking import HELD_S, fill, numbered
from prism_suites._queue_times import Times
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import QueueVisibility

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
