"""queue_basic and the interfaces beside it: what ``clean`` removes, and what it leaves."""

from typing import Any

from prism_suites._judging import broken, same
from prism_suites._queue_taking import HELD_S, drained, fill
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import QueueBasic, QueueDeadLetter, QueueDelayed, QueueVisibility
from prism_testkit.tap import offers

_NAMES = ("a", "b", "a:b", "*", "é", "prism")


async def _furnish(slot: Any, mark: str) -> None:
    """Leave everything behind that a driver may keep: messages, leases, delays, configurations and dead messages."""
    for name in _NAMES:
        await fill(slot, name, [mark.encode()] * 2, {"h": "v"})
    if offers(slot, QueueDelayed):
        await slot.enqueue_delayed("delayed", mark.encode(), delay_s=1e6)
    if offers(slot, QueueVisibility):
        await fill(slot, "held", [mark.encode()])
        await slot.receive("held", HELD_S)
    if offers(slot, QueueDeadLetter) and offers(slot, QueueVisibility):
        await slot.configure_dead_letter("dying", "dead", 1)
        await fill(slot, "dying", [mark.encode()])
        await slot.release(await slot.receive("dying", HELD_S))
        await slot.dead_letters("dying")


@check("queue_basic.9")
async def cleaning_a_namespace_leaves_every_other(queue: QueueBasic, case: Case) -> None:
    """A backend's ``clean`` removes all of one namespace, leases, delays and configurations too, and nothing of another (X-08)."""
    mine, sibling, other = await case.whole(), await case.sibling(whole=True), await case.sibling(whole=True)
    for slot, mark in ((mine, "mine"), (sibling, "cleaned"), (other, "theirs")):
        await _furnish(slot, mark)
    cleaned = await case.clean(sibling)
    if cleaned is None:
        return
    for slot, left in ((mine, b"mine"), (other, b"theirs")):
        if offers(slot, QueueDelayed):
            same(
                "queue_basic.9",
                await slot.scheduled_count("delayed"),
                1,
                "cleaning one namespace removed a delayed message of another",
            )
        if offers(slot, QueueDeadLetter):
            found = [message.payload for message in await slot.dead_letters("dying")]
            same("queue_basic.9", found, [left], "cleaning one namespace removed a dead message of another")
        for name in _NAMES:
            found = [message.payload for message in await drained(slot, name, 5)]
            same("queue_basic.9", found, [left, left], "cleaning one namespace removed from another, or left something to it")
    for name in (*_NAMES, "held", "dying", "dead", "delayed"):
        if (got := await cleaned.dequeue(name)) is not None:
            broken("queue_basic.9", "cleaning a namespace left a message in it", expected=None, got=got)
    await fill(cleaned, "a", [b"again"])
    again = [message.payload for message in await drained(cleaned, "a", 5)]
    same("queue_basic.9", again, [b"again"], "a cleaned namespace cannot be used again")
