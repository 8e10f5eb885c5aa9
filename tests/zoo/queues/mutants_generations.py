"""Mutants that come through one death, and lose something at the second."""

from dataclasses import replace

from prism_testkit.backend import Place
from tests.zoo.declare import Mutant
from tests.zoo.generations import generation

from .declare import declaring
from .stores import Changes, Config, FileStore, Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _Generations(FileStore):
    """Knows which of its records were written before the last but one death."""

    def __init__(self, place: Place) -> None:
        starts = generation(place.directory, place.directory / "zoo.log")
        self.old = starts[-2] if len(starts) > 2 else 0
        super().__init__(place)

    def is_old(self) -> bool:
        """Say whether the record that is replayed is one of those."""
        return self.log.position <= self.old


@mutant("basic.12", "log", trap="a second kill", also="visibility.13 dead_letter.8 delayed.6")
class ASecondDeathForgetsWhatStoodBeforeTheFirst(_Generations):
    def replay(self, namespace: str, changes: Changes) -> None:
        if not self.is_old():
            super().replay(namespace, changes)


@mutant("basic.12", "log", trap="a second kill, after takes", also="visibility.13 basic.2 visibility.4")
class ASecondDeathBringsTheTakenBack(_Generations):
    def replay(self, namespace: str, changes: Changes) -> None:
        kept = {key: thing for key, thing in changes.items() if thing is not None}
        super().replay(namespace, kept if self.is_old() else changes)


@mutant("dead_letter.8", "log", trap="a second kill, with a configuration", also="visibility.13")
class ASecondDeathForgetsConfigurations(_Generations):
    def replay(self, namespace: str, changes: Changes) -> None:
        kept = {key: thing for key, thing in changes.items() if not isinstance(thing, Config)}
        super().replay(namespace, kept if self.is_old() else changes)


@mutant("delayed.6", "log", trap="a second kill, with delays", also="visibility.13")
class ASecondDeathEndsTheDelays(_Generations):
    def replay(self, namespace: str, changes: Changes) -> None:
        kept: Changes = {key: replace(thing, due=0.0) if isinstance(thing, Row) else thing for key, thing in changes.items()}
        super().replay(namespace, kept if self.is_old() else changes)


@mutant("visibility.13", "log", trap="a second kill, with attempts", also="dead_letter.1 dead_letter.8")
class ASecondDeathForgetsAttempts(_Generations):
    def replay(self, namespace: str, changes: Changes) -> None:
        kept: Changes = {key: replace(thing, attempts=0) if isinstance(thing, Row) else thing for key, thing in changes.items()}
        super().replay(namespace, kept if self.is_old() else changes)
