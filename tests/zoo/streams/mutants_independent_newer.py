"""Logs over tables, and over an actor, that break what is promised of moves, bounds and partitions."""

import asyncio
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from prism_testkit.interfaces import AlreadyExists, Bytes, Conflict, GroupStart, Record, RecordDelivery
from tests.zoo.declare import Mutant

from .independent_actor import ActorStreams
from .independent_arguments import MAKER, whole
from .independent_declare import declaring_independent
from .independent_events import Stream
from .independent_mailbox import Actor
from .independent_sql import SqlMember, SqlStreams
from .independent_tables import Tables

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []

mutant = declaring_independent(MUTANTS)


@mutant(
    "replay.3",
    "nothing to do where it stands already",
    trap="a seek to where the group is, with records to come again",
    also="replay.1",
)
class SkipsAMoveToWhereItIs(SqlStreams):
    def move(self, stream: int, group: int, to: dict[int, int]) -> None:
        at = dict(self.tables.run("SELECT part, at FROM cursor WHERE grp=?", group).fetchall())
        if at != to or self.tables.one("SELECT count(*) FROM member WHERE grp=?", group):
            super().move(stream, group, to)


@mutant("replay.1", "forgets what lies ahead only", trap="a seek forward over what was nacked", also="replay.3")
class ForgetsWhatLiesAhead(SqlStreams):
    def move(self, stream: int, group: int, to: dict[int, int]) -> None:
        with self.tables.writing():
            if self.tables.one("SELECT count(*) FROM member WHERE grp=?", group):
                raise Conflict(f"{MAKER}: the group has members")
            for part, at in to.items():
                self.tables.run("DELETE FROM pending WHERE grp=? AND part=? AND off>=?", group, part, at)
                self.tables.run("UPDATE cursor SET at=? WHERE grp=? AND part=?", at, group, part)


@mutant("replay.4", "members that hold nothing are not seen", trap="a seek beside a member that has nothing")
class MovesUnderTheIdle(SqlStreams):
    def move(self, stream: int, group: int, to: dict[int, int]) -> None:
        if not self.tables.one("SELECT count(*) FROM pending WHERE grp=? AND member", group):
            idle = self.tables.run("SELECT id, grp, label FROM member WHERE grp=?", group).fetchall()
            self.tables.run("DELETE FROM member WHERE grp=?", group)
            super().move(stream, group, to)
            for row in idle:
                self.tables.run("INSERT INTO member VALUES(?,?,?)", *row)
            return
        super().move(stream, group, to)


@mutant("replay.4", "members counted on the client", trap="a seek by another client than that of the member")
class CountsItsOwnMembers(SqlStreams):
    def __init__(self, tables: Tables, namespace: str) -> None:
        super().__init__(tables, namespace)
        self.mine: list[int] = []

    @asynccontextmanager
    async def join(self, stream: str, group: str, consumer: str) -> AsyncIterator[SqlMember]:
        async with super().join(stream, group, consumer) as member:
            self.mine.append(member.group)
            try:
                yield member
            finally:
                self.mine.remove(member.group)

    def move(self, stream: int, group: int, to: dict[int, int]) -> None:
        if group in self.mine:
            raise Conflict(f"{MAKER}: the group has members")
        with self.tables.writing():
            self.tables.run("DELETE FROM pending WHERE grp=?", group)
            for part, at in to.items():
                self.tables.run("UPDATE cursor SET at=? WHERE grp=? AND part=?", at, group, part)


@mutant("replay.4", "look, wait, move", trap="a join while a group is moved")
class LooksThenMoves(ActorStreams):
    async def seek(self, stream: str, group: str, offset: int) -> None:
        self.named(stream, group)
        whole(offset, "offset")
        found = self.view.stream(stream)
        if self.group_of(stream, group).members:
            raise Conflict(f"{MAKER}: the group has members")
        self.ordinary(found, "seek")

        oldest = await self.actor.ask(lambda: self.view.stream(stream).lanes[0].oldest())
        at = await self.actor.ask(lambda: min(max(offset, oldest), self.view.stream(stream).lanes[0].last + 1))
        await self.actor.ask(lambda: self.actor.write(self.space, "moved", stream, group, at=[at]))


@mutant("replay.10", "forgets and moves in two steps", trap="a seek that is cancelled in between")
class AsksToForgetThenToMove(ActorStreams):
    async def seek(self, stream: str, group: str, offset: int) -> None:
        self.named(stream, group)
        whole(offset, "offset")
        self.ordinary(self.view.stream(stream), "seek")

        def forget() -> None:
            self.move(stream, group, self.group_of(stream, group).at)

        await self.actor.ask(forget)
        await super().seek(stream, group, offset)


@mutant("replay.7", "number of records for a number of offsets", trap="a replay over a gap, or from before the oldest")
class ReplaysSoMany(SqlStreams):
    async def replay(self, stream: str, start: int, stop: int) -> AsyncIterator[Record]:
        whole(stop, "stop")
        async for record in super().replay(stream, start, 2**62):
            if stop <= start:
                return
            yield record
            start += 1


@mutant("replay.5", "instants of 64 bits", trap="an instant of 2**63", also="replay.2")
class InstantsIn64Bits(SqlStreams):
    async def seek_to_time(self, stream: str, group: str, at_ms: int) -> None:
        if at_ms >= 2**63:
            raise OverflowError("Python int too large to convert to SQLite INTEGER")
        await super().seek_to_time(stream, group, at_ms)


@mutant("replay.6", "groups of one name are one", trap="a group of that name on another stream", also="replay.9")
class MovesItsNamesakes(SqlStreams):
    def move(self, stream: int, group: int, to: dict[int, int]) -> None:
        super().move(stream, group, to)
        same = "SELECT id FROM grp WHERE name=(SELECT name FROM grp WHERE id=?)"
        self.tables.run(f"UPDATE cursor SET at=? WHERE part=0 AND grp IN ({same})", to[0], group)


@mutant(
    "partitioning.9",
    "partition with nothing so young begins anew",
    trap="a seek to an instant that one partition has nothing after",
)
class BeginsAnewWhereThereIsNothing(SqlStreams):
    def move(self, stream: int, group: int, to: dict[int, int]) -> None:
        if len(to) > 1 and any(at <= self.tables.last(stream, part) for part, at in to.items()):
            to = {part: at if at <= self.tables.last(stream, part) else self.tables.oldest(stream, part) for part, at in to.items()}
        super().move(stream, group, to)


@mutant("retention.1", "age of 32 bits of milliseconds", trap="a bound of more than 49 days", also="retention.4 retention.5")
class AgesIn32Bits(Actor):
    def old(self, record: Record, age: float) -> bool:
        return super().old(record, int(age * 1000) % 2**32 / 1000)


@mutant("retention.4", "age in single precision", trap="an age of many seconds and a fraction", also="retention.1")
class AgesInSinglePrecision(SqlStreams):
    def bounds(self, max_age_s: float | None, max_records: int | None) -> tuple[float | None, int | None]:
        age, most = super().bounds(max_age_s, max_records)
        return None if age is None else struct.unpack("f", struct.pack("f", age))[0], most


@mutant(
    "retention.8",
    "so many from the front, counted before",
    trap="two enforcements at once, or one beside a trim",
    also="retention.1 retention.11",
)
class RemovesSoManyFromTheFront(SqlStreams):
    async def enforce_retention(self, stream: str) -> None:
        bounds, number = await self.retention(stream), self.found(stream)
        if number is None or bounds.max_records is None or self.tables.parts(number) > 1:
            return await super().enforce_retention(stream)
        surplus = self.tables.one("SELECT count(*) FROM record WHERE stream=?", number) - bounds.max_records
        await asyncio.sleep(0)
        with self.tables.writing():
            first = "SELECT off FROM record WHERE stream=? ORDER BY off LIMIT ?"
            self.tables.run(f"DELETE FROM record WHERE stream=? AND off IN ({first})", number, number, max(0, surplus))
        return await super().enforce_retention(stream)


@mutant(
    "retention.8", "keeps what was last before", trap="an append while the stream is compacted", also="retention.6 retention.13"
)
class KeepsWhatWasLast(SqlStreams):
    async def compact(self, stream: str) -> None:
        self.named(stream)
        number = self.found(stream)
        if number is None:
            return
        keep = self.tables.run(
            "SELECT part, max(off) FROM record WHERE stream=? AND key IS NOT NULL GROUP BY part, key", number
        ).fetchall()
        keys = self.tables.run("SELECT part, off FROM record WHERE stream=? AND key IS NOT NULL", number).fetchall()
        for _ in keys[::4]:
            await asyncio.sleep(0)
        with self.tables.writing():
            for part, off in self.tables.run("SELECT part, off FROM record WHERE stream=? AND key IS NOT NULL", number).fetchall():
                if (part, off) not in keep:
                    self.tables.run("DELETE FROM record WHERE stream=? AND part=? AND off=?", number, part, off)


@mutant("retention.12", "keys without case", trap="keys that differ in case")
class CompactsWithoutCase(Tables):
    def compact(self, stream: int) -> None:
        self.run(
            "DELETE FROM record WHERE stream=? AND key IS NOT NULL AND off < (SELECT max(b.off) FROM record b"
            " WHERE b.stream=record.stream AND b.part=record.part AND CAST(b.key AS TEXT)=CAST(record.key AS TEXT) COLLATE NOCASE)",
            stream,
        )


@mutant("retention.12", "LIKE for equal", trap="a key that is a pattern of another", also="retention.6")
class CompactsByLike(Tables):
    def compact(self, stream: int) -> None:
        self.run(
            "DELETE FROM record WHERE stream=? AND key IS NOT NULL AND off < (SELECT max(b.off) FROM record b"
            " WHERE b.stream=record.stream AND b.part=record.part AND CAST(b.key AS TEXT) LIKE CAST(record.key AS TEXT))",
            stream,
        )


@mutant("retention.9", "offsets counted from what is kept, or trimmed", trap="an append once bounds left nothing")
class CountsFromWhatIsKept(Tables):
    def last(self, stream: int | None, part: int) -> int:
        floor = self.one("SELECT floor FROM lane WHERE stream=? AND part=?", stream, part) or 1
        return max(self.one("SELECT max(off) FROM record WHERE stream=? AND part=?", stream, part) or 0, floor - 1)


@mutant("retention.2", "bound of all partitions together", trap="a stream of several partitions", also="retention.1")
class BoundsAllPartitionsTogether(Actor):
    def enforce(self, space: str, name: str, stream: Stream) -> None:
        lanes = [lane for lane in stream.lanes if lane.records]
        if stream.bounds is None or stream.bounds.max_records is None or len(lanes) < 2:
            super().enforce(space, name, stream)
            return
        every = sorted(record.offset for lane in lanes for record in lane.records)[: -stream.bounds.max_records]
        for part, lane in enumerate(stream.lanes):
            self.remove(space, name, part, {record.offset for record in lane.records} & {*every})


@mutant(
    "retention.10", "nack that looks its record up", trap="a nack of what was removed while it was held", also="consumer_groups.12"
)
class LooksUpWhatIsNacked(SqlMember):
    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        for delivery in deliveries:
            record = delivery.record
            if not self.tables.rows(self.stream, record.partition, record.offset, record.offset, 1):
                raise KeyError(record.offset)
        await super().nack(*deliveries, delay_s=delay_s)


@mutant(
    "retention.2",
    "what did not change since, by one partition",
    trap="an append to a second partition between two enforcements",
    also="retention.11",
)
class EnforcesWhatIsNewToIt(SqlStreams):
    def __init__(self, tables: Tables, namespace: str) -> None:
        super().__init__(tables, namespace)
        self.done: dict[str, Any] = {}

    async def enforce_retention(self, stream: str) -> None:
        bounds, last = await self.retention(stream), self.tables.last(self.found(stream), 0)
        if bounds.max_age_s is None and self.done.get(stream) == (bounds, last):
            return
        await super().enforce_retention(stream)
        self.done[stream] = (bounds, last)


@mutant(
    "partitioning.8",
    "stream made before the check",
    trap="an append to a partition that there is not, then create_partitioned",
    also="partitioning.1",
)
class UsesBeforeItChecks(SqlStreams):
    async def append_to_partition(
        self, stream: str, partition: int, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> int:
        self.named(stream)
        self.content(payload, key, headers)
        self.tables.use(self.tables.made(self.space, stream))
        return await super().append_to_partition(stream, partition, payload, key, headers)


@mutant("partitioning.9", "start that is 0 taken for none", trap="a group of a partitioned stream that is to start with offset 0")
class TakesZeroForNone(SqlStreams):
    async def create_group(self, stream: str, group: str, start: GroupStart = "earliest") -> None:
        await super().create_group(stream, group, start or "earliest")


@mutant("partitioning.5", "partition by first sight, of the last keys only", trap="a key that comes again after many others")
class RemembersTheLastKeys(ActorStreams):
    def lane_of(self, key: str | None, parts: int) -> int:
        seen: dict[str, int] = self.actor.shelf.__dict__.setdefault("seen", {})
        if key is None or parts == 1:
            return super().lane_of(key, parts)
        if len(seen) > 64:
            seen.pop(next(iter(seen)))
        return seen.setdefault(key, len(self.actor.shelf.logs[self.space]) % 257) % parts


@mutant(
    "partitioning.12", "partition by partition", trap="a create_partitioned that is cancelled", also="partitioning.1 partitioning.3"
)
class MakesOneByOne(ActorStreams):
    async def create_partitioned(self, stream: str, n: int) -> None:
        self.named(stream)
        if whole(n, "n", 1) > 256:
            raise ValueError(f"{MAKER}: {n} partitions are too many")
        found = self.view.stream(stream)
        if len(found.lanes) == n:
            return
        if found.used or len(found.lanes) > 1:
            raise AlreadyExists(f"{MAKER}: the stream was used, or has {len(found.lanes)} partitions")
        for so_far in (n // 2, n):
            await self.actor.ask(lambda so_far=so_far: self.actor.write(self.space, "parted", stream, n=max(1, so_far)))


@mutant("partitioning.6", "seven bits of a partition", trap="a partition from 128 on", also="partitioning.4 partitioning.10")
class PartitionsIn7Bits(SqlStreams):
    async def read_partition(self, stream: str, partition: int, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        async for record in super().read_partition(stream, partition, start, limit):
            yield Record(record.offset, record.key, record.payload, record.headers, record.appended_ms, record.partition & 0x7F)


@mutant(
    "partitioning.10", "partition lost on the way back", trap="a record of a partition that comes again", also="consumer_groups.3"
)
class ComesAgainWithoutItsPartition(SqlMember):
    def again(self, most: int) -> list[RecordDelivery]:
        return [
            RecordDelivery(
                Record(d.record.offset, d.record.key, d.record.payload, d.record.headers, d.record.appended_ms),
                d.delivery_count,
                d.token,
            )
            for d in super().again(most)
        ]


@mutant("partitioning.10", "one partition after the other", trap="a held record of one partition, and what is new in another")
class HoldsUpTheOthers(SqlMember):
    def fresh(self, part: int, most: int) -> list[RecordDelivery]:
        held = self.tables.one("SELECT min(part) FROM pending WHERE grp=? AND member", self.group)
        return super().fresh(part, most) if held is None or held == part else []


@mutant("partitioning.13", "hash of the process", trap="kill, then a key that was used before", also="partitioning.5")
class HashesByTheProcess(SqlStreams):
    def lane_of(self, key: str | None, parts: int) -> int:
        return 0 if key is None else hash(key) % parts
