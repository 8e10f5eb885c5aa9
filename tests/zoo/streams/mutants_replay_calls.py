"""Seeks that refuse too little or too much, that mix names up, are cancelled or forgotten in a kill."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from prism_testkit.interfaces import Conflict
from tests.zoo.declare import Mutant

from .declare import declaring_newer
from .newer import FileNewerStreams, NewerStreams
from .reference import Reading, step
from .stores import Change, FileStore, Group

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_newer(MUTANTS)


# replay.5: errors


@mutant("replay.5", "missing error", trap="a seek of a group that there is not")
class SeekOfNoGroupMakesOne(NewerStreams):
    def refuse_members(self, stream: str, group: str, operation: str) -> None:
        for lane in self.lanes(stream):
            if group not in self.stream(lane).groups:
                self.apply(Change(lane, group, create=0))
        super().refuse_members(stream, group, operation)


@mutant("replay.5", "missing error", trap="a seek of a group that there is not")
class SeekOfNoGroupIsQuiet(NewerStreams):
    def refuse_members(self, stream: str, group: str, operation: str) -> None:
        if group in self.stream(self.lanes(stream)[0]).groups:
            super().refuse_members(stream, group, operation)

    def move(self, group: str, places: Mapping[str, int]) -> None:
        super().move(group, {lane: place for lane, place in places.items() if group in self.stream(lane).groups})


@mutant("replay.5", "wrong error", trap="a seek to an instant, of a group that there is not")
class SeekInTimeOfNoGroupRaisesAKeyError(NewerStreams):
    def refuse_members(self, stream: str, group: str, operation: str) -> None:
        if operation == "seek_to_time":
            self.stream(self.lanes(stream)[0]).groups[group]
        super().refuse_members(stream, group, operation)


@mutant("replay.5", "wrong meaning", trap="a negative offset")
class NegativeOffsetsCountFromTheEnd(NewerStreams):
    async def seek(self, stream: str, group: str, offset: int) -> None:
        if isinstance(offset, int) and offset < 0:
            offset = max(0, self.stream(stream).end + offset)
        await super().seek(stream, group, offset)


@mutant("replay.5", "missing error", trap="a negative instant")
class NegativeInstantsAreTheFirst(NewerStreams):
    async def seek_to_time(self, stream: str, group: str, at_ms: int) -> None:
        await super().seek_to_time(stream, group, max(0, at_ms))


@mutant("replay.5", "missing error", trap="a float as an offset or as an instant")
class FloatsAreCut(NewerStreams):
    def whole(self, number: int, operation: str) -> int:
        return super().whole(int(number) if "seek" in operation and isinstance(number, float) else number, operation)


@mutant("replay.5", "missing error", trap="an offset that is a text of digits")
class DigitsAreNumbers(NewerStreams):
    async def seek(self, stream: str, group: str, offset: int) -> None:
        await super().seek(stream, group, int(offset) if isinstance(offset, str) else offset)


@mutant("replay.5", "too narrow", trap="an offset of 2**63 or more", also="replay.1")
class OffsetsAreOf64Bits(NewerStreams):
    async def seek(self, stream: str, group: str, offset: int) -> None:
        if isinstance(offset, int) and offset >= 1 << 63:
            raise OverflowError("Python int too large to convert to SQLite INTEGER")
        await super().seek(stream, group, offset)


@mutant("replay.5", "too narrow", trap="an instant that no datetime holds", also="replay.2")
class InstantsAreDatetimes(NewerStreams):
    async def seek_to_time(self, stream: str, group: str, at_ms: int) -> None:
        from datetime import UTC, datetime

        if isinstance(at_ms, int):
            datetime.fromtimestamp(at_ms / 1000, UTC)
        await super().seek_to_time(stream, group, at_ms)


@mutant("replay.5", "order", trap="a negative offset, with records pending")
class ForgetsBeforeItRefuses(NewerStreams):
    async def seek(self, stream: str, group: str, offset: int) -> None:
        if isinstance(offset, int) and offset < 0 and isinstance(group, str) and group in self.stream(stream).groups:
            self.apply(Change(stream, group, forget=True, position=0))
        await super().seek(stream, group, offset)


@mutant("replay.5", "repeat", trap="the same seek twice", also="replay.1 replay.2")
class RepeatsMoveOneFurther(NewerStreams):
    """A group that is at the place already is taken for one that got its record."""

    def move(self, group: str, places: Mapping[str, int]) -> None:
        super().move(
            group,
            {
                lane: min(place + 1, self.stream(lane).end) if self.group(lane, group).position == place else place
                for lane, place in places.items()
            },
        )


# replay.9: names


class _OneGroup(NewerStreams):
    """A seek finds its group by less than its name."""

    def alike(self, one: str, other: str) -> bool:
        raise NotImplementedError

    def move(self, group: str, places: Mapping[str, int]) -> None:
        for lane, place in places.items():
            first = next(name for name in self.stream(lane).groups if self.alike(name, group))
            super().move(first, {lane: place})


@mutant("replay.9", "alias", trap="two groups whose names differ in case", also="replay.6 replay.1")
class SeekFoldsCase(_OneGroup):
    def alike(self, one: str, other: str) -> bool:
        return one.casefold() == other.casefold()


@mutant("replay.9", "alias", trap="two groups whose names are one in NFC", also="replay.6 replay.1")
class SeekNormalises(_OneGroup):
    def alike(self, one: str, other: str) -> bool:
        return unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)


@mutant("replay.9", "truncation", trap="two groups of long names with one beginning", also="replay.6 replay.1")
class SeekCutsNamesAt64(_OneGroup):
    def alike(self, one: str, other: str) -> bool:
        return one[:64] == other[:64]


@mutant("replay.9", "leak", trap="a group of the same name in another namespace")
class SeekMovesEveryNamespace(NewerStreams):
    def move(self, group: str, places: Mapping[str, int]) -> None:
        super().move(group, places)
        for namespace, space in self.store.spaces.items():
            for lane in places:
                log = space.streams.get(lane)
                if namespace != self.namespace and log is not None and group in log.groups:
                    self.store.apply(namespace, [Change(lane, group, position=0, forget=True)])


@mutant("replay.9", "leak", trap="a stream of the same name in another namespace that was used first", also="replay.7")
class ReplayIsOfTheFirstNamespace(NewerStreams):
    async def span(self, stream: str, start: int, stop: int) -> Reading:
        first = next((space for space in self.store.spaces.values() if space.streams.get(stream)), self.space())
        records = first.stream(stream).records
        for record in [record for record in records if start <= record.offset < stop]:
            yield record


@mutant("replay.9", "missing check", trap="a seek of a name that is too long, or empty", also="replay.5")
class SeekChecksNoNames(NewerStreams):
    """What is illegal is a group that there is not."""

    def name(self, stream: str, operation: str) -> str:
        return stream if "seek" in operation else super().name(stream, operation)

    def group_name(self, group: str, operation: str) -> str:
        return group if "seek" in operation else super().group_name(group, operation)


@mutant("replay.9", "missing check", trap="a replay of a name that is illegal", also="replay.7")
class ReplayChecksNoNames(NewerStreams):
    def name(self, stream: str, operation: str) -> str:
        return stream if operation == "replay" else super().name(stream, operation)


# replay.10: cancellation


@mutant("replay.10", "partial effect", trap="a seek that is cancelled", also="replay.3 replay.4")
class ForgetsThenMoves(NewerStreams):
    """What was pending goes first, the position follows."""

    async def seek(self, stream: str, group: str, offset: int) -> None:
        name, label, at = self.name(stream, "seek"), self.group_name(group, "seek"), self.bound(offset, "seek")
        self.refuse_members(name, label, "seek")
        place = self.place(name, at)
        self.apply(Change(name, label, forget=True))
        await step()
        self.move(label, {name: place})


@mutant("replay.10", "partial effect", trap="a seek to an instant that is cancelled", also="replay.3 replay.4 consumer_groups.4")
class MovesThenForgets(NewerStreams):
    async def seek_to_time(self, stream: str, group: str, at_ms: int) -> None:
        operation = "seek_to_time"
        name, label, at = self.name(stream, operation), self.group_name(group, operation), self.bound(at_ms, operation)
        self.refuse_members(name, label, operation)
        place = self.place_in_time(name, at)
        self.apply(Change(name, label, position=place))
        await step(2)
        self.move(label, {name: place})


@mutant("replay.10", "lock kept", trap="a seek that is cancelled, then another")
class CancelledSeeksKeepTheirLock(NewerStreams):
    async def seek(self, stream: str, group: str, offset: int) -> None:
        locks = self.store.notes.setdefault((self.namespace, "locks"), set())
        if (stream, group) in locks:
            raise Conflict("zoo: seek: another one is under way")
        self.refuse_members(self.name(stream, "seek"), self.group_name(group, "seek"), "seek")
        locks.add((stream, group))
        await step()
        locks.discard((stream, group))
        await super().seek(stream, group, offset)


@mutant("replay.10", "half done", trap="a seek that is cancelled, then a join")
class CancelledSeeksLeaveNoGroup(NewerStreams):
    """A move is a deletion and a creation."""

    async def seek(self, stream: str, group: str, offset: int) -> None:
        name, label, at = self.name(stream, "seek"), self.group_name(group, "seek"), self.bound(offset, "seek")
        self.refuse_members(name, label, "seek")
        place = self.place(name, at)
        self.stream(name).groups.pop(label, None)
        await step()
        self.stream(name).groups[label] = Group(place)


# replay.11: SIGKILL

_KILL = "kill after a seek"


class _Logs(FileStore):
    """A move is logged as something else, or not at all."""

    def logged(self, namespace: str, change: Change) -> Change | None:
        raise NotImplementedError

    def write(self, namespace: str, changes: Sequence[Change]) -> None:
        kept = [self.logged(namespace, change) if change.forget else change for change in changes]
        super().write(namespace, [change for change in kept if change is not None])


@mutant("replay.11", "missing step", trap=_KILL)
class SeeksAreNotLogged(_Logs):
    def logged(self, namespace: str, change: Change) -> Change | None:
        return None


@mutant("replay.11", "partial", trap=f"{_KILL} of a group with pending records")
class WhatIsForgottenIsNotLogged(_Logs):
    def logged(self, namespace: str, change: Change) -> Change | None:
        return replace(change, forget=False)


@mutant("replay.11", "partial", trap=f"{_KILL} forward")
class OnlySeeksBackAreLogged(_Logs):
    def logged(self, namespace: str, change: Change) -> Change | None:
        at = self.space(namespace).stream(change.stream).groups[change.group].position
        return change if cast("int", change.position) <= at else None


@mutant("replay.11", "early acknowledgement", trap=f"{_KILL}, before the next change")
class SeeksAreLoggedWithTheNextChange(FileStore):
    late: tuple[Change, ...] = ()

    def write(self, namespace: str, changes: Sequence[Change]) -> None:
        moves = tuple(change for change in changes if change.forget)
        super().write(namespace, [*self.late, *(change for change in changes if not change.forget)])
        self.late = moves


@mutant("replay.11", "wrong value", trap=f"{_KILL} to the end, then appends by somebody else")
class ReplayedSeeksGoToTheOldest(_Logs):
    """The position in the log is a mark whose number is lost: forward of nothing."""

    def logged(self, namespace: str, change: Change) -> Change | None:
        return replace(change, position=0)


@mutant("replay.11", "missing step", trap="kill after a seek to an instant")
class SeeksInTimeAreNotLogged(FileNewerStreams):
    """They go by another way, past the log."""

    async def seek_to_time(self, stream: str, group: str, at_ms: int) -> None:
        log = cast("FileStore", self.store)
        log.write = lambda namespace, changes: None  # type: ignore[method-assign]
        try:
            await super().seek_to_time(stream, group, at_ms)
        finally:
            del log.write
