"""Mutants that come through one death, and lose something at the second."""

from prism_testkit.backend import Place

from .declare import Mutant, declaring
from .generations import generation
from .reference import FileKeyValue
from .stores import Changes, FileStore

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _Generations(FileStore):
    """Knows which of its records were written before the last but one death."""

    def __init__(self, place: Place) -> None:
        log = place.directory / "zoo.log"
        starts = generation(place.directory, log)
        self.old = starts[-2] if len(starts) > 2 else 0
        super().__init__(place)

    def is_old(self) -> bool:
        """Say whether the record that is replayed is one of those."""
        return self.position <= self.old


class _OneSnapshot(_Generations):
    def replay(self, namespace: str, changes: Changes) -> None:
        if not self.is_old():
            super().replay(namespace, changes)


@mutant("basic.12", "log", trap="a second kill", store=_OneSnapshot)
class ASecondDeathForgetsWhatStoodBeforeTheFirst(FileKeyValue):
    pass


class _NoTombstones(_Generations):
    def replay(self, namespace: str, changes: Changes) -> None:
        if self.is_old():
            changes = {key: entry for key, entry in changes.items() if entry is not None}
        super().replay(namespace, changes)


@mutant("basic.12", "log", trap="a second kill, after deletes", store=_NoTombstones)
class ASecondDeathBringsTheDeletedBack(FileKeyValue):
    pass


class _NoDeadlines(_Generations):
    def replay(self, namespace: str, changes: Changes) -> None:
        if self.is_old():
            changes = {key: entry and type(entry)(entry.value) for key, entry in changes.items()}
        super().replay(namespace, changes)


@mutant("ttl.12", "log", trap="a second kill, with deadlines", store=_NoDeadlines)
class ASecondDeathTakesTheDeadlines(FileKeyValue):
    pass
