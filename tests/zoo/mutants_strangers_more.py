"""Mutants of strangers, the third round: looks that are shared, locks in an order, an item's place in a batch."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from typing import Any

from prism_testkit.interfaces import Bytes

from .declare import Mutant, declaring
from .reference import KeyValue, Transaction, step
from .stores import Entry, Store

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _Flights(KeyValue):
    """Gets of one key that overlap are one look."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.flights: dict[str, asyncio.Future[bytes | None]] = {}


@mutant(
    "basic.8",
    "shared look",
    trap="a get that begins after a set returned, while an older get is under way",
    also="basic.10 basic.1",
)
class GetsJoinAnOlderLook(_Flights):
    async def get(self, key: str) -> bytes | None:
        name = self.name(key, "get")
        if name in self.flights:
            return await asyncio.shield(self.flights[name])
        flight = self.flights[name] = asyncio.get_running_loop().create_future()
        entry = self.find(name)
        found = None if entry is None else self.value(entry)
        try:
            await step()
        finally:
            del self.flights[name]
            flight.set_result(found)
        return found


@mutant("basic.11", "shared look", trap="of two gets of one key at once the first is cancelled", also="basic.10 basic.1")
class CancelledLeaderCancelsItsFollowers(_Flights):
    async def get(self, key: str) -> bytes | None:
        name = self.name(key, "get")
        if name in self.flights:
            return await asyncio.shield(self.flights[name])
        flight = self.flights[name] = asyncio.get_running_loop().create_future()
        try:
            await step()
        except asyncio.CancelledError:
            flight.cancel()
            raise
        finally:
            del self.flights[name]
        entry = self.find(name)
        flight.set_result(None if entry is None else self.value(entry))
        return flight.result()


class _LocksInOrder(Transaction):
    async def commit(self) -> None:
        locks = self.driver.store.notes
        held: list[asyncio.Lock] = []
        try:
            for key in self.writes:
                lock = locks.setdefault((self.driver.namespace, key), asyncio.Lock())
                await lock.acquire()
                held.append(lock)
                await step()
            await super().commit()
        finally:
            for lock in held:
                lock.release()


@mutant(
    "transactional.6",
    "deadlock",
    trap="two transactions that write two keys, each in its own order",
    also="transactional.5 transactional.7",
)
class CommitsLockInTheirOrder(KeyValue):
    transaction_type = _LocksInOrder


@mutant("ttl.3", "place in a batch", trap="a batch_set whose last key has a deadline", also="batch.1")
class TheLastOfABatchKeepsItsDeadline(KeyValue):
    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        last = next(reversed(list(items)), None)
        old = self.find(self.name(last, "batch_set")) if last is not None else None
        await super().batch_set(items)
        if last is not None and old is not None and old.deadline is not None and len(items) > 1:
            now = self.find(last)
            assert now is not None
            self.apply({last: replace(now, deadline=old.deadline, given=old.given)})


@mutant("cas.5", "argument of another type", trap="an expected value as a view", also="cas.1 cas.4")
class ExpectedIsComparedAsGiven(KeyValue):
    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        name, data = self.name(key, "compare_and_swap"), self.data(new, "compare_and_swap", key)
        if expected is not None:
            self.data(expected, "compare_and_swap", key)
        entry = self.find(name)
        if (None if entry is None else entry.value) != expected:
            return False
        self.apply({name: self.entry(data)})
        return True


@mutant("scan.7", "cleanup", trap="a scan that is closed before its first step", also="scan.1")
class UnbegunScansStayOpen(KeyValue):
    """A scan takes its slot when it is made, and gives it back in its generator, which never began."""

    slots = 64

    def scan(self, prefix: str = "", limit: int | None = None) -> Any:
        used = self.store.notes.setdefault(("scans", self.namespace), [0])
        if used[0] >= self.slots:
            raise RuntimeError("too many scans are open")
        used[0] += 1
        inner = super().scan(prefix, limit)

        async def walk() -> AsyncGenerator[Any, None]:
            try:
                async for pair in inner:
                    yield pair
            finally:
                used[0] -= 1

        return walk()


@mutant("ttl.7", "stale timer", trap="expire, persist, and a long while", also="ttl.8 ttl.10 ttl.1")
class ExpireLeavesItsTimer(KeyValue):
    """The instants of expire are kept beside the keys; persist and set do not take them away, a delete does."""

    async def expire(self, key: str, ttl_s: float) -> bool:
        done = await super().expire(key, ttl_s)
        if done and ttl_s > 0:
            self.store.notes[self.namespace, key] = self.now() + ttl_s
        return done

    async def delete(self, key: str) -> bool:
        self.store.notes.pop((self.namespace, key), None)
        return await super().delete(key)

    def find(self, key: str) -> Entry | None:
        due = self.store.notes.get((self.namespace, key))
        if due is not None and self.now() >= due:
            del self.store.notes[self.namespace, key]
            self.apply({key: None})
        return super().find(key)
