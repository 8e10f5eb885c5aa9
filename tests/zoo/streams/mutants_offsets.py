"""Mutants of `StreamBasic` whose offsets, trims, instants or clients are wrong."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

from prism_testkit.backend import Place
from prism_testkit.interfaces import BackendUnavailable, Bytes, Record
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Reading, Streams, step
from .stores import Change, Store

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


# basic.11: namespaces

_EVERYWHERE = "basic.1 basic.3 basic.6 basic.7 basic.12 consumer_groups.13"


async def _clean_all(store: Store, prefix: str) -> None:
    store.clean("")


@mutant("basic.11", "scope", trap="two namespaces", also=_EVERYWHERE, clean=_clean_all)
class IgnoresNamespace(Streams):
    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, "all")


@mutant("basic.11", "truncation", trap="two namespaces of one run", also=_EVERYWHERE, clean=_clean_all)
class CutsNamespaceAt20(Streams):
    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace[:20])


@mutant("basic.11", "missing condition", trap="a trim in one of two namespaces", also="basic.7")
class TrimsEverywhere(Streams):
    """The statement that deletes has no column for the namespace."""

    async def trim(self, stream: str, before: int) -> int:
        lowest = await super().trim(stream, before)
        for namespace in list(self.store.spaces):
            self.store.apply(namespace, [Change(stream, trim=min(before, self.store.space(namespace).stream(stream).end))])
        return lowest


@mutant("basic.11", "stale cache", trap="latest_offset of one name in two namespaces", also="basic.6 basic.12")
class LatestForAllNamespaces(Streams):
    def insert(self, stream: str, record: Record) -> int:
        self.store.notes["latest", stream] = record.offset
        return super().insert(stream, record)

    def latest(self, stream: str) -> int | None:
        found: int | None = self.store.notes.get(("latest", stream))
        return found


@mutant("basic.11", "over-reach", trap="one of two namespaces is cleaned", also=_EVERYWHERE, clean=_clean_all)
class CleansEveryNamespace(Streams):
    """FLUSHALL."""


async def _clean_nothing(store: Store, prefix: str) -> None: ...


@mutant("basic.11", "missing step", trap="a namespace is cleaned and used again", also=_EVERYWHERE, clean=_clean_nothing)
class CleansNothing(Streams): ...


# basic.12: clients


@asynccontextmanager
async def _connect_alone(place: Place) -> AsyncIterator[Store]:
    yield Store(place)


@mutant("basic.12", "scope", trap="two connections", also="basic.1 basic.3 basic.4 basic.6 basic.7", connect=_connect_alone)
class PrivateStorePerConnection(Streams):
    """Each connection has streams of its own."""


@mutant("basic.12", "write behind", trap="another client reads right after an append", also="basic.1 basic.6 basic.4")
class AppendIsSentLater(Streams):
    """Seen by the one who appended at once, by others 50 ms later."""

    def first(self, stream: str, start: int, end: int) -> Record | None:
        found = super().first(stream, start, end)
        if found is None or self.store.notes.get((stream, found.offset), (id(self),))[0] == id(self):
            return found
        return found if self.over(self.store.notes[stream, found.offset][1]) else None

    def insert(self, stream: str, record: Record) -> int:
        self.store.notes[stream, record.offset] = id(self), self.after(0.05)
        return super().insert(stream, record)


@mutant("basic.12", "stale cache", trap="two clients; latest_offset asked before and after the other appends", also="basic.6")
class RemembersLatest(Streams):
    """A client remembers the latest offset until it appends itself."""

    def latest(self, stream: str) -> int | None:
        found: int | None = self.store.notes.setdefault((id(self), stream), super().latest(stream))
        return found

    def insert(self, stream: str, record: Record) -> int:
        self.store.notes.pop((id(self), stream), None)
        return super().insert(stream, record)


@mutant("basic.12", "doubled", trap="two appends at once", also="basic.1 basic.2 basic.14")
class RetriesWhatSucceeded(Streams):
    """An append that meets another is made again."""

    busy = False

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        met, self.busy = self.busy, True
        offset = await super().append(stream, payload, key, headers)
        await step()
        self.busy = False
        return await super().append(stream, payload, key, headers) if met else offset


# basic.14: cancellation


@mutant("basic.14", "partial effect", trap="an append cancelled between its two writes", also="basic.2 basic.12 basic.4")
class AppendsInTwoSteps(Streams):
    """The record first, with nothing in it; then what it holds."""

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        offset = await super().append(stream, b"" if payload else payload, key, headers)
        await step()
        log = self.stream(stream)
        place = log.at(offset)
        if log.find(offset) is not None:
            log.records[place] = replace(log.records[place], payload=bytes(payload))
        return offset


@mutant("basic.14", "partial effect", trap="an append cancelled", also="basic.12")
class HeadersComeLater(Streams):
    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        labels = self.labels(headers, "append")
        offset = await super().append(stream, payload, key)
        await step()
        log = self.stream(stream)
        if log.find(offset) is not None:
            log.records[log.at(offset)] = replace(log.records[log.at(offset)], headers=labels)
        return offset


@mutant("basic.14", "unusable driver", trap="a read that is left early", also="basic.4")
class OneReadAtATime(Streams):
    """A flag that a read left early does not take back."""

    reading = False

    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        if self.reading:
            raise BackendUnavailable("zoo: read: the connection is busy")
        async for record in super().walk(stream, start, limit):
            self.reading = limit is None
            yield record
        self.reading = False


@mutant("basic.14", "unusable driver", trap="any call after a cancelled append")
class StaysBusyAfterCancel(Streams):
    busy = False

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        offset = await super().append(stream, payload, key, headers)
        try:
            await step()
        except asyncio.CancelledError:
            self.busy = True
            raise
        if self.busy:
            raise BackendUnavailable("zoo: append: the connection is busy")
        return offset


@mutant("basic.14", "late effect", trap="an append is cancelled, and comes later", also="basic.3 basic.12 basic.4")
class CancelledAppendComesTwice(Streams):
    """Cancelled, it is sent again in the background."""

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        offset = await super().append(stream, payload, key, headers)
        try:
            await step()
        except asyncio.CancelledError:
            record = self.stream(stream).find(offset)
            if record is not None:
                self.insert(stream, replace(record, offset=self.new_offset(stream)))
            raise
        return offset
