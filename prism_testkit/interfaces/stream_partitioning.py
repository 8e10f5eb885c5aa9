"""Streams in parts; what a stream, a record and a group are is said in `stream`."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.stream import Record

__all__ = ["MOST_PARTITIONS", "StreamPartitioning"]

MOST_PARTITIONS = 256
"""How many partitions a stream may have at most."""


class StreamPartitioning(Protocol):
    """Streams of several partitions, each with an order and offsets of its own.

    `append`, records and groups are those of `StreamBasic` and `StreamConsumerGroups`. Partitions are numbered from 0. A stream
    is *used* once a record was appended to it, a group of it was created, or bounds were set for it. *Partitioned* is a stream of
    more than one partition; every other, used or not, has one, number 0, and is an ordinary stream in all.

    1. `create_partitioned` gives ``n`` partitions to a stream that has no partitions and was not used; a stream that has ``n``
       partitions already it leaves as it is, whatever was done to it. Any other stream raises `AlreadyExists` and stays as it is.
       Of calls that overlap one is first.
    2. ``n`` is from 1 to 256; another number raises ``ValueError``, what is no int ``TypeError``. To give one partition changes
       nothing: such a stream is ordinary, and unused if it was.
    3. `partitions` tells every client how many there are; 1 for a stream that was never used.
    4. `append_to_partition` adds a record at the end of a partition, with any key or none, and returns its offset; `append` adds
       it to the partition of its key, without a key to any of them.
    5. Of one stream `append` puts equal keys into one partition, whichever client or process appends, and however many other keys
       there are. Of 100 different keys at least two partitions get some.
    6. `read_partition` gives exactly the records of its partition, each byte for byte, with its key, headers, number of the
       partition and offset; ``start``, ``limit`` and the instant of the end are those of `StreamBasic.read`.
    7. In a partition offsets strictly increase in the order of appends, those of one client in the order of its calls, and
       ``appended_ms`` never decreases; all that `StreamBasic` promises of a stream (1 to 5, 10, 12 to 14) holds for each.
       Between partitions no order is promised, and offsets of two may be equal.
    8. A partition that there is not, below 0 or from n on, raises ``ValueError``, what is no int ``TypeError``, before any effect,
       a read at the latest at its first step; so do illegal names, keys, payloads and headers as in `StreamBasic`.
    9. On a partitioned stream `StreamBasic.read`, `StreamBasic.trim`, `StreamBasic.latest_offset`, `StreamReplay.seek` and
       `StreamReplay.replay` raise `ConfigError`, a read at the latest at its first step, and so does a group that is to start
       with an offset. `StreamReplay.seek_to_time` moves a group in each partition to the first record that was appended at that
       instant or later.
    10. A group covers all partitions: every record of each comes to it, once acked never again, with the number of its partition;
        first deliveries to a single member are in the order of offsets in each partition. ``group_info`` counts over all, its
        ``position`` is 0. All else is as in `StreamConsumerGroups`; what is held of one partition stops no other.
    11. Streams alias only if their names are equal in every code point. Nothing in one namespace is appended, read or counted
        through another.
    12. A cancelled `create_partitioned` gave all partitions or none, a cancelled append leaves its record whole or absent. The
        driver stays usable.
    13. With ``durability="process"``, partitions and their acknowledged records survive SIGKILL of the process that made them and
        of the server, with their offsets, and a key goes on in its partition.
    14. While the server is away calls raise `BackendUnavailable` or `OperationTimeout`; once it is back the same driver works
        again.
    """

    @abstractmethod
    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        """Add a record at the end of the partition of its key and return its offset there. A repeat adds another record."""

    @abstractmethod
    async def create_partitioned(self, stream: str, n: int) -> None:
        """Give ``n`` partitions to a stream that was not used. A repeat does nothing."""

    @abstractmethod
    async def partitions(self, stream: str) -> int:
        """Return how many partitions ``stream`` has."""

    @abstractmethod
    async def append_to_partition(
        self, stream: str, partition: int, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> int:
        """Add a record at the end of ``partition`` and return its offset there. A repeat adds another record."""

    @abstractmethod
    def read_partition(self, stream: str, partition: int, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        """Iterate over the records of ``partition`` from offset ``start`` on, at most ``limit`` of them."""
