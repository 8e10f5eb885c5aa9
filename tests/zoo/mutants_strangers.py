"""Mutants that nobody who knew the checks would write: single defects of the kind that a stranger plants into a short driver."""

import asyncio
import unicodedata
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

from prism_testkit.interfaces import Bytes, Conflict, KeyValueTransaction, NotFound, QuotaExceeded

from .declare import Mutant, declaring
from .reference import Basic, KeyValue, Transaction, step
from .stores import Changes, Entry, Rows, Store

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("basic.3", "aliasing", trap="two keys that differ in the script of a digit, as 3 and an Arabic 3 do")
class DigitsOfAllScriptsAreOne(KeyValue):
    def name(self, key: str, operation: str) -> str:
        checked = super().name(key, operation)
        return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in checked)


@mutant(
    "basic.11",
    "cancellation",
    trap="a get cancelled while it waits for the connection, then two gets at once",
    also="basic.1 basic.10",
)
class CancelledWaiterReleasesTheConnection(KeyValue):
    """One question at a time on the connection; whoever gives up waiting for it frees it all the same."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.free = asyncio.Semaphore(1)
        self.asked = ""

    async def get(self, key: str) -> bytes | None:
        name = self.name(key, "get")
        try:
            await self.free.acquire()
            self.asked = name
            await step()
            entry = self.find(self.asked)
            return None if entry is None else self.value(entry)
        finally:
            self.free.release()


@mutant("ttl.1", "overflow", trap="a time to live of more than 7.4e9 seconds", also="ttl.6")
class NanosecondsInInt64(KeyValue):
    def entry(self, data: bytes, seconds: float | None = None) -> Entry:
        made = super().entry(data, seconds)
        if made.deadline is None or made.deadline * 1e9 < 2**63:
            return made
        return Entry(data, made.deadline - 2**64 / 1e9, made.given)


@mutant("ttl.2", "stale cache", trap="count, a deadline, and count again without a write between", also="scan.5 scan.1")
class CountIsCachedUntilAWrite(KeyValue):
    """Expiring is no write."""

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        self.store.notes.pop((self.namespace, "counts"), None)

    async def count(self, prefix: str = "") -> int:
        counts = self.store.notes.setdefault((self.namespace, "counts"), {})
        name = self.prefix(prefix, "count")
        if name not in counts:
            counts[name] = len(self.matching(name))
        return int(counts[name])


@mutant("ttl.10", "stale timer", trap="two clients: one gives a time to live, the other ends it", also="ttl.3 ttl.7 ttl.8 basic.8")
class TimersAreOfTheClient(KeyValue):
    """Who gave a deadline removes the key then, whatever another client did meanwhile."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.timers: dict[str, float] = {}

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        for key, entry in changes.items():
            self.timers.pop(key, None)
            if entry is not None and entry.deadline is not None:
                self.timers[key] = entry.deadline

    def rows(self) -> Rows:
        for key in [key for key, deadline in self.timers.items() if deadline <= self.now()]:
            del self.timers[key]
            self.store.apply(self.namespace, {key: None})
        return super().rows()


@mutant("batch.2", "mutable default", trap="two batch_gets of different keys by one client")
class BatchAnswersAreOneDict(KeyValue):
    """As ``def batch_get(self, keys, found={})`` has it."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.found: dict[str, bytes] = {}

    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        self.found.update(await super().batch_get(keys))
        return self.found


@mutant("batch.3", "wrong count", trap="batch_delete of more than 128 keys")
class BatchDeleteCountsItsLastChunk(KeyValue):
    async def batch_delete(self, keys: Sequence[str]) -> int:
        names = list(dict.fromkeys(self.name(key, "batch_delete") for key in keys))
        removed = 0
        for at in range(0, len(names), 128):
            removed = sum(self.drop(name) for name in names[at : at + 128])
        return removed


@mutant("transactional.2", "swallowed error", trap="a NotFound raised in the body")
class SwallowsNotFoundOfTheBody(KeyValue):
    """It was meant for what the commit may raise."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        try:
            async with super().transaction() as transaction:
                yield transaction
        except NotFound:
            return


class _ByteVersions(Transaction):
    """Remembers the number of writes of each key that it read, in a byte."""

    def __init__(self, driver: Basic) -> None:
        super().__init__(driver)
        self.versions: dict[str, int] = {}

    def version(self, key: str) -> int:
        return int(self.driver.store.notes.get((self.driver.namespace, "version", key), 0)) % 256

    def look(self, key: str) -> Entry | None:
        if key not in self.writes:
            self.versions.setdefault(key, self.version(key))
        return super().look(key)

    def stale(self) -> bool:
        gone = any((self.driver.find(key) is None) != (entry is None) for key, entry in self.reads.items())
        return self.torn or gone or any(self.version(key) != seen for key, seen in self.versions.items())


@mutant("transactional.5", "overflow", trap="256 writes of a key between its read and the commit")
class VersionsInOneByte(KeyValue):
    transaction_type = _ByteVersions

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        notes: dict[Any, int] = self.store.notes
        for key in changes:
            notes[self.namespace, "version", key] = notes.get((self.namespace, "version", key), 0) + 1


@mutant("basic.8", "stale cache", trap="exists, a delete by another client, and exists again", also="basic.5 basic.10")
class PositiveExistsIsCached(KeyValue):
    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.known: set[str] = set()

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        self.known.difference_update(changes)

    async def exists(self, key: str) -> bool:
        found = await super().exists(key)
        entry = self.find(key)
        if entry is not None and entry.deadline is None:
            self.known.add(key)
        return found or key in self.known


@mutant("scan.4", "shared state", trap="two scans with limits of one client under way at a time", also="scan.1")
class LimitIsOfTheClient(KeyValue):
    room = 0

    async def walk(self, prefix: str, limit: int | None) -> AsyncGenerator[tuple[str, Entry], None]:
        self.room = self.room if limit is None else limit
        if limit == 0:
            return
        async with aclosing(super().walk(prefix, None)) as found:
            async for pair in found:
                self.room -= limit is not None
                yield pair
                if limit is not None and self.room <= 0:
                    return


@mutant("ttl.6", "second client", trap="ttl by a client that did not give the deadline", also="ttl.7")
class TtlKnowsOwnDeadlinesOnly(KeyValue):
    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.given: set[str] = set()

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        self.given |= {key for key, entry in changes.items() if entry is not None and entry.deadline is not None}

    async def ttl(self, key: str) -> float | None:
        left = await super().ttl(key)
        return left if key in self.given else None


@mutant("ttl.8", "stale flag", trap="set_with_ttl, set, then persist")
class PersistRemembersADeadline(KeyValue):
    """A plain write does not take the flag away."""

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        flags: set[tuple[str, str]] = self.store.notes.setdefault("flags", set())
        for key, entry in changes.items():
            if entry is None:
                flags.discard((self.namespace, key))
            elif entry.deadline is not None:
                flags.add((self.namespace, key))

    async def persist(self, key: str) -> bool:
        flags = self.store.notes.setdefault("flags", set())
        flagged = (self.namespace, key) in flags and self.find(key) is not None
        flags.discard((self.namespace, key))
        return await super().persist(key) or flagged


class _LastReads(Transaction):
    def stale(self) -> bool:
        last = list(self.reads.items())[-64:]
        return self.torn or any(self.driver.find(key) is not entry for key, entry in last)


@mutant("transactional.5", "cap", trap="a transaction that read more than 64 keys, the first of which changes")
class ValidatesTheLast64Reads(KeyValue):
    transaction_type = _LastReads


@mutant("transactional.6", "resources", trap="sixteen transactions of one client that raise Conflict")
class ConflictsKeepTheirTransaction(KeyValue):
    """Sixteen may be open at a time; one that ends by Conflict stays counted."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.conflicts = 0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        if self.conflicts >= 16:
            raise Conflict("zoo: transaction: too many are open")
        try:
            async with super().transaction() as transaction:
                yield transaction
        except Conflict:
            self.conflicts += 1
            raise


@mutant("basic.3", "truncation", trap="a key that holds a separator of lines, such as U+2028 or U+0085")
class NamesEndWithTheirLine(KeyValue):
    def name(self, key: str, operation: str) -> str:
        checked = super().name(key, operation)
        return next((line for line in checked.splitlines() if line), checked)


@mutant("ttl.7", "shortcut", trap="expire with the seconds that the key was given before, some of which have passed")
class ExpireOfTheSameTimeIsSkipped(KeyValue):
    async def expire(self, key: str, ttl_s: float) -> bool:
        entry = self.find(self.name(key, "expire"))
        if entry is not None and entry.deadline is not None and entry.given == self.seconds(ttl_s, "expire"):
            return True
        return await super().expire(key, ttl_s)


@mutant("ttl.3", "shortcut", trap="set_with_ttl of the value and the seconds that the key has")
class SameWriteKeepsItsDeadline(KeyValue):
    async def set_with_ttl(self, key: str, value: Bytes, ttl_s: float) -> None:
        entry = self.find(self.name(key, "set_with_ttl"))
        data = self.data(value, "set_with_ttl", key)
        if entry is None or (entry.value, entry.given) != (data, self.seconds(ttl_s, "set_with_ttl")):
            await super().set_with_ttl(key, value, ttl_s)


@mutant("cas.4", "confusion with nothing", trap="compare_and_delete of a missing key, expecting an empty value")
class MissingEqualsEmpty(KeyValue):
    async def compare_and_delete(self, key: str, expected: Bytes) -> bool:
        removed = await super().compare_and_delete(key, expected)
        return removed or (self.find(self.name(key, "compare_and_delete")) is None and not bytes(expected))


@mutant("cas.6", "race", trap="swaps at once from one value of more than 1024 bytes", also="basic.10")
class LargeValuesAreComparedAhead(KeyValue):
    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        name, data = self.name(key, "compare_and_swap"), self.data(new, "compare_and_swap", key)
        wanted = None if expected is None else self.data(expected, "compare_and_swap", key)
        if wanted is None or len(wanted) <= 1024:
            return self.swap(name, wanted, self.entry(data))
        if not self.holds(name, wanted):
            return False
        await step()
        self.apply({name: self.entry(data)})
        return True


class _OneKey(Transaction):
    def stale(self) -> bool:
        return super().stale() and (len(self.writes) != 1 or self.reads.keys() != self.writes.keys())


@mutant("transactional.5", "shortcut", trap="a transaction that reads one key, changed since, and writes that one alone")
class OneKeyNeedsNoValidation(KeyValue):
    transaction_type = _OneKey


class _Slots(KeyValue):
    """So many calls of a kind may go wrong before a slot for each is used up."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.free = 16

    def use(self) -> None:
        if not self.free:
            raise QuotaExceeded("zoo: no slot is free")


@mutant("transactional.2", "resources", trap="sixteen transactions of one client whose bodies raise", also="transactional.7")
class FailedBodiesKeepTheirSlot(_Slots):
    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        self.use()
        async with super().transaction() as transaction:
            try:
                yield transaction
            except BaseException:
                self.free -= 1
                raise


@mutant("batch.5", "resources", trap="sixteen refused batches of one client", also="batch.1")
class RefusedBatchesKeepTheirSlot(_Slots):
    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        self.use()
        self.free -= 1
        await super().batch_set(items)
        self.free += 1
