"""Wrong drivers over chains of editions: two features that meet, and what the page, the filter or the buffer has in between."""

from collections.abc import AsyncIterator, Mapping, Sequence

from prism_testkit.interfaces import Bytes
from prism_testkit.naming import check_limit

from .declare import HOME, Mutant
from .family import declaring_family
from .independent import make
from .tenth_keyvalue import EditionKeyValue, EditionTransaction

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_family(MUTANTS, prefix="keyvalue_", make=make, home=HOME)


@mutant(
    "scan.4",
    "filter behind the limit",
    trap="a limit, and more keys that have expired before the living ones than it is",
    also="ttl.2 scan.1 scan.5",
)
class ExpiredKeysUseUpTheLimit(EditionKeyValue):
    """Three times as many names are fetched as are asked for; what has expired is left out of these."""

    async def walk(self, prefix: str, limit: int | None, call: str) -> AsyncIterator[tuple[str, bytes]]:
        bound = check_limit(limit, call, "editions")
        names = None
        if bound is not None and isinstance(prefix, str) and len(self.space.chains) < 2000:
            chains = self.space.chains
            stored = (name for name in self.space.named(prefix) if chains[name][-1].value is not None)
            names = {name for name, _ in zip(stored, range(3 * bound), strict=False)}
        async for key, value in super().walk(prefix, limit, call):
            if names is None or key in names:
                yield key, value


@mutant("ttl.3", "after many", trap="a batch of more than 500 items over keys with deadlines", also="ttl.10 batch.1 ttl.1")
class LongBatchesKeepDeadlines(EditionKeyValue):
    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        late = list(items)[500:]
        lives = {key: edition for key in late if (edition := self.now(self.key(key, "batch_set"))) is not None}
        await super().batch_set(items)
        again = [(key, bytes(items[key]), old.due_ms, old.given_s) for key, old in lives.items() if old.due_ms is not None]
        if again:
            self.editions.write(self.namespace, again)


@mutant("batch.3", "by pages", trap="a key named twice in a batch delete, far apart")
class RepeatsAreFoundWithinAHundred(EditionKeyValue):
    async def batch_delete(self, keys: Sequence[str]) -> int:
        names = [self.key(key, "batch_delete") for key in keys]
        pages = [names[at : at + 100] for at in range(0, len(names), 100)]
        there = sum(self.now(name) is not None for page in pages for name in set(page))
        await super().batch_delete(names)
        return there


@mutant("scan.5", "upper bound", trap="a key whose next character after the prefix is U+10FFFF", also="scan.2 scan.1")
class CountsEndAtTheLastCharacter(EditionKeyValue):
    async def count(self, prefix: str = "") -> int:
        found = await super().count(prefix)
        space = self.space
        beyond = (name for name in space.named(prefix) if prefix and name >= prefix + "\U0010ffff")
        return found - sum(self.editions.look(space, name) is not None for name in beyond)


@mutant("basic.1", "strides", trap="a view of every second byte of a buffer", also="basic.6 basic.7")
class StridesAreForgotten(EditionKeyValue):
    """A view is taken for as many bytes of its buffer as it has, from the first."""

    def data(self, value: Bytes, call: str, key: str) -> bytes:
        if isinstance(value, memoryview) and not value.contiguous and value.format == "B" and value.ndim == 1:
            return bytes(memoryview(value.obj))[: len(value)]
        return super().data(value, call, key)


class _LastRead(EditionTransaction):
    def find(self, key: str) -> bytes | None:
        if key in self.wishes:
            return self.wishes[key]
        edition = self.driver.now(key)
        self.seen[key] = 0 if edition is None else edition.number
        return None if edition is None else edition.value


@mutant("transactional.5", "overwritten note", trap="a transaction that reads a key twice, the second time after another's write")
class WhatIsReadAgainIsReadAnew(_LastRead):
    """Reads look at the latest; of a key that is read twice the later number is compared."""
