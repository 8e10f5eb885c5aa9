"""Mutants of `StreamBasic` whose offsets, trims or instants are wrong."""

from collections.abc import Mapping
from dataclasses import replace

from prism_testkit.interfaces import Bytes, Record
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Reading, Streams, step
from .stores import Change

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# basic.3: offsets


@mutant("basic.3", "reuse", trap="a trim of everything, then an append", also="basic.6 basic.4 basic.7")
class BeginsAgainAfterTrimOfAll(Streams):
    def new_offset(self, stream: str) -> int:
        log = self.stream(stream)
        return log.end if log.records else 0


@mutant("basic.3", "reuse", trap="a trim, then an append", also="basic.4 basic.6 basic.7 basic.2 basic.1 basic.12")
class OffsetIsTheNumberOfRecords(Streams):
    def new_offset(self, stream: str) -> int:
        return len(self.stream(stream).records)


class _TwoSteps(Streams):
    """An append that takes its offset in one step and writes in another."""

    async def between(self, offset: int) -> None:
        await step()

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        name, data = self.name(stream, "append"), self.data(payload, "append", stream)
        label, labels = self.key(key, "append"), self.labels(headers, "append")
        record = Record(self.new_offset(name), label, data, labels, self.stamp(name))
        await self.between(record.offset)
        return self.insert(name, record)


@mutant("basic.3", "race", trap="two appends at once", also="basic.12 basic.4 basic.1 basic.2")
class SharesOffsetsInARace(_TwoSteps):
    """The offset is read before an await and written after it."""


@mutant("basic.12", "race", trap="two appends at once", also="basic.3 basic.4 basic.1 basic.2")
class LastOfTwoWritersWins(_TwoSteps):
    """Two writers with one offset: the second replaces the first."""

    def insert(self, stream: str, record: Record) -> int:
        log = self.stream(stream).records
        log[:] = [other for other in log if other.offset != record.offset]
        return super().insert(stream, record)


@mutant("basic.12", "race", trap="two appends at once", also="basic.2 basic.3 basic.4")
class SwapsOffsetsInARace(Streams):
    """Writes, lets the others run, and asks for the last offset."""

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        await super().append(stream, payload, key, headers)
        await step()
        return self.stream(stream).end - 1


@mutant("basic.3", "unordered", trap="two appends", also="basic.1 basic.4 basic.6 basic.2 basic.12 basic.5")
class OffsetsFromTwoBlocks(Streams):
    """Each client takes offsets from a block of its own."""

    def new_offset(self, stream: str) -> int:
        blocks = self.store.notes.setdefault(("blocks", self.namespace, stream), {})
        first, used = blocks.setdefault(id(self), (len(blocks) * 1000, 0))
        blocks[id(self)] = first, used + 1
        return int(first) + used


# basic.6: latest_offset


@mutant("basic.6", "lost", trap="a trim of everything")
class LatestIsNoneAfterTrim(Streams):
    def latest(self, stream: str) -> int | None:
        log = self.stream(stream)
        return log.records[-1].offset if log.records else None


@mutant("basic.6", "changed", trap="a trim")
class TrimSetsLatest(Streams):
    def latest(self, stream: str) -> int | None:
        log = self.stream(stream)
        return log.records[-1].offset if log.records else (log.floor if log.latest is not None else None)


@mutant("basic.6", "falsy", trap="a stream whose last offset is 0")
class LatestZeroIsNone(Streams):
    def latest(self, stream: str) -> int | None:
        return super().latest(stream) or None


@mutant("basic.6", "wrong value", trap="a stream that was never used")
class LatestOfNothingIsZero(Streams):
    def latest(self, stream: str) -> int | None:
        return super().latest(stream) or 0


@mutant("basic.6", "boundary", trap="any append", also="basic.12")
class LatestIsTheEnd(Streams):
    def latest(self, stream: str) -> int | None:
        return None if super().latest(stream) is None else self.stream(stream).end


@mutant("basic.6", "confusion", trap="a stream that was only trimmed or read")
class LatestOfATouchedStreamIsZero(Streams):
    """A trim beyond the end counts as if something had been there."""

    async def trim(self, stream: str, before: int) -> int:
        lowest = await super().trim(stream, before)
        if before > 0 and self.stream(stream).latest is None:
            self.stream(stream).latest = 0
        return lowest


# basic.7: trim


@mutant("basic.7", "boundary", trap="a trim at a record", also="basic.4 basic.6")
class TrimsInclusive(Streams):
    def clamped(self, stream: str, before: int) -> int:
        return super().clamped(stream, before + 1) if before else 0


@mutant("basic.7", "boundary", trap="a trim between records")
class TrimsOneTooFew(Streams):
    def clamped(self, stream: str, before: int) -> int:
        return max(0, super().clamped(stream, before) - 1)


@mutant("basic.7", "wrong value", trap="a trim with a bound below an earlier one")
class ReturnsTheBoundAsked(Streams):
    async def trim(self, stream: str, before: int) -> int:
        await super().trim(stream, before)
        return before


@mutant("basic.7", "wrong value", trap="a trim with a bound below an earlier one")
class ReturnsTheBoundClamped(Streams):
    """To the end, and not to what an earlier trim left."""

    async def trim(self, stream: str, before: int) -> int:
        await super().trim(stream, before)
        return self.clamped(stream, before)


@mutant("basic.7", "wrong value", trap="any trim that removes")
class TrimReturnsHowMany(Streams):
    async def trim(self, stream: str, before: int) -> int:
        there = len(self.stream(stream).records)
        await super().trim(stream, before)
        return there - len(self.stream(stream).records)


@mutant("basic.7", "wrong value", trap="a trim of everything")
class TrimOfAllReturnsZero(Streams):
    def lowest(self, stream: str) -> int:
        return super().lowest(stream) if self.stream(stream).records else 0


@mutant("basic.7", "missing clamp", trap="a trim beyond the end, then an append", also="basic.1 basic.6 basic.12 basic.3 basic.4")
class TrimBeyondTheEndHidesWhatComes(Streams):
    """The bound is kept and not clamped: what is appended below it is not given."""

    def clamped(self, stream: str, before: int) -> int:
        self.store.notes[self.namespace, stream] = max(before, self.store.notes.get((self.namespace, stream), 0))
        return super().clamped(stream, before)

    def first(self, stream: str, start: int, end: int) -> Record | None:
        return super().first(stream, max(start, self.store.notes.get((self.namespace, stream), 0)), end)


@mutant("basic.7", "missing clamp", trap="a trim beyond the end, then an append", also="basic.6 basic.3")
class TrimBeyondTheEndReturnsTheBound(Streams):
    async def trim(self, stream: str, before: int) -> int:
        return (
            max(before, await super().trim(stream, before))
            if before > self.stream(stream).end
            else await super().trim(stream, before)
        )


@mutant("basic.7", "granularity", trap="a trim in the middle of ten records")
class TrimsWholeSegments(Streams):
    """Segments of ten records go when all of them may go, as in a log of files."""

    def clamped(self, stream: str, before: int) -> int:
        return super().clamped(stream, before) // 10 * 10


@mutant("basic.7", "confusion", trap="two trims", also="basic.1 basic.4")
class TrimKeepsSoMany(Streams):
    """The bound is taken for a number of records to remove."""

    async def trim(self, stream: str, before: int) -> int:
        bound = self.bound(before, "trim")
        log = self.stream(self.name(stream, "trim"))
        if log.records[:bound]:
            self.apply(Change(stream, trim=log.records[:bound][-1].offset + 1))
        return self.lowest(stream)


# basic.13: appended_ms


@mutant("basic.13", "wrong clock", trap="virtual time")
class StampsFromTheSystem(Streams):
    def stamp(self, stream: str) -> int:
        import time

        return time.time_ns() // 1_000_000


@mutant("basic.13", "order", trap="two appends at once, time passing between their steps", also="basic.3 basic.12")
class StampsBeforeWaiting(Streams):
    """The instant is taken first, then time passes, differently for each, then the offset."""

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        name, data = self.name(stream, "append"), self.data(payload, "append", stream)
        label, labels = self.key(key, "append"), self.labels(headers, "append")
        stamp = self.stamp(name)
        await self.store.clock.sleep(0.01 * (len(data) % 3))
        return self.insert(name, Record(self.new_offset(name), label, data, labels, stamp))


@mutant("basic.13", "unit", trap="any record")
class StampsInSeconds(Streams):
    def stamp(self, stream: str) -> int:
        return super().stamp(stream) // 1000


@mutant("basic.13", "missing step", trap="any record")
class StampsNothing(Streams):
    def stamp(self, stream: str) -> int:
        return 0


@mutant("basic.13", "stale", trap="two appends with time between")
class StampsTheFirst(Streams):
    """The instant is that of the stream."""

    def stamp(self, stream: str) -> int:
        found: int = self.store.notes.setdefault((self.namespace, stream, "stamp"), super().stamp(stream))
        return found


@mutant("basic.13", "wrong moment", trap="time between an append and a read", also="basic.4")
class StampsTheRead(Streams):
    def shown(self, record: Record) -> Record:
        return replace(super().shown(record), appended_ms=self.store.clock.now_ms())


@mutant("basic.13", "order", trap="records of one instant", also="basic.1 basic.3 basic.4")
class OrdersByInstantThenKey(Streams):
    """Records of one instant come in the order of their keys."""

    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        found = [record async for record in super().walk(stream, start, None)]
        for record in sorted(found, key=lambda record: (record.appended_ms, record.key or ""))[:limit]:
            yield record
