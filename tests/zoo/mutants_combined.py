"""Mutants of two interfaces together: deadlines and transactions, batches and scans, swaps and deadlines, items of one batch."""

from collections.abc import AsyncGenerator, Mapping, Sequence

from prism_testkit.interfaces import Bytes

from .declare import Mutant, declaring
from .reference import FileKeyValue, KeyValue, Transaction
from .stores import Changes, Entry, FileStore

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


# Deadlines and transactions


@mutant("transactional.5", "missing check", trap="a key that a transaction read expires before the commit", also="ttl.2")
class WhatExpiredIsNotStale(Transaction):
    def stale(self) -> bool:
        rows = self.driver.rows()
        return self.torn or any(rows.get(key) is not entry for key, entry in self.reads.items() if entry is not None)


@mutant("transactional.5", "missing check", trap="a key whose deadline alone changed since it was read, and that expired")
class ADeadlineIsNoChange(Transaction):
    """Compared are values: who read the key, and commits when it has expired and was written anew with the same value, commits."""

    def stale(self) -> bool:
        def value(key: str) -> bytes | None:
            found = self.driver.find(key)
            return None if found is None else found.value

        return self.torn or any(value(key) != (entry and entry.value) for key, entry in self.reads.items() if entry is None)


@mutant("ttl.3", "missing step", trap="a transaction that sets a key with a deadline", also="transactional.1")
class ATransactionKeepsTheDeadline(Transaction):
    async def commit(self) -> None:
        for key, entry in list(self.writes.items()):
            old = self.driver.find(key)
            if entry is not None and old is not None and old.deadline is not None:
                self.writes[key] = Entry(entry.value, old.deadline, old.given)
        await super().commit()


@mutant("transactional.3", "stale", trap="a key that expires while it is deleted in a transaction", also="ttl.2")
class ADeleteOfWhatExpiredIsTrue(Transaction):
    async def delete(self, key: str) -> bool:
        found = await super().delete(key)
        return found or (key in self.driver.rows() and key not in self.reads)


@mutant("transactional.2", "partial effect", trap="an exception behind a delete, of a key with a deadline", also="transactional.4")
class DeletesOfMortalsAreAtOnce(Transaction):
    async def delete(self, key: str) -> bool:
        found = await super().delete(key)
        entry = self.driver.rows().get(key)
        if entry is not None and entry.deadline is not None:
            self.driver.apply({key: None})
        return found


@mutant("transactional.1", "lost", trap="a transaction of which one write is to a key that expired", also="ttl.10")
class WritesToTheExpiredAreDropped(Transaction):
    async def commit(self) -> None:
        rows = self.driver.rows()
        self.writes = {k: e for k, e in self.writes.items() if k not in rows or self.driver.find(k) is not None}
        await super().commit()


# Batches


@mutant("ttl.3", "missing step", trap="a batch of several keys of which a later one has a deadline", also="batch.1")
class ABatchClearsTheFirstDeadlineOnly(KeyValue):
    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        old = {key: self.find(key) for key in list(items)[1:]}
        await super().batch_set(items)
        self.apply(
            {k: Entry(bytes(items[k]), e.deadline, e.given) for k, e in old.items() if e is not None and e.deadline is not None}
        )


@mutant("batch.3", "wrong count", trap="a batch delete with a key that has expired", also="ttl.2")
class ABatchDeleteCountsTheExpired(KeyValue):
    async def batch_delete(self, keys: Sequence[str]) -> int:
        names = dict.fromkeys(self.name(key, "batch_delete") for key in keys)
        found = sum(name in self.rows() for name in names)
        self.apply(dict.fromkeys(names))
        return found


@mutant("batch.2", "wrong end", trap="a batch get with an expired key among others", also="ttl.2 ttl.11")
class ABatchGetEndsAtTheExpired(KeyValue):
    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        found = dict[str, bytes]()
        rows = self.rows()
        for key in [self.name(each, "batch_get") for each in keys]:
            if key in rows and self.find(key) is None:
                break
            entry = self.find(key)
            if entry is not None:
                found[key] = self.value(entry)
        return found


@mutant("batch.2", "wrong value", trap="a batch get with an empty value among others")
class ABatchGetLeavesOutTheEmptyBesideOthers(KeyValue):
    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        found = await super().batch_get(keys)
        return {k: v for k, v in found.items() if v} if len(found) > 2 else found


@mutant("batch.1", "order", trap="a batch in which two keys change places", also="basic.3 basic.1")
class ABatchSkipsWhatIsThereUnderAnother(KeyValue):
    """Values are kept once: a batch leaves out those that the store has, under whatever key, in a batch of more than one."""

    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        there = {entry.value for entry in self.rows().values()}
        await super().batch_set(
            {k: v for k, v in items.items() if len(items) == 1 or bytes(v) not in there or k not in self.rows()}
        )


# Swaps


@mutant("cas.1", "stale", trap="a swap of an empty value, of a key with a deadline", also="ttl.4 cas.2")
class EmptyMortalsAreMissingToSwaps(KeyValue):
    def holds(self, key: str, expected: bytes | None) -> bool:
        entry = self.find(key)
        if entry is not None and not entry.value and entry.deadline is not None:
            return expected is None
        return super().holds(key, expected)


@mutant("ttl.4", "side effect", trap="a failed swap of a key with a deadline, to what it holds", also="cas.3")
class AFailedSwapToTheSamePersists(KeyValue):
    def swap(self, key: str, expected: bytes | None, new: Entry | None) -> bool:
        entry = self.find(key)
        if entry is not None and new is not None and entry.value == new.value and not self.holds(key, expected):
            self.apply({key: new})
            return False
        return super().swap(key, expected, new)


@mutant("ttl.4", "missing step", trap="a swap of a key with a deadline from a value to the same", also="cas.1")
class ASwapToTheSameIsNone(KeyValue):
    def swap(self, key: str, expected: bytes | None, new: Entry | None) -> bool:
        if new is not None and expected == new.value and self.holds(key, expected):
            return True
        return super().swap(key, expected, new)


@mutant("ttl.10", "stale", trap="a swap that creates a key that had a deadline", also="cas.2 ttl.4")
class ACreatingSwapTakesTheOldDeadline(KeyValue):
    def swap(self, key: str, expected: bytes | None, new: Entry | None) -> bool:
        old = self.rows().get(key)
        if expected is None and new is not None and old is not None and old.deadline is not None and self.holds(key, expected):
            self.apply({key: Entry(new.value, self.now() + old.given, old.given)})
            return True
        return super().swap(key, expected, new)


# Scans


@mutant("scan.4", "wrong count", trap="a limit, and expired keys among those that match", also="ttl.2 scan.1")
class ALimitCountsTheExpired(KeyValue):
    def matching(self, prefix: str) -> list[str]:
        return [key for key in list(self.rows()) if self.matches(key, prefix)]

    async def walk(self, prefix: str, limit: int | None) -> AsyncGenerator[tuple[str, Entry], None]:
        for number, key in enumerate(self.matching(prefix)):
            if number == limit:
                return
            entry = self.find(key)
            if entry is not None:
                yield key, entry

    async def count(self, prefix: str = "") -> int:
        return len([key for key in self.matching(self.prefix(prefix, "count")) if self.find(key)])


@mutant("scan.5", "cache", trap="a count, a key that expires, and the count again", also="ttl.2")
class CountsAreKeptUntilAWrite(KeyValue):
    def apply(self, changes: Changes) -> None:
        self.store.notes.pop(("counts", self.namespace), None)
        super().apply(changes)

    async def count(self, prefix: str = "") -> int:
        counts = self.store.notes.setdefault(("counts", self.namespace), {})
        if prefix not in counts:
            counts[prefix] = await super().count(prefix)
        return int(counts[prefix])


@mutant("scan.5", "cache", trap="a count, a write by a transaction, and the count again", also="transactional.1")
class CountsAreKeptOverTransactions(KeyValue):
    transaction_type = Transaction

    async def set(self, key: str, value: Bytes) -> None:
        self.store.notes.pop(("counts", self.namespace), None)
        await super().set(key, value)

    def drop(self, key: str) -> bool:
        self.store.notes.pop(("counts", self.namespace), None)
        return super().drop(key)

    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        self.store.notes.pop(("counts", self.namespace), None)
        await super().batch_set(items)

    async def count(self, prefix: str = "") -> int:
        counts = self.store.notes.setdefault(("counts", self.namespace), {})
        live = tuple(key for key in self.rows() if self.rows()[key].deadline is not None)
        if (prefix, live) not in counts:
            counts[prefix, live] = await super().count(prefix)
        return int(counts[prefix, live])


# Kills


class _Logs(FileStore):
    def logged(self, key: str, entry: Entry | None) -> Entry | None:
        return entry

    def log(self, namespace: str, changes: Changes) -> None:
        super().log(namespace, {key: self.logged(key, entry) for key, entry in changes.items()})


@mutant("basic.12", "missing case", trap="kill after a batch of more than one", also="batch.1")
class ABatchIsLoggedToItsFirst(FileKeyValue):
    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        checked = {self.name(key, "batch_set"): self.data(value, "batch_set", key) for key, value in items.items()}
        self.apply({name: self.entry(data) for name, data in list(checked.items())[:1]})
        self.store.spaces.setdefault(self.namespace, {}).update({n: self.entry(d) for n, d in list(checked.items())[1:]})


@mutant("basic.12", "missing case", trap="kill after a transaction that deleted", also="transactional.1")
class DeletesOfATransactionAreNotLogged(FileKeyValue):
    class _Deleting(Transaction):
        async def commit(self) -> None:
            gone = [key for key, entry in self.writes.items() if entry is None]
            self.writes = {key: entry for key, entry in self.writes.items() if entry is not None}
            await super().commit()
            for key in gone:
                self.driver.store.spaces.get(self.driver.namespace, {}).pop(key, None)

    transaction_type = _Deleting


@mutant("ttl.12", "missing case", trap="kill after an expire of what a batch had set", also="basic.12")
class ExpireOfWhatHadNoneIsNotLogged(FileKeyValue):
    async def expire(self, key: str, ttl_s: float) -> bool:
        entry = self.find(self.name(key, "expire"))
        if entry is not None and entry.deadline is None and self.seconds(ttl_s, "expire") > 0:
            self.store.spaces[self.namespace][key] = self.entry(entry.value, ttl_s)
            return True
        return await super().expire(key, ttl_s)


@mutant("ttl.12", "missing case", trap="kill after a swap of what had a deadline", also="ttl.4 basic.12")
class ASwapLogsTheOldDeadline(FileKeyValue):
    def swap(self, key: str, expected: bytes | None, new: Entry | None) -> bool:
        old = self.find(key)
        found = super().swap(key, expected, new)
        if found and old is not None and old.deadline is not None and new is not None:
            self.apply({key: Entry(new.value, old.deadline, old.given)})
            self.store.spaces[self.namespace][key] = new
        return found


@mutant("basic.12", "missing case", trap="kill after a compare_and_delete", also="cas.4")
class SwapsToNothingAreNotLogged(FileKeyValue):
    async def compare_and_delete(self, key: str, expected: Bytes) -> bool:
        name = self.name(key, "compare_and_delete")
        if not self.holds(name, self.data(expected, "compare_and_delete", key)):
            return False
        self.rows()
        self.store.spaces[self.namespace].pop(name, None)
        return True


# A call of several, the later of which is illegal


@mutant("batch.5", "partial effect", trap="a batch delete of a key that is there and of an illegal one", also="batch.3 basic.6")
class ABatchDeleteChecksOneByOne(KeyValue):
    async def batch_delete(self, keys: Sequence[str]) -> int:
        return sum([self.drop(self.name(key, "batch_delete")) for key in dict.fromkeys(keys)])


@mutant("batch.5", "partial effect", trap="a batch set of which a later value is too large", also="batch.1 basic.6")
class ABatchSetChecksValuesOneByOne(KeyValue):
    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        names = [self.name(key, "batch_set") for key in items]
        for name, value in zip(names, list(items.values()), strict=True):
            self.apply({name: self.entry(self.data(value, "batch_set", name))})


@mutant("ttl.9", "partial effect", trap="a set_with_ttl whose time is NaN, of a key that is there", also="ttl.3 basic.6")
class ASetChecksItsTimeLast(KeyValue):
    async def set_with_ttl(self, key: str, value: Bytes, ttl_s: float) -> None:
        if ttl_s != ttl_s:
            await self.set(key, value)
        await super().set_with_ttl(key, value, ttl_s)


@mutant("cas.7", "partial effect", trap="a swap of what matches, to a value that is too large", also="cas.1 basic.6")
class ASwapChecksItsValueLast(KeyValue):
    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        name = self.name(key, "compare_and_swap")
        if len(bytes(new)) > self.limits.max_payload and expected is not None and self.holds(name, bytes(expected)):
            self.apply({name: None})
        return await super().compare_and_swap(key, expected, new)
