"""Going back, and on, in a stream; what a stream, a record and a group are is said in `stream`."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.stream import Record

__all__ = ["StreamReplay"]


class StreamReplay(Protocol):
    """Groups that are moved, and records that are read again.

    `append` and `read` are those of `StreamBasic`; groups, members and what a member holds are those of `StreamConsumerGroups`.
    The *end* of a stream is behind its last record at an instant between the call and its return. A group is *moved* by a seek
    that returned.

    1. A group that was moved to an offset gets every record from the first at or after it on, in the order of offsets to a single
       member, and none before it, whatever it got or acked earlier. An offset before the oldest record kept moves it there; one
       beyond the end to the end: everything appended from then on comes, though its offset be below the one that was asked for.
    2. `seek_to_time` moves a group to the first record whose ``appended_ms`` is ``at_ms`` or later; to the end if there is none,
       also if ``at_ms`` is yet to come. An instant before the oldest record kept moves it there.
    3. What was delivered before is forgotten: nothing is pending, a delay of a nack is over, and the first delivery of a record
       after the seek has ``delivery_count`` 1 (``delivery_count="exact"``). `StreamConsumerGroups.group_info` tells a position
       between which and the record that comes next there is none.
    4. While the group has a member both raise `Conflict` and change nothing; one that died counts as a member for up to
       ``member_timeout_s``. Of a seek and a join that overlap either is first.
    5. A missing group raises `GroupNotFound`. A negative offset or instant raises ``ValueError``, what is no int ``TypeError``,
       before any effect; no int is too large. A repeat moves the group to the same place.
    6. A seek moves one group: other groups, the records and `StreamBasic.latest_offset` stay as they are.
    7. `replay` gives every record with ``start <= offset < stop`` that is kept, in the order of offsets, as `read` gives it,
       byte for byte, as of its first step. A ``stop`` beyond the end is the end, one at or below ``start`` gives nothing, and so
       does a stream that was never used; a negative ``start`` or ``stop`` raises ``ValueError``, at the latest at the first step.
    8. A replay changes nothing, also one that is left early, by ``break`` or cancellation, and no group stands in its way.
    9. Streams and groups alias only if they are equal in every code point; what is illegal raises `InvalidName` before any
       effect. Nothing in one namespace is moved or read through another.
    10. A cancelled seek moved the group whole or not at all. The driver stays usable.
    11. With ``durability="process"``, what a group was moved back to survives SIGKILL of the process and of the server; with
        ``ack_survives_kill``, what it was moved over does too.
    12. While the server is away calls raise `BackendUnavailable` or `OperationTimeout`; once it is back the same driver works
        again.
    """

    @abstractmethod
    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        """Add a record at the end of ``stream`` and return its offset. A repeat adds another record."""

    @abstractmethod
    def read(self, stream: str, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        """Iterate over the records from offset ``start`` on, at most ``limit`` of them."""

    @abstractmethod
    async def seek(self, stream: str, group: str, offset: int) -> None:
        """Move a group without members to the first record at ``offset`` or later."""

    @abstractmethod
    async def seek_to_time(self, stream: str, group: str, at_ms: int) -> None:
        """Move a group without members to the first record that was appended at ``at_ms`` (since the epoch) or later."""

    @abstractmethod
    def replay(self, stream: str, start: int, stop: int) -> AsyncIterator[Record]:
        """Iterate over the records with offsets from ``start`` on and below ``stop``."""
