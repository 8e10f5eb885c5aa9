"""Object storage: buckets of objects of any size, with metadata, streams and a time to live.

Each Protocol's docstring holds its numbered promises; numbers are never reused. Terms:

* *Buckets* and *keys* are names: non-empty Unicode text without surrogates, at most ``limits.max_name`` bytes in UTF-8. No
  character is refused (``a/b``, ``..``, ``/``, NUL and a newline included).
* *Data* is bytes of any length; a call accepts ``bytes``, ``bytearray`` or ``memoryview`` and returns ``bytes``. If the backend
  states ``limits.max_payload`` for this model, it bounds an object; streams too.
* ``user_metadata`` maps names of 1 to 512 bytes to texts without surrogates, at most 1 KiB in all (the bytes of names and
  values in UTF-8, added up), case and blanks preserved.
* *Present* means put, not deleted since, and not past its deadline; every other object is *missing*.
* *Slack*: a deadline may be late by ``limits.clock_resolution_s`` plus ``traits.ttl_late_s``, never early.
* A *client* is one driver object. All clients of one namespace see one set of buckets; namespaces never see each other.

A check of arguments comes before any effect: `InvalidName` for a bucket, key, prefix or metadata name that is too long or holds
a surrogate (or is empty, but for a prefix), `PayloadTooLarge` for data or metadata over their limit, ``TypeError`` for what has
the wrong type, ``ValueError`` for a number out of range and for a text that holds a surrogate.
"""

from abc import abstractmethod
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from prism_testkit.interfaces.keyvalue import Bytes

__all__ = ["ObjectInfo", "ObjectMetadata", "ObjectStorage", "ObjectStorageConditional"]


@dataclass(frozen=True, slots=True)
class ObjectMetadata:
    """What is known of an object. Instants are milliseconds since the epoch, by the store's clock.

    ``etag`` is opaque: two versions of one key with different content have different etags.
    """

    size: int
    etag: str
    last_modified_ms: int
    content_type: str | None = None
    content_encoding: str | None = None
    user_metadata: Mapping[str, str] = field(default_factory=dict)
    expires_at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One line of a listing."""

    key: str
    size: int
    last_modified_ms: int


class ObjectStorage(Protocol):
    """A map from (bucket, key) to objects.

    1. `get` and `get_stream` return, byte for byte, what the latest `put` or `put_stream` of that key stored, of any length;
       an empty object is an object.
    2. A missing object: `get` and `metadata` return None, `exists`, `delete` and `set_ttl` False, `get_stream` raises
       `ObjectNotFound` at its first step; none of them creates anything.
    3. Objects alias only if bucket and key are equal in every code point; every legal name is accepted, is its own, and is
       listed as it was given.
    4. `delete` removes that object and no other, and says whether it was present (advisory among concurrent deletes).
    5. `metadata` tells the size, the content type, content encoding and user metadata as they were given (None, None and empty
       if not), an etag, and when the object was put (an instant between the start and the return of the put, by the store's
       clock, cut or rounded to its resolution); `put` and `put_stream` return the same. A put replaces all of it.
    6. `put_stream` stores the concatenation of its chunks, empty ones included, like `put`. A total other than ``size`` raises
       ``ValueError``. A stream that fails, grows over the limit, contradicts its ``size`` or is cancelled leaves no object, the
       old one stays, and the error of the source reaches the caller.
    7. A read that races an overwrite or a delete gives one version whole, or raises `Conflict` (`ObjectNotFound`, where the
       object went); never a mixture, never a part that ends as if it were whole.
    8. `list_objects` gives exactly the present objects of the bucket whose keys begin with the prefix, literally, each once,
       with true sizes and instants, however many there are, in no promised order; an object present throughout appears exactly
       once whatever is written meanwhile. One that is left early leaves the driver usable.
    9. `set_ttl` gives a present object a deadline, replacing an earlier one: from it on (within the slack) the object is
       missing for every method and for every listing, never before; ``ttl_s`` of 0 or less is at once, NaN and infinities
       raise ``ValueError``, up to 1e9 must be accepted. ``expires_at_ms`` tells the deadline, None without.
    10. A new put clears the deadline, and is never removed by the old one. With ``ttl_reclaim_s``, the storage of an expired
        object is free after that many seconds while a driver is open.
    11. `create_bucket` says whether the bucket is new and leaves an existing one as it is; `delete_bucket` of a missing bucket
        is False, of one with present objects raises `Conflict` unless ``force``, else True and everything in it is gone: made
        again, the bucket is empty. `bucket_exists` tells. Without the bucket every other method raises `BucketNotFound`,
        iterators at their first step.
    12. What is illegal raises `InvalidName`, `PayloadTooLarge` or ``ValueError`` before any effect; at the limit it is accepted.
    13. The store keeps a copy: a buffer or a mapping changed after the call changes nothing that is stored.
    14. A write that returned is seen by every call (listings too) that any client of the namespace starts afterwards.
    15. Nothing in one namespace is seen or removed through another; nothing in one bucket through another.
    16. Concurrent writes of one key leave one of them, data and metadata together.
    17. A cancelled call leaves its effect whole or absent, and the driver usable.
    18. Memory stays bounded whatever the size of a stream: at most a few chunks of at most 8 MiB are held, in both directions.
    19. With ``durability="process"``, acknowledged writes survive SIGKILL of the process that made them and of the server; an
        unacknowledged one is whole or absent, its data and metadata together, and leaves nothing in listings.
    20. While the server is away calls raise `BackendUnavailable` or `OperationTimeout`; once it is back the same driver works
        again.
    """

    @abstractmethod
    async def put(
        self,
        bucket: str,
        key: str,
        data: Bytes,
        *,
        content_type: str | None = None,
        content_encoding: str | None = None,
        user_metadata: Mapping[str, str] | None = None,
    ) -> ObjectMetadata:
        """Store an object, replacing what was there with its metadata and deadline. Idempotent but for the instant."""

    @abstractmethod
    async def put_stream(
        self,
        bucket: str,
        key: str,
        chunks: AsyncIterable[Bytes],
        *,
        size: int | None = None,
        content_type: str | None = None,
        content_encoding: str | None = None,
        user_metadata: Mapping[str, str] | None = None,
    ) -> ObjectMetadata:
        """Store an object as its chunks come; nothing is seen of it until all came. ``size``: the number of bytes to expect."""

    @abstractmethod
    async def get(self, bucket: str, key: str) -> bytes | None:
        """Return the data of an object, or None if it is missing."""

    @abstractmethod
    def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        """Iterate over the data of one version of an object in chunks of at most 8 MiB; `ObjectNotFound` at the first step."""

    @abstractmethod
    async def delete(self, bucket: str, key: str) -> bool:
        """Remove an object; True if it was present. A repeat returns False."""

    @abstractmethod
    async def exists(self, bucket: str, key: str) -> bool:
        """Say whether an object is present."""

    @abstractmethod
    async def metadata(self, bucket: str, key: str) -> ObjectMetadata | None:
        """Return what is known of an object, or None if it is missing."""

    @abstractmethod
    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        """Let a present object expire ``ttl_s`` from now; False if it is missing."""

    @abstractmethod
    def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        """Iterate over the present objects whose keys begin with ``prefix``."""

    @abstractmethod
    async def create_bucket(self, bucket: str) -> bool:
        """Make a bucket; True if it is new."""

    @abstractmethod
    async def delete_bucket(self, bucket: str, *, force: bool = False) -> bool:
        """Remove a bucket, with ``force`` and everything in it; False if it is missing, `Conflict` if it is not empty."""

    @abstractmethod
    async def bucket_exists(self, bucket: str) -> bool:
        """Say whether a bucket is there."""


class ObjectStorageConditional(ObjectStorage, Protocol):
    """Creation that only one of many can win.

    1. `put_if_absent` stores the object and returns True exactly if it was missing (expired is missing); else it returns False
       and changes nothing: not the data, the metadata, the instant or the deadline.
    2. Of concurrent `put_if_absent` of one missing key, from any number of clients, exactly one returns True, and its object is
       the one that is there.
    3. What it stores is what `put` would store; names, metadata, refusals and buckets are those of `put`.
    4. A cancelled call stored the object whole or not at all.
    """

    @abstractmethod
    async def put_if_absent(
        self,
        bucket: str,
        key: str,
        data: Bytes,
        *,
        content_type: str | None = None,
        content_encoding: str | None = None,
        user_metadata: Mapping[str, str] | None = None,
    ) -> bool:
        """Store an object if there is none; True if this call stored it. A repeat returns False."""
