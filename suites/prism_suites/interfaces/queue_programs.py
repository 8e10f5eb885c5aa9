"""Generated programs against an independent model: what only a sequence of calls shows.

Fifty calls over a few queues with confusable names, by two clients of one namespace and one of a sibling, with time moving
around every deadline; each answer is judged at once, and at the end everything is taken.
"""

from typing import Protocol

from hypothesis import given

from prism_suites._queue_mortal import LIVES, lived
from prism_suites._queue_shared import is_second
from prism_suites._queue_steps import OPERATIONS, operations, run_program
from prism_suites._siblings import echoed
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import QueueBasic, QueueDeadLetter, QueueDelayed, QueuePriority, QueueVisibility
from prism_testkit.programs import Program, programs

_BASIC = tuple(f"queue_basic.{number}" for number in (1, 2, 3, 4, 5, 6, 9, 10))
_LEASES = tuple(f"queue_visibility.{number}" for number in (1, 2, 3, 4, 5, 6, 7, 9, 11, 15))
_DEAD = tuple(f"queue_dead_letter.{number}" for number in (1, 2, 3, 4, 5, 6, 7, 10))


class VisibilityAndDeadLetter(QueueVisibility, QueueDeadLetter, Protocol):
    """A queue whose messages can fail."""


@check(*_BASIC)
@given(program=programs(operations("queue_basic")))
async def programs_of_plain_calls_match_the_model(queue: QueueBasic, case: Case, program: Program) -> None:
    """Every answer is the model's (Q-08, Q-10, Q-27, Q-32)."""
    await run_program(case, queue, program)


@check(*_LEASES)
@given(program=programs(operations("queue_visibility")))
async def programs_with_leases_match_the_model(queue: QueueVisibility, case: Case, program: Program) -> None:
    """Leases hold and end as their deadlines say; ended ones do nothing (Q-01 to Q-06)."""
    await run_program(case, queue, program)


@check("queue_priority.1", "queue_priority.3", "queue_priority.4", *_BASIC, *_LEASES)
@given(program=programs(operations("queue_priority", "queue_basic", "queue_visibility")))
async def programs_with_priorities_match_the_model(queue: QueuePriority, case: Case, program: Program) -> None:
    """The highest priority comes first, in its order, by every kind of take (Q-19)."""
    await run_program(case, await case.whole(), program, whole=True)


@check("queue_delayed.1", "queue_delayed.2", "queue_delayed.3", "queue_delayed.4", *_BASIC, *_LEASES)
@given(program=programs(operations("queue_delayed", "queue_basic", "queue_visibility")))
async def programs_with_delays_match_the_model(queue: QueueDelayed, case: Case, program: Program) -> None:
    """Delayed messages come when their delay is over, and are in nobody's way (Q-14)."""
    await run_program(case, await case.whole(), program, whole=True)


@check(*_DEAD, *_LEASES)
@given(program=programs(operations("queue_visibility", "queue_dead_letter")))
async def programs_with_dead_letters_match_the_model(queue: VisibilityAndDeadLetter, case: Case, program: Program) -> None:
    """Messages die after their last attempt, once, are listed, and come back by redrive (Q-15, Q-16)."""
    await run_program(case, queue, program)


@check(*_BASIC, *_LEASES, *_DEAD, "queue_priority.1", "queue_delayed.1")
@given(program=programs(operations(*OPERATIONS)))
async def programs_of_all_that_is_offered_match_the_model(
    queue: QueueBasic | QueueVisibility, case: Case, program: Program
) -> None:
    """The interfaces of one driver agree with each other."""
    if await is_second(queue, case):
        return
    await run_program(case, await case.whole(), program, whole=True)


@check(*_BASIC, *_LEASES, *_DEAD, "queue_priority.3", "queue_delayed.4")
@gauntlet(lambda limits: [{"calls": calls} for calls in LIVES])
async def short_lives_match_the_model(queue: QueueBasic | QueueVisibility, case: Case, calls: str) -> None:
    """In every state the next call of every kind does what it should; what a driver does not offer is left out."""
    if await is_second(queue, case):
        return
    await run_program(case, await case.whole(), lived(calls), whole=True)


@check("queue_visibility.15", "queue_dead_letter.10", *_LEASES, *_DEAD)
@given(program=programs(operations("queue_visibility", "queue_dead_letter"), 25))
async def leases_and_deaths_in_two_namespaces_by_turns_match_the_model(
    queue: VisibilityAndDeadLetter, case: Case, program: Program
) -> None:
    """Each of two namespaces in which the same calls are made, with other payloads, answers as if it were alone (Q-32)."""
    await run_program(case, queue, echoed(program))


@check("queue_basic.9", *_BASIC, "queue_priority.1", "queue_delayed.1", "queue_delayed.2")
@given(program=programs(operations("queue_basic", "queue_priority", "queue_delayed"), 25))
async def plain_calls_in_two_namespaces_by_turns_match_the_model(queue: QueueBasic, case: Case, program: Program) -> None:
    """The same of plain takes, priorities and delays, where they are offered (Q-32)."""
    await run_program(case, await case.whole(), echoed(program), whole=True)
