"""Mutants that are right the first time: a second deadline, a third swap, another delete, the next transaction."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from prism_testkit.interfaces import Bytes, KeyValueTransaction

from .declare import Mutant, declaring
from .reference import KeyValue, Transaction
from .stores import Changes, Entry

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _Counting(KeyValue):
    """Counts calls, by what they are of."""

    def time(self, *what: Any) -> int:
        """Return how often this was called, with this time."""
        counts = self.store.notes.setdefault(("later", self.namespace), {})
        counts[what] = counts.get(what, 0) + 1
        return int(counts[what])


@mutant("ttl.7", "forgotten", trap="a second expire of one key", also="ttl.1 ttl.2")
class ASecondExpireIsNone(_Counting):
    async def expire(self, key: str, ttl_s: float) -> bool:
        if ttl_s > 0 and self.find(key) is not None and self.time("expire", key) > 1:
            return True
        return await super().expire(key, ttl_s)


@mutant("ttl.7", "merge", trap="a second expire that is shorter", also="ttl.2")
class ALaterExpireOnlyLengthens(_Counting):
    async def expire(self, key: str, ttl_s: float) -> bool:
        entry = self.find(key)
        if entry is not None and entry.deadline is not None and self.time("expire", key) > 1:
            ttl_s = max(ttl_s, entry.deadline - self.now()) if ttl_s > 0 else ttl_s
        return await super().expire(key, ttl_s)


@mutant("ttl.8", "forgotten", trap="a second persist of one key", also="ttl.1")
class ASecondPersistIsNone(_Counting):
    async def persist(self, key: str) -> bool:
        entry = self.find(key)
        if entry is not None and entry.deadline is not None and self.time("persist", key) > 1:
            return True
        return await super().persist(key)


@mutant("ttl.3", "forgotten", trap="a second plain write over a deadline", also="ttl.1")
class ASecondSetKeepsTheDeadline(_Counting):
    async def set(self, key: str, value: Bytes) -> None:
        entry = self.rows().get(key)
        kept = entry is not None and entry.deadline is not None and self.alive(entry) and self.time("set", key) > 1
        await super().set(key, value)
        if kept and entry is not None:
            self.apply({key: Entry(self.rows()[key].value, entry.deadline, entry.given)})


@mutant("ttl.10", "stale state", trap="a key that expired, was written, and expires again", also="ttl.1 ttl.2")
class TheFirstDeadlineOfAKeyIsKept(_Counting):
    async def set_with_ttl(self, key: str, value: Bytes, ttl_s: float) -> None:
        await super().set_with_ttl(key, value, ttl_s)
        if ttl_s > 0 and self.time("write", key) == 3:
            firsts = self.store.notes.setdefault(("firsts", self.namespace), {})
            self.apply({key: self.entry(self.rows()[key].value, firsts.get(key, ttl_s))})
        elif ttl_s > 0:
            self.store.notes.setdefault(("firsts", self.namespace), {})[key] = ttl_s


@mutant("ttl.2", "leak", trap="a key that expires for the second time", also="ttl.1")
class ASecondExpiryIsNoticedByGetAlone(_Counting):
    def find(self, key: str) -> Entry | None:
        entry = self.rows().get(key)
        if entry is None or self.alive(entry):
            return entry
        expired = self.store.notes.setdefault(("expired", self.namespace), {})
        expired.setdefault(key, entry.deadline)
        return None if expired[key] == entry.deadline else entry

    async def get(self, key: str) -> bytes | None:
        entry = super().find(self.name(key, "get"))
        return None if entry is None or not self.alive(entry) else entry.value


@mutant("basic.4", "wrong answer", trap="a key that is deleted, written and deleted", also="basic.2")
class ASecondDeleteSaysFalse(_Counting):
    async def delete(self, key: str) -> bool:
        return await super().delete(key) and self.time("delete", key) != 2


@mutant("basic.4", "tombstone", trap="a key that is deleted, written, deleted and written", also="basic.1 basic.8")
class ASecondTombstoneStays(_Counting):
    def apply(self, changes: Changes) -> None:
        late = {key for key, entry in changes.items() if entry is None and key in self.rows() and self.time("dead", key) == 2}
        super().apply({key: entry for key, entry in changes.items() if not self._buried(key)})
        self.store.notes.setdefault(("buried", self.namespace), {}).update(dict.fromkeys(late, 1))

    def _buried(self, key: str) -> bool:
        """Say whether the write after the second delete is the one that is lost."""
        buried = self.store.notes.setdefault(("buried", self.namespace), {})
        return bool(buried.pop(key, None))


@mutant("cas.1", "stale state", trap="a swap from what was there before the last", also="cas.3 cas.5")
class ABA(_Counting):
    """The value of two writes ago is taken for the present one."""

    def apply(self, changes: Changes) -> None:
        older = self.store.notes.setdefault(("older", self.namespace), {})
        for key in changes:
            entry = self.rows().get(key)
            before = older.get(key, (None, None))
            older[key] = before[1], None if entry is None else entry.value
        super().apply(changes)

    def holds(self, key: str, expected: bytes | None) -> bool:
        older = self.store.notes.setdefault(("older", self.namespace), {}).get(key, (None, None))
        return super().holds(key, expected) or (
            expected is not None and self.find(key) is not None and older[0] == expected and older[1] is not None
        )


@mutant("cas.2", "wrong answer", trap="a creation by swap after a delete, twice", also="cas.1")
class AThirdCreationIsRefused(_Counting):
    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        if expected is None and self.find(key) is None and self.time("create", key) == 3:
            return False
        return await super().compare_and_swap(key, expected, new)


@mutant("batch.1", "cache", trap="a second batch of the same keys", also="basic.8 basic.1")
class ASecondBatchWritesWhatIsNew(_Counting):
    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        times = {key: self.time("batch", key) for key in items}
        await super().batch_set({key: value for key, value in items.items() if times[key] != 3 or self.find(key) is None})


@mutant("batch.3", "wrong count", trap="a second batch_delete of keys that were written again")
class ASecondBatchDeleteCountsNone(_Counting):
    async def batch_delete(self, keys: Sequence[str]) -> int:
        again = sum(self.time("batch_delete", key) == 2 and self.find(key) is not None for key in dict.fromkeys(keys))
        return await super().batch_delete(keys) - again


class _Forgets(Transaction):
    """The second write of a key that was deleted inside is lost."""

    async def set(self, key: str, value: Bytes) -> None:
        twice = self.writes.get(key, self) is None and key in self.written_before
        self.written_before.add(key)
        if not twice:
            await super().set(key, value)

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self.written_before: set[str] = set()


@mutant("transactional.3", "forgotten", trap="a key that is set, deleted and set in one transaction", also="transactional.1")
class ATransactionThatSetsDeletesAndSets(KeyValue):
    transaction_type = _Forgets


@mutant("transactional.2", "leak", trap="a second transaction that fails", also="transactional.1 transactional.4")
class ASecondFailureCommits(_Counting):
    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        transaction = self.transaction_type(self)
        try:
            yield transaction
        except BaseException:
            transaction.ended = True
            if self.time("failure") == 2:
                await transaction.commit()
            raise
        transaction.ended = True
        await transaction.commit()


@mutant("transactional.5", "forgotten", trap="a second conflict of one key", also="transactional.6 transactional.1")
class ASecondConflictIsOverlooked(_Counting):
    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        transaction = self.transaction_type(self)
        try:
            yield transaction
        finally:
            transaction.ended = True
        if transaction.stale() and self.time("conflict") == 2:
            self.apply(dict(transaction.writes))
        else:
            await transaction.commit()


@mutant("scan.3", "cursor", trap="a third scan of the same prefix", also="scan.1 scan.4")
class AThirdScanBeginsAtItsSecondKey(_Counting):
    def matching(self, prefix: str) -> list[str]:
        found = super().matching(prefix)
        return found[1:] if len(found) > 1 and self.time("scan", prefix) % 5 == 0 else found


@mutant("scan.5", "cache", trap="a third count of the same prefix", also="basic.8 scan.1")
class AThirdCountIsTheOneBefore(_Counting):
    async def count(self, prefix: str = "") -> int:
        counts = self.store.notes.setdefault(("counts", self.namespace), {})
        found = await super().count(prefix)
        if self.time("count", prefix) % 3 == 0:
            found = counts[prefix]
        counts[prefix] = found
        return found
