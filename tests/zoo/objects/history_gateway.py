"""A gateway that speaks in requests: heads under sorted keys, uploads in numbered parts, listings in pages with a token.

Each method is one request, atomic by itself. A reader asks for ranges of the version that it began with; a worker removes what is
due by the notes that were left for it. Each step that a mutant gets wrong is a method of its own.
"""

import hashlib
import heapq
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from prism_testkit.backend import Place
from prism_testkit.interfaces import BucketNotFound, Conflict, ObjectNotFound

__all__ = ["PAGE", "PART", "Bucket", "Facts", "Gateway", "Head", "Page", "Transport", "Upload", "clean", "connector"]

PART = 64 * 1024
"""The bytes of a part of an upload, and of a range."""
PAGE = 100
"""The keys of a page of a listing."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the one who puts says of an object."""

    content_type: str | None = None
    content_encoding: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Head:
    """One version of an object, never changed, only replaced."""

    number: int
    data: bytes
    etag: str
    at_ms: int
    facts: Facts
    expires_ms: int | None = None


@dataclass(eq=False, slots=True)
class Bucket:
    """``number`` tells a bucket from one of the same name that was there before."""

    number: int
    heads: dict[str, Head] = field(default_factory=dict)
    uploads: dict[int, "Upload"] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class Upload:
    """What came so far of an object, by the numbers of the parts."""

    number: int
    bucket: Bucket
    key: str
    facts: Facts
    parts: dict[int, bytes] = field(default_factory=dict)


Page: TypeAlias = tuple[list[tuple[str, Head]], str | None]
"""Keys with their heads, and the token to go on with."""


class Gateway:
    """The data of one place."""

    def __init__(self, place: Place) -> None:
        self.clock = place.clock
        self.spaces: dict[str, dict[str, Bucket]] = {}
        self.notes: dict[Any, Any] = {}
        """Room for what a mutant keeps beside them."""
        self.due: list[tuple[int, int, str, str, str]] = []
        """When, which version, and the namespace, bucket and key of it."""
        self.counter = 0

    def number(self) -> int:
        self.counter += 1
        return self.counter

    # Who is there

    def buckets(self, space: str) -> dict[str, Bucket]:
        return self.spaces.setdefault(space, {})

    def bucket(self, space: str, name: str) -> Bucket:
        self.work()
        bucket = self.buckets(space).get(name)
        if bucket is None:
            raise BucketNotFound(f"gateway: there is no bucket {name[:40]!a}")
        return bucket

    def present(self, head: Head) -> bool:
        return head.expires_ms is None or self.clock.now_ms() < head.expires_ms

    def key(self, bucket: Bucket, key: str) -> str:
        """Return what a key is stored under."""
        return key

    def find(self, bucket: Bucket, key: str) -> Head | None:
        head = bucket.heads.get(self.key(bucket, key))
        return head if head is not None and self.present(head) else None

    def work(self) -> None:
        """Remove what is due, if it is still what the note tells of."""
        while self.due and self.due[0][0] <= self.clock.now_ms():
            _, number, space, name, key = heapq.heappop(self.due)
            bucket = self.buckets(space).get(name)
            if bucket is not None:
                self.expire(bucket, key, number)

    def expire(self, bucket: Bucket, key: str, number: int) -> None:
        head = bucket.heads.get(self.key(bucket, key))
        if head is not None and head.number == number and not self.present(head):
            self.remove(bucket, key)

    def remove(self, bucket: Bucket, key: str) -> None:
        del bucket.heads[self.key(bucket, key)]

    # Requests about an object

    def etag(self, space: str, bucket: str, key: str, data: bytes) -> str:
        return hashlib.blake2b(data, digest_size=16).hexdigest()

    def made(self, etag: str, data: bytes, facts: Facts) -> Head:
        return Head(self.number(), data, etag, self.clock.now_ms(), facts)

    def store(self, bucket: Bucket, key: str, head: Head) -> Head:
        """Everything that puts comes here."""
        bucket.heads[self.key(bucket, key)] = head
        return head

    def put(self, space: str, name: str, key: str, data: bytes, facts: Facts) -> Head:
        return self.store(self.bucket(space, name), key, self.made(self.etag(space, name, key, data), data, facts))

    def create(self, space: str, name: str, key: str, data: bytes, facts: Facts) -> Head | None:
        if self.find(self.bucket(space, name), key) is not None:
            return None
        return self.put(space, name, key, data, facts)

    def head(self, space: str, name: str, key: str) -> Head | None:
        return self.find(self.bucket(space, name), key)

    def range(self, space: str, name: str, key: str, number: int, start: int, stop: int) -> bytes:
        """Return a part of the version that was asked for."""
        head = self.find(self.bucket(space, name), key)
        if head is None:
            raise ObjectNotFound(f"gateway: {key[:40]!a} went while it was read")
        if head.number != number:
            raise Conflict(f"gateway: {key[:40]!a} was replaced while it was read")
        return head.data[start:stop]

    def delete(self, space: str, name: str, key: str) -> bool:
        bucket = self.bucket(space, name)
        if self.find(bucket, key) is None:
            return False
        self.remove(bucket, key)
        return True

    def touch(self, space: str, name: str, key: str, expires_ms: int) -> bool:
        """Give a present object a deadline: a version of its own with the same data."""
        bucket = self.bucket(space, name)
        head = self.find(bucket, key)
        if head is None:
            return False
        self.note(space, name, key, self.store(bucket, key, replace(head, expires_ms=expires_ms)))
        self.work()
        return True

    def note(self, space: str, name: str, key: str, head: Head) -> None:
        assert head.expires_ms is not None
        heapq.heappush(self.due, (head.expires_ms, head.number, space, name, key))

    # Uploads

    def initiate(self, space: str, name: str, key: str, facts: Facts) -> Upload:
        bucket = self.bucket(space, name)
        upload = Upload(self.number(), bucket, key, facts)
        bucket.uploads[upload.number] = upload
        return upload

    def part(self, upload: Upload, number: int, data: bytes) -> None:
        upload.parts[number] = data

    def joined(self, upload: Upload) -> bytes:
        return b"".join(upload.parts[number] for number in sorted(upload.parts))

    def complete(self, space: str, name: str, upload: Upload) -> Head:
        bucket = self.bucket(space, name)
        if bucket is not upload.bucket:
            raise BucketNotFound(f"gateway: the bucket {name[:40]!a} went while it was written to")
        self.abort(upload)
        data = self.joined(upload)
        return self.store(bucket, upload.key, self.made(self.etag(space, name, upload.key, data), data, upload.facts))

    def abort(self, upload: Upload) -> None:
        upload.bucket.uploads.pop(upload.number, None)

    # Listings

    def matches(self, key: str, prefix: str) -> bool:
        return key.startswith(prefix)

    def listed(self, bucket: Bucket, prefix: str, token: str | None) -> Iterator[tuple[str, Head]]:
        """Yield, in order, what is behind the token."""
        for key in sorted(bucket.heads):
            head = bucket.heads[key]
            if (token is None or key > token) and self.matches(key, prefix) and self.present(head):
                yield key, head

    def page(self, space: str, name: str, prefix: str, token: str | None) -> Page:
        rows: list[tuple[str, Head]] = []
        for row in self.listed(self.bucket(space, name), prefix, token):
            if len(rows) == PAGE:
                return rows, rows[-1][0]
            rows.append(row)
        return rows, None

    # Buckets

    def make_bucket(self, space: str, name: str) -> bool:
        if name in self.buckets(space):
            return False
        self.buckets(space)[name] = Bucket(self.number())
        return True

    def empty(self, space: str, name: str) -> bool:
        return not any(map(self.present, self.buckets(space)[name].heads.values()))

    def remove_bucket(self, space: str, name: str, force: bool) -> bool:
        self.work()
        if name not in self.buckets(space):
            return False
        if not force and not self.empty(space, name):
            raise Conflict(f"gateway: the bucket {name[:40]!a} holds objects")
        del self.buckets(space)[name]
        return True

    def has_bucket(self, space: str, name: str) -> bool:
        return name in self.buckets(space)

    def clean(self, prefix: str) -> None:
        for space in [space for space in self.spaces if space.startswith(prefix)]:
            del self.spaces[space]
        self.due = [note for note in self.due if not note[2].startswith(prefix)]
        heapq.heapify(self.due)
        self.notes.clear()


@dataclass(eq=False)
class Transport:
    """What one client is connected by."""

    gateway: Gateway
    shut: bool = False


def connector(gateway_type: type[Gateway]) -> Callable[[Place], AbstractAsyncContextManager[Transport]]:
    """Return a ``connect`` that keeps one gateway for a place."""

    @asynccontextmanager
    async def connect(place: Place) -> AsyncIterator[Transport]:
        gateway: Gateway = place.shared.get("gateway") or place.shared.setdefault("gateway", gateway_type(place))
        yield Transport(gateway)

    return connect


async def clean(transport: Transport, prefix: str) -> None:
    transport.gateway.clean(prefix)
