"""Queues: messages that competing consumers take, each message going to one of them.

Each Protocol's docstring holds its numbered promises; numbers are never reused. Terms used by all of them:

* A *queue* is a name: non-empty Unicode text without surrogates, at most ``limits.max_name`` bytes in UTF-8. It exists
  implicitly; one that was never used reads as empty.
* A *payload* is bytes, at most ``limits.max_payload``: a call accepts ``bytes``, ``bytearray`` or ``memoryview`` and returns
  ``bytes``. *Headers* are a map from names of 1 to 512 bytes to texts without surrogates, at most 8 KiB in all (the bytes of
  names and values in UTF-8, added up); None means none. They do not count against ``max_payload``.
* A message is *available* when the next take may give it: enqueued, not taken, not leased, its delay over.
* *Slack*: a time may be late by ``limits.clock_resolution_s`` plus ``traits.ttl_late_s``, never early, by the server's clock
  where it has one, else by the place's clock.
* ``timeout_s`` is finite; negative is 0; NaN and infinities raise ``ValueError``. A take returns as soon as there is a message.
* A *client* is one driver object. All clients of one namespace see one set of queues; namespaces never see each other.
* A write is *acknowledged* when its call returned. Of a call that raised `BackendUnavailable` or `OperationTimeout` the effect
  is unknown: it happened once, or not at all.

A check of arguments comes before any effect: `InvalidName` for a queue or a header name that is empty, too long or holds a
surrogate, `PayloadTooLarge` for a payload or headers over their limit, ``TypeError`` for what is not ``str``, not bytes-like or
no mapping of str to str, ``ValueError`` for a number out of range and for a header value that holds a surrogate. Concurrent
calls on one driver from one event loop are safe.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from prism_testkit.interfaces.keyvalue import Bytes

__all__ = ["Lease", "QueueBasic", "QueueDeadLetter", "QueueDelayed", "QueueMessage", "QueuePriority", "QueueVisibility"]


@dataclass(frozen=True, slots=True)
class QueueMessage:
    """A message as it was enqueued. ``id`` is what the enqueue returned, unique within its queue."""

    id: str
    payload: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lease:
    """One delivery of a message, held until ack, release or its deadline. ``attempt`` counts deliveries from 1.

    ``token`` tells the driver which delivery this is; it means nothing to others. A lease may be used through any client of
    its namespace, and in another process.
    """

    queue: str
    message: QueueMessage
    attempt: int
    token: str


class QueueBasic(Protocol):
    """First in, first out; a message that is taken is gone.

    1. `dequeue` gives what was enqueued, byte for byte, with its headers and under the id that `enqueue` returned; an empty
       payload is a message.
    2. Every acknowledged message is given by exactly one `dequeue`, and nothing that was not enqueued is ever given. Ids are
       unique within a queue, for equal payloads too.
    3. If the enqueue of A returned before that of B was called, A is given first.
    4. `dequeue` of an empty queue returns None, not before ``timeout_s`` have passed; a message that becomes available while
       it waits is given to a waiting `dequeue`. A queue never used reads as empty.
    5. `peek` returns what the next `dequeue` would give (None if empty), and changes nothing, however often it is called.
       While a lease is open it may give any message that is not removed, or None.
    6. Queues alias only if their names are equal in every code point; every legal name is its own queue.
    7. A name that is illegal raises `InvalidName`, a payload or headers over their limit `PayloadTooLarge`, before any effect;
       at the limit they are accepted.
    8. The queue keeps a copy: a buffer or a mapping changed after the call changes nothing that is stored.
    9. Nothing enqueued in one namespace is seen or taken through another.
    10. Calls on one queue, from any number of clients, are linearizable as a FIFO queue: an enqueue that returned is seen by
        every take that any client starts afterwards, and concurrent takes never share a message.
    11. A cancelled enqueue leaves its message whole or absent; a cancelled or timed-out take takes nothing and the order stays;
        the driver stays usable.
    12. With ``durability="process"``, acknowledged enqueues survive SIGKILL of the process that made them and of the server,
        once each and in order; an unacknowledged one is whole or absent; what was taken does not come back.
    13. While the server is away calls raise `BackendUnavailable` or `OperationTimeout`; once it is back the same driver works
        again.
    """

    @abstractmethod
    async def enqueue(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        """Put a message at the tail of ``queue`` and return its id. A repeat enqueues another message."""

    @abstractmethod
    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        """Take the first available message for good; None if there was none for ``timeout_s``."""

    @abstractmethod
    async def peek(self, queue: str) -> QueueMessage | None:
        """Return the message that the next take would give, without taking it; None if there is none."""


class QueueVisibility(Protocol):
    """Taking on probation: a message is leased, and is removed only by an ack while the lease is valid.

    A lease is *valid* from the return of `receive` until ack, release or its deadline: the instant of the receive (or of the
    last `extend`) plus its seconds. Within the slack after a deadline the lease may count as valid or as ended. Queues,
    payloads, headers, ids, names, refusals, copies and namespaces are as in `QueueBasic`; `enqueue` is the same method.

    1. `receive` gives what was enqueued, byte for byte, with its headers and its id; messages never delivered before come in
       the order in which they were enqueued, the first time with ``attempt`` 1. A message that comes again may be overtaken,
       and may overtake.
    2. While its lease is valid a message is given to nobody else, by no kind of take.
    3. From the deadline on, without ack, a message is available again (within the slack), with ``attempt`` one higher; never
       before. A lease received before it has ended.
    4. `ack` removes the message: it is never given again. It succeeds only while the lease is valid.
    5. `ack`, `extend` and `release` of a lease that ended (acked, released, past its deadline) raise `Conflict` and change
       nothing, least of all for whoever holds the message now; where the outcome cannot be known they raise
       `OperationTimeout`.
    6. `extend` moves the deadline to now plus ``seconds``, later or earlier than it was.
    7. `release` makes the message available at once; the attempt counts.
    8. Of concurrent receives one gets a message; of concurrent acks of one lease exactly one succeeds, and an ack racing a
       deadline or an extend takes effect as one of them did first.
    9. `receive` of a queue with nothing available returns None, not before ``timeout_s`` have passed; a message that becomes
       available while it waits, by enqueue, redrive, release or a deadline, is given to a waiting `receive`.
    10. ``visibility_s`` and ``seconds`` are above 0 and at most 43,200 must be accepted; 0, negative, NaN and infinite raise
        ``ValueError`` before any effect.
    11. No acknowledged message is lost: until it is removed it is leased or available.
    12. A cancelled or timed-out `receive` takes nothing: the message stays available (its attempt may count). A cancelled ack,
        extend or release took effect whole or not at all. The driver stays usable.
    13. With ``durability="process"``, what was not removed survives SIGKILL of the process that held it and of the server.
        With ``ack_survives_kill``, ``lease_survives_kill`` and ``attempts_survive_kill`` so do acks, leases and attempts.
    14. While the server is away calls raise `BackendUnavailable` or `OperationTimeout`; once it is back the same driver works
        again.
    15. Names, payloads, headers and namespaces are what they are in `QueueBasic`: nothing is altered, nothing aliases, what
        is illegal is refused before any effect.
    """

    @abstractmethod
    async def enqueue(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        """Put a message at the tail of ``queue`` and return its id. A repeat enqueues another message."""

    @abstractmethod
    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        """Lease an available message for ``visibility_s``; None if there was none for ``timeout_s``."""

    @abstractmethod
    async def ack(self, lease: Lease) -> None:
        """Remove the message of a valid lease; `Conflict` if the lease has ended. A repeat raises `Conflict`."""

    @abstractmethod
    async def extend(self, lease: Lease, seconds: float) -> None:
        """Let a valid lease end ``seconds`` from now; `Conflict` if it has ended."""

    @abstractmethod
    async def release(self, lease: Lease) -> None:
        """End a valid lease and make its message available; `Conflict` if it has ended."""


class QueueDeadLetter(Protocol):
    """Messages that fail too often go to another queue.

    A *delivery* is a `QueueVisibility.receive` that returned a lease; it *failed* when its lease ended without ack. Only the
    attempts that the driver remembers count (trait ``attempts_survive_kill``).

    1. A message whose ``max_attempts``-th delivery failed moves to ``target``, no later than the next receive, peek or
       `dead_letters` on its queue; delivery ``max_attempts + 1`` never happens, and none is missing before.
    2. It arrives with its payload, its headers and its id; ``target`` is an ordinary queue, in which its attempts begin at 0.
    3. Nothing is lost on the way and nothing doubled: at every look a message is in one of both queues.
    4. `dead_letters` lists the messages in ``target`` that died in ``queue`` and are still there, in the order in which they
       died; it takes nothing. One that is leased in ``target`` may be listed or not. Those that one look finds to have died
       since the last stand among themselves in any order, and keep it.
    5. `redrive` moves those that `dead_letters` lists, and are not leased, to the tail of ``queue``, in the order in which they
       died, with attempts from 0, and returns their number. Other messages in ``target`` stay.
    6. `configure_dead_letter` replaces what was configured, for every client, and counts the attempts that messages already
       had. ``max_attempts`` below 1 and a ``target`` equal to ``queue`` raise ``ValueError``; a queue without configuration
       never moves anything, `dead_letters` of it is empty and `redrive` 0.
    7. An ack of the last attempt in time removes the message: it does not die.
    8. With ``durability="process"``, configuration, dead messages and their order survive SIGKILL of the process and of the
        server.
    9. A cancelled call leaves every message in one of both queues, and the driver usable.
    10. Names, payloads, headers and namespaces are what they are in `QueueBasic`, for ``queue`` and ``target`` alike.
    """

    @abstractmethod
    async def enqueue(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        """Put a message at the tail of ``queue`` and return its id. A repeat enqueues another message."""

    @abstractmethod
    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        """Let messages of ``queue`` move to ``target`` after ``max_attempts`` failed deliveries. A repeat changes nothing."""

    @abstractmethod
    async def dead_letters(self, queue: str) -> list[QueueMessage]:
        """List what died in ``queue`` and still is in its target, in the order of death. A look: nothing is taken."""

    @abstractmethod
    async def redrive(self, queue: str) -> int:
        """Move what died in ``queue`` from its target back to the tail; return how many."""


class QueuePriority(Protocol):
    """Ten priorities in one queue.

    1. A take gives the available message of the highest priority; within one priority the one enqueued first. A plain
       `enqueue` is one of priority 0.
    2. ``priority`` is an int from 0 to 9; another number raises ``ValueError``, what is no int ``TypeError``, before any effect.
    3. A message that comes again after a release or a deadline keeps its priority.
    4. What is enqueued with a priority keeps its payload, headers and id, and every other promise of its queue.
    """

    @abstractmethod
    async def enqueue(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        """Put a message of priority 0 into ``queue`` and return its id. A repeat enqueues another message."""

    @abstractmethod
    async def enqueue_with_priority(
        self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, priority: int = 0
    ) -> str:
        """Put a message into ``queue`` behind those of its priority or higher; return its id."""


class QueueDelayed(Protocol):
    """Messages that become available later.

    1. A delayed message is given by no take and shown by no `peek` before the instant of its enqueue plus ``delay_s``; from
       then on (within the slack) it is available.
    2. `scheduled_count` is the number of messages of the queue whose delay is not over; cancelled by nothing but time.
    3. ``delay_s`` of 0 or less is an ordinary enqueue, in its order too; NaN and infinities raise ``ValueError`` before any
       effect; up to 1e9 must be accepted.
    4. A delayed message keeps its payload, headers and id, is given once, and is in the way of no other message.
    5. A take that waits is given a message whose delay ends meanwhile.
    6. With ``durability="process"``, delays survive SIGKILL of the process and of the server with their instants; the time in
       between counts.
    """

    @abstractmethod
    async def enqueue(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        """Put a message at the tail of ``queue`` and return its id. A repeat enqueues another message."""

    @abstractmethod
    async def enqueue_delayed(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, delay_s: float) -> str:
        """Put a message into ``queue`` that becomes available ``delay_s`` from now; return its id."""

    @abstractmethod
    async def scheduled_count(self, queue: str) -> int:
        """Return the number of messages of ``queue`` whose delay is not over."""
