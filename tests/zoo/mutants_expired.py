"""Mutants of `KeyValueTtl` for which a key that has expired is still there, or comes back."""

import heapq
import math
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

from prism_testkit.interfaces import Bytes

from .declare import Mutant, declaring
from .reference import KeyValue, Transaction, step
from .stores import Changes, Entry, Store

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# ttl.2: expired is missing, for every method


@mutant("ttl.2", "missing check", trap="get of an expired key")
class GetServesExpired(KeyValue):
    async def get(self, key: str) -> bytes | None:
        entry = self.rows().get(self.name(key, "get"))
        return None if entry is None else entry.value


@mutant("ttl.2", "lazy", trap="exists or count of an expired key before any get of it", also="basic.5 scan.1 scan.5")
class OnlyGetExpires(KeyValue):
    """Expired keys are removed by the get that meets them; the rest does not look at deadlines."""

    def alive(self, entry: Entry) -> bool:
        return True

    async def get(self, key: str) -> bytes | None:
        entry = self.find(self.name(key, "get"))
        if entry is not None and not super().alive(entry):
            self.apply({key: None})
        return await super().get(key)


@mutant("ttl.2", "missing check", trap="exists of an expired key", also="basic.5")
class ExistsSeesExpired(KeyValue):
    async def exists(self, key: str) -> bool:
        return self.name(key, "exists") in self.rows()


@mutant("ttl.2", "missing check", trap="delete of an expired key", also="basic.4")
class DeleteOfExpiredSaysTrue(KeyValue):
    async def delete(self, key: str) -> bool:
        present = self.name(key, "delete") in self.rows()
        self.apply({key: None})
        return present


@mutant("ttl.2", "code", trap="ttl of an expired key", also="ttl.6")
class TtlOfExpiredIsZero(KeyValue):
    async def ttl(self, key: str) -> float | None:
        entry = self.rows().get(self.name(key, "ttl"))
        return 0.0 if entry is not None and not self.alive(entry) else await super().ttl(key)


@mutant("ttl.2", "missing check", trap="a scan over an expired key", also="scan.1")
class ScanGivesExpired(KeyValue):
    async def walk(self, prefix: str, limit: int | None) -> AsyncGenerator[tuple[str, Entry], None]:
        for key in [key for key in self.rows() if self.matches(key, prefix)][:limit]:
            entry = self.rows().get(key)
            if entry is not None:
                yield key, entry


@mutant("ttl.2", "missing check", trap="count over an expired key", also="scan.5")
class CountIncludesExpired(KeyValue):
    async def count(self, prefix: str = "") -> int:
        self.prefix(prefix, "count")
        return sum(self.matches(key, prefix) for key in self.rows())


@mutant("ttl.2", "missing check", trap="batch_get of an expired key", also="batch.2")
class BatchGetServesExpired(KeyValue):
    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        found = {key: self.rows().get(self.name(key, "batch_get")) for key in keys}
        return {key: entry.value for key, entry in found.items() if entry is not None}


@mutant("ttl.2", "accounting", trap="batch_delete of an expired key", also="batch.3")
class BatchDeleteCountsExpired(KeyValue):
    async def batch_delete(self, keys: Sequence[str]) -> int:
        names = {self.name(key, "batch_delete") for key in keys} & self.rows().keys()
        self.apply(dict.fromkeys(names))
        return len(names)


@mutant("ttl.2", "missing check", trap="compare_and_delete of an expired key with its old value", also="cas.4 ttl.10")
class ExpiredCanBeComparedAndDeleted(KeyValue):
    async def compare_and_delete(self, key: str, expected: Bytes) -> bool:
        wanted = self.data(expected, "compare_and_delete", key)
        entry = self.rows().get(self.name(key, "compare_and_delete"))
        if entry is None or entry.value != wanted:
            return False
        self.apply({key: None})
        return True


@mutant("ttl.2", "tombstone", trap="create-if-absent of an expired key", also="cas.2")
class ExpiredForbidsCreation(KeyValue):
    """INSERT, which meets the old row."""

    def holds(self, key: str, expected: bytes | None) -> bool:
        return super().holds(key, expected) and (expected is not None or key not in self.rows())


@mutant("ttl.2", "missing check", trap="a transaction reads an expired key")
class TransactionSeesExpired(Transaction):
    def look(self, key: str) -> Entry | None:
        found = super().look(key)
        return found if found is not None or key in self.writes else self.driver.rows().get(key)


@mutant("ttl.2", "rounding", trap="a deadline that is not a whole second, seen within the second", also="ttl.6")
class DeadlineRoundsUp(KeyValue):
    """Whole seconds, under a claim of milliseconds."""

    def alive(self, entry: Entry) -> bool:
        return entry.deadline is None or self.now() < math.ceil(entry.deadline - 1e-3)


@mutant("ttl.2", "grace", trap="within two seconds after a deadline")
class TwoSecondsOfGrace(KeyValue):
    """Allows for clocks that differ, and does not say so."""

    def alive(self, entry: Entry) -> bool:
        return entry.deadline is None or self.now() < entry.deadline + 2


@mutant("ttl.2", "floor", trap="a time to live below one second", also="ttl.6")
class AtLeastOneSecond(KeyValue):
    def entry(self, data: bytes, seconds: float | None = None) -> Entry:
        return super().entry(data, None if seconds is None else max(1.0, seconds))


@mutant("ttl.2", "wrong clock", also="ttl.6")
class AsksTheSystemClock(KeyValue):
    """``time.time()`` where the place has a clock of its own."""

    def now(self) -> float:
        return time.time()


@mutant("ttl.2", "scope", trap="two clients; the other one looks at the expired key", also="basic.8 ttl.6 ttl.7")
class DeadlinesKeptByWriter(KeyValue):
    """The client that set the time to live looks after it; nobody else knows of it."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.own: dict[int, Entry] = {}

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        self.own.update({id(entry): entry for entry in changes.values() if entry is not None})

    def alive(self, entry: Entry) -> bool:
        return super().alive(entry) or id(entry) not in self.own


@mutant("ttl.2", "cap", trap="more than 20 keys with one deadline", also="scan.1 scan.5")
class ReapsTwentyAtATime(KeyValue):
    """Redis samples 20 keys a round; but here nothing checks the deadline of a key that is read."""

    def alive(self, entry: Entry) -> bool:
        return True

    def find(self, key: str) -> Entry | None:
        now, rows = self.now(), self.rows()
        if (self.namespace, now) not in self.store.notes:
            due = [other for other, entry in rows.items() if entry.deadline is not None and entry.deadline <= now]
            self.store.apply(self.namespace, dict.fromkeys(due[:20]))
            self.store.notes[self.namespace, now] = bool(due)
        return super().find(key)

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        self.store.notes.pop((self.namespace, self.now()), None)


# ttl.10: deleted or expired is forgotten whole


@mutant(
    "ttl.10",
    "reaper",
    trap="set of a key with a time to live, then time beyond it",
    also="ttl.1 ttl.3 ttl.4 ttl.7 ttl.8",
)
class OldDeadlineRemovesNewValue(KeyValue):
    """A heap of deadlines, with the name but not the version of what is due."""

    def due(self, entry: Entry | None) -> bool:
        return entry is not None

    def apply(self, changes: Changes) -> None:
        heap: list[tuple[float, str]] = self.store.notes.setdefault(self.namespace, [])
        for key, entry in changes.items():
            if entry is not None and entry.deadline is not None:
                heapq.heappush(heap, (entry.deadline, key))
        super().apply(changes)

    def find(self, key: str) -> Entry | None:
        heap: list[tuple[float, str]] = self.store.notes.get(self.namespace, [])
        while heap and heap[0][0] <= self.now():
            due = heapq.heappop(heap)[1]
            if self.due(self.rows().get(due)):
                self.store.apply(self.namespace, {due: None})
        return super().find(key)


@mutant("ttl.10", "reaper", trap="a longer time to live after a shorter one, then time between them", also="ttl.1 ttl.3 ttl.7")
class ShorterDeadlineStays(OldDeadlineRemovesNewValue):
    """Spares what has no deadline any more, but does not compare the deadline with that of the key."""

    def due(self, entry: Entry | None) -> bool:
        return entry is not None and entry.deadline is not None


@mutant("ttl.10", "stale table", trap="a key with a time to live deleted, then created by compare_and_swap", also="ttl.1 ttl.4")
class CreationInheritsDeadline(KeyValue):
    """Deadlines are a table of their own, which delete leaves, and create-if-absent does not look at."""

    async def delete(self, key: str) -> bool:
        entry = self.find(self.name(key, "delete"))
        present = await super().delete(key)
        if entry is not None and entry.deadline is not None:
            self.store.notes[self.namespace, key] = entry
        return present

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        for key in changes:
            self.store.notes.pop((self.namespace, key), None)

    def swap(self, key: str, expected: bytes | None, new: Entry | None) -> bool:
        old: Entry | None = self.store.notes.get((self.namespace, key))
        swapped = super().swap(key, expected, new)
        if swapped and old is not None and new is not None:
            self.apply({key: replace(old, value=new.value)})
        return swapped


@mutant("ttl.10", "revival", trap="persist of an expired key", also="ttl.2 ttl.8")
class PersistRevives(KeyValue):
    async def persist(self, key: str) -> bool:
        entry = self.rows().get(self.name(key, "persist"))
        if entry is None or entry.deadline is None:
            return False
        self.apply({key: Entry(entry.value)})
        return True


@mutant("ttl.10", "revival", trap="expire of an expired key", also="ttl.2 ttl.7")
class ExpireRevives(KeyValue):
    async def expire(self, key: str, ttl_s: float) -> bool:
        name, seconds = self.name(key, "expire"), self.seconds(ttl_s, "expire")
        entry = self.rows().get(name)
        if entry is not None:
            self.apply({name: self.entry(entry.value, seconds) if seconds > 0 else None})
        return entry is not None


@mutant("ttl.10", "revival", trap="compare_and_swap of an expired key with its old value", also="ttl.2 cas.1")
class SwapRevives(KeyValue):
    def holds(self, key: str, expected: bytes | None) -> bool:
        entry = self.rows().get(key)
        return super().holds(key, expected) or (expected is not None and entry is not None and entry.value == expected)


@mutant("ttl.10", "lost write", trap="set of an expired key that nobody looked at", also="ttl.2 ttl.3 basic.1")
class SetOfExpiredRevivesOldValue(KeyValue):
    """The row is there, so it is updated: no deadline any more, and the value is only written on insert."""

    async def set(self, key: str, value: Bytes) -> None:
        name, data = self.name(key, "set"), self.data(value, "set", key)
        old = self.rows().get(name)
        await super().set(name, old.value if old is not None and not self.alive(old) else data)


@mutant("ttl.10", "race", trap="a set of an expired key while count sweeps", also="basic.8 basic.10")
class SweepRemovesNewValue(KeyValue):
    """Lists what has expired, and removes it by name a moment later."""

    async def count(self, prefix: str = "") -> int:
        expired = [key for key, entry in self.rows().items() if not self.alive(entry)]
        if expired:
            await step()
            self.apply(dict.fromkeys(expired))
        return await super().count(prefix)


@mutant("ttl.10", "stale table", trap="a key with a time to live goes, and comes back with a longer one", also="ttl.6")
class TtlRemembersFormerLife(KeyValue):
    """Seconds given are kept by name, and replaced only while the key is there; ttl never says more."""

    def apply(self, changes: Changes) -> None:
        for key, entry in changes.items():
            if entry is not None and entry.deadline is not None:
                present, slot = self.find(key) is not None, (self.namespace, key)
                self.store.notes[slot] = entry.given if present else self.store.notes.get(slot, entry.given)
        super().apply(changes)

    async def ttl(self, key: str) -> float | None:
        left = await super().ttl(key)
        return left if left is None else min(left, self.store.notes[self.namespace, key])
