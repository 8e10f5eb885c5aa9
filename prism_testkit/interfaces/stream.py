"""Streams: logs of records that stay where they are, and groups of consumers that share one.

Each Protocol's docstring holds its numbered promises; numbers are never reused. Terms used by all of them:

* A *stream*, a *group*, a *consumer* and the *key* of a record are names: non-empty Unicode text without surrogates, at most
  ``limits.max_name`` bytes in UTF-8. A stream exists implicitly; one that was never used reads as empty.
* A *payload* is bytes, at most ``limits.max_payload``: a call accepts ``bytes``, ``bytearray`` or ``memoryview`` and returns
  ``bytes``. *Headers* map names of 1 to 512 bytes to texts without surrogates, at most 8 KiB in all (the bytes of names and
  values in UTF-8, added up); None means none. They do not count against ``max_payload``.
* An *offset* is an int of 0 or more, strictly increasing in append order, not necessarily dense; the first need not be 0, and 0
  means "from the oldest kept".
* ``timeout_s`` is finite; negative is 0; NaN and infinities raise ``ValueError``. A receive returns as soon as there is something.
* All clients of one namespace share its streams; namespaces never see each other.
* What of this is otherwise for a stream of several partitions is said in `stream_partitioning`; what bounds and compaction remove
  (`stream_retention`) is gone as what was trimmed.

A check of arguments comes before any effect: `InvalidName` for a name that is empty, too long or holds a surrogate,
`PayloadTooLarge` for a payload or headers over their limit, ``TypeError`` for what has the wrong type, ``ValueError`` for a
number out of range and for a header value that holds a surrogate. Concurrent calls on one driver from one event loop are safe.
"""

from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol

from prism_testkit.interfaces.keyvalue import Bytes

__all__ = ["GroupInfo", "GroupStart", "Member", "Record", "RecordDelivery", "StreamBasic", "StreamConsumerGroups"]

GroupStart = Literal["earliest", "latest"] | int
"""Where a new group begins: with the oldest record kept, with what is appended from now on, or with an offset."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it was appended. ``appended_ms``: the instant of its append by the store's clock, since the epoch.

    ``partition``: which one of its stream it is in, 0 where there is but one.
    """

    offset: int
    key: str | None
    payload: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    appended_ms: int = 0
    partition: int = 0


@dataclass(frozen=True, slots=True)
class RecordDelivery:
    """One delivery of a record to a member of a group; ``delivery_count`` counts from 1.

    ``token`` tells the driver which delivery this is; it means nothing to others.
    """

    record: Record
    delivery_count: int
    token: str


@dataclass(frozen=True, slots=True)
class GroupInfo:
    """A look at a group. ``members``: those joined and alive; ``pending``: records held or to be delivered again, by all of them;
    ``position``: the offset from which on nothing was delivered yet."""

    members: int
    pending: int
    position: int


class StreamBasic(Protocol):
    """A totally ordered, immutable log.

    1. `read` gives every kept record with an offset of ``start`` or more, in the order of offsets, each once, up to the end as
       of its first step; what is appended during the read may follow or not, without a hole.
    2. A record is given byte for byte with its key (None stays None), its headers, and the offset that `append` returned.
    3. Offsets strictly increase in append order: if the append of A returned before that of B was called, A's is smaller.
       An offset is never used again, also after `trim`.
    4. An offset gives the same record to every reader, always, until it is trimmed. Once a record was read, no record with a
       smaller offset appears that was not there.
    5. ``limit`` bounds the number of records: exactly ``min(limit, there)`` over a quiet stream, 0 gives nothing, None is no
       bound, negative raises ``ValueError``; so does a negative ``start``; both at the latest at the first step. A ``start``
       between two offsets begins with the next, one beyond the end gives nothing.
    6. `latest_offset` is the offset of the last record ever appended, None only if there never was one; `trim` does not change
       it.
    7. `trim` removes every record with an offset below ``before`` and no other, clamped to the end, and returns the lowest offset
       that a `read` may still give: the bound, or the first record kept, at each call anew. A repeat, a lower bound, or an
       absent stream removes nothing; negative raises ``ValueError``.
    8. Streams alias only if their names are equal in every code point; every legal name is its own stream, every legal key is
       given back. An empty key raises `InvalidName`.
    9. What is illegal raises `InvalidName`, `PayloadTooLarge` or ``ValueError`` before any effect; at the limit it is accepted.
    10. The stream keeps a copy: a buffer or a mapping changed after the call changes nothing that is stored.
    11. Nothing appended in one namespace is read or trimmed through another.
    12. An append that returned is seen by every read and `latest_offset` that any client starts afterwards; concurrent appends
        from any number of clients lose nothing, double nothing and share no offset.
    13. ``appended_ms`` lies between the call and the return of the append by the store's clock (cut or rounded to a millisecond
        and its resolution), and never decreases with the offset.
    14. A cancelled append leaves its record whole or absent; a read that is left early, by ``break`` or cancellation, changes
        nothing. The driver stays usable.
    15. With ``durability="process"``, acknowledged appends and trims survive SIGKILL of the process that made them and of the
        server, with their offsets; an unacknowledged append is whole or absent, and of what an unacknowledged trim removes any
        part may be gone.
    16. While the server is away calls raise `BackendUnavailable` or `OperationTimeout`; once it is back the same driver works
        again.
    """

    @abstractmethod
    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        """Add a record at the end of ``stream`` and return its offset. A repeat adds another record."""

    @abstractmethod
    def read(self, stream: str, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        """Iterate over the records from offset ``start`` on, at most ``limit`` of them."""

    @abstractmethod
    async def latest_offset(self, stream: str) -> int | None:
        """Return the offset of the last record ever appended, or None."""

    @abstractmethod
    async def trim(self, stream: str, before: int) -> int:
        """Remove the records with offsets below ``before``; return the lowest offset that a read may still give."""


class Member(Protocol):
    """What `StreamConsumerGroups.join` enters. After it is left every call raises `Closed`."""

    @abstractmethod
    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        """Return up to ``max_records`` deliveries as soon as there is one; none after ``timeout_s``."""

    @abstractmethod
    async def ack(self, *deliveries: RecordDelivery) -> None:
        """Confirm: these records do not come again. A repeat for what this member holds or held does nothing."""

    @abstractmethod
    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        """Give back: these records come again, not before ``delay_s`` have passed. By an older delivery a holder may do so, too."""


class StreamConsumerGroups(Protocol):
    """Groups whose members share the records of a stream.

    `append` and `read` are those of `StreamBasic`. A delivery is *held* by its member from the receive until ack, nack, leaving or
    revocation. A member is *dead* when its process is killed or paused; one that is merely slow keeps what it holds.

    1. A group gets every record from its start on, each to one member at a time: ``"earliest"`` the oldest kept, ``"latest"``
       those whose append began after `create_group` returned, an offset the first record there or later. Over the group
       nothing is skipped, whatever is appended meanwhile.
    2. `create_group` of an existing group raises `AlreadyExists` and changes nothing; a negative offset and another text raise
       ``ValueError``. `join` and `group_info` of a missing group raise `GroupNotFound`, `join` at its entry. The stream need not
       exist.
    3. A record arrives byte for byte with its key, headers and offset. First deliveries to a single member are in the order of
       offsets.
    4. A held record goes to nobody else while its member lives and stays; every join is a new member, also under a label in use.
    5. A record comes again after nack, after its member was left, and, within ``member_timeout_s``, after its member died; with a
       ``delivery_count`` that is higher (``delivery_count="exact"``: by one). Nothing that a member held is lost.
    6. An acked record never comes again in that group while the server lives (no more after its kill with
       ``ack_survives_kill``). Acks are individual; a repeat is harmless.
    7. A nacked record does not come before its ``delay_s`` while its member stays; others are not held up by it. NaN and infinite
       raise ``ValueError``; negative is 0.
    8. After revocation ack and nack raise `Conflict`, the valid ones of several being done first, and touch nothing that another
       member holds; `receive` joins again.
    9. Groups of one stream are independent: each gets every record, and an ack in one is none in another.
    10. `Member.receive` gives at most ``max_records``, at least one as soon as there is one for this member, and an empty list not
        before ``timeout_s`` have passed; ``max_records`` below 1 raises ``ValueError``.
    11. `group_info` tells the truth over a quiet group: the members, the records held or to come again, and the position, which
        may be told as any offset of a gap behind the last record that was delivered.
    12. A record that was trimmed need not come (again) and blocks nothing; its ack is harmless.
    13. Streams, groups and consumers alias only if they are equal in every code point and do not mix; what is illegal raises
        `InvalidName` before any effect. Nothing in one namespace is seen in another.
    14. A cancelled or timed-out receive takes nothing: the record comes with the next receive (its count may be higher). After a
        member was left its methods raise `Closed`. The driver stays usable.
    15. With ``group_parallelism="record"`` every member gets records while there are any; with ``"partition"`` idle members are
        legal, but not all of them.
    16. With ``durability="process"``, groups and what they have not acked survive SIGKILL of the process and of the server.
    17. While the server is away calls raise `BackendUnavailable` or `OperationTimeout`; once it is back the same driver works
        again.
    """

    @abstractmethod
    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        """Add a record at the end of ``stream`` and return its offset. A repeat adds another record."""

    @abstractmethod
    def read(self, stream: str, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        """Iterate over the records from offset ``start`` on, at most ``limit`` of them."""

    @abstractmethod
    async def create_group(self, stream: str, group: str, start: GroupStart = "earliest") -> None:
        """Make a group; `AlreadyExists` if there is one."""

    @abstractmethod
    def join(self, stream: str, group: str, consumer: str) -> AbstractAsyncContextManager[Member]:
        """Be a member of a group from the entry of the context until its exit; ``consumer`` is a label."""

    @abstractmethod
    async def group_info(self, stream: str, group: str) -> GroupInfo:
        """Return a look at a group."""
