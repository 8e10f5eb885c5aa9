"""Partitions of streams in memory."""

from collections.abc import AsyncIterator, Mapping

import prism_testkit as prism
from prism_backends.memory.stream import MemoryStream
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

__all__ = ["MemoryStreamPartitions"]

_ME = "memory"


class MemoryStreamPartitions(MemoryStream, StreamPartitioning):
    """What `MemoryStream` is to claim as soon as there are checks of it."""

    async def create_partitioned(self, stream: str, n: int) -> None:
        prism.check_name(stream, "create_partitioned", _ME)
        check_partitions(n, _ME)
        log = self._log("create_partitioned", stream)
        if log.partitions != n and (log.partitions > 1 or log.is_used):
            raise AlreadyExists(f"{_ME}: create_partitioned: {stream[:40]!a} is in use, with {log.partitions} partitions")
        log.partitions = n

    async def partitions(self, stream: str) -> int:
        prism.check_name(stream, "partitions", _ME)
        return self._log("partitions", stream).partitions

    async def append_to_partition(
        self, stream: str, partition: int, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> int:
        prism.check_name(stream, "append_to_partition", _ME)
        check_partition(partition, self._log("append_to_partition", stream).partitions, "append_to_partition", _ME)
        return self._append("append_to_partition", stream, payload, key, headers, partition)

    async def read_partition(self, stream: str, partition: int, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        prism.check_name(stream, "read_partition", _ME)
        check_offset(start, "read_partition", _ME)
        left = check_records(limit, "read_partition", _ME)
        check_partition(partition, self._log("read_partition", stream).partitions, "read_partition", _ME)
        for record in self._records("read_partition", stream, start, left, None, partition):
            yield record
