"""Generated programs in which all clients are killed again and again: whatever was called last, and in whatever state."""

from typing import Annotated

from hypothesis import given

from prism_suites._mortal import KILL, sizes
from prism_suites._queue_mortal import LIVES, life, run_mortal
from prism_suites._queue_steps import OPERATIONS, operations
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import QueueBasic
from prism_testkit.programs import Program, programs
from prism_testkit.traits import Traits

_KEEPS_ALL = Traits(durability="process", ack_survives_kill="yes", lease_survives_kill="yes", attempts_survive_kill="yes")
_SURVIVE = ("queue_basic.12", "queue_visibility.13", "queue_dead_letter.8", "queue_delayed.6", "queue_priority.4")
_BASIC = tuple(f"queue_basic.{number}" for number in (1, 2, 3, 4, 5, 6, 9, 10))
_LEASES = tuple(f"queue_visibility.{number}" for number in (1, 2, 3, 4, 5, 6, 7, 11, 15))
_DEAD = tuple(f"queue_dead_letter.{number}" for number in (1, 2, 3, 4, 5, 6, 7, 10))
_OTHERS = ("queue_priority.1", "queue_priority.3", "queue_delayed.1", "queue_delayed.2")


_MORE = ("receive", "ack", "extend", "configure_dead_letter", "redrive", "wear_out")
"""What a lost write of is seen only in few states."""


_WHOLE = ("enqueue", "enqueue_with_priority:1", "enqueue_delayed", "enqueue receive")
"""What is killed behind it with payloads of each size: a store may keep what is large elsewhere, or write it later."""


@check(*_SURVIVE, *_BASIC, *_LEASES, *_DEAD, *_OTHERS)
@given(program=programs((*operations(*OPERATIONS), *_MORE, KILL)))
async def programs_with_kills_match_the_model(queue: Annotated[QueueBasic, _KEEPS_ALL], case: Case, program: Program) -> None:
    """Every answer is the model's, which knows of no kill (Q-14, Q-15, Q-20, Q-21). Of files only: servers have other checks."""
    if case.server or not case.clock.virtual:
        return
    await run_mortal(case, program)


@check(*_SURVIVE, *_BASIC, *_LEASES, *_DEAD, *_OTHERS)
@gauntlet(
    lambda limits: [
        *(
            {"calls": calls, "other": other, "size": 0}
            for calls in LIVES
            for other in ((False, True) if "extend" in calls or "delayed" in calls else (False,))
        ),
        *({"calls": calls, "other": False, "size": size} for calls in _WHOLE for size in sizes(limits.max_payload)),
    ]
)
async def whatever_was_called_last_survives(
    queue: Annotated[QueueBasic, _KEEPS_ALL], case: Case, calls: str, other: bool, size: int
) -> None:
    """Killed right behind a call of any kind, a process leaves what that call changed, of any size (Q-14, Q-15, Q-20, Q-21)."""
    if case.server or not case.clock.virtual:
        return
    await run_mortal(case, life(calls, other, size))
