"""What a move of a group leaves, forgets, or should have been refused for."""

from collections.abc import Mapping
from typing import Any

from prism_testkit.interfaces import Conflict, GroupInfo
from tests.zoo.declare import Mutant

from .declare import declaring_newer
from .newer import LaneMember, NewerStreams
from .reference import Member, step
from .stores import Change, Held

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_newer(MUTANTS)


# replay.3: what is forgotten


class _Keeps(NewerStreams):
    """Of what is pending something stays, or goes on."""

    def kept(self, pending: dict[int, Held], place: int) -> dict[int, Held]:
        raise NotImplementedError

    def move(self, group: str, places: Mapping[str, int]) -> None:
        old = {lane: dict(self.group(lane, group).pending) for lane in places}
        super().move(group, places)
        for lane, place in places.items():
            for offset, held in self.kept(old[lane], place).items():
                self.apply(Change(lane, group, offset=offset, held=held))


@mutant("replay.3", "missing step", trap="a seek of a group with pending records", also="replay.1")
class WhatWasPendingStaysPending(_Keeps):
    def kept(self, pending: dict[int, Held], place: int) -> dict[int, Held]:
        return pending


@mutant("replay.3", "partial", trap="a seek forward over pending records", also="replay.1")
class WhatIsPendingBeforeThePlaceStays(_Keeps):
    def kept(self, pending: dict[int, Held], place: int) -> dict[int, Held]:
        return {offset: held for offset, held in pending.items() if offset < place}


@mutant("replay.3", "partial", trap="a seek back, before pending records", also="replay.1")
class WhatIsPendingBehindThePlaceStays(_Keeps):
    def kept(self, pending: dict[int, Held], place: int) -> dict[int, Held]:
        return {offset: held for offset, held in pending.items() if offset >= place}


@mutant("replay.3", "partial", trap="a seek of a group with a nacked record that is delayed", also="replay.1")
class DelaysGoOn(_Keeps):
    """What is delayed is in a list of its own, which a seek does not empty."""

    def kept(self, pending: dict[int, Held], place: int) -> dict[int, Held]:
        return {offset: held for offset, held in pending.items() if not self.over(held.due)}


class _CountsOn(Member):
    def one(self, offset: int) -> Any:
        counts = self.driver.store.notes.setdefault((self.driver.namespace, self.stream, self.group, "counts"), {})
        pending = self.state().pending
        if offset not in pending and offset in counts:
            self.put(offset, Held(counts[offset]))
        found = super().one(offset)
        counts[offset] = found.delivery_count
        return found


@mutant("replay.3", "wrong count", trap="a record that was delivered before the seek and after it")
class CountsGoOnBehindASeek(_CountsOn):
    """Counts are kept beside what is pending, and by nothing else."""


@mutant("replay.3", "stale", trap="group_info after a seek")
class InfoTellsTheOldPosition(NewerStreams):
    """The highest position there ever was."""

    def info(self, stream: str, group: str) -> GroupInfo:
        found = super().info(stream, group)
        highest = max(found.position, self.store.notes.get((self.namespace, stream, group), 0))
        self.store.notes[self.namespace, stream, group] = highest
        return GroupInfo(found.members, found.pending, highest)

    def move(self, group: str, places: Mapping[str, int]) -> None:
        for lane in places:
            self.store.notes[self.namespace, lane, group] = self.group(lane, group).position
        super().move(group, places)


@mutant("replay.3", "boundary", trap="group_info after a seek to the end, then an append")
class InfoTellsWhatWasAskedFor(NewerStreams):
    """The position is the offset of the call until something is delivered."""

    def move(self, group: str, places: Mapping[str, int]) -> None:
        super().move(group, places)
        for lane, place in places.items():
            self.store.notes[self.namespace, lane, group] = (place, self._asked)

    _asked = 0

    async def seek(self, stream: str, group: str, offset: int) -> None:
        self._asked = offset
        await super().seek(stream, group, offset)

    def info(self, stream: str, group: str) -> GroupInfo:
        found = super().info(stream, group)
        place, asked = self.store.notes.get((self.namespace, stream, group), (-1, 0))
        return GroupInfo(found.members, found.pending, asked if place == found.position else found.position)


# replay.4: members


@mutant("replay.4", "missing step", trap="a seek while there is a member")
class SeeksUnderMembers(NewerStreams):
    def refuse_members(self, stream: str, group: str, operation: str) -> None:
        self.group(self.lanes(stream)[0], group)


@mutant("replay.4", "missing step", trap="a seek to an instant while there is a member")
class SeeksInTimeUnderMembers(NewerStreams):
    def refuse_members(self, stream: str, group: str, operation: str) -> None:
        if operation == "seek":
            super().refuse_members(stream, group, operation)
        self.group(self.lanes(stream)[0], group)


@mutant("replay.4", "wrong condition", trap="a member that holds nothing")
class OnlyMembersThatHoldSomethingCount(NewerStreams):
    def refuse_members(self, stream: str, group: str, operation: str) -> None:
        found = [self.group(lane, group) for lane in self.lanes(stream)]
        if any(held.member for one in found for held in one.pending.values()):
            super().refuse_members(stream, group, operation)


@mutant("replay.4", "order", trap="a seek while there is a member, then a look at what came of it")
class MovesAndThenRefuses(NewerStreams):
    def refuse_members(self, stream: str, group: str, operation: str) -> None:
        self.group(self.lanes(stream)[0], group)

    def move(self, group: str, places: Mapping[str, int]) -> None:
        super().move(group, places)
        for lane in places:
            super().refuse_members(lane.partition("\udc00")[0], group, "seek")
            return


@mutant("replay.4", "race", trap="a join at the same time as a seek", also="replay.3")
class JoinsBetweenLookAndMove(NewerStreams):
    """The look at the members and the move are two steps; a member that came between gets what is not there any more."""

    async def seek(self, stream: str, group: str, offset: int) -> None:
        self.bound(offset, "seek")
        self.refuse_members(self.name(stream, "seek"), self.group_name(group, "seek"), "seek")
        await step(3)
        self.move(group, {stream: self.place(stream, offset)})


@mutant("replay.4", "scope", trap="a member of another group of the stream", also="replay.6")
class MembersOfOtherGroupsCount(NewerStreams):
    def refuse_members(self, stream: str, group: str, operation: str) -> None:
        self.group(self.lanes(stream)[0], group)
        for other in self.stream(self.lanes(stream)[0]).groups:
            super().refuse_members(stream, other, operation)


class _MembersAreCountedByLabelMember(LaneMember):
    def enter(self) -> None:
        super().enter()
        self.driver.store.notes.setdefault((self.driver.namespace, self.whole, self.group), set()).add(self.consumer)

    def leave(self) -> None:
        super().leave()
        self.driver.store.notes.setdefault((self.driver.namespace, self.whole, self.group), set()).discard(self.consumer)


@mutant("replay.4", "wrong count", trap="two members under one label, of which one has left")
class MembersAreCountedByLabel(NewerStreams):
    """A set of labels: the first that leaves takes the label along."""

    def refuse_members(self, stream: str, group: str, operation: str) -> None:
        found = self.group(self.lanes(stream)[0], group)
        labels = self.store.notes.get((self.namespace, stream, group), set())
        if found.members and labels:
            raise Conflict("zoo: members")

    member_type = _MembersAreCountedByLabelMember


class _OnlyOwnMembersCountMember(LaneMember):
    def enter(self) -> None:
        super().enter()
        self.driver.store.notes.setdefault(("mine", id(self.driver)), set()).add(self.id)


@mutant("replay.4", "cache", trap="a member of another client")
class OnlyOwnMembersCount(NewerStreams):
    """Members are known to the client that they joined through."""

    def refuse_members(self, stream: str, group: str, operation: str) -> None:
        found = self.group(self.lanes(stream)[0], group)
        mine = self.store.notes.get(("mine", id(self)), set())
        if mine & found.members.keys():
            raise Conflict("zoo: members")

    member_type = _OnlyOwnMembersCountMember


@mutant("replay.4", "stale", trap="a seek after a member was left that held something")
class LeftHoldersCountAsMembers(NewerStreams):
    def refuse_members(self, stream: str, group: str, operation: str) -> None:
        super().refuse_members(stream, group, operation)
        if any(self.group(lane, group).pending for lane in self.lanes(stream)):
            raise Conflict("zoo: something is pending")


# replay.6: what stays


@mutant("replay.6", "scope", trap="two groups of one stream", also="replay.1")
class MovesAllGroups(NewerStreams):
    def move(self, group: str, places: Mapping[str, int]) -> None:
        for lane, place in places.items():
            for other in self.stream(lane).groups:
                super().move(other, {lane: place})


@mutant("replay.6", "side effect", trap="a seek forward, then a read from the oldest", also="replay.7")
class SeekTrimsWhatIsBefore(NewerStreams):
    def move(self, group: str, places: Mapping[str, int]) -> None:
        super().move(group, places)
        if len(places) == 1:
            self.apply(*(Change(lane, trim=place) for lane, place in places.items()))


@mutant("replay.6", "wrong end", trap="a seek beyond the end, then latest_offset", also="replay.1")
class SeekBeyondTheEndMovesTheEnd(NewerStreams):
    def place(self, stream: str, offset: int) -> int:
        log = self.stream(stream)
        if log.latest is not None and offset > log.end:
            log.latest = offset
        return super().place(stream, offset)


@mutant("replay.6", "scope", trap="a group of the same name of another stream", also="replay.9")
class MovesTheGroupInAllStreams(NewerStreams):
    def move(self, group: str, places: Mapping[str, int]) -> None:
        super().move(group, places)
        for name, log in self.space().streams.items():
            if group in log.groups and name not in places:
                self.apply(Change(name, group, position=min(*places.values(), log.end) if len(places) > 1 else 0))


@mutant("replay.6", "scope", trap="another group of the stream with pending records")
class ForgetsWhatOtherGroupsHold(NewerStreams):
    def move(self, group: str, places: Mapping[str, int]) -> None:
        super().move(group, places)
        self.apply(*(Change(lane, other, forget=True) for lane in places for other in self.stream(lane).groups))
