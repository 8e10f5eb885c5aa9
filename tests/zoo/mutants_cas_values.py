"""Mutants of `KeyValueCas`: how values are compared, and what is refused."""

import hashlib

from prism_testkit.interfaces import Bytes, InvalidName, PayloadTooLarge

from .declare import Mutant, declaring
from .reference import KeyValue

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# cas.5: whole values, byte for byte

_UNEQUAL = "cas.1 cas.3 cas.4"


@mutant("cas.5", "truncation", trap="values that differ only after 64 bytes", also=_UNEQUAL)
class ComparesFirst64(KeyValue):
    def same(self, current: bytes, expected: bytes) -> bool:
        return current[:64] == expected[:64]


@mutant("cas.5", "digest", trap="long values of one length that differ only in the middle", also=_UNEQUAL)
class ComparesEnds(KeyValue):
    def same(self, current: bytes, expected: bytes) -> bool:
        if len(current) < 256:
            return current == expected
        return len(current) == len(expected) and current[:64] == expected[:64] and current[-64:] == expected[-64:]


@mutant("cas.5", "digest", trap="different values of one length", also=_UNEQUAL)
class ComparesLengths(KeyValue):
    def same(self, current: bytes, expected: bytes) -> bool:
        return len(current) == len(expected)


@mutant("cas.5", "folding", trap="values that differ in the case of a letter", also=_UNEQUAL)
class ComparesWithoutCase(KeyValue):
    def same(self, current: bytes, expected: bytes) -> bool:
        return current.lower() == expected.lower()


@mutant("cas.5", "trimming", trap="values that differ in NULs at the end", also=_UNEQUAL)
class IgnoresTrailingNul(KeyValue):
    """BINARY(n) pads."""

    def same(self, current: bytes, expected: bytes) -> bool:
        return current.rstrip(b"\0") == expected.rstrip(b"\0")


@mutant("cas.5", "prefix", trap="expected is the beginning of the value", also=_UNEQUAL)
class ComparesPrefix(KeyValue):
    """strncmp with the length of what is expected."""

    def same(self, current: bytes, expected: bytes) -> bool:
        return current.startswith(expected) and bool(expected or not current)


@mutant("cas.5", "truncation", trap="values that differ only after a NUL", also=_UNEQUAL)
class ComparesUpToNul(KeyValue):
    """strcmp."""

    def same(self, current: bytes, expected: bytes) -> bool:
        return current.split(b"\0")[0] == expected.split(b"\0")[0]


@mutant("cas.5", "encoding", trap="values that are not UTF-8 and differ in bytes that no character has", also=_UNEQUAL)
class ComparesDecoded(KeyValue):
    def same(self, current: bytes, expected: bytes) -> bool:
        return current.decode("utf-8", "replace") == expected.decode("utf-8", "replace")


@mutant("cas.5", "normalisation", trap="numbers that are spelled differently", also=_UNEQUAL)
class ComparesNumbers(KeyValue):
    def same(self, current: bytes, expected: bytes) -> bool:
        numbers = all(text.isdigit() and len(text) < 19 for text in (current, expected))
        return int(current) == int(expected) if numbers else current == expected


@mutant("cas.5", "digest", trap="values of the same bytes in another order", also=_UNEQUAL)
class ComparesSums(KeyValue):
    """A checksum that adds."""

    def same(self, current: bytes, expected: bytes) -> bool:
        return (len(current), sum(current)) == (len(expected), sum(expected))


@mutant("cas.5", "digest", trap="some hundred values, or two with one first byte of SHA-256", also=_UNEQUAL)
class ComparesOneByteOfHash(KeyValue):
    """A fingerprint cut to one byte: every 256th wrong value is taken for right."""

    def same(self, current: bytes, expected: bytes) -> bool:
        return hashlib.sha256(current).digest()[:1] == hashlib.sha256(expected).digest()[:1]


@mutant("cas.5", "cap", trap="comparing values of more than 4096 bytes", also="cas.1 cas.4")
class LongValuesNeverMatch(KeyValue):
    """What is kept out of line is not compared."""

    def same(self, current: bytes, expected: bytes) -> bool:
        return current == expected and len(current) <= 4096


# cas.7: refused as elsewhere, matching or not


@mutant("cas.7", "order of steps", trap="a value over the limit while expected does not match")
class RefusesOnlyOnMatch(KeyValue):
    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        name = self.name(key, "compare_and_swap")
        wanted = None if expected is None else self.data(expected, "compare_and_swap", key)
        return self.holds(name, wanted) and await super().compare_and_swap(key, expected, new)


@mutant("cas.7", "missing check", trap="a value over the limit in compare_and_swap")
class SwapTakesAnySize(KeyValue):
    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        name = self.name(key, "compare_and_swap")
        return self.swap(name, None if expected is None else bytes(expected), self.entry(bytes(new)))


@mutant("cas.7", "missing check", trap="a refused name in compare_and_delete")
class RemovalAcceptsAnyName(KeyValue):
    async def compare_and_delete(self, key: str, expected: Bytes) -> bool:
        return self.swap(key, self.data(expected, "compare_and_delete", key), None)


@mutant("cas.7", "torn", trap="a value over the limit while expected matches")
class RefusesAfterRemoval(KeyValue):
    """DELETE and INSERT, of which the second is refused."""

    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        try:
            return await super().compare_and_swap(key, expected, new)
        except PayloadTooLarge:
            if expected is not None:
                await self.compare_and_delete(key, expected)
            raise


@mutant("cas.7", "swallowing", trap="a refused name or value in compare_and_swap")
class RefusalIsFalse(KeyValue):
    """Whatever goes wrong, it was not swapped."""

    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        try:
            return await super().compare_and_swap(key, expected, new)
        except (InvalidName, PayloadTooLarge):
            return False
