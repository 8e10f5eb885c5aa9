"""Groups over partitions, names of partitions, cancellation and kills."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from prism_testkit.interfaces import AlreadyExists, Bytes, GroupInfo, GroupStart, RecordDelivery
from tests.zoo.declare import Mutant

from .declare import declaring_newer
from .newer import LaneMember, NewerStreams
from .reference import Member, step
from .stores import Change, FileStore

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_newer(MUTANTS)


# partitioning.10: groups


class _FirstEight(LaneMember):
    def ordered(self) -> Sequence[Member]:
        return self.parts[:8]


@mutant("partitioning.10", "truncation", trap="more than eight partitions")
class GroupsCoverEightPartitions(NewerStreams):
    member_type = _FirstEight


class _OnePartitionEach(LaneMember):
    """A member has every second partition, also if it is alone."""

    def ordered(self) -> Sequence[Member]:
        return self.parts[self.id % 2 :: 2] if len(self.parts) > 1 else self.parts


@mutant("partitioning.10", "unassigned", trap="a single member and two partitions")
class APartitionHasNoMember(NewerStreams):
    member_type = _OnePartitionEach


class _AcksByOffset(LaneMember):
    def confirm(self, delivery: RecordDelivery) -> None:
        for part in self.parts:
            if delivery.record.offset in part.state().pending:
                part.confirm(delivery)


@mutant("partitioning.10", "aliasing", trap="records of one offset in two partitions, both held")
class AcksOfAnOffsetAreOfAllPartitions(NewerStreams):
    member_type = _AcksByOffset


@mutant("partitioning.10", "wrong count", trap="records that are held of two partitions")
class PendingIsOfTheFirstPartition(NewerStreams):
    def info(self, stream: str, group: str) -> GroupInfo:
        found = super().info(stream, group)
        return replace(
            found,
            pending=super(NewerStreams, self).info(stream, group).pending
            if self.count(stream) == 1
            else self._first(stream, group),
        )

    def _first(self, stream: str, group: str) -> int:
        return len(self.group(self.lanes(stream)[0], group).pending)


@mutant("partitioning.10", "wrong value", trap="group_info after deliveries")
class PositionsAreAddedUp(NewerStreams):
    def info(self, stream: str, group: str) -> GroupInfo:
        found = super().info(stream, group)
        lanes = self.lanes(stream)
        return replace(found, position=sum(self.group(lane, group).position for lane in lanes))


class _OneAtATime(LaneMember):
    def ordered(self) -> Sequence[Member]:
        held = [part for part in self.parts if any(one.member for one in part.state().pending.values())]
        return held[:1] or self.parts


@mutant("partitioning.10", "blocked", trap="a record that is held, and another partition with records")
class WhatIsHeldStopsOtherPartitions(NewerStreams):
    member_type = _OneAtATime


class _NoNumber(Member):
    def one(self, offset: int) -> RecordDelivery:
        found = super().one(offset)
        return replace(found, record=replace(found.record, partition=0))


class _FindsAnyway(LaneMember):
    def part(self, delivery: RecordDelivery) -> Member:
        held = [part for part in self.parts if any(one.token == delivery.token for one in part.state().pending.values())]
        return held[0] if held else self.parts[0]


@mutant("partitioning.10", "missing step", trap="a delivery of a partition that is not the first")
class DeliveriesTellNoPartition(NewerStreams):
    part_type = _NoNumber
    member_type = _FindsAnyway


class _Backwards(Member):
    def take(self, most: int) -> list[RecordDelivery]:
        return super().take(most)[::-1]


@mutant("partitioning.10", "order", trap="several records of a partition in one receive", also="consumer_groups.3")
class BatchesOfAPartitionAreReversed(NewerStreams):
    part_type = _Backwards


@mutant("partitioning.10", "wrong value", trap="a group from the latest on, partitions of different lengths")
class TheLatestIsThatOfTheLongest(NewerStreams):
    async def create_group(self, stream: str, group: str, start: GroupStart = "earliest") -> None:
        await super().create_group(stream, group, start)
        lanes = self.lanes(stream)
        if start == "latest":
            end = max(self.stream(lane).end for lane in lanes)
            self.apply(*(Change(lane, group, position=end) for lane in lanes))


class _NacksOfLaterPartitionsAreAcksMember(LaneMember):
    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        self.delay(delay_s)
        later = [one for one in deliveries if one.record.partition > 0]
        await super().nack(*(one for one in deliveries if one not in later), delay_s=delay_s)
        await super().ack(*later)


@mutant("partitioning.10", "missing case", trap="a record of a later partition that was nacked")
class NacksOfLaterPartitionsAreAcks(NewerStreams):
    member_type = _NacksOfLaterPartitionsAreAcksMember


# partitioning.11: names


@mutant("partitioning.11", "alias", trap="a stream that is named like a partition of another")
class PartitionsHaveNamesOfStreams(NewerStreams):
    def lane(self, stream: str, number: int) -> str:
        return f"{stream}-{number}"


@mutant("partitioning.11", "alias", trap="two partitioned streams whose names differ in case")
class PartitionsFoldCase(NewerStreams):
    def lane(self, stream: str, number: int) -> str:
        return super().lane(stream.casefold(), number)


@mutant("partitioning.11", "normalisation", trap="two partitioned streams whose names are one in NFC")
class PartitionsNormalise(NewerStreams):
    def lane(self, stream: str, number: int) -> str:
        return super().lane(unicodedata.normalize("NFC", stream), number)


@mutant("partitioning.11", "missing separator", trap="streams a and a1, with more than ten partitions")
class NumbersRunIntoTheName(NewerStreams):
    def lane(self, stream: str, number: int) -> str:
        return f"\udc00{stream}{number}"


@mutant("partitioning.11", "leak", trap="an equal stream in another namespace", also="partitioning.3 partitioning.1")
class PartitionsAreOfAllNamespaces(NewerStreams):
    def count(self, stream: str) -> int:
        return max(1, *(space.streams[stream].parts for space in self.store.spaces.values() if stream in space.streams), 0)


# partitioning.12: cancellation


@mutant("partitioning.12", "partial effect", trap="a creation that is cancelled", also="partitioning.3 partitioning.1")
class PartitionsAreMadeOneByOne(NewerStreams):
    async def create_partitioned(self, stream: str, n: int) -> None:
        name, many = self.name(stream, "create_partitioned"), self.many(n)
        if many == self.count(name):
            return
        self.refuse_parts(name)
        for number in range(2, many + 1):
            self.apply(Change(name, parts=number))
            await step()


@mutant("partitioning.12", "lock kept", trap="a creation that is cancelled, then another")
class CancelledCreationsKeepTheName(NewerStreams):
    async def create_partitioned(self, stream: str, n: int) -> None:
        names = self.store.notes.setdefault((self.namespace, "making"), set())
        if self.name(stream, "create_partitioned") in names:
            raise AlreadyExists("zoo: create_partitioned: somebody else makes it")
        self.many(n)
        names.add(stream)
        await step()
        names.discard(stream)
        await super().create_partitioned(stream, n)


@mutant("partitioning.12", "half a record", trap="an append to a partition that is cancelled")
class CancelledAppendsLeaveNoPayload(NewerStreams):
    async def append_to_partition(
        self, stream: str, partition: int, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> int:
        offset = await super().append_to_partition(stream, partition, payload, key, headers)
        log = self.stream(self.lanes(stream)[partition])
        whole = log.records[log.at(offset)]
        log.records[log.at(offset)] = replace(whole, payload=b"", headers={})
        await step()
        log.records[log.at(offset)] = whole
        return offset


@mutant("partitioning.12", "late effect", trap="an append to a partition that is cancelled, then another one")
class CancelledAppendsStayInTheBuffer(NewerStreams):
    """What a cancelled call left in the buffer of its partition is thrown away together with what is there behind it."""

    async def append_to_partition(
        self, stream: str, partition: int, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> int:
        lock = self.store.notes.setdefault((self.namespace, "buffer", stream, partition), [])
        self.number(self.name(stream, "append_to_partition"), partition, "append_to_partition")
        lock.append(payload)
        await step()
        torn = len(lock) > 1 and lock[0] is not payload
        lock.remove(payload)
        offset = self.stream(self.lanes(stream)[partition]).end
        return offset if torn else await super().append_to_partition(stream, partition, payload, key, headers)


# partitioning.13: SIGKILL


class _Logs(FileStore):
    def logged(self, change: Change) -> Change | None:
        raise NotImplementedError

    def write(self, namespace: str, changes: Sequence[Change]) -> None:
        super().write(namespace, [kept for change in changes if (kept := self.logged(change)) is not None])


@mutant("partitioning.13", "missing step", trap="kill after partitions were made")
class PartitionsAreNotLogged(_Logs):
    def logged(self, change: Change) -> Change | None:
        return None if change.parts is not None else change


@mutant("partitioning.13", "missing case", trap="kill after records in later partitions")
class OnlyTheFirstPartitionIsLogged(_Logs):
    def logged(self, change: Change) -> Change | None:
        later = change.record is not None and change.record.partition > 0
        return None if later else change


@mutant("partitioning.13", "early acknowledgement", trap="kill after a record in a partition, before the next")
class EachPartitionIsOneRecordLate(FileStore):
    late: tuple[Change, ...] = ()

    def write(self, namespace: str, changes: Sequence[Change]) -> None:
        keep = tuple(change for change in changes if change.record is not None and "\udc00" in change.stream)
        super().write(namespace, [*self.late, *(change for change in changes if change not in keep)] if keep else changes)
        self.late = keep or self.late


@mutant("partitioning.13", "renumbered", trap="kill after records in two partitions")
class PartitionsAreReplayedAsOne(_Logs):
    """The log has the offsets of the stream, counted again when it is replayed."""

    def replay(self, namespace: str, changes: Sequence[Change]) -> None:
        space = self.space(namespace)
        super().replay(
            namespace,
            [
                replace(change, record=replace(change.record, offset=self._next(space.streams, change)))
                if change.record is not None and "\udc00" in change.stream
                else change
                for change in changes
            ],
        )

    def _next(self, streams: Mapping[str, object], change: Change) -> int:
        whole = change.stream.partition("\udc00")[0]
        self.notes[whole] = self.notes.get(whole, -1) + 1
        return cast("int", self.notes[whole])

    def logged(self, change: Change) -> Change | None:
        return change


@mutant("partitioning.13", "wrong value", trap="kill, and a key that is appended again", store=FileStore)
class KeysAreDealtAnewAfterAKill(NewerStreams):
    """Where a key goes is kept in memory only."""

    traits = replace(NewerStreams.traits, durability="process", member_timeout_s=5.0)

    def choose(self, stream: str, key: str | None) -> int:
        if key is None or self.count(stream) == 1:
            return super().choose(stream, key)
        known = self.store.notes.setdefault((self.namespace, stream, "dealt"), {})
        return int(known.setdefault(key, len(known) % self.count(stream)))
