"""Mutants of strangers in moved groups: what a seek leaves to whoever comes next, and what another client knows of it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from prism_testkit.interfaces import Conflict, GroupInfo, Record, RecordDelivery
from tests.zoo.declare import Mutant

from .declare import declaring_newer
from .newer import LaneMember, NewerStreams
from .reference import Member, Reading
from .stores import Change, Held, Stream

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_newer(MUTANTS)


@mutant("replay.3", "truncation", trap="more than a hundred records pending", also="replay.1")
class ForgetsAHundred(NewerStreams):
    """What is pending is deleted in one batch of a hundred."""

    def move(self, group: str, places: Mapping[str, int]) -> None:
        old = {lane: sorted(self.group(lane, group).pending.items())[100:] for lane in places}
        super().move(group, places)
        for lane, left in old.items():
            self.apply(*(Change(lane, group, offset=offset, held=held) for offset, held in left))


@mutant("replay.2", "truncation", trap="an instant before the last 64 records")
class SeeksInTimeLookAtTheLastSixtyFour(NewerStreams):
    def place_in_time(self, stream: str, at_ms: int) -> int:
        log = self.stream(stream)
        return next((record.offset for record in log.records[-64:] if record.appended_ms >= at_ms), log.end)


@mutant("replay.2", "stale", trap="a seek to an instant after a trim")
class PlacesInTimeAreThoseBeforeTheTrim(NewerStreams):
    """Found is a place in the log as it was, and taken for one in what is left."""

    def place_in_time(self, stream: str, at_ms: int) -> int:
        log = self.stream(stream)
        gone = int(self.store.notes.get((self.namespace, stream, "gone"), 0))
        place = next((p for p, record in enumerate(log.records) if record.appended_ms >= at_ms), len(log.records)) + gone
        return log.records[place].offset if place < len(log.records) else log.end

    async def trim(self, stream: str, before: int) -> int:
        there = len(self.stream(self.name(stream, "trim")).records)
        found = await super().trim(stream, before)
        key = (self.namespace, stream, "gone")
        self.store.notes[key] = self.store.notes.get(key, 0) + there - len(self.stream(stream).records)
        return found


@mutant("replay.1", "sticky", trap="a second member after the seek", also="replay.3")
class EveryJoinSeeksAgain(NewerStreams):
    """Where a group was moved to is kept, and applied when somebody joins; it is never taken away."""

    def move(self, group: str, places: Mapping[str, int]) -> None:
        super().move(group, places)
        self.store.notes[self.namespace, group, "moved", *places] = True
        for lane, place in places.items():
            self.store.notes[self.namespace, lane, group, "to"] = place

    @asynccontextmanager
    async def join(self, stream: str, group: str, consumer: str) -> AsyncIterator[Member]:
        place = self.store.notes.get((self.namespace, stream, group, "to")) if isinstance(stream, str) else None
        async with super().join(stream, group, consumer) as member:
            if place is not None and len(self.group(stream, group).members) == 1:
                self.apply(Change(stream, group, position=place))
            yield member


class _CountsOnAfterANack(Member):
    def give_back(self, delivery: RecordDelivery, held: Held, delay_s: float) -> None:
        key = (self.driver.namespace, self.stream, self.group, delivery.record.offset, "count")
        count = max(held.count, self.driver.store.notes.get(key, 0) + 1)
        self.driver.store.notes[key] = count
        super().give_back(delivery, Held(count, held.member, held.token, held.due), delay_s)


@mutant("replay.3", "wrong count", trap="a record that was nacked before the seek and is nacked after it", also="consumer_groups.5")
class NacksCountOnBehindASeek(NewerStreams):
    """How often a record was given back is kept beside the group."""

    part_type = _CountsOnAfterANack


class _SleepsOn(LaneMember):
    async def pause(self, end: float) -> None:
        if self.driver.store.notes.get((self.driver.namespace, self.whole, self.group, "moved")):
            await self.driver.store.clock.sleep(max(0.0, end - self.driver.now()) + 1e-6)
        else:
            await super().pause(end)


@mutant("replay.1", "lost wake-up", trap="a member that waits in a group that was moved to the end", also="consumer_groups.10")
class MovedGroupsAreNotWoken(NewerStreams):
    """Who waits is known by the position that the group had."""

    member_type = _SleepsOn

    def move(self, group: str, places: Mapping[str, int]) -> None:
        super().move(group, places)
        for lane in places:
            self.store.notes[self.namespace, lane, group, "moved"] = True


@mutant("replay.7", "overflow", trap="a stop of 2**32 or a little more")
class StopsAreOf32Bits(NewerStreams):
    def span(self, stream: str, start: int, stop: int) -> Reading:
        return super().span(stream, start, stop & 0xFFFFFFFF if stop < 1 << 40 else stop)


@mutant("replay.3", "cache", trap="group_info by another client than the one that sought, which looked before")
class OtherClientsTellTheOldPosition(NewerStreams):
    """A look is kept until this client does something with the group."""

    async def group_info(self, stream: str, group: str) -> GroupInfo:
        found = await super().group_info(stream, group)
        known = self.store.notes.setdefault(("info", id(self), self.namespace), {})
        moves = self.store.notes.get((self.namespace, stream, group, "moves"), 0)
        old_moves, old = known.get((stream, group), (-1, found))
        if old_moves not in (-1, moves) and old.members == found.members == 0:
            known[stream, group] = (moves, found)
            return GroupInfo(0, 0, int(old.position))
        known[stream, group] = (moves, found)
        return found

    def move(self, group: str, places: Mapping[str, int]) -> None:
        super().move(group, places)
        for lane in places:
            key = (self.namespace, lane, group, "moves")
            self.store.notes[key] = self.store.notes.get(key, 0) + 1
            self.store.notes.setdefault(("info", id(self), self.namespace), {}).pop((lane, group), None)


@mutant("replay.7", "aliasing", trap="a reader that changes the headers of what it was given", also="replay.8")
class ReplaysGiveTheStoredHeaders(NewerStreams):
    async def replay(self, stream: str, start: int, stop: int) -> AsyncIterator[Record]:
        name, first, behind = self.name(stream, "replay"), self.bound(start, "replay"), self.bound(stop, "replay")
        self.ordinary(name, "replay")
        async for record in self.span(name, first, behind):
            yield record


@mutant("replay.1", "cache", trap="a seek beyond the end by a client that appended nothing since")
class TheEndIsThatOfOwnAppends(NewerStreams):
    """Each client keeps the end as of its own last append, or first look."""

    def place(self, stream: str, offset: int) -> int:
        log = self.stream(stream)
        end = self.store.notes.setdefault(("end", id(self), self.namespace, stream), log.end)
        return max(self.lowest(stream), min(offset, end if offset > log.end else log.end))

    def insert(self, stream: str, record: Record) -> int:
        found = super().insert(stream, record)
        self.store.notes["end", id(self), self.namespace, stream] = self.stream(stream).end
        return found


@mutant("replay.4", "half done", trap="a member whose body raised")
class MembersLeftByAnErrorCount(NewerStreams):
    """A count goes down behind the body, not in a finally."""

    def refuse_members(self, stream: str, group: str, operation: str) -> None:
        super().refuse_members(stream, group, operation)
        if self.store.notes.get((self.namespace, stream, group, "in"), 0):
            raise Conflict(f"zoo: {operation}: it has members")

    @asynccontextmanager
    async def join(self, stream: str, group: str, consumer: str) -> AsyncIterator[Member]:
        async with super().join(stream, group, consumer) as member:
            key = (self.namespace, stream, group, "in")
            self.store.notes[key] = self.store.notes.get(key, 0) + 1
            yield member
            self.store.notes[key] -= 1


@mutant("replay.4", "leak", trap="a member of the equal group in another namespace", also="replay.9")
class MembersOfOtherNamespacesCount(NewerStreams):
    def refuse_members(self, stream: str, group: str, operation: str) -> None:
        super().refuse_members(stream, group, operation)
        logs: list[Stream] = [space.streams[stream] for space in self.store.spaces.values() if stream in space.streams]
        if any(log.groups[group].members for log in logs if group in log.groups):
            raise Conflict(f"zoo: {operation}: it has members")
