"""Mutants of the sixteenth examination: handles that are used again, pieces of a value, places that are not given back."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from copy import copy

from prism_testkit.interfaces import Bytes, KeyValueTransaction

from .declare import Mutant, declaring
from .reference import KeyValue, Transaction, step
from .stores import Entry, Store

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

_PIECE = 256 * 1024
_PLACES = 8


@mutant("transactional.7", "handle used again", trap="a call of a transaction that has ended while the next one is open")
class TransactionsAreUsedAgain(KeyValue):
    """What a transaction needs is made once, and kept for the next one."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.kept: list[Transaction] = []

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        transaction = self.kept.pop() if self.kept else self.transaction_type(self)
        transaction.reads, transaction.writes = {}, {}
        transaction.torn = transaction.ended = False
        try:
            yield transaction
        finally:
            transaction.ended = True
            done = copy(transaction)
            self.kept.append(transaction)
        await done.commit()


class _UpdatesInPlace(Transaction):
    async def set(self, key: str, value: Bytes) -> None:
        removed = self.writes.get(key, self) is None
        await super().set(key, value)
        old, new = self.driver.find(key), self.writes[key]
        if removed and old is not None and new is not None:
            self.writes[key] = Entry(new.value, old.deadline, old.given)


@mutant("ttl.3", "interaction", trap="a transaction deletes a key that has a deadline, and sets it", also="ttl.10")
class WhatIsDeletedAndSetIsUpdated(KeyValue):
    """A delete that is followed by a set is left out of the commit, which then takes the row for one to be updated."""

    transaction_type = _UpdatesInPlace


@mutant("basic.10", "torn value", trap="values of one length, longer than 256 KiB, are replaced while they are read")
class LongValuesAreReadInPieces(KeyValue):
    async def get(self, key: str) -> bytes | None:
        value = await super().get(key)
        if value is None or len(value) <= _PIECE:
            return value
        parts = []
        for place in range(0, len(value), _PIECE):
            now = await super().get(key)
            if now is None or len(now) != len(value):
                return now
            parts.append(now[place : place + _PIECE])
            await step()
        return b"".join(parts)


class _Places(KeyValue):
    """So many calls of a kind go on at once."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.places = asyncio.Semaphore(_PLACES)


@mutant("batch.6", "place not given back", trap="eight batches are cancelled", also="basic.11")
class ACancelledBatchKeepsItsPlace(_Places):
    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        await self.places.acquire()
        try:
            await step()
            await super().batch_set(items)
        except Exception:
            self.places.release()
            raise
        self.places.release()


@mutant("basic.11", "place not given back", trap="eight swaps are cancelled")
class ACancelledSwapKeepsItsPlace(_Places):
    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        await self.places.acquire()
        try:
            await step()
            done = await super().compare_and_swap(key, expected, new)
        except Exception:
            self.places.release()
            raise
        self.places.release()
        return done
