"""`KafkaStream`: every interface of streams, over one topic for each namespace."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, ClassVar

import prism_testkit as prism
from prism_backends.kafka import bounds
from prism_backends.kafka.book import Divided, Stream
from prism_backends.kafka.client import KafkaClient
from prism_backends.kafka.company import MEMBER_TIMEOUT_S, company_of
from prism_backends.kafka.connections import murmur2
from prism_backends.kafka.living import LivingKafka
from prism_backends.kafka.reading import headers_of, record_of, records
from prism_backends.kafka.space import Space
from prism_backends.kafka.streammember import KafkaMember
from prism_backends.stream_arguments import (
    check_bounds,
    check_instant,
    check_key,
    check_offset,
    check_partition,
    check_partitions,
    check_records,
    check_start,
    check_whole,
)
from prism_backends.streamcompany import bell_of
from prism_testkit.interfaces.errors import AlreadyExists, Conflict, GroupNotFound
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.stream import GroupInfo, GroupStart, Member, Record, StreamBasic, StreamConsumerGroups
from prism_testkit.interfaces.stream_partitioning import StreamPartitioning
from prism_testkit.interfaces.stream_replay import StreamReplay
from prism_testkit.interfaces.stream_retention import Retention, StreamRetention

__all__ = ["KafkaStream"]

_ME = "kafka"
_BEYOND = 2**62
"""Above every offset and instant there will ever be; a larger one would not fit."""


class KafkaStream(LivingKafka, StreamBasic, StreamConsumerGroups, StreamReplay, StreamRetention, StreamPartitioning):
    """Each partition of a stream is a partition of Kafka's, its offsets Kafka's, and its instants the broker's.

    All streams of a namespace are in one topic, because a topic costs far more than a partition. Whose each partition is, what
    is trimmed, and what groups took, is in the log that is the topic's first partition (`Book`). Kafka's own groups are not used:
    they give a partition, not a record, to a member, know one position instead of acks, and what they give moves whenever
    somebody joins. A member counts as dead some seconds after its process was killed or stopped; one whose event loop is held up
    for as long counts as stopped. The members of a driver that is closed leave. A receive that waits is woken by its own process,
    and looks twenty times a second for what others do.
    """

    traits: ClassVar[prism.Traits] = prism.Traits(
        durability="process",
        ack_survives_kill="yes",
        attempts_survive_kill="yes",
        member_timeout_s=MEMBER_TIMEOUT_S,
        group_parallelism="record",
        delivery_count="exact",
        compaction="immediate",
    )

    def __init__(self, client: KafkaClient, namespace: str) -> None:
        self.client, self._namespace = client, namespace
        self._space = Space(client, f"{namespace}-stream")
        self._company = company_of(self._space, f"{_ME}: members of streams")
        self._turns = count()

    async def _end(self) -> None:
        """Let every member of this driver leave."""
        await self._company.dismiss()

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        return await self._append("append", stream, payload, key, headers)

    async def read(self, stream: str, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        stream = _name("read", stream)
        check_offset(start, "read", _ME)
        left = check_records(limit, "read", _ME)
        found = await self._whole("read", stream)
        async for record in self._read("read", stream, found, 0, start, left):
            yield record

    async def latest_offset(self, stream: str) -> int | None:
        stream = _name("latest_offset", stream)
        found = await self._whole("latest_offset", stream)
        if found is None:
            return None
        (end,) = (await self._space.ends(_what("latest_offset", stream), found)).values()
        return end - 1 if end else None

    async def trim(self, stream: str, before: int) -> int:
        stream = _name("trim", stream)
        check_offset(before, "trim", _ME)
        found = await self._whole("trim", stream)
        if found is None:
            return 0
        what = _what("trim", stream)
        ((partition, end),) = (await self._space.ends(what, found)).items()
        await bounds.cut(what, self._space, stream, {partition: min(before, end)})
        return max(found.oldest(partition), min(before, end))

    async def create_group(self, stream: str, group: str, start: GroupStart = "earliest") -> None:
        stream, group = _name("create_group", stream), _name("create_group", group)
        check_start(start, "create_group", _ME)
        what = _what("create_group", stream)
        found = await self._known("create_group", stream)
        first = min(start, _BEYOND) if isinstance(start, int) else None
        positions = await self._space.ends(what, found) if start == "latest" else {}
        step = {"do": "create", "stream": stream, "group": group, "start": first, "positions": list(positions.items())}
        try:
            is_new = await self._space.do(what, step)
        except Divided:
            check_whole(len(self._space.book.streams[stream].partitions), "create_group", _ME, stream)
            raise
        if not is_new:
            raise AlreadyExists(f"{what}: there is a group {group[:40]!a} already")

    @asynccontextmanager
    async def join(self, stream: str, group: str, consumer: str) -> AsyncIterator[Member]:
        stream, group = _name("join", stream), _name("join", group)
        prism.check_name(consumer, "join", _ME)
        member = KafkaMember(self._space, self._company, bell_of(self.client.shared, self._space.topic, stream), stream, group)
        await member.holding.enter()
        try:
            yield member
        finally:
            await member.holding.leave()

    async def group_info(self, stream: str, group: str) -> GroupInfo:
        stream, group = _name("group_info", stream), _name("group_info", group)
        found = await self._known("group_info", stream)
        known = None if found is None else found.groups.get(group)
        if found is None or known is None:
            raise self._no_group("group_info", stream, group)
        members = known.alive(self._space.now_ms(), self._alive(stream, group))
        pending = len(known.held) + sum(map(found.is_kept, known.again))
        first = found.partitions[0]
        position = 0 if len(found.partitions) > 1 else max(known.position(first), found.oldest(first))
        return GroupInfo(len(members), pending, position)

    async def seek(self, stream: str, group: str, offset: int) -> None:
        stream, group = _name("seek", stream), _name("seek", group)
        check_offset(offset, "seek", _ME)
        found = await self._whole("seek", stream)
        ends = await self._space.ends(_what("seek", stream), found)
        await self._move("seek", stream, group, {partition: min(offset, end) for partition, end in ends.items()})

    async def seek_to_time(self, stream: str, group: str, at_ms: int) -> None:
        stream, group = _name("seek_to_time", stream), _name("seek_to_time", group)
        check_instant(at_ms, "seek_to_time", _ME)
        found = await self._known("seek_to_time", stream)
        positions = await bounds.younger(_what("seek_to_time", stream), self._space, found, min(at_ms, _BEYOND))
        await self._move("seek_to_time", stream, group, positions)

    async def replay(self, stream: str, start: int, stop: int) -> AsyncIterator[Record]:
        stream = _name("replay", stream)
        check_offset(start, "replay", _ME)
        check_offset(stop, "replay", _ME)
        found = await self._whole("replay", stream)
        async for record in self._read("replay", stream, found, 0, start, None, stop):
            yield record

    async def set_retention(self, stream: str, max_age_s: float | None = None, max_records: int | None = None) -> None:
        stream = _name("set_retention", stream)
        asked = check_bounds(max_age_s, max_records, _ME)
        step = {"do": "bound", "stream": stream, "age_ms": bounds.milliseconds(asked.max_age_s), "most": asked.max_records}
        await self._space.do(_what("set_retention", stream), step)

    async def retention(self, stream: str) -> Retention:
        stream = _name("retention", stream)
        return bounds.bounds_of(await self._known("retention", stream))

    async def enforce_retention(self, stream: str) -> None:
        stream = _name("enforce_retention", stream)
        await bounds.enforce(_what("enforce_retention", stream), self._space, stream)

    async def compact(self, stream: str) -> None:
        stream = _name("compact", stream)
        await bounds.compact(_what("compact", stream), self._space, stream)

    async def create_partitioned(self, stream: str, n: int) -> None:
        stream = _name("create_partitioned", stream)
        check_partitions(n, _ME)
        found = await self._known("create_partitioned", stream)
        if n == 1 and (found is None or len(found.partitions) == 1):
            return
        if not await self._space.do(_what("create_partitioned", stream), {"do": "divide", "stream": stream, "n": n}):
            has = len(self._space.book.streams[stream].partitions)
            raise AlreadyExists(f"{_what('create_partitioned', stream)}: it is in use, with {has} partitions")

    async def partitions(self, stream: str) -> int:
        stream = _name("partitions", stream)
        found = await self._known("partitions", stream)
        return 1 if found is None else len(found.partitions)

    async def append_to_partition(
        self, stream: str, partition: int, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> int:
        stream = _name("append_to_partition", stream)
        check_partition(partition, None, "append_to_partition", _ME)
        return await self._append("append_to_partition", stream, payload, key, headers, partition)

    async def read_partition(self, stream: str, partition: int, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        stream = _name("read_partition", stream)
        check_partition(partition, None, "read_partition", _ME)
        check_offset(start, "read_partition", _ME)
        left = check_records(limit, "read_partition", _ME)
        found = await self._known("read_partition", stream)
        check_partition(partition, 1 if found is None else len(found.partitions), "read_partition", _ME)
        async for record in self._read("read_partition", stream, found, partition, start, left):
            yield record

    async def _append(
        self,
        operation: str,
        stream: str,
        payload: Bytes,
        key: str | None,
        headers: Mapping[str, str] | None,
        number: int | None = None,
    ) -> int:
        stream = _name(operation, stream)
        data = prism.check_payload(payload, operation, _ME, stream)
        label = check_key(key, operation, _ME)
        texts = headers_of(prism.check_headers(headers, operation, _ME))
        what = _what(operation, stream)
        if number and stream not in self._space.book.streams:  # a stream that is not there has no such partition, and stays unused
            await self._known(operation, stream)
            check_partition(number, 1 if stream not in self._space.book.streams else None, operation, _ME)
        found = await self._space.stream(what, stream)
        if number is None:
            number = _partition_of(label, len(found.partitions), self._turns)
        check_partition(number, len(found.partitions), operation, _ME)
        try:
            offset, _ = await self._space.append(what, found.partitions[number], data, label, texts)
        finally:
            bell_of(self.client.shared, self._space.topic, stream).ring()  # also if it was cancelled, for it may have happened
        return offset

    async def _read(
        self, operation: str, stream: str, found: Stream | None, number: int, start: int, left: int | None, stop: int | None = None
    ) -> AsyncIterator[Record]:
        if found is None or left == 0:
            return
        async for stored in records(_what(operation, stream), self._space, found, number, min(start, _BEYOND), stop):
            yield record_of(stored, number)
            if left is not None and (left := left - 1) == 0:
                return

    async def _move(self, operation: str, stream: str, group: str, positions: Mapping[int, int]) -> None:
        alive = list(self._alive(stream, group))
        step = {"do": "seek", "stream": stream, "group": group, "positions": list(positions.items()), "alive": alive}
        outcome = await self._space.do(_what(operation, stream), step, make=False)
        if outcome == "joined":
            raise Conflict(f"{_what(operation, stream)}: the group {group[:40]!a} has members")
        if outcome != "moved":
            raise self._no_group(operation, stream, group)

    async def _known(self, operation: str, stream: str) -> Stream | None:
        """Return a stream as it is now; None if it was never used."""
        return (await self._space.sync(_what(operation, stream))).streams.get(stream)

    async def _whole(self, operation: str, stream: str) -> Stream | None:
        """Return a stream of one partition."""
        found = await self._known(operation, stream)
        check_whole(1 if found is None else len(found.partitions), operation, _ME, stream)
        return found

    def _alive(self, stream: str, group: str) -> set[str]:
        return set(self._company.alive((self._space.topic, stream, group)))

    def _no_group(self, operation: str, stream: str, group: str) -> GroupNotFound:
        return GroupNotFound(f"{_what(operation, stream)}: there is no group {group[:40]!a}")


def _partition_of(key: bytes | None, partitions: int, turns: "count[int]") -> int:
    """Return the partition of a key, the one that Kafka's own clients choose; those without take turns."""
    hashed: Any = next(turns) if key is None else murmur2(key) & 0x7FFFFFFF
    return int(hashed % partitions)


def _name(operation: str, name: str) -> str:
    """Return a legal name as plain text, whatever kind of str it is."""
    return prism.check_name(name, operation, _ME).decode()


def _what(operation: str, stream: str) -> str:
    return f"{_ME}: {operation} {stream[:40]!a}"
