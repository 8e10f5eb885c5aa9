"""A mutant of the seventeenth examination: numbers of a class of their own."""

from tests.zoo.declare import Mutant

from .declare import declaring_newer
from .newer import NewerStreams

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_newer(MUTANTS)


@mutant(
    "basic.5",
    "type",
    trap="an offset that is a constant with a name",
    also="basic.7 consumer_groups.1 replay.1 replay.7 retention.5",
)
class OnlyIntItselfIsInt(NewerStreams):
    def whole(self, number: int, operation: str) -> int:
        if type(number) is not int:
            raise TypeError(f"zoo: {operation}: {number!r} is no int")
        return number
