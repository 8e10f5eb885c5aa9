"""Mutants of `KeyValueBasic` that are wrong only when calls overlap, or when one is cancelled."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, TypeVar

from prism_testkit.interfaces import Bytes

from .declare import Mutant, declaring
from .reference import KeyValue, step
from .stores import Changes, Entry, Store

__all__ = ["MUTANTS", "Locked"]

T = TypeVar("T")

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# basic.10: calls on one key are linearizable


def _half(new: bytes, old: Entry | None) -> bytes:
    """Return the first half of the new value and what the old one has after it."""
    middle = len(new) // 2
    return new[:middle] + (old.value[middle:] if old is not None else b"")


@mutant("basic.10", "torn", trap="a read during a set", also="basic.11")
class WritesInHalves(KeyValue):
    async def set(self, key: str, value: Bytes) -> None:
        name, data = self.name(key, "set"), self.data(value, "set", key)
        self.apply({name: self.entry(_half(data, self.find(name)))})
        await step()
        await super().set(name, data)


@mutant("basic.10", "torn", trap="a set of a value of another length during a get")
class ReadsInHalves(KeyValue):
    async def get(self, key: str) -> bytes | None:
        name = self.name(key, "get")
        first = self.find(name)
        await step()
        last = self.find(name)
        if first is None or last is None:
            return None if last is None else last.value
        middle = len(first.value) // 2
        return first.value[:middle] + last.value[middle:]


@mutant("basic.10", "gap", trap="a read during an overwrite", also="basic.11")
class RemovesThenInserts(KeyValue):
    async def set(self, key: str, value: Bytes) -> None:
        name, data = self.name(key, "set"), self.data(value, "set", key)
        self.drop(name)
        await step()
        await super().set(name, data)


@mutant("basic.10", "lost update", trap="two concurrent sets, of different keys too", also="basic.1 basic.8")
class PublishesOldCopy(KeyValue):
    """Copies all rows, changes the copy, and publishes it a moment later."""

    async def set(self, key: str, value: Bytes) -> None:
        name, data = self.name(key, "set"), self.data(value, "set", key)
        rows = {**self.rows(), name: self.entry(data)}
        await step()
        self.store.spaces[self.namespace] = rows


@mutant("basic.10", "stale cache", trap="a set during a get, then another get", also="basic.8 basic.5")
class RefillsCacheLate(KeyValue):
    """A get fills the cache with what it read before it waited; a set in between had just emptied it."""

    async def get(self, key: str) -> bytes | None:
        name = self.name(key, "get")
        slot = self.namespace, name
        if slot not in self.store.notes:
            entry = self.find(name)
            await step()
            if entry is None or entry.deadline is not None:
                return None if entry is None else entry.value
            self.store.notes[slot] = entry
        cached: Entry = self.store.notes[slot]
        return cached.value

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        for key in changes:
            self.store.notes.pop((self.namespace, key), None)


@mutant("basic.10", "duplicate effect", trap="two concurrent sets and a reader of both")
class AppliesTwice(KeyValue):
    """Sends again what was not answered at once."""

    async def set(self, key: str, value: Bytes) -> None:
        name, data = self.name(key, "set"), self.data(value, "set", key)
        await super().set(name, data)
        await step()
        await step()
        await super().set(name, data)


@mutant("basic.10", "wrong error", trap="a delete during a get", also="basic.2")
class LooksBeforeItReads(KeyValue):
    """Asks whether the key is there, and is sure that it still is a moment later."""

    async def get(self, key: str) -> bytes | None:
        name = self.name(key, "get")
        if self.find(name) is None:
            return None
        await step()
        return self.rows()[name].value


# basic.11: cancellation


def _locked(method: Callable[..., Coroutine[Any, Any, T]]) -> Callable[..., Coroutine[Any, Any, T]]:
    @wraps(method)
    async def locked(self: "Locked", *args: Any, **kwargs: Any) -> T:
        async with self.lock:
            return await method(self, *args, **kwargs)

    return locked


class Locked(KeyValue):
    """One lock for all calls on single keys, so that nobody sees what goes on inside."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.lock: asyncio.Lock = store.notes.setdefault((namespace, "lock"), asyncio.Lock())

    set = _locked(KeyValue.set)
    get = _locked(KeyValue.get)
    delete = _locked(KeyValue.delete)
    exists = _locked(KeyValue.exists)
    compare_and_swap = _locked(KeyValue.compare_and_swap)
    compare_and_delete = _locked(KeyValue.compare_and_delete)
    count = _locked(KeyValue.count)
    batch_get = _locked(KeyValue.batch_get)
    batch_delete = _locked(KeyValue.batch_delete)


@mutant("basic.11", "torn", trap="a set cancelled while it waits")
class CancelledSetLeavesHalf(Locked):
    async def set(self, key: str, value: Bytes) -> None:
        name, data = self.name(key, "set"), self.data(value, "set", key)
        async with self.lock:
            self.apply({name: self.entry(_half(data, self.find(name)))})
            await step()
            await KeyValue.set(self, name, data)


@mutant("basic.11", "lost write", trap="an overwrite cancelled while it waits")
class CancelledSetLosesOld(Locked):
    async def set(self, key: str, value: Bytes) -> None:
        name, data = self.name(key, "set"), self.data(value, "set", key)
        async with self.lock:
            self.drop(name)
            await step()
            await KeyValue.set(self, name, data)


@mutant("basic.11", "leak", trap="a set cancelled while it waits, then any call")
class CancelledSetKeepsLock(Locked):
    """Releases without ``finally``."""

    async def set(self, key: str, value: Bytes) -> None:
        name, data = self.name(key, "set"), self.data(value, "set", key)
        await self.lock.acquire()
        await step()
        await KeyValue.set(self, name, data)
        self.lock.release()


@mutant("basic.11", "leak", trap="four gets cancelled while they wait, then another")
class CancelledGetsDrainPool(KeyValue):
    """A pool of four connections, to which a cancelled call returns none."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.pool = asyncio.Semaphore(4)

    async def get(self, key: str) -> bytes | None:
        name = self.name(key, "get")
        await self.pool.acquire()
        await step()
        value = await super().get(name)
        self.pool.release()
        return value


@mutant("basic.11", "wrong result", trap="a get cancelled while it waits, then a get of another key", also="basic.1 basic.10")
class AnswerOfCancelledGetStays(KeyValue):
    """One connection, pipelined: whoever waits takes the oldest answer. redis-py once did (issue 2665)."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.answers: deque[bytes | None] = deque()

    async def get(self, key: str) -> bytes | None:
        self.answers.append(await super().get(key))
        await step()
        return self.answers.popleft()


@mutant("basic.11", "side effect", trap="a delete cancelled while it waits")
class CancelledDeleteEmptiesValue(Locked):
    """Blanks the row, then removes it."""

    async def delete(self, key: str) -> bool:
        name = self.name(key, "delete")
        async with self.lock:
            if self.find(name) is None:
                return False
            self.apply({name: self.entry(b"")})
            await step()
            return self.drop(name)
