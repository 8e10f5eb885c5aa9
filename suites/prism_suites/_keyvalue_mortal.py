"""Runs a program against key-value stores whose clients are killed in between, and names what did not survive."""

from typing import Any

from prism_suites._keyvalue_judge import Judge
from prism_suites._keyvalue_model import Model
from prism_suites._keyvalue_steps import Actor, does
from prism_suites._quiet import Quiet
from prism_testkit.case import Case
from prism_testkit.mortal import Mortal
from prism_testkit.outcomes import Violation
from prism_testkit.programs import Program, Step

__all__ = ["KILL", "run_mortal"]

KILL = "kill"
"""The step that kills all clients; what is between them and the files is lost."""

_AT_ONCE = 56
"""An eighth of the calls, those whose ``extra`` is at least this, are followed by a kill at once."""
_SLACK_NS = 1_000_000
"""Nobody has to keep a deadline more finely than that."""
_AWAY_S = (0.25, 60.0, 3600.0)


async def run_mortal(case: Case, program: Program) -> None:
    """Run a program with its kills. If an answer is wrong, run it again without: where that goes well, the kill is to blame."""
    place = case.mortal()
    try:
        await _run(case, place, program, kills=True)
    except Violation as wrong:
        await _run(Quiet(case), place, program, kills=False)
        promise = "keyvalue_ttl.12" if wrong.promise.startswith("keyvalue_ttl") else "keyvalue_basic.12"
        told = f"{wrong.message}; without the kills before it the same calls go well"
        raise Violation.of(promise, told, expected=wrong.expected, got=wrong.got) from wrong


async def _run(case: Any, place: Mortal, program: Program, *, kills: bool) -> None:
    slack = round((case.limits.clock_resolution_s + case.traits.ttl_late_s) * 1e9) + _SLACK_NS
    here, there = Model(slack), Model(slack)
    spaces = (place.new_namespace(), place.new_namespace())
    judges = (Judge(here, there), Judge(here, there), Judge(there, here))
    slots = await _clients(place, spaces, kills)

    def actor(number: int) -> Actor:
        return Actor(case, slots[number], judges[number], program, slots[1 - number % 2])

    for step in program.steps:
        if step.op != KILL and not does(slots[step.client], step):
            continue
        if step.op != KILL:
            await actor(step.client).do(step)
        if step.op == KILL or step.extra >= _AT_ONCE:
            if kills:
                await place.kill()
            if step.op == KILL and step.value % 4 == 1:  # time that passes while nobody is there counts
                await case.advance(_AWAY_S[step.name % len(_AWAY_S)])
            if kills:
                slots = await _clients(place, spaces, kills)
    for _ in range(2):  # what was left, and what is left when that was opened and nothing was written
        if kills:
            await place.kill()
            slots = await _clients(place, spaces, kills)
        for number in (1, 2):
            await _look_around(actor(number), program)


async def _look_around(actor: Actor, program: Program) -> None:
    for index in range(len(program.names)):
        await actor.do(Step("get", name=index))
        if does(actor.slot, ttl := Step("ttl", name=index)):
            await actor.do(ttl)
    if does(actor.slot, everything := Step("scan")):
        await actor.do(everything)


async def _clients(place: Mortal, spaces: tuple[str, str], told: bool) -> list[Any]:
    return [await place.client(connection, spaces[space], told=told) for connection, space in ((0, 0), (1, 0), (0, 1))]
