"""What is appended, read or held while a stream loses records; offsets behind that."""

from collections.abc import Iterable

from prism_testkit.interfaces import BackendUnavailable, Conflict, NotFound, RecordDelivery, Retention
from tests.zoo.declare import Mutant

from .declare import declaring_newer
from .newer import NewerStreams
from .reference import Member, Reading, step
from .stores import Change, Held

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_newer(MUTANTS)


# retention.8: what is appended and read meanwhile


@mutant("retention.8", "lost update", trap="an append while a stream is compacted", also="retention.6 retention.13")
class CompactionPutsBackWhatItSaw(NewerStreams):
    async def compact(self, stream: str) -> None:
        for lane in self.lanes(self.name(stream, "compact")):
            log = self.stream(lane)
            kept = [record for record in log.records if record.offset not in self.superseded(log)]
            await step(2)
            log.records = kept


@mutant("retention.8", "race", trap="an append while a stream is enforced", also="retention.1")
class EnforcesWithAnOldCount(NewerStreams):
    """How many go is found first; then so many of whatever is the oldest."""

    async def enforce_retention(self, stream: str) -> None:
        for lane in self.lanes(self.name(stream, "enforce_retention")):
            number = len(self.outside(self.stream(lane), self.bounds(stream)))
            await step(2)
            self.drop(lane, [record.offset for record in self.stream(lane).records[:number]])


@mutant("retention.8", "skips", trap="a read that goes on while what it has given is removed")
class ReadsByPlace(NewerStreams):
    """A read knows how many it has given, not which."""

    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        log, end, given = self.stream(stream), self.stream(stream).end, 0
        place = log.at(start)
        while given != limit and place < len(log.records) and log.records[place].offset < end:
            yield log.records[place]
            place, given = place + 1, given + 1


@mutant("retention.8", "wrong error", trap="a read that goes on while what it is to give is removed")
class ReadsThatMissARecordFail(NewerStreams):
    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        log = self.stream(stream)
        for offset in [record.offset for record in log.records[log.at(start) :]][:limit]:
            record = log.find(offset)
            if record is None and offset >= log.floor:
                raise BackendUnavailable(f"zoo: read: {offset} is gone")
            if record is not None:
                yield record


@mutant("retention.8", "ends early", trap="a read that goes on while the record that is next is removed")
class ReadsEndAtWhatIsGone(NewerStreams):
    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        log = self.stream(stream)
        for offset in [record.offset for record in log.records[log.at(start) :]][:limit]:
            record = log.find(offset)
            if record is None:
                return
            yield record


@mutant("retention.8", "double", trap="a read that goes on while a stream is compacted")
class ReadsBeginAnewAfterACompaction(NewerStreams):
    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        log, end, given, place = self.stream(stream), self.stream(stream).end, 0, 0
        records = log.records
        while given != limit:
            if log.records is not records:
                records, place = log.records, 0
            if place < log.at(start):
                place = log.at(start)
            if place >= len(records) or records[place].offset >= end:
                return
            yield records[place]
            place, given = place + 1, given + 1


# retention.9: offsets


@mutant("retention.9", "stale", trap="all records removed", also="retention.11")
class LatestIsTheLastKept(NewerStreams):
    def latest(self, stream: str) -> int | None:
        log = self.stream(stream)
        if log.records or log.floor:
            return log.records[-1].offset if log.records else log.latest
        return None


@mutant("retention.9", "reuse", trap="all records removed, then an append")
class OffsetsBeginAgainInAnEmptyStream(NewerStreams):
    def drop(self, lane: str, offsets: Iterable[int]) -> None:
        super().drop(lane, offsets)
        log = self.stream(lane)
        if not log.records and not log.groups:
            log.latest = None if log.latest is None else -1

    def latest(self, stream: str) -> int | None:
        found = super().latest(stream)
        return None if found == -1 else found


@mutant("retention.9", "reuse", trap="a compaction of the last records' predecessors, then an append")
class OffsetsFollowTheNumberKept(NewerStreams):
    """The next offset is the number of records that there were, less those removed at the end of a compaction."""

    def new_offset(self, stream: str) -> int:
        log = self.stream(stream)
        removed = int(self.store.notes.get((self.namespace, stream, "removed"), 0))
        return max((log.records[-1].offset + 1 if log.records else 0), log.end - removed)

    def drop(self, lane: str, offsets: Iterable[int]) -> None:
        gone = set(offsets)
        if gone and len(gone) == len(self.stream(lane).records):
            self.store.notes[self.namespace, lane, "removed"] = len(gone)
        super().drop(lane, gone)


@mutant("retention.9", "confusion", trap="a trim after a compaction")
class TrimCountsFromTheOldest(NewerStreams):
    """Offsets are taken for places once there are holes."""

    def clamped(self, stream: str, before: int) -> int:
        log, bound = self.stream(stream), super().clamped(stream, before)
        if not log.records or bound <= log.records[0].offset:
            return bound
        place = bound - log.records[0].offset
        return log.records[place].offset if place < len(log.records) else log.end


@mutant("retention.9", "wrong value", trap="a trim of a stream whose oldest records were removed")
class TrimTellsTheOffsetAboveTheOldest(NewerStreams):
    """The lowest offset is counted back from the end by how many are kept."""

    def lowest(self, stream: str) -> int:
        log = self.stream(stream)
        return log.end - len(log.records)

    def place(self, stream: str, offset: int) -> int:
        return min(offset, self.stream(stream).end)


@mutant("retention.9", "missing case", trap="a trim below what was enforced")
class TrimIsIgnoredUnderBounds(NewerStreams):
    def clamped(self, stream: str, before: int) -> int:
        return 0 if self.bounds(stream) != Retention() else super().clamped(stream, before)


# retention.10: groups


class _Stuck(Member):
    def fresh(self, most: int) -> list[int]:
        at, log = self.state().position, self.driver.stream(self.stream)
        if log.find(at) is None and log.floor <= at < log.end:
            return []
        return super().fresh(most)


@mutant("retention.10", "blocked", trap="a group whose next record was removed", also="retention.2")
class GroupsWaitForWhatIsGone(NewerStreams):
    part_type = _Stuck


class _JumpsToTheEnd(Member):
    def fresh(self, most: int) -> list[int]:
        at, log = self.state().position, self.driver.stream(self.stream)
        if log.records and at < log.records[0].offset and at > 0:
            self.driver.apply(Change(self.stream, self.group, position=log.end))
        return super().fresh(most)


@mutant("retention.10", "lost", trap="a group that is behind what was removed")
class GroupsThatAreBehindJumpToTheEnd(NewerStreams):
    """As a reset of an offset out of range to the latest."""

    part_type = _JumpsToTheEnd


class _AcksWhatIsThere(Member):
    def confirm(self, delivery: RecordDelivery) -> None:
        if self.driver.stream(self.stream).find(delivery.record.offset) is None:
            raise NotFound(f"zoo: ack: {delivery.record.offset} is gone")
        super().confirm(delivery)


@mutant("retention.10", "wrong error", trap="an ack of what was removed while it was held")
class AcksOfWhatIsGoneFail(NewerStreams):
    part_type = _AcksWhatIsThere


class _NacksWhatIsThere(Member):
    def give_back(self, delivery: RecordDelivery, held: Held, delay_s: float) -> None:
        if self.driver.stream(self.stream).find(delivery.record.offset) is None:
            raise Conflict(f"zoo: nack: {delivery.record.offset} is gone")
        super().give_back(delivery, held, delay_s)


@mutant("retention.10", "wrong error", trap="a nack of what was removed while it was held")
class NacksOfWhatIsGoneFail(NewerStreams):
    part_type = _NacksWhatIsThere


class _AgainWithoutALook(Member):
    def again(self) -> list[int]:
        pending = sorted(self.state().pending.items())
        return [offset for offset, held in pending if not held.member and self.driver.over(held.due)]

    def take(self, most: int) -> list[RecordDelivery]:
        again = self.again()[:most]
        kept = [offset for offset in again if self.driver.stream(self.stream).find(offset) is not None]
        return self.deliver([*kept, *self.fresh(most - len(again))])


@mutant("retention.10", "blocked", trap="a nacked record that was removed, and a receive of one")
class WhatIsGoneTakesAPlaceInTheBatch(NewerStreams):
    """A place in each batch is for ever taken by what cannot be given."""

    part_type = _AgainWithoutALook
