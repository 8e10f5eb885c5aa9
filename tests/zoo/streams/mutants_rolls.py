"""Wrong logs over segments: others meet a roll, and what a roll, a removed segment or a torn record leaves behind."""

import os
from typing import Any

from prism_testkit.backend import Backend
from prism_testkit.interfaces import Record
from tests.zoo.declare import Mutant
from tests.zoo.family import declaring_family

from .declare import HOME
from .rolls import Rolls, RollStreams, rolls_backend

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []


def _make(name: str, wrong: type, /, **settings: Any) -> Backend[Any]:
    driver = wrong
    if issubclass(wrong, Rolls):
        driver = type(wrong.__name__, (RollStreams,), {"rolls_type": wrong, "__module__": wrong.__module__})
    return rolls_backend(f"zoo-stream-rolls-{name}", driver)


mutant = declaring_family(MUTANTS, prefix="stream_", make=_make, home=HOME)
_MET = "another process appends while a segment is begun"
_RARE = "two processes, one of which happens to fill a segment"


@mutant("basic.12", "race", trap=_MET, also="basic.3 basic.4 basic.2 basic.1")
class RollsAreMadeBehindTheLock(Rolls):
    """Who fills a segment begins the next one when the lock is given back, with what was there then."""

    def append(self, *content: Any) -> int:
        offset = super().append(*content)
        self.full = (offset + 1) % self.most == 0
        return offset

    full = False

    def locked(self) -> Any:
        return _Rolling(self, super().locked())

    def begin(self) -> None:
        following = self.next()
        self.write(self.path(following), b"", os.O_TRUNC)


class _Rolling:
    def __init__(self, rolls: RollsAreMadeBehindTheLock, lock: Any) -> None:
        self.rolls, self.lock = rolls, lock

    def __enter__(self) -> None:
        self.lock.__enter__()

    def __exit__(self, *told: Any) -> None:
        self.lock.__exit__(*told)
        if self.rolls.full:
            self.rolls.full = False
            self.rolls.begin()


@mutant("basic.12", "race", trap=_MET, also="basic.1 basic.2 basic.4")
class SegmentsAreSealedBehindTheLock(RollsAreMadeBehindTheLock):
    """A segment that is full is written anew, sealed, when the lock is given back, and takes the place of what is there."""

    def begin(self) -> None:
        first = self.firsts()[-1]
        data = self.path(first).read_bytes()
        draft = self.path(first).with_suffix(".draft")
        self.write(draft, data, os.O_TRUNC)
        draft.replace(self.path(first))

    most = 4

    def append(self, *content: Any) -> int:
        offset = Rolls.append(self, *content)
        self.full = offset % self.most == self.most - 2
        return offset


@mutant("basic.3", "offset", trap="everything was trimmed, and the last segment was full", also="basic.6 basic.7 basic.4 basic.12")
class AllThatIsBelowTheBoundIsRemoved(Rolls):
    """The last segment goes, too, where nothing is left of it; the next one begins at the bound."""

    def drop(self, floor: int) -> None:
        for first in self.firsts():
            if first + len(self.load(first)[0]) <= floor:
                self.path(first).unlink()


@mutant("basic.7", "off by one", trap="a trim to the first record of a segment", also="basic.1 basic.4")
class ASegmentTooManyIsRemoved(Rolls):
    """Removed is a segment of which the bound is the last record."""

    def drop(self, floor: int) -> None:
        super().drop(floor + 1)


@mutant(
    "basic.15",
    "durability",
    trap="killed within an append; the next one comes behind what is torn",
    also="basic.1 basic.2 basic.12",
)
class WhatIsTornIsLeft(Rolls):
    """What is not whole is passed over by who reads, and the next record comes behind it."""

    def room(self) -> tuple[int, int, int]:
        firsts = self.firsts()
        if not firsts:
            return 0, 0, 0
        records, _ = self.load(firsts[-1])
        offset, newest_ms = firsts[-1] + len(records), records[-1].appended_ms if records else 0
        return offset if len(records) >= self.most else firsts[-1], offset, newest_ms


@mutant(
    "basic.1",
    "off by one",
    trap="a read that begins with the first record of a segment but the first",
    also="basic.4 basic.5 basic.7",
)
class ReadsBeginOneSegmentLate(Rolls):
    """The segment that a read begins with is looked for by its last record: that of a full one counts as the first of the next."""

    def read(self, start: int, limit: int | None) -> list[Record]:
        floor = max(start, self.floor())
        if floor and (floor + 1) % self.most == 0:
            return [record for record in super().read(start, None) if record.offset != floor][:limit]
        return super().read(start, limit)


@mutant("basic.5", "limit", trap="a limit that goes beyond one segment", also="basic.1")
class LimitsAreOfASegment(Rolls):
    """A read with a limit gives what one segment has."""

    def read(self, start: int, limit: int | None) -> list[Record]:
        found = super().read(start, limit)
        return found if limit is None else [r for r in found if r.offset // self.most == found[0].offset // self.most]


@mutant("basic.12", "race", trap=_RARE, also="basic.1 basic.2 basic.4")
class LongRollsAreMadeBehindTheLock(RollsAreMadeBehindTheLock):
    """The same, in segments that nobody fills by the way."""

    most = 150


@mutant("basic.12", "race", trap=_RARE, also="basic.1 basic.2 basic.4")
class LongSegmentsAreSealedBehindTheLock(SegmentsAreSealedBehindTheLock):
    """The same, in segments that nobody fills by the way."""

    most = 150


class _Known(Rolls):
    known: list[int]

    def firsts(self) -> list[int]:
        there = super().firsts()
        if len(there) != len(self.known):
            self.known[:] = there
        return [first for first in self.known if first in there] or there

    most = 4


@mutant(
    "basic.7", "cache", trap="another client fills as many segments as it frees", also="basic.2 basic.6 basic.4 basic.12 basic.3"
)
class SegmentsAreKnownByTheirNumber(RollStreams):
    """A client looks for new segments where their number has changed."""

    rolls_type = _Known

    def rolls(self, stream: str) -> Rolls:
        rolls = super().rolls(stream)
        assert isinstance(rolls, _Known)
        rolls.known = self.__dict__.setdefault(stream, [])
        return rolls
