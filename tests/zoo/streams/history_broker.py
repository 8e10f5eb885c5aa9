"""A broker of logs in segments, which clients fetch in pages, and of cursors: a mark, what was acked above it, and a position.

Every method is one step. What a log keeps of a record is a frame, bytes that only clients read.
"""

import asyncio
import hashlib
import pickle
from bisect import bisect_left
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from prism_testkit.backend import Place
from prism_testkit.interfaces import Retention

__all__ = ["Broker", "Cursor", "DiskBroker", "Entry", "Group", "Held", "Log", "Page", "Segment", "Topic", "clean", "connector"]


@dataclass(frozen=True, slots=True)
class Entry:
    offset: int
    delta_ms: int
    """Since the first append of its segment."""
    key: str | None
    frame: bytes


@dataclass(slots=True)
class Segment:
    """Entries from ``base`` to ``last``, which stay its bounds when some of them go."""

    base: int
    base_ms: int
    last: int = -1
    last_ms: int = 0
    size: int = 0
    """The bytes that were ever appended."""
    entries: list[Entry] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Page:
    """What a fetch returns: entries of one segment, from its first on, and where to go on."""

    base_ms: int
    entries: tuple[Entry, ...]
    next: int


class Log:
    """One partition."""

    most_entries: ClassVar[int] = 4
    most_bytes: ClassVar[int] = 65_536

    def __init__(self) -> None:
        self.segments: list[Segment] = []
        self.next = 0
        self.start = 0
        """Everything below was trimmed."""

    # Writing

    def full(self, segment: Segment) -> bool:
        return segment.last - segment.base + 1 >= self.most_entries or segment.size >= self.most_bytes

    def stamp(self, now_ms: int) -> int:
        return max(now_ms, self.segments[-1].last_ms) if self.segments else now_ms

    def append(self, now_ms: int, key: str | None, frame: bytes) -> int:
        at_ms = self.stamp(now_ms)
        if not self.segments or self.full(self.segments[-1]):
            self.segments.append(Segment(self.next, at_ms))
        segment = self.segments[-1]
        segment.entries.append(Entry(self.next, at_ms - segment.base_ms, key, frame))
        segment.last, segment.last_ms, segment.size = self.next, at_ms, segment.size + len(frame)
        self.next += 1
        return segment.last

    def trim(self, before: int) -> int:
        self.start = max(self.start, min(before, self.next))
        self.keep(lambda entry: entry.offset >= self.start)
        return self.start

    def keep(self, wanted: Any) -> None:
        """Let go every entry but these, and every segment but the last that has none left."""
        for segment in self.segments:
            segment.entries = [entry for entry in segment.entries if wanted(entry)]
        self.segments = [segment for segment in self.segments if segment.entries or segment is self.segments[-1]]

    # Reading

    def index(self, offset: int) -> int:
        """Return the place of the first segment that ends at ``offset`` or later."""
        return bisect_left(self.segments, offset, key=lambda segment: segment.last)

    def fetch(self, at: int) -> Page | None:
        """Return a page with what comes at ``at`` or, if there is none there, later; None: nothing comes."""
        place = self.index(at)
        if place == len(self.segments):
            return None
        segment = self.segments[place]
        return Page(segment.base_ms, tuple(segment.entries), segment.last + 1)

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[Entry]:
        for segment in self.segments[self.index(start) :]:
            for entry in segment.entries:
                if entry.offset >= start and (stop is None or entry.offset < stop):
                    yield entry

    def find(self, offset: int) -> tuple[Entry, int] | None:
        """Return an entry and the instant from which its own counts."""
        for segment in self.segments[self.index(offset) :][:1]:
            for entry in segment.entries:
                if entry.offset == offset:
                    return entry, segment.base_ms
        return None

    @property
    def first(self) -> int:
        return next((entry.offset for entry in self.entries()), self.next)

    def at_time(self, at_ms: int) -> int:
        """Return the offset of the first record of that instant or later, or the end."""
        place = bisect_left(self.segments, at_ms, key=lambda segment: segment.last_ms)
        for segment in self.segments[place:]:
            for entry in segment.entries:
                if segment.base_ms + entry.delta_ms >= at_ms:
                    return entry.offset
        return self.next

    # What goes by itself

    def expire(self, bounds: Retention, now_ms: int) -> None:
        if bounds.max_age_s is not None:
            oldest = now_ms - bounds.max_age_s * 1000
            for segment in self.segments:
                young = [entry for entry in segment.entries if segment.base_ms + entry.delta_ms >= oldest]
                segment.entries = young
        if bounds.max_records is not None:
            kept = [entry.offset for entry in self.entries()][-bounds.max_records :]
            lowest = kept[0] if kept else self.next
            self.keep(lambda entry: entry.offset >= lowest)

    def compact(self) -> None:
        last = {entry.key: entry.offset for entry in self.entries()}
        self.keep(lambda entry: entry.key is None or last[entry.key] == entry.offset)


@dataclass(frozen=True, slots=True)
class Held:
    member: int
    token: str


class Cursor:
    """Where a group is in a log. All below ``mark`` is done; what is from there to ``read`` is done where it is in ``acked``."""

    def __init__(self, at: int) -> None:
        self.mark = at
        self.read = at
        self.acked: set[int] = set()
        self.held: dict[int, Held] = {}
        self.counts: dict[int, int] = {}
        self.due: dict[int, float] = {}

    def undone(self, log: Log) -> list[int]:
        """Return the offsets of what was delivered, is kept and is not acked."""
        return [entry.offset for entry in log.entries(self.mark, self.read) if entry.offset not in self.acked]

    def again(self, log: Log, now: float) -> list[int]:
        """Return the offsets of what may come again now."""
        return [offset for offset in self.undone(log) if offset not in self.held and self.due.get(offset, 0.0) <= now]

    def fresh(self, log: Log, most: int) -> list[int]:
        """Return the offsets of the next ones that nobody was given, and go on behind them."""
        found = list[int]()
        for entry in log.entries(self.read):
            if len(found) == most:
                break
            found.append(entry.offset)
        if found:
            self.read = found[-1] + 1
        return found

    def take(self, log: Log, most: int, now: float) -> list[int]:
        again = self.again(log, now)[:most]
        return [*again, *self.fresh(log, most - len(again))]

    def deliver(self, offset: int, member: int, token: str) -> int:
        self.held[offset] = Held(member, token)
        self.counts[offset] = self.counts.get(offset, 0) + 1
        self.due.pop(offset, None)
        return self.counts[offset]

    def ack(self, log: Log, offset: int) -> None:
        self.held.pop(offset, None)
        self.acked.add(offset)
        self.settle(log)

    def settle(self, log: Log) -> None:
        """Move the mark up to the first that is not done."""
        self.mark = next((entry.offset for entry in log.entries(self.mark, self.read) if entry.offset not in self.acked), self.read)
        self.acked = {offset for offset in self.acked if offset >= self.mark}
        self.counts = {offset: count for offset, count in self.counts.items() if offset >= self.mark}

    def release(self, offset: int, due: float = 0.0) -> None:
        self.held.pop(offset, None)
        self.due[offset] = due

    def release_all(self, member: int) -> None:
        for offset in [offset for offset, held in self.held.items() if held.member == member]:
            self.release(offset)

    def pending(self, log: Log) -> int:
        return len(self.undone(log))

    def move(self, at: int) -> None:
        self.mark = self.read = at
        self.acked.clear()
        self.held.clear()
        self.counts.clear()
        self.due.clear()


@dataclass(slots=True)
class Group:
    cursors: list[Cursor]
    members: dict[int, str] = field(default_factory=dict)


class Topic:
    def __init__(self, log_type: type[Log]) -> None:
        self.logs: list[Log] = [log_type()]
        self.groups: dict[str, Group] = {}
        self.bounds: Retention | None = None
        self.serial = 0

    @property
    def used(self) -> bool:
        return bool(self.groups) or self.bounds is not None or any(log.next for log in self.logs)


class Broker:
    """What all clients of a place share. ``notes`` is room for what a mutant keeps beside it."""

    topic_type: ClassVar[type[Topic]] = Topic
    log_type: ClassVar[type[Log]] = Log
    cursor_type: ClassVar[type[Cursor]] = Cursor

    def __init__(self, place: Place) -> None:
        self.clock = place.clock
        self.topics: dict[tuple[str, str], Topic] = {}
        self.waiting: set[asyncio.Future[None]] = set()
        self.notes: dict[Any, Any] = {}

    def topic(self, namespace: str, stream: str) -> Topic:
        found = self.topics.get((namespace, stream))
        if found is None:
            found = self.topics[namespace, stream] = self.topic_type(self.log_type)
        return found

    def changed(self, namespace: str, stream: str) -> None:
        """Called after every change of a topic."""
        for waiter in self.waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self, seconds: float) -> None:
        """Return at the next change, or when so much time has passed."""
        waiter = asyncio.get_running_loop().create_future()
        self.waiting.add(waiter)
        try:
            await asyncio.wait([waiter], timeout=max(0.0, seconds))
        finally:
            self.waiting.discard(waiter)

    def clean(self, prefix: str) -> None:
        for key in [key for key in self.topics if key[0].startswith(prefix)]:
            del self.topics[key]
        self.notes.clear()


class DiskBroker(Broker):
    """An image of each topic, written anew at every change. Whoever was a member before is dead when it is opened."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.folder = place.directory / "topics"
        self.folder.mkdir(exist_ok=True)
        for path in self.folder.glob("*.topic"):
            key, topic = pickle.loads(path.read_bytes())
            self.topics[key] = topic
            self.revive(topic)

    def revive(self, topic: Topic) -> None:
        for group in topic.groups.values():
            group.members.clear()
            for cursor in group.cursors:
                cursor.held.clear()

    def path(self, namespace: str, stream: str) -> Path:
        return self.folder / f"{namespace}-{hashlib.blake2b(stream.encode(), digest_size=20).hexdigest()}.topic"

    def changed(self, namespace: str, stream: str) -> None:
        path = self.path(namespace, stream)
        fresh = path.with_suffix(".new")
        fresh.write_bytes(pickle.dumps(((namespace, stream), self.topic(namespace, stream))))
        fresh.replace(path)
        super().changed(namespace, stream)

    def clean(self, prefix: str) -> None:
        super().clean(prefix)
        for path in self.folder.glob(f"{prefix}*.topic"):
            path.unlink()


def connector(broker_type: type[Broker]) -> Any:
    @asynccontextmanager
    async def connect(place: Place) -> AsyncIterator[Broker]:
        broker = place.shared.get("broker")
        if broker is None:
            broker = place.shared["broker"] = broker_type(place)
        yield broker

    return connect


async def clean(broker: Broker, prefix: str) -> None:
    broker.clean(prefix)
