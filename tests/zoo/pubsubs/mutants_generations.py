"""Mutants that come through one death, and lose something at the second."""

from dataclasses import replace

from prism_testkit.backend import Place
from tests.zoo.declare import Mutant
from tests.zoo.generations import generation

from .declare import declaring
from .stores import Changes, FileStore, Mark, Start

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


@mutant("persistent.16", "log", trap="a second kill", also="persistent.13")
class ASecondDeathForgetsWhatStoodBeforeTheFirst(_Generations):
    def replay(self, namespace: str, changes: Changes) -> None:
        if not self.is_old():
            super().replay(namespace, changes)


@mutant("persistent.16", "log", trap="a second kill, after acks", also="persistent.5")
class ASecondDeathForgetsAcks(_Generations):
    def replay(self, namespace: str, changes: Changes) -> None:
        kept: Changes = {key: replace(thing, acked=False) if isinstance(thing, Mark) else thing for key, thing in changes.items()}
        super().replay(namespace, kept if self.is_old() else changes)


@mutant("persistent.16", "log", trap="a second kill, with subscriptions", also="persistent.1 persistent.5")
class ASecondDeathForgetsSubscriptions(_Generations):
    def replay(self, namespace: str, changes: Changes) -> None:
        kept = {key: thing for key, thing in changes.items() if not isinstance(thing, Start)}
        super().replay(namespace, kept if self.is_old() else changes)
