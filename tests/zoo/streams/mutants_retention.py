"""Bounds that remove too much or too little, or too late."""

import math
from collections.abc import Iterable
from dataclasses import replace

from prism_testkit.interfaces import Record, Retention
from prism_testkit.traits import Traits
from tests.zoo.declare import Mutant

from .declare import declaring_newer
from .newer import NewerStreams, SweepingStreams
from .reference import Member, Reading
from .stores import Change, Stream

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_newer(MUTANTS)


# retention.1: what is inside stays


@mutant("retention.1", "boundary", trap="as many records as the bound says, or more")
class KeepsOneRecordLess(NewerStreams):
    def beyond(self, log: Stream, most: int) -> Iterable[Record]:
        return log.records[: len(log.records) - most + 1] if len(log.records) >= most else []


@mutant("retention.1", "boundary", trap="a record that is exactly as old as the bound")
class ExactlyTheAgeIsTooOld(NewerStreams):
    def too_old(self, record: Record, age: float) -> bool:
        return self.store.clock.now_ms() - record.appended_ms >= age * 1000


@mutant("retention.1", "unit", trap="an age of seconds")
class AgesAreMilliseconds(NewerStreams):
    def too_old(self, record: Record, age: float) -> bool:
        return self.store.clock.now_ms() - record.appended_ms > age


@mutant("retention.1", "rounding", trap="an age that is not whole seconds, and a record of about that age")
class AgesAreCutToSeconds(NewerStreams):
    def too_old(self, record: Record, age: float) -> bool:
        return super().too_old(record, float(math.floor(age)))


@mutant("retention.1", "default", trap="a stream without bounds, records of more than a week", also="retention.4")
class AWeekIsTheDefault(NewerStreams):
    def outside(self, log: Stream, bounds: Retention) -> set[int]:
        return super().outside(log, replace(bounds, max_age_s=bounds.max_age_s or 7 * 24 * 3600.0))


@mutant("retention.1", "confusion", trap="a bound of records, after a compaction")
class CountsOffsets(NewerStreams):
    """The bound is taken for a distance of offsets, as if there were no holes."""

    def beyond(self, log: Stream, most: int) -> Iterable[Record]:
        return [record for record in log.records if record.offset < log.end - most]


@mutant("retention.1", "granularity", trap="a bound in the middle of a segment of eight")
class RemovesWholeSegments(NewerStreams):
    """A segment goes once its first record is outside."""

    def beyond(self, log: Stream, most: int) -> Iterable[Record]:
        gone = len(log.records[:-most])
        return log.records[: -(-gone // 8) * 8] if gone else []


@mutant("retention.1", "missing case", trap="a stream of several partitions with a bound of records")
class CountsOverAllPartitions(NewerStreams):
    async def enforce_retention(self, stream: str) -> None:
        name = self.name(stream, "enforce_retention")
        bounds, lanes = self.bounds(name), self.lanes(name)
        share = replace(bounds, max_records=bounds.max_records and max(1, bounds.max_records // len(lanes)))
        for lane in lanes:
            self.drop(lane, self.outside(self.stream(lane), share))


@mutant("retention.1", "side effect", trap="a narrow bound that is replaced by a wide one before it is enforced")
class OldBoundsAreStillEnforced(NewerStreams):
    """The narrowest bound there ever was."""

    def outside(self, log: Stream, bounds: Retention) -> set[int]:
        return set().union(*(super(OldBoundsAreStillEnforced, self).outside(log, one) for one in {bounds, *self._ever}))

    _ever: tuple[Retention, ...] = ()

    async def enforce_retention(self, stream: str) -> None:
        self._ever = tuple(self.store.notes.get((self.namespace, stream), ()))
        await super().enforce_retention(stream)

    async def set_retention(self, stream: str, max_age_s: float | None = None, max_records: int | None = None) -> None:
        await super().set_retention(stream, max_age_s, max_records)
        self.store.notes.setdefault((self.namespace, stream), set()).add(Retention(max_age_s, max_records))


@mutant("retention.1", "wrong instant", trap="bounds that are set long after the appends, a look by time", also="retention.2")
class AgesBeginWithTheFirstAppend(NewerStreams):
    """All of a stream is as old as its first record."""

    def outside(self, log: Stream, bounds: Retention) -> set[int]:
        if bounds.max_age_s is not None and log.records and self.too_old(log.records[0], bounds.max_age_s):
            return {record.offset for record in log.records}
        return super().outside(log, bounds)


# retention.2: what is outside goes


@mutant("retention.2", "boundary", trap="more records than the bound says")
class KeepsOneRecordMore(NewerStreams):
    def beyond(self, log: Stream, most: int) -> Iterable[Record]:
        return super().beyond(log, most + 1)


@mutant("retention.2", "granularity", trap="a bound in the middle of a segment of eight")
class RemovesOnlyWholeSegments(NewerStreams):
    """A segment goes once all of it is outside, as in a log of files."""

    def outside(self, log: Stream, bounds: Retention) -> set[int]:
        gone = super().outside(log, bounds)
        return {
            offset for offset in gone if offset // 8 < log.end // 8 and all(o in gone or not log.find(o) for o in _eight(offset))
        }


def _eight(offset: int) -> range:
    return range(offset // 8 * 8, offset // 8 * 8 + 8)


@mutant("retention.2", "missing case", trap="both bounds, and records that are too old but few")
class RecordsGoBeforeAge(NewerStreams):
    """Where there is a bound of records nobody looks at the age."""

    def outside(self, log: Stream, bounds: Retention) -> set[int]:
        return super().outside(log, bounds if bounds.max_records is None else replace(bounds, max_age_s=None))


@mutant("retention.2", "missing case", trap="both bounds, and records that are young but many")
class BothBoundsMustBePassed(NewerStreams):
    def outside(self, log: Stream, bounds: Retention) -> set[int]:
        by_age = super().outside(log, replace(bounds, max_records=None))
        by_count = super().outside(log, replace(bounds, max_age_s=None))
        return by_age & by_count if None not in (bounds.max_age_s, bounds.max_records) else by_age | by_count


@mutant("retention.2", "rate limit", trap="two enforcements within a second")
class EnforcesOnceASecond(NewerStreams):
    async def enforce_retention(self, stream: str) -> None:
        last = self.store.notes.get((self.namespace, stream, "enforced"), 0.0)
        if self.now() - last >= 1:
            self.store.notes[self.namespace, stream, "enforced"] = self.now()
            await super().enforce_retention(stream)
        self.name(stream, "enforce_retention")


@mutant("retention.2", "early acknowledgement", trap="a read right after the call")
class EnforcesInTheBackground(NewerStreams):
    async def enforce_retention(self, stream: str) -> None:
        import asyncio

        self.name(stream, "enforce_retention")
        asyncio.get_running_loop().call_later(0.05, self._enforce, stream)

    def _enforce(self, stream: str) -> None:
        for lane in self.lanes(stream):
            self.drop(lane, self.outside(self.stream(lane), self.bounds(stream)))


@mutant("retention.2", "rounding", trap="a record that is outside by less than a second")
class AgesAreRoundedUpToSeconds(NewerStreams):
    def too_old(self, record: Record, age: float) -> bool:
        return super().too_old(record, float(math.ceil(age)))


class _GivesAll(Member):
    """Groups read a copy of the log that nobody enforces."""

    def fresh(self, most: int) -> list[int]:
        removed = self.driver.store.notes.get((self.driver.namespace, self.stream, "removed"), {})
        place = self.state().position
        old = sorted(offset for offset in removed if offset >= place)[:most]
        if not old:
            return super().fresh(most)
        self.driver.apply(Change(self.stream, self.group, position=old[-1] + 1))
        for offset in old:
            self.driver.apply(Change(self.stream, record=removed[offset]))
        return old


@mutant("retention.2", "missing case", trap="a group that has not got what was enforced away", also="retention.10")
class GroupsGetWhatIsGone(NewerStreams):
    part_type = _GivesAll

    def drop(self, lane: str, offsets: Iterable[int]) -> None:
        removed = self.store.notes.setdefault((self.namespace, lane, "removed"), {})
        removed |= {record.offset: record for record in self.stream(lane).records if record.offset in set(offsets)}
        super().drop(lane, offsets)


@mutant("retention.2", "missing case", trap="a replay of what was enforced away", also="replay.7")
class ReplaysGiveWhatIsGone(NewerStreams):
    async def span(self, stream: str, start: int, stop: int) -> Reading:
        removed = self.store.notes.get((self.namespace, stream, "removed"), {})
        kept = {record.offset: record for record in self.stream(stream).records}
        for offset, record in sorted((removed | kept).items()):
            if start <= offset < stop:
                yield record

    def drop(self, lane: str, offsets: Iterable[int]) -> None:
        removed = self.store.notes.setdefault((self.namespace, lane, "removed"), {})
        removed |= {record.offset: record for record in self.stream(lane).records if record.offset in set(offsets)}
        super().drop(lane, offsets)


@mutant("retention.2", "cache", trap="a second client that has read before")
class OtherClientsReadTheirCache(NewerStreams):
    """Records do not change, so each client keeps what it has seen."""

    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        seen = self.store.notes.setdefault((id(self), stream), {})
        floor = self.stream(stream).floor
        for record in self.stream(stream).records:
            seen[record.offset] = record
        for offset in sorted(seen)[: len(seen) if limit is None else None]:
            if offset >= max(start, floor) and limit != 0:
                limit = None if limit is None else limit - 1
                yield seen[offset]

    def drop(self, lane: str, offsets: Iterable[int]) -> None:
        for offset in offsets:
            self.store.notes.setdefault((id(self), lane), {}).pop(offset, None)
        super().drop(lane, offsets)


@mutant("retention.2", "missing case", trap="a stream of several partitions")
class EnforcesTheFirstPartition(NewerStreams):
    async def enforce_retention(self, stream: str) -> None:
        name = self.name(stream, "enforce_retention")
        self.drop(self.lanes(name)[0], self.outside(self.stream(self.lanes(name)[0]), self.bounds(name)))


# retention.3: by itself, within the lag

_LAG = Traits(group_parallelism="record", delivery_count="exact", compaction="immediate", retention_lag_s=1.0)


@mutant("retention.3", "empty claim", trap="what is outside, and nobody who enforces")
class ClaimsALagAndDoesNothing(NewerStreams):
    traits = _LAG


@mutant("retention.3", "missing case", trap="a stream that nobody appends to any more")
class SweepsAtAppendsOnly(NewerStreams):
    traits = _LAG

    def add(self, stream: str, number: int, key: str | None, data: bytes, labels: object) -> int:
        offset = super().add(stream, number, key, data, labels)  # type: ignore[arg-type]
        for lane in self.lanes(stream):
            self.drop(lane, self.outside(self.stream(lane), self.bounds(stream)))
        return offset


@mutant("retention.3", "missing case", trap="a bound of records")
class SweepsByAgeOnly(SweepingStreams):
    def sweep(self, lane: str, log: Stream, bounds: Retention | None) -> None:
        super().sweep(lane, log, bounds and replace(bounds, max_records=None))


@mutant("retention.3", "missing case", trap="a bound of age")
class SweepsByCountOnly(SweepingStreams):
    def sweep(self, lane: str, log: Stream, bounds: Retention | None) -> None:
        super().sweep(lane, log, bounds and replace(bounds, max_age_s=None))


@mutant("retention.3", "late", trap="what has been outside for longer than the lag")
class SweepsAMinuteLate(SweepingStreams):
    def sweep(self, lane: str, log: Stream, bounds: Retention | None) -> None:
        super().sweep(lane, log, bounds and Retention(bounds.max_age_s and bounds.max_age_s + 60, bounds.max_records))


@mutant("retention.3", "once", trap="what gets outside after the first sweep")
class SweepsOnce(SweepingStreams):
    def sweep(self, lane: str, log: Stream, bounds: Retention | None) -> None:
        key = (self.namespace, lane, "swept")
        if bounds is not None and self.outside(log, bounds) and self.store.notes.get(key) != bounds:
            self.store.notes[key] = bounds
            super().sweep(lane, log, bounds)
