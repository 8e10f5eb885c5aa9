"""A model of a stream of any number of partitions, with its groups, of which each has one member at a time.

What is certain is judged; what the contract leaves open is not: what was removed may come to who held it or was to get it, and
the delay of a nack may end with its member.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._stream_shared import Put, is_record
from prism_testkit.case import Case
from prism_testkit.interfaces import GroupInfo, RecordDelivery

__all__ = ["Group", "Ident", "Item", "Pending", "Whole"]

Ident = tuple[int, int]
"""Partition and offset."""
_EARLY_S = 0.002


@dataclass(slots=True)
class Item:
    """A record, where it is, and whether it was removed."""

    place: int
    put: Put
    appended_ms: int
    gone: bool = False

    @property
    def ident(self) -> Ident:
        return self.place, self.put.offset


@dataclass(slots=True)
class Pending:
    """What is to come again: not before one instant, and certainly from another one on."""

    early_s: float = 0.0
    sure_s: float = 0.0


@dataclass
class Group:
    """A group: where it begins in each partition, what was given to it, and what came of that."""

    starts: list[int]
    lost: set[Ident] = field(default_factory=set)
    """Removed before it began, or was moved: none of these may come."""
    counts: dict[Ident, int] = field(default_factory=dict)
    acked: set[Ident] = field(default_factory=set)
    pending: dict[Ident, Pending] = field(default_factory=dict)
    held: dict[Ident, RecordDelivery] = field(default_factory=dict)
    moved: str = ""
    """Which promise says where it begins, if it was moved."""
    manager: Any = None
    member: Any = None

    def leave(self) -> None:
        """Its member is there no more: what it held comes again, and a delay may be over."""
        self.manager = self.member = None
        self.pending = {ident: Pending(0.0, late.sure_s) for ident, late in self.pending.items()}
        self.pending |= {ident: Pending() for ident in self.held}
        self.held.clear()

    def move(self, starts: list[int], lost: set[Ident], promise: str) -> None:
        """Begin anew; what was delivered is forgotten."""
        self.starts, self.lost, self.moved = starts, lost, promise
        for known in (self.counts, self.acked, self.pending, self.held):
            known.clear()


@dataclass
class Whole:
    """A stream of ``count`` partitions. ``bounds`` are as they were set: seconds, and records."""

    case: Case
    count: int
    lanes: list[list[Item]] = field(default_factory=list)
    keys: dict[str, int] = field(default_factory=dict)
    """Where `append` puts a key."""
    groups: dict[str, Group] = field(default_factory=dict)
    bounds: tuple[float | None, int | None] = (None, None)

    def __post_init__(self) -> None:
        self.lanes = [[] for _ in range(self.count)]

    def law(self, number: int) -> str:
        """Return the promise of groups that is concerned; a group over partitions has one for all of these."""
        return "stream_partitioning.10" if self.count > 1 else f"stream_consumer_groups.{number}"

    @property
    def told(self) -> str:
        return f"over {self.count} partitions" if self.count > 1 else "of a stream of one partition"

    # Records

    def kept(self, place: int) -> list[Item]:
        return [item for item in self.lanes[place] if not item.gone]

    def items(self) -> Iterator[Item]:
        for lane in self.lanes:
            yield from lane

    def lost(self) -> set[Ident]:
        return {item.ident for item in self.items() if item.gone}

    def end(self, place: int) -> int:
        return self.lanes[place][-1].put.offset + 1 if self.lanes[place] else 0

    def remove(self, items: Iterable[Item]) -> None:
        for item in items:
            item.gone = True

    def superseded(self) -> list[Item]:
        """Return what a compaction removes."""
        found = []
        for place in range(self.count):
            last = {item.put.key: item for item in self.kept(place)}
            found += [item for item in self.kept(place) if item.put.key is not None and last[item.put.key] is not item]
        return found

    # Groups

    def fresh(self, group: Group) -> list[Item]:
        """Return what was not given to a group yet, and must be."""
        return [
            item
            for item in self.items()
            if not item.gone and item.put.offset >= group.starts[item.place] and item.ident not in group.counts
        ]

    def certain(self, group: Group) -> list[Ident]:
        """Return what a receive must find now."""
        now, lost = self.case.clock.now_s(), self.lost()
        again = [ident for ident, late in group.pending.items() if ident not in lost and now >= late.sure_s]
        return [*again, *(item.ident for item in self.fresh(group))]

    def given(self, group: Group, deliveries: Iterable[RecordDelivery]) -> None:
        """Judge what a receive gave, and keep it."""
        known = {item.ident: item for item in self.items()}
        for delivery in deliveries:
            ident = delivery.record.partition, delivery.record.offset
            item = known.get(ident)
            if item is None:
                broken(self.law(3), f"a record comes {self.told} that nobody appended", expected=sorted(known), got=ident)
            is_record(self.law(3), delivery.record, item.put, f"a record does not come whole {self.told}")
            self._in_time(group, item)
            self._count(group, item, delivery)
            group.pending.pop(ident, None)
            group.held[ident] = delivery
            group.counts[ident] = delivery.delivery_count

    def _in_time(self, group: Group, item: Item) -> None:
        ident = item.ident
        if ident in group.held:
            broken(self.law(4), f"a record that is held comes again {self.told}", expected="others", got=ident)
        if ident in group.acked:
            broken(self.law(6), f"an acked record comes again {self.told}", expected="others", got=ident)
        if ident in group.lost:
            sentence = f"what was removed before a group began, or was moved, comes {self.told}"
            broken("stream_retention.10" if self.bounds != (None, None) else self.law(1), sentence, expected="others", got=ident)
        if ident in group.pending:
            if self.case.clock.now_s() < group.pending[ident].early_s - _EARLY_S:
                broken(self.law(7), f"a nacked record comes before its delay is over {self.told}", expected="later", got=ident)
            return
        if item.put.offset < group.starts[item.place]:
            sentence = f"a record comes {self.told} from before where its group begins"
            broken(group.moved or self.law(1), sentence, expected=f"from {group.starts[item.place]} on", got=ident)
        before = [other.ident for other in self.fresh(group) if other.place == item.place and other.put.offset < item.put.offset]
        if before:
            sentence = f"first deliveries of a partition are not in order {self.told}"
            broken(group.moved or self.law(3), sentence, expected=before[0], got=ident)

    def _count(self, group: Group, item: Item, delivery: RecordDelivery) -> None:
        times, count = group.counts.get(item.ident, 0), delivery.delivery_count
        if count != times + 1 if self.case.traits.delivery_count == "exact" else count <= times:
            broken(self.law(5), f"deliveries are not counted {self.told}", expected=times + 1, got=count)

    def info(self, group: Group, got: GroupInfo) -> None:
        """Judge a look at a group."""
        same(self.law(11), got.members, int(group.member is not None), f"group_info tells another number of members {self.told}")
        open_ = {*group.pending, *group.held}
        least, most = len(open_ - self.lost()), len(open_)
        if not least <= got.pending <= most:
            sentence = f"group_info does not tell how many records are held or to come again {self.told}"
            broken(self.law(11), sentence, expected=least if least == most else f"{least} to {most}", got=got.pending)
        if self.count > 1:
            same(self.law(11), got.position, 0, f"the position {self.told}")
            return
        fresh = [item.put.offset for item in self.fresh(group)]
        before = [item.put.offset for item in self.kept(0) if not fresh or item.put.offset < fresh[0]]
        least = max([*before, *(offset for _, offset in group.counts)], default=-1) + 1
        if got.position < least or (fresh and got.position > fresh[0]):
            sentence = "group_info does not tell from where on nothing was delivered"
            broken(group.moved or self.law(11), sentence, expected=(least, fresh[:1]), got=got.position)
