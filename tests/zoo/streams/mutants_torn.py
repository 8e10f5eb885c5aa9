"""Streams in a file that lose something when their process dies in the middle of a call."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.zoo.declare import Mutant

from .declare import declaring
from .stores import Change, FileStore

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)
BEHIND = "the process dies behind each write of each call"


@mutant("consumer_groups.16", "order of steps", trap=BEHIND)
class PositionsMoveFirst(FileStore):
    """The position of a group is written before what its member was given."""

    @contextmanager
    def together(self) -> Iterator[None]:
        yield


@mutant("consumer_groups.16", "order of steps", trap=BEHIND)
class GroupsBeginAtTheEndAtFirst(FileStore):
    """A change of a group is written with the newest offset for a moment, and then as it is."""

    def write(self, namespace: str, changes: Sequence[Change]) -> None:
        for change in changes:
            if change.group is not None and change.position is not None:
                super().write(namespace, [Change(change.stream, change.group, position=10**9)])
        super().write(namespace, changes)


@mutant(
    "basic.15", "torn write", trap="much is written, and the process dies while the log is written anew", also="consumer_groups.16"
)
class StreamLogsAreWrittenOverThemselves(FileStore):
    """Now and then the log is written over itself."""

    writes = 0

    def write(self, namespace: str, changes: Sequence[Change]) -> None:
        super().write(namespace, changes)
        self.writes += 1
        if self.writes % 60 == 0:
            self.log.begun_anew()
