"""A server of key-values in the process: slots, leaves of sorted names, revisions, and deadlines that are looked at lazily.

A request is a method of `Node`, and runs as a whole. Every row has a revision of its own, from one counter, that is never given
again: who remembers the revision of a name knows whether anything has happened to it since. Rows whose time is over are missing
for every request, and are swept a few at a time.
"""

import bisect
import math
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from prism_testkit.backend import Place
from prism_testkit.clock import Clock

__all__ = ["LEAF", "PAGE", "SLOTS", "Cursor", "Leaf", "Node", "Row", "Slot", "Space", "Writes", "clean", "connect", "micro"]

SLOTS = 4
LEAF = 8
"""Names in a leaf before it is split."""
PAGE = 12
"""Names looked at by one request of a scan."""


def micro(seconds: float) -> int:
    """Return whole microseconds, rounded up."""
    return math.ceil(seconds * 1e6)


@dataclass(frozen=True, slots=True)
class Row:
    """A value as stored. ``deadline`` is in microseconds since the epoch; ``given`` are the seconds that it was given."""

    value: bytes
    revision: int
    deadline: int | None = None
    given: float = 0.0


Cursor: TypeAlias = tuple[int, bytes]
"""Where a scan goes on: a slot, and the last name of it that was looked at."""
Writes: TypeAlias = Mapping[bytes, bytes | None]


@dataclass(slots=True)
class Leaf:
    """Names in order."""

    names: list[bytes]


@dataclass(slots=True)
class Slot:
    """A part of a namespace: leaves in order, never an empty one, and the rows."""

    leaves: list[Leaf] = field(default_factory=list)
    rows: dict[bytes, Row] = field(default_factory=dict)

    def leaf_of(self, name: bytes) -> int:
        """Return the place of the leaf that has the name, or would get it."""
        return max(0, bisect.bisect_right(self.leaves, name, key=lambda leaf: leaf.names[0]) - 1)

    def add(self, name: bytes) -> None:
        if not self.leaves:
            self.leaves.append(Leaf([name]))
            return
        at = self.leaf_of(name)
        leaf = self.leaves[at]
        bisect.insort(leaf.names, name)
        if len(leaf.names) > LEAF:
            half = len(leaf.names) // 2
            self.leaves.insert(at + 1, Leaf(leaf.names[half:]))
            del leaf.names[half:]

    def discard(self, name: bytes) -> None:
        at = self.leaf_of(name)
        self.leaves[at].names.remove(name)
        if not self.leaves[at].names:
            del self.leaves[at]

    def names_after(self, name: bytes) -> Iterator[bytes]:
        """Yield the names beyond this one, in order."""
        if not self.leaves:
            return
        at = self.leaf_of(name)
        yield from (other for other in self.leaves[at].names if other > name)
        for leaf in self.leaves[at + 1 :]:
            yield from leaf.names


class Space:
    """A namespace."""

    def __init__(self) -> None:
        self.slots = [Slot() for _ in range(SLOTS)]

    def slot(self, name: bytes) -> Slot:
        return self.slots[zlib.crc32(name) % SLOTS]


class Node:
    """The data of one place, and the requests to it. Times come from the place's clock."""

    def __init__(self, place: Place) -> None:
        self.clock: Clock = place.clock
        self.spaces: dict[str, Space] = {}
        self.revision = 0

    # Steps that requests are made of

    def now(self) -> int:
        return math.floor(self.clock.now_s() * 1e6)

    def space(self, namespace: str) -> Space:
        return self.spaces.setdefault(namespace, Space())

    def alive(self, row: Row) -> bool:
        return row.deadline is None or self.now() < row.deadline

    def find(self, space: Space, name: bytes) -> Row | None:
        """Return the row of a present name."""
        row = space.slot(name).rows.get(name)
        return row if row is not None and self.alive(row) else None

    def revision_of(self, space: Space, name: bytes) -> int:
        """Return the revision of a present name, 0 of a missing one."""
        row = self.find(space, name)
        return 0 if row is None else row.revision

    def deadline(self, seconds: float) -> int:
        return self.now() + micro(seconds) + 1

    def put(self, space: Space, name: bytes, value: bytes, seconds: float | None = None) -> None:
        self.revision += 1
        deadline = None if seconds is None else self.deadline(seconds)
        self.store(space, name, Row(value, self.revision, deadline, seconds or 0.0))

    def store(self, space: Space, name: bytes, row: Row | None) -> None:
        """Change one row; everything that writes comes here."""
        slot = space.slot(name)
        if row is None:
            if slot.rows.pop(name, None) is not None:
                slot.discard(name)
            return
        if name not in slot.rows:
            slot.add(name)
        slot.rows[name] = row

    def remove(self, space: Space, name: bytes) -> bool:
        """Remove a name; say whether it was present."""
        present = self.find(space, name) is not None
        self.store(space, name, None)
        return present

    def sweep(self, slot: Slot, space: Space, names: Sequence[bytes]) -> None:
        """Forget those of the names whose time is over."""
        for name in names:
            row = slot.rows.get(name)
            if row is not None and not self.alive(row):
                self.store(space, name, None)

    # Requests

    def get(self, space: Space, name: bytes) -> Row | None:
        return self.find(space, name)

    def set(self, space: Space, name: bytes, value: bytes, seconds: float | None = None) -> None:
        if seconds is not None and seconds <= 0:
            self.remove(space, name)
        else:
            self.put(space, name, value, seconds)

    def expire(self, space: Space, name: bytes, seconds: float) -> bool:
        row = self.find(space, name)
        if row is None:
            return False
        self.set(space, name, row.value, seconds)
        return True

    def persist(self, space: Space, name: bytes) -> bool:
        row = self.find(space, name)
        if row is None or row.deadline is None:
            return False
        self.put(space, name, row.value)
        return True

    def left(self, space: Space, name: bytes) -> tuple[bool, float | None]:
        """Return whether a name is present, and its seconds left."""
        row = self.find(space, name)
        if row is None or row.deadline is None:
            return row is not None, None
        return True, min(row.given, max(0, row.deadline - self.now()) / 1e6)

    def swap(self, space: Space, name: bytes, expected: bytes | None, new: bytes | None) -> bool:
        row = self.find(space, name)
        if (None if row is None else row.value) != expected:
            return False
        self.commit(space, {}, {name: new})
        return True

    def get_many(self, space: Space, names: Sequence[bytes]) -> list[bytes | None]:
        rows = [self.find(space, name) for name in names]
        return [None if row is None else row.value for row in rows]

    def delete_many(self, space: Space, names: Sequence[bytes]) -> int:
        return sum(self.remove(space, name) for name in names)

    def commit(self, space: Space, reads: Mapping[bytes, int], writes: Writes) -> bool:
        """Write if every name that was read has the revision it had."""
        if any(self.revision_of(space, name) != revision for name, revision in reads.items()):
            return False
        for name, value in writes.items():
            if value is None:
                self.remove(space, name)
            else:
                self.put(space, name, value)
        return True

    def page(self, space: Space, prefix: bytes, cursor: Cursor) -> tuple[list[tuple[bytes, bytes]], Cursor | None]:
        """Return what matches of the next names of a slot, and where to go on; None at the end."""
        number, last = cursor
        slot = space.slots[number]
        names = []
        for name in slot.names_after(last):
            names.append(name)
            if len(names) == PAGE:
                break
        found = [(name, slot.rows[name].value) for name in names if name.startswith(prefix) and self.alive(slot.rows[name])]
        self.sweep(slot, space, names)
        if len(names) == PAGE:
            return found, (number, names[-1])
        return found, ((number + 1, b"") if number + 1 < SLOTS else None)

    def count(self, space: Space, prefix: bytes) -> int:
        return sum(name.startswith(prefix) and self.alive(row) for slot in space.slots for name, row in slot.rows.items())

    def clean(self, prefix: str) -> None:
        for namespace in [name for name in self.spaces if name.startswith(prefix)]:
            del self.spaces[namespace]


def connect(node: type[Node]) -> Callable[[Place], AbstractAsyncContextManager[Node]]:
    """Return a ``connect`` that keeps one node for a place."""

    @asynccontextmanager
    async def enter(place: Place) -> AsyncIterator[Node]:
        yield place.shared.get("history") or place.shared.setdefault("history", node(place))

    return enter


async def clean(node: Node, prefix: str) -> None:
    node.clean(prefix)
