"""queue: a take that waits is woken behind whatever else happened to its queue meanwhile."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from prism_suites._judging import same
from prism_suites._queue_taking import HELD_S
from prism_suites._waiters import WAITS_S, gives_up, the_last_is_served
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import QueueBasic, QueueDeadLetter, QueueDelayed, QueueVisibility
from prism_testkit.tap import offers


async def _wait(slot: Any, queue: str, seconds: float) -> Any:
    return await (slot.dequeue(queue, seconds) if offers(slot, QueueBasic) else slot.receive(queue, HELD_S, seconds))


async def _served(slot: Any, case: Case) -> None:
    await slot.enqueue("other", b"x")
    await _wait(slot, "other", 5.0)


async def _leased(slot: Any, case: Case) -> None:
    await slot.enqueue("other", b"x")
    lease = await slot.receive("other", HELD_S)
    await slot.extend(lease, HELD_S)
    await slot.release(lease)
    await slot.ack(await slot.receive("other", HELD_S))


_VAIN_S = 1.0
_MEANWHILE: dict[str, tuple[type | None, Callable[[Any, Case], Awaitable[Any]]]] = {
    "a wait on the same queue that ends in vain": (None, lambda s, case: _wait(s, "q", _VAIN_S if case.clock.virtual else 0.01)),
    "a wait on another queue that ends in vain": (None, lambda s, case: _wait(s, "other", _VAIN_S if case.clock.virtual else 0.01)),
    "a look without waiting": (None, lambda s, case: _wait(s, "q", 0)),
    "a wait on the same queue that is cancelled": (None, lambda s, case: gives_up(case, _wait(s, "q", WAITS_S))),
    "a wait on another queue that is cancelled": (None, lambda s, case: gives_up(case, _wait(s, "other", WAITS_S))),
    "a take from another queue": (None, _served),
    "peek": (QueueBasic, lambda s, case: s.peek("q")),
    "leases of another queue": (QueueVisibility, _leased),
    "configure_dead_letter": (QueueDeadLetter, lambda s, case: s.configure_dead_letter("q", "dead", 3)),
    "dead_letters": (QueueDeadLetter, lambda s, case: s.dead_letters("q")),
    "redrive of nothing": (QueueDeadLetter, lambda s, case: s.redrive("q")),
    "enqueue_delayed": (QueueDelayed, lambda s, case: s.enqueue_delayed("q", b"late", delay_s=HELD_S)),
    "scheduled_count": (QueueDelayed, lambda s, case: s.scheduled_count("q")),
}


async def _is_woken(case: Case, promise: str, meanwhile: str, own: bool, take: str) -> None:
    if case.server and own:
        return  # each wait takes its time there
    slot, other = await case.whole(), await case.client(whole=True)
    needs, call = _MEANWHILE[meanwhile]
    if needs is not None and not offers(slot, needs):
        return

    async def write() -> None:
        await call(slot if own else other, case)
        await other.enqueue("q", b"mine")

    wait = partial(slot.dequeue, "q", WAITS_S) if take == "dequeue" else partial(slot.receive, "q", HELD_S, WAITS_S)
    got = await the_last_is_served(case, promise, [wait], write)
    payload = got and (got.payload if take == "dequeue" else got.message.payload)
    same(promise, payload, b"mine", f"a take behind {meanwhile} gives another message")


@check("queue_basic.4")
@gauntlet(lambda limits: [{"meanwhile": what, "own": own} for what in _MEANWHILE for own in (True, False)])
async def whatever_happens_meanwhile_a_take_is_woken(queue: QueueBasic, case: Case, meanwhile: str, own: bool) -> None:
    """While a `dequeue` waits something else is done; then a message comes, and it is given it at once."""
    await _is_woken(case, "queue_basic.4", meanwhile, own, "dequeue")


@check("queue_visibility.9")
@gauntlet(lambda limits: [{"meanwhile": what, "own": own} for what in _MEANWHILE for own in (True, False)])
async def whatever_happens_meanwhile_a_receive_is_woken(queue: QueueVisibility, case: Case, meanwhile: str, own: bool) -> None:
    """The same of a `receive`."""
    await _is_woken(case, "queue_visibility.9", meanwhile, own, "receive")
