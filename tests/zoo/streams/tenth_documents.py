"""Streams as documents that are replaced whole: whoever changes one names the version that he read."""

import asyncio
import pickle
from bisect import bisect_left
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from prism_testkit.backend import Backend, Place
from prism_testkit.interfaces import Record, Retention
from prism_testkit.traits import Traits

Where = tuple[int, int]


@dataclass(frozen=True)
class Part:
    records: tuple[Record, ...] = ()
    floor: int = 0
    end: int = 0
    last: int = -1
    last_ms: int = 0

    def at(self, offset: int) -> int:
        return bisect_left(self.records, offset, key=lambda record: record.offset)

    def get(self, offset: int) -> Record | None:
        at = self.at(offset)
        return self.records[at] if at < len(self.records) and self.records[at].offset == offset else None

    def without(self, gone: Callable[[Record], bool]) -> "Part":
        return replace(self, records=tuple(record for record in self.records if not gone(record)))


@dataclass(frozen=True)
class Pending:
    count: int
    token: str = ""
    member: int = 0
    due: float = 0.0
    by: int = 0
    """The member that gave it back."""


@dataclass(frozen=True)
class Group:
    positions: tuple[int, ...]
    members: frozenset[int] = frozenset()
    pending: Mapping[Where, Pending] = field(default_factory=dict)


@dataclass(frozen=True)
class Document:
    parts: tuple[Part, ...] = (Part(),)
    groups: Mapping[str, Group] = field(default_factory=dict)
    bounds: Retention | None = None
    serial: int = 0
    turn: int = 0

    @property
    def used(self) -> bool:
        return bool(self.groups) or self.bounds is not None or any(part.last >= 0 for part in self.parts)

    def with_part(self, number: int, part: Part) -> "Document":
        return replace(self, parts=(*self.parts[:number], part, *self.parts[number + 1 :]))

    def with_group(self, name: str, group: Group) -> "Document":
        return replace(self, groups={**self.groups, name: group})


ABSENT = Document()


class Shelf:
    """Documents by (namespace, stream)."""

    def __init__(self, place: Place) -> None:
        self.clock = place.clock
        self.documents: dict[tuple[str, str], tuple[int, Document]] = {}
        self.sleepers: dict[tuple[str, str], set[asyncio.Future[None]]] = {}
        self.notes: dict[Any, Any] = {}

    def load(self, namespace: str, stream: str) -> tuple[int, Document]:
        return self.documents.get((namespace, stream), (0, ABSENT))

    def swap(self, namespace: str, stream: str, version: int, document: Document) -> bool:
        if self.load(namespace, stream)[0] != version:
            return False
        self.keep(namespace, stream, version + 1, document)
        self.documents[namespace, stream] = (version + 1, document)
        self.wake(namespace, stream)
        return True

    def keep(self, namespace: str, stream: str, version: int, document: Document) -> None:
        """Nothing outlives the process."""

    def wake(self, namespace: str, stream: str) -> None:
        for sleeper in self.sleepers.get((namespace, stream), ()):
            if not sleeper.done():
                sleeper.set_result(None)

    async def changed(self, namespace: str, stream: str, version: int, within_s: float) -> None:
        """Return when there is a newer version, at the latest after ``within_s``."""
        if self.load(namespace, stream)[0] != version:
            return
        sleeper = asyncio.get_running_loop().create_future()
        among = self.sleepers.setdefault((namespace, stream), set())
        among.add(sleeper)
        try:
            async with asyncio.timeout(within_s):
                await sleeper
        except TimeoutError:
            return
        finally:
            among.discard(sleeper)

    def clean(self, prefix: str) -> None:
        for key in [key for key in self.documents if key[0].startswith(prefix)]:
            del self.documents[key]
        self.notes.clear()


class FileShelf(Shelf):
    """A file for each document, renamed into place. Members of before are dead when it is opened."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.folder = place.directory / "documents"
        self.folder.mkdir(exist_ok=True)
        for path in self.folder.glob("*.doc"):
            key, version, document = pickle.loads(path.read_bytes())
            self.documents[key] = (version, self.revived(document))

    def revived(self, document: Document) -> Document:
        for name, group in document.groups.items():
            free = {where: Pending(one.count, due=one.due) for where, one in group.pending.items()}
            document = document.with_group(name, replace(group, members=frozenset(), pending=free))
        return document

    def path(self, namespace: str, stream: str) -> Path:
        import hashlib

        return self.folder / (namespace + "-" + hashlib.sha256(stream.encode()).hexdigest() + ".doc")

    def keep(self, namespace: str, stream: str, version: int, document: Document) -> None:
        path = self.path(namespace, stream)
        fresh = path.with_suffix(".new")
        fresh.write_bytes(pickle.dumps(((namespace, stream), version, document)))
        fresh.replace(path)

    def clean(self, prefix: str) -> None:
        super().clean(prefix)
        for path in self.folder.glob(f"{prefix}*.doc"):
            path.unlink()


def connector(shelf_type: type[Shelf]) -> Any:
    @asynccontextmanager
    async def connect(place: Place) -> AsyncIterator[Shelf]:
        shelf = place.shared.get("documents")
        if shelf is None:
            shelf = place.shared["documents"] = shelf_type(place)
        yield shelf

    return connect


async def clean(shelf: Shelf, prefix: str) -> None:
    shelf.clean(prefix)


TRAITS = Traits(group_parallelism="record", delivery_count="exact", compaction="immediate", member_timeout_s=0.0)


def document_backend(name: str, driver: type, shelf: type[Shelf] = Shelf, **settings: Any) -> Backend[Any]:
    traits = settings.pop("traits", TRAITS)
    if issubclass(shelf, FileShelf):
        traits = replace(traits, durability="process", ack_survives_kill="yes", attempts_survive_kill="yes")
    return Backend(name=name, connect=connector(shelf), drivers=[driver], clean=clean, traits=traits, **settings)
