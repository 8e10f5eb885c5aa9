"""Wrong queues over a shared ledger: others meet the moment in which its sum is written, or take an old one for the new."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.zoo.declare import Mutant

from .declare_independent import declaring
from .independent_sum import Ledger
from .shared_ledger import SharedLedger, SharedQueue

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)
_RARE = "two processes, one of which happens to write the sum"


class _Late(SharedLedger):
    lines_at_most = 300
    due = False

    def write_sum(self) -> None:
        self.due = True

    @contextmanager
    def locked(self) -> Iterator[None]:
        with super().locked():
            yield
        if self.due and not self.depth:
            self.due = False
            Ledger.write_sum(self)


@mutant("basic.2", "race", trap=_RARE, also="basic.10 basic.1 basic.3")
class SumsAreWrittenBehindTheLock(SharedQueue):
    """Who has written many lines gives the lock back, and then writes down what they came to."""

    ledger_type = _Late


class _Sized(SharedLedger):
    def stamp(self) -> tuple[int, int] | None:
        return (self.sum_path.stat().st_size, 0) if self.sum_path.exists() else None

    def vanished(self) -> bool:
        return False


@mutant(
    "basic.2",
    "cache",
    trap="another client works until a sum is as long",
    also="basic.10 basic.3 basic.1 basic.9",
)
class SumsAreKnownByTheirLength(SharedQueue):
    """A sum is another one if it is longer or shorter."""

    ledger_type = _Sized


class _Numbered(SharedLedger):
    def vanished(self) -> bool:
        return False

    def stamp(self) -> tuple[int, int] | None:
        there = super().stamp()
        return None if there is None else (there[0] % 4, 0)


@mutant("basic.2", "cache", trap="another client works through four generations", also="basic.10 basic.3 basic.1 basic.9")
class GenerationsComeAgain(SharedQueue):
    """The number of a generation is counted in a few bits."""

    ledger_type = _Numbered
