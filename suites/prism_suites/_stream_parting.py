"""Streams of several partitions: appending to one, reading one."""

from typing import Any, Protocol

from prism_suites._stream_shared import Put
from prism_testkit.interfaces import Record, StreamBasic, StreamConsumerGroups, StreamPartitioning

__all__ = ["Parted", "put_in", "read_part"]


class Parted(StreamBasic, StreamConsumerGroups, StreamPartitioning, Protocol):
    """A stream that may have partitions, and its groups."""


async def read_part(slot: Any, name: str, partition: int, start: int = 0, limit: int | None = None) -> list[Record]:
    """Read a partition to the end."""
    return [record async for record in slot.read_partition(name, partition, start, limit)]


async def put_in(slot: Any, name: str, partition: int, payload: bytes, key: str | None = None) -> Put:
    """Append to a partition."""
    offset = await slot.append_to_partition(name, partition, payload, key, {"h": "v"})
    return Put(offset, payload, key, {"h": "v"})
