"""What an earlier step of a writing process returned, as an argument of a later one. Standard library and `witness` only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prism_testkit.witness import register

__all__ = ["Returned", "filled_in", "referred_to"]


@register
@dataclass(frozen=True, slots=True)
class Returned:
    """In the arguments of a step (see `killing.Step`), by itself: what step number ``step``, counted from 0, returned."""

    step: int


def referred_to(steps: Sequence[tuple[str, tuple[Any, ...]]]) -> set[int]:
    """Return the numbers of the steps whose results are arguments of others."""
    return {argument.step for _, arguments in steps for argument in arguments if isinstance(argument, Returned)}


def filled_in(arguments: tuple[Any, ...], results: Mapping[int, Any]) -> tuple[Any, ...]:
    """Return the arguments with results in place of references."""
    return tuple(results[argument.step] if isinstance(argument, Returned) else argument for argument in arguments)
