"""Argument checks that the stream drivers of every shipped backend share; each comes before any effect."""

import zlib
from collections.abc import Iterable

import prism_testkit as prism
from prism_testkit.interfaces.errors import ConfigError
from prism_testkit.interfaces.stream import GroupStart, RecordDelivery
from prism_testkit.interfaces.stream_partitioning import MOST_PARTITIONS
from prism_testkit.interfaces.stream_retention import Retention

__all__ = [
    "check_bounds",
    "check_deliveries",
    "check_instant",
    "check_key",
    "check_most",
    "check_offset",
    "check_partition",
    "check_partitions",
    "check_records",
    "check_start",
    "check_whole",
    "partition_of",
]

_MOST = 2**31 - 1


def check_offset(offset: int, operation: str, backend: str) -> int:
    """Return an offset; raise ``TypeError`` for what is no int and ``ValueError`` for a negative one."""
    if not isinstance(offset, int):
        raise TypeError(f"{backend}: {operation}: an offset is int, not {type(offset).__name__}")
    if offset < 0:
        raise ValueError(f"{backend}: {operation}: the offset {offset} is negative")
    return int(offset)


def check_start(start: GroupStart, operation: str, backend: str) -> GroupStart:
    """Return where a group begins; raise ``ValueError`` for another text than "earliest" and "latest"."""
    if start in ("earliest", "latest"):
        return start
    if isinstance(start, str):
        raise ValueError(f"{backend}: {operation}: start is 'earliest', 'latest' or an offset, not {start[:40]!a}")
    return check_offset(start, operation, backend)


def check_key(key: str | None, operation: str, backend: str) -> bytes | None:
    """Return the UTF-8 bytes of the key of a record, or None; raise `InvalidName` for what is no legal name."""
    return None if key is None else prism.check_name(key, f"{operation}: key", backend)


def check_most(most: int, operation: str, backend: str) -> int:
    """Return how many records a receive may give, never more than a store counts in one go.

    Raises ``ValueError`` below 1 and ``TypeError`` for what is no int.
    """
    if not isinstance(most, int):
        raise TypeError(f"{backend}: {operation}: max_records is int, not {type(most).__name__}")
    if most < 1:
        raise ValueError(f"{backend}: {operation}: max_records={most} is below 1")
    return min(int(most), _MOST)


def check_records(limit: int | None, operation: str, backend: str) -> int | None:
    """Return the bound of a read; raise ``ValueError`` for a negative one and ``TypeError`` for what is no int and not None."""
    if limit is not None and not isinstance(limit, int):
        raise TypeError(f"{backend}: {operation}: limit is int or None, not {type(limit).__name__}")
    return prism.check_limit(limit, operation, backend)


def check_deliveries(deliveries: Iterable[RecordDelivery], operation: str, backend: str) -> None:
    """Raise ``TypeError`` for what is no delivery."""
    for delivery in deliveries:
        if not isinstance(delivery, RecordDelivery):
            raise TypeError(f"{backend}: {operation}: a delivery is RecordDelivery, not {type(delivery).__name__}")


def check_instant(at_ms: int, operation: str, backend: str) -> int:
    """Return an instant; raise ``TypeError`` for what is no int and ``ValueError`` for a negative one."""
    if not isinstance(at_ms, int):
        raise TypeError(f"{backend}: {operation}: an instant is int, in milliseconds, not {type(at_ms).__name__}")
    if at_ms < 0:
        raise ValueError(f"{backend}: {operation}: the instant {at_ms} is negative")
    return int(at_ms)


def check_bounds(max_age_s: float | None, max_records: int | None, backend: str) -> Retention:
    """Return the bounds of a stream; raise ``ValueError`` for those of 0 or less, NaN and infinities, else ``TypeError``."""
    if max_age_s is not None and prism.check_seconds(max_age_s, "set_retention", backend) <= 0:
        raise ValueError(f"{backend}: set_retention: max_age_s={max_age_s} is not above 0; None is no bound")
    if max_records is not None and not isinstance(max_records, int):
        raise TypeError(f"{backend}: set_retention: max_records is int or None, not {type(max_records).__name__}")
    if max_records is not None and max_records < 1:
        raise ValueError(f"{backend}: set_retention: max_records={max_records} is below 1; None is no bound")
    return Retention(None if max_age_s is None else float(max_age_s), None if max_records is None else int(max_records))


def check_partitions(n: int, backend: str) -> int:
    """Return how many partitions a stream is to have; raise ``ValueError`` out of 1 to 256, ``TypeError`` for what is no int."""
    if not isinstance(n, int):
        raise TypeError(f"{backend}: create_partitioned: n is int, not {type(n).__name__}")
    if not 1 <= n <= MOST_PARTITIONS:
        raise ValueError(f"{backend}: create_partitioned: n={n} is not from 1 to {MOST_PARTITIONS}")
    return int(n)


def check_partition(partition: int, partitions: int | None, operation: str, backend: str) -> int:
    """Return the number of a partition; raise ``ValueError`` if there is none, ``TypeError`` for what is no int.

    ``partitions`` is None where it is not known yet: then a negative one only is refused.
    """
    if not isinstance(partition, int):
        raise TypeError(f"{backend}: {operation}: a partition is int, not {type(partition).__name__}")
    if partition < 0 or (partitions is not None and partition >= partitions):
        raise ValueError(f"{backend}: {operation}: there is no partition {partition}")
    return int(partition)


def check_whole(partitions: int, operation: str, backend: str, stream: str) -> None:
    """Raise `ConfigError` for what cannot be asked of a stream of several partitions, for offsets are those of each."""
    if partitions > 1:
        raise ConfigError(f"{backend}: {operation}: {stream[:40]!a} has {partitions} partitions, each with offsets of its own")


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a key: the same in every process, for ever."""
    return zlib.crc32(key) % partitions
