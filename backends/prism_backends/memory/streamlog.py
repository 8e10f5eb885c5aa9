"""What a stream is in memory: the records kept, and what each group knows of them. No method waits; a driver does."""

import heapq
from dataclasses import dataclass, field, replace

from prism_backends.bell import Bell
from prism_testkit.interfaces.stream import Record

__all__ = ["Group", "Log"]

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

    def give_back(self, offset: int, first: int, now_s: float, delay_s: float = 0.0) -> None:
        """End the holding of a record: it comes again after ``delay_s``, unless it was trimmed meanwhile."""
        del self.held[offset]
        if offset < first:
            self.done(offset)
        else:
            self.again[offset] = now_s + delay_s + _ROUNDING_S if delay_s > 0 else now_s


@dataclass(slots=True, eq=False)
class Log:
    """The records with offsets from ``first`` on, dense; the one at ``end`` is still to be appended."""

    first: int = 0
    records: list[Record] = field(default_factory=list)
    groups: dict[str, Group] = field(default_factory=dict)
    last_ms: int = 0

    @property
    def end(self) -> int:
        return self.first + len(self.records)

    def append(self, payload: bytes, key: str | None, headers: dict[str, str], now_ms: int) -> int:
        """Add a record; its instant is never before that of the one in front of it."""
        self.last_ms = max(self.last_ms, now_ms)
        offset = self.end
        self.records.append(Record(offset, key, payload, headers, self.last_ms))
        for group in self.groups.values():
            group.bell.ring()
        return offset

    def record(self, offset: int) -> Record:
        """Return a record that is kept, with headers that its reader may change."""
        record = self.records[offset - self.first]
        return replace(record, headers=dict(record.headers))

    def trim(self, before: int) -> int:
        """Drop what is below ``before``; what a group holds of it stays held, what waits to come again is done with."""
        gone = min(before, self.end) - self.first
        if gone > 0:
            del self.records[:gone]
            self.first += gone
            for group in self.groups.values():
                for offset in [offset for offset in group.again if offset < self.first]:
                    group.done(offset)
        return self.first

    def take(self, group: Group, most: int, now_s: float) -> list[int]:
        """Return the offsets of the next records for a group, those that come again before those that were never delivered."""
        again = group.ready(most, now_s)
        begin = max(group.position, self.first)
        new = range(begin, min(self.end, begin + most - len(again)))
        if new:
            group.position = new.stop
        return [*again, *new]
