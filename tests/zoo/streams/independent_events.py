"""The log of events of a namespace, and what it folds into: lanes, groups, bounds.

An offset is the place of its event in the log of the whole namespace, so offsets of a stream have gaps and begin anywhere. Every
client folds the log by itself.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from prism_testkit.interfaces import Record, Retention

__all__ = ["Event", "Group", "Held", "Lane", "Stream", "View"]

_offset = attrgetter("offset")


@dataclass(frozen=True, slots=True)
class Event:
    """What happened, to which stream, and what belongs to it."""

    kind: str
    stream: str
    group: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Held:
    """A delivery that was not acked; ``member`` 0: it is to come again, not before ``due``."""

    count: int
    member: int
    token: str
    due: float = 0.0


@dataclass(slots=True)
class Lane:
    """The records of a partition, or of an ordinary stream."""

    records: list[Record] = field(default_factory=list)
    last: int = -1
    floor: int = 0
    ms: int = 0

    def place(self, offset: int) -> int:
        return bisect_left(self.records, offset, key=_offset)

    def find(self, offset: int) -> Record | None:
        at = self.place(offset)
        return self.records[at] if at < len(self.records) and self.records[at].offset == offset else None

    def oldest(self) -> int:
        return self.records[0].offset if self.records else self.last + 1


@dataclass(slots=True)
class Group:
    """Where it is in each lane, who is in it, who is given which lane, and what was not acked, by lane and offset."""

    at: list[int]
    members: list[int] = field(default_factory=list)
    owners: dict[int, int] = field(default_factory=dict)
    pending: dict[tuple[int, int], Held] = field(default_factory=dict)

    def share(self) -> None:
        """Give every lane without an owner to the member that has the fewest; an owner keeps what it has."""
        self.owners = {lane: owner for lane, owner in self.owners.items() if owner in self.members}
        for lane in range(len(self.at)):
            if lane not in self.owners and self.members:
                has = list(self.owners.values())
                self.owners[lane] = min(self.members, key=has.count)


@dataclass(slots=True)
class Stream:
    lanes: list[Lane] = field(default_factory=lambda: [Lane()])
    groups: dict[str, Group] = field(default_factory=dict)
    bounds: Retention | None = None
    compact_at: float | None = None

    @property
    def used(self) -> bool:
        return bool(self.groups) or self.bounds is not None or any(lane.last >= 0 for lane in self.lanes)


class View:
    """What the events so far add up to."""

    def __init__(self) -> None:
        self.streams: dict[str, Stream] = {}
        self.seen = 0

    def follow(self, log: list[Event]) -> "View":
        while self.seen < len(log):
            event = log[self.seen]
            self.seen += 1
            getattr(self, event.kind)(event.stream, event.group, **event.more)
        return self

    def stream(self, name: str) -> Stream:
        """Return a stream as it is; one that is not there is empty, and not kept."""
        return self.streams.get(name) or Stream()

    def kept(self, name: str) -> Stream:
        return self.streams.setdefault(name, Stream())

    # What an event does

    def appended(self, stream: str, _: str, record: Record) -> None:
        lane = self.kept(stream).lanes[record.partition]
        lane.records.append(record)
        lane.last, lane.ms = record.offset, record.appended_ms

    def parted(self, stream: str, _: str, n: int) -> None:
        self.kept(stream).lanes = [Lane() for _ in range(n)]

    def bounded(self, stream: str, _: str, bounds: Retention) -> None:
        self.kept(stream).bounds = bounds

    def compacting(self, stream: str, _: str, at: float | None) -> None:
        self.kept(stream).compact_at = at

    def removed(self, stream: str, _: str, part: int, offsets: frozenset[int]) -> None:
        lane = self.kept(stream).lanes[part]
        lane.records = [record for record in lane.records if record.offset not in offsets]

    def trimmed(self, stream: str, _: str, before: int) -> None:
        lane = self.kept(stream).lanes[0]
        lane.floor = max(lane.floor, before)
        del lane.records[: lane.place(before)]

    def grouped(self, stream: str, group: str, at: list[int]) -> None:
        self.kept(stream).groups[group] = Group(list(at))

    def moved(self, stream: str, group: str, at: list[int]) -> None:
        found = self.kept(stream).groups[group]
        found.at, found.pending = list(at), {}

    def joined(self, stream: str, group: str, member: int) -> None:
        found = self.kept(stream).groups[group]
        found.members.append(member)
        found.share()

    def left(self, stream: str, group: str, member: int) -> None:
        found = self.kept(stream).groups[group]
        found.members.remove(member)
        for held in found.pending.values():
            if held.member == member:
                held.member, held.due = 0, 0.0
        found.share()

    def given(self, stream: str, group: str, part: int, offsets: Iterable[int], member: int, token: str) -> None:
        found = self.kept(stream).groups[group]
        for offset in offsets:
            before = found.pending.get((part, offset))
            found.pending[part, offset] = Held(before.count + 1 if before else 1, member, token)
            found.at[part] = max(found.at[part], offset + 1)

    def acked(self, stream: str, group: str, part: int, offset: int) -> None:
        self.kept(stream).groups[group].pending.pop((part, offset), None)

    def returned(self, stream: str, group: str, part: int, offset: int, due: float) -> None:
        held = self.kept(stream).groups[group].pending[part, offset]
        held.member, held.due = 0, due
