"""The decorator that makes a mutant of a wrong driver."""

from typing import Any

from prism_testkit.backend import Backend
from tests.zoo.declare import Mutant
from tests.zoo.family import Declare, declaring_family

from .reference import Client, backend

__all__ = ["HOME", "declaring"]

HOME = f"{__package__}.catalogue"


def declaring(into: list[Mutant]) -> Declare:
    """Return a decorator that appends what it is put on to ``into``; promises are given by their numbers."""

    def make(name: str, wrong: type, /, **settings: Any) -> Backend[Client]:
        return backend(name, wrong, **settings)

    return declaring_family(into, prefix="lifecycle.", make=make, home=HOME)
