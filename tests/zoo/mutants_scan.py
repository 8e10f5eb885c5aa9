"""Mutants of `KeyValueScan` over a quiet store: what matches a prefix."""

import re
import unicodedata
from collections.abc import AsyncGenerator, AsyncIterator
from fnmatch import fnmatchcase

from .declare import Mutant, declaring
from .reference import KeyValue
from .stores import Changes, Entry

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# scan.1: exactly the present keys that match


@mutant("scan.1", "cap", trap="more than 1,000 keys", also="scan.4 scan.5")
class StopsAtThousand(KeyValue):
    """One page, and nobody asks for the next."""

    def matching(self, prefix: str) -> list[str]:
        return super().matching(prefix)[:1000]


@mutant("scan.1", "boundary", trap="more than 100 keys", also="scan.4 scan.5")
class SkipsFirstOfEachPage(KeyValue):
    """The cursor is exclusive, and was moved on by one besides."""

    def matching(self, prefix: str) -> list[str]:
        return [key for number, key in enumerate(super().matching(prefix)) if not number or number % 100]


@mutant("scan.1", "boundary", trap="128 keys, or a multiple of that", also="scan.4 scan.5")
class RepeatsFullLastPage(KeyValue):
    """A full page cannot be the last, so it is asked for again."""

    def matching(self, prefix: str) -> list[str]:
        keys = super().matching(prefix)
        return keys + keys[-128:] if keys and len(keys) % 128 == 0 else keys


@mutant("scan.1", "boundary", trap="an empty value", also="scan.5")
class SkipsEmptyValues(KeyValue):
    async def walk(self, prefix: str, limit: int | None) -> AsyncGenerator[tuple[str, Entry], None]:
        async for key, entry in super().walk(prefix, limit):
            if entry.value:
                yield key, entry


@mutant("scan.1", "stale cache", trap="a key that was overwritten")
class ListsFirstValue(KeyValue):
    """A covering index that is filled when a key is created, and not kept."""

    def apply(self, changes: Changes) -> None:
        for key, entry in changes.items():
            if entry is None or self.find(key) is None:
                self.store.notes[self.namespace, key] = entry
        super().apply(changes)

    async def scan(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[tuple[str, bytes]]:
        async for key, value in super().scan(prefix, limit):
            first: Entry | None = self.store.notes.get((self.namespace, key))
            yield key, value if first is None else first.value


@mutant("scan.1", "boundary", trap="a prefix that is itself a key", also="scan.2 scan.5")
class PrefixIsNotItsOwn(KeyValue):
    """Strictly greater than the prefix."""

    def matches(self, key: str, prefix: str) -> bool:
        return super().matches(key, prefix) and key != prefix


@mutant("scan.1", "side effect", trap="a key with a time to live", also="scan.5")
class ListsBookkeeping(KeyValue):
    """The deadline is a row of its own, beside the key."""

    def matching(self, prefix: str) -> list[str]:
        keys = super().matching(prefix)
        return keys + [f"{key}:ttl" for key in keys if self.rows()[key].deadline is not None]

    async def walk(self, prefix: str, limit: int | None) -> AsyncGenerator[tuple[str, Entry], None]:
        for key in self.matching(prefix)[:limit]:
            entry = self.find(key)
            if entry is not None or key.endswith(":ttl"):
                yield key, entry or Entry(b"1")


@mutant("scan.1", "missing step", trap="a key with a time to live", also="scan.5 ttl.1")
class ListsOnlyPermanent(KeyValue):
    """Keys with a deadline live in a second table, which scan forgot."""

    def matching(self, prefix: str) -> list[str]:
        return [key for key in super().matching(prefix) if self.rows()[key].deadline is None]


@mutant("scan.1", "encoding", trap="a key that goes on after the prefix with a character beyond U+FFFF", also="scan.2 scan.5")
class UpperBoundIsFFFF(KeyValue):
    """The range from the prefix to the prefix and U+FFFF; but names are compared by code point."""

    def matches(self, key: str, prefix: str) -> bool:
        return not prefix or prefix <= key <= prefix + "\uffff"


@mutant("scan.1", "overflow", trap="a prefix that ends in U+10FFFF", also="scan.2 scan.5")
class NoCharacterAfterLast(KeyValue):
    """The upper bound is the prefix with its last character increased; after the last one there is none, nor any match."""

    def matches(self, key: str, prefix: str) -> bool:
        return not prefix or (ord(prefix[-1]) < 0x10FFFF and prefix <= key < prefix[:-1] + chr(ord(prefix[-1]) + 1))


@mutant("scan.1", "tombstone", trap="a key that was deleted and set again", also="scan.5")
class RecreatedStaysHidden(KeyValue):
    """The list of deleted keys is never cleared."""

    async def delete(self, key: str) -> bool:
        present = await super().delete(key)
        if present:
            self.store.notes[self.namespace, self.name(key, "delete")] = True
        return present

    def matching(self, prefix: str) -> list[str]:
        return [key for key in super().matching(prefix) if (self.namespace, key) not in self.store.notes]


@mutant("scan.1", "duplicate", trap="a key that was deleted and set again", also="scan.3 scan.4 scan.5")
class RecreatedIsListedTwice(KeyValue):
    """The index is a list; set appends what is new, and delete leaves what is old."""

    def apply(self, changes: Changes) -> None:
        index: list[str] = self.store.notes.setdefault(self.namespace, [])
        index += [key for key, entry in changes.items() if entry is not None and key not in self.rows()]
        super().apply(changes)

    def matching(self, prefix: str) -> list[str]:
        index: list[str] = self.store.notes.get(self.namespace, [])
        return [key for key in index if self.matches(key, prefix) and self.find(key) is not None]


@mutant("scan.1", "truncation", trap="a key of more than 100 characters", also="scan.3 scan.5")
class ListsNamesCutAt100(KeyValue):
    """A column made for display."""

    async def scan(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[tuple[str, bytes]]:
        async for key, value in super().scan(prefix, limit):
            yield key[:100], value


# scan.2: a prefix is literal


class _ByPattern(KeyValue):
    def matches(self, key: str, prefix: str) -> bool:
        return re.match(self.pattern(prefix), key, re.DOTALL) is not None

    def pattern(self, prefix: str) -> str:
        raise NotImplementedError


@mutant("scan.2", "pattern", trap="a prefix that holds % or _", also="scan.5")
class PrefixIsLike(_ByPattern):
    """``LIKE prefix || '%'``, unescaped; case counts."""

    def pattern(self, prefix: str) -> str:
        return "".join({"%": ".*", "_": "."}.get(character, re.escape(character)) for character in prefix)


@mutant("scan.2", "pattern", trap="a prefix that holds *, ? or [", also="scan.5")
class PrefixIsGlob(KeyValue):
    """``SCAN MATCH prefix*``, unescaped."""

    def matches(self, key: str, prefix: str) -> bool:
        return fnmatchcase(key, prefix + "*")


@mutant("scan.2", "pattern", trap="a prefix that holds a dot, a bracket or another regular expression", also="scan.5 scan.6")
class PrefixIsRegex(_ByPattern):
    def pattern(self, prefix: str) -> str:
        return prefix


@mutant("scan.2", "escape", trap="a prefix that holds a backslash", also="scan.5")
class BackslashEscapes(KeyValue):
    """Wildcards are escaped, the escape character is not."""

    def matches(self, key: str, prefix: str) -> bool:
        return key.startswith(re.sub(r"\\(.)", r"\1", prefix, flags=re.DOTALL))


@mutant("scan.2", "folding", trap="keys that differ from the prefix in case", also="scan.5")
class PrefixFoldsAsciiCase(KeyValue):
    """SQLite's LIKE."""

    def matches(self, key: str, prefix: str) -> bool:
        return key[: len(prefix)].encode().lower() == prefix.encode().lower()


@mutant("scan.2", "trimming", trap="a prefix with a blank at an end", also="scan.5")
class PrefixIsTrimmed(KeyValue):
    def matches(self, key: str, prefix: str) -> bool:
        return key.startswith(prefix.strip())


@mutant("scan.2", "normalisation", trap="a prefix that is not in normal form", also="scan.5")
class PrefixIsNormalised(KeyValue):
    def matches(self, key: str, prefix: str) -> bool:
        return key.startswith(unicodedata.normalize("NFC", prefix))


@mutant("scan.2", "scope", trap="the empty prefix, and a key with a slash", also="scan.1 scan.5")
class EmptyPrefixListsTopLevel(KeyValue):
    """Without a prefix it is a directory that is listed."""

    def matches(self, key: str, prefix: str) -> bool:
        return key.startswith(prefix) if prefix else "/" not in key[1:]


@mutant("scan.2", "truncation", trap="a prefix of more than 16 bytes", also="scan.5")
class PrefixCutAt16(KeyValue):
    """An index on the first 16 bytes, and no second look at the rows."""

    def matches(self, key: str, prefix: str) -> bool:
        return key.encode().startswith(prefix.encode()[:16])
