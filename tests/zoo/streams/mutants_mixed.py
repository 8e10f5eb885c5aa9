"""Mutants that keep in the driver what belongs to a call, where it meets a call of another kind."""

from collections.abc import AsyncIterator, Mapping

from prism_testkit.interfaces import Bytes, GroupInfo, GroupStart, Record, RecordDelivery, Retention
from tests.zoo.declare import Mutant

from .declare import declaring, declaring_newer
from .newer import NewerStreams
from .reference import Member, Reading, Streams, step

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)
newer = declaring_newer(MUTANTS)


class _Shares(Streams):
    """One field for all calls of the client."""

    stream_ = ""
    start_: GroupStart = "earliest"


@mutant("basic.6", "shared name", trap="a look at the end and an append to another stream at once", also="basic.1 basic.12")
class ALookAndAnAppendShareTheirStream(_Shares):
    async def latest_offset(self, stream: str) -> int | None:
        self.stream_ = self.name(stream, "latest_offset")
        await step()
        return self.latest(self.stream_)

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        self.stream_ = self.name(stream, "append")
        return await super().append(stream, payload, key, headers)


@mutant("basic.7", "shared name", trap="a trim and a read of another stream at once", also="basic.1 basic.12 basic.8")
class ATrimAndAReadShareTheirStream(_Shares):
    async def trim(self, stream: str, before: int) -> int:
        self.stream_ = self.name(stream, "trim")
        await step()
        return await super().trim(self.stream_, before)

    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        self.stream_ = stream
        async for record in super().walk(stream, start, limit):
            yield record


@mutant(
    "consumer_groups.11",
    "shared name",
    trap="a look at a group, another of which is made at once",
    also="consumer_groups.2 consumer_groups.9",
)
class ALookAndAMakingShareTheirGroup(_Shares):
    group_ = ""

    async def group_info(self, stream: str, group: str) -> GroupInfo:
        self.group_ = self.group_name(group, "group_info")
        await step()
        return await super().group_info(stream, self.group_)

    async def create_group(self, stream: str, group: str, start: GroupStart = "earliest") -> None:
        self.group_ = self.group_name(group, "create_group")
        await super().create_group(stream, group, start)


@mutant(
    "consumer_groups.6",
    "shared deliveries",
    trap="an ack and a nack of one member at once",
    also="consumer_groups.5 consumer_groups.8",
)
class AnAckAndANackShareTheirDeliveries(Member):
    chosen: tuple[RecordDelivery, ...] = ()

    async def ack(self, *deliveries: RecordDelivery) -> None:
        self.chosen = deliveries
        await step()
        await super().ack(*self.chosen)

    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        self.chosen = deliveries
        await step()
        await super().nack(*self.chosen, delay_s=delay_s)


@mutant(
    "consumer_groups.10",
    "shared number",
    trap="a receive that waits, and an ack at once",
    also="consumer_groups.6 consumer_groups.14",
)
class AnAckEndsTheWaitOfItsMember(Member):
    asked = 0

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        self.asked += 1
        mine = self.asked
        self.check_open("receive")
        most = self.most(max_records)
        end = self.driver.after(max(0.0, timeout_s))
        while True:
            found = self.take(most)
            if found or timeout_s <= 0 or self.driver.over(end) or mine != self.asked:
                return found
            await self.pause(end)
            self.check_open("receive")

    async def ack(self, *deliveries: RecordDelivery) -> None:
        self.asked += 1
        await super().ack(*deliveries)


@newer("replay.7", "shared bound", trap="a replay and a read of one client that go on by turns", also="replay.8 basic.1")
class AReplayAndAReadShareTheirEnd(NewerStreams):
    end_ = 0

    async def span(self, stream: str, start: int, stop: int) -> Reading:
        at, self.end_ = start, min(stop, self.stream(stream).end)
        while (record := self.first(stream, at, self.end_)) is not None:
            at = record.offset + 1
            yield record

    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        self.end_ = self.stream(stream).end
        async for record in super().walk(stream, start, limit):
            yield record


@newer(
    "partitioning.4",
    "shared number",
    trap="an append to a partition and a read of another",
    also="partitioning.6 partitioning.7",
)
class AnAppendAndAReadShareTheirPartition(NewerStreams):
    part_ = 0

    async def append_to_partition(
        self, stream: str, partition: int, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> int:
        self.part_ = self.number(self.name(stream, "append_to_partition"), partition, "append_to_partition")
        await step()
        return await super().append_to_partition(stream, self.part_ % self.count(stream), payload, key, headers)

    async def read_partition(self, stream: str, partition: int, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        self.part_ = partition
        async for record in super().read_partition(stream, partition, start, limit):
            yield record


@newer(
    "retention.4",
    "shared bounds",
    trap="bounds that are set, and others that are asked for at once",
    also="retention.1 retention.12",
)
class ASettingAndALookShareTheirStream(NewerStreams):
    stream_ = ""

    async def set_retention(self, stream: str, max_age_s: float | None = None, max_records: int | None = None) -> None:
        self.stream_ = self.name(stream, "set_retention")
        await step()
        await super().set_retention(self.stream_, max_age_s, max_records)

    async def retention(self, stream: str) -> Retention:
        self.stream_ = self.name(stream, "retention")
        await step()
        return self.bounds(self.stream_)


@newer(
    "retention.2",
    "shared name",
    trap="an enforcement, and a compaction elsewhere, at once",
    also="retention.7 retention.12",
)
class AnEnforcementAndACompactionShareTheirStream(NewerStreams):
    stream_ = ""

    async def enforce_retention(self, stream: str) -> None:
        self.stream_ = self.name(stream, "enforce_retention")
        await step()
        await super().enforce_retention(self.stream_)

    async def compact(self, stream: str) -> None:
        self.stream_ = self.name(stream, "compact")
        await step()
        await super().compact(self.stream_)


@newer("replay.6", "shared name", trap="a seek and a group that is made at once", also="replay.1 consumer_groups.1")
class ASeekAndAMakingShareTheirGroup(NewerStreams):
    group_ = ""

    async def seek(self, stream: str, group: str, offset: int) -> None:
        self.group_ = self.group_name(group, "seek")
        await step()
        await super().seek(stream, self.group_, offset)

    async def create_group(self, stream: str, group: str, start: GroupStart = "earliest") -> None:
        self.group_ = self.group_name(group, "create_group")
        await super().create_group(stream, group, start)
