"""More of the same mistakes elsewhere: in partitions, replays and moves, and once more in groups."""

import json
from collections.abc import AsyncIterator, Mapping

from prism_testkit.interfaces import Bytes, PayloadTooLarge, Record, RecordDelivery
from prism_testkit.naming import check_timeout
from tests.zoo.declare import Mutant

from .independent_actor import ActorStreams
from .independent_arguments import MAKER, whole
from .independent_declare import declaring_independent
from .independent_events import View
from .independent_mailbox import Actor
from .independent_sql import PAGE, SqlMember, SqlStreams
from .independent_tables import FAR, Tables

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []

mutant = declaring_independent(MUTANTS)


@mutant("partitioning.6", "place of a read on the driver", trap="two reads of partitions at once, of more than a page")
class PartitionReadsShareTheirPlace(SqlStreams):
    first = 0

    async def read_partition(self, stream: str, partition: int, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        async for _ in super().read_partition(stream, partition, start, 0):
            pass
        number, left, self.first = self.found(stream), FAR if limit is None else limit, start
        last = self.tables.last(number, partition)
        while left > 0 and self.first <= last:
            page = self.tables.rows(number, partition, self.first, last, min(left, PAGE))
            if not page:
                return
            left, self.first = left - len(page), page[-1].offset + 1
            for record in page:
                yield record


@mutant(
    "retention.7",
    "replays that are remembered",
    trap="a replay, a compaction by another client, the replay again",
    also="retention.2 replay.7",
)
class RemembersReplays(SqlStreams):
    def __init__(self, tables: Tables, namespace: str) -> None:
        super().__init__(tables, namespace)
        self.seen: dict[tuple[str, int, int, int], list[Record]] = {}

    async def replay(self, stream: str, start: int, stop: int) -> AsyncIterator[Record]:
        whole(start, "start")
        whole(stop, "stop")
        number = self.found(stream)
        floor = 0 if number is None else self.tables.oldest(number, 0)
        place = (stream, start, min(stop, self.tables.last(number, 0) + 1), floor)
        if place not in self.seen:
            self.seen[place] = [record async for record in super().replay(stream, start, stop)]
        self.named(stream)
        for record in self.seen[place]:
            yield record


@mutant(
    "partitioning.4",
    "headers measured as JSON",
    trap="headers near the limit that JSON escapes, in a partition",
    also="partitioning.8",
)
class MeasuresHeadersOfPartitions(SqlStreams):
    async def append_to_partition(
        self, stream: str, partition: int, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> int:
        if headers and len(json.dumps(self.content(payload, key, headers)[2])) > 8192 + 8 * len(headers):
            raise PayloadTooLarge("the headers are over 8 KiB")
        return await super().append_to_partition(stream, partition, payload, key, headers)


@mutant("consumer_groups.3", "values of headers cut in a delivery", trap="a header of more than 4096 characters, to a group")
class CutsHeadersOfDeliveries(SqlMember):
    def hold(self, record: Record, times: int) -> RecordDelivery:
        headers = {name: value[:4096] for name, value in record.headers.items()}
        short = Record(record.offset, record.key, record.payload, headers, record.appended_ms, record.partition)
        return super().hold(short, times)


@mutant("partitioning.10", "answer for one partition a call", trap="an ack of records of two partitions", also="consumer_groups.6")
class AcksOnePartition(SqlMember):
    async def ack(self, *deliveries: RecordDelivery) -> None:
        await super().ack(*(d for d in deliveries if d.record.partition == deliveries[0].record.partition))


@mutant("consumer_groups.5", "batch of ten", trap="a nack of more than ten", also="consumer_groups.7")
class NacksTen(SqlMember):
    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        await super().nack(*deliveries[:10], delay_s=delay_s)


@mutant("consumer_groups.6", "batch of a hundred", trap="an ack of more than a hundred")
class AcksAHundred(SqlMember):
    async def ack(self, *deliveries: RecordDelivery) -> None:
        await super().ack(*deliveries[:100])


@mutant(
    "consumer_groups.10",
    "one delay that is waited for",
    trap="a wait for a second record whose delay is over later",
    also="consumer_groups.7",
)
class WaitsForOneDelay(SqlMember):
    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        whole(max_records, "max_records", 1)
        until = self.tables.clock.now_s() + check_timeout(timeout_s, "receive", MAKER)
        due = self.until_due()
        while True:
            self.stay()
            found = self.take(max_records)
            left = until - self.tables.clock.now_s()
            if found or left <= 0:
                return found
            await self.tables.changed(min(left, due))
            due = FAR


class SharesAtJoins(View):
    def left(self, stream: str, group: str, member: int) -> None:
        found = self.kept(stream).groups[group]
        owners = dict(found.owners)
        super().left(stream, group, member)
        found.owners = {lane: owner for lane, owner in owners.items() if owner in found.members or found.members}


@mutant(
    "consumer_groups.15",
    "nobody is told that a partition is free",
    trap="the owner leaves while another member waits",
    also="consumer_groups.10 consumer_groups.5 consumer_groups.14",
)
class SharesAtTheNextJoin(Actor):
    view_type = SharesAtJoins


@mutant("replay.1", "offset looked for so far only", trap="a seek into a hole of more than a page", also="replay.3")
class LooksSoFarForAnOffset(SqlStreams):
    async def seek(self, stream: str, group: str, offset: int) -> None:
        number = self.found(stream)
        near = self.tables.rows(number, 0, offset, min(offset + 64, FAR), 1)
        oldest = 0 if number is None else self.tables.oldest(number, 0)
        await super().seek(stream, group, offset if near or offset < oldest else max(offset, self.tables.last(number, 0) + 1))


@mutant("basic.15", "last offset in memory", trap="kill when all was trimmed", also="basic.3 basic.6 retention.9")
class ForgetsTheLastOffset(Tables):
    def bury(self) -> None:
        super().bury()
        self.run("UPDATE lane SET last=ifnull((SELECT max(off) FROM record r WHERE r.stream=lane.stream AND r.part=lane.part), 0)")


@mutant("partitioning.6", "end as of the call", trap="an append between the call and the first step")
class PartitionsEndAsOfTheCall(ActorStreams):
    def read_partition(self, stream: str, partition: int, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        self.named(stream)
        self.window(start, limit)
        self.there(stream, partition)
        return self.each(self.snapshot(stream, partition, start, None, limit))

    async def each(self, records: list[Record]) -> AsyncIterator[Record]:
        for record in records:
            yield record


@mutant("replay.7", "end as of the call", trap="an append between the call of a replay and its first step")
class ReplaysEndAsOfTheCall(ActorStreams):
    def replay(self, stream: str, start: int, stop: int) -> AsyncIterator[Record]:
        self.named(stream)
        whole(start, "start")
        whole(stop, "stop")
        self.ordinary(self.view.stream(stream), "replay")
        return self.each(self.snapshot(stream, 0, start, stop, None))

    async def each(self, records: list[Record]) -> AsyncIterator[Record]:
        for record in records:
            yield record


@mutant("partitioning.6", "64 bits", trap="a start of 2**63 in a partition")
class PartitionStartsIn64Bits(SqlStreams):
    async def read_partition(self, stream: str, partition: int, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        if start >= 2**63 or (limit or 0) >= 2**63:
            raise OverflowError("Python int too large to convert to SQLite INTEGER")
        async for record in super().read_partition(stream, partition, start, limit):
            yield record


@mutant(
    "retention.10",
    "window of offsets in partitions",
    trap="a group behind many that were removed from a partition",
    also="partitioning.10",
)
class LooksAtAWindowOfPartitions(SqlMember):
    def fresh(self, part: int, most: int) -> list[RecordDelivery]:
        at = self.tables.one("SELECT at FROM cursor WHERE grp=? AND part=?", self.group, part)
        several = self.tables.parts(self.stream) > 1
        if several and not self.tables.rows(self.stream, part, at, at + max(most, 8) - 1, 1):
            return []
        return super().fresh(part, most)


@mutant("partitioning.10", "answers by offset alone", trap="records of two partitions at one offset", also="consumer_groups.6")
class AnswersByOffset(SqlMember):
    def give(self, what: str, deliveries: tuple[RecordDelivery, ...], *values: float) -> None:
        super().give(what, deliveries, *values)
        for delivery in deliveries:
            if what.startswith("DELETE") and delivery.token.startswith(f"{self.number}."):
                self.tables.run(
                    "DELETE FROM pending WHERE grp=? AND off=? AND member=?", self.group, delivery.record.offset, self.number
                )


@mutant(
    "replay.3",
    "forgets the first partition only",
    trap="a seek to an instant of a partitioned stream",
    also="partitioning.9 partitioning.10",
)
class ForgetsTheFirstPartition(SqlStreams):
    def move(self, stream: int, group: int, to: dict[int, int]) -> None:
        rest = self.tables.run("SELECT * FROM pending WHERE grp=? AND part>0", group).fetchall()
        super().move(stream, group, to)
        for row in rest:
            self.tables.run("INSERT INTO pending VALUES(?,?,?,?,?,?,?)", *row)
