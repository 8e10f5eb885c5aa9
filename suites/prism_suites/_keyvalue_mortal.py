"""Runs a program against key-value stores whose clients are killed in between, and names what did not survive."""

from functools import partial
from typing import Any

from prism_suites._keyvalue_judge import Judge
from prism_suites._keyvalue_model import Model
from prism_suites._keyvalue_steps import Actor, does
from prism_suites._mortal import KILL, Clients, play, run_with_kills
from prism_testkit.case import Case
from prism_testkit.programs import Program, Step

__all__ = ["run_mortal"]

_AT_ONCE = 56
"""An eighth of the calls, those whose ``extra`` is at least this, are followed by a kill at once."""
_SLACK_NS = 1_000_000
"""Nobody has to keep a deadline more finely than that."""
_AWAY_S = (0.25, 60.0, 3600.0)


async def run_mortal(case: Case, program: Program) -> None:
    """Run a program with its kills, and say of a wrong answer whether they are to blame."""
    await run_with_kills(
        case,
        partial(_run, program=program),
        lambda promise: "keyvalue_ttl.12" if promise.startswith("keyvalue_ttl") else "keyvalue_basic.12",
    )


async def _run(case: Any, clients: Clients, program: Program) -> None:
    slack = round((case.limits.clock_resolution_s + case.traits.ttl_late_s) * 1e9) + _SLACK_NS
    here, there = Model(slack), Model(slack)
    judges = (Judge(here, there), Judge(here, there), Judge(there, here))
    await clients.open()

    def actor(number: int) -> Actor:
        return Actor(case, clients.slots[number], judges[number], program, clients.slots[1 - number % 2])

    await play(
        clients,
        [step for step in program.steps if step.op == KILL or does(clients.slots[step.client], step)],
        lambda step: actor(step.client).do(step),
        lambda number: _look_around(actor(number), program),
        at_once=lambda step: step.extra >= _AT_ONCE,
        away=lambda step: case.advance(_AWAY_S[step.name % len(_AWAY_S)]),
    )


async def _look_around(actor: Actor, program: Program) -> None:
    for index in range(len(program.names)):
        await actor.do(Step("get", name=index))
        if does(actor.slot, ttl := Step("ttl", name=index)):
            await actor.do(ttl)
    if does(actor.slot, everything := Step("scan")):
        await actor.do(everything)
