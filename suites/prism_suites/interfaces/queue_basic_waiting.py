"""queue_basic: takes that wait, and the clients beside them."""

from prism_suites._queue_taking import BASIC
from prism_suites._queue_waiting import (
    HUGE_S,
    SHORT_S,
    a_late_client_sees_all,
    ids_differ,
    it_goes_on_beside,
    patience_has_no_bounds,
    short_waits_end,
)
from prism_suites._racing import clients
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import QueueBasic


@check("queue_basic.4")
@gauntlet(lambda limits: [{"timeout_s": timeout_s} for timeout_s in HUGE_S])
async def a_huge_timeout_is_a_timeout(queue: QueueBasic, case: Case, timeout_s: float) -> None:
    """However long a take may wait, it gives what is there, or comes, at once (Q-11)."""
    await patience_has_no_bounds(queue, case, timeout_s, BASIC)


@check("queue_basic.4")
@gauntlet(lambda limits: [{"timeout_s": timeout_s} for timeout_s in SHORT_S])
async def a_tiny_timeout_ends(queue: QueueBasic, case: Case, timeout_s: float) -> None:
    """A timeout that a store rounds to 0 is over at once, and not without end (Q-11)."""
    await short_waits_end(queue, case, timeout_s, BASIC)


@check("queue_basic.4", "queue_basic.10")
@gauntlet(lambda limits: [{"waiters": waiters} for waiters in (1, 2, 12)])
async def a_client_that_waits_goes_on(queue: QueueBasic, case: Case, waiters: int) -> None:
    """A take that waits holds up no other call of its client, not even the enqueue that it waits for (Q-11)."""
    await it_goes_on_beside(queue, case, waiters, BASIC)


@check("queue_basic.2", "queue_basic.3")
@gauntlet(lambda limits: [{"on": on} for on in (1, 2, 4)])
async def ids_are_unique_for_all_clients(queue: QueueBasic, case: Case, on: int) -> None:
    """Ids of one queue differ, whoever enqueues, at once or one by one (Q-10)."""
    await ids_differ(await clients(queue, case, range(on)), case, 20, BASIC)


@check("queue_basic.10", "queue_basic.3")
async def a_client_that_comes_late_sees_everything(queue: QueueBasic, case: Case) -> None:
    """Opening a client changes nothing, and it sees what was enqueued and taken before it came (Q-10)."""
    await a_late_client_sees_all(queue, case, BASIC)
