"""Partitions of streams in SQLite."""

import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing

from prism_backends.sqlite import streamlog
from prism_backends.sqlite.stream import SqliteStream
from prism_backends.stream_arguments import (
    check_offset,
    check_partition,
    check_partitions,
    check_records,
)
from prism_testkit.interfaces.errors import AlreadyExists
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.stream import Record
from prism_testkit.interfaces.stream_partitioning import StreamPartitioning

__all__ = ["SqliteStreamPartitions"]

_ME = "sqlite"
_HERE = "namespace = :namespace AND stream = :stream"
_MAKE = "INSERT INTO stream (namespace, stream, first, next, last_ms) VALUES (:namespace, :stream, 1, 1, 0) ON CONFLICT DO NOTHING"
_PART = f"UPDATE stream SET partitions = :partitions WHERE {_HERE}"
_HAS_GROUPS = f"SELECT EXISTS (SELECT 1 FROM stream_group WHERE {_HERE})"


class SqliteStreamPartitions(SqliteStream, StreamPartitioning):
    """What `SqliteStream` is to claim as soon as there are checks of it."""

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
