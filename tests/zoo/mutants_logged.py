"""Mutants that log what comes to nothing: it is there when the log is read again."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from prism_testkit.interfaces import Bytes, Conflict, KeyValueTransaction

from .declare import Mutant, declaring
from .reference import FileKeyValue
from .stores import Changes, Entry, FileStore

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _Logging(FileKeyValue):
    def log(self, changes: Changes) -> None:
        """Write to the log alone."""
        assert isinstance(self.store, FileStore)
        self.store.log(self.namespace, changes)


@mutant("basic.12", "log before check", trap="a swap that failed, and a kill", also="cas.3")
class SwapsThatFailAreLogged(_Logging):
    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        done = await super().compare_and_swap(key, expected, new)
        if not done:
            self.log({key: self.entry(bytes(new))})
        return done


@mutant("basic.12", "log before check", trap="a comparison that failed, and a kill", also="cas.3")
class ComparisonsThatFailAreLogged(_Logging):
    async def compare_and_delete(self, key: str, expected: Bytes) -> bool:
        done = await super().compare_and_delete(key, expected)
        if not done and self.find(key) is not None:
            self.log({key: None})
        return done


@mutant("basic.12", "log before check", trap="a transaction that conflicted, and a kill", also="transactional.6 transactional.1")
class ConflictsAreLogged(_Logging):
    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        transaction = self.transaction_type(self)
        try:
            yield transaction
        finally:
            transaction.ended = True
        try:
            await transaction.commit()
        except Conflict:
            self.log(transaction.writes)
            raise


@mutant("basic.12", "log before check", trap="a transaction whose body raised, and a kill", also="transactional.2")
class DiscardedTransactionsAreLogged(_Logging):
    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        transaction = self.transaction_type(self)
        try:
            yield transaction
        except BaseException:
            self.log(transaction.writes)
            raise
        finally:
            transaction.ended = True
        await transaction.commit()


@mutant("basic.12", "log before check", trap="a batch that was refused, and a kill", also="batch.5")
class RefusedBatchesAreLogged(_Logging):
    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        try:
            await super().batch_set(items)
        except Exception:
            self.log(
                {key: Entry(bytes(value)) for key, value in items.items() if key and isinstance(value, bytes) and len(value) < 99}
            )
            raise


@mutant("ttl.12", "log before check", trap="an expire that was refused, and a kill", also="ttl.9 basic.12")
class RefusedTimesAreLogged(_Logging):
    async def expire(self, key: str, ttl_s: float) -> bool:
        try:
            return await super().expire(key, ttl_s)
        except (ValueError, TypeError):
            entry = self.find(key)
            if entry is not None:
                self.log({key: Entry(entry.value)})
            raise
