"""Where the zoo's objects are kept: in memory, or as files that a log tells of."""

import hashlib
import io
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from prism_testkit.backend import Place
from prism_testkit.interfaces import Conflict
from tests.zoo.family import Log

__all__ = ["Blob", "Changes", "Connect", "Facts", "FileSpool", "FileStore", "Rows", "Slot", "Spool", "Store", "Version", "clean"]
__all__ += ["connector"]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the one who puts says of an object."""

    content_type: str | None
    content_encoding: str | None
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Blob:
    """The data of one version: the bytes, or the name of the file that holds them."""

    held: bytes | str
    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class Version:
    """One object, never changed, only replaced. Instants are milliseconds since the epoch."""

    blob: Blob
    facts: Facts
    etag: str
    modified_ms: int
    deadline_ms: int | None = None


Slot: TypeAlias = tuple[str, str]
"""Bucket and key of an object; bucket and "" of the bucket itself."""
Rows: TypeAlias = dict[str, Version]
Changes: TypeAlias = Mapping[Slot, Version | bool | None]
"""What is put or, None, removed; True makes a bucket."""


class Spool:
    """Takes bytes as they come and makes a blob of them."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0
        self.hash = hashlib.blake2b(digest_size=16)

    def write(self, part: bytes) -> None:
        self.parts.append(part)
        self.count(part)

    def count(self, part: bytes) -> None:
        self.size += len(part)
        self.hash.update(part)

    def finish(self) -> Blob:
        return Blob(b"".join(self.parts), self.size, self.hash.hexdigest())

    def abort(self) -> None:
        """Leave nothing; once it is finished, this does nothing."""


class FileSpool(Spool):
    def __init__(self, path: Path) -> None:
        super().__init__()
        path.parent.mkdir(exist_ok=True)
        self.path: Path | None = path
        self.file = path.open("wb", buffering=0)

    def write(self, part: bytes) -> None:
        self.file.write(part)
        self.count(part)

    def finish(self) -> Blob:
        assert self.path is not None
        name, self.path = self.path.name, None
        self.file.close()
        return Blob(name, self.size, self.hash.hexdigest())

    def abort(self) -> None:
        if self.path is not None:
            self.file.close()
            self.path.unlink(missing_ok=True)


class Store:
    """The data of one place: buckets by namespace. ``notes`` is room for what a mutant keeps beside them."""

    def __init__(self, place: Place) -> None:
        self.clock = place.clock
        self.spaces: dict[str, dict[str, Rows]] = {}
        self.notes: dict[Any, Any] = {}

    def buckets(self, namespace: str) -> dict[str, Rows]:
        return self.spaces.setdefault(namespace, {})

    def spool(self) -> Spool:
        return Spool()

    def open(self, blob: Blob) -> BinaryIO:
        assert isinstance(blob.held, bytes)
        return io.BytesIO(blob.held)

    def apply(self, namespace: str, changes: Changes) -> None:
        """Make all changes at once."""
        buckets = self.buckets(namespace)
        for (bucket, key), thing in changes.items():
            if isinstance(thing, Version):
                old = buckets[bucket].get(key)
                buckets[bucket][key] = thing
                if old is not None and old.blob.held != thing.blob.held:
                    self.release(old)
            elif thing:
                buckets.setdefault(bucket, {})
            elif key:
                self.release(buckets[bucket].pop(key, None))
            else:
                for version in buckets.pop(bucket, {}).values():
                    self.release(version)

    def release(self, version: Version | None) -> None:
        """Free the storage of a version that was replaced or removed."""

    def clean(self, prefix: str) -> None:
        for namespace in [name for name in self.spaces if name.startswith(prefix)]:
            for rows in self.spaces.pop(namespace).values():
                for version in rows.values():
                    self.release(version)
        self.notes.clear()

    def close(self) -> None:
        """The last client of the place has left in peace; after a kill this never runs."""


class FileStore(Store):
    """Objects that are the sum of a log: a call's changes are one record; the data are in files, complete before it."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.folder = place.directory / "blobs"
        self.log = Log(place.directory / "zoo.log")
        self.replaying = False
        self.catch_up()

    def buckets(self, namespace: str) -> dict[str, Rows]:
        self.catch_up()
        return super().buckets(namespace)

    def spool(self) -> Spool:
        return FileSpool(self.folder / uuid.uuid4().hex)

    def open(self, blob: Blob) -> BinaryIO:
        try:
            return (self.folder / str(blob.held)).open("rb")
        except FileNotFoundError as error:
            raise Conflict("zoo: the object was replaced meanwhile") from error

    def apply(self, namespace: str, changes: Changes) -> None:
        self.catch_up()
        self.write(namespace, changes)
        super().apply(namespace, changes)

    def write(self, namespace: str, changes: Changes) -> None:
        """Log changes; called before they are made in memory."""
        self.log.append((namespace, dict(changes)))

    def release(self, version: Version | None) -> None:
        if version is not None and not self.replaying:
            with suppress(FileNotFoundError):
                (self.folder / str(version.blob.held)).unlink()

    def clean(self, prefix: str) -> None:
        self.catch_up()
        for namespace in [name for name in self.spaces if name.startswith(prefix)]:
            self.log.append((namespace, None))
        super().clean(prefix)

    def catch_up(self) -> None:
        """Replay what is in the log and was not seen yet."""
        if self.replaying:
            return
        self.replaying = True
        for namespace, changes in self.log.unread():
            if changes is None:
                self.spaces.pop(namespace, None)
            else:
                self.replay(namespace, changes)
        self.replaying = False

    def replay(self, namespace: str, changes: Changes) -> None:
        Store.apply(self, namespace, changes)


Connect: TypeAlias = Callable[[Place], AbstractAsyncContextManager[Store]]


def connector(store_type: type[Store]) -> Connect:
    """Return a ``connect`` that keeps one store for a place and closes it with the last client."""

    @asynccontextmanager
    async def connect(place: Place) -> AsyncIterator[Store]:
        store: Store = place.shared.get("objects") or place.shared.setdefault("objects", store_type(place))
        place.shared["object clients"] = place.shared.get("object clients", 0) + 1
        try:
            yield store
        finally:
            place.shared["object clients"] -= 1
            if not place.shared["object clients"]:
                store.close()

    return connect


async def clean(store: Store, prefix: str) -> None:
    store.clean(prefix)
