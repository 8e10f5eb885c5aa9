"""Mutants of `KeyValueBatch`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from prism_testkit.interfaces import Bytes, InvalidName, NotFound, PayloadTooLarge, PrismError

from .declare import Mutant, declaring
from .mutants_concurrent import Locked
from .reference import KeyValue, step
from .stores import Changes, Entry, Rows, Store

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _Setting(KeyValue):
    """batch_set in two parts: what is written, and how."""

    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        checked = {self.name(key, "batch_set"): self.data(value, "batch_set", key) for key, value in items.items()}
        await self.write({name: self.entry(data) for name, data in self.chosen(checked).items()})

    def chosen(self, items: dict[str, bytes]) -> dict[str, bytes]:
        return items

    async def write(self, entries: Rows) -> None:
        self.apply(entries)


# batch.1: batch_set leaves every key with its value


@mutant("batch.1", "lost write", trap="batch_set of a key that is present")
class BatchSetSkipsPresent(_Setting):
    """INSERT ... ON CONFLICT DO NOTHING."""

    def chosen(self, items: dict[str, bytes]) -> dict[str, bytes]:
        return {key: data for key, data in items.items() if self.find(key) is None}


@mutant("batch.1", "boundary", trap="101 items, or 100 n + 1", also="batch.4")
class LastOfAChunkIsLost(_Setting):
    """Chunks of 100, and a last one of a single item is not sent."""

    def chosen(self, items: dict[str, bytes]) -> dict[str, bytes]:
        return dict(list(items.items())[:-1]) if len(items) > 1 and len(items) % 100 == 1 else items


@mutant("batch.1", "boundary", trap="an empty value in batch_set")
class BatchSetSkipsEmptyValues(_Setting):
    def chosen(self, items: dict[str, bytes]) -> dict[str, bytes]:
        return {key: data for key, data in items.items() if data}


@mutant("batch.1", "dedupe", trap="two keys with one value in batch_set")
class BatchSetStoresEqualValuesOnce(_Setting):
    def chosen(self, items: dict[str, bytes]) -> dict[str, bytes]:
        return {key: data for data, key in {data: key for key, data in reversed(items.items())}.items()}


@mutant("batch.1", "order of items", trap="a mapping whose keys are not in sorted order")
class SortsKeysButNotValues(_Setting):
    def chosen(self, items: dict[str, bytes]) -> dict[str, bytes]:
        return dict(zip(sorted(items), items.values(), strict=True))


@mutant("batch.1", "lost update", trap="a set of another key during batch_set", also="basic.8 basic.10 basic.1 batch.2")
class BatchPublishesOldCopy(_Setting):
    async def write(self, entries: Rows) -> None:
        rows = {**self.rows(), **entries}
        await step()
        self.store.spaces[self.namespace] = rows


@mutant("batch.1", "early acknowledgement", trap="batch_set, then a read by another client", also="basic.8")
class LastItemWaitsInPipeline(_Setting):
    """The last item of a batch waits in the pipeline of its client for the next write."""

    held: Changes | None = None

    async def write(self, entries: Rows) -> None:
        last = list(entries)[-1:]
        self.apply({key: entry for key, entry in entries.items() if key not in last})
        self.held = {key: entries[key] for key in last}

    def apply(self, changes: Changes) -> None:
        held, self.held = self.held or {}, None
        super().apply({**held, **changes})

    def rows(self) -> Rows:
        held = {key: entry for key, entry in (self.held or {}).items() if entry is not None}
        return {**super().rows(), **held} if held else super().rows()


# batch.2: batch_get


class _Getting(KeyValue):
    """batch_get over what single looks found, in the order in which it was asked."""

    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        return self.answer([(key, self.find(self.name(key, "batch_get"))) for key in keys])

    def answer(self, found: list[tuple[str, Entry | None]]) -> dict[str, bytes]:
        raise NotImplementedError


@mutant("batch.2", "wrong result", trap="batch_get of a missing key")
class BatchGetGivesEmptyForMissing(_Getting):
    def answer(self, found: list[tuple[str, Entry | None]]) -> dict[str, bytes]:
        return {key: b"" if entry is None else entry.value for key, entry in found}


@mutant("batch.2", "boundary", trap="batch_get of an empty value")
class BatchGetDropsEmptyValues(_Getting):
    def answer(self, found: list[tuple[str, Entry | None]]) -> dict[str, bytes]:
        return {key: entry.value for key, entry in found if entry is not None and entry.value}


@mutant("batch.2", "order of items", trap="batch_get of a missing key before a present one")
class BatchGetShiftsOnMissing(_Getting):
    """The answer holds present values only, and is matched to the names by position."""

    def answer(self, found: list[tuple[str, Entry | None]]) -> dict[str, bytes]:
        values = [entry.value for entry in dict(found).values() if entry is not None]
        return dict(zip(dict(found), values, strict=False))


@mutant("batch.2", "duplicate", trap="batch_get of a key named twice")
class BatchGetDropsDuplicates(_Getting):
    def answer(self, found: list[tuple[str, Entry | None]]) -> dict[str, bytes]:
        keys = [key for key, _ in found]
        return {key: entry.value for key, entry in found if entry is not None and keys.count(key) == 1}


@mutant("batch.2", "truncation", trap="batch_get of more than 100 keys", also="batch.4")
class BatchGetAnswersHundred(_Getting):
    def answer(self, found: list[tuple[str, Entry | None]]) -> dict[str, bytes]:
        return {key: entry.value for key, entry in found[:100] if entry is not None}


@mutant("batch.2", "wrong error", trap="batch_get of a missing key")
class BatchGetOfMissingRaises(_Getting):
    def answer(self, found: list[tuple[str, Entry | None]]) -> dict[str, bytes]:
        if any(entry is None for _, entry in found):
            raise NotFound("zoo: batch_get: a key is missing")
        return {key: entry.value for key, entry in found if entry is not None}


@mutant("batch.2", "stale cache", trap="two clients; batch_get twice, with a write by the other in between", also="basic.8")
class BatchGetRemembers(_Getting):
    """A cache that single gets do not use, emptied by own writes."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.cache: Rows = {}

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        self.cache.clear()

    def answer(self, found: list[tuple[str, Entry | None]]) -> dict[str, bytes]:
        present = {key: self.cache.setdefault(key, entry) for key, entry in found if entry is not None}
        return {key: entry.value for key, entry in present.items()}


# batch.3: batch_delete


@mutant("batch.3", "duplicate", trap="batch_delete of a present key named twice")
class BatchDeleteCountsTwice(KeyValue):
    async def batch_delete(self, keys: Sequence[str]) -> int:
        present = [name for name in (self.name(key, "batch_delete") for key in keys) if self.find(name) is not None]
        self.apply(dict.fromkeys(present))
        return len(present)


@mutant("batch.3", "wrong result", trap="batch_delete of a missing key")
class BatchDeleteCountsAsked(KeyValue):
    async def batch_delete(self, keys: Sequence[str]) -> int:
        await super().batch_delete(keys)
        return len(set(keys))


@mutant("batch.3", "missing step", trap="batch_delete of a missing key before a present one")
class BatchDeleteStopsAtMissing(KeyValue):
    async def batch_delete(self, keys: Sequence[str]) -> int:
        names = list(dict.fromkeys(self.name(key, "batch_delete") for key in keys))
        present = [self.find(name) is not None for name in names]
        return await super().batch_delete(names[: present.index(False)] if False in present else names)


@mutant("batch.3", "scope", trap="a key that begins with a deleted one", also="basic.4")
class BatchDeletesByPrefix(KeyValue):
    async def batch_delete(self, keys: Sequence[str]) -> int:
        names = [self.name(key, "batch_delete") for key in keys]
        below = [other for name in names if self.find(name) is not None for other in self.matching(name)]
        removed = await super().batch_delete(names)
        self.apply(dict.fromkeys(below))
        return removed


@mutant("batch.3", "boundary", trap="batch_delete of an empty value")
class BatchDeleteSkipsEmpty(KeyValue):
    async def batch_delete(self, keys: Sequence[str]) -> int:
        found = {name: self.find(name) for name in (self.name(key, "batch_delete") for key in keys)}
        return await super().batch_delete([name for name, entry in found.items() if entry is not None and entry.value])


@mutant("batch.3", "race", trap="two concurrent batch_deletes of one key", also="basic.4 basic.10")
class ConcurrentBatchDeletesBothCount(KeyValue):
    async def batch_delete(self, keys: Sequence[str]) -> int:
        present = {name for name in (self.name(key, "batch_delete") for key in keys) if self.find(name) is not None}
        await step()
        self.apply(dict.fromkeys(present))
        return len(present)


# batch.4: empty and large batches


@mutant("batch.4", "wrong error", trap="an empty batch")
class EmptyBatchRaises(KeyValue):
    """``IN ()`` is no SQL."""

    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        if not keys:
            raise ValueError("zoo: batch_get: no keys")
        return await super().batch_get(keys)

    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        if not items:
            raise ValueError("zoo: batch_set: no items")
        await super().batch_set(items)


@mutant("batch.4", "over-reach", trap="batch_delete of nothing, in a store that has keys", also="batch.3")
class EmptyBatchDeletesAll(KeyValue):
    """No names, no condition."""

    async def batch_delete(self, keys: Sequence[str]) -> int:
        return await super().batch_delete(keys or self.matching(""))


@mutant("batch.4", "over-reach", trap="batch_get of nothing, in a store that has keys", also="batch.2")
class EmptyBatchGetsAll(KeyValue):
    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        return await super().batch_get(keys or self.matching(""))


@mutant("batch.4", "cap", trap="a batch of 1,000 keys or more")
class NoMoreThan999Variables(KeyValue):
    """SQLite's former limit."""

    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        if len(keys) > 999:
            raise ValueError("zoo: batch_get: too many SQL variables")
        return await super().batch_get(keys)

    async def batch_delete(self, keys: Sequence[str]) -> int:
        if len(keys) > 999:
            raise ValueError("zoo: batch_delete: too many SQL variables")
        return await super().batch_delete(keys)


@mutant("batch.4", "truncation", trap="batch_set of more than 500 items", also="batch.1")
class BatchSetTakes500(_Setting):
    def chosen(self, items: dict[str, bytes]) -> dict[str, bytes]:
        return dict(list(items.items())[:500])


@mutant("batch.4", "truncation", trap="batch_delete of more than 25 keys", also="batch.3")
class BatchDeleteTakes25(KeyValue):
    async def batch_delete(self, keys: Sequence[str]) -> int:
        names = [self.name(key, "batch_delete") for key in keys]
        return await super().batch_delete(names[:25])


@mutant("batch.4", "accounting", trap="items that have more than max_payload bytes together", also="batch.1")
class LimitsBatchAsAWhole(_Setting):
    """The largest request is as large as the largest value."""

    def chosen(self, items: dict[str, bytes]) -> dict[str, bytes]:
        if sum(map(len, items.values())) > self.limits.max_payload:
            raise PayloadTooLarge("zoo: batch_set: all items together are too large")
        return items


# batch.5: refused as a whole


@mutant("batch.5", "order of steps", trap="a refused item after others that are not")
class WritesUpToRefused(KeyValue):
    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        for key, value in items.items():
            await self.set(key, value)


@mutant("batch.5", "order of steps", trap="a refused name after others that are not, in batch_delete")
class DeletesUpToRefused(KeyValue):
    async def batch_delete(self, keys: Sequence[str]) -> int:
        return sum([self.drop(self.name(key, "batch_delete")) for key in keys])


@mutant("batch.5", "swallowing", trap="a refused item")
class SkipsRefused(KeyValue):
    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        for key, value in items.items():
            try:
                await self.set(key, value)
            except (InvalidName, PayloadTooLarge):
                continue


@mutant("batch.5", "missing check", trap="a value over the limit that is not the first")
class ChecksFirstItemOnly(KeyValue):
    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        for key, value in list(items.items())[:1]:
            self.data(value, "batch_set", key)
        self.apply({self.name(key, "batch_set"): self.entry(bytes(value)) for key, value in items.items()})


@mutant("batch.5", "missing check", trap="a refused name in batch_get or batch_delete")
class BatchReadsAcceptAnyName(KeyValue):
    """What cannot be there is missing."""

    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        return {key: self.rows()[key].value for key in keys if self.find(key) is not None}

    async def batch_delete(self, keys: Sequence[str]) -> int:
        return sum([self.drop(key) for key in keys])


@mutant("batch.5", "wrong error", trap="a refused item")
class BatchRaisesGroup(KeyValue):
    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        try:
            await super().batch_set(items)
        except PrismError as error:
            raise ExceptionGroup("zoo: batch_set", [error]) from None


# batch.6: a cancelled batch has each item whole or not at all


class _LockedBatch(Locked, _Setting):
    """Other calls wait for a batch, so that they do not see what goes on inside."""


@mutant("batch.6", "torn", trap="batch_set cancelled while it waits", also="basic.11")
class CancelledBatchLeavesHalf(_LockedBatch):
    async def write(self, entries: Rows) -> None:
        async with self.lock:
            for key, entry in entries.items():
                self.apply({key: replace(entry, value=entry.value[: len(entry.value) // 2])})
                await step()
                self.apply({key: entry})


@mutant("batch.6", "lost write", trap="batch_set over present keys, cancelled while it waits", also="basic.11")
class CancelledBatchLosesOld(_LockedBatch):
    """DELETE all, then INSERT all."""

    async def write(self, entries: Rows) -> None:
        async with self.lock:
            self.apply(dict.fromkeys(entries))
            await step()
            self.apply(entries)


@mutant("batch.6", "leak", trap="batch_set cancelled while it waits, then another call", also="basic.11")
class CancelledBatchKeepsLock(_LockedBatch):
    async def write(self, entries: Rows) -> None:
        await self.lock.acquire()
        await step()
        self.apply(entries)
        self.lock.release()


@mutant("batch.6", "two steps", trap="batch_set over a key with a time to live, cancelled while it waits", also="ttl.3")
class CancelledBatchKeepsDeadlines(_LockedBatch):
    """MSET, then PERSIST."""

    async def write(self, entries: Rows) -> None:
        async with self.lock:
            old = {key: self.find(key) or entry for key, entry in entries.items()}
            self.apply({key: replace(old[key], value=entry.value) for key, entry in entries.items()})
            await step()
            self.apply(entries)
