"""Mutants that keep in the driver what belongs to one iteration, one transaction, or one wait."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from prism_testkit.interfaces import KeyValueTransaction

from .declare import Mutant, declaring
from .reference import KeyValue
from .stores import Entry

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("scan.3", "shared cursor", trap="two scans of one client that go on by turns", also="scan.1 scan.7")
class ScansOfAClientShareTheirCursor(KeyValue):
    at = ""

    async def walk(self, prefix: str, limit: int | None) -> AsyncGenerator[tuple[str, Entry], None]:
        given, self.at = 0, ""
        while given != limit:
            key = min((key for key in self.matching(prefix) if key > self.at), default=None)
            if key is None:
                return
            self.at, given = key, given + 1
            entry = self.find(key)
            if entry is not None:
                yield key, entry


@mutant("scan.4", "shared counter", trap="two scans with limits that go on by turns", also="scan.1 scan.3")
class ScansOfAClientShareTheirLimit(KeyValue):
    given = 0

    async def walk(self, prefix: str, limit: int | None) -> AsyncGenerator[tuple[str, Entry], None]:
        self.given = 0
        for key in self.matching(prefix):
            if limit is not None and self.given >= limit:
                return
            entry = self.find(key)
            if entry is not None:
                self.given += 1
                yield key, entry


@mutant(
    "transactional.7", "shared buffer", trap="two transactions that are open side by side", also="transactional.1 transactional.5"
)
class ATransactionsReadsAreThoseOfAnother(KeyValue):
    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        transaction = self.transaction_type(self)
        shared: dict[str, Any] = self.__dict__.setdefault("shared_reads", {})
        shared.clear()
        transaction.reads = shared
        try:
            yield transaction
        finally:
            transaction.ended = True
        await transaction.commit()
