"""Calls in which a store does what it does now and then: merge, compact, vacuum, start a new file.

Such a call makes more calls of the system than the others of its kind, so it is found without knowing what the store does, or when.
"""

from collections.abc import Callable, Iterator, Sequence

from prism_testkit.conducting import Player
from prism_testkit.killing import Step
from prism_testkit.returned import Told

__all__ = ["Round", "beside_upkeep"]

Round = Callable[[int], Sequence[Step]]
"""The calls of a round, given its number; the last of them is the one that is watched."""

_ROUNDS, _POINTS = 300, 32
_STILL_S = 0.0015
"""Who does nothing for so long is taken to wait for the other process."""


def beside_upkeep(one: Player, other: Player, calls: Round, beside: Callable[[int], Step]) -> Iterator[tuple[int, int, Told, Told]]:
    """Let process 2 make a call whenever a call of process 1 stands still where others of its kind do not come to.

    Yields the number of the round and of the point, and what both were told; ends where no round does more than others.
    """
    usual = _usual(one, calls)
    for point in range(usual + 1, usual + _POINTS):
        number = _begun(one, calls, point)
        if number is None:
            return
        method, arguments = beside(point)
        other.begin(method, *arguments)
        mine = None if other.settle(_STILL_S) else one.end()
        theirs = other.end()
        yield number, point, mine or one.end(), theirs


def _round(one: Player, steps: Sequence[Step]) -> None:
    for method, arguments in steps:
        one.call(method, *arguments)


def _usual(one: Player, calls: Round) -> int:
    """Return how many points the watched call of a round has that is like the one before."""
    for _ in range(2):
        _round(one, calls(0))
    for point in range(_ROUNDS):
        *early, (method, arguments) = calls(0)
        _round(one, early)
        stands = one.begin(method, *arguments, point=point + 1)
        one.end()
        if stands is None:
            return point
    return _ROUNDS


def _begun(one: Player, calls: Round, point: int) -> int | None:
    """Make rounds until a call stands still at a point that others do not have; return which one did, None if none."""
    for _ in range(2):  # what it does once, because another process wrote, is not meant
        _round(one, calls(0))
    for number in range(1, _ROUNDS):
        *early, (method, arguments) = calls(number)
        _round(one, early)
        if one.begin(method, *arguments, point=point) is not None:
            return number
        one.end()
    return None
