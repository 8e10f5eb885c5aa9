"""queue: refused and failed calls use nothing up, however many there were."""

from typing import Any

from prism_suites._judging import same
from prism_suites._queue_taking import HELD_S, empty, take
from prism_suites._using_up import uses_nothing_up
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Conflict, InvalidName, PayloadTooLarge, QueueBasic, QueueVisibility

_REFUSED = (InvalidName, PayloadTooLarge, ValueError, TypeError, Conflict)


async def _goes_on(slot: Any, promise: str) -> None:
    await slot.enqueue("after", b"message")
    got = await take(slot, "after")
    same(promise, got and got.payload, b"message", "after many calls that failed a message is not given")


@check("queue_basic.7", "queue_basic.4")
@gauntlet(lambda limits: [{"kind": kind} for kind in ("name", "payload", "headers", "dequeue", "timeout", "empty", "peek")])
async def refused_calls_use_nothing_up(queue: QueueBasic, case: Case, kind: str) -> None:
    """After many calls that were refused, or found nothing, the driver goes on (Q-28)."""
    large: Any = bytes(case.limits.max_payload + 1) if case.limits.max_payload < 10_000_000 else "no bytes"
    calls: dict[str, Any] = {
        "name": lambda: queue.enqueue("", b"x"),
        "payload": lambda: queue.enqueue("q", large),
        "headers": lambda: queue.enqueue("q", b"x", {"": "x"}),
        "dequeue": lambda: queue.dequeue("\ud800"),
        "timeout": lambda: queue.dequeue("q", float("nan")),
        "empty": lambda: queue.dequeue("q", 0.001),
        "peek": lambda: queue.peek("q"),
    }
    promise = "queue_basic.4" if kind in ("empty", "peek", "timeout") else "queue_basic.7"
    await uses_nothing_up(promise, f"a call that fails ({kind})", calls[kind], _REFUSED, lambda: _goes_on(queue, promise))


@check("queue_visibility.5", "queue_visibility.10", "queue_visibility.15", "queue_visibility.9")
@gauntlet(lambda limits: [{"kind": kind} for kind in ("ack", "extend", "release", "seconds", "name", "empty")])
async def failed_calls_use_nothing_up(queue: QueueVisibility, case: Case, kind: str) -> None:
    """So do leases go on, after many calls that were refused, or of a lease that had ended (Q-05)."""
    await queue.enqueue("q", b"x")
    ended: Any = await queue.receive("q", HELD_S)
    await queue.ack(ended)
    calls: dict[str, Any] = {
        "ack": lambda: queue.ack(ended),
        "extend": lambda: queue.extend(ended, 5.0),
        "release": lambda: queue.release(ended),
        "seconds": lambda: queue.receive("q", 0),
        "name": lambda: queue.receive("", HELD_S),
        "empty": lambda: queue.receive("q", HELD_S, 0.001),
    }
    promise = "queue_visibility." + {"seconds": "10", "name": "15", "empty": "9"}.get(kind, "5")

    async def goes_on() -> None:
        await _goes_on(queue, promise)
        await queue.enqueue("q", b"leased")
        lease: Any = await queue.receive("q", HELD_S)
        await queue.extend(lease, 50.0)
        await queue.release(lease)
        again: Any = await queue.receive("q", HELD_S)
        await queue.ack(again)
        await empty(queue, "q", promise, "after many calls that failed an acked message comes again")

    await uses_nothing_up(promise, f"a call that fails ({kind})", calls[kind], _REFUSED, goes_on)
