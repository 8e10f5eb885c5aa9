"""A right driver of all five interfaces in the way of clients of brokers: it makes frames, fetches pages, and keeps nothing."""

import asyncio
import math
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, ClassVar

from prism_testkit.backend import Backend
from prism_testkit.interfaces import (
    AlreadyExists,
    Bytes,
    ConfigError,
    Conflict,
    GroupInfo,
    GroupNotFound,
    GroupStart,
    Member,
    Record,
    Retention,
    StreamBasic,
    StreamConsumerGroups,
    StreamPartitioning,
    StreamReplay,
    StreamRetention,
)
from prism_testkit.naming import check_headers, check_limit, check_name, check_payload
from prism_testkit.traits import Limits, Traits

from .history_broker import Broker, DiskBroker, Entry, Group, Log, Topic, clean, connector
from .history_members import BrokerMember

__all__ = ["BrokerStreams", "Codec", "broker_backend"]

Reading = AsyncGenerator[Record, None]

_MOST = 256
_LENGTH = struct.Struct(">i")


def murmur2(data: bytes) -> int:
    """Return the hash by which clients of brokers choose a partition."""
    mixed = (0x9747B28C ^ len(data)) & 0xFFFFFFFF
    whole = len(data) // 4 * 4
    for (word,) in struct.iter_unpack("<I", data[:whole]):
        word = word * 0x5BD1E995 & 0xFFFFFFFF
        word = (word ^ word >> 24) * 0x5BD1E995 & 0xFFFFFFFF
        mixed = (mixed * 0x5BD1E995 & 0xFFFFFFFF) ^ word
    if data[whole:]:
        mixed = (mixed ^ int.from_bytes(data[whole:], "little")) * 0x5BD1E995 & 0xFFFFFFFF
    mixed = (mixed ^ mixed >> 13) * 0x5BD1E995 & 0xFFFFFFFF
    return mixed ^ mixed >> 15


class Codec:
    """Frames: each field with its length before it, -1 for none."""

    def field(self, data: bytes | None) -> bytes:
        return _LENGTH.pack(-1) if data is None else _LENGTH.pack(len(data)) + data

    def encode(self, key: str | None, payload: bytes, headers: Mapping[str, str]) -> bytes:
        texts = [text.encode() for pair in headers.items() for text in pair]
        return b"".join(map(self.field, [None if key is None else key.encode(), payload, *texts]))

    def fields(self, frame: bytes) -> list[bytes | None]:
        found, at = list[bytes | None](), 0
        while at < len(frame):
            (length,) = _LENGTH.unpack_from(frame, at)
            at += _LENGTH.size
            found.append(None if length < 0 else frame[at : at + length])
            at += max(0, length)
        return found

    def decode(self, frame: bytes) -> tuple[str | None, bytes, dict[str, str]]:
        key, payload, *texts = self.fields(frame)
        words = [(text or b"").decode() for text in texts]
        return (None if key is None else key.decode()), payload or b"", dict(zip(words[::2], words[1::2], strict=True))


class Basic(StreamBasic, StreamPartitioning):
    limits: Limits = Limits()
    codec_type: ClassVar[type[Codec]] = Codec

    def __init__(self, broker: Broker, namespace: str) -> None:
        self.broker = broker
        self.namespace = namespace
        self.codec = self.codec_type()

    # Arguments

    def name(self, name: str, operation: str) -> str:
        check_name(name, operation, "zoo", self.limits)
        return name

    def whole(self, number: int, operation: str) -> int:
        if not isinstance(number, int):
            raise TypeError(f"zoo: {operation}: {number!r} is no int")
        return number

    def bound(self, offset: int, operation: str) -> int:
        if self.whole(offset, operation) < 0:
            raise ValueError(f"zoo: {operation}: {offset} is negative")
        return offset

    def frame(self, key: str | None, payload: Bytes, headers: Mapping[str, str] | None, operation: str, stream: str) -> bytes:
        data = check_payload(payload, operation, "zoo", stream, self.limits)
        if key is not None:
            self.name(key, operation)
        return self.codec.encode(key, data, check_headers(headers, operation, "zoo"))

    # Steps

    def now(self) -> float:
        return self.broker.clock.now_s()

    async def request(self) -> None:
        """Let a request travel."""
        await asyncio.sleep(0)

    def topic(self, stream: str) -> Topic:
        return self.broker.topic(self.namespace, stream)

    def changed(self, stream: str) -> None:
        self.broker.changed(self.namespace, stream)

    def serial(self, stream: str) -> int:
        topic = self.topic(stream)
        topic.serial += 1
        return topic.serial

    def log(self, stream: str, operation: str) -> Log:
        """Return the only log of an ordinary stream."""
        topic = self.topic(stream)
        if len(topic.logs) > 1:
            raise ConfigError(f"zoo: {operation} of {stream[:40]!a}, which is partitioned")
        return topic.logs[0]

    def part(self, stream: str, partition: int, operation: str) -> Log:
        logs = self.topic(stream).logs
        if not 0 <= partition < len(logs):
            raise ValueError(f"zoo: {operation}: there is no partition {partition}")
        return logs[partition]

    def choose(self, topic: Topic, stream: str, key: str | None) -> int:
        if key is None:
            return self.serial(stream) % len(topic.logs)
        return (murmur2(key.encode()) & 0x7FFFFFFF) % len(topic.logs)

    def produce(self, stream: str, log: Log, key: str | None, frame: bytes) -> int:
        offset = log.append(self.broker.clock.now_ms(), key, frame)
        self.changed(stream)
        return offset

    def record(self, number: int, entry: Entry, base_ms: int) -> Record:
        key, payload, headers = self.codec.decode(entry.frame)
        return Record(entry.offset, key, payload, headers, base_ms + entry.delta_ms, number)

    async def walk(self, log: Log, number: int, start: int, stop: int, limit: int | None) -> Reading:
        """Fetch page after page; what a page holds before the offset that was asked for is passed over."""
        at, given = start, 0
        while given != limit and at < stop and (page := log.fetch(at)) is not None:
            for entry in page.entries:
                if entry.offset >= stop or given == limit:
                    return
                if entry.offset >= at:
                    given += 1
                    yield self.record(number, entry, page.base_ms)
            at = page.next
            await self.request()

    # Calls

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        name, frame = self.name(stream, "append"), self.frame(key, payload, headers, "append", stream)
        await self.request()
        topic = self.topic(name)
        return self.produce(name, topic.logs[self.choose(topic, name, key)], key, frame)

    async def append_to_partition(
        self, stream: str, partition: int, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> int:
        operation = "append_to_partition"
        name, frame = self.name(stream, operation), self.frame(key, payload, headers, operation, stream)
        number = self.whole(partition, operation)
        await self.request()
        return self.produce(name, self.part(name, number, operation), key, frame)

    async def read(self, stream: str, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        name, at, most = self.name(stream, "read"), self.bound(start, "read"), check_limit(limit, "read", "zoo")
        log = self.log(name, "read")
        async for record in self.walk(log, 0, at, log.next, most):
            yield record

    async def read_partition(self, stream: str, partition: int, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        operation = "read_partition"
        name, at, most = self.name(stream, operation), self.bound(start, operation), check_limit(limit, operation, "zoo")
        log = self.part(name, self.whole(partition, operation), operation)
        async for record in self.walk(log, partition, at, log.next, most):
            yield record

    async def latest_offset(self, stream: str) -> int | None:
        name = self.name(stream, "latest_offset")
        await self.request()
        return self.latest(self.log(name, "latest_offset"))

    def latest(self, log: Log) -> int | None:
        return log.next - 1 if log.next else None

    async def trim(self, stream: str, before: int) -> int:
        name, bound = self.name(stream, "trim"), self.bound(before, "trim")
        await self.request()
        lowest = self.log(name, "trim").trim(bound)
        self.changed(name)
        return lowest

    async def create_partitioned(self, stream: str, n: int) -> None:
        name = self.name(stream, "create_partitioned")
        if not 1 <= self.whole(n, "create_partitioned") <= _MOST:
            raise ValueError(f"zoo: create_partitioned: {n} is not from 1 to {_MOST}")
        await self.request()
        topic = self.topic(name)
        if len(topic.logs) == n:
            return
        if len(topic.logs) > 1 or topic.used:
            raise AlreadyExists(f"zoo: create_partitioned {name[:40]!a}: it is in use, or has another number")
        topic.logs = [self.broker.log_type() for _ in range(n)]
        self.changed(name)

    async def partitions(self, stream: str) -> int:
        name = self.name(stream, "partitions")
        await self.request()
        return len(self.topic(name).logs)


class BrokerStreams(Basic, StreamConsumerGroups, StreamReplay, StreamRetention):
    """All five interfaces."""

    member_type: ClassVar[type[BrokerMember]] = BrokerMember

    # Groups

    def group(self, stream: str, group: str) -> Group:
        found = self.topic(stream).groups.get(group)
        if found is None:
            raise GroupNotFound(f"zoo: {group[:40]!a} of {stream[:40]!a}: no such group")
        return found

    def begin(self, log: Log, start: GroupStart) -> int:
        if isinstance(start, int):
            return start
        return log.first if start == "earliest" else log.next

    async def create_group(self, stream: str, group: str, start: GroupStart = "earliest") -> None:
        operation = "create_group"
        name, label = self.name(stream, operation), self.name(group, operation)
        if isinstance(start, int):
            self.bound(start, operation)
        elif start not in ("earliest", "latest"):
            raise ValueError(f"zoo: create_group: start {start!a}")
        await self.request()
        topic = self.topic(name)
        if isinstance(start, int):
            self.log(name, "create_group at an offset")
        if label in topic.groups:
            raise AlreadyExists(f"zoo: create_group {label[:40]!a} of {name[:40]!a}: there is one")
        topic.groups[label] = Group([self.broker.cursor_type(self.begin(log, start)) for log in topic.logs])
        self.changed(name)

    @asynccontextmanager
    async def join(self, stream: str, group: str, consumer: str) -> AsyncIterator[Member]:
        name, label, who = self.name(stream, "join"), self.name(group, "join"), self.name(consumer, "join")
        await self.request()
        member = self.member_type(self, name, label, who)
        member.enter()
        try:
            yield member
        finally:
            member.leave()

    async def group_info(self, stream: str, group: str) -> GroupInfo:
        name, label = self.name(stream, "group_info"), self.name(group, "group_info")
        await self.request()
        found, logs = self.group(name, label), self.topic(name).logs
        pending = sum(cursor.pending(log) for cursor, log in zip(found.cursors, logs, strict=True))
        return GroupInfo(len(found.members), pending, found.cursors[0].read if len(logs) == 1 else 0)

    # Going back

    def free(self, stream: str, group: str, operation: str) -> Group:
        found = self.group(stream, group)
        if found.members:
            raise Conflict(f"zoo: {operation}: group {group[:40]!a} has members")
        return found

    async def seek(self, stream: str, group: str, offset: int) -> None:
        name, label, at = self.name(stream, "seek"), self.name(group, "seek"), self.bound(offset, "seek")
        await self.request()
        log = self.log(name, "seek")
        self.free(name, label, "seek").cursors[0].move(self.place(log, at))
        self.changed(name)

    def place(self, log: Log, offset: int) -> int:
        return max(log.first, min(offset, log.next))

    async def seek_to_time(self, stream: str, group: str, at_ms: int) -> None:
        operation = "seek_to_time"
        name, label, at = self.name(stream, operation), self.name(group, operation), self.bound(at_ms, operation)
        await self.request()
        for cursor, log in zip(self.free(name, label, operation).cursors, self.topic(name).logs, strict=True):
            cursor.move(log.at_time(at))
        self.changed(name)

    async def replay(self, stream: str, start: int, stop: int) -> AsyncIterator[Record]:
        name, first, behind = self.name(stream, "replay"), self.bound(start, "replay"), self.bound(stop, "replay")
        log = self.log(name, "replay")
        async for record in self.walk(log, 0, first, min(behind, log.next), None):
            yield record

    # Bounds

    async def set_retention(self, stream: str, max_age_s: float | None = None, max_records: int | None = None) -> None:
        operation = "set_retention"
        name = self.name(stream, operation)
        if max_age_s is not None and not 0 < max_age_s < math.inf:
            raise ValueError(f"zoo: set_retention: max_age_s={max_age_s!r}")
        if max_records is not None and self.whole(max_records, operation) < 1:
            raise ValueError(f"zoo: set_retention: max_records={max_records!r}")
        await self.request()
        self.topic(name).bounds = Retention(max_age_s, max_records)
        self.changed(name)

    async def retention(self, stream: str) -> Retention:
        name = self.name(stream, "retention")
        await self.request()
        return self.topic(name).bounds or Retention()

    async def enforce_retention(self, stream: str) -> None:
        name = self.name(stream, "enforce_retention")
        await self.request()
        topic = self.topic(name)
        for log in topic.logs:
            self.expire(log, topic.bounds or Retention())
        self.changed(name)

    def expire(self, log: Log, bounds: Retention) -> None:
        log.expire(bounds, self.broker.clock.now_ms())

    async def compact(self, stream: str) -> None:
        name = self.name(stream, "compact")
        await self.request()
        for log in self.topic(name).logs:
            log.compact()
        self.changed(name)


TRAITS = Traits(group_parallelism="record", delivery_count="exact", compaction="immediate", member_timeout_s=0.0)


def broker_backend(name: str, driver: type[Basic] = BrokerStreams, broker: type[Broker] = Broker, **settings: Any) -> Backend[Any]:
    """Make a backend of this name over a broker."""
    traits = settings.pop("traits", TRAITS)
    if issubclass(broker, DiskBroker):
        traits = replace(traits, durability="process", ack_survives_kill="yes", attempts_survive_kill="yes")
    return Backend(name=name, connect=connector(broker), drivers=[driver], clean=clean, traits=traits, **settings)
