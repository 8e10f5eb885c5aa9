"""Mutants of the nineteenth examination: what is done beside a record that is held or put off, calls inside a call."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

from prism_testkit.interfaces import Bytes, GroupInfo, Record, RecordDelivery
from tests.zoo.declare import Mutant

from .declare import declaring, declaring_newer
from .lanes import LaneMember
from .newer import NewerStreams
from .reference import Member, Reading, Streams, step
from .stores import Acked, Change, Held, Stream

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)
newer = declaring_newer(MUTANTS)


class DallyingMember(LaneMember):
    """It is right, and lets others run before it takes: more often than a seek does in its middle."""

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        await step(6)
        return await super().receive(max_records, timeout_s)


@newer("replay.4", "race", trap="a join and a receive within a seek", also="replay.1 replay.3 replay.10")
class SeeksWhoeverJoinedMeanwhile(NewerStreams):
    member_type = DallyingMember

    async def seek(self, stream: str, group: str, offset: int) -> None:
        name, label, at = self.name(stream, "seek"), self.group_name(group, "seek"), self.bound(offset, "seek")
        self.ordinary(name, "seek")
        self.refuse_members(name, label, "seek")
        await step(2)
        self.move(label, {name: self.place(name, at)})


@mutant("consumer_groups.7", "side effect", trap="the next record is acked", also="consumer_groups.5")
class AnAckEndsTheDelayBeforeIt(Member):
    def confirm(self, delivery: RecordDelivery) -> None:
        super().confirm(delivery)
        before = delivery.record.offset - 1
        held = self.state().pending.get(before)
        if held is not None and not held.member and held.due:
            self.put(before, replace(held, due=0.0))


@mutant("consumer_groups.7", "side effect", trap="the one before it is given back", also="consumer_groups.5")
class OneDelayForAllThatWait(Member):
    def give_back(self, delivery: RecordDelivery, held: Held, delay_s: float) -> None:
        super().give_back(delivery, held, delay_s)
        due = self.state().pending[delivery.record.offset].due
        for offset, other in list(self.state().pending.items()):
            if not other.member and other.due > due:
                self.put(offset, replace(other, due=due))


@mutant("consumer_groups.4", "scope", trap="a member joins and leaves", also="consumer_groups.5 consumer_groups.8")
class WhoeverLeavesFreesAll(Member):
    def holds(self, held: Held) -> bool:
        return held.member != 0 if self.left else super().holds(held)


@newer("consumer_groups.5", "side effect", trap="compact beside a delay", also="consumer_groups.7 consumer_groups.11 retention.6")
class CompactForgetsWhatIsPutOff(NewerStreams):
    async def compact(self, stream: str) -> None:
        await super().compact(stream)
        name = self.name(stream, "compact")
        for label, group in self.stream(name).groups.items():
            late = [offset for offset, held in group.pending.items() if not held.member and not self.over(held.due)]
            for offset in late:
                self.apply(Change(name, label, offset=offset, held=Acked()))


@newer("partitioning.10", "wrong value", trap="a third delivery", also="consumer_groups.3")
class TheThirdTimeItIsOfNoPartition(Member):
    def one(self, offset: int) -> RecordDelivery:
        found = super().one(offset)
        return found if found.delivery_count < 3 else replace(found, record=replace(found.record, partition=0))


@mutant("consumer_groups.15", "cap", trap="the seventeenth member", also="consumer_groups.10 consumer_groups.1")
class SixteenMembersAreServed(Member):
    def take(self, most: int) -> list[RecordDelivery]:
        return super().take(most) if sorted(self.state().members).index(self.id) < 16 else []


@mutant("basic.1", "cap", trap="a read of ten thousand records", also="basic.5 basic.7")
class AReadEndsAtTenThousand(Streams):
    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        async for record in super().walk(stream, start, 10_000 if limit is None else limit):
            yield record


@newer("retention.6", "encoding", trap="a key that reads as none", also="retention.12")
class NoKeyIsTheTextOfIt(NewerStreams):
    def superseded(self, log: Stream) -> set[int]:
        keyed = [(str(record.key), record.offset) for record in log.records]
        texts = {record.key for record in log.records}
        last = dict(keyed)
        return {offset for key, offset in keyed if last[key] != offset and (key != "None" or "None" in texts)}


@newer("partitioning.1", "missing step", trap="a record in partition 0 of a stream that was not used")
class APlacedRecordIsNoUse(NewerStreams):
    async def append_to_partition(
        self, stream: str, partition: int, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> int:
        fresh = not self.used(stream)
        offset = await super().append_to_partition(stream, partition, payload, key, headers)
        if fresh:
            self.space().placed = {*getattr(self.space(), "placed", ()), stream}  # type: ignore[attr-defined]
        return offset

    def used(self, stream: str) -> bool:
        placed = getattr(self.space(), "placed", ())
        return super().used(stream) and not (stream in placed and len(self.stream(stream).records) == 1)


@newer("partitioning.10", "cap", trap="forty records held of one partition", also="consumer_groups.10 consumer_groups.1")
class ThirtyTwoOfAPartitionAreHeld(Member):
    def fresh(self, most: int) -> list[int]:
        held = sum(self.holds(one) for one in self.state().pending.values())
        return super().fresh(min(most, max(0, 32 - held)))


@newer("retention.2", "cap", trap="twenty partitions", also="retention.7 retention.1")
class EightPartitionsAreEnforced(NewerStreams):
    async def enforce_retention(self, stream: str) -> None:
        name = self.name(stream, "enforce_retention")
        for lane in self.lanes(name)[:8]:
            self.drop(lane, self.outside(self.stream(lane), self.bounds(name)))


@mutant("consumer_groups.14", "cap", trap="a cancelled receive of more than eight", also="consumer_groups.4 consumer_groups.1")
class ACancelledReceiveGivesEightBack(Member):
    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        found = await super().receive(max_records, timeout_s)
        try:
            await step()
        except BaseException:
            await self.nack(*found[:8])
            raise
        return found


@mutant("consumer_groups.11", "overflow", trap="three hundred records held", also="partitioning.10")
class PendingIsAByte(Streams):
    def info(self, stream: str, group: str) -> GroupInfo:
        found = super().info(stream, group)
        return replace(found, pending=min(found.pending, 255))


@mutant("basic.5", "falsy", trap="a negative start with a limit of 0")
class NothingIsReadFromAnywhere(Streams):
    async def read(self, stream: str, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        if limit == 0:
            self.name(stream, "read")
            return
        async for record in super().read(stream, start, limit):
            yield record
