"""Mutants of `StreamConsumerGroups` whose groups meet, tell wrongly, are named wrongly, or leave members idle."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from prism_testkit.interfaces import AlreadyExists, GroupInfo, GroupNotFound, GroupStart, Record, RecordDelivery
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Member, Streams
from .stores import Change, Group, Held, Store

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


def _g(*numbers: int) -> str:
    return " ".join(f"consumer_groups.{number}" for number in numbers)


# 9: groups are independent


@mutant("consumer_groups.9", "shared position", trap="two groups of one stream", also=_g(1, 2, 11, 5, 6))
class GroupsShareAPosition(Streams):
    def group(self, stream: str, group: str) -> Group:
        found = super().group(stream, group)
        shared: Group = self.store.notes.setdefault((self.namespace, stream, "group"), found)
        found.position = shared.position = max(found.position, shared.position)
        return found


@mutant("consumer_groups.9", "shared acks", trap="an ack in one of two groups", also=_g(1, 6, 5))
class AckCountsForAllGroups(Member):
    def confirm(self, delivery: RecordDelivery) -> None:
        for group in self.driver.stream(self.stream).groups:
            self.driver.apply(Change(self.stream, group, offset=delivery.record.offset, held=Held(1, due=2.0**40)))
        super().confirm(delivery)

    def fresh(self, most: int) -> list[int]:
        pending = self.state().pending
        return [offset for offset in super().fresh(most) if pending.get(offset, Held(0)).due < 2.0**40]


@mutant(
    "consumer_groups.9", "removal", trap="all groups have acked, or one has: the record is gone", also=_g(1, 5) + " basic.4 basic.1"
)
class AckTrimsTheStream(Member):
    """A stream that is a queue: what is acked is removed."""

    def confirm(self, delivery: RecordDelivery) -> None:
        super().confirm(delivery)
        log = self.driver.stream(self.stream)
        log.records[:] = [record for record in log.records if record.offset != delivery.record.offset]


@mutant("consumer_groups.9", "shared labels", trap="two groups, one label", also=_g(4, 5, 8, 11, 1))
class LabelsAreOfTheStream(Member):
    """Leaving one group gives back what a member of that label holds in another."""

    def leave(self) -> None:
        super().leave()
        for name, group in self.driver.stream(self.stream).groups.items():
            for offset, held in list(group.pending.items()):
                if group.members.get(held.member) == self.consumer:
                    self.driver.apply(Change(self.stream, name, offset=offset, held=self.freed(held)))


# 11: group_info


class _Tells(Streams):
    def told(self, info: GroupInfo, group: Group) -> GroupInfo:
        raise NotImplementedError

    def info(self, stream: str, group: str) -> GroupInfo:
        return self.told(super().info(stream, group), self.group(stream, group))


@mutant("consumer_groups.11", "wrong count", trap="a record that is to come again")
class PendingCountsHeldOnly(_Tells):
    def told(self, info: GroupInfo, group: Group) -> GroupInfo:
        return replace(info, pending=sum(held.member > 0 for held in group.pending.values()))


@mutant("consumer_groups.11", "wrong count", trap="a record that is held")
class PendingCountsGivenBackOnly(_Tells):
    def told(self, info: GroupInfo, group: Group) -> GroupInfo:
        return replace(info, pending=sum(held.member == 0 for held in group.pending.values()))


@mutant("consumer_groups.11", "wrong count", trap="records that nobody was given")
class PendingCountsWhatWasNeverGiven(Streams):
    def info(self, stream: str, group: str) -> GroupInfo:
        info = super().info(stream, group)
        return replace(info, pending=info.pending + max(0, self.stream(stream).end - info.position))


@mutant("consumer_groups.11", "stale", trap="a member has left")
class MembersNeverLeave(_Tells):
    def told(self, info: GroupInfo, group: Group) -> GroupInfo:
        slot = id(group)
        self.store.notes[slot] = self.store.notes.get(slot, set()) | set(group.members)
        return replace(info, members=len(self.store.notes[slot]))


@mutant("consumer_groups.11", "wrong count", trap="two members under one label")
class MembersCountsLabels(_Tells):
    def told(self, info: GroupInfo, group: Group) -> GroupInfo:
        return replace(info, members=len(set(group.members.values())))


@mutant("consumer_groups.11", "boundary", trap="a record was given")
class PositionIsTheLastGiven(_Tells):
    def told(self, info: GroupInfo, group: Group) -> GroupInfo:
        return replace(info, position=max(0, info.position - 1))


@mutant("consumer_groups.11", "confusion", trap="a record is given and not acked")
class PositionIsTheLowestPending(_Tells):
    def told(self, info: GroupInfo, group: Group) -> GroupInfo:
        return replace(info, position=min([info.position, *group.pending]))


# 13: names and namespaces


class _GroupNames(Streams):
    def stored(self, group: str) -> str:
        raise NotImplementedError

    def group_name(self, group: str, operation: str) -> str:
        return self.stored(super().group_name(group, operation))


@mutant("consumer_groups.13", "folding", trap="groups whose names differ in case", also=_g(9, 2))
class GroupsFoldCase(_GroupNames):
    def stored(self, group: str) -> str:
        return group.casefold()


@mutant("consumer_groups.13", "truncation", trap="groups with long names", also=_g(9, 2))
class GroupsAreCutAt64(_GroupNames):
    def stored(self, group: str) -> str:
        return group[:64]


@mutant("consumer_groups.13", "joined names", trap="a stream and a group whose names joined are those of others", also=_g(9, 2, 1))
class JoinsNamesWithAColon(Streams):
    """Groups are kept under stream:group."""

    def group(self, stream: str, group: str) -> Group:
        found = self.store.notes.get((self.namespace, f"{stream}:{group}"))
        if found is None:
            raise GroupNotFound(f"zoo: {group[:40]!a}: no such group")
        self.stream(stream).groups[group] = found
        return found

    def refuse_again(self, stream: str, group: str) -> None:
        if (self.namespace, f"{stream}:{group}") in self.store.notes:
            raise AlreadyExists(f"zoo: create_group {group[:40]!a}")

    def apply(self, *changes: Change) -> None:
        super().apply(*changes)
        for change in changes:
            if change.create is not None:
                made = self.stream(change.stream).groups[change.group]
                self.store.notes[self.namespace, f"{change.stream}:{change.group}"] = made


@mutant("consumer_groups.13", "missing check", trap="an empty name of a consumer")
class TakesAnyConsumer(Streams):
    def consumer_name(self, consumer: str, operation: str) -> str:
        return consumer


@mutant("consumer_groups.13", "missing check", trap="a group with an empty or over-long name")
class TakesAnyGroup(Streams):
    def group_name(self, group: str, operation: str) -> str:
        return group


@mutant("consumer_groups.13", "order of steps", trap="a join that is refused for its consumer", also=_g(11))
class RefusedJoinIsAMember(Streams):
    @asynccontextmanager
    async def join(self, stream: str, group: str, consumer: str) -> AsyncIterator[Member]:
        name, label = self.name(stream, "join"), self.group_name(group, "join")
        member = self.member_type(self, name, label, consumer)
        member.enter()
        self.consumer_name(consumer, "join")
        try:
            yield member
        finally:
            member.leave()


@mutant(
    "consumer_groups.13", "aliasing", trap="a group with the name of its stream, or of another stream", also=_g(9, 1) + " basic.8"
)
class GroupsAreStreams(Streams):
    """A group leaves a stream of its own name behind, which reads as its last record."""

    async def create_group(self, stream: str, group: str, start: GroupStart = "earliest") -> None:
        await super().create_group(stream, group, start)
        if group != stream:
            self.insert(group, Record(self.new_offset(group), None, stream.encode(), {}, self.stamp(group)))


@mutant("consumer_groups.13", "scope", trap="one group of one stream in two namespaces", also=_g(2, 1, 9, 11) + " basic.11")
class GroupsForAllNamespaces(Streams):
    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)

    def refuse_again(self, stream: str, group: str) -> None:
        for space in list(self.store.spaces.values()):
            if stream in space.streams and group in space.streams[stream].groups:
                raise AlreadyExists(f"zoo: create_group {group[:40]!a}")


# 15: parallelism


@mutant("consumer_groups.15", "empty claim", trap="two members, both ask")
class OnlyTheFirstIsServed(Member):
    """Claims record, and one member gets everything."""

    def take(self, most: int) -> list[RecordDelivery]:
        return super().take(most) if self.id == min(self.state().members) else []

    def leave(self) -> None:
        super().leave()
        self.driver.store.wake()


@mutant("consumer_groups.15", "empty claim", trap="a member that holds a record, another one that asks", also=_g(10))
class HeldRecordsBlockOthers(Member):
    """While one member holds something, nobody else gets anything."""

    def take(self, most: int) -> list[RecordDelivery]:
        held = {one.member for one in self.state().pending.values() if one.member}
        return [] if held - {self.id} else super().take(most)

    def confirm(self, delivery: RecordDelivery) -> None:
        super().confirm(delivery)
        self.driver.store.wake()


@mutant("consumer_groups.15", "starvation", trap="three members", also=_g(10))
class ThirdMemberIsIdle(Member):
    def take(self, most: int) -> list[RecordDelivery]:
        return super().take(most) if self.id in sorted(self.state().members)[:2] else []


@mutant("consumer_groups.15", "prefetch", trap="a member that asked for one, and another", also=_g(10, 3, 1, 5, 11))
class TakesAllForItself(Member):
    """A receive takes up to a hundred records and gives what was asked; the rest waits in this member."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.ready: list[RecordDelivery] = []

    def take(self, most: int) -> list[RecordDelivery]:
        if not self.ready:
            self.ready = super().take(100)
        taken, self.ready = self.ready[:most], self.ready[most:]
        return taken
