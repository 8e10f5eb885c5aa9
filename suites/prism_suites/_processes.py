"""What several processes are asked to do at once, and the judgement of what went wrong in one of them."""

from collections.abc import Sequence
from random import Random
from typing import Any

from prism_suites._judging import broken
from prism_testkit.case import Case
from prism_testkit.interfaces import Conflict
from prism_testkit.killing import Step
from prism_testkit.returned import Told
from prism_testkit.traits import Limits

__all__ = ["PACE_S", "PROCESSES", "STEPS", "perform", "seeds", "value_of"]

PROCESSES = 3
STEPS = 60
PACE_S = 0.003
"""Between the steps of processes that are to meet at each of them."""


def seeds(limits: Limits) -> list[dict[str, Any]]:
    """Return the case of a check whose plans are drawn from a seed: each of them costs several processes."""
    return [{"seed": seed} for seed in (1,)]


def value_of(process: int, step: int, random: Random, limits: Limits) -> bytes:
    """Return what a step writes: one byte over and over, another one for each step of all processes."""
    return bytes([1 + process * STEPS + step]) * min(random.choice((1, 40, 900)), limits.max_payload)


def perform(
    case: Case, promise: str, plans: Sequence[Sequence[Step]], *, racing: tuple[str, ...] = (), pace_s: float = 0.0
) -> list[Told]:
    """Let processes make their plans at once; return what they were told.

    No call may raise; but those of ``racing`` may be told `Conflict`, and are left out of what is returned then.
    """
    with case.law(promise):
        told = case.processes(plans, pace_s=pace_s)
    for call in told:
        if call.error is not None and not (call.op in racing and isinstance(call.error, Conflict)):
            sentence = f"while {len(plans)} processes were at work, {call.op} of process {call.process + 1} raised"
            broken(promise, sentence, expected="no error", got=call.error)
    return [call for call in told if call.error is None]
