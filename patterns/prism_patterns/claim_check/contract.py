"""The contract of a claim check: what every implementation of the kind promises, ours or yours."""

from abc import abstractmethod
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self

from prism_testkit.interfaces.errors import NotFound
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.lifecycle import Drained, Health
from prism_testkit.pattern import kind

__all__ = ["Claim", "ClaimCheck", "ClaimConsumer", "ClaimDelivery", "ClaimExpired", "ClaimNotFound", "Receipt", "Swept"]


class ClaimNotFound(NotFound):
    """A message refers to an object that is not there, although it is younger than ``max_age_s``."""


class ClaimExpired(NotFound):
    """A message refers to an object that is not there, and is older than ``max_age_s``."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Where a payload lies, and how to know it: ``size`` and ``checksum`` (``sha256:<hex>``) are those of the original bytes.

    ``stored_ms``: the instant of the upload by the store's clock, since the epoch.
    """

    bucket: str
    key: str
    size: int
    checksum: str
    compression: str
    stored_ms: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a publish came to: the broker's id of the message, and the claim, None if the payload travels inline."""

    message_id: str
    claim: Claim | None


@dataclass(frozen=True, slots=True)
class ClaimDelivery:
    """One delivery of a message, its payload not fetched yet. ``handle`` means something to its consumer alone."""

    message_id: str
    topic: str
    headers: Mapping[str, str]
    claim: Claim | None
    delivery_count: int
    handle: Any = field(repr=False, default=None)


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep removed: claims by their age, claims whose acks are old enough, and markers of acks."""

    expired: int = 0
    acked: int = 0
    markers: int = 0


class ClaimConsumer(Protocol):
    """What `ClaimCheck.consume` enters."""

    @abstractmethod
    async def receive(self, timeout_s: float = 0) -> ClaimDelivery | None:
        """Return the next delivery as soon as there is one; None if there was none for ``timeout_s``. Fetches no payload.

        A message whose reference nobody can read is a delivery too: reading it raises `CorruptPayload`, and it can be acked.
        """

    @abstractmethod
    async def read(self, delivery: ClaimDelivery) -> bytes:
        """Return the payload; `CorruptPayload`, `ClaimNotFound` or `ClaimExpired` if it cannot be had. A repeat fetches again."""

    @abstractmethod
    def chunks(self, delivery: ClaimDelivery) -> AsyncIterator[bytes]:
        """Iterate over the payload in bounded memory, in chunks of at most 8 MiB. What is wrong is raised at the end at the latest:
        until then the bytes are provisional."""

    @abstractmethod
    async def ack(self, delivery: ClaimDelivery) -> None:
        """Confirm: the broker's ack first, then the marker of this consumer, anew where there is one: its retention is that of the
        last ack. If either fails it raises, and may be repeated. Where no marker counts (a consumer that is not one of
        ``consumers``, another cleanup than ``on_ack``) there may be one or none."""

    @abstractmethod
    async def nack(self, delivery: ClaimDelivery, delay_s: float = 0) -> None:
        """Give back: the message comes again, not before ``delay_s``. Nothing is fetched and nothing marked."""


@kind("claim-check", promises="CC")
class ClaimCheck(Protocol):
    """Large payloads go to an object store, and a reference to them through the broker.

    An implementation is a class made as ``Implementation(queue=..., store=..., config=ClaimCheckConfig(...), clock=...)``, its
    slots annotated: ``queue`` with any of PubSubPersistent, StreamConsumerGroups, QueueVisibility, StreamBasic and PubSubBasic,
    ``store`` with ObjectStorage, or ObjectStorageConditional beside it. It is an async context manager: entering it checks the
    configuration against the slots, makes the bucket, and starts the background worker. Every instance over the same slots and
    configuration, also in another process or after a crash, is one and the same claim check.

    Objects: a claim is ``<prefix>/<id>``, its id of ``0-9a-z`` and never used again, one object that holds the whole payload, in
    whatever form the implementation gives it; the ack of a consumer is an empty object
    ``<prefix>/<id>.acks/<consumer>`` (a consumer's name over 100 bytes, or one that begins with ``#``, by ``#`` and a hash);
    names under the prefix that begin with ``_`` (``_config``, ``_clock``) are the pattern's own. Everything else under the
    prefix is somebody's. A message whose payload is claimed has an empty payload and the header ``claim_check_field``, which
    refers to the claim; other messages do not have that header. How it is written is the implementation's own affair, so long as
    the id and the checksum can be read in it, as text or behind a common encoding (base64, hexadecimal digits, compression). A
    user's header of that name is escaped on the way and comes back as it was. Age and retention are told by the store's clock:
    its ``last_modified_ms`` of the object, and of ``_clock``, which is put to ask for now.

    1. A payload comes back byte for byte, with its headers, whatever its size and theirs: longer than ``threshold`` it is claimed,
       else it travels inline. Headers that leave no room for the reference, or in which a header of its name leaves none to be
       escaped (a name that fills its 512 bytes, headers that fill their 8 KiB), raise `PayloadTooLarge` before any effect, saying
       so.
    2. The message of a claim is under 2 KiB besides the user's headers, whatever the size. A payload that is an async iterator is
       never held whole in memory, and neither is one that is read by `ClaimConsumer.chunks`.
    3. The object is there before its message is published. If the publish is definitely refused (`PayloadTooLarge`,
       `AccessDenied`, `InvalidName`, `NotFound`, `QuotaExceeded`, ``ValueError``, ``TypeError``) the object is removed at once
       and the refusal raised; after an unknown outcome, a cancellation or a crash it stays, since it may have been published.
       If that removal fails, too, it waits for its age.
    4. A claim is removed exactly when, under ``on_ack``, the marker of every one of ``consumers`` (of anybody, if none is named) is
       there and more than ``retention_after_ack_s`` have passed since the last; or, under ``on_ack`` and ``sweep``, its age is over
       ``max_age_s + grace_period_s``; or its publish was definitely refused. Never earlier, so that a message that comes again
       (after a nack not before its delay) finds its payload. What is due is removed by the next `sweep`, of whichever instance,
       also after a restart.
    5. The checksum is of the original bytes, travels in the message, and is checked after decompression: an object that was
       changed, truncated or swapped raises `CorruptPayload`, and is never returned by `ClaimConsumer.read`.
    6. An absent claim raises `ClaimExpired` if it is older than ``max_age_s``, else `ClaimNotFound`; both name the claim, and the
       message can still be acked or nacked. Where its whole bucket is gone it may be `BucketNotFound`.
    7. `sweep` removes what is due by promise 4, with the markers of what is gone, and nothing else, while others publish, read and
       ack; under ``retain`` it removes nothing. It may be interrupted anywhere and run by many at once. A removal that fails
       holds up no other, unless eight or more fail in a row: at its end the sweep raises the first error, and the next one tries
       again.
    8. Instances whose ``compression``, ``checksum`` or ``max_age_s`` disagree over one bucket and prefix are refused at entry with
       `ConfigError` naming both sides. ``on_ack`` is refused on PubSubBasic and StreamBasic, which have no acks, on
       PubSubPersistent without ``consumers``, and with more than one of ``consumers`` on QueueVisibility, where a message has one
       consumer.
    """

    @abstractmethod
    async def __aenter__(self) -> Self:
        """Open it."""

    @abstractmethod
    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close it."""

    @abstractmethod
    async def publish(self, topic: str, payload: Bytes | AsyncIterable[Bytes], headers: Mapping[str, str] | None = None) -> Receipt:
        """Send a message of any size. A repeat sends another one."""

    @abstractmethod
    def consume(self, topic: str, consumer: str) -> AbstractAsyncContextManager[ClaimConsumer]:
        """Receive from a topic as ``consumer``: the name of the durable subscription or of the group, where the queue has them.

        There the first one begins with the oldest message kept. Over StreamBasic everybody begins there, each time; over
        PubSubBasic with what is published from the entry on; neither remembers acks.
        Over QueueVisibility what is neither acked nor given back comes again within the hour, if nobody renews its lease.
        """

    @abstractmethod
    async def sweep(self) -> Swept:
        """Remove what is due now; the background worker does it once an hour at least, however often it failed.

        What cannot be removed is left for the next sweep, the rest is removed, and the first error raised at the end, with a note
        of how many there were.
        """

    @abstractmethod
    async def health(self) -> Health:
        """Say how it is: degraded from a sweep that failed, wholly or in part, to the next one that does not."""

    @abstractmethod
    async def drain(self, timeout_s: float) -> Drained:
        """Take no new publish, and finish those in hand within ``timeout_s``."""

    @abstractmethod
    async def close(self) -> None:
        """Stop the background worker; later calls raise `Closed`. `ClaimConsumer.chunks` that are under way may go on, or raise
        it. A repeat does nothing."""
