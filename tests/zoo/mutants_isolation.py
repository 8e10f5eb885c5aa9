"""Mutants of `KeyValueTransactional`: what a transaction sees of itself, and what others see of it before its exit."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from prism_testkit.interfaces import Bytes, KeyValueTransaction

from .declare import Mutant, declaring
from .reference import KeyValue, Transaction
from .stores import Entry, Store

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# transactional.3: inside, own writes are seen


@mutant("transactional.3", "missing step")
class OwnWritesAreInvisible(Transaction):
    def look(self, key: str) -> Entry | None:
        entry = self.driver.find(key)
        self.reads.setdefault(key, entry)
        return entry


@mutant("transactional.3", "missing case", trap="get of a key that the transaction deleted")
class OwnDeletesAreInvisible(Transaction):
    def look(self, key: str) -> Entry | None:
        own = self.writes.get(key)
        entry = self.driver.find(key)
        if own is None:
            self.reads.setdefault(key, entry)
        return own or entry


@mutant("transactional.3", "order of writes", trap="a key set twice in a transaction")
class FirstWriteWins(Transaction):
    async def set(self, key: str, value: Bytes) -> None:
        first = self.writes.get(key)
        await super().set(key, value)
        self.writes[key] = first or self.writes[key]


@mutant("transactional.3", "order of writes", trap="a key deleted, then set, in a transaction", also="transactional.1")
class DeletesGoLast(Transaction):
    """Two lists, of sets and of deletes, applied one after the other."""

    def __init__(self, driver: KeyValue) -> None:
        super().__init__(driver)
        self.deleted: set[str] = set()

    async def delete(self, key: str) -> bool:
        self.deleted.add(self.driver.name(key, "transaction delete"))
        return await super().delete(key)

    async def commit(self) -> None:
        self.writes.update(dict.fromkeys(self.deleted))
        await super().commit()


@mutant("transactional.3", "wrong result", trap="delete of a key that only the transaction set")
class DeleteLooksAtStore(Transaction):
    async def delete(self, key: str) -> bool:
        await super().delete(key)
        return self.driver.find(key) is not None


@mutant("transactional.3", "wrong result", trap="a key deleted twice in a transaction")
class SecondDeleteInsideSaysTrue(Transaction):
    async def delete(self, key: str) -> bool:
        before = key in self.writes and self.writes[key] is None and self.driver.find(key) is not None
        return await super().delete(key) or before


@mutant("transactional.3", "boundary", trap="get of an empty value that the transaction set")
class OwnEmptyWriteIsInvisible(Transaction):
    def look(self, key: str) -> Entry | None:
        own = self.writes.get(key)
        return self.driver.find(key) if own is not None and not own.value else super().look(key)


@mutant("transactional.3", "stale cache", trap="get, set and get of one key in a transaction")
class ReadsAreRepeated(Transaction):
    """A repeatable read, of what was written since too."""

    def look(self, key: str) -> Entry | None:
        return self.reads[key] if key in self.writes and self.reads.get(key) is not None else super().look(key)


# transactional.4: buffered; a plain call never waits

_DIRTY = "transactional.1 transactional.2 transactional.5 transactional.6"


class _WritingThrough(Transaction):
    """Writes go to the store at once; no exception undoes them."""

    def write(self, key: str) -> None:
        self.driver.apply({key: self.writes[key]})
        if key in self.reads:
            self.reads[key] = self.writes[key]


@mutant(
    "transactional.4",
    "dirty write",
    trap="a read by another while a transaction is open",
    also="transactional.1 transactional.2 transactional.6",
)
class WritesAtOnce(_WritingThrough):
    async def set(self, key: str, value: Bytes) -> None:
        await super().set(key, value)
        self.write(key)


@mutant(
    "transactional.4",
    "dirty write",
    trap="a read by another after an open transaction deleted",
    also="transactional.2 transactional.6",
)
class DeletesAtOnce(_WritingThrough):
    async def delete(self, key: str) -> bool:
        present = await super().delete(key)
        self.write(key)
        return present


@mutant(
    "transactional.4",
    "overflow",
    trap="a transaction of more than 32 writes, while it is open",
    also="transactional.1 transactional.2",
)
class FullBufferIsFlushed(_WritingThrough):
    async def set(self, key: str, value: Bytes) -> None:
        await super().set(key, value)
        for name in list(self.writes) if len(self.writes) > 32 else ():
            self.write(name)


@mutant("transactional.4", "scope", trap="a plain get by the client that has a transaction open", also="transactional.2")
class PlainGetSeesOpenTransaction(KeyValue):
    """The session has one view, inside and outside."""

    transactions: tuple[Transaction, ...] = ()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        async with super().transaction() as transaction:
            assert isinstance(transaction, Transaction)
            self.transactions = (*self.transactions, transaction)
            try:
                yield transaction
            finally:
                self.transactions = tuple(other for other in self.transactions if other is not transaction)

    async def get(self, key: str) -> bytes | None:
        for transaction in self.transactions:
            if key in transaction.writes:
                entry = transaction.writes[key]
                return None if entry is None else entry.value
        return await super().get(key)


@mutant("transactional.4", "scope", trap="a scan or count while a transaction is open", also="scan.1 scan.5")
class ListingSeesOpenTransaction(PlainGetSeesOpenTransaction):
    """Listing goes through the session's buffer, single reads do not."""

    get = KeyValue.get

    def new(self, prefix: str) -> dict[str, Entry]:
        writes = {key: entry for transaction in self.transactions for key, entry in transaction.writes.items()}
        return {k: e for k, e in writes.items() if e is not None and self.matches(k, prefix) and self.find(k) is None}

    async def walk(self, prefix: str, limit: int | None) -> AsyncGenerator[tuple[str, Entry], None]:
        given = 0
        async for found in super().walk(prefix, limit):
            given += 1
            yield found
        for found in list(self.new(prefix).items())[: None if limit is None else limit - given]:
            yield found

    async def count(self, prefix: str = "") -> int:
        return await super().count(prefix) + len(self.new(prefix))


class _LockingTransactions(KeyValue):
    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.lock: asyncio.Lock = store.notes.setdefault((namespace, "lock"), asyncio.Lock())

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        async with self.lock, super().transaction() as transaction:
            yield transaction


@mutant("transactional.4", "lock", trap="a plain set while a transaction is open", also="transactional.7")
class PlainSetWaitsForTransaction(_LockingTransactions):
    """BEGIN IMMEDIATE."""

    async def set(self, key: str, value: Bytes) -> None:
        async with self.lock:
            await super().set(key, value)


@mutant("transactional.4", "lock", trap="a plain get of what an open transaction has written")
class PlainGetWaitsForWriter(KeyValue):
    """A row lock, that readers wait for too."""

    async def get(self, key: str) -> bytes | None:
        name = self.name(key, "get")
        lock: asyncio.Event | None = self.store.notes.get((self.namespace, name))
        if lock is not None:
            await lock.wait()
        return await super().get(name)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        freed = asyncio.Event()
        transaction = _RowLocking(self)
        transaction.freed = freed
        try:
            yield transaction
        finally:
            transaction.ended = True
            freed.set()
        await transaction.commit()


class _RowLocking(Transaction):
    freed: asyncio.Event

    async def set(self, key: str, value: Bytes) -> None:
        await super().set(key, value)
        self.driver.store.notes[self.driver.namespace, key] = self.freed
