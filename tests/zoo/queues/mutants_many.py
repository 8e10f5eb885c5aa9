"""Mutants that hold only so many names at a time."""

from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Queue
from .stores import Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("basic.6", "cap", trap="more than 100 queues that hold messages", also="basic.2 visibility.11 visibility.15")
class HoldsAHundredQueues(Queue):
    """The queue that was used the longest ago makes room."""

    def insert(self, row: Row) -> str:
        identifier = super().insert(row)
        queues = self.space().queues
        queues[row.queue] = queues.pop(row.queue)
        while len(queues) > 100:
            del queues[next(iter(queues))]
        return identifier
