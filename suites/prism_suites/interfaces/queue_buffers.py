"""queue: a payload is its bytes, in whatever kind of buffer it is given, by every way to enqueue it."""

from collections.abc import Awaitable, Callable
from typing import Any

from prism_suites._buffers import ANY_BUFFERS, payloads_are_their_bytes
from prism_suites._queue_taking import take
from prism_suites.interfaces.queue_delayed import Delayed
from prism_suites.interfaces.queue_priority import Prioritised
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import QueueBasic, QueueVisibility


async def _kept(slot: Any, case: Case, kind: str, give: Callable[[Any], Awaitable[Any]], kept: str, refusal: str) -> None:
    async def taken() -> Any:
        got = await take(slot, "q")
        return got and got.payload

    await payloads_are_their_bytes(kind, case.limits, give, taken, kept, refusal)


@check("queue_basic.1", "queue_basic.7")
@gauntlet(lambda limits: [{"kind": kind} for kind in ANY_BUFFERS])
async def a_payload_may_be_any_buffer(queue: QueueBasic, case: Case, kind: str) -> None:
    """What is dequeued is ``bytes``, those of the buffer, and no more of what lies behind a view of a part (Q-28)."""
    await _kept(queue, case, kind, lambda data: queue.enqueue("q", data), "queue_basic.1", "queue_basic.7")


@check("queue_visibility.1", "queue_visibility.15")
@gauntlet(lambda limits: [{"kind": kind} for kind in ANY_BUFFERS])
async def a_leased_payload_may_be_any_buffer(queue: QueueVisibility, case: Case, kind: str) -> None:
    """So is what is received (Q-28)."""
    await _kept(queue, case, kind, lambda data: queue.enqueue("q", data), "queue_visibility.1", "queue_visibility.15")


@check("queue_priority.4")
@gauntlet(lambda limits: [{"kind": kind} for kind in ANY_BUFFERS])
async def a_payload_with_a_priority_may_be_any_buffer(queue: Prioritised, case: Case, kind: str) -> None:
    """So is what has a priority (Q-28)."""
    await _kept(
        queue, case, kind, lambda data: queue.enqueue_with_priority("q", data, priority=5), "queue_priority.4", "queue_priority.4"
    )


@check("queue_delayed.4")
@gauntlet(lambda limits: [{"kind": kind} for kind in ANY_BUFFERS])
async def a_payload_with_a_delay_may_be_any_buffer(queue: Delayed, case: Case, kind: str) -> None:
    """So is what was delayed (Q-28)."""
    times = case.clock.virtual

    async def give(data: Any) -> None:
        await queue.enqueue_delayed("q", data, delay_s=5.0 if times else 0.0)
        if times:
            await case.advance(5.0 + case.limits.clock_resolution_s + case.traits.ttl_late_s)

    await _kept(queue, case, kind, give, "queue_delayed.4", "queue_delayed.4")
