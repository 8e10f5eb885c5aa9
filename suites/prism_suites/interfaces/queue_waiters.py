"""queue: many takes of one client wait at once, each on a queue of its own."""

from functools import partial

from prism_suites._judging import same
from prism_suites._queue_taking import HELD_S
from prism_suites._waiters import WAITS_S, how_many, the_last_is_served
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import QueueBasic, QueueVisibility


@check("queue_basic.4", "queue_basic.10")
async def of_many_takes_that_wait_the_last_is_served(queue: QueueBasic, case: Case) -> None:
    """Many takes of one client wait, each for a queue of its own; what is enqueued for the last comes at once."""
    other, count = await case.client(), how_many(case)
    waits = [partial(queue.dequeue, f"q{number}", WAITS_S) for number in range(count)]
    got = await the_last_is_served(case, "queue_basic.4", waits, lambda: other.enqueue(f"q{count - 1}", b"its own"))
    same("queue_basic.1", got and got.payload, b"its own", "a take beside others gives another message")


@check("queue_visibility.9", "queue_visibility.8")
async def of_many_receives_that_wait_the_last_is_served(queue: QueueVisibility, case: Case) -> None:
    """So do receives of a queue that leases."""
    other, count = await case.client(), how_many(case)
    waits = [partial(queue.receive, f"q{number}", HELD_S, WAITS_S) for number in range(count)]
    got = await the_last_is_served(case, "queue_visibility.9", waits, lambda: other.enqueue(f"q{count - 1}", b"its own"))
    same("queue_visibility.1", got and got.message.payload, b"its own", "a receive beside others gives another message")
