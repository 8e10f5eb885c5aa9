"""Replays that give other records than they should, or leave something behind."""

from collections.abc import AsyncIterator
from dataclasses import replace

from prism_testkit.interfaces import BackendUnavailable, Conflict, NotFound, Record
from tests.zoo.declare import Mutant

from .declare import declaring_newer
from .newer import NewerStreams
from .reference import Reading
from .stores import Acked, Change

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_newer(MUTANTS)


# replay.7: what it gives


@mutant("replay.7", "boundary", trap="a stop before the end")
class StopIsIncluded(NewerStreams):
    def span(self, stream: str, start: int, stop: int) -> Reading:
        return super().span(stream, start, stop + 1 if stop > start else stop)


@mutant("replay.7", "boundary", trap="any replay")
class StartIsLeftOut(NewerStreams):
    def span(self, stream: str, start: int, stop: int) -> Reading:
        return super().span(stream, start + 1 if start else 0, stop)


@mutant("replay.7", "confusion", trap="a start above 0")
class StopIsALimit(NewerStreams):
    async def span(self, stream: str, start: int, stop: int) -> Reading:
        async for record in self.walk(stream, start, stop if stop > start else 0):
            yield record


@mutant("replay.7", "missing step", trap="a record with headers")
class ReplayLeavesHeadersOut(NewerStreams):
    async def span(self, stream: str, start: int, stop: int) -> Reading:
        async for record in super().span(stream, start, stop):
            yield replace(record, headers={})


@mutant("replay.7", "wrong value", trap="a record without a key")
class ReplayGivesEmptyKeys(NewerStreams):
    async def span(self, stream: str, start: int, stop: int) -> Reading:
        async for record in super().span(stream, start, stop):
            yield replace(record, key=record.key or "")


@mutant("replay.7", "wrong value", trap="time between the append and the replay")
class ReplaysStampAnew(NewerStreams):
    async def span(self, stream: str, start: int, stop: int) -> Reading:
        async for record in super().span(stream, start, stop):
            yield replace(record, appended_ms=self.store.clock.now_ms())


@mutant("replay.7", "renumbered", trap="a start above 0")
class ReplayNumbersFromTheStart(NewerStreams):
    """Offsets are counted from the first one given."""

    async def span(self, stream: str, start: int, stop: int) -> Reading:
        number = start
        async for record in super().span(stream, start, stop):
            yield replace(record, offset=number)
            number += 1


@mutant("replay.7", "wrong order", trap="a stop below the start")
class BoundsAreSwapped(NewerStreams):
    def span(self, stream: str, start: int, stop: int) -> Reading:
        return super().span(stream, min(start, stop), max(start, stop))


@mutant("replay.7", "wrong error", trap="a stop below the start")
class AnEmptySpanIsAnError(NewerStreams):
    def span(self, stream: str, start: int, stop: int) -> Reading:
        if stop < start:
            raise ValueError(f"zoo: replay: {stop} is before {start}")
        return super().span(stream, start, stop)


@mutant("replay.7", "wrong error", trap="a stream that was never used")
class AnUnusedStreamIsMissing(NewerStreams):
    def span(self, stream: str, start: int, stop: int) -> Reading:
        if self.stream(stream).latest is None:
            raise NotFound(f"zoo: replay: {stream[:40]!a}: no such stream")
        return super().span(stream, start, stop)


@mutant("replay.7", "missing error", trap="a negative stop")
class NegativeStopsCountFromTheEnd(NewerStreams):
    def replay(self, stream: str, start: int, stop: int) -> AsyncIterator[Record]:
        return super().replay(stream, start, max(0, self.stream(stream).end + stop) if stop < 0 else stop)


@mutant("replay.7", "missing error", trap="a negative start")
class NegativeStartsAreZero(NewerStreams):
    def replay(self, stream: str, start: int, stop: int) -> AsyncIterator[Record]:
        return super().replay(stream, max(0, start), stop)


@mutant("replay.7", "truncation", trap="more than 100 records")
class ReplayGivesOnePage(NewerStreams):
    async def span(self, stream: str, start: int, stop: int) -> Reading:
        given = 0
        async for record in super().span(stream, start, stop):
            given += 1
            if given > 100:
                return
            yield record


@mutant("replay.7", "hole", trap="a hole that compaction left")
class ReplayEndsAtAHole(NewerStreams):
    async def span(self, stream: str, start: int, stop: int) -> Reading:
        log = self.stream(stream)
        at = max(start, self.lowest(stream))
        while at < min(stop, log.end) and (record := log.find(at)) is not None:
            yield record
            at += 1


@mutant("replay.7", "stale", trap="a replay after a trim", also="replay.8")
class ReplayGivesWhatWasTrimmed(NewerStreams):
    """A cache of what was given before."""

    async def span(self, stream: str, start: int, stop: int) -> Reading:
        seen = self.store.notes.setdefault((self.namespace, stream, "seen"), {})
        seen |= {record.offset: record for record in self.stream(stream).records}
        for offset in sorted(seen):
            if start <= offset < stop:
                yield seen[offset]


@mutant("replay.7", "wrong instant", trap="an append between the call and the first step", also="replay.8")
class EndIsThatOfTheLastReplay(NewerStreams):
    """The end is looked up once a minute."""

    async def span(self, stream: str, start: int, stop: int) -> Reading:
        now = self.now()
        known, end = self.store.notes.get((self.namespace, stream, "end"), (0.0, 0))
        if now - known > 60 or not end:
            end = self.stream(stream).end
            self.store.notes[self.namespace, stream, "end"] = (now, end)
        async for record in super().span(stream, start, min(stop, end)):
            yield record


# replay.8: what it changes


@mutant("replay.8", "side effect", trap="a group, and a replay of what it has not got", also="replay.7")
class ReplayMovesTheGroups(NewerStreams):
    async def span(self, stream: str, start: int, stop: int) -> Reading:
        async for record in super().span(stream, start, stop):
            for name, group in self.stream(stream).groups.items():
                if group.position == record.offset:
                    self.apply(Change(stream, name, position=record.offset + 1))
            yield record


@mutant("replay.8", "side effect", trap="a replay of what a group holds")
class ReplayAcksWhatIsPending(NewerStreams):
    async def span(self, stream: str, start: int, stop: int) -> Reading:
        async for record in super().span(stream, start, stop):
            for name, group in self.stream(stream).groups.items():
                if record.offset in group.pending and not group.pending[record.offset].member:
                    self.apply(Change(stream, name, offset=record.offset, held=Acked()))
            yield record


@mutant("replay.8", "wrong condition", trap="a replay while a group has a member", also="replay.7")
class ReplayIsRefusedUnderMembers(NewerStreams):
    def span(self, stream: str, start: int, stop: int) -> Reading:
        if any(group.members for group in self.stream(stream).groups.values()):
            raise Conflict("zoo: replay: a group has members")
        return super().span(stream, start, stop)


@mutant("replay.8", "wrong condition", trap="a replay of what a member holds", also="replay.7")
class ReplayLeavesOutWhatIsHeld(NewerStreams):
    async def span(self, stream: str, start: int, stop: int) -> Reading:
        async for record in super().span(stream, start, stop):
            groups = self.stream(stream).groups.values()
            if not any(record.offset in group.pending and group.pending[record.offset].member for group in groups):
                yield record


@mutant("replay.8", "leak", trap="more than eight replays that are left early")
class ReplaysThatAreLeftKeepACursor(NewerStreams):
    """A cursor is given back at the end only."""

    async def span(self, stream: str, start: int, stop: int) -> Reading:
        cursors = self.store.notes.setdefault("cursors", [])
        if len(cursors) >= 8:
            raise BackendUnavailable("zoo: replay: too many cursors")
        cursors.append(stream)
        async for record in super().span(stream, start, stop):
            yield record
        cursors.remove(stream)


@mutant("replay.8", "lock kept", trap="a replay that is left early, then a seek")
class ReplaysThatAreLeftLockTheStream(NewerStreams):
    async def span(self, stream: str, start: int, stop: int) -> Reading:
        self.store.notes[self.namespace, stream, "reading"] = True
        async for record in super().span(stream, start, stop):
            yield record
        del self.store.notes[self.namespace, stream, "reading"]

    def refuse_members(self, stream: str, group: str, operation: str) -> None:
        super().refuse_members(stream, group, operation)
        if self.store.notes.get((self.namespace, stream, "reading")):
            raise Conflict(f"zoo: {operation}: somebody reads")


@mutant("replay.8", "shared state", trap="two replays of one client at once", also="replay.7")
class ReplaysShareTheirCursor(NewerStreams):
    _at = 0

    async def span(self, stream: str, start: int, stop: int) -> Reading:
        end, self._at = min(stop, self.stream(stream).end), start
        while (record := self.first(stream, self._at, end)) is not None:
            self._at = record.offset + 1
            yield record


@mutant("replay.8", "side effect", trap="a replay, then a read from the oldest")
class ReplayTrimsWhatIsBefore(NewerStreams):
    """A replay that begins behind the oldest drops what nobody needs."""

    async def span(self, stream: str, start: int, stop: int) -> Reading:
        if 0 < start < self.stream(stream).end and not self.stream(stream).groups:
            self.apply(Change(stream, trim=start))
        async for record in super().span(stream, start, stop):
            yield record
