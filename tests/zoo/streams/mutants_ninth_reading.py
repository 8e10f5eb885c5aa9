"""Mistakes of logs in segments: pages, instants far apart, bounds, compaction and partitions."""

from bisect import bisect_right
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

from prism_testkit.interfaces import Bytes, Record, Retention
from prism_testkit.naming import check_name
from tests.zoo.declare import Mutant

from .ninth_declare import declaring_ninth
from .ninth_segments import SEGMENT, Books, FileBooks, Lane, Shelf
from .ninth_streams import MAKER, SegmentStreams, copied

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
_mutant = declaring_ninth(MUTANTS)


@_mutant("basic.1", "place for offset", trap="a read of several pages while the stream is trimmed", also="retention.8 basic.7")
class PagesByCount(SegmentStreams):
    """The next page begins so many records from the first that is kept."""

    async def walk(self, lane: Lane, start: int, stop: int, limit: int | None) -> AsyncIterator[Record]:
        given = 0
        while limit is None or given < limit:
            some = [record for record in lane.all() if start <= record.offset < stop][given : given + 16]
            if not some:
                return
            for record in some[: None if limit is None else limit - given]:
                given += 1
                yield copied(record)


@_mutant("basic.5", "by the page", trap="a limit over a page that is no multiple of it", also="partitioning.6 basic.1")
class EndsWithThePage(SegmentStreams):
    """A limit is looked at before a page."""

    async def walk(self, lane: Lane, start: int, stop: int, limit: int | None) -> AsyncIterator[Record]:
        given = 0
        while limit is None or given < limit:
            some: list[Record] = []
            for record in lane.since(start):
                if record.offset >= stop or len(some) == 64 or (not given and len(some) == limit):
                    break
                some.append(record)
            if not some:
                return
            for record in some:
                given += 1
                yield copied(record)
            start = some[-1].offset + 1


@_mutant(
    "basic.1", "looks for where it was", trap="the last record of a page goes while a read is there", also="retention.8 basic.7"
)
class EndsWhereItsPlaceIsGone(SegmentStreams):
    """A read whose last record is gone has come to an end."""

    async def walk(self, lane: Lane, start: int, stop: int, limit: int | None) -> AsyncIterator[Record]:
        last: int | None = None
        given = 0
        while last is None or lane.find(last) is not None:
            some = [record for record in lane.since(start if last is None else last + 1) if record.offset < stop][:32]
            for record in some:
                if given == limit:
                    return
                given += 1
                yield copied(record)
            if not some:
                return
            last = some[-1].offset


@_mutant("basic.3", "an idempotent producer", trap="a record with headers twice at one instant", also="basic.12 consumer_groups.3")
class DropsTheSameSend(SegmentStreams):
    """The same key, payload and headers as those of the record before, of the same millisecond: a retry."""

    def add(self, stream: str, part: int, payload: Bytes, key: str | None, headers: Mapping[str, str] | None) -> int:
        lane = self.look(stream).lanes[part]
        last = lane.find(lane.next - 1)
        sent = key, payload, headers, self.books.clock.now_ms()
        if headers and last is not None and (last.key, last.payload, last.headers, last.appended_ms) == sent:
            return last.offset
        return super().add(stream, part, payload, key, headers)


@_mutant("basic.13", "31 bits", trap="25 days within a segment", also="partitioning.7 retention.6")
class CountsFromTheFirstOfASegment(Lane):
    """Of an instant the milliseconds from the first of its segment are kept."""

    def add(self, record: Record) -> None:
        if self.segments and len(self.segments[-1]) < SEGMENT:
            base = self.segments[-1][0].appended_ms
            record = replace(record, appended_ms=base + (record.appended_ms - base & 0x7FFFFFFF))
        super().add(record)


@_mutant("replay.2", "31 bits", trap="a move to an instant 25 days after the first record")
class SeeksWithinAMonth(SegmentStreams):
    """Instants are compared by the milliseconds from the first record on."""

    def first_at(self, lane: Lane, at_ms: int) -> int:
        records = lane.all()
        if not records or at_ms <= records[0].appended_ms:
            return super().first_at(lane, at_ms)
        base = records[0].appended_ms
        return super().first_at(lane, base + min(at_ms - base, 0x7FFFFFFF))


@_mutant("replay.2", "found by segment", trap="more records of one millisecond than a segment holds")
class SeeksBySegment(SegmentStreams):
    """The last segment that does not begin later holds the first record of an instant."""

    def first_at(self, lane: Lane, at_ms: int) -> int:
        last = bisect_right(lane.segments, at_ms, key=lambda segment: segment[0].appended_ms)
        records = (record for segment in lane.segments[max(0, last - 1) :] for record in segment)
        return next((record.offset for record in records if record.appended_ms >= at_ms), lane.next)


@_mutant("replay.7", "a page", trap="a replay of more than 256", also="replay.8")
class ReplaysAPage(SegmentStreams):
    async def replay(self, stream: str, start: int, stop: int) -> AsyncIterator[Record]:
        given = 0
        async for record in super().replay(stream, start, stop):
            if given == 256:
                return
            given += 1
            yield record


@_mutant("retention.2", "in batches", trap="more than 128 outside")
class EnforcesABatch(SegmentStreams):
    """One call removes the first 128."""

    async def enforce_retention(self, stream: str) -> None:
        lanes = [lane.all() for lane in self.look(stream).lanes]
        await super().enforce_retention(stream)
        for lane, records in zip(self.look(stream).lanes, lanes, strict=True):
            if gone := [record for record in records if record.offset < lane.floor][128:]:
                rest, lane.segments = lane.all(), []
                for record in (*gone, *rest):
                    lane.add(record)
                lane.floor = gone[0].offset


@_mutant("retention.2", "return for continue", trap="an empty partition before one with records outside")
class StopsAtAnEmptyPartition(SegmentStreams):
    async def enforce_retention(self, stream: str) -> None:
        check_name(stream, "enforce_retention", MAKER)
        shelf = self.look(stream)
        lanes = shelf.lanes
        empty = next((number for number, lane in enumerate(lanes) if not lane.segments), len(lanes))
        shelf.lanes = lanes[:empty]
        part = shelf.lanes
        try:
            await super().enforce_retention(stream)
        finally:
            shelf.lanes = [*part, *lanes[empty:]]


@_mutant("retention.7", "return for continue", trap="a partition with nothing superseded before one with something")
class StopsWhereNothingIsSuperseded(SegmentStreams):
    async def compact(self, stream: str) -> None:
        check_name(stream, "compact", MAKER)
        for part, lane in enumerate(self.look(stream).lanes):
            last = {record.key: record.offset for record in lane.all()}
            gone = frozenset(r.offset for r in lane.all() if r.key is not None and last[r.key] != r.offset)
            if not gone:
                return
            self.step("drop", stream, part, gone)


@_mutant(
    "retention.2",
    "cached by who enforces",
    trap="bounds set by another after it was enforced",
    also="retention.1 replay.1 replay.7",
)
class EnforcesWhatItKnew(SegmentStreams):
    def __init__(self, books: Books, namespace: str) -> None:
        super().__init__(books, namespace)
        self.known: dict[str, Retention] = {}

    async def set_retention(self, stream: str, max_age_s: float | None = None, max_records: int | None = None) -> None:
        await super().set_retention(stream, max_age_s, max_records)
        self.known.pop(stream, None)

    async def enforce_retention(self, stream: str) -> None:
        check_name(stream, "enforce_retention", MAKER)
        shelf = self.look(stream)
        if shelf.bounds is None:
            return
        told, shelf.bounds = shelf.bounds, self.known.setdefault(stream, shelf.bounds)
        try:
            await super().enforce_retention(stream)
        finally:
            shelf.bounds = told


@_mutant("retention.7", "by the page", trap="a key that comes again more than 200 records later", also="retention.6")
class CompactsByThePage(SegmentStreams):
    async def compact(self, stream: str) -> None:
        check_name(stream, "compact", MAKER)
        for part, lane in enumerate(self.look(stream).lanes):
            records = lane.all()
            gone: set[int] = set()
            for first in range(0, len(records), 200):
                page = records[first : first + 200]
                last = {record.key: record.offset for record in page}
                gone |= {r.offset for r in page if r.key is not None and last[r.key] != r.offset}
            if gone:
                self.step("drop", stream, part, frozenset(gone))


@_mutant("retention.10", "moved too far", trap="a compaction with records that stay between those that a group is behind of")
class MovesBehindWhatIsCompacted(FileBooks):
    """A group whose next record goes is moved to the end of what went."""

    def on_drop(self, shelf: Shelf, part: int, gone: frozenset[int]) -> None:
        super().on_drop(shelf, part, gone)
        for crowd in shelf.groups.values():
            if crowd.at[part] in gone:
                crowd.at[part] = max(gone) + 1


@_mutant(
    "retention.10",
    "a range for a set",
    trap="a compaction while what stays between is given back",
    also="consumer_groups.5 retention.1",
)
class ForgetsJobsBetween(FileBooks):
    """What a group held or was to get again is forgotten up to the last record that went."""

    def on_drop(self, shelf: Shelf, part: int, gone: frozenset[int]) -> None:
        super().on_drop(shelf, part, gone)
        for crowd in shelf.groups.values():
            for place in [
                place for place, job in crowd.jobs.items() if place[0] == part and place[1] < max(gone) and not job.member
            ]:
                del crowd.jobs[place]


@_mutant("partitioning.13", "a byte", trap="256 partitions, after a kill")
class CountsPartitionsInAByte(FileBooks):
    redoing = False

    def redo(self, step: tuple[str, ...]) -> None:
        self.redoing = True
        super().redo(step)
        self.redoing = False

    def on_parts(self, shelf: Shelf, n: int) -> None:
        super().on_parts(shelf, (n & 0xFF or 1) if self.redoing else n)
