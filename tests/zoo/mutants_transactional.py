"""Mutants of `KeyValueTransactional`: all or none, and what an exception discards."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prism_testkit.interfaces import Conflict, KeyValueTransaction

from .declare import Mutant, declaring
from .reference import KeyValue, Transaction, step
from .stores import Changes, Entry, Store

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# transactional.1: all or none


@mutant("transactional.1", "torn", trap="a read of two keys during a commit", also="transactional.5")
class CommitsKeyByKey(Transaction):
    async def commit(self) -> None:
        writes, self.writes = self.writes, {}
        await super().commit()
        for key, entry in writes.items():
            self.driver.apply({key: entry})
            await step()


@mutant("transactional.1", "phases", trap="a read during a commit that sets and deletes", also="transactional.5")
class DeletesBeforeItSets(Transaction):
    async def commit(self) -> None:
        writes = self.writes
        self.writes = {key: entry for key, entry in writes.items() if entry is None}
        await super().commit()
        await step()
        self.driver.apply({key: entry for key, entry in writes.items() if entry is not None})


@mutant(
    "transactional.1",
    "error in the middle",
    trap="a transaction that deletes a missing key after it set another",
    also="transactional.3 transactional.6",
)
class CommitStopsAtMissingDelete(Transaction):
    async def commit(self) -> None:
        writes, self.writes = self.writes, {}
        await super().commit()
        for key, entry in writes.items():
            if entry is None and self.driver.find(key) is None:
                raise Conflict(f"zoo: commit: {key[:40]!a} is gone")
            self.driver.apply({key: entry})


@mutant(
    "transactional.1",
    "cancellation",
    trap="a transaction cancelled while it commits",
    also="transactional.2 transactional.5 basic.11",
)
class CancelledCommitLeavesHalf(Transaction):
    """Reads see nothing of a commit before its end, but a cancelled one ends in the middle."""

    async def commit(self) -> None:
        writes, self.writes = self.writes, {}
        await super().commit()
        done: dict[str, Entry | None] = {}
        try:
            for number, (key, entry) in enumerate(writes.items()):
                done[key] = entry
                if number == 0:
                    await step()
        finally:
            self.driver.apply(done)


@mutant("transactional.1", "cap", trap="a transaction of more than 25 writes")
class CommitsTwentyFive(Transaction):
    """A service's largest transaction."""

    async def commit(self) -> None:
        self.writes = dict(list(self.writes.items())[:25])
        await super().commit()


@mutant("transactional.1", "boundary", trap="a transaction that sets an empty value", also="transactional.3 basic.1")
class CommitDeletesEmpty(Transaction):
    async def commit(self) -> None:
        self.writes = {key: entry if entry and entry.value else None for key, entry in self.writes.items()}
        await super().commit()


@mutant("transactional.1", "missing step", trap="a transaction that deletes", also="transactional.3")
class CommitForgetsDeletes(Transaction):
    async def commit(self) -> None:
        self.writes = {key: entry for key, entry in self.writes.items() if entry is not None}
        await super().commit()


@mutant("transactional.1", "dedupe", trap="a transaction that sets two keys to one value")
class CommitStoresEqualValuesOnce(Transaction):
    async def commit(self) -> None:
        seen: set[bytes] = set()
        for key, entry in list(self.writes.items()):
            if entry is not None and entry.value in seen:
                del self.writes[key]
            elif entry is not None:
                seen.add(entry.value)
        await super().commit()


# transactional.2: an exception discards


@mutant("transactional.2", "missing step", trap="an exception in the body", also="transactional.1")
class CommitsOnException(KeyValue):
    """Commits in ``finally``."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        transaction = self.transaction_type(self)
        try:
            yield transaction
        finally:
            transaction.ended = True
            await transaction.commit()


@mutant("transactional.2", "missing case", trap="the body is cancelled", also="transactional.1 basic.11")
class CommitsOnCancellation(KeyValue):
    """``except Exception`` rolls back; a cancellation is not one."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        transaction = self.transaction_type(self)
        failed = False
        try:
            yield transaction
        except Exception:
            failed = True
            raise
        finally:
            transaction.ended = True
            if not failed:
                await transaction.commit()


class _Leaving(KeyValue):
    """What is done with an exception of the body."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        transaction = self.transaction_type(self)
        try:
            yield transaction
        except BaseException as error:
            transaction.ended = True
            if not self.swallowed(transaction, error):
                raise
            return
        transaction.ended = True
        await transaction.commit()

    def swallowed(self, transaction: Transaction, error: BaseException) -> bool:
        raise NotImplementedError


@mutant("transactional.2", "swallowing", trap="an exception in the body")
class SwallowsException(_Leaving):
    def swallowed(self, transaction: Transaction, error: BaseException) -> bool:
        return isinstance(error, Exception)


@mutant("transactional.2", "swallowing", trap="the body is cancelled")
class SwallowsCancellation(_Leaving):
    def swallowed(self, transaction: Transaction, error: BaseException) -> bool:
        return isinstance(error, asyncio.CancelledError)


@mutant("transactional.2", "wrong error", trap="an exception in the body")
class WrapsException(_Leaving):
    def swallowed(self, transaction: Transaction, error: BaseException) -> bool:
        if isinstance(error, Exception):
            raise RuntimeError("zoo: the transaction was rolled back") from error
        return False


@mutant("transactional.2", "masking", trap="an exception in the body, after another client changed what was read")
class ConflictMasksException(_Leaving):
    """Validates on the way out, whatever the way."""

    def swallowed(self, transaction: Transaction, error: BaseException) -> bool:
        if isinstance(error, Exception) and transaction.stale():
            raise Conflict("zoo: rollback: what was read has changed") from error
        return False


@mutant("transactional.2", "lost write", trap="an exception in the body, after somebody else wrote one of its keys", also="basic.8")
class RollbackRestoresOldValues(_Leaving):
    """Undoes what it never did: puts back what it had read of the keys it was going to write."""

    def swallowed(self, transaction: Transaction, error: BaseException) -> bool:
        self.apply({key: transaction.reads[key] for key in transaction.writes if key in transaction.reads})
        return False


@mutant(
    "transactional.2",
    "sticky state",
    trap="an exception in the body, then another transaction of the same client",
    also="transactional.1",
)
class RolledBackWritesStay(_Leaving):
    """The buffer is the client's, and is emptied by a commit."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.left_over: dict[str, Entry | None] = {}

    def swallowed(self, transaction: Transaction, error: BaseException) -> bool:
        self.left_over = transaction.writes
        return False

    def apply(self, changes: Changes) -> None:
        super().apply({**self.left_over, **changes})
        self.left_over = {}
