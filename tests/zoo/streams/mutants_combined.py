"""Mutants of two things together: groups and what was removed, parts and groups, parts and bounds, moves and holes."""

from collections.abc import Sequence
from dataclasses import replace

from prism_testkit.interfaces import GroupInfo, GroupNotFound, GroupStart, RecordDelivery, Retention
from tests.zoo.declare import Mutant

from .declare import declaring, declaring_newer
from .lanes import LaneMember
from .newer import NewerStreams
from .reference import Member, Streams
from .stores import Change, FileStore, Held, Stream

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)
newer = declaring_newer(MUTANTS)


# Groups, and what was trimmed while it was held


class _Gone(Member):
    def gone(self, delivery: RecordDelivery) -> bool:
        return self.driver.stream(self.stream).find(delivery.record.offset) is None


@mutant("consumer_groups.12", "wrong end", trap="an ack of several, the first of which was trimmed", also="consumer_groups.11")
class AnAckEndsWithTheFirstThatIsGone(_Gone):
    async def ack(self, *deliveries: RecordDelivery) -> None:
        kept = next((number for number, one in enumerate(deliveries) if self.gone(one)), len(deliveries))
        await super().ack(*deliveries[:kept])


@mutant("consumer_groups.12", "wrong end", trap="a nack of several, the first of which was trimmed", also="consumer_groups.5")
class ANackEndsWithTheFirstThatIsGone(_Gone):
    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        kept = next((number for number, one in enumerate(deliveries) if self.gone(one)), len(deliveries))
        await super().nack(*deliveries[:kept], delay_s=delay_s)


@mutant("consumer_groups.12", "wrong end", trap="leaving with several, the first of which was trimmed", also="consumer_groups.5")
class LeavingEndsWithTheFirstThatIsGone(Member):
    def leave(self) -> None:
        log = self.driver.stream(self.stream)
        held = sorted((o, one) for o, one in self.state().pending.items() if self.holds(one))
        cut = next((o for o, _ in held if log.find(o) is None), None)
        for offset, one in held:
            if cut is not None and offset > cut:
                self.put(offset, replace(one, member=-1))
        super().leave()


@mutant("consumer_groups.11", "never counted down", trap="an ack of what was trimmed, then a look", also="consumer_groups.12")
class AcksOfWhatIsGoneAreNoAcks(_Gone):
    def held(self, delivery: RecordDelivery) -> Held | None:
        return None if self.gone(delivery) else super().held(delivery)


@mutant("consumer_groups.11", "wrong count", trap="a nacked record that was trimmed, then a look", also="consumer_groups.12")
class WhatIsGoneIsStillToCome(Streams):
    def info(self, stream: str, group: str) -> GroupInfo:
        found = super().info(stream, group)
        return replace(found, pending=len(self.group(stream, group).pending))


# Groups of streams in parts


def _by_part(deliveries: Sequence[RecordDelivery]) -> Sequence[RecordDelivery]:
    return [one for one in deliveries if one.record.partition == deliveries[0].record.partition]


@newer("partitioning.10", "scope", trap="an ack of several of two partitions", also="consumer_groups.6")
class AnAckIsOfOnePartition(LaneMember):
    async def ack(self, *deliveries: RecordDelivery) -> None:
        await super().ack(*_by_part(deliveries))


@newer("partitioning.10", "scope", trap="a nack of several of two partitions", also="consumer_groups.5")
class ANackIsOfOnePartition(LaneMember):
    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        await super().nack(*_by_part(deliveries), delay_s=delay_s)


@newer("partitioning.10", "scope", trap="leaving with records of two partitions", also="consumer_groups.5")
class LeavingFreesOnePartition(LaneMember):
    def kept(self) -> list[tuple[Member, int, Held]]:
        found = super().kept()
        return [one for one in found if one[0] is found[0][0]] if self.left else found


@newer("partitioning.10", "boundary", trap="a receive of several, records in two partitions", also="consumer_groups.10")
class AsManyOfEachPartition(LaneMember):
    def take(self, most: int) -> list[RecordDelivery]:
        return [one for part in self.ordered() for one in part.take(most)]


@newer("partitioning.10", "lost wake-up", trap="a delay in a later partition, and a member that waits", also="consumer_groups.10")
class WaitsForDelaysOfTheFirstPartition(LaneMember):
    def instants(self) -> list[float]:
        return self.parts[0].instants()


@newer("partitioning.10", "scope", trap="a delay in one partition, records in others", also="consumer_groups.7")
class ADelayHoldsUpLaterPartitions(LaneMember):
    def ordered(self) -> Sequence[Member]:
        delayed = [part for part in self.parts if part.instants()]
        return self.parts[: self.parts.index(delayed[0]) + 1] if delayed else self.parts


@newer("partitioning.10", "wrong condition", trap="a group of a partitioned stream, another of its name", also="consumer_groups.2")
class OnlyTheFirstPartitionKnowsGroups(NewerStreams):
    """Who makes a group again puts all partitions but the first where a new one begins."""

    async def create_group(self, stream: str, group: str, start: GroupStart = "earliest") -> None:
        lanes = self.lanes(self.name(stream, "create_group"))
        if len(lanes) > 1 and group in self.stream(lanes[0]).groups:
            self.apply(*(Change(lane, group, position=self.begin(lane, start)) for lane in lanes[1:]))
        await super().create_group(stream, group, start)


@newer(
    "partitioning.10", "wrong count", trap="a look at a group of a partitioned stream, of two members", also="consumer_groups.11"
)
class CountsMembersByPartition(NewerStreams):
    def info(self, stream: str, group: str) -> GroupInfo:
        found = super().info(stream, group)
        return replace(found, members=min(found.members, 1)) if self.count(stream) > 1 else found


@newer("partitioning.10", "wrong count", trap="a nacked record of a later partition, then a look", also="consumer_groups.11")
class CountsOnlyWhatIsHeldOfLaterPartitions(NewerStreams):
    def info(self, stream: str, group: str) -> GroupInfo:
        found = super().info(stream, group)
        free = sum(not one.member for lane in self.lanes(stream)[1:] for one in self.stream(lane).groups[group].pending.values())
        return replace(found, pending=found.pending - free)


# Parts, and what makes a stream used


class _Again(NewerStreams):
    """A repeat of `create_partitioned` begins with something anew."""

    def anew(self, lane: str, first: bool) -> list[Change]:
        raise NotImplementedError

    async def create_partitioned(self, stream: str, n: int) -> None:
        await super().create_partitioned(stream, n)
        if n > 1:
            lanes = [stream, *self.lanes(stream)]
            self.apply(*(change for number, lane in enumerate(lanes) for change in self.anew(lane, number == 1)))


@newer("partitioning.1", "side effect", trap="the same number again, with bounds", also="retention.4")
class TheSameNumberTakesBoundsAway(_Again):
    def anew(self, lane: str, first: bool) -> list[Change]:
        return [Change(lane, bounds=Retention())] if self.stream(lane).bounds else []


@newer("partitioning.1", "side effect", trap="the same number again, with a group that got something", also="partitioning.10")
class TheSameNumberRewindsGroups(_Again):
    def anew(self, lane: str, first: bool) -> list[Change]:
        return [Change(lane, group, position=0) for group in self.stream(lane).groups]


@newer("partitioning.1", "side effect", trap="the same number again, with records that are held", also="partitioning.10")
class TheSameNumberForgetsWhatIsHeld(_Again):
    def anew(self, lane: str, first: bool) -> list[Change]:
        return [Change(lane, group, forget=True) for group in self.stream(lane).groups]


@newer("partitioning.2", "side effect", trap="one partition, given to a stream with bounds", also="retention.4 partitioning.1")
class OnePartitionTakesBoundsAway(NewerStreams):
    async def create_partitioned(self, stream: str, n: int) -> None:
        await super().create_partitioned(stream, n)
        if n == 1 and self.stream(stream).bounds:
            self.apply(Change(stream, bounds=Retention()))


class _Uses(NewerStreams):
    """A stream is used once it was touched."""

    def used(self, stream: str) -> bool:
        return super().used(stream) or stream in self.store.notes.setdefault(("touched", self.namespace), set())

    def touch(self, stream: str) -> None:
        self.store.notes.setdefault(("touched", self.namespace), set()).add(stream)


@newer("partitioning.1", "side effect", trap="a trim of an unused stream, then partitions")
class ATrimUses(_Uses):
    async def trim(self, stream: str, before: int) -> int:
        found = await super().trim(stream, before)
        self.touch(stream)
        return found


@newer("partitioning.1", "side effect", trap="an enforcement of an unused stream, then partitions")
class AnEnforcementUses(_Uses):
    async def enforce_retention(self, stream: str) -> None:
        await super().enforce_retention(stream)
        self.touch(stream)


@newer("partitioning.1", "side effect", trap="a compaction of an unused stream, then partitions")
class ACompactionUses(_Uses):
    async def compact(self, stream: str) -> None:
        await super().compact(stream)
        self.touch(stream)


@newer("partitioning.1", "side effect", trap="a look at the bounds of an unused stream, then partitions")
class ALookAtBoundsUses(_Uses):
    async def retention(self, stream: str) -> Retention:
        found = await super().retention(stream)
        self.touch(stream)
        return found


@newer("partitioning.1", "state after an error", trap="bounds that were refused, then partitions", also="retention.5")
class RefusedBoundsUse(_Uses):
    async def set_retention(self, stream: str, max_age_s: float | None = None, max_records: int | None = None) -> None:
        try:
            await super().set_retention(stream, max_age_s, max_records)
        except ValueError:
            self.touch(stream)
            raise


@newer("partitioning.1", "state after an error", trap="a group that was refused, then partitions", also="consumer_groups.2")
class ARefusedGroupUses(_Uses):
    async def create_group(self, stream: str, group: str, start: GroupStart = "earliest") -> None:
        try:
            await super().create_group(stream, group, start)
        except ValueError:
            self.touch(stream)
            raise


@newer("partitioning.1", "state after an error", trap="a seek of a group that there is not, then partitions", also="replay.5")
class ASeekOfNoGroupUses(_Uses):
    async def seek(self, stream: str, group: str, offset: int) -> None:
        try:
            await super().seek(stream, group, offset)
        except GroupNotFound:
            self.touch(stream)
            raise


@newer("partitioning.1", "state after an error", trap="a look at a group that there is not, then partitions")
class ALookAtNoGroupUses(_Uses):
    async def group_info(self, stream: str, group: str) -> GroupInfo:
        try:
            return await super().group_info(stream, group)
        except GroupNotFound:
            self.touch(stream)
            raise


@newer("partitioning.1", "state after an error", trap="partitions that were refused, then others", also="partitioning.2")
class RefusedPartitionsUse(_Uses):
    async def create_partitioned(self, stream: str, n: int) -> None:
        try:
            await super().create_partitioned(stream, n)
        except ValueError:
            self.touch(stream)
            raise


@newer("partitioning.8", "state after an error", trap="a partition that there is not, of an unused stream", also="partitioning.1")
class APartitionThatThereIsNotUses(_Uses):
    def number(self, stream: str, partition: int, operation: str) -> int:
        try:
            return super().number(stream, partition, operation)
        except ValueError:
            self.touch(stream)
            raise


# Parts and bounds


@newer("retention.2", "wrong end", trap="an enforcement, nothing outside in the first partition")
class EnforcesUpToAPartitionWithNothingOutside(NewerStreams):
    async def enforce_retention(self, stream: str) -> None:
        name = self.name(stream, "enforce_retention")
        for lane in self.lanes(name):
            outside = self.outside(self.stream(lane), self.bounds(name))
            if not outside:
                break
            self.drop(lane, outside)


@newer("retention.7", "wrong end", trap="a compaction, nothing superseded in the first partition", also="retention.6")
class CompactsUpToAPartitionWithNothingSuperseded(NewerStreams):
    async def compact(self, stream: str) -> None:
        for lane in self.lanes(self.name(stream, "compact")):
            gone = self.superseded(self.stream(lane))
            if not gone:
                break
            self.drop(lane, gone)


# Moves, and what was removed


@newer("replay.2", "stale", trap="an instant of a record that compaction removed", also="retention.6")
class InstantsOfWhatIsGoneAreNotFound(NewerStreams):
    """An index from instants to offsets that compaction does not mend: what is gone is looked for and not found."""

    def place_in_time(self, stream: str, at_ms: int) -> int:
        index = self.store.notes.setdefault(("index", self.namespace, stream), {})
        log = self.stream(stream)
        index.update({record.offset: record.appended_ms for record in log.records})
        found = next((offset for offset, at in sorted(index.items()) if at >= at_ms), log.end)
        return found if log.find(found) or found < self.lowest(stream) else log.end

    def drop(self, lane: str, offsets: frozenset[int] | set[int] | list[int]) -> None:  # type: ignore[override]
        self.place_in_time(lane, 0)
        super().drop(lane, offsets)


@newer("replay.1", "stale", trap="a seek into a hole, with what is behind it pending before", also="replay.3")
class ASeekIntoAHoleGoesToTheEnd(NewerStreams):
    def place(self, stream: str, offset: int) -> int:
        log, place = self.stream(stream), super().place(stream, offset)
        return place if place >= log.end or log.find(place) else log.end


@newer("replay.7", "wrong value", trap="a replay whose start is in a hole")
class AReplayBeginsWithARecord(NewerStreams):
    async def replay(self, stream: str, start: int, stop: int):  # type: ignore[no-untyped-def, override]
        log = self.stream(self.name(stream, "replay"))
        inside = self.lowest(stream) <= start < log.end
        async for record in super().replay(stream, start, stop):
            if not inside or log.find(start):
                yield record


# Kills


class _Logs(FileStore):
    def logged(self, change: Change) -> Change | None:
        raise NotImplementedError

    def write(self, namespace: str, changes: Sequence[Change]) -> None:
        super().write(namespace, [kept for change in changes if (kept := self.logged(change)) is not None])


def _later(change: Change) -> bool:
    return "\udc00" in change.stream and not change.stream.endswith("\udc000")


@newer("retention.14", "missing case", trap="kill after a compaction of a stream of several partitions")
class RemovalsFromLaterPartitionsAreNotLogged(_Logs):
    def logged(self, change: Change) -> Change | None:
        return None if change.drop and _later(change) else change


@newer("replay.11", "missing case", trap="kill after a seek to an instant, several partitions", also="partitioning.13")
class MovesInLaterPartitionsAreNotLogged(_Logs):
    def logged(self, change: Change) -> Change | None:
        return None if change.forget and _later(change) else change


@newer("replay.11", "partial", trap="kill after a seek back over what was pending", also="replay.3")
class WhatAMoveForgetsIsNotLogged(_Logs):
    def logged(self, change: Change) -> Change | None:
        return replace(change, forget=False) if change.forget else change


@newer("consumer_groups.6", "missing case", trap="kill after an ack in a later partition", also="partitioning.10 partitioning.13")
class AcksInLaterPartitionsAreNotLogged(_Logs):
    def logged(self, change: Change) -> Change | None:
        return None if change.held is not None and not isinstance(change.held, Held) and _later(change) else change


@newer("consumer_groups.16", "missing case", trap="kill after a delivery from a later partition", also="partitioning.13")
class HeldOfLaterPartitionsIsNotLogged(_Logs):
    """The position is: what was held when the process died is lost."""

    def logged(self, change: Change) -> Change | None:
        return None if isinstance(change.held, Held) and _later(change) else change


@newer("partitioning.13", "missing case", trap="kill after a group of a partitioned stream was made", also="consumer_groups.16")
class GroupsOfLaterPartitionsBeginAgain(_Logs):
    def logged(self, change: Change) -> Change | None:
        return replace(change, create=0) if change.create is not None and _later(change) else change


class _Reopens(FileStore):
    """What an emptied log has forgotten after a kill."""

    def __init__(self, place) -> None:  # type: ignore[no-untyped-def]
        super().__init__(place)
        for space in self.spaces.values():
            for name, log in space.streams.items():
                self.forget(name, log)

    def forget(self, name: str, log: Stream) -> None:
        raise NotImplementedError


@newer("retention.14", "recomputed", trap="kill after all records were enforced away", also="retention.9 basic.15 basic.6")
class TheLatestIsThatOfWhatIsKept(_Reopens):
    def forget(self, name: str, log: Stream) -> None:
        log.latest = log.records[-1].offset if log.records else None


@newer("partitioning.13", "recomputed", trap="kill after all of a partition was enforced away", also="retention.14")
class TheLatestOfAPartitionIsThatOfWhatIsKept(_Reopens):
    def forget(self, name: str, log: Stream) -> None:
        if "\udc00" in name:
            log.latest = log.records[-1].offset if log.records else None


@newer("partitioning.13", "recomputed", trap="kill after partitions of a stream that was never appended to", also="partitioning.3")
class PartitionsAreCountedByRecords(_Reopens):
    def forget(self, name: str, log: Stream) -> None:
        if log.parts > 1:
            kept = next(space for space in self.spaces.values() if space.streams.get(name) is log)
            if not any(part.startswith(name + "\udc00") and one.latest is not None for part, one in kept.streams.items()):
                log.parts = 0


@newer("retention.14", "recomputed", trap="kill, then bounds of a stream that holds nothing", also="retention.4")
class BoundsOfEmptyStreamsAreForgotten(_Reopens):
    def forget(self, name: str, log: Stream) -> None:
        if not log.records and not log.parts:
            log.bounds = None


# A call of several, the later of which is illegal


@mutant(
    "consumer_groups.7",
    "partial effect",
    trap="a nack of a valid delivery with a delay that is none",
    also="consumer_groups.5 consumer_groups.13",
)
class ANackChecksItsDelayLast(Member):
    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        self.check_open("nack")
        for delivery in deliveries:
            held = self.held(delivery)
            if held is not None:
                self.give_back(delivery, held, 0.0 if delay_s != delay_s else max(0.0, min(delay_s, 1e12)))
        self.delay(delay_s)
        self.refuse(deliveries, "nack")
