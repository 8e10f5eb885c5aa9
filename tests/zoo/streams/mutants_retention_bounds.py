"""Bounds that come back as others, or should have been refused."""

import math
import struct
from collections.abc import Iterable
from dataclasses import replace

from prism_testkit.interfaces import Retention
from tests.zoo.declare import Mutant

from .declare import declaring_newer
from .newer import NewerStreams
from .reference import step
from .stores import Change

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_newer(MUTANTS)


# retention.4: what was set


@mutant("retention.4", "partial effect", trap="one bound, then the other")
class NoneKeepsTheOldBound(NewerStreams):
    async def set_retention(self, stream: str, max_age_s: float | None = None, max_records: int | None = None) -> None:
        old = self.bounds(stream) if isinstance(stream, str) else Retention()
        if max_age_s is None and max_records is None:
            await super().set_retention(stream)
        else:
            await super().set_retention(stream, max_age_s or old.max_age_s, max_records or old.max_records)


@mutant("retention.4", "missing case", trap="both bounds taken away")
class BoundsAreNotTakenAway(NewerStreams):
    async def set_retention(self, stream: str, max_age_s: float | None = None, max_records: int | None = None) -> None:
        if self.name(stream, "set_retention") and (max_age_s is not None or max_records is not None):
            await super().set_retention(stream, max_age_s, max_records)


@mutant("retention.4", "cache", trap="a second client that looked before")
class EachClientKnowsItsBounds(NewerStreams):
    async def retention(self, stream: str) -> Retention:
        known: Retention = self.store.notes.setdefault((id(self), self.namespace, stream), await super().retention(stream))
        return known

    async def set_retention(self, stream: str, max_age_s: float | None = None, max_records: int | None = None) -> None:
        await super().set_retention(stream, max_age_s, max_records)
        self.store.notes[id(self), self.namespace, stream] = Retention(max_age_s, max_records)


@mutant("retention.4", "rounding", trap="an age that is not whole seconds")
class AgesComeBackInSeconds(NewerStreams):
    async def retention(self, stream: str) -> Retention:
        found = await super().retention(stream)
        return replace(found, max_age_s=found.max_age_s and float(round(found.max_age_s)))


@mutant("retention.4", "truncation", trap="a large age with a fraction")
class AgesAreShortFloats(NewerStreams):
    def age(self, max_age_s: float | None) -> float | None:
        found = super().age(max_age_s)
        return found and float(struct.unpack("f", struct.pack("f", found))[0])


@mutant("retention.4", "wrong value", trap="a stream for which nothing was set")
class NoBoundsAreInfinite(NewerStreams):
    async def retention(self, stream: str) -> Retention:
        found = await super().retention(stream)
        return replace(found, max_age_s=math.inf if found.max_age_s is None else found.max_age_s)


@mutant("retention.4", "resurrection", trap="bounds that were enforced are taken away")
class RemovedIsHidden(NewerStreams):
    """Enforcing hides; wider bounds show again what was hidden."""

    def drop(self, lane: str, offsets: Iterable[int]) -> None:
        gone = set(offsets)
        hidden = self.store.notes.setdefault((self.namespace, lane, "hidden"), [])
        hidden += [record for record in self.stream(lane).records if record.offset in gone]
        super().drop(lane, gone)

    async def set_retention(self, stream: str, max_age_s: float | None = None, max_records: int | None = None) -> None:
        await super().set_retention(stream, max_age_s, max_records)
        for lane in self.lanes(stream) if max_age_s is None and max_records is None else ():
            for record in self.store.notes.pop((self.namespace, lane, "hidden"), []):
                self.apply(Change(lane, record=record))


@mutant("retention.4", "wrong number", trap="a stream of several partitions")
class BoundsAreOfTheWholeStream(NewerStreams):
    """What is told is the bound times the partitions."""

    async def retention(self, stream: str) -> Retention:
        found = await super().retention(stream)
        return replace(found, max_records=found.max_records and found.max_records * self.count(stream))


# retention.5: errors


@mutant("retention.5", "missing error", trap="a bound of 0", also="retention.4")
class ZeroIsNoBound(NewerStreams):
    async def set_retention(self, stream: str, max_age_s: float | None = None, max_records: int | None = None) -> None:
        await super().set_retention(stream, max_age_s or None, max_records or None)


@mutant("retention.5", "missing error", trap="an age that is no number")
class NotANumberIsAnAge(NewerStreams):
    def age(self, max_age_s: float | None) -> float | None:
        return max_age_s if max_age_s is not None and math.isnan(max_age_s) else super().age(max_age_s)


@mutant("retention.5", "missing error", trap="an infinite age")
class InfiniteIsNoBound(NewerStreams):
    def age(self, max_age_s: float | None) -> float | None:
        return None if max_age_s == math.inf else super().age(max_age_s)


@mutant("retention.5", "missing error", trap="a number of records that is a float")
class FloatsAreNumbersOfRecords(NewerStreams):
    def amount(self, max_records: int | None) -> int | None:
        return super().amount(None if max_records is None else int(max_records))


@mutant("retention.5", "too narrow", trap="bounds of 1e9", also="retention.4")
class BoundsAreOfAYear(NewerStreams):
    def age(self, max_age_s: float | None) -> float | None:
        if max_age_s is not None and max_age_s > 31_536_000:
            raise ValueError("zoo: set_retention: at most a year")
        return super().age(max_age_s)


@mutant("retention.5", "order", trap="a good age and a bad number of records")
class SetsTheAgeBeforeItLooksAtTheNumber(NewerStreams):
    async def set_retention(self, stream: str, max_age_s: float | None = None, max_records: int | None = None) -> None:
        name = self.name(stream, "set_retention")
        self.apply(Change(name, bounds=replace(self.bounds(name), max_age_s=self.age(max_age_s))))
        await step(0)
        await super().set_retention(stream, max_age_s, max_records)
