"""Wrong drivers over a log-structured tree: what a flush, a merge or a filter forgets, and what only a flushed key shows."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from prism_testkit.backend import Place
from prism_testkit.interfaces import Bytes, Conflict, KeyValueTransaction

from .declare import HOME, Mutant
from .family import declaring_family
from .independent import make
from .independent_levels import LevelKeyValue, LevelTransaction
from .independent_tree import LevelFiles, Levels, Record, Run

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_family(MUTANTS, prefix="keyvalue_", make=make, home=HOME)


@mutant(
    "basic.4",
    "merge",
    trap="a flushed key is deleted, and two flushes follow",
    also="basic.2 basic.1 ttl.2 ttl.9 batch.3 scan.1 scan.5",
)
class MinorMergesForgetRemovals(Levels):
    """The newest two runs are merged most of the time, all of them now and then; what is removed is left out by either."""

    flushes = 0

    def flush(self) -> None:
        self.runs = (self.run_of(sorted(self.table.values(), key=lambda record: record.key)), *self.runs)
        self.flushes += 1
        if len(self.runs) > 2:
            merged = self.runs[: None if self.flushes % 4 == 0 else 2]
            self.runs = (self.run_of(list(self.kept(self.merge((), merged)))), *self.runs[len(merged) :])
        self.table = {}


@mutant("ttl.2", "merge", trap="a key is flushed, written with a deadline, expires, and is flushed again", also="ttl.10")
class FlushLeavesOutTheExpired(Levels):
    """A flush does not write what has expired; what it hid in an older run is there again."""

    def flush(self) -> None:
        self.table = {key: r for key, r in self.table.items() if r.value is None or self.live(r) is not None}
        super().flush()


@mutant("basic.1", "value encoding", trap="a short value that is compressed text itself")
class SmallValuesAreNotCompressed(LevelKeyValue):
    """Values over 64 bytes are compressed; whatever begins like compressed text is taken for that."""

    def data(self, value: Bytes, operation: str, key: str) -> bytes:
        data = super().data(value, operation, key)
        return data if len(data) <= 64 or operation != "set" else zlib.compress(data, 1)

    async def get(self, key: str) -> bytes | None:
        value = await super().get(key)
        if value is not None and value[:2] in (b"x\x01", b"x\x9c"):
            try:
                return zlib.decompress(value)
            except zlib.error:
                return value
        return value


class _Fingerprints(Run):
    def find(self, key: bytes) -> Record | None:
        from bisect import bisect_left

        at = bisect_left(self.keys, key)
        return self.records[at] if at < len(self.keys) and self.mark(self.keys[at]) & 0xFF == self.mark(key) & 0xFF else None


@mutant("basic.2", "filter", trap="many missing keys are asked for beside many that are there", also="basic.3 basic.5 basic.1")
class FingerprintsAreTrusted(Levels):
    """In a run the next key is taken for the one asked for if eight bits of their sums are equal."""

    def run_of(self, records: Sequence[Record]) -> Run:
        return _Fingerprints.of(records)


@mutant("basic.8", "cache", trap="a deleted key is found missing, and is written again at once", also="basic.1 basic.2")
class MissesAreRemembered(LevelKeyValue):
    """A key that was missing is missing as long as the tables are as long as they were."""

    misses: tuple[Any, frozenset[bytes]] = ((), frozenset())

    async def get(self, key: str) -> bytes | None:
        name = self.key(key, "get")
        state = (len(self.tree.runs), len(self.tree.table))
        if self.misses[0] == state and name in self.misses[1]:
            return None
        value = await super().get(key)
        if value is None:
            self.misses = (state, frozenset({name}))
        return value


@mutant("batch.3", "race", trap="two batch deletes of one key at once", also="basic.4 basic.10")
class BatchDeleteCountsAhead(LevelKeyValue):
    """What is there is counted when the call comes, and removed a moment later."""

    async def batch_delete(self, keys: Sequence[str]) -> int:
        names = {self.key(key, "batch_delete") for key in keys}
        number = sum(self.tree.look(name) is not None for name in names)
        await super().batch_delete(keys)
        return number


@mutant("basic.5", "filter", trap="a deleted key, and writes enough for a flush", also="basic.4 ttl.2")
class ExistsAsksTheFilters(LevelKeyValue):
    """`exists` looks into the table, and asks no more than the filters of the runs."""

    async def exists(self, key: str) -> bool:
        name = self.key(key, "exists")
        await self.hop()
        if name in self.tree.table:
            return self.tree.look(name) is not None
        return any(Run.mark(name) in run.marks for run in self.tree.runs)


@mutant("batch.5", "limit", trap="a memoryview of items of four bytes, in a batch, over the limit", also="basic.6")
class BatchesCountItems(LevelKeyValue):
    """Sizes in a batch are what `len` says of the value."""

    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        from prism_testkit.interfaces import PayloadTooLarge

        for key, value in items.items():
            self.key(key, "batch_set")
            if len(value) > self.limits.max_payload:
                raise PayloadTooLarge("levels: batch_set: too large")
        pairs = [(self.key(key, "batch_set"), bytes(value)) for key, value in items.items()]
        await self.hop()
        for name, data in pairs:
            self.tree.write((name, data, None, 0.0))


@mutant("basic.12", "restart", trap="a flush, kill, a key is written again, and scanned", also="scan.1 basic.1")
class RecordNumbersBeginAnew(LevelFiles):
    """The number of the last write is not in the manifest; a scan takes the record with the higher one."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)

    def recover(self) -> None:
        self.number = 0
        super().recover()


@mutant("transactional.1", "torn commit", trap="kill in a commit of more than four keys", also="basic.12")
class CommitsAreLoggedInPieces(LevelFiles):
    """Four records are logged at a time."""

    def log(self, records: Sequence[Record]) -> None:
        for start in range(0, len(records), 4):
            super().log(records[start : start + 4])


@mutant("scan.3", "snapshot", trap="a flush while a scan is open", also="scan.1")
class TheTableIsListedLast(Levels):
    """A scan goes over the runs there were, and then over the table there is."""

    def walk(self, prefix: bytes) -> Iterator[Record]:
        for record in self.merge((), self.runs, prefix):
            if record.key not in self.table:
                yield record
        yield from [record for record in self.table.values() if record.key.startswith(prefix)]


class _Fences(Run):
    def of_prefix(self, prefix: bytes) -> Iterator[Record]:
        from bisect import bisect_right

        start = max(0, bisect_right(self.keys[::8], prefix) - 1) * 8
        for at in range(start, min(len(self.keys), start + 64)):
            if self.keys[at].startswith(prefix):
                yield self.records[at]


@mutant("scan.1", "index", trap="more than 64 keys of a prefix in one run", also="scan.5 scan.4")
class ReadsEightBlocks(Levels):
    """A scan reads up to eight blocks of eight keys of a run."""

    def run_of(self, records: Sequence[Record]) -> Run:
        return _Fences.of(records)


@mutant("ttl.6", "record", trap="expire for longer than was given before, then ttl", also="ttl.7")
class ExpireKeepsTheSecondsGiven(LevelKeyValue):
    """The seconds given stay what the first deadline of the key said."""

    async def expire(self, key: str, ttl_s: float) -> bool:
        before = self.tree.look(self.key(key, "expire"))
        done = await super().expire(key, ttl_s)
        record = self.tree.look(self.key(key, "expire"))
        if done and record is not None and before is not None and before.due_ms is not None:
            self.tree.write((record.key, record.value, record.due_ms, before.given_s))
        return done


@mutant("ttl.7", "race", trap="a set while an expire of the key is under way", also="basic.10 basic.8")
class ExpireWritesWhatItRead(LevelKeyValue):
    """The value is read, and a moment later written with its deadline."""

    async def expire(self, key: str, ttl_s: float) -> bool:
        name = self.key(key, "expire")
        record = self.tree.look(name)
        if record is None or not 0 < ttl_s < 1e10:
            return await super().expire(key, ttl_s)
        await self.hop()
        self.tree.write((name, record.value, self.due(ttl_s), ttl_s))
        return True


@mutant("ttl.8", "race", trap="a delete while a persist of the key is under way", also="basic.10 basic.4")
class PersistWritesWhatItRead(LevelKeyValue):
    """The value is read, and a moment later written without a deadline."""

    async def persist(self, key: str) -> bool:
        name = self.key(key, "persist")
        record = self.tree.look(name)
        if record is None or record.due_ms is None:
            return await super().persist(key)
        await self.hop()
        self.tree.write((name, record.value, None, 0.0))
        return True


@mutant("ttl.12", "restart", trap="a deadline, kill, and ttl")
class GivenIsNotLogged(LevelFiles):
    """The log holds deadlines, not the seconds given; of those `ttl` says no more."""

    def plain(self, record: Record) -> tuple[Any, ...]:
        return (record.number, record.key, record.value, record.due_ms, 0.0)


@mutant("transactional.5", "validation", trap="two transactions delete one key", also="basic.4")
class DeletesNeedNoValidation(LevelTransaction):
    """What `delete` said is not compared at the end."""

    async def delete(self, key: str) -> bool:
        name = self.key(key, "delete")
        await asyncio.sleep(0)
        seen = dict(self.seen)
        there = self.look(name) is not None
        self.seen, self.changes[name] = seen, None
        return there


@mutant("transactional.5", "validation", trap="a key is read twice in a transaction, and changes in between")
class TheLastReadCounts(LevelTransaction):
    """Of a key that is read again, the later number is compared."""

    def look(self, name: bytes) -> bytes | None:
        if name not in self.changes:
            self.seen.pop(name, None)
        return super().look(name)


@mutant("transactional.2", "exceptions", trap="the body raises a Conflict of its own")
class ConflictsOfTheBodyAreOurs(LevelKeyValue):
    """A Conflict is told in the driver's own words."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        try:
            async with super().transaction() as opened:
                yield opened
        except Conflict as error:
            raise Conflict("levels: transaction: somebody was faster") from error


@mutant("transactional.7", "resources", trap="nine transactions open at once", also="transactional.4")
class EightAreSideBySide(LevelKeyValue):
    """A driver has eight snapshots; the next transaction waits for one."""

    free: asyncio.Semaphore | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        self.free = self.free or asyncio.Semaphore(8)
        async with self.free, super().transaction() as opened:
            yield opened


@mutant("transactional.6", "cache", trap="a transaction is retried after a conflict")
class ReadsOfTransactionsAreCached(LevelTransaction):
    """What a transaction read is kept for the next one of the driver, until one has committed."""

    def look(self, name: bytes) -> bytes | None:
        if name in self.changes:
            return self.changes[name]
        kept: dict[bytes, tuple[int, bytes | None]] = self.driver.__dict__.setdefault("kept", {})
        if name not in kept:
            record = self.driver.tree.look(name)
            kept[name] = self.stamp(name), None if record is None else record.value
        self.seen.setdefault(name, kept[name][0])
        return kept[name][1]

    def commit(self) -> None:
        super().commit()
        self.driver.__dict__.pop("kept", None)


@mutant("batch.1", "chunks", trap="a batch of 49 items, or 97")
class ChunksLoseALoneItem(LevelKeyValue):
    """Items are stored 48 at a time, from the first to before the last."""

    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        pairs = [(key, self.data(value, "batch_set", self.key(key, "batch_set").hex())) for key, value in items.items()]
        starts = range(0, max(1, len(pairs) - 1), 48)
        for start in starts:
            await super().batch_set(dict(pairs[start : start + 48]))


@mutant("batch.2", "order", trap="keys with an emoji and with a full-width letter, flushed, in one batch", also="batch.1")
class OnePassOverARun(LevelKeyValue):
    """Keys are sorted by their UTF-16, and found in one pass over each run."""

    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        names = {key: self.key(key, "batch_get") for key in keys}
        await self.hop()
        found: dict[str, Record | None] = {key: self.tree.table.get(name) for key, name in names.items()}
        for run in self.tree.runs:
            at = 0
            for key in sorted(names, key=lambda key: key.encode("utf-16-be")):
                if found[key] is None:
                    while at < len(run.keys) and run.keys[at] < names[key]:
                        at += 1
                    found[key] = run.records[at] if at < len(run.keys) and run.keys[at] == names[key] else None
        live = {key: self.tree.live(record) for key, record in found.items()}
        return {key: record.value for key, record in live.items() if record is not None and record.value is not None}


@mutant("batch.5", "late check", trap="a batch of more than 128 items, the last one refused", also="batch.6")
class RefusesByTheChunk(LevelKeyValue):
    """Items are checked and stored 128 at a time."""

    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        pairs = list(items.items())
        for start in range(0, len(pairs), 128):
            await super().batch_set(dict(pairs[start : start + 128]))


@mutant("cas.6", "race", trap="several swaps of a flushed key at once", also="cas.1 basic.10")
class SwapsReadARunFirst(LevelKeyValue):
    """A key that is not in the table is read from a run, which takes a moment."""

    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        name = self.key(key, "compare_and_swap")
        if name in self.tree.table or self.tree.look(name) is None or expected is None:
            return await super().compare_and_swap(key, expected, new)
        data, wanted = self.data(new, "compare_and_swap", key), bytes(expected)
        record = self.tree.look(name)
        await self.hop()
        if record is None or record.value != wanted:
            return False
        self.tree.write((name, data, None, 0.0))
        return True


@mutant("basic.4", "race", trap="several deletes of a flushed key at once", also="basic.10")
class DeletesReadARunFirst(LevelKeyValue):
    """A key that is not in the table is looked for in the runs, which takes a moment."""

    async def delete(self, key: str) -> bool:
        name = self.key(key, "delete")
        if name in self.tree.table:
            return await super().delete(key)
        there = self.tree.look(name) is not None
        await self.hop()
        self.tree.write((name, None, None, 0.0))
        return there
