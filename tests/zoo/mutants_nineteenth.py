"""Mutants of the nineteenth examination: keys that are gone in a listing, and what is cancelled within a transaction."""

import asyncio
from typing import Any

from prism_testkit.interfaces import Bytes

from .declare import Mutant, declaring
from .reference import KeyValue, Transaction, step
from .stores import Changes

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

_PAGE = 100


@mutant("scan.1", "paging", trap="a hundred keys that expired, in a row", also="scan.5 scan.4")
class APageOfExpiredKeysEndsAScan(KeyValue):
    def names(self) -> list[str]:
        """Return all names that a listing goes through."""
        return sorted(self.rows())

    def matching(self, prefix: str) -> list[str]:
        names, found = [name for name in self.names() if self.matches(name, prefix)], list[str]()
        for first in range(0, len(names), _PAGE):
            page = [name for name in names[first : first + _PAGE] if self.find(name) is not None]
            if not page:
                break
            found += page
        return found


@mutant("scan.1", "paging", trap="a hundred keys that were deleted, in a row", also="scan.5 scan.4")
class APageOfTombstonesEndsAScan(APageOfExpiredKeysEndsAScan):
    def names(self) -> list[str]:
        return sorted(self.store.notes.get(self.namespace, ()))

    def apply(self, changes: Changes) -> None:
        self.store.notes.setdefault(self.namespace, set()).update(changes)
        super().apply(changes)


@mutant("scan.5", "cap", trap="more than ten thousand keys")
class CountsToTenThousand(KeyValue):
    async def count(self, prefix: str = "") -> int:
        return min(10_000, await super().count(prefix))


class _SharesReads(Transaction):
    """Who reads what is being read already awaits that."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self.reading: dict[str, asyncio.Future[bytes | None]] = {}

    async def read(self, key: str) -> bytes | None:
        await step()
        return await super().get(key)

    async def get(self, key: str) -> bytes | None:
        self.check_open("get")
        name = self.driver.name(key, "transaction get")
        if name in self.writes:
            return await super().get(key)
        if name not in self.reading:
            self.reading[name] = asyncio.ensure_future(self.read(key))
        return await self.reading[name]


@mutant("basic.11", "cancellation", trap="a read within a transaction is cancelled, and made again")
class ACancelledReadIsKept(KeyValue):
    transaction_type = _SharesReads


class _Locks(Transaction):
    driver: "ACancelledCommitKeepsItsLocks"

    async def commit(self) -> None:
        locks = [self.driver.lock(key) for key in sorted(self.writes)]
        for lock in locks:
            await lock.acquire()
        try:
            await super().commit()
        finally:
            for lock in locks:
                lock.release()


@mutant("basic.11", "cancellation", trap="a commit is cancelled as it waits for a key that another one writes")
class ACancelledCommitKeepsItsLocks(KeyValue):
    transaction_type = _Locks

    def lock(self, key: str) -> asyncio.Lock:
        locks: dict[str, asyncio.Lock] = self.store.notes.setdefault(("locks", self.namespace), {})
        return locks.setdefault(key, asyncio.Lock())

    async def set(self, key: str, value: Bytes) -> None:
        name, data = self.name(key, "set"), self.data(value, "set", key)
        async with self.lock(name):
            await step()
            self.apply({name: self.entry(data)})
