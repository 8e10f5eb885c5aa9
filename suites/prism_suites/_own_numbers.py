"""Numbers as applications name them: members of an `IntEnum`, and seconds of a class of their own."""

from enum import IntEnum

__all__ = ["Amount", "Seconds", "own"]


class Amount(IntEnum):
    """Whole numbers with names, which are ``int`` by inheritance."""

    NONE, ONE, TWO, THREE, FOUR, FIVE = range(6)


class Seconds(float):
    """A duration of a type of its own, as a library of units has."""

    __slots__ = ()


class _Whole(int):
    __slots__ = ()


def own(number: int) -> int:
    """Return an equal number of a class of its own, for numbers that are only known as the check runs."""
    return _Whole(number)
