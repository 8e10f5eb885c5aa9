"""Mutants whose names alias, are refused, or are listed as they are stored."""

import posixpath
import unicodedata
import zlib
from collections.abc import Callable
from types import new_class
from typing import Any
from urllib.parse import quote, unquote, unquote_plus

from prism_testkit.interfaces import InvalidName, ObjectInfo
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Objects
from .stores import Slot, Version

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# 3: names


def _alias(name: str, way: Callable[[str], str], kind: str, trap: str, method: str = "key_name", doc: str = "") -> None:
    """Declare a driver that stores objects, or buckets, under what ``way`` makes of their names."""

    def stored(self: Any, text: str, operation: str) -> str:
        return way(str(getattr(Objects, method)(self, text, operation))) or "-"

    def fill(body: dict[str, Any]) -> None:
        body[method] = stored
        body["__module__"] = __name__
        body["__doc__"] = doc or None

    mutant("3", kind, trap, "1 2 4 8 11 12")(new_class(name, (Objects,), {}, fill))


def _cut(limit: int) -> Callable[[str], str]:
    return lambda text: text.encode()[:limit].decode("utf-8", "ignore")


def _resolved(text: str) -> str:
    return posixpath.normpath(f"/{text}")[1:] if "." in text else text


_alias("KeysFoldCase", str.casefold, "aliasing", "keys that differ in case")
_alias("KeysAreNfc", lambda text: unicodedata.normalize("NFC", text), "normalisation", "one letter, composed and decomposed")
_alias("KeysAreNfkc", lambda text: unicodedata.normalize("NFKC", text), "normalisation", "a ligature, a full-width letter")
_alias("KeysLoseTrailingSlash", lambda text: text.rstrip("/"), "path", "`a` and `a/`")
_alias("KeysLoseLeadingSlash", lambda text: text.lstrip("/"), "path", "`a` and `/a`")
_alias("KeysMergeSlashes", lambda text: text.replace("//", "/"), "path", "`a/b` and `a//b`")
_alias("KeysResolveDots", _resolved, "path", "`a/../b` and `b`")
_alias("KeysAreUnquoted", unquote, "decoding", "`%41` and `A`")
_alias("KeysReadPlusAsBlank", lambda text: unquote_plus(text) if "+" in text else text, "decoding", "`a+b` and `a b`")
_alias("KeysTurnBackslashes", lambda text: text.replace("\\", "/"), "path", "`a\\b` and `a/b`")
_alias("KeysEndAtNul", lambda text: text.split("\0")[0], "truncation", "a NUL inside")
_alias("KeysAreCutAt255", _cut(255), "truncation", "keys of more than 255 bytes that begin alike")
_alias("KeysAreCutAt511", _cut(511), "truncation", "keys of 512 bytes that differ in the last")
_alias("KeysAreStripped", str.strip, "trimming", "a blank at an end")
_alias("KeysLoseFinalDot", lambda text: text.rstrip("."), "trimming", "`a` and `a.`", doc="As on Windows.")
_alias("KeysLoseTheirQuery", lambda text: text.split("?")[0].split("#")[0], "truncation", "a `?` or a `#`")
_alias("KeysAreLatin1", lambda text: text.encode("latin-1", "replace").decode("latin-1"), "encoding", "beyond U+00FF")
_alias("KeysAreChecksums", lambda text: str(zlib.crc32(text.encode()) % 65521), "hash", "listed names")
_alias("BucketsFoldCase", str.lower, "aliasing", "buckets that differ in case", "bucket_name")
_alias("BucketsAreCutAt63", _cut(63), "truncation", "buckets of more than 63 bytes that begin alike", "bucket_name")
_alias("BucketsTurnDots", lambda text: text.replace(".", "-").replace("_", "-"), "aliasing", "`a.b` and `a-b`", "bucket_name")
_alias("BucketsAreNfc", lambda text: unicodedata.normalize("NFC", text), "normalisation", "a decomposed letter", "bucket_name")
_alias("BucketsResolveDots", _resolved, "path", "`.` and `..` and `a/../b`", "bucket_name")


@mutant("3", "aliasing", trap="buckets and keys with `/`: (`a/b`, `c`) and (`a`, `b/c`)", also="1 2 4 8 11 15")
class JoinsBucketAndKey(Objects):
    """One table of paths; a bucket knows only whether it is there."""

    def slot(self, bucket: str, key: str, operation: str) -> Slot:
        name, sub = super().slot(bucket, key, operation)
        self.rows(name)
        best = max((b for b in self.buckets() if f"{name}/{sub}".startswith(f"{b}/")), key=len)
        return best, f"{name}/{sub}"[len(best) + 1 :]


@mutant("3", "refusal", trap="a key with a NUL", also="12")
class RefusesNul(Objects):
    def key_name(self, key: str, operation: str) -> str:
        if "\0" in key:
            raise InvalidName(f"zoo: {operation}: embedded null byte")
        return super().key_name(key, operation)


@mutant("3", "refusal", trap="a key `..` or with `../`", also="12")
class RefusesDots(Objects):
    """To be safe."""

    def key_name(self, key: str, operation: str) -> str:
        if ".." in key.split("/"):
            raise InvalidName(f"zoo: {operation}: {key[:40]!a} leaves the bucket")
        return super().key_name(key, operation)


@mutant("3", "refusal", trap="a bucket of less than three characters, or with capital letters", also="11 12")
class BucketsAreDnsNames(Objects):
    """The rules of S3."""

    def bucket_name(self, bucket: str, operation: str) -> str:
        if not bucket.isascii() or not bucket.replace("-", "").replace(".", "").isalnum() or bucket != bucket.lower():
            raise InvalidName(f"zoo: {operation}: {bucket[:40]!a} is no DNS name")
        return super().bucket_name(bucket, operation)


@mutant("3", "encoding", trap="a key that quoting changes, listed", also="8")
class ListsQuotedKeys(Objects):
    def info(self, key: str, version: Version) -> ObjectInfo:
        return super().info(quote(key, safe="/"), version)


@mutant("3", "normalisation", trap="a decomposed letter, listed", also="8")
class ListsNfcKeys(Objects):
    """As some file systems do: the name is kept apart, but told normalised."""

    def info(self, key: str, version: Version) -> ObjectInfo:
        return super().info(unicodedata.normalize("NFC", key), version)


@mutant("3", "encoding", trap="a key with a control character, listed", also="8")
class ListsInXml(Objects):
    """What XML cannot hold is dropped from the listing, as in S3 without ``encoding-type``."""

    def info(self, key: str, version: Version) -> ObjectInfo:
        return super().info("".join(c for c in key if c >= " " or c in "\t\n\r").replace("\r", "\n"), version)


@mutant("3", "folder", trap="a key that ends with a slash, listed", also="8")
class FoldersAreNotListed(Objects):
    def matches(self, key: str, prefix: str) -> bool:
        return super().matches(key, prefix) and not key.endswith("/")


@mutant("3", "path", trap="`a` and `a/b` at once", also="1 8 12")
class FileOrFolder(Objects):
    """A file system: what is an object cannot hold others."""

    async def write(self, slot: Slot, data: bytes, facts: Any) -> Version:
        for key in list(self.rows(slot[0])):
            if slot[1].startswith(f"{key}/") or key.startswith(f"{slot[1]}/"):
                self.apply({(slot[0], key): None})
        return await super().write(slot, data, facts)
