"""Namespaces of one place at a time: many, for tables and pools hold only so many, and two in which the same is done by turns."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

from prism_testkit.case import Case
from prism_testkit.programs import Program, Step

__all__ = ["echoed", "used_by_turns"]

_MANY = 70
_ON_A_SERVER = 20


async def used_by_turns(
    case: Case, slot: Any, use: Callable[[Any, int], Awaitable[Any]], look: Callable[[Any, int], Awaitable[None]]
) -> None:
    """Use a namespace and many siblings, each once, and look at each twice, the latest and the earliest first."""
    slots = [slot, *[await case.sibling() for _ in range(_ON_A_SERVER if case.server else _MANY)]]
    for number, each in enumerate(slots):
        await use(each, number)
    for numbers in (reversed(range(len(slots))), range(len(slots))):
        for number in numbers:
            await look(slots[number], number)


def echoed(program: Program) -> Program:
    """Return a program in which each call is made in the other namespace too, right behind: the same names, other values.

    What is kept by the name alone, in a table of the class, of the process or of the connection, answers for the wrong one then.
    """

    def steps() -> Iterator[Step]:
        for step in program.steps:
            yield step
            if step.op != "advance":
                yield replace(step, client=0 if step.client == 2 else 2, value=step.value + 1)

    return Program(program.names, program.values, tuple(steps()))
