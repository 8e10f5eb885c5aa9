"""Logs in segments of a few records, and what is known of their groups: the state below `ninth_streams`.

Every change is a step, a tuple of the name of a method and its arguments, written down before it is made where there is a file.
"""

import asyncio
from bisect import bisect_left
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from prism_testkit.backend import Backend, Place
from prism_testkit.interfaces import Record, Retention
from prism_testkit.traits import Traits
from tests.zoo.family import Log

__all__ = ["FIRST", "Books", "Crowd", "FileBooks", "Job", "Lane", "Shelf", "segment_backend"]

FIRST = 1
"""The first offset of a lane."""
SEGMENT = 16
"""How many records a segment holds."""


class Lane:
    """The records of one partition, in segments."""

    def __init__(self) -> None:
        self.segments: list[list[Record]] = []
        self.next = FIRST
        self.floor = 0
        self.newest_ms = 0

    def add(self, record: Record) -> None:
        if not self.segments or len(self.segments[-1]) >= SEGMENT:
            self.segments.append([])
        self.segments[-1].append(record)
        self.next = record.offset + 1
        self.newest_ms = record.appended_ms

    def since(self, offset: int) -> Iterator[Record]:
        """Give the records from ``offset`` on; to be used up before anything changes."""
        first = max(0, bisect_left(self.segments, offset, key=lambda segment: segment[0].offset) - 1)
        for segment in islice(self.segments, first, None):
            if segment[-1].offset >= offset:
                yield from segment[bisect_left(segment, offset, key=lambda record: record.offset) :]

    def find(self, offset: int) -> Record | None:
        found = next(self.since(offset), None)
        return found if found is not None and found.offset == offset else None

    def cut(self, before: int) -> None:
        """Remove what is below ``before``."""
        self.floor = max(self.floor, min(before, self.next))
        while self.segments and self.segments[0][-1].offset < self.floor:
            del self.segments[0]
        if self.segments:
            self.segments[0] = [record for record in self.segments[0] if record.offset >= self.floor]

    def drop(self, gone: frozenset[int]) -> None:
        kept = ([record for record in segment if record.offset not in gone] for segment in self.segments)
        self.segments = [segment for segment in kept if segment]

    def all(self) -> list[Record]:
        return [record for segment in self.segments for record in segment]


@dataclass(slots=True)
class Job:
    """A record that was delivered and not acked. ``member`` 0: it is to come again, not before ``due``."""

    count: int
    member: int = 0
    token: str = ""
    due: float = 0.0


@dataclass(slots=True)
class Crowd:
    """A group. ``at``: by partition, from where on nothing was delivered."""

    at: list[int]
    members: dict[int, str] = field(default_factory=dict)
    jobs: dict[tuple[int, int], Job] = field(default_factory=dict)


@dataclass(slots=True)
class Shelf:
    """A stream."""

    lanes: list[Lane]
    groups: dict[str, Crowd] = field(default_factory=dict)
    bounds: Retention | None = None


class Books:
    """All of a place. ``step`` makes a change; the methods named ``on_...`` are the changes."""

    lane_type: type[Lane] = Lane

    def __init__(self, place: Place) -> None:
        self.clock = place.clock
        self.spaces: dict[str, dict[str, Shelf]] = {}
        self.serial = 0
        self.bells: set[asyncio.Future[None]] = set()

    def step(self, name: str, space: str, stream: str, *arguments: Any) -> None:
        getattr(self, f"on_{name}")(self.shelf(space, stream), *arguments)
        self.ring()

    def shelf(self, space: str, stream: str) -> Shelf:
        return self.spaces.setdefault(space, {}).setdefault(stream, Shelf([self.lane_type()]))

    def look(self, space: str, stream: str) -> Shelf:
        """Return a stream, an empty one where there is none, which stays unmade."""
        return self.spaces.get(space, {}).get(stream) or Shelf([self.lane_type()])

    def ring(self) -> None:
        for bell in self.bells:
            if not bell.done():
                bell.set_result(None)

    async def heard(self, seconds: float) -> None:
        """Wait for a change, at most so long."""
        bell = asyncio.get_running_loop().create_future()
        self.bells.add(bell)
        try:
            await asyncio.wait([bell], timeout=seconds)
        finally:
            self.bells.discard(bell)

    def number(self) -> int:
        self.serial += 1
        return self.serial

    def on_append(self, shelf: Shelf, part: int, record: Record) -> None:
        shelf.lanes[part].add(record)

    def on_cut(self, shelf: Shelf, part: int, before: int) -> None:
        shelf.lanes[part].cut(before)
        self.forget_gone(shelf)

    def on_drop(self, shelf: Shelf, part: int, gone: frozenset[int]) -> None:
        shelf.lanes[part].drop(gone)
        self.forget_gone(shelf)

    def forget_gone(self, shelf: Shelf) -> None:
        for crowd in shelf.groups.values():
            for part, offset in [*crowd.jobs]:
                if shelf.lanes[part].find(offset) is None:
                    del crowd.jobs[part, offset]

    def on_parts(self, shelf: Shelf, n: int) -> None:
        shelf.lanes = [self.lane_type() for _ in range(n)]

    def on_bounds(self, shelf: Shelf, bounds: Retention) -> None:
        shelf.bounds = bounds

    def on_group(self, shelf: Shelf, group: str, at: list[int]) -> None:
        shelf.groups[group] = Crowd(at)

    def on_move(self, shelf: Shelf, group: str, at: list[int]) -> None:
        shelf.groups[group].at = at
        shelf.groups[group].jobs.clear()

    def on_take(self, shelf: Shelf, group: str, taken: dict[tuple[int, int], Job]) -> None:
        crowd = shelf.groups[group]
        for (part, offset), job in taken.items():
            crowd.jobs[part, offset] = job
            crowd.at[part] = max(crowd.at[part], offset + 1)

    def on_done(self, shelf: Shelf, group: str, places: list[tuple[int, int]]) -> None:
        for place in places:
            shelf.groups[group].jobs.pop(place, None)

    def on_back(self, shelf: Shelf, group: str, places: list[tuple[int, int]], due: float) -> None:
        jobs = shelf.groups[group].jobs
        for place in places:
            jobs[place] = Job(jobs[place].count, due=due)

    def clean(self, prefix: str) -> None:
        for space in [name for name in self.spaces if name.startswith(prefix)]:
            del self.spaces[space]


class FileBooks(Books):
    """Kept in a file of steps; one process at a time has it open, so who was a member before is dead."""

    log_type: type[Log] = Log

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.log = self.log_type(place.directory / "steps.log")
        for step in self.log.unread():
            self.redo(step)
        for shelves in self.spaces.values():
            for shelf in shelves.values():
                for crowd in shelf.groups.values():
                    crowd.jobs = {place: Job(job.count, due=job.due) for place, job in crowd.jobs.items()}

    def redo(self, step: Any) -> None:
        if step[0] == "clean":
            super().clean(step[1])
        else:
            super().step(*step)

    def step(self, name: str, space: str, stream: str, *arguments: Any) -> None:
        self.log.append((name, space, stream, *arguments))
        super().step(name, space, stream, *arguments)

    def clean(self, prefix: str) -> None:
        if any(space.startswith(prefix) for space in self.spaces):
            self.log.append(("clean", prefix))
        super().clean(prefix)


async def _clean(books: Books, prefix: str) -> None:
    books.clean(prefix)


KEPT = Traits(
    durability="process", ack_survives_kill="yes", group_parallelism="record", delivery_count="exact", compaction="immediate"
)


def segment_backend(name: str, driver: Any, kind: type[Books] = FileBooks, **more: Any) -> Backend[Books]:
    """Make a backend of a driver over segments."""

    @asynccontextmanager
    async def connect(place: Place) -> AsyncIterator[Books]:
        if "books" not in place.shared:
            place.shared["books"] = kind(place)
        yield place.shared["books"]

    settings: dict[str, Any] = {"clean": _clean, "traits": KEPT, **more}
    return Backend(name=name, connect=connect, drivers=(driver,), **settings)
