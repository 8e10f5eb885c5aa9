"""Mutants of strangers, a blind round: two features that meet, second and third calls, and what a refused call leaves."""

import asyncio
import math
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from prism_testkit.interfaces import Bytes

from .declare import Mutant, declaring
from .reference import KeyValue, Transaction, step
from .stores import Changes, Entry, Store

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant(
    "transactional.8",
    "state after a refusal",
    trap="a key is written, and then again with too large a value",
    also="transactional.3",
)
class ARefusedValueTakesBackTheBufferedOne(Transaction):
    async def set(self, key: str, value: Bytes) -> None:
        self.check_open("set")
        self.writes.pop(self.driver.name(key, "transaction set"), None)
        await super().set(key, value)


@mutant("scan.1", "stale index", trap="a key expires, is looked at, and is made again by a swap", also="scan.5 ttl.10 cas.1 cas.2")
class SwapsOverTheExpiredAreNotListed(KeyValue):
    """What a look finds expired leaves the index; a swap enters a name only where there is no row."""

    def unlisted(self) -> set[str]:
        found: set[str] = self.store.notes.setdefault(("unlisted", self.namespace), set())
        return found

    def find(self, key: str) -> Entry | None:
        entry = super().find(key)
        if entry is None and key in self.rows():
            self.unlisted().add(key)
        return entry

    def apply(self, changes: Changes) -> None:
        self.unlisted().difference_update(changes)
        super().apply(changes)

    def swap(self, key: str, expected: bytes | None, new: Entry | None) -> bool:
        hidden = key in self.unlisted()
        done = super().swap(key, expected, new)
        if done and hidden and new is not None:
            self.unlisted().add(key)
        return done

    def matching(self, prefix: str) -> list[str]:
        hidden = set(self.unlisted())
        return [key for key in super().matching(prefix) if key not in hidden]


@mutant("cas.4", "normalisation on one path", trap="values that differ by a newline at their end", also="cas.5")
class RemovalComparesLines(KeyValue):
    async def compare_and_delete(self, key: str, expected: Bytes) -> bool:
        name, wanted = self.name(key, "compare_and_delete"), self.data(expected, "compare_and_delete", key)
        entry = self.find(name)
        if entry is None or entry.value.rstrip(b"\r\n") != wanted.rstrip(b"\r\n"):
            return False
        return self.drop(name)


class _SeesTheEndedAsThere(Transaction):
    def stale(self) -> bool:
        ended = self.driver.store.notes
        return self.torn or any(
            self.driver.find(key) is not entry and ended.get((self.driver.namespace, key)) is not entry
            for key, entry in self.reads.items()
        )


@mutant("transactional.5", "interaction", trap="a key that was read is expired at once before the commit")
class ExpiringAtOnceIsNoChange(KeyValue):
    transaction_type = _SeesTheEndedAsThere

    async def expire(self, key: str, ttl_s: float) -> bool:
        entry = self.find(self.name(key, "expire"))
        done = await super().expire(key, ttl_s)
        if done and ttl_s <= 0:
            self.store.notes[self.namespace, key] = entry
        return done


@mutant("ttl.8", "second call", trap="a deadline, another one by expire, and persist", also="ttl.1 ttl.7")
class PersistUncoversTheEarlierDeadline(KeyValue):
    """Deadlines are a stack for each key; persist takes one away, and what is past is no deadline."""

    async def expire(self, key: str, ttl_s: float) -> bool:
        before = self.find(self.name(key, "expire"))
        done = await super().expire(key, ttl_s)
        if done and before is not None and before.deadline is not None:
            self.store.notes[self.namespace, key] = self.find(key), before
        return done

    async def persist(self, key: str) -> bool:
        now = self.find(self.name(key, "persist"))
        done = await super().persist(key)
        covering, before = self.store.notes.pop((self.namespace, key), (None, None))
        if done and now is covering and before is not None and self.alive(before):
            self.apply({key: before})
        return done


@mutant("scan.3", "shared cursor", trap="scan_keys to its end inside of a scan of more than 100 keys", also="scan.1 scan.5 scan.7")
class AnInnerListingEndsTheScan(KeyValue):
    """Whether there are more pages is known by the client."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.more = True

    async def walk(self, prefix: str, limit: int | None) -> AsyncGenerator[tuple[str, Entry], None]:
        self.more = True
        given = 0
        for number, key in enumerate(self.matching(prefix)):
            if number and number % 100 == 0 and not self.more:
                return
            if given == limit:
                return
            entry = self.find(key)
            if entry is not None:
                given += 1
                yield key, entry
        self.more = False


class _CountsDown(Transaction):
    async def commit(self) -> None:
        gone = sum(entry is None and self.driver.find(key) is None for key, entry in self.writes.items())
        await super().commit()
        counts = self.driver.store.notes
        counts[self.driver.namespace] = counts.get(self.driver.namespace, 0) - gone


@mutant("scan.5", "wrong count", trap="a transaction deletes a key that is missing, then count", also="basic.2 scan.1")
class CommittedDeletesOfMissingAreCounted(KeyValue):
    """The number of all keys is kept, not counted."""

    transaction_type = _CountsDown

    async def count(self, prefix: str = "") -> int:
        found = await super().count(prefix)
        return found if prefix else max(0, found + self.store.notes.get(self.namespace, 0))


@mutant(
    "basic.10", "race", trap="set of a key while set_with_ttl of it is under way, and a long while", also="ttl.3 ttl.10 basic.1"
)
class SetWithTtlIsTwoSteps(KeyValue):
    """SET, then PEXPIRE."""

    async def set_with_ttl(self, key: str, value: Bytes, ttl_s: float) -> None:
        name, data = self.name(key, "set_with_ttl"), self.data(value, "set_with_ttl", key)
        seconds = self.seconds(ttl_s, "set_with_ttl")
        self.apply({name: self.entry(data)})
        await step()
        entry = self.find(name)
        if entry is not None:
            self.apply({name: self.entry(entry.value, seconds) if seconds > 0 else None})


@mutant("basic.11", "cancellation", trap="a persist that is cancelled, then another persist or expire", also="ttl.8 ttl.7")
class CancelledPersistKeepsTheLock(KeyValue):
    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.timers = asyncio.Lock()

    async def expire(self, key: str, ttl_s: float) -> bool:
        async with self.timers:
            return await super().expire(key, ttl_s)

    async def persist(self, key: str) -> bool:
        name = self.name(key, "persist")
        await self.timers.acquire()
        entry = self.find(name)
        done = False
        if entry is not None and entry.deadline is not None:
            await step()
            done = await super().persist(key)
        self.timers.release()
        return done


@mutant("basic.9", "state of the class", trap="one key with a deadline in two namespaces, persisted in both", also="ttl.8")
class PermanentKeysAreOfTheClass(KeyValue):
    permanent: ClassVar[set[str]] = set()

    async def set_with_ttl(self, key: str, value: Bytes, ttl_s: float) -> None:
        await super().set_with_ttl(key, value, ttl_s)
        self.permanent.discard(key)

    async def expire(self, key: str, ttl_s: float) -> bool:
        done = await super().expire(key, ttl_s)
        self.permanent.discard(key)
        return done

    async def persist(self, key: str) -> bool:
        if self.name(key, "persist") in self.permanent:
            return False
        done = await super().persist(key)
        if done:
            self.permanent.add(key)
        return done


@mutant("ttl.2", "compaction", trap="a hundred writes between set_with_ttl and its deadline", also="ttl.6 ttl.11")
class EveryHundredthWriteForgetsDeadlines(KeyValue):
    """The log is written anew, without what is no value."""

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        written = self.store.notes.setdefault(("written", self.namespace), [0])
        written[0] += len(changes)
        if written[0] >= 100:
            written[0] = 0
            rows = self.rows()
            for key, entry in list(rows.items()):
                if self.alive(entry):
                    rows[key] = replace(entry, deadline=None)


@mutant("ttl.1", "truncation on one path", trap="expire for a time that is no whole number of hundredths", also="ttl.7 ttl.6")
class ExpireCountsHundredths(KeyValue):
    async def expire(self, key: str, ttl_s: float) -> bool:
        if math.isfinite(ttl_s) and ttl_s > 0:
            return await super().expire(key, int(ttl_s * 100) / 100)
        return await super().expire(key, ttl_s)


@mutant("batch.2", "stale cache", trap="a batch_get of an expired key, then a swap or a transaction makes it again", also="ttl.10")
class BatchGetRemembersTheExpired(KeyValue):
    """What it found expired is missing until `set`, `set_with_ttl` or `batch_set` writes it."""

    def gone(self) -> set[str]:
        found: set[str] = self.store.notes.setdefault(("gone", self.namespace), set())
        return found

    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        found = await super().batch_get(keys)
        told = {key: value for key, value in found.items() if key not in self.gone()}
        self.gone().update(key for key in keys if key in self.rows() and key not in found)
        return told

    async def set(self, key: str, value: Bytes) -> None:
        await super().set(key, value)
        self.gone().discard(key)

    async def set_with_ttl(self, key: str, value: Bytes, ttl_s: float) -> None:
        await super().set_with_ttl(key, value, ttl_s)
        self.gone().discard(key)

    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        await super().batch_set(items)
        self.gone().difference_update(items)
