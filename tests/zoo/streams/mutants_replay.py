"""Groups that are moved wrongly."""

from collections.abc import Mapping
from typing import Any

from tests.zoo.declare import Mutant

from .declare import declaring_newer
from .newer import LaneMember, NewerStreams
from .reference import Member
from .stores import Change, Stream

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_newer(MUTANTS)


# replay.1: to an offset


@mutant("replay.1", "boundary", trap="any seek")
class SeekGoesBehindTheOffset(NewerStreams):
    """The offset is taken for that of the last record that is done."""

    def place(self, stream: str, offset: int) -> int:
        return super().place(stream, offset + 1)


@mutant("replay.1", "missing case", trap="a seek forward, over records that were not given", also="replay.5")
class SeekOnlyGoesBack(NewerStreams):
    async def seek(self, stream: str, group: str, offset: int) -> None:
        await super().seek(stream, group, min(offset, self.group(stream, group).position) if isinstance(offset, int) else offset)


@mutant("replay.1", "missing case", trap="a seek back")
class SeekOnlyGoesOn(NewerStreams):
    """A position never goes down, as one that is kept with max()."""

    def move(self, group: str, places: Mapping[str, int]) -> None:
        super().move(group, {lane: max(place, self.group(lane, group).position) for lane, place in places.items()})


@mutant("replay.1", "missing clamp", trap="a seek beyond the end, then appends")
class SeekBeyondTheEndWaitsForTheOffset(NewerStreams):
    def place(self, stream: str, offset: int) -> int:
        return offset


@mutant("replay.1", "missing case", trap="a seek to an offset that was trimmed")
class SeekToWhatIsGoneDoesNothing(NewerStreams):
    def place(self, stream: str, offset: int) -> int:
        return super().place(stream, offset) if offset >= self.lowest(stream) else self._now

    async def seek(self, stream: str, group: str, offset: int) -> None:
        self._now = self.stream(stream).groups[group].position if group in self.stream(stream).groups else 0
        await super().seek(stream, group, offset)


class _RemembersAcks(LaneMember):
    def take(self, most: int) -> list[Any]:
        done = self.driver.store.notes.setdefault((self.driver.namespace, self.whole, self.group), set())
        found = super().take(most)
        again = [one for one in found if (one.record.partition, one.record.offset) in done]
        for one in again:
            super().confirm(one)
        return [one for one in found if one not in again]

    def confirm(self, delivery: Any) -> None:
        done = self.driver.store.notes.setdefault((self.driver.namespace, self.whole, self.group), set())
        done.add((delivery.record.partition, delivery.record.offset))
        super().confirm(delivery)


@mutant("replay.1", "stale", trap="a seek back to what was acked")
class AckedRecordsStayAcked(_RemembersAcks):
    """The set of acked offsets outlives a seek."""


@mutant("replay.1", "confusion", trap="a seek over a stream whose first offset is not 0")
class SeekCountsRecords(NewerStreams):
    """The offset is taken for a number of records from the oldest on."""

    def place(self, stream: str, offset: int) -> int:
        records = self.stream(stream).records
        return records[offset].offset if offset < len(records) else self.stream(stream).end


@mutant("replay.1", "boundary", trap="a seek to an offset in a hole that compaction left")
class SeekIntoAHoleGoesBefore(NewerStreams):
    """The last record at or before the offset, as a binary search on the right side finds it."""

    def place(self, stream: str, offset: int) -> int:
        log = self.stream(stream)
        if offset >= log.end or log.find(offset) is not None or not log.at(offset):
            return super().place(stream, offset)
        return log.records[log.at(offset) - 1].offset


@mutant("replay.1", "boundary", trap="a seek beyond the end")
class SeekBeyondTheEndGivesTheLast(NewerStreams):
    """Clamped to the last offset."""

    def place(self, stream: str, offset: int) -> int:
        return super().place(stream, min(offset, self.stream(stream).latest or 0))


@mutant("replay.1", "falsy", trap="a seek to 0")
class SeekToZeroIsNone(NewerStreams):
    async def seek(self, stream: str, group: str, offset: int) -> None:
        if offset:
            await super().seek(stream, group, offset)
        else:
            self.name(stream, "seek")
            self.refuse_members(stream, group, "seek")


class _WhatIsRepeatedComesBackwardsPart(Member):
    def fresh(self, most: int) -> list[int]:
        found = super().fresh(most)
        low, high = self.driver.store.notes.get((self.driver.namespace, self.stream, self.group), (0, 0))
        return sorted(found, reverse=True) if found and low <= found[0] < high else found


@mutant("replay.1", "order", trap="a seek back, several records at a time")
class WhatIsRepeatedComesBackwards(NewerStreams):
    """Offsets to repeat are pushed on a stack."""

    def move(self, group: str, places: Mapping[str, int]) -> None:
        old = {lane: self.group(lane, group).position for lane in places}
        super().move(group, places)
        for lane, place in places.items():
            self.store.notes[self.namespace, lane, group] = (place, old[lane])

    part_type = _WhatIsRepeatedComesBackwardsPart


class _AMovedGroupEndsWhereItWasPart(Member):
    def fresh(self, most: int) -> list[int]:
        end = self.driver.store.notes.get((self.driver.namespace, self.stream, self.group))
        found = super().fresh(most)
        if end is None or (found and found[-1] < end - 1):
            return found
        del self.driver.store.notes[self.driver.namespace, self.stream, self.group]
        self.driver.apply(Change(self.stream, self.group, position=self.driver.stream(self.stream).end))
        return [offset for offset in found if offset < end]


@mutant("replay.1", "lost", trap="a seek back, then appends")
class AMovedGroupEndsWhereItWas(NewerStreams):
    """Once everything that there was is given again, the position jumps over what was appended since."""

    def move(self, group: str, places: Mapping[str, int]) -> None:
        super().move(group, places)
        for lane in places:
            self.store.notes[self.namespace, lane, group] = self.stream(lane).end

    part_type = _AMovedGroupEndsWhereItWasPart


# replay.2: to an instant


class _Timed(NewerStreams):
    def found(self, log: Stream, at_ms: int) -> int | None:
        raise NotImplementedError

    def place_in_time(self, stream: str, at_ms: int) -> int:
        log = self.stream(stream)
        place = self.found(log, at_ms)
        return log.end if place is None else place


@mutant("replay.2", "boundary", trap="the very instant of a record")
class SeeksStrictlyLater(_Timed):
    def found(self, log: Stream, at_ms: int) -> int | None:
        return next((record.offset for record in log.records if record.appended_ms > at_ms), None)


@mutant("replay.2", "wrong side", trap="several records of one instant")
class SeeksTheLastOfAnInstant(_Timed):
    def found(self, log: Stream, at_ms: int) -> int | None:
        first = next((record for record in log.records if record.appended_ms >= at_ms), None)
        return first and max(record.offset for record in log.records if record.appended_ms == first.appended_ms)


@mutant("replay.2", "unit", trap="instants within one second")
class SeeksWholeSeconds(_Timed):
    def found(self, log: Stream, at_ms: int) -> int | None:
        return next((record.offset for record in log.records if record.appended_ms // 1000 >= at_ms // 1000), None)


@mutant("replay.2", "missing case", trap="an instant behind the last record")
class SeeksTheOldestIfThereIsNone(_Timed):
    def found(self, log: Stream, at_ms: int) -> int | None:
        return next((record.offset for record in log.records if record.appended_ms >= at_ms), 0)


class _WaitsForAnInstantToComePart(Member):
    def fresh(self, most: int) -> list[int]:
        since = self.driver.store.notes.get((self.driver.namespace, self.stream, self.group), 0)
        found = super().fresh(most)
        records = [self.driver.stream(self.stream).find(offset) for offset in found]
        return [record.offset for record in records if record is not None and record.appended_ms >= since]


@mutant("replay.2", "wrong meaning", trap="an instant that is yet to come, and records before it comes")
class WaitsForAnInstantToCome(NewerStreams):
    """A record that is appended before the instant is passed over."""

    async def seek_to_time(self, stream: str, group: str, at_ms: int) -> None:
        await super().seek_to_time(stream, group, at_ms)
        self.store.notes[self.namespace, stream, group] = at_ms

    part_type = _WaitsForAnInstantToComePart


@mutant("replay.2", "missing case", trap="an instant before the oldest record kept")
class SeeksNothingBeforeTheOldest(NewerStreams):
    """An instant outside of what the index knows leaves the group where it is."""

    async def seek_to_time(self, stream: str, group: str, at_ms: int) -> None:
        log = self.stream(stream) if isinstance(stream, str) else Stream()
        if log.records and 0 <= at_ms < log.records[0].appended_ms and group in log.groups:
            self.refuse_members(stream, group, "seek_to_time")
            return
        await super().seek_to_time(stream, group, at_ms)


@mutant("replay.2", "granularity", trap="more records than one index entry stands for, with time between")
class IndexOfTimeIsSparse(_Timed):
    """One entry stands for four records, and nobody scans from there on."""

    def found(self, log: Stream, at_ms: int) -> int | None:
        place = next((place for place, record in enumerate(log.records) if record.appended_ms >= at_ms), None)
        return None if place is None else log.records[place // 4 * 4].offset


@mutant("replay.2", "stale", trap="a second seek to an instant, after further appends")
class IndexOfTimeIsOfTheFirstSeek(NewerStreams):
    def place_in_time(self, stream: str, at_ms: int) -> int:
        log = self.stream(stream)
        index = self.store.notes.setdefault((self.namespace, stream), list(log.records))
        return next((record.offset for record in index if record.appended_ms >= at_ms), log.end)
