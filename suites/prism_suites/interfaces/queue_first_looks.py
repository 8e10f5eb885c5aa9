"""queue_visibility: however a message came to be there, and its lease ends, it is there again for whichever call looks first."""

from collections.abc import Awaitable, Callable
from itertools import product
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._queue_leases import Held, lease
from prism_suites._queue_taking import HELD_S, Put, empty, is_message
from prism_suites._queue_times import Times
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import QueueBasic, QueueDeadLetter, QueueDelayed, QueuePriority, QueueVisibility
from prism_testkit.tap import offers

Origin = Callable[[Times, Any], Awaitable[tuple[str, int] | None]]
"""(clock, driver) -> the id of a message that is available in "q", and its attempts; None where time cannot be moved for it."""

_HEADERS = {"h": "v"}
_MANY = 1000
"""So many attempts that a message does not die here."""


async def _plain(times: Times, slot: Any) -> tuple[str, int] | None:
    return await slot.enqueue("q", b"x", _HEADERS), 0


async def _first_rank(times: Times, slot: Any) -> tuple[str, int] | None:
    return await slot.enqueue_with_priority("q", b"x", _HEADERS, priority=9), 0


async def _delayed(times: Times, slot: Any) -> tuple[str, int] | None:
    identity, now = await times.during(slot.enqueue_delayed("q", b"x", _HEADERS, delay_s=50.0))
    return (identity, 0) if await times.past(now.after(50.0)) else None


async def _not_delayed(times: Times, slot: Any) -> tuple[str, int] | None:
    return await slot.enqueue_delayed("q", b"x", _HEADERS, delay_s=0.0), 0


async def _fail(slot: Any, queue: str) -> None:
    """Let the one message of a queue fail once, and look what became of it."""
    got = await slot.receive(queue, HELD_S)
    await slot.release(got)
    await slot.dead_letters(queue)


async def _redriven(times: Times, slot: Any) -> tuple[str, int] | None:
    await slot.configure_dead_letter("q", "dead", 1)
    identity = await slot.enqueue("q", b"x", _HEADERS)
    await _fail(slot, "q")
    await slot.configure_dead_letter("q", "dead", _MANY)
    same("queue_dead_letter.5", await slot.redrive("q"), 1, "redrive does not move what died")
    return identity, 0


async def _dead(times: Times, slot: Any) -> tuple[str, int] | None:
    await slot.configure_dead_letter("before", "q", 1)
    identity = await slot.enqueue("before", b"x", _HEADERS)
    await _fail(slot, "before")
    return identity, 0


async def _delayed_and_dead(times: Times, slot: Any) -> tuple[str, int] | None:
    await slot.configure_dead_letter("before", "q", 1)
    identity, now = await times.during(slot.enqueue_delayed("before", b"x", _HEADERS, delay_s=50.0))
    if not await times.past(now.after(50.0)):
        return None
    await _fail(slot, "before")
    return identity, 0


async def _released(times: Times, slot: Any) -> tuple[str, int] | None:
    identity = await slot.enqueue("q", b"x", _HEADERS)
    await slot.release(await slot.receive("q", HELD_S))
    return identity, 1


async def _lapsed(times: Times, slot: Any) -> tuple[str, int] | None:
    identity = await slot.enqueue("q", b"x", _HEADERS)
    _, now = await times.during(slot.receive("q", 20.0))
    return (identity, 1) if await times.past(now.after(20.0)) else None


_ORIGINS: dict[str, tuple[tuple[type, ...], Origin]] = {
    "enqueued": ((), _plain),
    "of the first priority": ((QueuePriority,), _first_rank),
    "delayed": ((QueueDelayed,), _delayed),
    "delayed by nothing": ((QueueDelayed,), _not_delayed),
    "redriven": ((QueueDeadLetter,), _redriven),
    "dead, in the target": ((QueueDeadLetter,), _dead),
    "delayed, and dead": ((QueueDelayed, QueueDeadLetter), _delayed_and_dead),
    "released": ((), _released),
    "whose lease ended": ((), _lapsed),
}
_ENDINGS = {"release": 0.0, "deadline": 0.0, "extended": 5000.0, "shortened": 10.0}
"""How a lease ends, and the seconds of the `extend` on the way."""
_AT_ONCE = "no lease"
_LOOKS = ("peek", "receive", "dequeue", "scheduled_count")
_EVERY = [*product(_ORIGINS, _ENDINGS), *product(["enqueued"], [*_ENDINGS] * 2)]


@check("queue_visibility.3", "queue_visibility.7", "queue_basic.5", "queue_visibility.6", "queue_delayed.2", "queue_basic.10")
@gauntlet(
    lambda limits: [
        *(
            {"origin": origin, "ending": _AT_ONCE, "look": look, "other": number % 2 == 1}
            for look in ("dequeue", "peek", "receive")
            for number, origin in enumerate(_ORIGINS)
            if look == "dequeue" or number % 2 == (look == "peek")
        ),
        *(
            {"origin": origin, "ending": ending, "look": _LOOKS[(number + number // 4) % 4], "other": number % 3 == 1}
            for number, (origin, ending) in enumerate(_EVERY)
        ),
    ]
)
async def the_first_look_finds_what_comes_again(
    queue: QueueVisibility, case: Case, origin: str, ending: str, look: str, other: bool
) -> None:
    """A message comes, or its lease ends; the next call, of whichever kind and client, is the first to notice, and finds it.

    Whoever looks has seen the queue empty before, by every kind of call (Q-04, Q-14).
    """
    times, whole = Times(case), await case.whole()
    needed, come = _ORIGINS[origin]
    if not all(offers(whole, interface) for interface in needed) or (ending not in ("release", _AT_ONCE) and not times.virtual):
        case.note(f"{origin}, {ending}: not offered, or not without waiting")
        return
    looker = await case.client(whole=True) if other else whole
    await _sees_nothing(looker)
    known = await come(times, whole)
    if known is None:
        return
    put, attempt = Put(known[0], b"x", _HEADERS), known[1] + 1
    if ending != _AT_ONCE:
        held = await lease(times, queue, "q", put, 1000.0, attempt=attempt)
        await _ends(times, queue, held, ending)
        attempt += 1
    promise = {"release": "queue_visibility.7", _AT_ONCE: "queue_basic.10"}.get(ending, "queue_visibility.3")
    story = f"a message {origin}, then {ending}, first looked at by {look}"
    if look == "dequeue" and offers(looker, QueueBasic):
        is_message(promise, await looker.dequeue("q"), put, f"a message does not come ({story})")
    else:
        for each in (look, *_LOOKS):
            await _look(looker, each, put, story)
        held = await lease(times, looker if look == "receive" else queue, "q", put, attempt=attempt, promise=promise)
        await queue.ack(held.lease)
    await _look(whole, "scheduled_count", put, story)
    await empty(queue, "q", "queue_visibility.4", f"a message that was taken for good comes again ({story})")


async def _ends(times: Times, queue: QueueVisibility, held: Held, ending: str) -> None:
    if ending == "release":
        await queue.release(held.lease)
        return
    if seconds := _ENDINGS[ending]:
        _, now = await times.during(queue.extend(held.lease, seconds))
        held.deadline = now.after(seconds)
    await times.past(held.deadline)


async def _sees_nothing(slot: Any) -> None:
    """Look at the queue in every way while it is empty."""
    got: Any = await slot.receive("q", 10.0)
    if got is None and offers(slot, QueueBasic):
        got = await slot.dequeue("q") or await slot.peek("q")
    same("queue_visibility.9", got, None, "an empty queue gives a message")
    if offers(slot, QueueDelayed):
        same("queue_delayed.2", await slot.scheduled_count("q"), 0, "scheduled_count of an empty queue is not 0")
    if offers(slot, QueueDeadLetter):
        same("queue_dead_letter.4", await slot.dead_letters("q"), [], "dead_letters of an empty queue lists something")


async def _look(slot: Any, look: str, put: Put, story: str) -> None:
    """Make a look, if it is one that takes nothing, and is offered."""
    if look == "peek" and offers(slot, QueueBasic):
        shown = await slot.peek("q")
        if shown is None:
            broken("queue_basic.5", f"peek does not show what is available ({story})", expected=put, got=None)
        is_message("queue_basic.5", shown, put, f"peek shows something else ({story})")
    if look == "scheduled_count" and offers(slot, QueueDelayed):
        same("queue_delayed.2", await slot.scheduled_count("q"), 0, f"a message that was given waits for its delay ({story})")
