"""Mutants of strangers in bounds and compactions: what else goes on with the stream, and what is remembered for too long."""

import asyncio
import zlib
from collections.abc import Iterable

from prism_testkit.interfaces import Record, Retention
from tests.zoo.declare import Mutant

from .declare import declaring_newer
from .newer import NewerStreams
from .reference import Reading
from .stores import Change, Stream

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_newer(MUTANTS)


@mutant("retention.1", "ties", trap="records of one instant on both sides of the bound")
class RecordsOfOneInstantGoTogether(NewerStreams):
    """The bound of records is turned into an instant, and what is not younger goes."""

    def beyond(self, log: Stream, most: int) -> Iterable[Record]:
        gone = log.records[:-most]
        return [record for record in log.records[:-1] if record.appended_ms <= gone[-1].appended_ms] if gone else []


@mutant("retention.1", "overflow", trap="an age of more than 2**32 milliseconds, and a record of some days")
class AgesAre32BitsOfMilliseconds(NewerStreams):
    def too_old(self, record: Record, age: float) -> bool:
        return super().too_old(record, (round(age * 1000) & 0xFFFFFFFF) / 1000)


@mutant("retention.6", "weak hash", trap="some hundred keys", also="retention.12")
class KeysAreTheirChecksum(NewerStreams):
    def same_key(self, key: str) -> str:
        return str(zlib.crc32(key.encode()) & 0xFFF)


@mutant("retention.10", "too much", trap="a record inside the bounds that a member holds", also="retention.1 consumer_groups.5")
class EnforcingForgetsAllThatIsHeld(NewerStreams):
    def drop(self, lane: str, offsets: Iterable[int]) -> None:
        gone = set(offsets)
        super().drop(lane, gone)
        if gone:
            self.apply(*(Change(lane, group, forget=True) for group in self.stream(lane).groups))


@mutant("retention.2", "cache", trap="bounds set by one client, enforced by another that enforced before")
class EnforcesTheBoundsThatItKnows(NewerStreams):
    def _known(self, stream: str) -> Retention:
        found: Retention = self.store.notes.setdefault(("known", id(self), self.namespace, stream), self.bounds(stream))
        return found

    async def enforce_retention(self, stream: str) -> None:
        name = self.name(stream, "enforce_retention")
        for lane in self.lanes(name):
            self.drop(lane, self.outside(self.stream(lane), self._known(name)))

    async def set_retention(self, stream: str, max_age_s: float | None = None, max_records: int | None = None) -> None:
        await super().set_retention(stream, max_age_s, max_records)
        self.store.notes["known", id(self), self.namespace, stream] = self.bounds(stream)


@mutant("retention.2", "wrong condition", trap="an enforcement, time or other bounds, and no append between it and the next")
class EnforcesOnlyAfterAppends(NewerStreams):
    """Nothing was appended, so nothing can have got outside."""

    async def enforce_retention(self, stream: str) -> None:
        name = self.name(stream, "enforce_retention")
        ends = [self.stream(lane).end for lane in self.lanes(name)]
        if self.store.notes.get((self.namespace, name, "ends")) != ends:
            await super().enforce_retention(name)
        self.store.notes[self.namespace, name, "ends"] = ends


@mutant("retention.7", "per client", trap="records of one client, compacted by another")
class CompactsWhatItAppended(NewerStreams):
    def insert(self, stream: str, record: Record) -> int:
        self.store.notes.setdefault(("mine", id(self), self.namespace, stream), set()).add(record.offset)
        return super().insert(stream, record)

    async def compact(self, stream: str) -> None:
        for lane in self.lanes(self.name(stream, "compact")):
            mine = self.store.notes.get(("mine", id(self), self.namespace, lane), set())
            self.drop(lane, self.superseded(self.stream(lane)) & mine)


@mutant("retention.4", "side effect", trap="bounds of a stream that is trimmed to its end")
class TrimsOfAllTakeTheBounds(NewerStreams):
    """A stream that is empty is cleaned away with what is kept about it."""

    async def trim(self, stream: str, before: int) -> int:
        found = await super().trim(stream, before)
        if not self.stream(stream).records and self.stream(stream).bounds is not None:
            self.apply(Change(stream, bounds=Retention()))
        return found


@mutant("retention.6", "wrong count", trap="a read with a limit over a hole", also="basic.5")
class LimitsCountWhatIsGone(NewerStreams):
    """A limit is a range of offsets."""

    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        async for record in super().walk(stream, start, limit):
            if limit is None or record.offset < max(start, self.lowest(stream)) + limit:
                yield record


@mutant("retention.2", "pinned", trap="a read that is under way", also="retention.8")
class OpenReadsHoldRecords(NewerStreams):
    """While somebody reads nothing is removed."""

    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        self.store.notes[self.namespace, stream, "readers"] = self.store.notes.get((self.namespace, stream, "readers"), 0) + 1
        try:
            async for record in super().walk(stream, start, limit):
                yield record
        finally:
            if (self.namespace, stream, "readers") in self.store.notes:
                self.store.notes[self.namespace, stream, "readers"] -= 1

    async def enforce_retention(self, stream: str) -> None:
        if not self.store.notes.get((self.namespace, self.name(stream, "enforce_retention"), "readers"), 0):
            await super().enforce_retention(stream)


@mutant("retention.2", "pinned", trap="a record outside that a group holds", also="retention.10")
class HeldRecordsStay(NewerStreams):
    """What somebody works on is not taken away under him."""

    def outside(self, log: Stream, bounds: Retention) -> set[int]:
        held = {offset for group in log.groups.values() for offset, one in group.pending.items() if one.member}
        return super().outside(log, bounds) - held


@mutant("retention.7", "pinned", trap="a superseded record that a group has not got")
class CompactionWaitsForGroups(NewerStreams):
    def superseded(self, log: Stream) -> set[int]:
        behind = min((group.position for group in log.groups.values()), default=log.end)
        return {offset for offset in super().superseded(log) if offset < behind}


@mutant("retention.2", "lost update", trap="an enforcement while a compaction is under way", also="retention.8")
class CompactionBringsBackWhatAnotherRemoved(NewerStreams):
    """It writes the log that it saw, and behind it what came meanwhile."""

    async def compact(self, stream: str) -> None:
        for lane in self.lanes(self.name(stream, "compact")):
            log = self.stream(lane)
            seen, gone = list(log.records), self.superseded(log)
            await asyncio.sleep(0)
            new = [record for record in log.records if not seen or record.offset > seen[-1].offset]
            log.records = [record for record in seen if record.offset not in gone] + new
