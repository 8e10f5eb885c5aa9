"""Mutants that come through one death, and lose something at the second."""

from collections.abc import Sequence
from dataclasses import replace

from prism_testkit.backend import Place
from tests.zoo.declare import Mutant
from tests.zoo.generations import generation

from .declare import declaring
from .stores import Acked, Change, FileStore

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


@mutant("basic.15", "log", trap="a second kill", also="consumer_groups.16")
class ASecondDeathForgetsWhatStoodBeforeTheFirst(_Generations):
    def replay(self, namespace: str, changes: Sequence[Change]) -> None:
        if not self.is_old():
            super().replay(namespace, changes)


@mutant("basic.15", "log", trap="a second kill, after a trim", also="basic.7 consumer_groups.16")
class ASecondDeathBringsTheTrimmedBack(_Generations):
    def replay(self, namespace: str, changes: Sequence[Change]) -> None:
        super().replay(namespace, [replace(each, trim=None) if self.is_old() else each for each in changes])


@mutant("consumer_groups.6", "log", trap="a second kill, after acks", also="consumer_groups.16")
class ASecondDeathForgetsAcks(_Generations):
    def replay(self, namespace: str, changes: Sequence[Change]) -> None:
        super().replay(namespace, [each for each in changes if not (self.is_old() and isinstance(each.held, Acked))])


@mutant("consumer_groups.16", "log", trap="a second kill, with positions", also="consumer_groups.1 consumer_groups.6")
class ASecondDeathMovesGroupsBack(_Generations):
    def replay(self, namespace: str, changes: Sequence[Change]) -> None:
        super().replay(namespace, [replace(each, position=None) if self.is_old() else each for each in changes])
