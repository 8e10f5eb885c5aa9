"""Mutants of the seventeenth examination: what a transaction reads twice."""

from .declare import Mutant, declaring
from .reference import KeyValue, Transaction
from .stores import Entry

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _RemembersTheFirst(Transaction):
    def look(self, key: str) -> Entry | None:
        entry = super().look(key)
        self.torn = False
        return entry


@mutant("transactional.5", "validation", trap="a key that is missing, read, there, read again, and missing as one commits")
class CommitsCompareTheFirstRead(KeyValue):
    """What is missing has no identity, so what it was in between is not noticed."""

    transaction_type = _RemembersTheFirst


class _RemembersTheLast(Transaction):
    def look(self, key: str) -> Entry | None:
        entry = super().look(key)
        self.torn = False
        if key not in self.writes:
            self.reads[key] = entry
        return entry


@mutant("transactional.5", "validation", trap="a key that is read, changed and read again as one commits")
class CommitsCompareTheLastRead(KeyValue):
    transaction_type = _RemembersTheLast
