"""Mutants of `KeyValueCas`: when it swaps, what it says, and calls that overlap."""

import asyncio

from prism_testkit.interfaces import Bytes, Conflict, NotFound

from .declare import Mutant, declaring
from .reference import KeyValue, step
from .stores import Changes, Entry, Rows, Store

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _Swapping(KeyValue):
    """compare_and_swap in two parts: arguments, and what is done with them."""

    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        name, data = self.name(key, "compare_and_swap"), self.data(new, "compare_and_swap", key)
        wanted = None if expected is None else self.data(expected, "compare_and_swap", key)
        return await self.exchange(name, wanted, data)

    async def exchange(self, key: str, expected: bytes | None, new: bytes) -> bool:
        return self.swap(key, expected, self.entry(new))


class _Removing(KeyValue):
    """compare_and_delete in two parts."""

    async def compare_and_delete(self, key: str, expected: Bytes) -> bool:
        name = self.name(key, "compare_and_delete")
        return await self.remove(name, self.data(expected, "compare_and_delete", key))

    async def remove(self, key: str, expected: bytes) -> bool:
        return self.swap(key, expected, None)


# cas.1: stores and says True exactly if the value is the expected one


@mutant("cas.1", "missing check", trap="compare_and_swap of another value than is there", also="cas.2 cas.3 cas.6")
class SwapIgnoresExpected(_Swapping):
    async def exchange(self, key: str, expected: bytes | None, new: bytes) -> bool:
        self.apply({key: self.entry(new)})
        return True


@mutant("cas.1", "wrong result", trap="compare_and_swap of another value than is there", also="cas.3 cas.6")
class SwapAlwaysSaysTrue(_Swapping):
    async def exchange(self, key: str, expected: bytes | None, new: bytes) -> bool:
        await super().exchange(key, expected, new)
        return True


@mutant("cas.1", "shortcut", trap="compare_and_swap of a value to itself")
class SwapToSameSaysFalse(_Swapping):
    """No row was changed, says the server."""

    async def exchange(self, key: str, expected: bytes | None, new: bytes) -> bool:
        return expected != new and await super().exchange(key, expected, new)


@mutant("cas.1", "boundary", trap="compare_and_swap to an empty value", also="cas.2")
class SwapToEmptyDeletes(_Swapping):
    async def exchange(self, key: str, expected: bytes | None, new: bytes) -> bool:
        return self.swap(key, expected, self.entry(new) if new else None)


@mutant("cas.1", "stale cache", trap="two clients; one reads, the other writes, the first swaps what it read", also="cas.6 basic.8")
class SwapComparesWithLastRead(_Swapping):
    """The comparison is made in the client, with what it read last."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.seen: Rows = {}

    async def get(self, key: str) -> bytes | None:
        entry = self.find(self.name(key, "get"))
        if entry is not None and entry.deadline is None:
            self.seen[key] = entry
        return None if entry is None else entry.value

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        for key in changes:
            self.seen.pop(key, None)

    async def exchange(self, key: str, expected: bytes | None, new: bytes) -> bool:
        seen = self.seen.get(key)
        if seen is None or self.find(key) is None:
            return await super().exchange(key, expected, new)
        if seen.value == expected:
            self.apply({key: self.entry(new)})
        return seen.value == expected


@mutant("cas.1", "type", trap="expected given as a bytearray or memoryview")
class ComparesOnlyBytes(KeyValue):
    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        swapping = expected is None or isinstance(expected, bytes)
        if not swapping:
            self.data(new, "compare_and_swap", self.name(key, "compare_and_swap"))
        return swapping and await super().compare_and_swap(key, expected, new)


# cas.2: None means missing


@mutant("cas.2", "boundary", trap="create-if-absent over an empty value", also="cas.1 cas.3")
class CreationReplacesEmpty(_Swapping):
    async def exchange(self, key: str, expected: bytes | None, new: bytes) -> bool:
        old = self.find(key)
        return self.swap(key, b"" if expected is None and old is not None else expected, self.entry(new))


@mutant("cas.2", "boundary", trap="compare_and_swap of b'' while the key is missing", also="cas.1 cas.3")
class EmptyExpectedCreates(_Swapping):
    async def exchange(self, key: str, expected: bytes | None, new: bytes) -> bool:
        return self.swap(key, None if expected == b"" and self.find(key) is None else expected, self.entry(new))


@mutant("cas.2", "tombstone", trap="create-if-absent of a key that was deleted")
class DeletedCannotBeCreated(KeyValue):
    """Compares with the tombstone."""

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        for key, entry in changes.items():
            self.store.notes[self.namespace, key] = entry is None

    def holds(self, key: str, expected: bytes | None) -> bool:
        return super().holds(key, expected) and (expected is not None or not self.store.notes.get((self.namespace, key), False))


@mutant("cas.2", "sentinel", trap="create-if-absent of a key that is present", also="cas.1 cas.3")
class NoneMatchesAnything(_Swapping):
    """No condition."""

    async def exchange(self, key: str, expected: bytes | None, new: bytes) -> bool:
        if expected is None:
            self.apply({key: self.entry(new)})
        return expected is None or await super().exchange(key, expected, new)


@mutant("cas.2", "race", trap="two concurrent create-if-absent of one key", also="cas.6 cas.1")
class CreationChecksThenSets(_Swapping):
    async def exchange(self, key: str, expected: bytes | None, new: bytes) -> bool:
        if expected is not None:
            return await super().exchange(key, expected, new)
        if self.find(key) is not None:
            return False
        await step()
        self.apply({key: self.entry(new)})
        return True


@mutant("cas.2", "wrong error", trap="compare_and_swap of a missing key with a value expected")
class SwapOfMissingRaises(_Swapping):
    async def exchange(self, key: str, expected: bytes | None, new: bytes) -> bool:
        if expected is not None and self.find(key) is None:
            raise NotFound(f"zoo: compare_and_swap {key[:40]!a}: no such key")
        return await super().exchange(key, expected, new)


# cas.3: False changed nothing


@mutant("cas.3", "side effect", trap="compare_and_swap of a missing key with a value expected", also="cas.1")
class FailedSwapCreates(_Swapping):
    """An upsert, whose condition is on the update only."""

    async def exchange(self, key: str, expected: bytes | None, new: bytes) -> bool:
        missing, swapped = self.find(key) is None, await super().exchange(key, expected, new)
        if missing and not swapped:
            self.apply({key: self.entry(new)})
        return swapped


@mutant("cas.3", "lost write", trap="compare_and_delete of another value than is there", also="cas.4")
class FailedRemovalRemoves(_Removing):
    """GETDEL, then compare."""

    async def remove(self, key: str, expected: bytes) -> bool:
        removed = await super().remove(key, expected)
        self.drop(key)
        return removed


@mutant("cas.3", "sticky state", trap="three failed swaps of a key in a row", also="cas.1")
class ThirdAttemptIsForced(_Swapping):
    """Retries inside, and in the end writes."""

    failures = 0

    async def exchange(self, key: str, expected: bytes | None, new: bytes) -> bool:
        swapped = await super().exchange(key, expected, new)
        self.failures = 0 if swapped else self.failures + 1
        if self.failures == 3:
            self.apply({key: self.entry(new)})
        return swapped


@mutant("cas.3", "expiry", trap="a failed compare_and_delete of a key with a time to live", also="ttl.11")
class FailedRemovalClearsTtl(_Removing):
    async def remove(self, key: str, expected: bytes) -> bool:
        old, removed = self.find(key), await super().remove(key, expected)
        if old is not None and not removed:
            self.apply({key: Entry(old.value)})
        return removed


@mutant("cas.3", "optimism", trap="a read during a compare_and_swap that fails", also="cas.6 basic.10")
class WritesThenTakesBack(_Swapping):
    async def exchange(self, key: str, expected: bytes | None, new: bytes) -> bool:
        old = self.find(key)
        if self.holds(key, expected) or old is None:
            return await super().exchange(key, expected, new)
        tried = self.entry(new)
        self.apply({key: tried})
        await step()
        if self.find(key) is tried:
            self.apply({key: old})
        return False


@mutant("cas.3", "retry", trap="two concurrent swaps, or a read during one", also="cas.1 cas.6")
class RetrySeesOwnWrite(_Swapping):
    """While another call of its client is under way it loses its answer, asks again, and is told of its own success."""

    busy = 0

    async def exchange(self, key: str, expected: bytes | None, new: bytes) -> bool:
        self.busy += 1
        crowded = self.busy > 1
        try:
            swapped = await super().exchange(key, expected, new)
            await step()
        finally:
            self.busy -= 1
        return await super().exchange(key, expected, new) if crowded else swapped


# cas.4: compare_and_delete


@mutant("cas.4", "missing check", trap="compare_and_delete of another value than is there", also="cas.3")
class RemovalIgnoresExpected(_Removing):
    async def remove(self, key: str, expected: bytes) -> bool:
        return self.drop(key)


@mutant("cas.4", "wrong result", trap="compare_and_delete of a missing key")
class RemovalOfMissingSaysTrue(_Removing):
    async def remove(self, key: str, expected: bytes) -> bool:
        return self.find(key) is None or await super().remove(key, expected)


@mutant("cas.4", "missing step", trap="compare_and_delete, then exists", also="basic.2")
class RemovalOnlyEmpties(_Removing):
    async def remove(self, key: str, expected: bytes) -> bool:
        return self.swap(key, expected, self.entry(b""))


@mutant("cas.4", "boundary", trap="compare_and_delete of an empty value")
class EmptyIsNeverRemoved(_Removing):
    async def remove(self, key: str, expected: bytes) -> bool:
        return expected != b"" and await super().remove(key, expected)


@mutant("cas.4", "race", trap="two concurrent compare_and_deletes, or a set during one", also="cas.6 basic.10")
class RemovalChecksThenDeletes(_Removing):
    async def remove(self, key: str, expected: bytes) -> bool:
        held = self.holds(key, expected)
        await step()
        if held:
            self.apply({key: None})
        return held


@mutant("cas.4", "wrong error", trap="compare_and_delete of another value than is there", also="cas.3")
class MismatchRaisesConflict(_Removing):
    async def remove(self, key: str, expected: bytes) -> bool:
        if self.find(key) is not None and not self.holds(key, expected):
            raise Conflict(f"zoo: compare_and_delete {key[:40]!a}: another value")
        return await super().remove(key, expected)


# cas.6: of concurrent swaps one succeeds


@mutant("cas.6", "race", trap="two concurrent swaps", also="cas.1 basic.10")
class ChecksThenSets(_Swapping):
    async def exchange(self, key: str, expected: bytes | None, new: bytes) -> bool:
        held = self.holds(key, expected)
        await step()
        if held:
            self.apply({key: self.entry(new)})
        return held


@mutant("cas.6", "scope", trap="two concurrent swaps by two clients", also="cas.1 basic.10")
class LockIsTheClients(ChecksThenSets):
    """Swaps of one client take turns; others have a lock of their own."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.lock = asyncio.Lock()

    async def exchange(self, key: str, expected: bytes | None, new: bytes) -> bool:
        async with self.lock:
            return await super().exchange(key, expected, new)


@mutant("cas.6", "missing lock", trap="a set during a compare_and_swap", also="cas.1 basic.10 basic.8")
class PlainSetTakesNoLock(ChecksThenSets):
    """Swaps take turns; plain writes slip in between comparison and write."""

    async def exchange(self, key: str, expected: bytes | None, new: bytes) -> bool:
        async with self.store.notes.setdefault((self.namespace, "swaps"), asyncio.Lock()):
            return await super().exchange(key, expected, new)


@mutant("cas.6", "lock lifetime", trap="tasks that swap one key, retry, and swap again", also="cas.1 basic.10")
class LockIsForgottenTooEarly(ChecksThenSets):
    """A lock for each key, dropped by the first who is done, though another still holds it then."""

    async def exchange(self, key: str, expected: bytes | None, new: bytes) -> bool:
        slot = self.namespace, "lock", key
        lock: asyncio.Lock = self.store.notes.setdefault(slot, asyncio.Lock())
        async with lock:
            try:
                return await super().exchange(key, expected, new)
            finally:
                self.store.notes.pop(slot, None)
