"""Mutants that are wrong from some record of a page, or of a sweep, on."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import ClassVar

from prism_testkit.interfaces import Record, RecordDelivery
from tests.zoo.declare import Mutant

from .declare import declaring, declaring_newer
from .newer import NewerStreams
from .reference import Member, Reading, Streams
from .stores import Stream

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant, newer = declaring(MUTANTS), declaring_newer(MUTANTS)


class _Pages(Streams):
    """Reads of pages."""

    page: ClassVar[int] = 100

    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        seen: list[Record] = []
        async for record in super().walk(stream, start, limit):
            seen.append(record)
            yield record if len(seen) <= self.page else self.later(record, seen)

    def later(self, record: Record, seen: list[Record]) -> Record:
        """Return a record that is on no first page."""
        return record


@mutant("basic.2", "paging", trap="a read of 101 records with keys")
class TheSecondPageHasNoKeys(_Pages):
    def later(self, record: Record, seen: list[Record]) -> Record:
        return replace(record, key=None)


@mutant("basic.2", "paging", trap="a read of 101 records, each with headers of its own")
class TheSecondPageHasTheHeadersOfTheFirst(_Pages):
    def later(self, record: Record, seen: list[Record]) -> Record:
        return replace(record, headers=seen[(len(seen) - 1) % self.page].headers)


@mutant("basic.13", "paging", trap="a read of 101 records, each with an instant of its own", also="basic.2 basic.4")
class TheSecondPageHasTheInstantsOfTheFirst(_Pages):
    def later(self, record: Record, seen: list[Record]) -> Record:
        return replace(record, appended_ms=seen[(len(seen) - 1) % self.page].appended_ms)


@mutant("basic.2", "paging", trap="a read of 1,001 records with headers")
class TheThousandsHaveNoHeaders(_Pages):
    page = 1000

    def later(self, record: Record, seen: list[Record]) -> Record:
        return replace(record, headers={})


@mutant("basic.1", "paging", trap="a read of 101 records, one of the last of them empty", also="basic.2")
class EmptyOnesOfTheSecondPageAreNotRead(Streams):
    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        seen = given = 0
        async for record in super().walk(stream, start, None):
            seen += 1
            if given != limit and (record.payload or seen <= 100):
                given += 1
                yield record


@newer("replay.7", "paging", trap="a replay of 101 records with keys and headers")
class TheSecondPageOfAReplayIsBare(NewerStreams):
    async def span(self, stream: str, start: int, stop: int) -> Reading:
        seen = 0
        async for record in super().span(stream, start, stop):
            seen += 1
            yield record if seen <= 100 else replace(record, key=None, headers={})


@newer("partitioning.6", "paging", trap="a read of 101 records of a partition, with headers")
class TheSecondPageOfAPartitionIsBare(NewerStreams):
    async def read_partition(self, stream: str, partition: int, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        seen = 0
        async for record in super().read_partition(stream, partition, start, limit):
            seen += 1
            yield record if seen <= 100 else replace(record, headers={})


@newer("partitioning.6", "paging", trap="a read of 101 records of a partition other than the first")
class TheSecondPageOfAPartitionIsOfTheFirst(NewerStreams):
    async def read_partition(self, stream: str, partition: int, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        seen = 0
        async for record in super().read_partition(stream, partition, start, limit):
            seen += 1
            yield record if seen <= 100 else replace(record, partition=0)


class _Receives(Member):
    """Receives of pages."""

    page: ClassVar[int] = 100

    def deliver(self, offsets: Sequence[int]) -> list[RecordDelivery]:
        found = super().deliver(offsets)
        return [x if number < self.page else self.later(x, found[number % self.page]) for number, x in enumerate(found)]

    def later(self, delivery: RecordDelivery, other: RecordDelivery) -> RecordDelivery:
        """Return a delivery that is on no first page; ``other`` is one of the first."""
        return delivery


@mutant("consumer_groups.3", "paging", trap="a receive of 101 records with headers", also="consumer_groups.1")
class TheSecondPageOfAReceiveHasNoHeaders(_Receives):
    def later(self, delivery: RecordDelivery, other: RecordDelivery) -> RecordDelivery:
        return replace(delivery, record=replace(delivery.record, headers={}))


@mutant("consumer_groups.3", "paging", trap="a receive of eleven records with keys", also="consumer_groups.1")
class TheSecondTenOfAReceiveHaveTheKeysOfTheFirst(_Receives):
    page = 10

    def later(self, delivery: RecordDelivery, other: RecordDelivery) -> RecordDelivery:
        return replace(delivery, record=replace(delivery.record, key=other.record.key))


@mutant("consumer_groups.6", "paging", trap="a receive of 101 records that are acked", also="consumer_groups.5 consumer_groups.1")
class TheSecondPageOfAReceiveHasTheTokensOfTheFirst(_Receives):
    def later(self, delivery: RecordDelivery, other: RecordDelivery) -> RecordDelivery:
        return replace(delivery, token=other.token)


@mutant(
    "consumer_groups.5", "paging", trap="101 records that come again at one receive", also="consumer_groups.1 consumer_groups.3"
)
class TheSecondPageIsAlwaysOfFirstDeliveries(_Receives):
    def later(self, delivery: RecordDelivery, other: RecordDelivery) -> RecordDelivery:
        return replace(delivery, delivery_count=1)


@newer("retention.2", "paging", trap="101 records outside of their bounds", also="retention.3")
class EnforcingRemovesAHundred(NewerStreams):
    async def enforce_retention(self, stream: str) -> None:
        name = self.name(stream, "enforce_retention")
        for lane in self.lanes(name):
            self.drop(lane, sorted(self.outside(self.stream(lane), self.bounds(name)))[:100])


@newer("retention.1", "paging", trap="101 records outside of their bounds, and one inside", also="retention.2 retention.8")
class EnforcingMoreThanAHundredRemovesOneMore(NewerStreams):
    def outside(self, log: Stream, bounds: object) -> set[int]:
        found = super().outside(log, bounds)  # type: ignore[arg-type]
        if len(found) > 100:
            found |= {record.offset for record in log.records if record.offset == max(found) + 1}
        return found


@newer("retention.6", "paging", trap="a compaction of 101 keys")
class CompactingForgetsTheHundredAndFirstKey(NewerStreams):
    """Its records are all taken for superseded."""

    def superseded(self, log: Stream) -> set[int]:
        keys = list(dict.fromkeys(record.key for record in log.records if record.key is not None))
        return super().superseded(log) | {record.offset for record in log.records if record.key in keys[100:]}


@newer("retention.7", "paging", trap="a compaction of 101 keys, each of which came again")
class CompactingDealsWithAHundredKeys(NewerStreams):
    def superseded(self, log: Stream) -> set[int]:
        keys = list(dict.fromkeys(record.key for record in log.records if record.key is not None))
        return {o for o in super().superseded(log) if (found := log.find(o)) is not None and found.key in keys[:100]}


@newer("replay.2", "paging", trap="a seek to an instant that 101 records are older than", also="replay.1")
class SeekToTimeLooksAtAHundred(NewerStreams):
    def place_in_time(self, stream: str, at_ms: int) -> int:
        log = self.stream(stream)
        found = super().place_in_time(stream, at_ms)
        return found if len(log.records) <= 100 or found <= log.records[100].offset else log.records[100].offset
