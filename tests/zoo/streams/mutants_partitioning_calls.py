"""Streams of several partitions: calls that refuse too little."""

from collections.abc import AsyncIterator, Mapping

from prism_testkit.interfaces import Bytes, Record
from tests.zoo.declare import Mutant

from .declare import declaring_newer
from .newer import NewerStreams
from .stores import Change

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_newer(MUTANTS)


# partitioning.8: errors


@mutant("partitioning.8", "missing error", trap="a partition from n on", also="partitioning.4")
class PartitionsTurnOver(NewerStreams):
    def number(self, stream: str, partition: int, operation: str) -> int:
        return super().number(stream, partition % self.count(stream) if isinstance(partition, int) else partition, operation)


@mutant("partitioning.8", "missing error", trap="a negative partition")
class NegativePartitionsCountFromTheEnd(NewerStreams):
    def number(self, stream: str, partition: int, operation: str) -> int:
        if isinstance(partition, int) and -self.count(stream) <= partition < 0:
            partition += self.count(stream)
        return super().number(stream, partition, operation)


@mutant("partitioning.8", "boundary", trap="partition n")
class OnePartitionMoreIsTaken(NewerStreams):
    def number(self, stream: str, partition: int, operation: str) -> int:
        return self.count(stream) - 1 if partition == self.count(stream) else super().number(stream, partition, operation)


@mutant("partitioning.8", "missing error", trap="a read of a partition that there is not")
class MissingPartitionsReadAsEmpty(NewerStreams):
    async def read_partition(self, stream: str, partition: int, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        if isinstance(partition, int) and partition >= self.count(self.name(stream, "read_partition")):
            return
        async for record in super().read_partition(stream, partition, start, limit):
            yield record


@mutant("partitioning.8", "missing error", trap="a partition that is a float or a text")
class PartitionsAreConverted(NewerStreams):
    def number(self, stream: str, partition: int, operation: str) -> int:
        return super().number(stream, int(partition), operation)


@mutant("partitioning.8", "order", trap="a partition that there is not, then a look at an unused stream", also="partitioning.1")
class AppendsToTheFirstBeforeItRefuses(NewerStreams):
    async def append_to_partition(
        self, stream: str, partition: int, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> int:
        offset = await super().append_to_partition(stream, 0, payload, key, headers)
        number = self.number(stream, partition, "append_to_partition")
        if number:
            self.apply(Change(self.lanes(stream)[0], drop=frozenset({offset})))
            return await super().append_to_partition(stream, partition, payload, key, headers)
        return offset


@mutant("partitioning.8", "missing check", trap="an illegal key, appended to a partition")
class PartitionsTakeAnyKey(NewerStreams):
    def key(self, key: str | None, operation: str) -> str | None:
        return key if operation == "append_to_partition" else super().key(key, operation)


@mutant("partitioning.8", "wrong error", trap="a partition that there is not")
class MissingPartitionsAreIndexErrors(NewerStreams):
    def number(self, stream: str, partition: int, operation: str) -> int:
        if isinstance(partition, int):
            range(self.count(stream))[partition]
        return super().number(stream, partition, operation)


# partitioning.9: what a partitioned stream does not do


class _Allows(NewerStreams):
    allowed = ""

    def ordinary(self, stream: str, operation: str) -> str:
        return stream if operation == self.allowed else super().ordinary(stream, operation)


@mutant("partitioning.9", "missing error", trap="a read of a partitioned stream")
class ReadsOfPartitionedStreamsAreEmpty(_Allows):
    allowed = "read"


@mutant("partitioning.9", "missing error", trap="a trim of a partitioned stream")
class TrimsEveryPartition(_Allows):
    allowed = "trim"

    async def trim(self, stream: str, before: int) -> int:
        found = await super().trim(stream, before)
        for lane in self.lanes(stream):
            self.apply(Change(lane, trim=self.clamped(lane, before)))
        return found


@mutant("partitioning.9", "missing error", trap="latest_offset of a partitioned stream")
class LatestIsTheHighestOfAll(_Allows):
    allowed = "latest_offset"


@mutant("partitioning.9", "missing error", trap="a replay of a partitioned stream")
class ReplaysOfPartitionedStreamsAreEmpty(_Allows):
    allowed = "replay"


@mutant("partitioning.9", "missing error", trap="a group that is to start with an offset")
class GroupsStartAtAnOffsetInEach(_Allows):
    allowed = "create_group at an offset"


@mutant("partitioning.9", "missing error", trap="a seek of a group of a partitioned stream")
class SeeksInEveryPartition(_Allows):
    allowed = "seek"

    def move(self, group: str, places: Mapping[str, int]) -> None:
        stream = next(iter(places)).partition("\udc00")[0]
        place = next(iter(places.values()))
        super().move(group, places if len(places) > 1 else dict.fromkeys(self.lanes(stream), place))


@mutant("partitioning.9", "missing case", trap="a seek to an instant, records in several partitions", also="replay.2")
class SeeksInTimeInTheFirst(NewerStreams):
    def move(self, group: str, places: Mapping[str, int]) -> None:
        super().move(group, dict([next(iter(places.items()))]))


@mutant("partitioning.9", "wrong value", trap="a seek to an instant, partitions of different lengths", also="replay.2")
class SeeksTheSameOffsetEverywhere(NewerStreams):
    def move(self, group: str, places: Mapping[str, int]) -> None:
        super().move(group, {lane: min(max(places.values()), self.stream(lane).end) for lane in places})


@mutant("partitioning.9", "late", trap="a read of a partitioned stream with limit 0")
class ReadsOfNothingAreNotRefused(NewerStreams):
    async def read(self, stream: str, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        if limit == 0:
            self.name(stream, "read")
            return
        async for record in super().read(stream, start, limit):
            yield record
