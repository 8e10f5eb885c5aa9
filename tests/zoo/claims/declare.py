"""The decorator that declares a wrong claim check."""

from collections.abc import Callable
from typing import TypeVar

from prism_backends.memory import memory
from prism_testkit.pattern import Pattern
from tests.zoo.declare import Mutant, words

__all__ = ["HOME", "declaring"]

T = TypeVar("T", bound=type)

HOME = f"{__package__}.catalogue"


def declaring(into: list[Mutant]) -> Callable[..., Callable[[T], T]]:
    """Return a decorator that appends what it is put on to ``into``, over right drivers in memory."""

    def mutant(promise: str, kind: str, trap: str = "", also: str = "") -> Callable[[T], T]:
        def declare(wrong: T) -> T:
            name = words(wrong.__name__)
            into.append(
                Mutant(
                    name=name,
                    promise=promise,
                    also=tuple(also.split()),
                    kind=kind,
                    trap=trap,
                    backends=(memory,),
                    pattern=Pattern(kind="claim-check", name=name.replace("_", "-"), implementation=wrong),
                    home=HOME,
                )
            )
            return wrong

        return declare

    return mutant
