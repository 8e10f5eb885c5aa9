"""Where the zoo's streams are kept: in memory, or as the sum of a log file."""

import asyncio
from bisect import bisect_left, insort
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, ClassVar, TypeAlias

from prism_testkit.backend import Place
from prism_testkit.interfaces import Record, Retention
from tests.zoo.family import Log

__all__ = ["Acked", "Change", "Connect", "FileStore", "Group", "Held", "Space", "Store", "Stream", "clean", "connector"]

_offset = attrgetter("offset")


@dataclass(frozen=True, slots=True)
class Held:
    """A record that a group has given to a member and that is not acked. Never changed, only replaced."""

    count: int
    member: int = 0
    """Who holds it; 0: nobody, it is to come again."""
    token: str = ""
    due: float = 0.0
    """Not before this instant, in seconds since the epoch."""


@dataclass(slots=True)
class Group:
    position: int
    """From here on nothing was delivered."""
    members: dict[int, str] = field(default_factory=dict)
    pending: dict[int, Held] = field(default_factory=dict)
    """By offset."""


@dataclass(slots=True)
class Stream:
    records: list[Record] = field(default_factory=list)
    """In the order of offsets."""
    latest: int | None = None
    floor: int = 0
    """Everything below was trimmed."""
    groups: dict[str, Group] = field(default_factory=dict)
    bounds: Retention | None = None
    """None: nobody has set any."""
    parts: int = 0
    """How many partitions it was given; 0 and 1: an ordinary stream."""

    def at(self, offset: int) -> int:
        """Return the place of the first record with this offset or a higher one."""
        return bisect_left(self.records, offset, key=_offset)

    def find(self, offset: int) -> Record | None:
        place = self.at(offset)
        found = self.records[place] if place < len(self.records) else None
        return found if found is not None and found.offset == offset else None

    @property
    def end(self) -> int:
        """The offset behind the last record ever appended."""
        return 0 if self.latest is None else self.latest + 1


@dataclass(frozen=True, slots=True)
class Acked:
    """In the place of a `Held`: the record is confirmed."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a stream, or of a group of it. What is None stays."""

    stream: str
    group: str = ""
    record: Record | None = None
    trim: int | None = None
    create: int | None = None
    position: int | None = None
    join: tuple[int, str] | None = None
    leave: int | None = None
    offset: int = 0
    held: Held | Acked | None = None
    forget: bool = False
    """Nothing is pending any more."""
    drop: frozenset[int] = frozenset()
    """Offsets of records that go, wherever they are."""
    bounds: Retention | None = None
    parts: int | None = None


class Space:
    """What one namespace holds."""

    def __init__(self) -> None:
        self.streams: dict[str, Stream] = {}
        self.serial = 0

    def stream(self, name: str) -> Stream:
        return self.streams.setdefault(name, Stream())

    def apply(self, changes: Sequence[Change]) -> None:
        for change in changes:
            stream = self.stream(change.stream)
            if change.record is not None:
                insort(stream.records, change.record, key=_offset)
                stream.latest = max(change.record.offset, -1 if stream.latest is None else stream.latest)
            if change.trim is not None:
                stream.floor = max(stream.floor, change.trim)
                del stream.records[: stream.at(change.trim)]
            if change.drop:
                stream.records = [record for record in stream.records if record.offset not in change.drop]
            stream.bounds = change.bounds or stream.bounds
            stream.parts = stream.parts if change.parts is None else change.parts
            if change.create is not None:
                stream.groups[change.group] = Group(change.create)
            if change.group in stream.groups:
                self._apply_to_group(stream.groups[change.group], change)

    def _apply_to_group(self, group: Group, change: Change) -> None:
        if change.forget:
            group.pending.clear()
        if change.position is not None:
            group.position = change.position
        if change.join is not None:
            group.members[change.join[0]] = change.join[1]
            self.serial = max(self.serial, change.join[0])
        if change.leave is not None:
            group.members.pop(change.leave, None)
        if isinstance(change.held, Held):
            group.pending[change.offset] = change.held
            self.serial = max(self.serial, int(change.held.token or 0))
        elif change.held is not None:
            group.pending.pop(change.offset, None)


class Store:
    """The data of one place. ``notes`` is room for what a mutant keeps beside it."""

    def __init__(self, place: Place) -> None:
        self.clock = place.clock
        self.spaces: dict[str, Space] = {}
        self.waiting: set[asyncio.Future[None]] = set()
        self.notes: dict[Any, Any] = {}

    def space(self, namespace: str) -> Space:
        return self.spaces.setdefault(namespace, Space())

    def apply(self, namespace: str, changes: Sequence[Change]) -> None:
        """Make all changes at once and wake whoever waits for a change."""
        self.space(namespace).apply(changes)
        self.wake()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Let the changes of one call be handed over as one."""
        yield

    def wake(self) -> None:
        for waiter in self.waiting:
            if not waiter.done():
                waiter.set_result(None)

    def clean(self, prefix: str) -> None:
        for namespace in [name for name in self.spaces if name.startswith(prefix)]:
            del self.spaces[namespace]
        self.notes.clear()

    def close(self) -> None:
        """The last client of the place has left in peace; after a kill this never runs."""


class FileStore(Store):
    """Streams that are the sum of a log: a call's changes are one record, handed over before it returns.

    One process at a time has it open: whoever was a member before is dead when it is opened.
    """

    log_type: ClassVar[type[Log]] = Log

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.gathered: list[tuple[str, Sequence[Change]]] | None = None
        self.log = self.log_type(place.directory / "zoo.log")
        for namespace, changes in self.log.unread():
            if changes is None:
                self.spaces.pop(namespace, None)
            else:
                self.replay(namespace, changes)
        for space in self.spaces.values():
            for stream in space.streams.values():
                for group in stream.groups.values():
                    self.bury(group)

    def bury(self, group: Group) -> None:
        """Free what the dead held."""
        group.members.clear()
        group.pending = {offset: Held(held.count, due=held.due) for offset, held in group.pending.items()}

    def apply(self, namespace: str, changes: Sequence[Change]) -> None:
        if self.gathered is None:
            self.write(namespace, changes)
        else:
            self.gathered.append((namespace, changes))
        super().apply(namespace, changes)

    @contextmanager
    def together(self) -> Iterator[None]:
        self.gathered = []
        try:
            yield
        finally:
            gathered, self.gathered = self.gathered, None
            for namespace in dict.fromkeys(namespace for namespace, _ in gathered):
                self.write(namespace, [change for name, changes in gathered if name == namespace for change in changes])

    def write(self, namespace: str, changes: Sequence[Change]) -> None:
        """Log changes; called before they are made in memory."""
        self.log.append((namespace, list(changes)))

    def replay(self, namespace: str, changes: Sequence[Change]) -> None:
        self.spaces.setdefault(namespace, Space()).apply(changes)

    def clean(self, prefix: str) -> None:
        for namespace in [name for name in self.spaces if name.startswith(prefix)]:
            self.log.append((namespace, None))
        super().clean(prefix)


Connect: TypeAlias = Callable[[Place], AbstractAsyncContextManager[Store]]


def connector(store_type: type[Store]) -> Connect:
    """Return a ``connect`` that keeps one store for a place and closes it with the last client."""

    @asynccontextmanager
    async def connect(place: Place) -> AsyncIterator[Store]:
        store: Store = place.shared.get("streams") or place.shared.setdefault("streams", store_type(place))
        place.shared["stream clients"] = place.shared.get("stream clients", 0) + 1
        try:
            yield store
        finally:
            place.shared["stream clients"] -= 1
            if not place.shared["stream clients"]:
                store.close()

    return connect


async def clean(store: Store, prefix: str) -> None:
    store.clean(prefix)
