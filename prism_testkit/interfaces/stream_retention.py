"""What a stream keeps, and for how long; what a stream, a record and a key are is said in `stream`."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.stream import Record

__all__ = ["Retention", "StreamRetention"]


@dataclass(frozen=True, slots=True)
class Retention:
    """The bounds of a stream: seconds since its append, and how many of its last records. None is no bound."""

    max_age_s: float | None = None
    max_records: int | None = None


class StreamRetention(Protocol):
    """Streams that lose what is old, or superseded.

    `append` and `read` are those of `StreamBasic`. A record is *inside* the bounds of its stream while it was appended at most
    ``max_age_s`` ago (by the store's clock and its ``appended_ms``) and fewer than ``max_records`` records that are kept come
    after it; else it is *outside*. Exactly at a bound is inside. On a stream of several partitions both count in each by itself.
    What is removed here is gone as what `StreamBasic.trim` removes is.

    1. What is inside the bounds is never removed by them, neither by `set_retention` or `enforce_retention` nor by itself. A
       stream for which nothing was set loses nothing.
    2. When `enforce_retention` returns, what was outside when it was called is gone, for every client: for reads and replays that
       begin afterwards, and for groups. What is outside by less than the larger of a millisecond and
       ``limits.clock_resolution_s`` may stay.
    3. Without that, what is outside is gone within ``retention_lag_s`` while a driver is open (None: not promised), and may be at
       once.
    4. `retention` returns to every client what was set last; a stream for which nothing was set has ``Retention(None, None)``.
       ``max_age_s`` may come back rounded up by less than the larger of a millisecond and ``limits.clock_resolution_s``, and what
       comes back is the bound. Setting replaces both bounds, None taking one away, and brings nothing back.
    5. A ``max_age_s`` of 0 or less, NaN or infinite and a ``max_records`` below 1 raise ``ValueError``, a ``max_records`` that
       is no int ``TypeError``, before any effect. Up to 1e9 of each must be accepted.
    6. `compact` keeps, of each key (of each partition, where there are several), the record with the highest offset, and every
       record without a key; what is kept keeps its offset, order, bytes, headers and ``appended_ms``. An empty payload is a
       value. At no instant is a key without its last record. Bounds and compaction do not change each other.
    7. With ``compaction="immediate"`` every record whose key came again before the call is gone when `compact` returns; with a
       number of seconds so long afterwards at the latest; None: some time. What is appended meanwhile is superseded or not.
    8. Records that are appended while the stream is enforced, compacted or read are neither lost nor doubled. A read that began
       before may or may not give what is removed meanwhile, and ends without an error.
    9. `StreamBasic.latest_offset` does not change, and no offset is given again, though the stream be empty. `StreamBasic.trim`
       removes what it does otherwise, and no record is kept below the offset that it returns.
    10. A record that was removed while a group held it, or was to get it (again), need not come and blocks nothing; its ack and
        nack are harmless. A group that is behind goes on with the oldest record kept.
    11. A repeat of any of these calls changes nothing more. A stream that was never used can have bounds, and is enforced and
        compacted without an error: its reads stay empty, `StreamBasic.latest_offset` None.
    12. Streams and keys alias only if they are equal in every code point; what is illegal raises `InvalidName` before any effect.
        Nothing in one namespace is removed, or bounded, through another.
    13. A cancelled call did all, a part or nothing of what it should; nothing inside the bounds, and no last record of a key, is
        lost by it. The driver stays usable.
    14. With ``durability="process"``, bounds survive SIGKILL of the process that set them and of the server, and what was gone
        when a call returned does not come back.
    15. While the server is away calls raise `BackendUnavailable` or `OperationTimeout`; once it is back the same driver works
        again.
    """

    @abstractmethod
    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        """Add a record at the end of ``stream`` and return its offset. A repeat adds another record."""

    @abstractmethod
    def read(self, stream: str, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        """Iterate over the records from offset ``start`` on, at most ``limit`` of them."""

    @abstractmethod
    async def set_retention(self, stream: str, max_age_s: float | None = None, max_records: int | None = None) -> None:
        """Bound what ``stream`` keeps; None is no bound. What was set before is replaced."""

    @abstractmethod
    async def retention(self, stream: str) -> Retention:
        """Return the bounds of ``stream``."""

    @abstractmethod
    async def enforce_retention(self, stream: str) -> None:
        """Remove what is outside the bounds of ``stream``."""

    @abstractmethod
    async def compact(self, stream: str) -> None:
        """Remove every record of ``stream`` whose key came again later."""
