"""Wrong drivers over a log of events: transactions, batches and swaps that look at the wrong versions."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from prism_testkit.interfaces import Bytes, Conflict, KeyValueTransaction

from .declare import HOME, Mutant
from .family import declaring_family
from .independent import make
from .independent_log import Change, EventFile, EventKeyValue, EventLog, EventTransaction

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_family(MUTANTS, prefix="keyvalue_", make=make, home=HOME)


@mutant("transactional.1", "durability", trap="a kill in a commit of several keys")
class CommitsLineByLine(EventFile):
    """Each change of an event is a line of its own."""

    def record(self, space: str, changes: Sequence[Change]) -> None:
        for change in changes:
            super().record(space, [change])


@mutant("transactional.2", "rollback", trap="a body that is cancelled", also="basic.11")
class CommitsWhatWasCancelled(EventKeyValue):
    """Only an ``Exception`` discards; a cancelled body is committed."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        with self.log.look() as number:
            transaction = self.transaction_type(self, number)
            failed = False
            try:
                yield transaction
            except Exception:
                failed = True
                raise
            finally:
                transaction.open = False
                if not failed:
                    await transaction.commit()


@mutant("transactional.2", "rollback", trap="a body that raises Conflict itself")
class SwallowsConflictsOfTheBody(EventKeyValue):
    """A ``Conflict`` of the body is taken for one of a commit, and the block is left in peace."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        with self.log.look() as number:
            transaction = self.transaction_type(self, number)
            try:
                yield transaction
            except Conflict:
                return
            finally:
                transaction.open = False
            await transaction.commit()


@mutant("transactional.3", "own writes", trap="set, delete and set of one key in a transaction", also="transactional.1")
class RemovesAtTheEnd(EventTransaction):
    """Removals are carried out behind the writes, whatever came last."""

    def __init__(self, driver: EventKeyValue, number: int) -> None:
        super().__init__(driver, number)
        self.removed: set[str] = set()

    async def delete(self, key: str) -> bool:
        if await super().delete(key):
            self.removed.add(key)
            return True
        return False

    def apply(self) -> None:
        for key in self.removed:
            if self.driver.version(key) is None:
                self.changes[key] = Change(key, None)
        super().apply()


@mutant("transactional.4", "waiting", trap="count while a transaction that wrote is open")
class CountsWaitForCommits(EventKeyValue):
    """`count` waits until the transaction that was opened last is over."""

    def __init__(self, log: EventLog, namespace: str) -> None:
        super().__init__(log, namespace)
        self.over = asyncio.Event()
        self.over.set()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        self.over.clear()
        try:
            async with super().transaction() as transaction:
                yield transaction
        finally:
            self.over.set()

    async def count(self, prefix: str = "") -> int:
        await self.over.wait()
        return await super().count(prefix)


@mutant("transactional.5", "isolation", trap="a key that was missing when it was read, and was created since")
class MissingIsNotCompared(EventTransaction):
    """A key that was missing is not compared."""

    def valid(self) -> bool:
        return not self.torn and all(number is None or self.current(key) == number for key, number in self.seen.items())


@mutant("transactional.5", "isolation", trap="two transactions that each read what the other writes")
class ComparesWhatItWrites(EventTransaction):
    """Snapshot isolation: only keys that are also written are compared (write skew)."""

    def valid(self) -> bool:
        return all(self.current(key) == number for key, number in self.seen.items() if key in self.changes)


@mutant("transactional.5", "isolation", trap="a key expires between its read and the commit")
class DeadlinesAreNotCompared(EventTransaction):
    """Compared are versions, whether their deadline has passed or not."""

    def current(self, key: str) -> int | None:
        history = self.driver.log.spaces.get(self.driver.space, {}).get(key)
        if not history or history[-1].change.value is None:
            return None
        if history[-1].change.due_ns is not None and key in self.seen and self.seen[key] is None:
            return super().current(key)
        return history[-1].number


@mutant("transactional.5", "isolation", trap="delete of a missing key that is created before the commit")
class DeletesBlindly(EventTransaction):
    """What `delete` told is not among the reads."""

    async def delete(self, key: str) -> bool:
        before = dict(self.seen)
        present = await super().delete(key)
        self.seen = before
        return present


@mutant("transactional.5", "isolation", trap="a read-only transaction whose second read is later than a write")
class ReadersAreNotCompared(EventTransaction):
    """Each read gives the latest, and a transaction that writes nothing is not compared."""

    def find(self, key: str) -> bytes | None:
        self.number = self.driver.log.last
        return super().find(key)

    def valid(self) -> bool:
        return not self.changes or super().valid()


@mutant(
    "transactional.6",
    "left behind",
    trap="a transaction that conflicted, then one of the same driver",
    also="transactional.5 transactional.7",
)
class ReadsStayOnTheDriver(EventTransaction):
    """What was read is kept on the driver until a commit succeeds."""

    def __init__(self, driver: EventKeyValue, number: int) -> None:
        super().__init__(driver, number)
        self.seen = driver.__dict__.setdefault("seen", {})

    async def commit(self) -> None:
        await super().commit()
        self.seen.clear()


@mutant("transactional.7", "after the end", trap="a call after a block that was left by an exception or a conflict")
class OpenAfterAFailure(EventKeyValue):
    """A transaction is closed by its commit only."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        with self.log.look() as number:
            transaction = self.transaction_type(self, number)
            yield transaction
            await transaction.commit()
            transaction.open = False


@mutant("transactional.8", "refusal", trap="a refused write of a key that was written in the transaction")
class RefusalForgetsTheKey(EventTransaction):
    """A write begins by forgetting the one before, and is refused after that."""

    async def set(self, key: str, value: Bytes) -> None:
        key = self.enter(key, "set")
        self.changes.pop(key, None)
        await super().set(key, value)


@mutant("batch.1", "portions", trap="a batch of a multiple of a hundred items")
class LeavesTheLastPortion(EventKeyValue):
    """Items are written by hundreds, the rest at the end; a full last hundred is taken for a rest of none."""

    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        if len(items) > 100 and len(items) % 100 == 0:
            for key, value in items.items():
                self.key(key, "batch_set"), self.data(value, "batch_set", key)
            items = dict(list(items.items())[:-100])
        await super().batch_set(items)


@mutant("batch.4", "size", trap="a batch of more than two thousand items")
class RecursesByItem(EventKeyValue):
    """A batch is the first item, and a batch of the others."""

    def _present(self, keys: list[str]) -> int:
        if not keys:
            return 0
        return (self.version(keys[0]) is not None) + self._present(keys[1:])

    async def batch_delete(self, keys: Sequence[str]) -> int:
        names = list(dict.fromkeys(self.key(key, "batch_delete") for key in keys))
        count = self._present(names)
        await super().batch_delete(keys)
        return count


@mutant("cas.3", "side effect", trap="a failed swap of a key with a time to live", also="ttl.4")
class FailedSwapsTouch(EventKeyValue):
    """A swap that compares in vain writes the value that is there, without its deadline, if only the case of a letter differs."""

    def replace(self, key: str, expected: bytes | None, change: Change) -> bool:
        value = self.value(key)
        if value is not None and expected is not None and value != expected and value == change.value:
            self.write(Change(key, value))
            return False
        return super().replace(key, expected, change)


@mutant("cas.2", "emptiness", trap="a swap from an empty value to another, with the key missing")
class EmptyIsMissingToo(EventKeyValue):
    """An empty ``expected`` also creates."""

    def replace(self, key: str, expected: bytes | None, change: Change) -> bool:
        if expected == b"" and self.value(key) is None and change.value:
            expected = None
        return super().replace(key, expected, change)
