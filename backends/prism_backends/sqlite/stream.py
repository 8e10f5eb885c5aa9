"""The stream driver: a row a record, numbered from 1 (`streamlog`); groups and their members are rows too."""

import json
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import prism_testkit as prism
from prism_backends.sqlite import streamlog
from prism_backends.sqlite.client import SqliteClient, Work
from prism_backends.sqlite.living import LivingSqlite
from prism_backends.sqlite.streamgroups import GroupRows
from prism_backends.sqlite.streamlog import BEYOND, FIRST_OFFSET, State
from prism_backends.sqlite.streammembers import SqliteMember, company_of
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

__all__ = ["SqliteStream"]

T = TypeVar("T")

_ME = "sqlite"
_HERE = "namespace = :namespace AND stream = :stream"
_MAKE = "INSERT INTO stream (namespace, stream, first, next, last_ms) VALUES (:namespace, :stream, 1, 1, 0) ON CONFLICT DO NOTHING"
_BOUND = f"UPDATE stream SET max_age_s = :max_age_s, max_records = :max_records WHERE {_HERE}"
_PART = f"UPDATE stream SET partitions = :partitions WHERE {_HERE}"
_HAS_GROUPS = f"SELECT EXISTS (SELECT 1 FROM stream_group WHERE {_HERE})"
_CREATE_GROUP = "INSERT INTO stream_group (namespace, stream, grp, position) VALUES (:namespace, :stream, :grp, :position)"


class SqliteStream(LivingSqlite, StreamBasic, StreamConsumerGroups, StreamReplay, StreamRetention, StreamPartitioning):
    """Offsets are dense, from 1, but for what was compacted. Bounds are enforced by each append and receive, and a read passes
    over what is too old.

    A member counts as dead some seconds after its process was killed or stopped (see `Company`). A driver that is closed stops
    the signs of life of its members, as their death would: so a crash can be played within one process.
    """

    traits = prism.Traits(
        durability="process",
        sharing="processes",
        ack_survives_kill="yes",
        attempts_survive_kill="yes",
        member_timeout_s=5.0,
        group_parallelism="record",
        delivery_count="exact",
        compaction="immediate",
        retention_lag_s=0.0,
    )

    def __init__(self, client: SqliteClient, namespace: str) -> None:
        self._client, self._namespace = client, namespace.encode()
        self._company = company_of(client)
        self._closed = False

    async def _end(self) -> None:
        """Let every member of this driver leave; later calls raise `Closed`. A repeat does nothing."""
        self._closed = True
        await self._company.dismiss()

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        return await self._append_to("append", stream, payload, key, headers)

    async def _append_to(
        self,
        operation: str,
        stream: str,
        payload: Bytes,
        key: str | None,
        headers: Mapping[str, str] | None,
        partition: int | None = None,
    ) -> int:
        row = self._row(operation, stream)
        row["payload"] = prism.check_payload(payload, operation, _ME, stream)
        row["key"] = check_key(key, operation, _ME)
        row["headers"] = json.dumps(prism.check_headers(headers, operation, _ME)).encode()
        offset = await self._write(operation, stream, partial(self._append, operation, row, partition))
        bell_of(self._client.shared, self._namespace, row["stream"]).ring()
        return offset

    def _append(
        self, operation: str, row: dict[str, Any], partition: int | None, connection: sqlite3.Connection, now_s: float
    ) -> int:
        state = streamlog.state_of(connection, row) or State()
        if partition is not None:
            check_partition(partition, state.partitions, operation, _ME)
        elif state.partitions > 1:
            partition = state.end % state.partitions if row["key"] is None else partition_of(row["key"], state.partitions)
        part = 0 if state.partitions == 1 or partition is None else partition + 1
        return streamlog.append(connection, row, state, part, self._client.clock.now_ms())

    async def read(self, stream: str, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        row = self._row("read", stream, start=check_offset(start, "read", _ME))
        left = check_records(limit, "read", _ME)
        async with aclosing(self._records("read", row, left, None)) as records:
            async for record in records:
                yield record

    async def _records(
        self, operation: str, row: dict[str, Any], limit: int | None, partition: int | None
    ) -> AsyncGenerator[Record, None]:
        """Read from ``start`` on, up to ``stop`` if there is one, as of now; without a partition the stream may have but one."""
        stream = row["stream"].decode()
        state = await self._read(operation, stream, lambda connection, now_s: streamlog.state_of(connection, row)) or State()
        if partition is None:
            check_whole(state.partitions, operation, _ME, stream)
        else:
            check_partition(partition, state.partitions, operation, _ME)
        row["left"], row["end"] = BEYOND if limit is None else min(limit, BEYOND), min(state.end, row.get("stop", BEYOND))
        row["part"] = 0 if partition is None or state.partitions == 1 else partition + 1
        more = True
        while more and row["left"] > 0 and row["start"] < row["end"]:
            row["oldest_ms"] = state.oldest_ms(self._client.clock.now_ms())
            page, more = await self._read(operation, stream, lambda connection, now_s: streamlog.page(connection, row))
            for record in page:
                yield record
            if page:
                row["start"], row["left"] = page[-1].offset + 1, row["left"] - len(page)

    async def latest_offset(self, stream: str) -> int | None:
        row = self._row("latest_offset", stream)
        state = await self._read("latest_offset", stream, lambda connection, now_s: streamlog.state_of(connection, row)) or State()
        check_whole(state.partitions, "latest_offset", _ME, stream)
        return None if state.end == FIRST_OFFSET else state.end - 1

    async def trim(self, stream: str, before: int) -> int:
        row = self._row("trim", stream)
        check_offset(before, "trim", _ME)

        def work(connection: sqlite3.Connection, now_s: float) -> int:
            state = streamlog.state_of(connection, row) or State()
            check_whole(state.partitions, "trim", _ME, stream)
            return streamlog.trim(connection, row, state, before)

        return await self._write("trim", stream, work)

    async def create_group(self, stream: str, group: str, start: GroupStart = "earliest") -> None:
        row = self._group_row("create_group", stream, group)
        check_start(start, "create_group", _ME)

        def work(connection: sqlite3.Connection, now_s: float) -> None:
            if GroupRows(connection, row).position() is not None:
                raise AlreadyExists(f"{_ME}: create_group: {stream[:40]!a} has a group {group[:40]!a} already")
            state = streamlog.state_of(connection, row) or State()
            if isinstance(start, int):
                check_whole(state.partitions, "create_group", _ME, stream)
            position = min(start, BEYOND) if isinstance(start, int) else state.end if start == "latest" else state.first
            connection.execute(_CREATE_GROUP, {**row, "position": position})

        await self._write("create_group", stream, work)

    @asynccontextmanager
    async def join(self, stream: str, group: str, consumer: str) -> AsyncIterator[Member]:
        names = self._group_row("join", stream, group)
        prism.check_name(consumer, "join", _ME)
        member = SqliteMember(self._client, self._company, names)
        await member.enter()
        try:
            yield member
        finally:
            await member.leave()

    async def group_info(self, stream: str, group: str) -> GroupInfo:
        names = self._group_row("group_info", stream, group)

        def work(connection: sqlite3.Connection, now_s: float) -> GroupInfo:
            rows = GroupRows(connection, names)
            position = rows.position()
            if position is None:
                raise GroupNotFound(f"{_ME}: group_info: {stream[:40]!a} has no group {group[:40]!a}")
            alive = [name for name, until_s in rows.others().items() if until_s > now_s or self._company.is_alive(name)]
            return rows.info(position, len(alive))

        # A write, for several statements are to see one state of the file.
        return await self._write("group_info", stream, work)

    async def seek(self, stream: str, group: str, offset: int) -> None:
        names = self._group_row("seek", stream, group)
        check_offset(offset, "seek", _ME)

        def work(connection: sqlite3.Connection, now_s: float) -> None:
            state = streamlog.state_of(connection, names) or State()
            check_whole(state.partitions, "seek", _ME, stream)
            self._move("seek", connection, names, min(offset, state.end), now_s)

        await self._write("seek", stream, work)

    async def seek_to_time(self, stream: str, group: str, at_ms: int) -> None:
        names = self._group_row("seek_to_time", stream, group)
        check_instant(at_ms, "seek_to_time", _ME)

        def work(connection: sqlite3.Connection, now_s: float) -> None:
            state = streamlog.state_of(connection, names) or State()
            offset = streamlog.instant(connection, names, state, min(at_ms, BEYOND))
            self._move("seek_to_time", connection, names, offset, now_s)

        await self._write("seek_to_time", stream, work)

    def _move(self, operation: str, connection: sqlite3.Connection, names: Mapping[str, bytes], offset: int, now_s: float) -> None:
        rows = GroupRows(connection, dict(names))
        where = f"group {names['grp'].decode()[:40]!a} of {names['stream'].decode()[:40]!a}"
        if rows.position() is None:
            raise GroupNotFound(f"{_ME}: {operation}: there is no {where}")
        for name, until_s in rows.others().items():
            if until_s > now_s or self._company.is_alive(name):
                raise Conflict(f"{_ME}: {operation}: {where} has members")
            rows.leave(name, now_s)
        rows.move(offset)

    async def replay(self, stream: str, start: int, stop: int) -> AsyncIterator[Record]:
        row = self._row("replay", stream, start=check_offset(start, "replay", _ME), stop=check_offset(stop, "replay", _ME))
        async with aclosing(self._records("replay", row, None, None)) as records:
            async for record in records:
                yield record

    async def set_retention(self, stream: str, max_age_s: float | None = None, max_records: int | None = None) -> None:
        row = self._row("set_retention", stream)
        bounds = check_bounds(max_age_s, max_records, _ME)
        row["max_age_s"] = bounds.max_age_s
        row["max_records"] = None if bounds.max_records is None else min(bounds.max_records, BEYOND)

        def work(connection: sqlite3.Connection, now_s: float) -> None:
            self._enforce(row, connection, now_s)  # what was passed over until now does not come back
            connection.execute(_MAKE, row)
            connection.execute(_BOUND, row)
            self._enforce(row, connection, now_s)

        await self._write("set_retention", stream, work)

    async def retention(self, stream: str) -> Retention:
        row = self._row("retention", stream)
        state = await self._read("retention", stream, lambda connection, now_s: streamlog.state_of(connection, row)) or State()
        return Retention(state.max_age_s, state.max_records)

    async def enforce_retention(self, stream: str) -> None:
        await self._write("enforce_retention", stream, partial(self._enforce, self._row("enforce_retention", stream)))

    def _enforce(self, row: Mapping[str, object], connection: sqlite3.Connection, now_s: float) -> None:
        state = streamlog.state_of(connection, row)
        if state is not None:
            streamlog.enforce(connection, row, state, self._client.clock.now_ms())

    async def compact(self, stream: str) -> None:
        row = self._row("compact", stream)
        await self._write("compact", stream, lambda connection, now_s: streamlog.compact(connection, row))

    async def create_partitioned(self, stream: str, n: int) -> None:
        row = self._row("create_partitioned", stream)
        row["partitions"] = check_partitions(n, _ME)

        def work(connection: sqlite3.Connection, now_s: float) -> None:
            state = streamlog.state_of(connection, row)
            has = 1 if state is None else state.partitions
            if n == has:
                return
            if state is not None or connection.execute(_HAS_GROUPS, row).fetchone()[0]:
                raise AlreadyExists(f"{_ME}: create_partitioned: {stream[:40]!a} is in use, with {has} partitions")
            connection.execute(_MAKE, row)
            connection.execute(_PART, row)

        await self._write("create_partitioned", stream, work)

    async def partitions(self, stream: str) -> int:
        row = self._row("partitions", stream)
        state = await self._read("partitions", stream, lambda connection, now_s: streamlog.state_of(connection, row))
        return 1 if state is None else state.partitions

    async def append_to_partition(
        self, stream: str, partition: int, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> int:
        check_partition(partition, None, "append_to_partition", _ME)
        return await self._append_to("append_to_partition", stream, payload, key, headers, partition)

    async def read_partition(self, stream: str, partition: int, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        row = self._row("read_partition", stream, start=check_offset(start, "read_partition", _ME))
        left = check_records(limit, "read_partition", _ME)
        check_partition(partition, None, "read_partition", _ME)
        async with aclosing(self._records("read_partition", row, left, partition)) as records:
            async for record in records:
                yield record

    def _row(self, operation: str, stream: str, **values: int) -> dict[str, Any]:
        if self._closed:
            raise Closed(f"{_ME}: {operation} {stream[:40]!a}: the driver is closed")
        clamped = {name: min(value, BEYOND) for name, value in values.items()}
        return {"namespace": self._namespace, "stream": prism.check_name(stream, operation, _ME), **clamped}

    def _group_row(self, operation: str, stream: str, group: str) -> dict[str, bytes]:
        return {**self._row(operation, stream), "grp": prism.check_name(group, operation, _ME)}

    async def _read(self, operation: str, stream: str, work: Work[T]) -> T:
        return await self._client.read(f"{operation} {stream[:40]!a}", work)

    async def _write(self, operation: str, stream: str, work: Work[T]) -> T:
        return await self._client.write(f"{operation} {stream[:40]!a}", work)
