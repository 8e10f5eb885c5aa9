"""What a stream is in memory: the records kept, and what each group knows of them. No method waits; a driver does."""

import heapq
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice, takewhile
from operator import attrgetter

from prism_backends.bell import Bell
from prism_backends.stream_arguments import partition_of
from prism_testkit.interfaces.stream import Record
from prism_testkit.interfaces.stream_retention import Retention

__all__ = ["Group", "Log", "own"]

_ROUNDING_S = 1e-5
"""An instant is a float, good to 2e-6 s as far as 1e10 s ahead. It is put this much late, so that rounding makes none early."""


@dataclass(slots=True, eq=False)
class Group:
    """``position``: offset from which on nothing was delivered yet. Of each record below it that is not done with, ``counts``
    holds how often it was delivered, and either ``held`` the token of its delivery or ``again`` the instant from which it may
    come again."""

    position: int
    counts: dict[int, int] = field(default_factory=dict)
    held: dict[int, str] = field(default_factory=dict)
    again: dict[int, float] = field(default_factory=dict)
    members: set[str] = field(default_factory=set)
    bell: Bell = field(default_factory=Bell)

    def ready(self, most: int, now_s: float) -> list[int]:
        """Return the first offsets that may come again."""
        return heapq.nsmallest(most, (offset for offset, due_s in self.again.items() if due_s <= now_s))

    def next_due_s(self) -> float | None:
        """Return the first instant at which something may come again."""
        return min(self.again.values(), default=None)

    def deliver(self, offset: int, token: str) -> int:
        """Let a record be held under ``token``; return the count of this delivery."""
        self.again.pop(offset, None)
        self.held[offset] = token
        self.counts[offset] = count = self.counts.get(offset, 0) + 1
        return count

    def done(self, offset: int) -> None:
        """Never deliver this record again."""
        for known in (self.counts, self.held, self.again):
            known.pop(offset, None)

    def give_back(self, offset: int, is_kept: bool, now_s: float, delay_s: float = 0.0) -> None:
        """End the holding of a record: it comes again after ``delay_s``, if it is kept."""
        del self.held[offset]
        if is_kept:
            self.again[offset] = now_s + delay_s + _ROUNDING_S if delay_s > 0 else now_s
        else:
            self.done(offset)

    def move(self, position: int) -> None:
        """Begin anew at an offset, and forget all that was delivered."""
        self.position = position
        for known in (self.counts, self.held, self.again):
            known.clear()


@dataclass(slots=True, eq=False)
class Log:
    """The records kept, in the order of their offsets; the one at ``end`` is still to be appended.

    The partitions of a stream are marks on the records of one log, so a group of it is like any other.
    """

    first: int = 0
    """Nothing below it is kept, nor will be."""
    end: int = 0
    records: list[Record] = field(default_factory=list)
    groups: dict[str, Group] = field(default_factory=dict)
    last_ms: int = 0
    partitions: int = 1
    sizes: Counter[int] = field(default_factory=Counter)
    """How many records of each partition are kept."""
    bounds: Retention | None = None
    """None if none were ever set."""

    @property
    def is_used(self) -> bool:
        return self.end > 0 or bool(self.groups) or self.bounds is not None

    def append(self, payload: bytes, key: str | None, headers: dict[str, str], now_ms: int, partition: int | None = None) -> int:
        """Add a record, to the partition of its key if none is given, with an instant that is not before the last one."""
        if partition is None:
            partition = self.end % self.partitions if key is None else partition_of(key.encode(), self.partitions)
        self.last_ms = max(self.last_ms, now_ms)
        offset = self.end
        self.records.append(Record(offset, key, payload, headers, self.last_ms, partition))
        self.sizes[partition] += 1
        self.end += 1
        for group in self.groups.values():
            group.bell.ring()
        return offset

    def place(self, offset: int) -> int:
        """Return where in ``records`` the first is that has this offset or a larger one."""
        # Without gaps it is known where; else it is further left.
        most = min(max(0, offset - self.first), len(self.records))
        if most < len(self.records) and self.records[most].offset == offset:
            return most
        return bisect_left(self.records, offset, hi=most, key=attrgetter("offset"))

    def record(self, offset: int) -> Record:
        """Return a record that is kept."""
        return own(self.records[self.place(offset)])

    def from_on(self, offset: int) -> Iterator[Record]:
        """Iterate over the records from an offset on, as long as nothing changes."""
        return (self.records[place] for place in range(self.place(offset), len(self.records)))

    def instant(self, at_ms: int) -> int:
        """Return the offset of the first record appended at an instant or later, or the end."""
        place = bisect_left(self.records, at_ms, key=attrgetter("appended_ms"))
        return self.records[place].offset if place < len(self.records) else self.end

    def trim(self, before: int) -> int:
        """Drop what is below ``before``."""
        bound = min(before, self.end)
        if bound > self.first:
            self._drop(self.records[: self.place(bound)])
            self.first = max(self.first, bound)
        return self.first

    def enforce(self, now_ms: int) -> None:
        """Drop what is outside the bounds."""
        if self.bounds is None:
            return
        if self.bounds.max_age_s is not None:
            oldest_ms = now_ms - self.bounds.max_age_s * 1000
            self._drop(list(takewhile(lambda record: record.appended_ms < oldest_ms, self.records)))
        if self.bounds.max_records is not None:
            for partition, size in list(self.sizes.items()):
                oldest = (record for record in self.records if record.partition == partition)
                self._drop(list(islice(oldest, max(0, size - self.bounds.max_records))))

    def compact(self) -> None:
        """Drop each record with a key that came again in its partition."""
        last = {(record.partition, record.key): record.offset for record in self.records}
        self._drop([r for r in self.records if r.key is not None and last[r.partition, r.key] != r.offset])

    def _drop(self, records: list[Record]) -> None:
        """Drop records; what a group holds of them stays held, what waits to come again is done with."""
        if not records:
            return
        gone = {record.offset for record in records}
        if self.records[len(records) - 1] is records[-1]:  # they are the oldest
            del self.records[: len(records)]
            self.first = self.records[0].offset if self.records else self.end
        else:
            self.records = [record for record in self.records if record.offset not in gone]
        self.sizes.subtract(record.partition for record in records)
        for group in self.groups.values():
            for offset in gone.intersection(group.again):
                group.done(offset)

    def is_kept(self, offset: int) -> bool:
        place = self.place(offset)
        return place < len(self.records) and self.records[place].offset == offset

    def take(self, group: Group, most: int, now_s: float) -> list[int]:
        """Return the offsets of the next records for a group, those that come again before those that were never delivered."""
        again = group.ready(most, now_s)
        new = [record.offset for record in islice(self.from_on(group.position), most - len(again))]
        if new:
            group.position = new[-1] + 1
        return [*again, *new]


def own(record: Record) -> Record:
    """Return a record with headers that its reader may change."""
    return replace(record, headers=dict(record.headers))
