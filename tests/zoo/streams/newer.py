"""A correct driver of the newer stream interfaces too: groups that are moved, bounds and compaction, partitions.

A partition of a partitioned stream is a log of its own, a *lane*, under a name that nobody may use; an ordinary stream is its own
only lane. Every call is atomic, as in `reference`.
"""

import math
import zlib
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, ClassVar

from prism_testkit.backend import Backend
from prism_testkit.interfaces import (
    AlreadyExists,
    Bytes,
    ConfigError,
    Conflict,
    GroupInfo,
    GroupStart,
    Record,
    Retention,
    StreamPartitioning,
    StreamReplay,
    StreamRetention,
)
from prism_testkit.traits import Traits

from .lanes import LaneMember
from .reference import Member, Reading, Streams
from .reference import backend as backend_of
from .stores import Change, Connect, FileStore, Store, Stream, connector

__all__ = ["FileNewerStreams", "LaneMember", "NewerStreams", "SweepingStreams", "backend"]

_MOST = 256
_LANE = "\udc00"


class Partitioning(Streams, StreamPartitioning):
    """Everything that a stream of several partitions does otherwise."""

    member_type: ClassVar[type[Member]] = LaneMember
    part_type: ClassVar[type[Member]] = Member

    # Lanes

    def count(self, stream: str) -> int:
        return max(1, self.stream(stream).parts)

    def lane(self, stream: str, number: int) -> str:
        return f"{stream}{_LANE}{number}"

    def lanes(self, stream: str) -> list[str]:
        """Return the names of the logs of a stream, by partition."""
        count = self.count(stream)
        return [stream] if count == 1 else [self.lane(stream, number) for number in range(count)]

    def number(self, stream: str, partition: int, operation: str) -> int:
        if not 0 <= self.whole(partition, operation) < self.count(stream):
            raise ValueError(f"zoo: {operation}: there is no partition {partition}")
        return partition

    def ordinary(self, stream: str, operation: str) -> str:
        """Refuse a partitioned stream."""
        if self.count(stream) > 1:
            raise ConfigError(f"zoo: {operation} of {stream[:40]!a}, which is partitioned")
        return stream

    def choose(self, stream: str, key: str | None) -> int:
        """Return the partition of a key."""
        if key is None:
            return self.any_of(stream)
        return zlib.crc32(key.encode()) % self.count(stream)

    def any_of(self, stream: str) -> int:
        return self.serial() % self.count(stream)

    # Making

    def used(self, stream: str) -> bool:
        log = self.stream(stream)
        return log.latest is not None or bool(log.groups) or log.bounds is not None

    def many(self, n: int) -> int:
        if not 1 <= self.whole(n, "create_partitioned") <= _MOST:
            raise ValueError(f"zoo: create_partitioned: {n} is not from 1 to {_MOST}")
        return n

    async def create_partitioned(self, stream: str, n: int) -> None:
        name, many = self.name(stream, "create_partitioned"), self.many(n)
        if many == self.count(name):
            return
        self.refuse_parts(name)
        self.apply(Change(name, parts=many))

    def refuse_parts(self, stream: str) -> None:
        if self.count(stream) > 1 or self.used(stream):
            raise AlreadyExists(f"zoo: create_partitioned {stream[:40]!a}: it is in use, or has another number")

    async def partitions(self, stream: str) -> int:
        return self.count(self.name(stream, "partitions"))

    # Records

    def add(self, stream: str, number: int, key: str | None, data: bytes, labels: Mapping[str, str]) -> int:
        lane = self.lanes(stream)[number]
        return self.insert(lane, Record(self.new_offset(lane), key, data, labels, self.stamp(lane), number))

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        name, data = self.name(stream, "append"), self.data(payload, "append", stream)
        label, labels = self.key(key, "append"), self.labels(headers, "append")
        return self.add(name, self.choose(name, label), label, data, labels)

    async def append_to_partition(
        self, stream: str, partition: int, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> int:
        operation = "append_to_partition"
        name, data = self.name(stream, operation), self.data(payload, operation, stream)
        label, labels = self.key(key, operation), self.labels(headers, operation)
        return self.add(name, self.number(name, partition, operation), label, data, labels)

    async def read_partition(self, stream: str, partition: int, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        operation = "read_partition"
        name, at, most = self.name(stream, operation), self.bound(start, operation), self.limit(limit, operation)
        async for record in self.walk(self.lanes(name)[self.number(name, partition, operation)], at, most):
            yield self.shown(record)

    async def read(self, stream: str, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        self.ordinary(self.name(stream, "read"), "read")
        async for record in super().read(stream, start, limit):
            yield record

    async def latest_offset(self, stream: str) -> int | None:
        self.ordinary(self.name(stream, "latest_offset"), "latest_offset")
        return await super().latest_offset(stream)

    async def trim(self, stream: str, before: int) -> int:
        self.ordinary(self.name(stream, "trim"), "trim")
        return await super().trim(stream, before)

    # Groups

    def begin(self, stream: str, start: GroupStart) -> int:
        if isinstance(start, int) and self.bound(start, "create_group") >= 0:
            self.ordinary(stream.partition(_LANE)[0], "create_group at an offset")
        return super().begin(stream, start)

    async def create_group(self, stream: str, group: str, start: GroupStart = "earliest") -> None:
        name, label = self.name(stream, "create_group"), self.group_name(group, "create_group")
        places = {lane: self.begin(lane, start) for lane in self.lanes(name)}
        self.refuse_again(next(iter(places)), label)
        self.apply(*(Change(lane, label, create=place) for lane, place in places.items()))

    def info(self, stream: str, group: str) -> GroupInfo:
        infos = [super(Partitioning, self).info(lane, group) for lane in self.lanes(stream)]
        return GroupInfo(infos[0].members, sum(info.pending for info in infos), infos[0].position if len(infos) == 1 else 0)


class Replay(Partitioning, StreamReplay):
    """Groups that are moved."""

    def place(self, stream: str, offset: int) -> int:
        """Return the position of a group that is moved to an offset."""
        return max(self.lowest(stream), min(offset, self.stream(stream).end))

    def place_in_time(self, stream: str, at_ms: int) -> int:
        log = self.stream(stream)
        return next((record.offset for record in log.records if record.appended_ms >= at_ms), log.end)

    def refuse_members(self, stream: str, group: str, operation: str) -> None:
        if self.group(self.lanes(stream)[0], group).members:
            raise Conflict(f"zoo: {operation}: group {group[:40]!a} has members")

    def move(self, group: str, places: Mapping[str, int]) -> None:
        """Put a group at a position in each lane; what it was given is forgotten."""
        self.apply(*(Change(lane, group, position=place, forget=True) for lane, place in places.items()))

    async def seek(self, stream: str, group: str, offset: int) -> None:
        name, label, at = self.name(stream, "seek"), self.group_name(group, "seek"), self.bound(offset, "seek")
        self.ordinary(name, "seek")
        self.refuse_members(name, label, "seek")
        self.move(label, {name: self.place(name, at)})

    async def seek_to_time(self, stream: str, group: str, at_ms: int) -> None:
        operation = "seek_to_time"
        name, label, at = self.name(stream, operation), self.group_name(group, operation), self.bound(at_ms, operation)
        self.refuse_members(name, label, operation)
        self.move(label, {lane: self.place_in_time(lane, at) for lane in self.lanes(name)})

    async def replay(self, stream: str, start: int, stop: int) -> AsyncIterator[Record]:
        name, first, behind = self.name(stream, "replay"), self.bound(start, "replay"), self.bound(stop, "replay")
        self.ordinary(name, "replay")
        async for record in self.span(name, first, behind):
            yield self.shown(record)

    async def span(self, stream: str, start: int, stop: int) -> Reading:
        """Yield what is kept from ``start`` on and below ``stop``, up to the end as of now."""
        at, end = start, min(stop, self.stream(stream).end)
        while (record := self.first(stream, at, end)) is not None:
            at = record.offset + 1
            yield record


class NewerStreams(Replay, StreamRetention):
    """All five interfaces. What is outside of its bounds stays until somebody enforces them."""

    traits = Traits(group_parallelism="record", delivery_count="exact", compaction="immediate")

    def age(self, max_age_s: float | None) -> float | None:
        if max_age_s is not None and not 0 < max_age_s < math.inf:
            raise ValueError(f"zoo: set_retention: max_age_s={max_age_s!r}")
        return max_age_s

    def amount(self, max_records: int | None) -> int | None:
        if max_records is not None and self.whole(max_records, "set_retention") < 1:
            raise ValueError(f"zoo: set_retention: max_records={max_records!r}")
        return max_records

    async def set_retention(self, stream: str, max_age_s: float | None = None, max_records: int | None = None) -> None:
        name = self.name(stream, "set_retention")
        self.apply(Change(name, bounds=Retention(self.age(max_age_s), self.amount(max_records))))

    def bounds(self, stream: str) -> Retention:
        return self.stream(stream).bounds or Retention()

    async def retention(self, stream: str) -> Retention:
        return self.bounds(self.name(stream, "retention"))

    def too_old(self, record: Record, age: float) -> bool:
        return self.store.clock.now_ms() - record.appended_ms > age * 1000

    def beyond(self, log: Stream, most: int) -> Iterable[Record]:
        """Return the records that have ``most`` or more behind them."""
        return log.records[:-most]

    def outside(self, log: Stream, bounds: Retention) -> set[int]:
        """Return the offsets of what is outside."""
        found = set[int]()
        if bounds.max_age_s is not None:
            found |= {record.offset for record in log.records if self.too_old(record, bounds.max_age_s)}
        if bounds.max_records is not None:
            found |= {record.offset for record in self.beyond(log, bounds.max_records)}
        return found

    def drop(self, lane: str, offsets: Iterable[int]) -> None:
        gone = frozenset(offsets)
        if gone:
            self.apply(Change(lane, drop=gone))

    async def enforce_retention(self, stream: str) -> None:
        name = self.name(stream, "enforce_retention")
        for lane in self.lanes(name):
            self.drop(lane, self.outside(self.stream(lane), self.bounds(name)))

    def same_key(self, key: str) -> str:
        return key

    def superseded(self, log: Stream) -> set[int]:
        """Return the offsets of what has a later record of its key."""
        keyed = [(self.same_key(record.key), record.offset) for record in log.records if record.key is not None]
        last = dict(keyed)
        return {offset for key, offset in keyed if last[key] != offset}

    async def compact(self, stream: str) -> None:
        for lane in self.lanes(self.name(stream, "compact")):
            self.drop(lane, self.superseded(self.stream(lane)))


class SweepingStreams(NewerStreams):
    """What is outside is gone at whatever looks at the stream: sooner than it claims."""

    traits = Traits(group_parallelism="record", delivery_count="exact", compaction="immediate", retention_lag_s=1.0)

    def stream(self, stream: str) -> Stream:
        found = super().stream(stream)
        self.sweep(stream, found, super().stream(stream.partition(_LANE)[0]).bounds)
        return found

    def sweep(self, lane: str, log: Stream, bounds: Retention | None) -> None:
        if bounds is not None:
            self.drop(lane, self.outside(log, bounds))


class FileNewerStreams(NewerStreams):
    """All five interfaces over a `FileStore`."""

    traits = Traits(
        durability="process",
        ack_survives_kill="yes",
        attempts_survive_kill="yes",
        member_timeout_s=5.0,
        group_parallelism="record",
        delivery_count="exact",
        compaction="immediate",
    )


def backend(name: str, driver: type[Streams] = NewerStreams, connect: Connect | None = None, **more: Any) -> Backend[Store]:
    """Make the backend ``zoo-stream-<name>``."""
    durable = issubclass(driver, FileNewerStreams)
    return backend_of(name, driver, connect or connector(FileStore if durable else Store), **more)
