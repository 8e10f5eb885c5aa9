"""Mutants of `KeyValueBasic` in which names alias, are altered or are refused."""

import hashlib
import re
import unicodedata
from posixpath import normpath
from urllib.parse import unquote

from prism_testkit.interfaces import InvalidName

from .declare import Mutant, declaring
from .reference import KeyValue
from .stores import Changes, Entry

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

_FOLLOWS = "basic.1 basic.2 basic.4 basic.5 scan.1 scan.5 batch.1 batch.2 batch.3 ttl.11 cas.2 transactional.1 transactional.3"
"""What else a check may see that uses two names which are one."""


class _Aliasing(KeyValue):
    """Names with equal `alias` are one row; it is listed under the name by which it was first written."""

    def alias(self, name: str) -> object:
        raise NotImplementedError

    def name(self, key: str, operation: str) -> str:
        name = super().name(key, operation)
        slot = self.namespace, self.alias(name)
        known: str | None = self.store.notes.get(slot)
        if known is None or known not in self.rows():
            self.store.notes[slot] = known = name
        return known

    def apply(self, changes: Changes) -> None:
        merged: dict[str, Entry | None] = {}
        spelled: dict[object, str] = {}
        for key, entry in changes.items():
            first = spelled.setdefault(self.alias(key), key)
            self.store.notes[self.namespace, self.alias(key)] = first
            merged[first] = entry
        super().apply(merged)


@mutant("basic.3", "folding", trap="names that differ in case", also=_FOLLOWS)
class FoldsCase(_Aliasing):
    """A case-insensitive collation or file system."""

    def alias(self, name: str) -> object:
        return name.lower()


@mutant("basic.3", "normalisation", trap="names that differ in normal form", also=_FOLLOWS)
class NormalisesNames(_Aliasing):
    """A file system that stores NFC."""

    def alias(self, name: str) -> object:
        return unicodedata.normalize("NFC", name)


@mutant("basic.3", "collation", trap="names that differ in accents", also=_FOLLOWS)
class DropsAccents(_Aliasing):
    """An accent-insensitive collation."""

    def alias(self, name: str) -> object:
        return "".join(c for c in unicodedata.normalize("NFD", name) if not unicodedata.combining(c)) or name


@mutant("basic.3", "trimming", trap="names that differ in blanks at the end", also=_FOLLOWS)
class TrimsTrailingBlanks(_Aliasing):
    """A CHAR column pads and compares without the padding."""

    def alias(self, name: str) -> object:
        return name.rstrip(" ")


@mutant("basic.3", "trimming", trap="names that differ in a newline at the end", also=_FOLLOWS)
class TrimsTrailingNewline(_Aliasing):
    """Names come back from a list of lines."""

    def alias(self, name: str) -> object:
        return name.removesuffix("\n")


@mutant("basic.3", "truncation", trap="names of more than 255 bytes that differ only after them", also=_FOLLOWS)
class CutsNamesAt255(_Aliasing):
    """VARCHAR(255), not strict."""

    def alias(self, name: str) -> object:
        return name.encode()[:255]


@mutant("basic.3", "truncation", trap="names that differ only after a NUL", also=_FOLLOWS)
class EndsNamesAtNul(_Aliasing):
    """A C string."""

    def alias(self, name: str) -> object:
        return name.partition("\0")[0]


@mutant("basic.3", "path", trap="names such as a//b and a/b, a/./b, a/x/../b, a and a/", also=_FOLLOWS)
class ResolvesPaths(_Aliasing):
    """Names are paths below a directory."""

    def alias(self, name: str) -> object:
        return normpath(name)


@mutant("basic.3", "encoding", trap="names of which one is the other percent-encoded", also=_FOLLOWS)
class DecodesPercent(_Aliasing):
    """Names go through a URL that is decoded once too often."""

    def alias(self, name: str) -> object:
        return unquote(name, errors="surrogateescape")


@mutant("basic.3", "encoding", trap="names that differ in a plus and a blank", also=_FOLLOWS)
class PlusIsBlank(_Aliasing):
    """Names go through a query string."""

    def alias(self, name: str) -> object:
        return name.replace("+", " ")


@mutant("basic.3", "encoding", trap="names that differ in one of the characters that files cannot have", also=_FOLLOWS)
class ReplacesUnsafeCharacters(_Aliasing):
    """Names are made safe for a file system, one way."""

    def alias(self, name: str) -> object:
        return re.sub(r'[/\\:*?"<>|]', "_", name)


@mutant("basic.3", "encoding", trap="names that differ by 65,536 in a character", also=_FOLLOWS)
class KeepsSixteenBitCharacters(_Aliasing):
    def alias(self, name: str) -> object:
        return tuple(ord(character) & 0xFFFF for character in name)


@mutant("basic.3", "encoding", trap="names that differ in characters beyond Latin-1", also=_FOLLOWS)
class ReplacesBeyondLatin1(_Aliasing):
    """A Latin-1 column writes a question mark for the rest."""

    def alias(self, name: str) -> object:
        return name.encode("latin-1", "replace")


@mutant("basic.3", "encoding", trap="names that differ in an invisible character", also=_FOLLOWS)
class DropsInvisibleCharacters(_Aliasing):
    """A sanitizer removes format characters: zero-width blanks and joiners, direction marks, the byte order mark."""

    def alias(self, name: str) -> object:
        return "".join(c for c in name if unicodedata.category(c) != "Cf") or name


@mutant("basic.3", "normalisation", trap="numbers that are spelled differently, 7 and 007", also=_FOLLOWS)
class NumbersAreNames(_Aliasing):
    """A name of digits is an index."""

    def alias(self, name: str) -> object:
        return str(int(name)) if name.isdecimal() and name.isascii() and len(name) < 19 else name


@mutant("basic.3", "digest", trap="long names that differ only in the middle", also=_FOLLOWS)
class SamplesLongNames(_Aliasing):
    """Hashes the ends of names over 128 characters, and the length."""

    def alias(self, name: str) -> object:
        return name if len(name) <= 128 else (name[:48], len(name), name[-48:])


@mutant("basic.3", "digest", trap="long names of the same characters in another order", also=_FOLLOWS)
class SumsLongNames(_Aliasing):
    """The digest of names over 64 characters does not depend on the order of bytes."""

    def alias(self, name: str) -> object:
        return name if len(name) <= 64 else sum(name.encode())


@mutant("basic.3", "digest", trap="several hundred names", also=_FOLLOWS)
class HashesNamesTo16Bits(_Aliasing):
    """Buckets, with the name in the bucket not compared; 16 bits collide among some hundreds of names."""

    def alias(self, name: str) -> object:
        return hashlib.blake2b(name.encode(), digest_size=2).digest()


@mutant("basic.3", "refusal", trap="a name with a control character", also="basic.6")
class RefusesControlCharacters(KeyValue):
    def name(self, key: str, operation: str) -> str:
        if any(character < " " for character in super().name(key, operation)):
            raise InvalidName(f"zoo: {operation}: the name {key[:40]!a} holds a control character")
        return key


@mutant("basic.3", "refusal", trap="the names . and .., or one that begins with a slash", also="basic.6")
class RefusesOddPaths(KeyValue):
    def name(self, key: str, operation: str) -> str:
        if super().name(key, operation) in (".", "..") or key.startswith("/"):
            raise InvalidName(f"zoo: {operation}: the name {key[:40]!a} leaves the directory")
        return key


@mutant("basic.3", "reserved", trap="a name that begins with two underscores", also="basic.6")
class ReservesUnderscores(KeyValue):
    """Keeps names of its own."""

    def name(self, key: str, operation: str) -> str:
        if super().name(key, operation).startswith("__"):
            raise InvalidName(f"zoo: {operation}: the name {key[:40]!a} is reserved")
        return key
