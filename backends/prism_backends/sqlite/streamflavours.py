"""Retention and partitions of streams in SQLite."""

import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from functools import partial

import prism_testkit as prism
from prism_backends.sqlite import streamlog
from prism_backends.sqlite.stream import SqliteStream
from prism_backends.sqlite.streamlog import BEYOND, State
from prism_backends.stream_arguments import (
    check_bounds,
    check_offset,
    check_partition,
    check_partitions,
    check_records,
)
from prism_testkit.interfaces.errors import AlreadyExists
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.stream import Record
from prism_testkit.interfaces.stream_partitioning import StreamPartitioning
from prism_testkit.interfaces.stream_retention import Retention, StreamRetention

__all__ = ["SqliteStreamFlavours"]

_ME = "sqlite"
_HERE = "namespace = :namespace AND stream = :stream"
_MAKE = "INSERT INTO stream (namespace, stream, first, next, last_ms) VALUES (:namespace, :stream, 1, 1, 0) ON CONFLICT DO NOTHING"
_BOUND = f"UPDATE stream SET max_age_s = :max_age_s, max_records = :max_records WHERE {_HERE}"
_PART = f"UPDATE stream SET partitions = :partitions WHERE {_HERE}"
_HAS_GROUPS = f"SELECT EXISTS (SELECT 1 FROM stream_group WHERE {_HERE})"


class SqliteStreamFlavours(SqliteStream, StreamRetention, StreamPartitioning):
    """What `SqliteStream` is to claim as soon as there are checks of it.

    Bounds are enforced by each append and receive, and a read passes over what is too old.
    """

    traits = prism.Traits(
        durability="process",
        ack_survives_kill="yes",
        attempts_survive_kill="yes",
        member_timeout_s=5.0,
        group_parallelism="record",
        delivery_count="exact",
        compaction="immediate",
        retention_lag_s=0.0,
    )

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
