"""`RedisStream`: the stream interfaces, over the server's own streams."""

import itertools
import math
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, ClassVar

from redis import exceptions as native

import prism_testkit as prism
from prism_backends.redis import streamlogscripts as scripts
from prism_backends.redis import streamscripts as groups
from prism_backends.redis.client import RedisClient, model_prefix, translated
from prism_backends.redis.living import LivingRedis
from prism_backends.redis.streamids import fields_of, id_at, id_of, offset_of, record_of
from prism_backends.redis.streammembers import HORIZON_S, GroupKeys, RedisMember, company_of, evaluate
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
    partition_of,
)
from prism_backends.streamcompany import bell_of
from prism_testkit.interfaces.errors import AlreadyExists, Closed, Conflict, GroupNotFound
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.stream import GroupInfo, GroupStart, Member, Record, StreamBasic, StreamConsumerGroups
from prism_testkit.interfaces.stream_partitioning import StreamPartitioning
from prism_testkit.interfaces.stream_replay import StreamReplay
from prism_testkit.interfaces.stream_retention import Retention, StreamRetention

__all__ = ["RedisStream"]

_RECORDS_AT_ONCE = 500
_EVERY_HASH = 2**32
_LONGEST_S = 1e12
_MOST_RECORDS = 2**53


class RedisStream(LivingRedis, StreamBasic, StreamConsumerGroups, StreamReplay, StreamRetention, StreamPartitioning):
    """Offsets hold the millisecond of the append, so they are not dense. Each partition is a stream of the server's.

    Bounds are enforced by each append, read and receive. A compaction goes over the stream page by page, asks for ids and keys
    only, and holds all different keys of a partition in memory; it costs the server a look at every record.

    A member counts as dead some seconds after its process was killed or stopped; one whose event loop is held up for as long
    counts as stopped. The members of a driver that is closed leave.
    """

    backend_name: ClassVar[str] = "redis"
    traits: ClassVar[prism.Traits] = prism.Traits(
        durability="process",
        ack_survives_kill="yes",
        attempts_survive_kill="yes",
        member_timeout_s=6.0,
        group_parallelism="record",
        delivery_count="exact",
        compaction="immediate",
        retention_lag_s=0.0,
    )

    def __init__(self, client: RedisClient, namespace: str) -> None:
        self.client = client
        self._prefix = model_prefix(namespace, "stream")
        self._company = company_of(client, self.backend_name)
        self._turns = itertools.count()
        self._closed = False

    async def _end(self) -> None:
        """Let every member of this driver leave; later calls raise `Closed`. A repeat does nothing."""
        self._closed = True
        await self._company.dismiss()

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        return await self._append("append", stream, None, payload, key, headers)

    async def append_to_partition(
        self, stream: str, partition: int, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> int:
        partition = check_partition(partition, None, "append_to_partition", self.backend_name)
        return await self._append("append_to_partition", stream, partition, payload, key, headers)

    async def _append(
        self,
        operation: str,
        stream: str,
        partition: int | None,
        payload: Bytes,
        key: str | None,
        headers: Mapping[str, str] | None,
    ) -> int:
        keys = self._keys(operation, stream)
        data = prism.check_payload(payload, operation, self.backend_name, stream)
        name = check_key(key, operation, self.backend_name)
        fields = fields_of(data, name, prism.check_headers(headers, operation, self.backend_name))
        # The server takes the rest of its division by the number of partitions.
        choice = next(self._turns) if name is None else partition_of(name, _EVERY_HASH)
        found = await self._run(operation, stream, scripts.APPEND, keys, _number(partition), choice, *fields)
        self._refuse(operation, stream, partition, found)
        bell_of(self.client.shared, keys[1]).ring()
        return offset_of(found)

    async def read(self, stream: str, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        async with aclosing(self._records("read", stream, None, start, limit)) as records:
            async for record in records:
                yield record

    async def replay(self, stream: str, start: int, stop: int) -> AsyncIterator[Record]:
        stop = check_offset(stop, "replay", self.backend_name)
        async with aclosing(self._records("replay", stream, None, start, None, id_of(stop - 1))) as records:
            async for record in records:
                yield record

    async def read_partition(self, stream: str, partition: int, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        partition = check_partition(partition, None, "read_partition", self.backend_name)
        async with aclosing(self._records("read_partition", stream, partition, start, limit)) as records:
            async for record in records:
                yield record

    async def _records(
        self, operation: str, stream: str, partition: int | None, start: int, limit: int | None, last: bytes = b"+"
    ) -> AsyncGenerator[Record, None]:
        """Read up to an id, or as far as the stream goes now; without a partition the stream may have but one."""
        keys = self._keys(operation, stream)
        start = check_offset(start, operation, self.backend_name)
        left = check_records(limit, operation, self.backend_name)
        while True:
            most = _RECORDS_AT_ONCE if left is None else min(left, _RECORDS_AT_ONCE)
            page = await self._run(operation, stream, scripts.READ, keys, _number(partition), id_of(start), last, most)
            self._refuse(operation, stream, partition, page)
            if len(page) < 2:
                return
            last, *entries = page
            for identity, fields in entries:
                yield record_of(identity, fields, partition or 0)
            start = offset_of(entries[-1][0]) + 1
            left = None if left is None else left - len(entries)
            if left == 0 or start > offset_of(last):
                return

    async def latest_offset(self, stream: str) -> int | None:
        last = await self._run("latest_offset", stream, scripts.LAST, self._keys("latest_offset", stream))
        self._refuse("latest_offset", stream, None, last)
        return None if last is None else offset_of(last)

    async def trim(self, stream: str, before: int) -> int:
        keys = self._keys("trim", stream)
        bound = id_of(check_offset(before, "trim", self.backend_name))
        found = await self._run("trim", stream, scripts.TRIM, keys, bound)
        self._refuse("trim", stream, None, found)
        first, last = found
        return _first_offset(first, last)

    async def create_partitioned(self, stream: str, n: int) -> None:
        keys = self._keys("create_partitioned", stream)
        has = await self._run("create_partitioned", stream, scripts.PART, keys, check_partitions(n, self.backend_name))
        if has != n:
            raise AlreadyExists(f"{self._what('create_partitioned', stream)}: it is in use, with {has} partitions")

    async def partitions(self, stream: str) -> int:
        settings, *_ = self._keys("partitions", stream)
        return int(await self._call("partitions", stream, "HGET", settings, "partitions") or 1)

    async def set_retention(self, stream: str, max_age_s: float | None = None, max_records: int | None = None) -> None:
        keys = self._keys("set_retention", stream)
        bounds = check_bounds(max_age_s, max_records, self.backend_name)
        age: tuple[object, object] = ("", "")
        if bounds.max_age_s is not None:
            age = repr(bounds.max_age_s), math.ceil(min(bounds.max_age_s, _LONGEST_S) * 1000)
        most = "" if bounds.max_records is None else min(bounds.max_records, _MOST_RECORDS)
        await self._run("set_retention", stream, scripts.BOUND, keys, *age, most)

    async def retention(self, stream: str) -> Retention:
        settings, *_ = self._keys("retention", stream)
        age, most = await self._call("retention", stream, "HMGET", settings, "age", "records")
        return Retention(None if age is None else float(age), None if most is None else int(most))

    async def enforce_retention(self, stream: str) -> None:
        await self._run("enforce_retention", stream, scripts.ENFORCE, self._keys("enforce_retention", stream))

    async def compact(self, stream: str) -> None:
        # Page by page, for what came again is superseded for ever, and a long script would hold up everybody.
        keys, partition, partitions = self._keys("compact", stream), 0, 1
        while partition < partitions:
            at = keys[1] if partition == 0 else keys[2] + b"%d" % partition
            seen: set[bytes] = set()
            place = b"+"
            while True:
                partitions, *page = await self._run("compact", stream, scripts.KEYS, keys, partition, place, _RECORDS_AT_ONCE)
                if not page:
                    break
                place = b"(" + page[-1][0]
                gone = []
                for identity, key in page:
                    if key in seen:
                        gone.append(identity)
                    elif key is not None:
                        seen.add(key)
                if gone:
                    await self._call("compact", stream, "XDEL", at, *gone)
            partition += 1

    async def create_group(self, stream: str, group: str, start: GroupStart = "earliest") -> None:
        known = self._group("create_group", stream, group)
        start = check_start(start, "create_group", self.backend_name)
        # The position is the last offset that the group has behind it; no record has 0.
        position = start if start == "latest" else id_of(start - 1) if isinstance(start, int) else id_of(0)
        is_offset = int(isinstance(start, int))
        made = await self._run("create_group", stream, groups.CREATE, known.keys[:4], position, is_offset)
        check_whole(made, "create_group", self.backend_name, stream)
        if not made:
            raise AlreadyExists(f"{self._what('create_group', stream)}: there is a group {group[:40]!a} already")

    async def seek(self, stream: str, group: str, offset: int) -> None:
        before = id_of(check_offset(offset, "seek", self.backend_name) - 1)
        await self._move("seek", stream, group, before, is_offset=True)

    async def seek_to_time(self, stream: str, group: str, at_ms: int) -> None:
        before = id_at(check_instant(at_ms, "seek_to_time", self.backend_name))
        await self._move("seek_to_time", stream, group, before, is_offset=False)

    async def _move(self, operation: str, stream: str, group: str, before: bytes, *, is_offset: bool) -> None:
        known = self._group(operation, stream, group)
        moved = await self._ask_group(operation, stream, groups.SEEK, known, before, int(is_offset))
        check_whole(moved, operation, self.backend_name, stream)
        if moved == 0:
            raise GroupNotFound(f"{self._what(operation, stream)}: there is no group {group[:40]!a}")
        if moved < 0:
            raise Conflict(f"{self._what(operation, stream)}: group {group[:40]!a} has members")
        bell_of(self.client.shared, known.keys[1]).ring()

    @asynccontextmanager
    async def join(self, stream: str, group: str, consumer: str) -> AsyncIterator[Member]:
        known = self._group("join", stream, group)
        prism.check_name(consumer, "join", self.backend_name)
        bell = bell_of(self.client.shared, known.keys[1])
        member = RedisMember(self.client, self.backend_name, self._company, known, bell)
        await member.enter()
        try:
            yield member
        finally:
            await member.leave()

    async def group_info(self, stream: str, group: str) -> GroupInfo:
        known = self._group("group_info", stream, group)
        found = await self._ask_group("group_info", stream, groups.INFO, known)
        if not found:
            raise GroupNotFound(f"{self._what('group_info', stream)}: there is no group {group[:40]!a}")
        partitions, position, first, last, members, pending = found
        whole = max(_after(position), _first_offset(first, last))
        return GroupInfo(members, pending, whole if partitions == 1 else 0)

    async def _ask_group(self, operation: str, stream: str, script: str, known: GroupKeys, *arguments: object) -> Any:
        alive = " ".join(self._company.alive(known.keys))
        return await self._run(operation, stream, script, known.keys, int(HORIZON_S * 1000), "", alive, *arguments)

    async def _run(self, operation: str, stream: str, script: str, keys: tuple[bytes, ...], *arguments: object) -> Any:
        return await evaluate(self.client, self._what(operation, stream), script, keys, *arguments)

    async def _call(self, operation: str, stream: str, *command: Any) -> Any:
        try:
            return await self.client.execute_command(*command)
        except (native.RedisError, OSError) as error:
            raise translated(error, self._what(operation, stream)) from error

    def _refuse(self, operation: str, stream: str, partition: int | None, answer: object) -> None:
        """Raise if a script answered with the number of partitions: there is no such one, or there are several."""
        if not isinstance(answer, int):
            return
        if partition is None:
            check_whole(answer, operation, self.backend_name, stream)
        else:
            check_partition(partition, answer, operation, self.backend_name)

    def _keys(self, operation: str, stream: str) -> tuple[bytes, ...]:
        """Return where a stream is: its settings, its partition 0, and how its other partitions begin."""
        if self._closed:
            raise Closed(f"{self._what(operation, stream)}: the driver is closed")
        name = prism.check_name(stream, operation, self.backend_name)
        return self._prefix + b"set:" + name, self._prefix + b"s:" + name, self._prefix + b"p:%s:" % name

    def _group(self, operation: str, stream: str, group: str) -> GroupKeys:
        keys = self._keys(operation, stream)
        # The length of the first name tells where the second begins.
        names = b":%d:%s%s" % (len(stream.encode()), stream.encode(), prism.check_name(group, operation, self.backend_name))
        kinds = (b"group", b"counts", b"held", b"again", b"members")
        return GroupKeys((*keys, *(self._prefix + kind + names for kind in kinds)), f"group {group[:40]!a} of {stream[:40]!a}")

    def _what(self, operation: str, stream: str) -> str:
        return f"{self.backend_name}: {operation} {stream[:40]!a}"


def _number(partition: int | None) -> object:
    return "" if partition is None else partition


def _after(identity: bytes) -> int:
    offset = offset_of(identity)
    return offset + 1 if offset else 0


def _first_offset(first: bytes | None, last: bytes | None) -> int:
    """Return the lowest offset that a read may still give: that of the first record, else the one after the last."""
    if first is not None:
        return offset_of(first)
    return 0 if last is None else _after(last)
