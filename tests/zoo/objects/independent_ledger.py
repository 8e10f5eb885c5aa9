"""Objects over a log of events that every client folds for itself; a write is appended only where the log has not grown meanwhile.

Right: nothing in it breaks a promise. Its methods are small, so that a wrong driver replaces one of them.
"""

import asyncio
import hashlib
import math
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import prism_testkit as prism
from prism_testkit.interfaces import BucketNotFound, Conflict, ObjectNotFound
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.object_storage import ObjectInfo, ObjectMetadata
from prism_testkit.naming import METADATA_BYTES, check_headers
from prism_testkit.traits import NO_LIMIT, Limits

from .independent_thin import Thin

__all__ = ["Event", "Held", "Ledger", "LedgerObjects", "Node", "Said", "View", "ledgers"]

LIMITS = Limits(max_payload=NO_LIMIT)
T = TypeVar("T")


@dataclass(frozen=True)
class Said:
    """What the one who puts says of the data."""

    content_type: str | None
    content_encoding: str | None
    user_metadata: Mapping[str, str]


@dataclass(frozen=True)
class Held:
    """One version of an object: its pages, and what is told of it."""

    pages: tuple[bytes, ...]
    told: ObjectMetadata


@dataclass(frozen=True)
class Event:
    """``held`` None removes the object, ``key`` None is about the bucket: it is made, or with ``gone`` removed."""

    bucket: str
    key: str | None = None
    held: Held | None = None
    gone: bool = False


@dataclass
class Ledger:
    """The events of one namespace."""

    events: list[Event] = field(default_factory=list)

    def append(self, events: list[Event], after: int) -> bool:
        """Add events, unless there are others behind ``after``."""
        if len(self.events) != after:
            return False
        self.events += events
        return True


@dataclass
class View:
    """What the events up to ``position`` come to."""

    position: int = 0
    buckets: dict[str, dict[str, Held]] = field(default_factory=dict)

    def fold(self, event: Event) -> None:
        """Take the next event."""
        self.position += 1
        if event.key is None and event.gone:
            del self.buckets[event.bucket]
        elif event.key is None:
            self.buckets[event.bucket] = {}
        elif event.held is None:
            del self.buckets[event.bucket][event.key]
        else:
            self.buckets[event.bucket][event.key] = event.held


@dataclass
class Node:
    """What a client is connected to."""

    ledgers: dict[str, Ledger]
    clock: prism.Clock
    shared: dict[str, Any]


@asynccontextmanager
async def ledgers(place: prism.Place) -> AsyncIterator[Node]:
    """Connect: the ledgers are the place's."""
    yield Node(place.shared.setdefault("ledgers", {}), place.clock, place.shared)


async def clean(node: Node, prefix: str) -> None:
    """Forget the namespaces that begin with ``prefix``."""
    for name in [name for name in node.ledgers if name.startswith(prefix)]:
        del node.ledgers[name]


class LedgerObjects(Thin):
    """The driver. A decision is made on a view, and made again if it was too old."""

    page = 64 * 1024

    def __init__(self, node: Node, namespace: str) -> None:
        self.node, self.namespace = node, namespace
        self.clock = node.clock
        self.ledger = node.ledgers.setdefault(namespace, Ledger())
        self.view = View()

    # Arguments.

    def named(self, operation: str, bucket: str, key: str = "-") -> None:
        prism.check_name(bucket, operation, "ledger", LIMITS)
        prism.check_name(key, operation, "ledger", LIMITS)

    def said(
        self,
        operation: str,
        content_type: str | None = None,
        content_encoding: str | None = None,
        user_metadata: Mapping[str, str] | None = None,
    ) -> Said:
        for text in (content_type, content_encoding):
            if text is None:
                continue
            if not isinstance(text, str):
                raise TypeError(f"ledger: {operation}: a content type is str, not {type(text).__name__}")
            if any("\ud800" <= character <= "\udfff" for character in text):
                raise ValueError(f"ledger: {operation}: a content type holds a surrogate")
        return Said(content_type, content_encoding, self.labels(operation, user_metadata))

    def labels(self, operation: str, labels: Mapping[str, str] | None) -> dict[str, str]:
        return check_headers(labels, operation, "ledger", METADATA_BYTES)

    # What is there.

    async def now(self) -> View:
        """Return the view as of the end of the log."""
        await asyncio.sleep(0)
        self.catch_up()
        return self.view

    def catch_up(self) -> None:
        for event in self.ledger.events[self.view.position :]:
            self.view.fold(event)

    def bucket(self, view: View, bucket: str) -> dict[str, Held]:
        if bucket not in view.buckets:
            raise BucketNotFound(f"ledger: there is no bucket {bucket[:40]!a}")
        return view.buckets[bucket]

    def present(self, held: Held | None) -> Held | None:
        if held is None or (held.told.expires_at_ms is not None and held.told.expires_at_ms <= self.clock.now_ms()):
            return None
        return held

    def find(self, view: View, bucket: str, key: str) -> Held | None:
        return self.present(self.bucket(view, bucket).get(key))

    async def look(self, operation: str, bucket: str, key: str) -> Held | None:
        self.named(operation, bucket, key)
        return self.find(await self.now(), bucket, key)

    async def decide(self, decide: Callable[[View], tuple[list[Event], T]]) -> T:
        """Append what ``decide`` makes of the present view, and return its answer."""
        while True:
            view = await self.now()
            position = view.position
            events, answer = decide(view)
            await asyncio.sleep(0)
            if not events or self.ledger.append(events, position):
                self.catch_up()
                return answer

    # Writing.

    def pages(self, data: bytes) -> tuple[bytes, ...]:
        return tuple(data[at : at + self.page] for at in range(0, len(data), self.page))

    def etag(self, pages: tuple[bytes, ...], said: Said) -> str:
        digest = hashlib.sha256()
        for page in pages:
            digest.update(page)
        return digest.hexdigest()

    def held(self, pages: tuple[bytes, ...], said: Said) -> Held:
        size = sum(map(len, pages))
        told = ObjectMetadata(
            size,
            self.etag(pages, said),
            self.clock.now_ms(),
            said.content_type,
            said.content_encoding,
            dict(said.user_metadata),
        )
        return Held(pages, told)

    async def store(self, bucket: str, key: str, pages: tuple[bytes, ...], said: Said) -> ObjectMetadata:
        def decide(view: View) -> tuple[list[Event], ObjectMetadata]:
            self.bucket(view, bucket)
            held = self.replacing(self.held(pages, said), view.buckets[bucket].get(key))
            return [Event(bucket, key, held)], held.told

        return self.tell(await self.decide(decide))

    def replacing(self, new: Held, old: Held | None) -> Held:
        """Return what is stored where ``old`` was, be it missing."""
        return new

    def tell(self, told: ObjectMetadata) -> ObjectMetadata:
        """Return what a caller may keep and change."""
        return replace(told, user_metadata=dict(told.user_metadata))

    async def whole(self, bucket: str, key: str, data: Bytes, **told: Any) -> ObjectMetadata:
        self.named("put", bucket, key)
        said = self.said("put", **told)
        pages = self.pages(prism.check_payload(data, "put", "ledger", key, LIMITS))
        return await self.store(bucket, key, pages, said)

    async def stream(
        self, bucket: str, key: str, chunks: AsyncIterable[Bytes], *, size: int | None = None, **told: Any
    ) -> ObjectMetadata:
        self.named("put_stream", bucket, key)
        said = self.said("put_stream", **told)
        self.sized(size)
        self.bucket(await self.now(), bucket)
        pages: list[bytes] = []
        total = 0
        async for chunk in chunks:
            data = prism.check_payload(chunk, "put_stream", "ledger", key, LIMITS)
            total += len(data)
            self.expected(size, total)
            pages += self.pages(data)
        self.expected(size, total, whole=True)
        return await self.store(bucket, key, tuple(pages), said)

    def sized(self, size: int | None) -> None:
        if size is None:
            return
        if not isinstance(size, int) or isinstance(size, bool):
            raise TypeError(f"ledger: put_stream: size is int, not {type(size).__name__}")
        if size < 0:
            raise ValueError(f"ledger: put_stream: size={size} is negative")

    def expected(self, size: int | None, total: int, whole: bool = False) -> None:
        if size is not None and (total > size or (whole and total != size)):
            raise ValueError(f"ledger: put_stream: {total} bytes came, {size} were told")

    async def create(self, bucket: str, key: str, data: Bytes, **told: Any) -> bool:
        self.named("put_if_absent", bucket, key)
        said = self.said("put_if_absent", **told)
        pages = self.pages(prism.check_payload(data, "put_if_absent", "ledger", key, LIMITS))

        def decide(view: View) -> tuple[list[Event], bool]:
            if self.find(view, bucket, key) is not None:
                return [], False
            return [Event(bucket, key, self.replacing(self.held(pages, said), view.buckets[bucket].get(key)))], True

        return await self.decide(decide)

    # Reading and removing.

    async def get(self, bucket: str, key: str) -> bytes | None:
        held = await self.look("get", bucket, key)
        return None if held is None else b"".join(held.pages)

    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        held = await self.look("get_stream", bucket, key)
        if held is None:
            raise ObjectNotFound(f"ledger: there is no object {key[:40]!a}")
        for page in self.bundles(held.pages):
            yield page

    def bundles(self, pages: tuple[bytes, ...]) -> Iterator[bytes]:
        """Yield several pages as one chunk, of 1 MiB at most."""
        many = max(1, 2**20 // self.page)
        for at in range(0, len(pages), many):
            yield b"".join(pages[at : at + many])

    async def delete(self, bucket: str, key: str) -> bool:
        self.named("delete", bucket, key)

        def decide(view: View) -> tuple[list[Event], bool]:
            there = self.find(view, bucket, key) is not None
            return ([Event(bucket, key)] if key in view.buckets[bucket] else []), there

        return await self.decide(decide)

    async def exists(self, bucket: str, key: str) -> bool:
        return await self.look("exists", bucket, key) is not None

    async def metadata(self, bucket: str, key: str) -> ObjectMetadata | None:
        held = await self.look("metadata", bucket, key)
        return None if held is None else self.tell(held.told)

    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        self.named("set_ttl", bucket, key)
        prism.check_seconds(ttl_s, "set_ttl", "ledger")

        def decide(view: View) -> tuple[list[Event], bool]:
            held = self.find(view, bucket, key)
            if held is None:
                return [], False
            deadline = self.clock.now_ms() + max(0, math.ceil(ttl_s * 1000))
            return [Event(bucket, key, replace(held, told=replace(held.told, expires_at_ms=deadline)))], True

        return await self.decide(decide)

    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        self.named("list_objects", bucket)
        prism.check_prefix(prefix, "list_objects", "ledger", LIMITS)
        keys = [key for key in self.bucket(await self.now(), bucket) if key.startswith(prefix)]
        for few in (keys[at : at + 50] for at in range(0, len(keys), 50)):
            there = (await self.now()).buckets.get(bucket, {})
            for key in few:
                held = self.present(there.get(key))
                if held is not None:
                    yield ObjectInfo(key, held.told.size, held.told.last_modified_ms)

    # Buckets.

    async def create_bucket(self, bucket: str) -> bool:
        self.named("create_bucket", bucket)
        return await self.decide(lambda view: ([], False) if bucket in view.buckets else ([Event(bucket)], True))

    async def delete_bucket(self, bucket: str, *, force: bool = False) -> bool:
        self.named("delete_bucket", bucket)

        def decide(view: View) -> tuple[list[Event], bool]:
            if bucket not in view.buckets:
                return [], False
            if not force and any(self.present(held) for held in view.buckets[bucket].values()):
                raise Conflict(f"ledger: bucket {bucket[:40]!a} is not empty")
            return [Event(bucket, gone=True)], True

        return await self.decide(decide)

    async def bucket_exists(self, bucket: str) -> bool:
        self.named("bucket_exists", bucket)
        return bucket in (await self.now()).buckets
