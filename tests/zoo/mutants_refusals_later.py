"""Mutants whose refusals leave something behind that only the next call shows."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from prism_testkit.interfaces import Bytes, Conflict, KeyValueTransaction

from .declare import Mutant, declaring
from .reference import KeyValue

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _Noting(KeyValue):
    @property
    def left(self) -> dict[str, Any]:
        """What a refused call left behind."""
        found: dict[str, Any] = self.store.notes.setdefault(("left", self.namespace), {})
        return found


@mutant("transactional.6", "leftover", trap="the next behind one that conflicts", also="transactional.1 transactional.2")
class WhatConflictsIsWrittenWithTheNext(_Noting):
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
            self.left.update(transaction.writes)
            raise
        left = {key: entry for key, entry in self.left.items() if key not in transaction.writes}
        self.left.clear()
        self.apply(left)


@mutant("transactional.2", "leftover", trap="the next transaction behind one whose body raised", also="transactional.1")
class WhatWasDiscardedIsWrittenWithTheNext(_Noting):
    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        transaction = self.transaction_type(self)
        try:
            yield transaction
        except BaseException:
            self.left.update(transaction.writes)
            raise
        finally:
            transaction.ended = True
        await transaction.commit()
        left = {key: entry for key, entry in self.left.items() if key not in transaction.writes}
        self.left.clear()
        self.apply(left)


@mutant("ttl.9", "order of steps", trap="an expire by what is no time", also="ttl.7 ttl.1")
class ARefusedExpirePersists(_Noting):
    async def expire(self, key: str, ttl_s: float) -> bool:
        try:
            return await super().expire(key, ttl_s)
        except (ValueError, TypeError):
            entry = self.find(key)
            if entry is not None:
                self.apply({key: self.entry(entry.value)})
            raise


@mutant("ttl.9", "leftover", trap="the next plain set behind a time that is none", also="ttl.3 ttl.1")
class ATimeThatIsRefusedIsOfTheNext(_Noting):
    async def set_with_ttl(self, key: str, value: Bytes, ttl_s: float) -> None:
        try:
            await super().set_with_ttl(key, value, ttl_s)
        except (ValueError, TypeError):
            self.left["refused"] = True
            raise

    async def set(self, key: str, value: Bytes) -> None:
        await super().set(key, value)
        if self.left.pop("refused", None):
            self.apply({key: self.entry(bytes(value), 60.0)})


@mutant("cas.7", "order of steps", trap="a swap for what is too large", also="cas.3 basic.6")
class ARefusedSwapRemoves(_Noting):
    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        try:
            return await super().compare_and_swap(key, expected, new)
        except Exception:
            if expected is not None and self.holds(key, bytes(expected)):
                self.apply({key: None})
            raise


@mutant("batch.5", "leftover", trap="the next batch behind one that is refused", also="batch.1")
class WhatABatchWasRefusedIsWrittenWithTheNext(_Noting):
    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        left, refused = dict(self.left), True
        self.left.clear()
        try:
            await super().batch_set({**left, **items})
            refused = False
        finally:
            if refused and items:
                key, value = next(iter(items.items()))
                if isinstance(value, bytes) and key and len(value) < 100:
                    self.left[key] = value
