"""A client that is an actor: one task takes what is asked from a mailbox, and serves those who wait."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from prism_testkit.backend import Backend, Place
from prism_testkit.clock import Clock
from prism_testkit.interfaces import Closed, Record, RecordDelivery
from prism_testkit.traits import Traits

from .independent_arguments import MAKER
from .independent_events import Event, Stream, View

__all__ = ["TRAITS", "Actor", "Shelf", "Waiter", "actor_backend", "clean", "copied"]

T = TypeVar("T")


def copied(record: Record) -> Record:
    """Return a record whose headers are the caller's own."""
    return Record(record.offset, record.key, record.payload, dict(record.headers), record.appended_ms, record.partition)


class Shelf:
    """What the clients of a place share: a log for each namespace, and whom to wake when one grows."""

    def __init__(self) -> None:
        self.logs: dict[str, list[Event]] = {}
        self.actors: list[Actor] = []


@dataclass(slots=True)
class Waiter:
    """A receive that was asked for."""

    space: str
    stream: str
    group: str
    member: int
    most: int
    until: float
    answer: asyncio.Future[list[RecordDelivery]]


class Actor:
    """The mailbox, the task, and the views of the logs."""

    view_type = View

    def __init__(self, shelf: Shelf, clock: Clock) -> None:
        self.shelf, self.clock = shelf, clock
        self.views: dict[str, tuple[list[Event], View]] = {}
        self.mailbox: deque[tuple[Callable[[], Any], asyncio.Future[Any]]] = deque()
        self.waiters: list[Waiter] = []
        self.bell = asyncio.Event()

    # The log

    def view(self, space: str) -> View:
        log = self.shelf.logs.setdefault(space, [])
        known = self.views.get(space)
        if known is None or known[0] is not log:
            known = self.views[space] = (log, self.view_type())
        return known[1].follow(log)

    def write(self, space: str, kind: str, stream: str, group: str = "", **more: Any) -> None:
        self.shelf.logs.setdefault(space, []).append(Event(kind, stream, group, more))
        self.view(space)
        for actor in self.shelf.actors:
            actor.bell.set()

    def next_offset(self, space: str) -> int:
        return len(self.shelf.logs.get(space, ()))

    # The mailbox

    async def ask(self, what: Callable[[], T]) -> T:
        """Have the task do it; what is cancelled before its turn never happens."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.mailbox.append((what, answer))
        self.bell.set()
        return await answer

    async def live(self) -> None:
        while True:
            self.bell.clear()
            while self.mailbox:
                what, answer = self.mailbox.popleft()
                if not answer.done():
                    self.do(what, answer)
            self.tidy()
            self.serve()
            await self.doze()

    def do(self, what: Callable[[], Any], answer: asyncio.Future[Any]) -> None:
        try:
            answer.set_result(what())
        except Exception as error:
            answer.set_exception(error)

    async def doze(self) -> None:
        """Until the bell rings, or something is due."""
        due = [waiter.until for waiter in self.waiters] + self.dues()
        if self.bell.is_set():
            return
        rings = asyncio.ensure_future(self.bell.wait())
        try:
            await asyncio.wait({rings}, timeout=max(0.001, min(due) - self.clock.now_s()) if due else None)
        finally:
            rings.cancel()

    # What is due by itself

    def dues(self) -> list[float]:
        found = list[float]()
        for space, (log, view) in self.views.items():
            if self.shelf.logs.get(space) is not log:
                continue
            for stream in view.streams.values():
                if stream.compact_at is not None:
                    found.append(stream.compact_at)
                if stream.bounds is not None and stream.bounds.max_age_s is not None:
                    first = [lane.records[0].appended_ms for lane in stream.lanes if lane.records]
                    found += [ms / 1000 + stream.bounds.max_age_s + 0.001 for ms in first]
        now = self.clock.now_s()
        for waiter in self.waiters:
            group = self.views[waiter.space][1].stream(waiter.stream).groups[waiter.group]
            found += [held.due for held in group.pending.values() if held.due > now]
        return found

    def tidy(self) -> None:
        """Remove what is outside of its bounds, and what is to be compacted by now."""
        for space in [*self.shelf.logs]:
            for name, stream in [*self.view(space).streams.items()]:
                self.enforce(space, name, stream)
                if stream.compact_at is not None and stream.compact_at <= self.clock.now_s():
                    self.write(space, "compacting", name, at=None)
                    for part, lane in enumerate(stream.lanes):
                        self.remove(space, name, part, self.superseded(lane.records))

    def remove(self, space: str, name: str, part: int, gone: set[int]) -> None:
        if gone:
            self.write(space, "removed", name, part=part, offsets=frozenset(gone))

    def enforce(self, space: str, name: str, stream: Stream) -> None:
        if stream.bounds is None:
            return
        age, most = stream.bounds.max_age_s, stream.bounds.max_records
        for part, lane in enumerate(stream.lanes):
            gone = set[int]()
            if most is not None:
                gone |= {record.offset for record in lane.records[:-most]}
            if age is not None:
                gone |= {record.offset for record in lane.records if self.old(record, age)}
            self.remove(space, name, part, gone)

    def old(self, record: Record, age: float) -> bool:
        return self.clock.now_ms() - record.appended_ms > age * 1000

    def superseded(self, records: list[Record]) -> set[int]:
        last = {record.key: record.offset for record in records}
        return {record.offset for record in records if record.key is not None and last[record.key] != record.offset}

    # Receives

    def serve(self) -> None:
        """Give to whoever waits, first come first served, and tell those whose time is over."""
        for waiter in [*self.waiters]:
            if not waiter.answer.done():
                found = self.take(waiter)
                if found or waiter.until <= self.clock.now_s():
                    waiter.answer.set_result(found)
            if waiter.answer.done():
                self.waiters.remove(waiter)

    def take(self, waiter: Waiter) -> list[RecordDelivery]:
        stream = self.view(waiter.space).stream(waiter.stream)
        group, now, found = stream.groups[waiter.group], self.clock.now_s(), list[RecordDelivery]()
        for part, lane in enumerate(stream.lanes):
            if group.owners.get(part) != waiter.member:
                continue
            again = [
                offset
                for (of, offset), held in sorted(group.pending.items())
                if of == part and held.member == 0 and held.due <= now and lane.find(offset) is not None
            ]
            fresh = [record.offset for record in lane.records[lane.place(group.at[part]) :]]
            offsets = (again + fresh)[: waiter.most - len(found)]
            if offsets:
                token = f"{waiter.member}:{self.next_offset(waiter.space)}"
                self.write(
                    waiter.space,
                    "given",
                    waiter.stream,
                    waiter.group,
                    part=part,
                    offsets=offsets,
                    member=waiter.member,
                    token=token,
                )
            for offset in offsets:
                record = lane.find(offset)
                assert record is not None
                found.append(RecordDelivery(copied(record), group.pending[part, offset].count, token))
        return found


async def clean(actor: Actor, prefix: str) -> None:
    """Remove every namespace that begins with ``prefix``."""
    for space in [*actor.shelf.logs]:
        if space.startswith(prefix):
            del actor.shelf.logs[space]
    for space in [*actor.views]:
        if space.startswith(prefix):
            del actor.views[space]


TRAITS = Traits(group_parallelism="partition", delivery_count="lower_bound", compaction=1.0, retention_lag_s=2.0)


def actor_backend(name: str, driver: Any, kind: type[Actor] = Actor, **more: Any) -> Backend[Actor]:
    """Make a backend of a driver over actors."""

    @asynccontextmanager
    async def connect(place: Place) -> AsyncIterator[Actor]:
        shelf = place.shared.setdefault("shelf", Shelf())
        actor = kind(shelf, place.clock)
        shelf.actors.append(actor)
        task = asyncio.create_task(actor.live())
        try:
            yield actor
        finally:
            shelf.actors.remove(actor)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            for _, answer in actor.mailbox:
                if not answer.done():
                    answer.set_exception(Closed(f"{MAKER}: the client is closed"))

    settings: dict[str, Any] = {"clean": clean, **more}
    return Backend(name=name, connect=connect, drivers=(driver,), **settings)
