"""Mutants of `list_objects`."""

import fnmatch
import re
from collections.abc import AsyncIterator
from dataclasses import replace

from prism_testkit.interfaces import Conflict, ObjectInfo
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Objects, step
from .stores import Slot, Version

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# 8: how many


class _Capped(Objects):
    most = 0

    def matching(self, bucket: str, prefix: str) -> list[str]:
        return super().matching(bucket, prefix)[: self.most]


@mutant("8", "cap", trap="more than 10 objects")
class ListsTen(_Capped):
    most = 10


@mutant("8", "cap", trap="more than 100 objects")
class ListsAHundred(_Capped):
    most = 100


@mutant("8", "cap", trap="more than 1000 objects")
class ListsAThousand(_Capped):
    """One page, as S3 gives them."""

    most = 1000


class _Paged(Objects):
    """Lists in pages; between two of them others may write."""

    page = 10

    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        name, wanted = self.bucket_name(bucket, "list_objects"), self.prefix(prefix)
        self.rows(name)
        last, given = "", 0
        while keys := self.next_page(sorted(self.matching(name, wanted)), last, given):
            for key in keys:
                version = self.listed((name, key))
                if version is not None:
                    yield self.info(key, version)
            last, given = keys[-1], given + len(keys)
            if self.ends(keys):
                return
            await step()

    def next_page(self, keys: list[str], last: str, given: int) -> list[str]:
        return [key for key in keys if key > last][: self.page]

    def ends(self, keys: list[str]) -> bool:
        return False


@mutant("8", "paging", trap="objects deleted, or put, while they are listed")
class PagesByOffset(_Paged):
    def next_page(self, keys: list[str], last: str, given: int) -> list[str]:
        return keys[given : given + self.page]


@mutant("8", "boundary", trap="more objects than a page")
class PagesFromTheLastKey(_Paged):
    """The last of a page is the first of the next one."""

    def next_page(self, keys: list[str], last: str, given: int) -> list[str]:
        return [key for key in keys if key >= last][: self.page]

    def ends(self, keys: list[str]) -> bool:
        return len(keys) < self.page


@mutant("8", "boundary", trap="more objects than a page")
class PagesSkipOne(_Paged):
    """The cursor is the first key that was not given, and the next page begins behind it."""

    def next_page(self, keys: list[str], last: str, given: int) -> list[str]:
        rest = [key for key in keys if key > last]
        return (rest[1:] if given else rest)[: self.page]


@mutant("8", "paging", trap="the object at the cursor is deleted meanwhile")
class PagesEndWhenTheirCursorIsGone(_Paged):
    def next_page(self, keys: list[str], last: str, given: int) -> list[str]:
        if last and last not in keys:
            return []
        return super().next_page(keys, last, given)


@mutant("8", "paging", trap="a prefix whose keys begin within a page and end in another")
class ShortPageIsTheLast(_Paged):
    """Pages are of all keys, filtered afterwards, and one that comes out short is taken for the end."""

    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        name, wanted = self.bucket_name(bucket, "list_objects"), self.prefix(prefix)
        keys = sorted(self.rows(name))
        for at in range(0, len(keys), self.page):
            found = [key for key in keys[at : at + self.page] if key.startswith(wanted)]
            for key in found:
                version = self.listed((name, key))
                if version is not None:
                    yield self.info(key, version)
            if wanted and 0 < len(found) < self.page and keys[min(at + self.page, len(keys)) - 1].startswith(wanted):
                return


@mutant("8", "iteration", trap="objects put or deleted while they are listed")
class ListsTheLiveTable(Objects):
    """RuntimeError: dictionary changed size during iteration."""

    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        name, wanted = self.bucket_name(bucket, "list_objects"), self.prefix(prefix)
        for key, version in self.rows(name).items():
            if key.startswith(wanted) and self.alive(version):
                yield self.info(key, version)


@mutant("8", "wrong error", trap="an object deleted while it is listed")
class ListingStumblesOverTheDeleted(Objects):
    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        name, wanted = self.bucket_name(bucket, "list_objects"), self.prefix(prefix)
        for key in self.matching(name, wanted):
            yield self.info(key, self.need((name, key)))


@mutant("8", "skipped", trap="an object overwritten while it is listed")
class ListingSkipsTheOverwritten(Objects):
    """What is not the version of the snapshot is taken for gone."""

    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        name, wanted = self.bucket_name(bucket, "list_objects"), self.prefix(prefix)
        found = {key: self.find((name, key)) for key in self.matching(name, wanted)}
        for key, version in found.items():
            if version is not None and self.find((name, key)) is version:
                yield self.info(key, version)


@mutant("8", "repetition", trap="an object overwritten after it was listed")
class ListingRepeatsTheOverwritten(Objects):
    """In the order of puts: what is put again comes again."""

    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        name, wanted = self.bucket_name(bucket, "list_objects"), self.prefix(prefix)
        given: dict[str, Version] = {}
        self.rows(name)
        while fresh := [key for key in self.matching(name, wanted) if given.get(key) is not self.find((name, key))]:
            version = self.find((name, fresh[0]))
            if version is not None:
                given[fresh[0]] = version
                yield self.info(fresh[0], version)


@mutant("8", "locked", trap="a listing that is left early")
class ListingLeftEarlyLocks(Objects):
    """The cursor is closed behind the loop, not in a ``finally``."""

    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        notes = self.store.notes
        notes[self] = notes.get(self, 0) + 1
        async for info in super().list_objects(bucket, prefix):
            yield info
        notes[self] -= 1

    def rows(self, bucket: str) -> dict[str, Version]:
        if self.store.notes.get(self, 0) > 2:
            raise Conflict("zoo: too many open cursors")
        return super().rows(bucket)


# 8: which


class _Matching(Objects):
    pass


@mutant("8", "wildcard", trap="a prefix with `%` or `_`")
class PrefixIsLike(_Matching):
    def matches(self, key: str, prefix: str) -> bool:
        pattern = "".join(".*" if c == "%" else "." if c == "_" else re.escape(c) for c in prefix)
        return re.match(pattern, key, re.DOTALL) is not None


@mutant("8", "wildcard", trap="a prefix with `*`, `?` or `[`")
class PrefixIsGlob(_Matching):
    def matches(self, key: str, prefix: str) -> bool:
        return fnmatch.fnmatchcase(key, prefix + "*")


@mutant("8", "case", trap="a prefix in another case")
class PrefixIgnoresCase(_Matching):
    """LIKE of SQLite, even with an escape."""

    def matches(self, key: str, prefix: str) -> bool:
        return key.lower().startswith(prefix.lower())


@mutant("8", "wrong boundary", trap="keys beyond those that begin with the prefix")
class PrefixIsAStart(_Matching):
    def matches(self, key: str, prefix: str) -> bool:
        return key >= prefix


@mutant("8", "wrong boundary", trap="a character beyond U+00FF behind the prefix")
class PrefixEndsAtFF(_Matching):
    """``key BETWEEN prefix AND prefix || 'ÿ'``."""

    def matches(self, key: str, prefix: str) -> bool:
        return prefix <= key <= prefix + "\xff" * 3 if prefix else True


@mutant("8", "wrong boundary", trap="a character beyond U+FFFF behind the prefix")
class PrefixEndsAtFFFF(_Matching):
    def matches(self, key: str, prefix: str) -> bool:
        return prefix <= key < prefix + "\uffff" if prefix else True


@mutant("8", "wrong boundary", trap="the key that is the prefix itself")
class PrefixItselfIsNotListed(_Matching):
    def matches(self, key: str, prefix: str) -> bool:
        return key.startswith(prefix) and key != prefix


@mutant("8", "folder", trap="a prefix that ends within a segment")
class PrefixIsAFolder(_Matching):
    def matches(self, key: str, prefix: str) -> bool:
        return not prefix or key == prefix or key.startswith(prefix.rstrip("/") + "/")


@mutant("8", "folder", trap="keys with `/` behind the prefix")
class ListsOneLevel(_Matching):
    def matches(self, key: str, prefix: str) -> bool:
        return key.startswith(prefix) and "/" not in key[len(prefix) :].rstrip("/")


@mutant("8", "substring", trap="a key that holds the prefix further on")
class PrefixAnywhere(_Matching):
    def matches(self, key: str, prefix: str) -> bool:
        return prefix in key


@mutant("8", "truncation", trap="a prefix of more than 64 bytes, and keys that share its beginning")
class PrefixIsCutAt64(_Matching):
    def matches(self, key: str, prefix: str) -> bool:
        return key.startswith(prefix[:64])


@mutant("8", "trimming", trap="a prefix that ends or begins with a slash or a blank")
class PrefixIsTrimmed(_Matching):
    def matches(self, key: str, prefix: str) -> bool:
        return key.startswith(prefix.strip(" ").lstrip("/"))


@mutant("8", "falsy", trap="an empty object")
class EmptyObjectsAreNotListed(Objects):
    def listed(self, slot: Slot) -> Version | None:
        version = super().listed(slot)
        return version if version is not None and version.blob.size else None


# 8: true sizes and instants


@mutant("8", "stale", trap="an overwrite with another size")
class ListsFirstSizes(Objects):
    def keep(self, slot: Slot, version: Version) -> None:
        super().keep(slot, version)
        self.store.notes.setdefault((self.namespace, slot), version)

    def listed(self, slot: Slot) -> Version | None:
        version = super().listed(slot)
        first = self.store.notes.get((self.namespace, slot))
        return version if version is None or first is None else replace(version, blob=replace(version.blob, size=first.blob.size))


@mutant("8", "clock", trap="a listing some time after the put")
class ListsTheInstantOfTheListing(Objects):
    def info(self, key: str, version: Version) -> ObjectInfo:
        return ObjectInfo(key, version.blob.size, self.now_ms())


@mutant("8", "unit")
class ListsSeconds(Objects):
    def info(self, key: str, version: Version) -> ObjectInfo:
        return ObjectInfo(key, version.blob.size, version.modified_ms // 1000)


@mutant("8", "wrong count", trap="more than 65536 bytes")
class ListsSizesIn16Bits(Objects):
    def info(self, key: str, version: Version) -> ObjectInfo:
        return ObjectInfo(key, version.blob.size & 0xFFFF, version.modified_ms)
