"""Lets messages fail until they die, and judges each attempt on the way and the list of the dead."""

from collections.abc import Sequence
from typing import Any, Protocol

from prism_suites._judging import broken
from prism_suites._queue_leases import lease
from prism_suites._queue_taking import HELD_S, Put, is_message
from prism_suites._queue_times import Times
from prism_testkit.interfaces import QueueDeadLetter, QueueMessage, QueueVisibility

__all__ = ["VisibilityAndDeadLetter", "die", "dies_after", "listed"]


class VisibilityAndDeadLetter(QueueVisibility, QueueDeadLetter, Protocol):
    """A queue whose messages can fail."""


async def dies_after(
    times: Times, slots: Sequence[Any], queue: str, put: Put, most: int, ending: str, promise: str = "queue_dead_letter.1"
) -> None:
    """Deliver a message as often as it may be, and let each delivery fail by release, by its deadline, or by turns."""
    for attempt in range(1, most + 1):
        slot = slots[attempt % len(slots)]
        by_release = ending == "release" or (ending == "both" and attempt % 2 == 0)
        held = await lease(times, slot, queue, put, HELD_S if by_release else 1000.0, attempt=attempt, promise=promise)
        if by_release:
            await slots[0].release(held.lease)
        else:
            await times.past(held.deadline, 3_000_000.0 if ending == "both" else 0)  # attempts are not forgotten in a month


async def die(times: Times, slot: Any, queue: str, puts: Sequence[Put], most: int, *, odd: bool = False) -> list[Put]:
    """Let messages fail until they are dead, by releases, in order or in an odd one; return the order in which they died."""
    for attempt in range(1, most + 1):
        held = {
            item.put.id: item
            for item in [await lease(times, slot, queue, None, attempt=attempt, promise="queue_dead_letter.1") for _ in puts]
        }
        order = sorted(range(len(puts)), key=lambda number: (number * 7 + 3) % len(puts)) if odd else list(range(len(puts)))
        for number in order:
            if puts[number].id not in held:
                broken(
                    "queue_dead_letter.1",
                    "a message is not delivered as often as it may be",
                    expected=puts[number],
                    got=sorted(held),
                )
            await slot.release(held[puts[number].id].lease)
            if attempt == most:
                await slot.dead_letters(queue)  # a look, so that it is known which died first
    return [puts[number] for number in order]


async def _next(slot: Any, queue: str) -> str | None:
    """Return the id of the message that comes next, for a failure to tell."""
    got = await slot.receive(queue, 1.0, 0.0)
    return got.message.id if got is not None else None


async def listed(slot: Any, queue: str, puts: Sequence[Put]) -> None:
    """Judge that exactly these messages are listed as dead, whole, in this order."""
    got = await slot.dead_letters(queue)
    if not isinstance(got, list) or not all(isinstance(message, QueueMessage) for message in got):
        broken("queue_dead_letter.4", "dead_letters gives no list of messages", expected=list(puts), got=got)
    found, expected = [message.id for message in got], [put.id for put in puts]
    if found != expected:
        if len(set(found)) < len(found):
            broken("queue_dead_letter.3", "dead_letters lists a message twice", expected=expected, got=found)
        if sorted(found) == sorted(expected):
            broken("queue_dead_letter.4", "dead_letters does not list in the order of death", expected=expected, got=found)
        early = [identity for identity in found if identity not in expected]
        if not early and (still := [put.id for put in puts if put.id not in found and put.id == await _next(slot, queue)]):
            sentence = "a message that used up its attempts is in its queue yet, and not among the dead"
            broken("queue_dead_letter.1", sentence, expected=f"dead: {expected}", got=f"dead: {found}, in its queue: {still}")
        what = "lists what did not die, or is gone" if early else "leaves out what died"
        broken("queue_dead_letter.4", f"dead_letters {what}", expected=expected, got=found)
    for message, put in zip(got, puts, strict=True):
        is_message("queue_dead_letter.2", message, put, "a dead message is not as it was enqueued")
    got.clear()  # it is the caller's: what is listed next is not touched
