"""Wrong drivers over a log: merges that others can meet, and logs that are known by what is not theirs alone."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from prism_testkit.backend import Place

from .declare import HOME, Mutant
from .family import declaring_family
from .independent import make
from .independent_cabinet import Sheet
from .independent_journal import Journal

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_family(MUTANTS, prefix="keyvalue_", make=make, home=HOME)


@mutant("basic.8", "compaction", trap="another process writes while a log is merged", also="basic.10 basic.12")
class MergesAreMadeBehindTheLock(Journal):
    """Whoever finds that most of the log is of the past merges it when its call is done, and the lock given back."""

    wanted = False

    def due(self) -> None:
        self.wanted = True

    @contextmanager
    def locked(self) -> Iterator[None]:
        with super().locked():
            yield
        if self.wanted:
            self.wanted = False
            self.merge()


@mutant("basic.8", "compaction", trap="another process writes while a log is merged", also="basic.10 basic.12")
class MergesReadBeforeTheLock(Journal):
    """What is merged is read first; the lock is taken to put it in its place."""

    wanted = False

    def due(self) -> None:
        self.wanted = True

    @contextmanager
    def locked(self) -> Iterator[None]:
        with super().locked():
            yield
        if self.wanted:
            self.wanted = False
            with self.lock.open("ab") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                self.merge()


@mutant("basic.8", "cache", trap="another client writes as often as a log of values of one length is of the same size again")
class LogsAreKnownByTheirSize(Journal):
    """A log of the size that was read is not looked into."""

    def nothing_new(self, size: int) -> bool:
        return bool(self.mark) and size == self.read


@mutant("basic.8", "offset", trap="a log that was merged, and is longer than what was read of the old one", also="basic.1 basic.10")
class LongerLogsAreReadOn(Journal):
    """A log that was merged is known by being shorter than what was read."""

    def is_another(self, mark: bytes, size: int) -> bool:
        return super().is_another(mark, size) and (size < self.read or not self.mark)


@mutant("ttl.1", "leftover", trap="a log is merged after a key was given a deadline", also="ttl.2 ttl.6 ttl.7 ttl.12")
class MergesForgetDeadlines(Journal):
    """A merged record has a key and a value."""

    def merge(self) -> None:
        self.sheets = {name: (Sheet(sheet.key, sheet.stamp), value) for name, (sheet, value) in self.sheets.items()}
        super().merge()


@mutant("basic.12", "order of files", trap="the process dies behind each write of each call", also="basic.8")
class OldLogsGoFirst(Journal):
    """The old log is removed, and then the new one takes its place."""

    def __init__(self, place: Place, namespace: str) -> None:
        super().__init__(place, namespace)
        self.draft = self.log.with_suffix(".draft")

    def merge(self) -> None:
        kept = self.log
        self.log = kept.with_suffix(".next")
        super().merge()
        self.log.rename(self.draft)
        self.log = kept
        self.log.unlink()
        self.draft.rename(self.log)
