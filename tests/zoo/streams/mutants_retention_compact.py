"""Compactions that keep the wrong records, or not as they were."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from typing import Any

from prism_testkit.interfaces import Record, Retention
from prism_testkit.traits import Traits
from tests.zoo.declare import Mutant

from .declare import declaring_newer
from .newer import NewerStreams
from .reference import step
from .stores import Change, Stream

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_newer(MUTANTS)


# retention.6: what is kept, and how


@mutant("retention.6", "wrong side", trap="two records of a key", also="retention.7")
class KeepsTheFirstOfAKey(NewerStreams):
    def superseded(self, log: Stream) -> set[int]:
        seen, gone = set[str](), set[int]()
        for record in log.records:
            if record.key is not None and record.key in seen:
                gone.add(record.offset)
            seen.add(record.key or "")
        return gone


@mutant("retention.6", "missing case", trap="records without a key")
class RemovesWhatHasNoKey(NewerStreams):
    def superseded(self, log: Stream) -> set[int]:
        return super().superseded(log) | {record.offset for record in log.records if record.key is None}


@mutant("retention.6", "missing case", trap="two records without a key")
class NoKeyIsAKey(NewerStreams):
    def superseded(self, log: Stream) -> set[int]:
        nameless = [record.offset for record in log.records if record.key is None]
        return super().superseded(log) | set(nameless[:-1])


@mutant("retention.6", "wrong meaning", trap="a last record with an empty payload")
class AnEmptyPayloadIsATombstone(NewerStreams):
    def superseded(self, log: Stream) -> set[int]:
        return super().superseded(log) | {record.offset for record in log.records if record.key is not None and not record.payload}


class _Rewrites(NewerStreams):
    """What is kept is written again."""

    def again(self, lane: str, kept: list[Record]) -> list[Record]:
        raise NotImplementedError

    async def compact(self, stream: str) -> None:
        await super().compact(stream)
        for lane in self.lanes(stream):
            log = self.stream(lane)
            log.records = self.again(lane, log.records)


@mutant("retention.6", "renumbered", trap="a hole that compaction leaves", also="retention.9")
class CompactionRenumbers(_Rewrites):
    def again(self, lane: str, kept: list[Record]) -> list[Record]:
        return [replace(record, offset=(kept[0].offset if kept else 0) + number) for number, record in enumerate(kept)]


@mutant("retention.6", "missing step", trap="a record with headers")
class CompactionLosesHeaders(_Rewrites):
    def again(self, lane: str, kept: list[Record]) -> list[Record]:
        return [replace(record, headers={}) for record in kept]


@mutant("retention.6", "wrong value", trap="time between the append and the compaction")
class CompactionStampsAnew(_Rewrites):
    def again(self, lane: str, kept: list[Record]) -> list[Record]:
        return [replace(record, appended_ms=self.store.clock.now_ms()) for record in kept]


@mutant("retention.6", "order", trap="records whose keys are not in the order of their offsets")
class CompactionSortsByKey(_Rewrites):
    """Offsets stay in order, the records in them do not."""

    def again(self, lane: str, kept: list[Record]) -> list[Record]:
        sorted_ = sorted(kept, key=lambda record: record.key or "")
        return [replace(record, offset=place.offset) for record, place in zip(sorted_, kept, strict=True)]


@mutant("retention.6", "side effect", trap="a stream with bounds that is compacted", also="retention.4")
class CompactionTakesTheBounds(NewerStreams):
    """A compacted stream has no bounds, as a policy that is either delete or compact."""

    async def compact(self, stream: str) -> None:
        await super().compact(stream)
        if self.stream(stream).bounds is not None:
            self.apply(Change(stream, bounds=Retention()))


@mutant("retention.6", "side effect", trap="a stream with bounds, records outside, a compaction", also="retention.4 retention.7")
class BoundsForbidCompaction(NewerStreams):
    """A stream with a bound of records keeps as many as it says, compacted or not."""

    def superseded(self, log: Stream) -> set[int]:
        return set() if log.bounds is not None and log.bounds.max_records is not None else super().superseded(log)


@mutant("retention.6", "gap", trap="a read between the steps of a compaction", also="retention.8 retention.13")
class CompactionWritesASecondLog(NewerStreams):
    """The log is emptied, and what is kept is put back a step later."""

    async def compact(self, stream: str) -> None:
        for lane in self.lanes(self.name(stream, "compact")):
            gone = self.superseded(self.stream(lane))
            if gone:
                kept = [record for record in self.stream(lane).records if record.offset not in gone]
                self.drop(lane, [record.offset for record in self.stream(lane).records])
                try:
                    await step()
                finally:
                    self.apply(*(Change(lane, record=record) for record in kept))


@mutant("retention.6", "wrong order", trap="the last record of a key is not that of the latest instant in another partition")
class KeysAreOfTheWholeStream(NewerStreams):
    """Of a key that is in two partitions only one record is kept."""

    async def compact(self, stream: str) -> None:
        await super().compact(stream)
        last: dict[str, tuple[int, str, int]] = {}
        for lane in self.lanes(stream):
            for record in self.stream(lane).records if self.count(stream) > 1 else ():
                if record.key is not None:
                    old = last.get(record.key)
                    last[record.key] = max(old or (0, "", 0), (record.appended_ms, lane, record.offset))
                    if old is not None:
                        loser = min(old, (record.appended_ms, lane, record.offset))
                        self.drop(loser[1], [loser[2]])


# retention.7: what goes


@mutant("retention.7", "granularity", trap="keys that come again in the last ten records")
class TheActiveSegmentIsNotCompacted(NewerStreams):
    def superseded(self, log: Stream) -> set[int]:
        return {offset for offset in super().superseded(log) if offset // 10 < log.end // 10}


@mutant("retention.7", "truncation", trap="more than 100 superseded records")
class CompactionRemovesAHundred(NewerStreams):
    def drop(self, lane: str, offsets: Iterable[int]) -> None:
        super().drop(lane, islice(sorted(offsets), 100))


@mutant("retention.7", "missing case", trap="a second compaction, of a key that was kept by the first")
class TheCleanPartIsNotCleanedAgain(NewerStreams):
    """Each compaction begins where the last one ended, with the offsets it removes too."""

    def superseded(self, log: Stream) -> set[int]:
        clean = self.store.notes.get((self.namespace, id(log)), 0)
        self.store.notes[self.namespace, id(log)] = log.end
        return {offset for offset in super().superseded(log) if offset >= clean}


@mutant("retention.7", "early acknowledgement", trap="a read right after the call")
class CompactsInTheBackground(NewerStreams):
    async def compact(self, stream: str) -> None:
        import asyncio

        self.name(stream, "compact")
        asyncio.get_running_loop().call_later(0.05, self._compact, stream)

    def _compact(self, stream: str) -> None:
        for lane in self.lanes(stream):
            self.drop(lane, self.superseded(self.stream(lane)))


@mutant("retention.7", "threshold", trap="few superseded records among many that are not")
class CompactsOnlyWhatIsHalfDirty(NewerStreams):
    def superseded(self, log: Stream) -> set[int]:
        gone = super().superseded(log)
        return gone if 2 * len(gone) >= len(log.records) else set()


@mutant("retention.7", "boundary", trap="a key that comes three times")
class RemovesOneOfEachKey(NewerStreams):
    """The one before the last."""

    def superseded(self, log: Stream) -> set[int]:
        gone, key_of = super().superseded(log), {record.offset: record.key for record in log.records}
        return set({key_of[offset]: offset for offset in sorted(gone)}.values())


@mutant("retention.7", "missing case", trap="a stream of several partitions")
class CompactsTheFirstPartition(NewerStreams):
    async def compact(self, stream: str) -> None:
        lane = self.lanes(self.name(stream, "compact"))[0]
        self.drop(lane, self.superseded(self.stream(lane)))


@mutant("retention.7", "empty claim", trap="superseded records, and longer than the claim says")
class ClaimsToCompactInSeconds(NewerStreams):
    traits = Traits(group_parallelism="record", delivery_count="exact", compaction=2.0)

    async def compact(self, stream: str) -> None:
        self.name(stream, "compact")


@mutant("retention.7", "missing case", trap="a key that comes again with the same payload")
class EqualRecordsAreNotSuperseded(NewerStreams):
    def superseded(self, log: Stream) -> set[int]:
        last: dict[str, Any] = {record.key: record for record in log.records if record.key is not None}
        return {
            offset
            for offset in super().superseded(log)
            if (old := log.find(offset)) and old.key is not None and last[old.key].payload != old.payload
        }


# retention.11: repeats, and streams that were never used


@mutant("retention.11", "repeat", trap="a second compaction", also="retention.6")
class TheSecondCompactionTakesTheRest(NewerStreams):
    """A key that was compacted and did not come again is taken for a deleted one."""

    def superseded(self, log: Stream) -> set[int]:
        known = self.store.notes.setdefault((self.namespace, id(log)), set())
        gone = super().superseded(log)
        repeat = known & {record.offset for record in log.records} if not gone else set()
        known |= {record.offset for record in log.records if record.key is not None and record.offset not in gone}
        return gone | set(sorted(repeat)[:1])


@mutant("retention.11", "wrong error", trap="a stream that was never used")
class EnforcingNothingIsAnError(NewerStreams):
    async def enforce_retention(self, stream: str) -> None:
        if self.name(stream, "enforce_retention") and not self.used(stream) and self.count(stream) == 1:
            raise ValueError(f"zoo: enforce_retention: {stream[:40]!a}: nothing there")
        await super().enforce_retention(stream)


@mutant("retention.11", "wrong error", trap="a stream that was never used")
class CompactingNothingIsAnError(NewerStreams):
    async def compact(self, stream: str) -> None:
        if self.name(stream, "compact") and not self.used(stream) and self.count(stream) == 1:
            raise KeyError(stream)
        await super().compact(stream)


@mutant("retention.11", "side effect", trap="bounds of a stream that was never used", also="retention.4")
class BoundsAreKeptInTheFirstRecord(NewerStreams):
    """A stream comes to be by a record, so there is one."""

    async def set_retention(self, stream: str, max_age_s: float | None = None, max_records: int | None = None) -> None:
        await super().set_retention(stream, max_age_s, max_records)
        if self.stream(stream).latest is None and self.count(stream) == 1:
            self.apply(Change(stream, record=Record(0, None, b"", {}, self.stamp(stream))), Change(stream, trim=1))


@mutant("retention.11", "missing case", trap="bounds of a stream that was never used, then records", also="retention.4 retention.2")
class BoundsOfAnUnusedStreamAreForgotten(NewerStreams):
    async def set_retention(self, stream: str, max_age_s: float | None = None, max_records: int | None = None) -> None:
        self.age(max_age_s), self.amount(max_records)
        if self.used(self.name(stream, "set_retention")) or self.count(stream) > 1:
            await super().set_retention(stream, max_age_s, max_records)


@mutant("retention.11", "repeat", trap="the same bounds twice, with time between", also="retention.2")
class SettingAgainBeginsAnew(NewerStreams):
    """The age counts from the last time that bounds were set."""

    def too_old(self, record: Record, age: float) -> bool:
        since = self.store.notes.get((self.namespace, "set"), 0)
        return super().too_old(replace(record, appended_ms=max(record.appended_ms, since)), age)

    async def set_retention(self, stream: str, max_age_s: float | None = None, max_records: int | None = None) -> None:
        again = self.stream(stream).bounds == Retention(max_age_s, max_records) if isinstance(stream, str) else False
        await super().set_retention(stream, max_age_s, max_records)
        if again:
            self.store.notes[self.namespace, "set"] = self.store.clock.now_ms()
