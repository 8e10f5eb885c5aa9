"""Long sequences of calls as plain data: one format for generation, shrinking, witness and replay.

A program is a tiny universe (names and values) and a list of steps that refer to them by index, so that calls collide. Fifty
steps are drawn, of which the first kind does nothing and is dropped: so programs are fifty deep, and still shrink to two.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from prism_testkit.strategies.hypothesis_strategies import payload_pools, universes
from prism_testkit.witness import register

__all__ = ["STEPS", "Program", "Step", "programs"]

STEPS = 50
_CLIENTS = (0, 0, 1, 2)
_NAMES = 8
_VALUES = 8
_EXTRA = 64


@register
@dataclass(frozen=True, slots=True)
class Step:
    """One call: what, by which client, on which name and value; ``extra`` (0 to 63) is whatever the operation makes of it."""

    op: str
    client: int = 0
    name: int = 0
    value: int = 0
    extra: int = 0


@register
@dataclass(frozen=True, slots=True)
class Program:
    """Names and values by index (beyond the end they wrap around), and the steps over them."""

    names: tuple[str, ...]
    values: tuple[bytes, ...]
    steps: tuple[Step, ...]

    def name(self, index: int) -> str:
        return self.names[index % len(self.names)]

    def value(self, index: int) -> bytes:
        return self.values[index % len(self.values)]


def programs(operations: Sequence[str], length: int = STEPS) -> st.SearchStrategy[Program]:
    """Return a strategy for programs over ``operations``, the plainest first.

    Each step is one number in mixed radix, so that drawing stays cheap. A mask drawn once leaves some operations out of a whole
    program (swarm testing, Groce et al., ISSTA 2012): what one operation hides, a program without it shows.
    """
    ops = tuple(operations)
    top = (len(ops) + 1) * len(_CLIENTS) * _NAMES * _VALUES * _EXTRA - 1
    numbers = st.lists(st.integers(0, top), min_size=length, max_size=length)
    masks = st.integers(0, 2 ** (len(ops) + 1) - 1)
    return st.builds(
        lambda names, values, mask, drawn: _program(ops, names, values, mask, drawn), universes(), payload_pools(), masks, numbers
    )


def _program(ops: tuple[str, ...], names: tuple[str, ...], values: tuple[bytes, ...], mask: int, numbers: list[int]) -> Program:
    # The lowest bit switches swarming on, so that half of all programs, and every shrunk one, use all operations.
    absent = {op for bit, op in enumerate(ops, start=1) if mask & 1 and mask >> bit & 1}
    steps = (_step(ops, number) for number in numbers)
    return Program(names, values, tuple(step for step in steps if step is not None and step.op not in absent))


def _step(ops: tuple[str, ...], number: int) -> Step | None:
    number, op = divmod(number, len(ops) + 1)
    if not op:
        return None
    number, client = divmod(number, len(_CLIENTS))
    number, name = divmod(number, _NAMES)
    extra, value = divmod(number, _VALUES)
    return Step(ops[op - 1], _CLIENTS[client], name, value, extra)
