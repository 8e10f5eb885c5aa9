"""Mutants of `KeyValueScan` over a quiet store: limit, scan_keys, count, and prefixes that are refused."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from prism_testkit.interfaces import Bytes, InvalidName
from prism_testkit.naming import check_limit

from .declare import Mutant, declaring
from .mutants_scan import PrefixIsLike
from .reference import KeyValue
from .stores import Entry

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# scan.4: limit


@mutant("scan.4", "accounting", trap="a limit, and keys that do not match", also="scan.1")
class LimitCountsExamined(KeyValue):
    """Filters what the limited query gave."""

    async def walk(self, prefix: str, limit: int | None) -> AsyncGenerator[tuple[str, Entry], None]:
        async for key, entry in super().walk("", limit):
            if self.matches(key, prefix):
                yield key, entry


@mutant("scan.4", "accounting", trap="a limit, and keys that have expired", also="ttl.2")
class LimitCountsExpired(KeyValue):
    async def walk(self, prefix: str, limit: int | None) -> AsyncGenerator[tuple[str, Entry], None]:
        for key in [key for key in self.rows() if self.matches(key, prefix)][:limit]:
            entry = self.find(key)
            if entry is not None:
                yield key, entry


@mutant("scan.4", "sentinel", trap="limit=0")
class ZeroIsNoLimit(KeyValue):
    async def walk(self, prefix: str, limit: int | None) -> AsyncGenerator[tuple[str, Entry], None]:
        async for found in super().walk(prefix, limit or None):
            yield found


@mutant("scan.4", "boundary", trap="a limit below the number of keys")
class LimitIsOneMore(KeyValue):
    """Asks for one more, to know whether there is more, and gives that too."""

    async def walk(self, prefix: str, limit: int | None) -> AsyncGenerator[tuple[str, Entry], None]:
        async for found in super().walk(prefix, limit + 1 if limit else limit):
            yield found


@mutant("scan.4", "missing check", trap="a negative limit")
class NegativeLimitGivesNothing(KeyValue):
    async def scan(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[tuple[str, bytes]]:
        async for found in super().scan(prefix, limit if limit is None else max(0, limit)):
            yield found

    async def scan_keys(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[str]:
        async for key in super().scan_keys(prefix, limit if limit is None else max(0, limit)):
            yield key


@mutant("scan.4", "granularity", trap="a limit above 10 that is no multiple of 10, and more keys")
class LimitEndsAtPage(KeyValue):
    """Looks at the limit between pages of ten; the first page is cut."""

    async def walk(self, prefix: str, limit: int | None) -> AsyncGenerator[tuple[str, Entry], None]:
        async for found in super().walk(prefix, limit if limit is None or limit <= 10 else -(-limit // 10) * 10):
            yield found


@mutant("scan.4", "cap", trap="a limit of more than 100, and more keys than that")
class LimitIsCappedAt100(KeyValue):
    """A service's largest page."""

    async def walk(self, prefix: str, limit: int | None) -> AsyncGenerator[tuple[str, Entry], None]:
        async for found in super().walk(prefix, limit if limit is None else min(limit, 100)):
            yield found


# scan.5: scan_keys and count agree with scan


@mutant("scan.5", "missing step", trap="scan_keys with a limit", also="scan.4")
class ScanKeysIgnoresLimit(KeyValue):
    async def scan_keys(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[str]:
        check_limit(limit, "scan_keys", "zoo")
        async for key in super().scan_keys(prefix):
            yield key


@mutant("scan.5", "folding", trap="keys that differ in case", also="scan.1")
class ScanKeysDropsSimilar(KeyValue):
    """Removes duplicates, and folds to find them."""

    async def scan_keys(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[str]:
        seen: set[str] = set()
        async for key in super().scan_keys(prefix, limit):
            if key.casefold() not in seen:
                seen.add(key.casefold())
                yield key


class _CountsApart(KeyValue):
    """The number of keys in all is a counter, which may be off."""

    def off(self, keys: int) -> None:
        self.store.notes[self.namespace] = self.store.notes.get(self.namespace, 0) + keys

    async def count(self, prefix: str = "") -> int:
        counted = await super().count(prefix)
        return counted if prefix else counted + int(self.store.notes.get(self.namespace, 0))


@mutant("scan.5", "accounting", trap="a key that was overwritten, count without a prefix")
class CountCountsOverwrites(_CountsApart):
    """Every set adds to it."""

    async def set(self, key: str, value: Bytes) -> None:
        present = self.find(self.name(key, "set")) is not None
        await super().set(key, value)
        self.off(present)


@mutant(
    "scan.5",
    "missing step",
    trap="keys removed by batch_delete or compare_and_delete, count without a prefix",
    also="batch.3 cas.4",
)
class CountMissesOtherDeletes(_CountsApart):
    """Only delete takes away from it."""

    async def compare_and_delete(self, key: str, expected: Bytes) -> bool:
        removed = await super().compare_and_delete(key, expected)
        self.off(removed)
        return removed

    async def batch_delete(self, keys: Sequence[str]) -> int:
        removed = await super().batch_delete(keys)
        self.off(removed)
        return removed


@mutant("scan.5", "cap", trap="more than 100 keys")
class CountStopsAt100(KeyValue):
    async def count(self, prefix: str = "") -> int:
        return min(100, await super().count(prefix))


@mutant("scan.5", "estimate", trap="more than 500 keys")
class CountIsEstimateWhenLarge(KeyValue):
    """Statistics of the planner, in steps of 64."""

    async def count(self, prefix: str = "") -> int:
        counted = await super().count(prefix)
        return counted if counted <= 500 else counted // 64 * 64


@mutant("scan.5", "pattern", trap="count of a prefix that holds % or _", also="scan.2")
class CountIsLike(PrefixIsLike):
    """Scan compares; count was left with LIKE."""

    async def walk(self, prefix: str, limit: int | None) -> AsyncGenerator[tuple[str, Entry], None]:
        async for found in KeyValue(self.store, self.namespace).walk(prefix, limit):
            yield found


# scan.6: prefixes that are refused


@mutant("scan.6", "missing check", trap="a prefix that is too long or holds a surrogate")
class AnyPrefixAccepted(KeyValue):
    """Nothing begins with it anyway."""

    def prefix(self, prefix: str, operation: str) -> str:
        return prefix


@mutant("scan.6", "boundary", trap="a prefix of exactly max_name bytes", also="scan.1")
class PrefixLimitExclusive(KeyValue):
    def prefix(self, prefix: str, operation: str) -> str:
        if len(super().prefix(prefix, operation).encode()) >= self.limits.max_name:
            raise InvalidName(f"zoo: {operation}: the prefix is too long")
        return prefix


@mutant("scan.6", "sentinel", trap="the empty prefix", also="scan.1 scan.2 scan.5")
class EmptyPrefixIsRefused(KeyValue):
    """A prefix is checked as a name is."""

    def prefix(self, prefix: str, operation: str) -> str:
        return self.name(prefix, operation)


@mutant("scan.6", "wrong error", trap="a prefix that holds a surrogate")
class PrefixErrorLeaks(KeyValue):
    def prefix(self, prefix: str, operation: str) -> str:
        prefix.encode()
        return super().prefix(prefix, operation)


@mutant("scan.6", "missing step", trap="count of a prefix that is too long")
class CountAcceptsAnyPrefix(KeyValue):
    async def count(self, prefix: str = "") -> int:
        return len(self.matching(prefix))


@mutant("scan.6", "truncation", trap="a prefix of ASCII that is too long")
class LongPrefixIsCut(KeyValue):
    def prefix(self, prefix: str, operation: str) -> str:
        return super().prefix(prefix[: self.limits.max_name], operation)
