"""Mutants of `StreamBasic` whose reads are wrong: holes, ends, limits, starts, and records that change."""

from dataclasses import replace
from itertools import islice

from prism_testkit.interfaces import Record
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Reading, Streams, step

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# basic.1: every record once, in order, without a hole


@mutant("basic.1", "skipped", trap="an append during a read, and one more", also="basic.4")
class SkipsWhatComesMeanwhile(Streams):
    """The read goes on to the end, and leaves out the first record that was appended since it began."""

    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        at, began, given = start, self.stream(stream).end, 0
        while given != limit and (record := self.first(stream, at, self.stream(stream).end)) is not None:
            at, given = record.offset + 1, given + 1
            if record.offset != began:
                yield record


class _Capped(Streams):
    cap = 0

    def limit(self, limit: int | None, operation: str) -> int | None:
        wanted = super().limit(limit, operation)
        return self.cap if wanted is None else min(wanted, self.cap)


@mutant("basic.1", "cap", trap="more than 10 records", also="basic.5")
class ReadsTenAtMost(_Capped):
    cap = 10


@mutant("basic.1", "cap", trap="more than 100 records", also="basic.5")
class ReadsHundredAtMost(_Capped):
    cap = 100


@mutant("basic.1", "cap", trap="more than 1000 records", also="basic.5")
class ReadsThousandAtMost(_Capped):
    cap = 1000


class _Paged(Streams):
    """Pages of ten; a subclass says where the next one begins."""

    size = 10

    def following(self, page: list[Record]) -> int:
        return page[-1].offset + 1

    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        at, end, left = start, self.stream(stream).end, limit
        while left is None or left > 0:
            log = self.stream(stream).records
            page = list(islice((record for record in log if at <= record.offset < end), self.size))
            for record in page[:left]:
                yield record
            if len(page) < self.size:
                return
            left = None if left is None else left - len(page)
            at = self.following(page)
            await step()


@mutant("basic.1", "boundary", trap="more records than a page has")
class RepeatsBetweenPages(_Paged):
    def following(self, page: list[Record]) -> int:
        return page[-1].offset


@mutant("basic.1", "boundary", trap="more records than a page has", also="basic.5")
class SkipsBetweenPages(_Paged):
    def following(self, page: list[Record]) -> int:
        return page[-1].offset + 2


@mutant("basic.1", "snapshot", trap="a trim during a read", also="basic.7 basic.4")
class PagesByPlace(Streams):
    """A page begins at a place in the list: what is trimmed during a read moves the rest out of its way."""

    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        log = self.stream(stream)
        place, end, given = log.at(start), log.end, 0
        while given != limit and place < len(log.records) and log.records[place].offset < end:
            given += 1
            place += 1
            yield log.records[place - 1]


@mutant("basic.1", "order", trap="two records", also="basic.3 basic.5")
class ReadsNewestFirst(Streams):
    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        found = [record async for record in super().walk(stream, start, None)]
        for record in found[::-1][:limit]:
            yield record


@mutant("basic.1", "order", trap="ten records", also="basic.3 basic.5")
class OrdersOffsetsAsText(Streams):
    """Offsets are keys of a store that sorts them as text."""

    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        found = [record async for record in super().walk(stream, start, None)]
        for record in sorted(found, key=lambda record: str(record.offset))[:limit]:
            yield record


@mutant("basic.1", "boundary", trap="a record", also="basic.5 basic.12")
class LeavesOutTheLast(Streams):
    """The end is the offset of the last record, exclusive."""

    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        at, end, given = start, self.stream(stream).end - 1, 0
        while given != limit and (record := self.first(stream, at, end)) is not None:
            at, given = record.offset + 1, given + 1
            yield record


@mutant("basic.1", "merged", trap="two records with one key", also="basic.2 basic.5 basic.4")
class CompactsByKey(Streams):
    """Keeps the latest record of each key."""

    def insert(self, stream: str, record: Record) -> int:
        log = self.stream(stream)
        if record.key is not None:
            log.records[:] = [other for other in log.records if other.key != record.key]
        return super().insert(stream, record)


@mutant("basic.1", "merged", trap="one payload twice in a row", also="basic.2 basic.3 basic.5")
class DropsRepeats(Streams):
    """An append like the one before is taken for its repeat."""

    def insert(self, stream: str, record: Record) -> int:
        log = self.stream(stream).records
        if log and (log[-1].payload, log[-1].key, log[-1].headers) == (record.payload, record.key, record.headers):
            return log[-1].offset
        return super().insert(stream, record)


# basic.5: limit and start


@mutant("basic.5", "boundary", trap="a start on a record", also="basic.1 basic.4")
class StartIsExclusive(Streams):
    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        async for record in super().walk(stream, start + 1 if start else 0, limit):
            yield record


@mutant("basic.5", "order of steps", trap="a start and a limit", also="basic.1")
class LimitsBeforeStart(Streams):
    """Takes the first records, and of them those from the start on."""

    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        async for record in super().walk(stream, 0, limit):
            if record.offset >= start:
                yield record


@mutant("basic.5", "falsy", trap="a limit of 0")
class ZeroIsNoLimit(Streams):
    def limit(self, limit: int | None, operation: str) -> int | None:
        return super().limit(limit, operation) or None


@mutant("basic.5", "boundary", trap="a limit below the number of records")
class GivesOneMoreThanTheLimit(Streams):
    def limit(self, limit: int | None, operation: str) -> int | None:
        wanted = super().limit(limit, operation)
        return wanted + 1 if wanted else wanted


@mutant("basic.5", "missing check", trap="a negative limit", also="basic.9")
class NegativeLimitIsNone(Streams):
    def limit(self, limit: int | None, operation: str) -> int | None:
        return None if limit is None or limit < 0 else super().limit(limit, operation)


@mutant("basic.5", "missing check", trap="a negative start", also="basic.9")
class NegativeStartIsZero(Streams):
    def bound(self, offset: int, operation: str) -> int:
        return max(0, offset) if operation == "read" else super().bound(offset, operation)


@mutant("basic.5", "missing check", trap="a negative start", also="basic.9")
class NegativeStartCountsFromTheEnd(Streams):
    """As a slice does."""

    def bound(self, offset: int, operation: str) -> int:
        return offset if operation == "read" and isinstance(offset, int) else super().bound(offset, operation)

    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        begin = max(0, self.stream(stream).end + start) if start < 0 else start
        async for record in super().walk(stream, begin, limit):
            yield record


@mutant("basic.5", "clamped", trap="a start beyond the end", also="basic.1")
class StartBeyondTheEndIsTheLast(Streams):
    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        async for record in super().walk(stream, min(start, max(0, self.stream(stream).end - 1)), limit):
            yield record


@mutant("basic.5", "confusion", trap="a start after a trim", also="basic.1 basic.4")
class StartCountsRecords(Streams):
    """The start is taken for a number of records to leave out."""

    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        records = self.stream(stream).records
        async for record in super().walk(stream, records[start].offset if start < len(records) else 2**62, limit):
            yield record


@mutant("basic.5", "wrong condition", trap="a start below what was trimmed", also="basic.7 basic.1")
class StartBelowTheFloorGivesNothing(Streams):
    """As a broker says OFFSET_OUT_OF_RANGE."""

    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        log = self.stream(stream)
        if 0 < start < log.floor:
            return
        async for record in super().walk(stream, start, limit):
            yield record


@mutant("basic.5", "exact match", trap="gaps, and a start in one", also="basic.1 basic.4")
class StartInAGapGivesNothing(Streams):
    def new_offset(self, stream: str) -> int:
        return self.stream(stream).end + 2

    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        log = self.stream(stream)
        if start and log.find(start) is None and start >= log.floor:
            return
        async for record in super().walk(stream, start, limit):
            yield record


# basic.4: an offset gives the same record always


@mutant("basic.4", "visibility", trap="two appends at once, and a read while they run", also="basic.3 basic.1 basic.12")
class LateWritersAppearBehind(Streams):
    """The offset comes from a sequence before an await; the row is seen when it is written."""

    async def append(self, stream, payload, key=None, headers=None):  # type: ignore[no-untyped-def]
        name, data = self.name(stream, "append"), self.data(payload, "append", stream)
        label, labels = self.key(key, "append"), self.labels(headers, "append")
        taken = self.store.notes.setdefault((self.namespace, name), [0])
        offset = taken[0] = max(taken[0] + 1, self.stream(name).end)
        await step(offset % 3 * 2)
        return self.insert(name, Record(offset, label, data, labels, self.stamp(name)))


@mutant("basic.4", "renumbered", trap="a trim, then a read from an offset", also="basic.7 basic.3 basic.5 basic.6 basic.2 basic.1")
class TrimRenumbers(Streams):
    """Offsets are places in a list."""

    async def trim(self, stream: str, before: int) -> int:
        lowest = await super().trim(stream, before)
        log = self.stream(stream)
        log.records[:] = [replace(record, offset=place) for place, record in enumerate(log.records)]
        return lowest


@mutant("basic.4", "stale cache", trap="a record is read, its stream trimmed, and read from there again", also="basic.7")
class CachesRecordsRead(Streams):
    """A client keeps what it has read and does not ask for it again."""

    def first(self, stream: str, start: int, end: int) -> Record | None:
        slot = id(self), stream, start
        found = super().first(stream, start, end)
        if found is not None and found.offset == start:
            self.store.notes[slot] = found
        cached: Record | None = self.store.notes.get(slot)
        return cached if cached is not None and cached.offset < end else found


@mutant("basic.4", "overwritten", trap="many records", also="basic.1 basic.7 basic.12 basic.2")
class RingOfSixtyFour(Streams):
    """A buffer of a fixed size: the oldest records make room."""

    def insert(self, stream: str, record: Record) -> int:
        super().insert(stream, record)
        del self.stream(stream).records[:-64]
        return record.offset


@mutant("basic.4", "consumed", trap="a stream is read twice", also="basic.1 basic.14 basic.12")
class ReadTakes(Streams):
    """A read is a pop."""

    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        async for record in super().walk(stream, start, limit):
            yield record
            if record in self.stream(stream).records[:-1]:
                self.stream(stream).records.remove(record)


@mutant("basic.4", "cursor", trap="a reader reads from 0 twice", also="basic.1 basic.14 basic.5")
class RemembersWhereItWas(Streams):
    """A read from the beginning goes on where this client's last one ended."""

    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        slot = id(self), stream
        begin = self.store.notes.get(slot, 0) if start == 0 else start
        async for record in super().walk(stream, begin, limit):
            yield record
            self.store.notes[slot] = record.offset + 1
