"""More mutants that nobody who knew the checks would write: what optimisations, bounds and arguments of other types lead to."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

from prism_testkit.interfaces import Bytes, Conflict, InvalidName, KeyValueTransaction

from .declare import Mutant, declaring
from .reference import KeyValue, Transaction
from .stores import Changes, Entry, Store

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("basic.1", "aliasing", trap="two values of one length and one sum, as ab and ba", also="basic.3 batch.1")
class ContentsAreKnownByASum(KeyValue):
    """Each content is kept once, under a checksum that is none."""

    def entry(self, data: bytes, seconds: float | None = None) -> Entry:
        kept = self.store.notes.setdefault(("content", len(data), sum(data) & 0xFFFF), data)
        return super().entry(kept, seconds)


@mutant("ttl.4", "skipped write", trap="a swap of a value for itself, of a key with a deadline", also="ttl.10")
class SwapForTheSameIsSkipped(KeyValue):
    def swap(self, key: str, expected: bytes | None, new: Entry | None) -> bool:
        if new is not None and expected == new.value:
            return self.holds(key, expected)
        return super().swap(key, expected, new)


class _DropsWhatIsTheSame(Transaction):
    async def commit(self) -> None:
        if self.stale():
            raise Conflict("zoo: commit: what was read has changed")
        kept = {key: self.driver.find(key) for key in self.writes}
        self.driver.apply({k: e for k, e in self.writes.items() if e is None or (old := kept[k]) is None or old.value != e.value})


@mutant("ttl.3", "skipped write", trap="a transaction that writes the value that is there", also="ttl.10")
class TransactionsSkipWhatIsTheSame(KeyValue):
    transaction_type = _DropsWhatIsTheSame


class _Versions(Transaction):
    """Compares versions, which count the writes of a key since it was made."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self.seen: dict[str, int] = {}

    def look(self, key: str) -> Entry | None:
        if key not in self.writes:
            self.seen.setdefault(key, self.driver.store.notes.get((self.driver.namespace, key), 0))
        return super().look(key)

    def stale(self) -> bool:
        notes, space = self.driver.store.notes, self.driver.namespace
        return any(notes.get((space, key), 0) != number for key, number in self.seen.items())


@mutant(
    "transactional.5", "counter that resets", trap="a key that a transaction read is removed and made again", also="transactional.6"
)
class VersionsBeginAnewAfterDelete(KeyValue):
    transaction_type = _Versions

    def apply(self, changes: Changes) -> None:
        for key, entry in changes.items():
            slot = (self.namespace, key)
            self.store.notes[slot] = 0 if entry is None else self.store.notes.get(slot, 0) + 1
        super().apply(changes)


@mutant("scan.2", "boundary", trap="a prefix that ends just before the surrogates", also="scan.6 scan.1")
class UpperBoundOfAPrefixIsAName(KeyValue):
    """The range ends at the prefix with its last character one higher."""

    def prefix(self, prefix: str, operation: str) -> str:
        checked = super().prefix(prefix, operation)
        if checked and ord(checked[-1]) + 1 in (0xD800, 0x110000):
            raise InvalidName(f"zoo: {operation}: the bound of {prefix!a} is no text")
        return checked


@mutant("ttl.2", "rounding", trap="a time to live under half a millisecond", also="ttl.1 ttl.6 ttl.9 ttl.7")
class NoMillisecondIsForever(KeyValue):
    """A deadline in 0 ms is none, as 0 is for many servers."""

    def entry(self, data: bytes, seconds: float | None = None) -> Entry:
        return super().entry(data, None if seconds is not None and round(seconds * 1000) == 0 else seconds)


_CURRENT: ContextVar[Any] = ContextVar("current", default=None)


@mutant(
    "transactional.7",
    "shared state",
    trap="two transactions open in one task",
    also="transactional.1 transactional.4 transactional.2",
)
class TransactionsOfATaskAreOne(KeyValue):
    """Who has one open joins it."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        if (outer := _CURRENT.get()) is not None and outer.driver is self and not outer.ended:
            yield outer
            return
        transaction = self.transaction_type(self)
        _CURRENT.set(transaction)
        try:
            yield transaction
        finally:
            transaction.ended = True
            _CURRENT.set(None)
        await transaction.commit()


@mutant("transactional.2", "error path", trap="a body that raises what is no Exception")
class OnlyExceptionsRollBack(KeyValue):
    """And cancellation, which somebody reported."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        transaction = self.transaction_type(self)
        failed = False
        try:
            yield transaction
        except (Exception, asyncio.CancelledError):
            failed = True
            raise
        finally:
            transaction.ended = True
            if not failed:
                await transaction.commit()


@mutant("basic.3", "argument of a subclass", trap="a key of an enum of texts", also="batch.1 scan.1")
class KeysAreTakenByStr(KeyValue):
    """Which of a member of ``class Colour(str, Enum)`` gives its name."""

    def name(self, key: str, operation: str) -> str:
        return str(super().name(key, operation))


@mutant("batch.3", "iterator used twice", trap="keys that are no list", also="batch.2 batch.4")
class BatchesAreAddedToLists(KeyValue):
    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        self.need_list(keys)
        return await super().batch_get(keys)

    async def batch_delete(self, keys: Sequence[str]) -> int:
        self.need_list(keys)
        return await super().batch_delete(keys)

    def need_list(self, keys: Sequence[str]) -> None:
        if not isinstance(keys, list):
            raise TypeError(f'can only concatenate list (not "{type(keys).__name__}") to list')


@mutant("batch.1", "argument of a subclass", trap="items that are a mapping and no dict", also="batch.4")
class BatchItemsAreADict(KeyValue):
    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        if not isinstance(items, dict):
            raise TypeError(f"zoo: batch_set: items are dict, not {type(items).__name__}")
        await super().batch_set(items)


class _LastTouched(Store):
    """Forgets the namespace that was used longest ago when it knows 16."""

    def rows(self, namespace: str) -> dict[str, Entry]:
        rows = self.spaces.pop(namespace, {})
        self.spaces[namespace] = rows
        while len(self.spaces) > 16:
            del self.spaces[next(iter(self.spaces))]
        return rows


@mutant("basic.9", "bounded cache", trap="17 namespaces of one place in use", also="basic.8 basic.1", store=_LastTouched)
class SixteenNamespacesAreKept(KeyValue):
    """A cache that is also the store."""
