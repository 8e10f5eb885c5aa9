"""Whole numbers and seconds may be of a class of their own: what inherits from ``int`` or ``float`` is one."""

from prism_suites._judging import same
from prism_suites._own_numbers import Amount, Seconds, own
from prism_suites._queue_dying import VisibilityAndDeadLetter, die, listed
from prism_suites._queue_taking import HELD_S, fill
from prism_suites._queue_times import Times
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import QueueBasic, QueueDelayed, QueueVisibility
from prism_testkit.outcomes import law

_PATIENCE_S = 500.0


@check("queue_basic.4")
async def seconds_may_be_of_a_class(queue: QueueBasic) -> None:
    """A timeout is a number of seconds, whole or not, of whatever class."""
    for timeout_s in (Seconds(_PATIENCE_S), own(500)):
        await queue.enqueue("q", b"x")
        with law("queue_basic.4"):
            got = await queue.dequeue("q", timeout_s)
        same("queue_basic.4", got and got.payload, b"x", f"a dequeue with a timeout of {timeout_s!r} gives nothing")


@check("queue_visibility.1", "queue_visibility.6", "queue_visibility.9")
async def leases_last_seconds_of_a_class(queue: QueueVisibility) -> None:
    """So is how long a lease lasts, and is extended."""
    await queue.enqueue("q", b"x")
    with law("queue_visibility.1"):
        held = await queue.receive("q", Seconds(HELD_S), Seconds(_PATIENCE_S))
    if held is None:
        same("queue_visibility.9", held, "a lease", "a receive for seconds of a class of their own gives nothing")
        return
    with law("queue_visibility.6"):
        await queue.extend(held, Seconds(HELD_S))
    same("queue_visibility.1", await queue.receive("q", Seconds(HELD_S)), None, "what is leased is given again")
    await queue.ack(held)


@check("queue_dead_letter.1", "queue_dead_letter.10")
async def attempts_may_have_names(queue: VisibilityAndDeadLetter, case: Case) -> None:
    """So is after how many deliveries a message dies."""
    with law("queue_dead_letter.10"):
        await queue.configure_dead_letter("q", "dead", Amount.TWO)
    puts = await fill(queue, "q", [b"x"])
    await die(Times(case), queue, "q", puts, 2)
    await listed(queue, "q", puts)


@check("queue_delayed.1", "queue_delayed.2")
async def delays_may_have_names(queue: QueueDelayed) -> None:
    """So is a delay."""
    with law("queue_delayed.1"):
        await queue.enqueue_delayed("q", b"x", delay_s=Seconds(1e6))
        await queue.enqueue_delayed("q", b"y", delay_s=own(1_000_000))
    same("queue_delayed.2", await queue.scheduled_count("q"), 2, "delays of a class of their own are not counted")
