"""Mutants of the seventeenth examination: names that an encoding takes for each other, and numbers of a class of their own."""

from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Queue
from .stores import Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


def _spelt(name: str | None) -> bytes:
    return (name or "").encode("ascii", "backslashreplace")


@mutant(
    "dead_letter.10", "encoding", trap="two queues with one target, whose names are one as they are escaped", also="dead_letter.5"
)
class TheDeadAreFiledAsTheyAreSpelt(Queue):
    def dead(self, queue: str) -> list[Row]:
        config = self.config(queue)
        if config is None:
            return []
        found = [row for row in self.rows(config.target) if row.origin is not None and _spelt(row.origin) == _spelt(queue)]
        return sorted(found, key=lambda row: row.death)


@mutant("dead_letter.10", "folding", trap="two queues with one target, whose names differ in case", also="dead_letter.5")
class TheDeadAreFiledWithoutCase(Queue):
    def dead(self, queue: str) -> list[Row]:
        config = self.config(queue)
        if config is None:
            return []
        found = [row for row in self.rows(config.target) if (row.origin or "").casefold() == queue.casefold()]
        return sorted(found, key=lambda row: row.death)
