"""Mutants on whose cancelled calls something is left behind that only the next call of another kind shows."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from prism_testkit.interfaces import Bytes, KeyValueTransaction

from .declare import Mutant, declaring
from .reference import KeyValue, step

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("basic.11", "leftover", trap="a plain set behind a cancelled one with a time", also="ttl.3 ttl.1")
class ATimeThatWasCancelledIsOfTheNext(KeyValue):
    seconds_of_next: float | None = None

    async def set_with_ttl(self, key: str, value: Bytes, ttl_s: float) -> None:
        self.seconds_of_next = self.seconds(ttl_s, "set_with_ttl")
        await step()
        self.seconds_of_next = None
        await super().set_with_ttl(key, value, ttl_s)

    async def set(self, key: str, value: Bytes) -> None:
        seconds, self.seconds_of_next = self.seconds_of_next, None
        if seconds is None or seconds <= 0:
            await super().set(key, value)
        else:
            self.apply({self.name(key, "set"): self.entry(self.data(value, "set", key), seconds)})


@mutant("basic.11", "leftover", trap="an expire behind a cancelled persist", also="ttl.7 ttl.8")
class AnExpireBehindACancelledPersistPersists(KeyValue):
    persisting = False

    async def persist(self, key: str) -> bool:
        self.persisting = True
        await step()
        self.persisting = False
        return await super().persist(key)

    async def expire(self, key: str, ttl_s: float) -> bool:
        persisting, self.persisting = self.persisting, False
        if persisting and ttl_s > 0:
            return self.find(self.name(key, "expire")) is not None
        return await super().expire(key, ttl_s)


@mutant("basic.11", "leftover", trap="a batch behind a cancelled one", also="batch.1 batch.6")
class ABatchBehindACancelledOneHasItsItems(KeyValue):
    pending: dict[str, bytes] | None = None

    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        pending = dict(self.pending or {})
        self.pending = {**pending, **{key: bytes(value) for key, value in items.items() if isinstance(value, bytes)}}
        await step()
        self.pending = None
        await super().batch_set({**pending, **items})


@mutant("transactional.2", "leftover", trap="a transaction behind a cancelled one", also="transactional.1 basic.11")
class ATransactionBehindACancelledOneHasItsWrites(KeyValue):
    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        transaction = self.transaction_type(self)
        kept = self.store.notes.pop(("kept", self.namespace), {})
        self.store.notes["kept", self.namespace] = transaction.writes
        try:
            yield transaction
            await step()
        finally:
            transaction.ended = True
        self.store.notes.pop(("kept", self.namespace), None)
        transaction.writes.update({key: entry for key, entry in kept.items() if key not in transaction.writes})
        await transaction.commit()


@mutant("basic.11", "leftover", trap="a delete behind a cancelled read", also="basic.4 basic.2")
class ADeleteBehindACancelledReadOnlyReads(KeyValue):
    reading = False

    async def get(self, key: str) -> bytes | None:
        self.reading = True
        await step()
        self.reading = False
        return await super().get(key)

    def drop(self, key: str) -> bool:
        reading, self.reading = self.reading, False
        return self.find(key) is not None if reading else super().drop(key)


@mutant("scan.7", "leftover", trap="a scan behind one that was left", also="scan.1 scan.4 basic.11")
class TheLimitOfAScanThatWasLeftIsOfTheNext(KeyValue):
    limit_of_next: int | None = None

    async def scan_keys(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[str]:
        most, self.limit_of_next = limit if limit is not None else self.limit_of_next, limit
        async for key in super().scan_keys(prefix, most):
            yield key
        self.limit_of_next = None


@mutant("basic.11", "leftover", trap="a swap behind a cancelled batch_delete", also="cas.1 cas.3")
class ASwapBehindACancelledBatchFails(KeyValue):
    deleting = False

    async def batch_delete(self, keys: Sequence[str]) -> int:
        self.deleting = True
        await step()
        self.deleting = False
        return await super().batch_delete(keys)

    def holds(self, key: str, expected: bytes | None) -> bool:
        deleting, self.deleting = self.deleting, False
        return super().holds(key, expected) and not deleting
