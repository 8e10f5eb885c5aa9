"""Mutants that keep in the driver what belongs to one iteration, one transaction, or one wait."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from prism_testkit.interfaces import Bytes, KeyValueTransaction

from .declare import Mutant, declaring
from .reference import KeyValue, step
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


@mutant("basic.10", "shared name", trap="two sets of one client at once, of different keys", also="basic.1 basic.8")
class SetsOfAClientShareTheirKey(KeyValue):
    key_now = ""

    async def set(self, key: str, value: Bytes) -> None:
        self.key_now = self.name(key, "set")
        await step()
        await super().set(self.key_now, value)


@mutant("ttl.11", "shared seconds", trap="two set_with_ttl of one client at once", also="ttl.1 ttl.6 basic.10")
class DeadlinesOfAClientShareTheirSeconds(KeyValue):
    seconds_now = 0.0

    async def set_with_ttl(self, key: str, value: Bytes, ttl_s: float) -> None:
        self.seconds_now = self.seconds(ttl_s, "set_with_ttl")
        await step()
        await super().set_with_ttl(key, value, self.seconds_now)


@mutant("ttl.11", "shared seconds", trap="two expires of one client at once", also="ttl.7 ttl.6 basic.10")
class ExpiresOfAClientShareTheirSeconds(KeyValue):
    seconds_now = 0.0

    async def expire(self, key: str, ttl_s: float) -> bool:
        self.seconds_now = self.seconds(ttl_s, "expire")
        await step()
        return await super().expire(key, self.seconds_now)


@mutant("cas.6", "shared value", trap="two swaps of one client at once", also="cas.1")
class SwapsOfAClientShareWhatIsExpected(KeyValue):
    expected_now: Bytes | None = None

    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        self.expected_now = expected
        await step()
        return await super().compare_and_swap(key, self.expected_now, new)


@mutant("batch.1", "shared items", trap="two batches of one client at once", also="basic.10 batch.2")
class BatchesOfAClientShareTheirItems(KeyValue):
    items_now: Mapping[str, Bytes] = {}

    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        self.items_now = items
        await step()
        await super().batch_set(self.items_now)
