"""Wrong stores over a log that is merged: others meet a merge, and what a merge or a torn event leaves behind."""

import pickle
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from prism_testkit.backend import Backend
from tests.zoo.declare import Mutant
from tests.zoo.family import declaring_family

from .declare import HOME
from .independent_ledger import Event
from .shared_log import LogFile, LogObjects, log_backend

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []


def _make(name: str, wrong: type, /, **settings: Any) -> Backend[Any]:
    driver = wrong
    if issubclass(wrong, LogFile):
        driver = type(wrong.__name__, (LogObjects,), {"log_type": wrong, "__module__": wrong.__module__})
    return log_backend(f"log-{name}", driver, **settings)


mutant = declaring_family(MUTANTS, prefix="object_storage", make=_make, home=HOME)
_RARE = "two processes, one of which happens to merge"


@mutant(".16", "race", trap=_RARE, also=".1 .4 .7 .11 .14")
class MergesBehindTheLock(LogFile):
    """The new log is put in its place when the lock was given back."""

    most = 150
    due = False

    def locked(self) -> Any:
        return _Merging(self, super().locked())

    def merge(self) -> None:
        self.due = True


class _Merging:
    def __init__(self, log: MergesBehindTheLock, lock: Any) -> None:
        self.log, self.lock = log, lock

    def __enter__(self) -> None:
        self.lock.__enter__()

    def __exit__(self, *told: Any) -> None:
        self.lock.__exit__(*told)
        if self.log.due:
            self.log.due = False
            LogFile.merge(self.log)


@mutant(".16", "cache", trap=_RARE, also=".1 .4 .7 .11 .14")
class LogsAreKnownByTheirSize(LogFile):
    """A log is another one if it is shorter than what was read of it."""

    most = 30

    def catch_up(self) -> bytes:
        size = self.path.stat().st_size if self.path.exists() else 0
        generation = self.generation
        if size >= self.at:
            data = self.path.read_bytes()
            self.generation = int.from_bytes(data[:8], "little")
        left = super().catch_up()
        self.generation = max(generation, self.generation)
        return left


@mutant(".11", "recovery", trap="a bucket without objects, and a merge", also=".13 .1 .16 .12")
class MergesForgetEmptyBuckets(LogFile):
    """A bucket is there for its objects."""

    most = 40

    def kept(self) -> Iterator[Event]:
        held = {event.bucket for event in super().kept() if event.key is not None}
        return (event for event in super().kept() if event.bucket in held)


@mutant(".9", "recovery", trap="a deadline, and a merge", also=".10 .5")
class MergesForgetDeadlines(LogFile):
    """A deadline is an event of its own, which no merge writes again."""

    most = 40

    def kept(self) -> Iterator[Event]:
        for event in super().kept():
            held = event.held
            yield event if held is None else replace(event, held=replace(held, told=replace(held.told, expires_at_ms=None)))


@mutant(".19", "recovery", trap="the writer was killed in the middle of an event", also=".1 .16")
class WhatIsTornStays(LogFile):
    """What comes behind half an event is never read."""

    def cut(self) -> None:
        pass


@mutant(".19", "recovery", trap="the writer was killed in the middle of an event", also=".1 .16")
class TornEventsAreReadWhole(LogFile):
    """What is half there counts as far as it goes."""

    def catch_up(self) -> bytes:
        left = super().catch_up()
        if left[8:]:
            try:
                self.fold(pickle.loads(left[8:]))
            except (pickle.UnpicklingError, EOFError):
                self.path.write_bytes(b"")
        return left
