"""Mutants of `KeyValueTransactional`: calls after the exit, transactions side by side, and what is refused inside one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prism_testkit.interfaces import Bytes, Conflict, InvalidName, KeyValueTransaction, PayloadTooLarge, PrismError

from .declare import Mutant, declaring
from .reference import KeyValue, Transaction
from .stores import Entry, Store

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# transactional.7: the end, and transactions side by side


class _Lasting(Transaction):
    def check_open(self, operation: str) -> None:
        return


@mutant("transactional.7", "missing check", trap="a call after the exit")
class UsableAfterExit(_Lasting):
    pass


@mutant("transactional.7", "late write", trap="a set after the exit", also="transactional.1")
class WritesAfterExitGoThrough(_Lasting):
    async def set(self, key: str, value: Bytes) -> None:
        await super().set(key, value)
        if self.ended:
            self.driver.apply({key: self.writes[key]})


@mutant("transactional.7", "wrong error", trap="a call after the exit")
class EndedRaisesRuntimeError(Transaction):
    def check_open(self, operation: str) -> None:
        if self.ended:
            raise RuntimeError(f"zoo: {operation}: the transaction has ended")


@mutant("transactional.7", "missing case", trap="a call after an exit by an exception or a conflict")
class OnlyCommitEnds(KeyValue):
    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        transaction = self.transaction_type(self)
        yield transaction
        await transaction.commit()
        transaction.ended = True


@mutant(
    "transactional.7",
    "shared state",
    trap="two open transactions of one client",
    also="transactional.1 transactional.3 transactional.4",
)
class TransactionsShareBuffer(KeyValue):
    """The buffer is the client's."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.buffer: dict[str, Entry | None] = {}
        self.opened = 0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        self.buffer = self.buffer if self.opened else {}
        self.opened += 1
        try:
            async with super().transaction() as transaction:
                assert isinstance(transaction, Transaction)
                transaction.writes = self.buffer
                yield transaction
        finally:
            self.opened -= 1


@mutant("transactional.7", "lock", trap="two open transactions of one client")
class OneTransactionAtATime(KeyValue):
    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.turn = asyncio.Lock()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        async with self.turn, super().transaction() as transaction:
            yield transaction


@mutant("transactional.7", "shared state", trap="two open transactions of one client, the inner one left first")
class InnerExitEndsOuter(KeyValue):
    """The end is noted at the session."""

    transactions: tuple[Transaction, ...] = ()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        transaction = self.transaction_type(self)
        self.transactions = (*self.transactions, transaction)
        try:
            yield transaction
        finally:
            for other in self.transactions:
                other.ended = True
            self.transactions = ()
        await transaction.commit()


# transactional.8: what is refused inside


class _Refusing(Transaction):
    """What a refused set does to the transaction."""

    async def set(self, key: str, value: Bytes) -> None:
        try:
            await super().set(key, value)
        except PrismError:
            self.refused()
            raise

    def refused(self) -> None:
        raise NotImplementedError


@mutant("transactional.8", "sticky state", trap="a refused set, then other calls of the transaction")
class RefusalEndsTransaction(_Refusing):
    """The current transaction is aborted, commands are ignored until its end."""

    def refused(self) -> None:
        self.ended = True


@mutant("transactional.8", "lost write", trap="a refused set after others, then the commit")
class RefusalEmptiesBuffer(_Refusing):
    def refused(self) -> None:
        self.writes.clear()


@mutant("transactional.8", "sticky state", trap="a refused set, then the commit", also="transactional.6")
class RefusalForbidsCommit(_Refusing):
    def refused(self) -> None:
        self.reads["\0"] = Entry(b"")


@mutant("transactional.8", "order of steps", trap="a refused set")
class RefusesAtCommit(Transaction):
    async def set(self, key: str, value: Bytes) -> None:
        self.check_open("set")
        if not isinstance(key, str) or not isinstance(value, bytes | bytearray | memoryview):
            await super().set(key, value)
        self.writes[key] = Entry(bytes(value))

    async def commit(self) -> None:
        for key, entry in self.writes.items():
            self.driver.name(key, "commit")
            self.driver.data(b"" if entry is None else entry.value, "commit", key)
        await super().commit()


@mutant("transactional.8", "order of steps", trap="a value over the limit set in a transaction that goes on")
class BuffersWhatItRefuses(Transaction):
    """Puts it into the buffer, then measures."""

    async def set(self, key: str, value: Bytes) -> None:
        try:
            await super().set(key, value)
        except PayloadTooLarge:
            self.writes[key] = Entry(bytes(value))
            raise


@mutant("transactional.8", "missing check", trap="get or delete of a name that is refused, in a transaction", also="basic.6")
class ReadsInsideAcceptAnyName(Transaction):
    async def get(self, key: str) -> bytes | None:
        self.check_open("get")
        found = self.look(key)
        return None if found is None else found.value

    async def delete(self, key: str) -> bool:
        try:
            return await super().delete(key)
        except InvalidName:
            return False


@mutant("transactional.8", "wrong error", trap="a name that is refused, in a transaction", also="basic.6")
class BadNameInsideRaisesConflict(Transaction):
    """Every error of a transaction is a conflict."""

    async def set(self, key: str, value: Bytes) -> None:
        try:
            await super().set(key, value)
        except InvalidName as error:
            raise Conflict(f"zoo: transaction set: {error}") from error
