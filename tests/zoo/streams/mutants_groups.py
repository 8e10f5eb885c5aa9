"""Mutants of `StreamConsumerGroups` whose groups begin, deal or hold wrongly."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from prism_testkit.interfaces import AlreadyExists, GroupInfo, GroupNotFound, GroupStart, Record, RecordDelivery
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Member, Streams, step
from .stores import Change, Held

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


def _g(*numbers: int) -> str:
    return " ".join(f"consumer_groups.{number}" for number in numbers)


# 1: a group gets every record from its start on


@mutant("consumer_groups.1", "boundary", trap="a group that begins with latest", also=_g(11))
class LatestGivesTheLast(Streams):
    def begin(self, stream: str, start: GroupStart) -> int:
        return max(0, super().begin(stream, start) - 1) if start == "latest" else super().begin(stream, start)


@mutant("consumer_groups.1", "boundary", trap="a group that begins with latest", also=_g(11))
class LatestSkipsTheNext(Streams):
    def begin(self, stream: str, start: GroupStart) -> int:
        return super().begin(stream, start) + 1 if start == "latest" else super().begin(stream, start)


@mutant("consumer_groups.1", "wrong moment", trap="appends between create_group and the first receive", also=_g(11, 9))
class LatestAsOfTheFirstReceive(Streams):
    """What is appended before somebody joins is not given."""

    def begin(self, stream: str, start: GroupStart) -> int:
        if start == "latest":
            self.store.notes[self.namespace, stream, "late"] = True
        return super().begin(stream, start)

    @asynccontextmanager
    async def join(self, stream: str, group: str, consumer: str) -> AsyncIterator[Member]:
        async with super().join(stream, group, consumer) as member:
            if self.store.notes.pop((self.namespace, stream, "late"), False):
                self.apply(Change(stream, group, position=self.stream(stream).end))
            yield member


@mutant("consumer_groups.1", "boundary", trap="a group that begins at an offset", also=_g(11))
class StartsBehindTheOffset(Streams):
    def begin(self, stream: str, start: GroupStart) -> int:
        return super().begin(stream, start) + (start != 0) if isinstance(start, int) else super().begin(stream, start)


@mutant("consumer_groups.1", "clamped", trap="an offset beyond the end", also=_g(11))
class OffsetBeyondTheEndIsTheEnd(Streams):
    def begin(self, stream: str, start: GroupStart) -> int:
        return min(super().begin(stream, start), self.stream(stream).end)


@mutant("consumer_groups.1", "confusion", trap="a group that begins at offset 0", also=_g(11))
class OffsetZeroIsLatest(Streams):
    def begin(self, stream: str, start: GroupStart) -> int:
        return super().begin(stream, "latest" if start == 0 else start)


@mutant("consumer_groups.1", "skipped", trap="an append during a receive of several", also=_g(5))
class SkipsWhatComesBetween(Member):
    """The position is the end of the stream as of the answer, which is later than what was taken."""

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        found = await super().receive(max_records, timeout_s)
        end = self.driver.stream(self.stream).end
        if found and len(found) < max_records:
            await step()
            now = self.driver.stream(self.stream).end
            if now > end and self.state().position == end:
                self.driver.apply(Change(self.stream, self.group, position=now))
        return found


@mutant("consumer_groups.1", "skipped", trap="several records, taken one at a time", also=_g(10, 3, 11, 5))
class PositionIsTheEnd(Member):
    """Whatever was taken, the position goes to the end."""

    def fresh(self, most: int) -> list[int]:
        found = super().fresh(most)
        if found:
            self.driver.apply(Change(self.stream, self.group, position=self.driver.stream(self.stream).end))
        return found


@mutant("consumer_groups.1", "shared", trap="two members", also=_g(4, 15, 6))
class EveryMemberGetsAll(Member):
    """A position for each member: a fan-out."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.at = -1

    def fresh(self, most: int) -> list[int]:
        if self.at < 0:
            self.at = self.driver.store.notes.setdefault((self.driver.namespace, self.stream, self.group), self.state().position)
        self.driver.apply(Change(self.stream, self.group, position=self.at))
        found = super().fresh(most)
        self.at = max(self.at, self.state().position)
        return found


@mutant("consumer_groups.1", "race", trap="two members receive at once", also=_g(4, 6, 5))
class ReadsThePositionThenWrites(Member):
    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        self.check_open("receive")
        before = self.state().position
        await step()
        if not self.again() and self.state().position != before:
            self.driver.apply(Change(self.stream, self.group, position=before))
        return await super().receive(max_records, timeout_s)


@mutant("consumer_groups.1", "wrong value", trap="gaps in the offsets, or a trim before the group begins", also=_g(12, 10))
class ExpectsDenseOffsets(Member):
    """A hole in the offsets stops the group."""

    def fresh(self, most: int) -> list[int]:
        if self.driver.stream(self.stream).records and self.driver.stream(self.stream).find(self.state().position) is None:
            return []
        return super().fresh(most)

    def again(self) -> list[int]:
        return super().again()


# 2: creation


@mutant("consumer_groups.2", "missing check", trap="a group created twice", also=_g(6, 9, 11))
class CreateOverwrites(Streams):
    def refuse_again(self, stream: str, group: str) -> None: ...


@mutant("consumer_groups.2", "order of steps", trap="a group created twice with another start", also=_g(6, 1, 5, 11))
class RefusedCreateMovesThePosition(Streams):
    """Tells the truth, and has overwritten it."""

    async def create_group(self, stream: str, group: str, start: GroupStart = "earliest") -> None:
        if stream and group in self.stream(stream).groups and start != "earliest":
            self.apply(Change(stream, group, position=self.begin(stream, start)))
        await super().create_group(stream, group, start)


@mutant("consumer_groups.2", "silence", trap="a group created twice")
class CreateAgainIsSilent(Streams):
    async def create_group(self, stream: str, group: str, start: GroupStart = "earliest") -> None:
        try:
            await super().create_group(stream, group, start)
        except AlreadyExists:
            self.group(stream, group)


@mutant("consumer_groups.2", "race", trap="two creations at once")
class ChecksThenCreates(Streams):
    async def create_group(self, stream: str, group: str, start: GroupStart = "earliest") -> None:
        name, label = self.name(stream, "create_group"), self.group_name(group, "create_group")
        position = self.begin(name, start)
        self.refuse_again(name, label)
        await step()
        self.apply(Change(name, label, create=position))


@mutant("consumer_groups.2", "implicit", trap="join of a missing group", also=_g(13))
class JoinMakesTheGroup(Streams):
    @asynccontextmanager
    async def join(self, stream: str, group: str, consumer: str) -> AsyncIterator[Member]:
        name, label = self.name(stream, "join"), self.group_name(group, "join")
        if label not in self.stream(name).groups:
            await self.create_group(name, label)
        async with super().join(stream, group, consumer) as member:
            yield member


@mutant("consumer_groups.2", "late check", trap="join of a missing group, nothing received")
class JoinChecksAtTheFirstReceive(Member):
    def enter(self) -> None:
        try:
            super().enter()
        except GroupNotFound:
            self.id = -1

    def leave(self) -> None:
        if self.id < 0:
            self.left = True
        else:
            super().leave()


@mutant("consumer_groups.2", "wrong value", trap="group_info of a missing group")
class InfoOfNothingIsZero(Streams):
    def info(self, stream: str, group: str) -> GroupInfo:
        return super().info(stream, group) if group in self.stream(stream).groups else GroupInfo(0, 0, 0)


@mutant("consumer_groups.2", "missing check", trap="a start that is another text")
class AnyTextIsEarliest(Streams):
    def begin(self, stream: str, start: GroupStart) -> int:
        return super().begin(stream, start if start == "latest" or isinstance(start, int) else "earliest")


@mutant("consumer_groups.2", "missing check", trap="a negative offset")
class NegativeOffsetIsEarliest(Streams):
    def begin(self, stream: str, start: GroupStart) -> int:
        return super().begin(stream, max(0, start) if isinstance(start, int) else start)


@mutant("consumer_groups.2", "wrong error", trap="a group of a stream that was never used", also=_g(1))
class GroupNeedsTheStream(Streams):
    async def create_group(self, stream: str, group: str, start: GroupStart = "earliest") -> None:
        if self.name(stream, "create_group") not in self.space().streams:
            raise GroupNotFound(f"zoo: create_group: no stream {stream[:40]!a}")
        await super().create_group(stream, group, start)


# 3: contents and order


class _Shows(Member):
    """What a member is given is not what was appended."""

    def other(self, record: Record) -> Record:
        raise NotImplementedError

    def one(self, offset: int) -> RecordDelivery:
        delivery = super().one(offset)
        return replace(delivery, record=self.other(delivery.record))


@mutant("consumer_groups.3", "missing step", trap="a key, received in a group")
class MembersGetNoKey(_Shows):
    def other(self, record: Record) -> Record:
        return replace(record, key=None)


@mutant("consumer_groups.3", "falsy", trap="no key, received in a group")
class MembersGetEmptyKeys(_Shows):
    def other(self, record: Record) -> Record:
        return replace(record, key=record.key or "")


@mutant("consumer_groups.3", "missing step", trap="headers, received in a group")
class MembersGetNoHeaders(_Shows):
    def other(self, record: Record) -> Record:
        return replace(record, headers={})


@mutant("consumer_groups.3", "missing step", trap="headers of a record that comes again", also=_g(5))
class HeadersAreLostInRedelivery(Member):
    def one(self, offset: int) -> RecordDelivery:
        delivery = super().one(offset)
        return delivery if delivery.delivery_count == 1 else replace(delivery, record=replace(delivery.record, headers={}))


@mutant("consumer_groups.3", "confusion", trap="a group of a trimmed stream", also=_g(12))
class OffsetsCountInTheGroup(Member):
    """The offset is the place of the delivery in the group."""

    def one(self, offset: int) -> RecordDelivery:
        slot = self.driver.namespace, self.stream, self.group, "place"
        places = self.driver.store.notes.setdefault(slot, {})
        self.driver.store.notes[slot, places.setdefault(offset, len(places))] = offset
        delivery = super().one(offset)
        return replace(delivery, record=replace(delivery.record, offset=places[offset]))

    def held(self, delivery: RecordDelivery) -> Held | None:
        pending = self.state().pending
        return next((one for one in pending.values() if one.token == delivery.token and self.holds(one)), None)

    def confirm(self, delivery: RecordDelivery) -> None:
        super().confirm(self.real(delivery))

    def give_back(self, delivery: RecordDelivery, held: Held, delay_s: float) -> None:
        super().give_back(self.real(delivery), held, delay_s)

    def real(self, delivery: RecordDelivery) -> RecordDelivery:
        slot = self.driver.namespace, self.stream, self.group, "place"
        offset = self.driver.store.notes[slot, delivery.record.offset]
        return replace(delivery, record=replace(delivery.record, offset=offset))


@mutant("consumer_groups.3", "order", trap="several records in one receive")
class GivesABatchBackwards(Member):
    def deliver(self, offsets: object) -> list[RecordDelivery]:
        return super().deliver(list(offsets))[::-1]  # type: ignore[call-overload]


@mutant("consumer_groups.3", "order", trap="ten records")
class GivesInTheOrderOfText(Member):
    def deliver(self, offsets: object) -> list[RecordDelivery]:
        return super().deliver(sorted(offsets, key=str))  # type: ignore[call-overload]


# 4: who holds a record


@mutant("consumer_groups.4", "boundary", trap="a slow member, another one receives a minute later", also=_g(5, 8, 6, 1, 11))
class RevokesAfterThirtySeconds(Member):
    """A visibility timeout: the member lives and stays, and loses what it holds."""

    def again(self) -> list[int]:
        now = self.driver.now()
        for offset, held in list(self.state().pending.items()):
            since = self.driver.store.notes.get(held.token, now)
            if held.member and now - since > 30:
                self.put(offset, self.freed(held))
        return super().again()

    def one(self, offset: int) -> RecordDelivery:
        delivery = super().one(offset)
        self.driver.store.notes[delivery.token] = self.driver.now()
        return delivery


@mutant("consumer_groups.4", "aliasing", trap="two members under one label", also=_g(1, 5, 11, 14, 6, 8))
class OneMemberPerLabel(Member):
    """A join under a label in use takes over the records of the one that lives."""

    def enter(self) -> None:
        super().enter()
        state = self.state()
        for other in [one for one, label in state.members.items() if label == self.consumer and one != self.id]:
            for offset, held in list(state.pending.items()):
                if held.member == other:
                    self.put(offset, self.freed(held))


@mutant("consumer_groups.4", "aliasing", trap="one of two members under one label leaves", also=_g(5, 11, 6, 8, 1))
class LeavingFreesTheLabel(Member):
    """What anyone under this label holds is given back."""

    def leave(self) -> None:
        state = self.state()
        same = {one for one, label in state.members.items() if label == self.consumer}
        for offset, held in list(state.pending.items()):
            if held.member in same:
                self.put(offset, self.freed(held))
        super().leave()


@mutant("consumer_groups.4", "eager", trap="a member joins while another one holds records", also=_g(5, 8, 6, 1, 11))
class JoinRebalancesEverything(Member):
    """A new member: all that is held is dealt again."""

    def enter(self) -> None:
        super().enter()
        for offset, held in list(self.state().pending.items()):
            self.put(offset, self.freed(held))


@mutant("consumer_groups.4", "aliasing", trap="a label in use, joined again", also=_g(11))
class JoinUnderALabelInUseIsRefused(Member):
    def enter(self) -> None:
        if self.consumer in self.state().members.values():
            raise AlreadyExists(f"zoo: join {self.consumer[:40]!a}")
        super().enter()


@mutant("consumer_groups.4", "eager", trap="a member asks again before it has acked", also=_g(5, 6, 10, 1, 3, 11))
class ReceiveGivesBackWhatIsHeld(Member):
    """A receive begins with what this member has not acked yet."""

    def again(self) -> list[int]:
        mine = [offset for offset, held in self.state().pending.items() if self.holds(held)]
        return sorted({*mine, *super().again()})
