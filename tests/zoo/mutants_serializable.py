"""Mutants of `KeyValueTransactional`: validation at commit, and conflicts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar

from prism_testkit.interfaces import Bytes, Conflict, KeyValueTransaction

from .declare import Mutant, declaring
from .reference import KeyValue, Transaction, step
from .stores import Changes, Entry, Store

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# transactional.5: serializable


@mutant("transactional.5", "missing step", trap="two transactions read and write one key")
class NeverValidates(Transaction):
    def stale(self) -> bool:
        return False


@mutant("transactional.5", "missing case", trap="two transactions each read what the other writes")
class ValidatesOnlyWrittenKeys(Transaction):
    """Snapshot isolation: write skew."""

    def stale(self) -> bool:
        self.reads = {key: entry for key, entry in self.reads.items() if key in self.writes}
        return super().stale()


@mutant("transactional.5", "truncation", trap="the second key that a transaction read changes")
class ValidatesOnlyFirstRead(Transaction):
    def stale(self) -> bool:
        self.reads = dict(list(self.reads.items())[:1])
        return super().stale()


@mutant("transactional.5", "shortcut", trap="a transaction that only reads, two keys, one before and one after a change of both")
class ReadOnlyNeverValidates(Transaction):
    def stale(self) -> bool:
        return bool(self.writes) and super().stale()


@mutant("transactional.5", "missing case", trap="a key that a transaction read as missing is created")
class MissingReadsAreNotTracked(Transaction):
    def stale(self) -> bool:
        self.reads = {key: entry for key, entry in self.reads.items() if entry is not None}
        return super().stale()


@mutant("transactional.5", "missing case", trap="the answer of a transaction's delete was used, and the key changes")
class DeletesAreNotReads(Transaction):
    async def delete(self, key: str) -> bool:
        before = dict(self.reads)
        present = await super().delete(key)
        self.reads = before
        return present


@mutant("transactional.5", "race", trap="two transactions commit at the same time")
class ValidatesThenWaits(Transaction):
    async def commit(self) -> None:
        stale = self.stale()
        await step()
        if stale:
            raise Conflict("zoo: commit: what was read has changed")
        self.driver.apply(self.writes)


@mutant("transactional.5", "stale read set", trap="a transaction reads a key twice, and it changes in between")
class LastReadCounts(Transaction):
    """The second read of a key replaces the first one."""

    def look(self, key: str) -> Entry | None:
        if key not in self.writes:
            self.reads.pop(key, None)
        return super().look(key)


@mutant("transactional.5", "missing case", trap="a key that was read expires before the commit", also="ttl.2")
class ExpiryIsNoChange(Transaction):
    def stale(self) -> bool:
        rows = self.driver.rows()
        return any(self.driver.find(key) is not entry and rows.get(key) is not entry for key, entry in self.reads.items())


@mutant("transactional.5", "wrong comparison", trap="a key that was read is overwritten by a value of the same length")
class ComparesLengthsRead(Transaction):
    def stale(self) -> bool:
        return any(_length(self.driver.find(key)) != _length(entry) for key, entry in self.reads.items())


def _length(entry: Entry | None) -> int:
    return -1 if entry is None else len(entry.value)


class _Versioned(KeyValue):
    """Validation by a number beside each key."""

    def versions(self) -> dict[str, int]:
        found: dict[str, int] = self.store.notes.setdefault((self.namespace, "versions"), {})
        return found

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        for key, entry in changes.items():
            self.bump(key, entry)

    def bump(self, key: str, entry: Entry | None) -> None:
        self.versions()[key] = self.versions().get(key, 0) + 1


class _ByVersion(Transaction):
    def __init__(self, driver: KeyValue) -> None:
        super().__init__(driver)
        self.numbers: dict[str, tuple[bool, int]] = {}

    def number(self, key: str) -> tuple[bool, int]:
        assert isinstance(self.driver, _Versioned)
        return self.driver.find(key) is not None, self.driver.versions().get(key, 0)

    def look(self, key: str) -> Entry | None:
        if key not in self.writes:
            self.numbers.setdefault(key, self.number(key))
        return super().look(key)

    def stale(self) -> bool:
        return any(self.number(key) != number for key, number in self.numbers.items())


@mutant("transactional.5", "version reuse", trap="a key that was read is deleted and created again")
class VersionsStartAnew(_Versioned):
    """The number lives in the row."""

    transaction_type = _ByVersion

    def bump(self, key: str, entry: Entry | None) -> None:
        super().bump(key, entry)
        if entry is None:
            del self.versions()[key]


@mutant("transactional.5", "missing step", trap="what was read changes by batch_set, set_with_ttl or a swap")
class OnlySetBumpsVersion(_Versioned):
    transaction_type = _ByVersion
    counting = False

    async def set(self, key: str, value: Bytes) -> None:
        await super().set(key, value)
        super().bump(key, None)

    def bump(self, key: str, entry: Entry | None) -> None:
        """Other writes change the row only; a commit counts itself."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        async with super().transaction() as transaction:
            yield transaction
        assert isinstance(transaction, Transaction)
        for key in transaction.writes:
            super().bump(key, None)


@mutant("transactional.5", "scope", trap="two clients; the other one changes what was read", also="basic.8")
class VersionsKeptByClient(_Versioned):
    transaction_type = _ByVersion

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.known: dict[str, int] = {}

    def versions(self) -> dict[str, int]:
        return self.known


@mutant("transactional.5", "wrong error", trap="any conflict", also="transactional.6")
class ConflictIsRuntimeError(Transaction):
    async def commit(self) -> None:
        try:
            await super().commit()
        except Conflict as error:
            raise RuntimeError("zoo: commit: could not serialize access") from error


# transactional.6: a conflict leaves nothing, and can be retried


@mutant("transactional.6", "torn", trap="a conflict, in a transaction that writes two keys", also="transactional.1")
class ValidatesKeyByKey(Transaction):
    """Validates and writes in one pass; what it only read comes first."""

    async def commit(self) -> None:
        reads, writes = self.reads, self.writes
        for key in [*(key for key in writes if key not in reads), *reads]:
            self.reads, self.writes = ({key: reads[key]} if key in reads else {}), ({key: writes[key]} if key in writes else {})
            await super().commit()


@mutant("transactional.6", "sticky state", trap="a conflict, then the same client's next transaction", also="transactional.5")
class FirstConflictStays(KeyValue):
    """The session is in a failed transaction, and nobody rolls it back."""

    failed = False

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        try:
            async with super().transaction() as transaction:
                yield transaction
                if self.failed:
                    raise Conflict("zoo: commit: the current transaction is aborted")
        except Conflict:
            self.failed = True
            raise


@mutant("transactional.6", "wrong result", trap="a conflict", also="transactional.1 transactional.5")
class ConflictWritesAnyway(Transaction):
    async def commit(self) -> None:
        try:
            await super().commit()
        except Conflict:
            self.driver.apply(self.writes)
            raise


@mutant("transactional.6", "false conflict", trap="a transaction that reads a key that was deleted or has expired")
class TombstonesNeverValidate(_Versioned):
    """A tombstone has a version, a missing key has none, and both are compared."""

    class Reading(_ByVersion):
        def look(self, key: str) -> Entry | None:
            found = super().look(key)
            if key in self.numbers and not self.numbers[key][0]:
                self.numbers[key] = (False, 0)
            return found

    transaction_type: ClassVar[type[Transaction]] = Reading


@mutant("transactional.6", "false conflict", trap="a transaction that reads a key with a time to live while time passes")
class ComparesWhatIsLeft(Transaction):
    """Compares rows as they are shown, with the seconds left in them."""

    def __init__(self, driver: KeyValue) -> None:
        super().__init__(driver)
        self.left: dict[str, float] = {}

    def shown(self, entry: Entry | None) -> float:
        return 0.0 if entry is None or entry.deadline is None else self.driver.left(entry.deadline, entry.given)

    def look(self, key: str) -> Entry | None:
        found = super().look(key)
        if key in self.reads:
            self.left.setdefault(key, self.shown(self.reads[key]))
        return found

    def stale(self) -> bool:
        return super().stale() or any(self.shown(self.reads[key]) != left for key, left in self.left.items())


@mutant("transactional.6", "leak", trap="a conflict, then another transaction that writes the same key", also="transactional.5")
class ConflictKeepsKeysLocked(Transaction):
    """Takes the keys it writes before it validates, and a conflict does not give them back."""

    async def commit(self) -> None:
        locked: set[tuple[str, str]] = self.driver.store.notes.setdefault("locked", set())
        mine = {(self.driver.namespace, key) for key in self.writes}
        if mine & locked:
            raise Conflict("zoo: commit: a key is locked")
        locked |= mine
        await super().commit()
        locked -= mine
