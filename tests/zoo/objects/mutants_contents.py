"""Mutants whose data, or whose answers about missing objects, are wrong; and what `delete` removes."""

import fnmatch
import gzip
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

from prism_testkit.interfaces import BucketNotFound, Bytes, NotFound, ObjectMetadata, ObjectNotFound
from prism_testkit.traits import NO_LIMIT, Limits
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import PIECE, Objects
from .stores import Blob, Changes, Facts, Slot, Version

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# 1: byte for byte


@mutant("1", "encoding", trap="bytes that are no UTF-8")
class DecodesText(Objects):
    def whole(self, version: Version) -> bytes:
        return super().whole(version).decode("utf-8", "replace").encode()


@mutant("1", "trimming", trap="a newline at the end")
class StripsFinalNewline(Objects):
    def data(self, data: Bytes, operation: str, key: str) -> bytes:
        return super().data(data, operation, key).removesuffix(b"\n")


@mutant("1", "padding", trap="NUL bytes at the end")
class StripsTrailingNuls(Objects):
    """Blocks are padded with NULs, and the padding is taken off."""

    def whole(self, version: Version) -> bytes:
        return super().whole(version).rstrip(b"\0")


@mutant("1", "encoding", trap="a carriage return before a newline")
class OpensInTextMode(Objects):
    def blob(self, data: bytes) -> Blob:
        return super().blob(data.replace(b"\r\n", b"\n"))


@mutant("1", "falsy", trap="an empty object", also="2")
class EmptyIsMissing(Objects):
    async def get(self, bucket: str, key: str) -> bytes | None:
        return await super().get(bucket, key) or None


@mutant("1", "falsy", trap="get_stream of an empty object", also="2")
class EmptyHasNoStream(Objects):
    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        version = self.need(self.slot(bucket, key, "get_stream"))
        if not version.blob.size:
            raise ObjectNotFound("zoo: get_stream: nothing there")
        for piece in self.pieces(version):
            yield piece


@mutant("1", "boundary", trap="a size that is no multiple of 65536, read as a stream")
class DropsLastShortPiece(Objects):
    def pieces(self, version: Version) -> Iterator[bytes]:
        pieces = list(super().pieces(version))
        yield from (piece for piece in pieces if len(pieces) == 1 or len(piece) == PIECE)


@mutant("1", "boundary", trap="more than one chunk of 65536 bytes")
class RangesIncludeTheirEnd(Objects):
    """``Range: bytes=0-65536`` is one byte more than was meant."""

    def pieces(self, version: Version) -> Iterator[bytes]:
        data = self.whole(version)
        for start in range(0, len(data), PIECE):
            yield data[start : start + PIECE + 1]


@mutant("1", "truncation", trap="more than 65536 bytes")
class CutsAt64K(Objects):
    def blob(self, data: bytes) -> Blob:
        return super().blob(data[:65536])


@mutant("1", "boundary", trap="put of exactly 65536 bytes")
class LosesObjectsOfOneBlock(Objects):
    """``while len(rest) > block`` and then ``if len(rest) < block``."""

    def blob(self, data: bytes) -> Blob:
        return super().blob(b"" if len(data) == 65536 else data)


@mutant("1", "aliasing", trap="two objects of one size whose first 1024 bytes are equal", also="3")
class DeduplicatesByHead(Objects):
    def blob(self, data: bytes) -> Blob:
        known = self.store.notes.setdefault("known", {})
        blob: Blob = known.setdefault((len(data), data[:1024]), super().blob(data))
        return blob


@mutant("1", "helpfulness", trap="gzip data under content_encoding gzip")
class UnpacksGzip(Objects):
    """As some stores and HTTP libraries do on their own account."""

    def whole(self, version: Version) -> bytes:
        data = super().whole(version)
        if version.facts.content_encoding == "gzip" and data.startswith(b"\x1f\x8b"):
            return gzip.decompress(data)
        return data


@mutant("1", "overwrite in place", trap="an object replaced by a shorter one")
class OverwritesInPlace(Objects):
    """The file is opened without truncation: the tail of a longer predecessor stays."""

    async def write(self, slot: Slot, data: bytes, facts: Facts) -> Version:
        old = self.find(slot)
        return await super().write(slot, data + (self.whole(old)[len(data) :] if old else b""), facts)


@mutant("1", "size", trap="an object of more than 5 MiB")
class SecondPartLost(Objects):
    """Beyond 5 MiB an object is two parts, and only the first is told to the store."""

    limits = Limits(max_payload=NO_LIMIT)

    def blob(self, data: bytes) -> Blob:
        return super().blob(data[: 5 << 20])


# 2: missing objects


@mutant("2", "wrong error")
class MetadataOfMissingRaises(Objects):
    async def metadata(self, bucket: str, key: str) -> ObjectMetadata | None:
        return self.told(self.need(self.slot(bucket, key, "metadata")))


@mutant("2", "wrong answer")
class GetOfMissingIsEmpty(Objects):
    async def get(self, bucket: str, key: str) -> bytes | None:
        return await super().get(bucket, key) or b""


@mutant("2", "wrong answer")
class StreamOfMissingIsEmpty(Objects):
    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        version = self.find(self.slot(bucket, key, "get_stream"))
        for piece in self.pieces(version) if version else ():
            yield piece


@mutant("2", "wrong error")
class StreamOfMissingBlamesBucket(Objects):
    def need(self, slot: Slot) -> Version:
        try:
            return super().need(slot)
        except NotFound as error:
            raise BucketNotFound(str(error)) from error


@mutant("2", "side effect", also="4 8 9")
class SetTtlCreates(Objects):
    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        slot = self.slot(bucket, key, "set_ttl")
        if self.find(slot) is None:
            self.keep(slot, self.version(slot, self.blob(b""), Facts(None, None, {})))
        return await super().set_ttl(bucket, key, ttl_s)


@mutant("2", "wrong answer", also="9")
class SetTtlOfMissingIsTrue(Objects):
    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        await super().set_ttl(bucket, key, ttl_s)
        return True


@mutant("2", "side effect", trap="a listing after an exists of a missing object", also="8")
class ExistsLeavesAnEntry(Objects):
    """A cache of known keys, which listings read."""

    async def exists(self, bucket: str, key: str) -> bool:
        slot = self.slot(bucket, key, "exists")
        self.store.notes[self.namespace, slot] = Version(self.blob(b""), Facts(None, None, {}), "", self.now_ms())
        return await super().exists(bucket, key)

    def matching(self, bucket: str, prefix: str) -> list[str]:
        looked = [slot[1] for space, slot in self.store.notes if space == self.namespace and slot[0] == bucket]
        return list(dict.fromkeys([*super().matching(bucket, prefix), *(key for key in looked if key.startswith(prefix))]))

    def listed(self, slot: Slot) -> Version | None:
        return super().listed(slot) or self.store.notes.get((self.namespace, slot))


# 4: delete


@mutant("4", "wrong answer", also="2")
class DeleteIsAlwaysTrue(Objects):
    """As S3, which answers 204 to all."""

    async def delete(self, bucket: str, key: str) -> bool:
        await super().delete(bucket, key)
        return True


@mutant("4", "wrong answer")
class DeleteIsNeverTrue(Objects):
    async def delete(self, bucket: str, key: str) -> bool:
        await super().delete(bucket, key)
        return False


@mutant("4", "falsy", trap="an empty object")
class DeleteOfEmptyIsFalse(Objects):
    async def delete(self, bucket: str, key: str) -> bool:
        found = await self.get(bucket, key)
        await super().delete(bucket, key)
        return bool(found)


class _DeletesMore(Objects):
    def goes(self, key: str, deleted: str) -> bool:
        return False

    def drop(self, slot: Slot) -> bool:
        others = [key for key in list(self.rows(slot[0])) if key != slot[1] and self.goes(key, slot[1])]
        for key in others:
            self.apply({(slot[0], key): None})
        return super().drop(slot)


@mutant("4", "too much", trap="a key and the same with `/` and more behind it")
class DeleteRemovesChildren(_DeletesMore):
    """``shutil.rmtree``."""

    def goes(self, key: str, deleted: str) -> bool:
        return key.startswith(deleted + "/")


@mutant("4", "too much", trap="keys that begin with the deleted one")
class DeleteRemovesAllThatBeginsSo(_DeletesMore):
    def goes(self, key: str, deleted: str) -> bool:
        return key.startswith(deleted)


@mutant("4", "wildcard", trap="a deleted key that holds `*` or `?`")
class DeleteGlobs(_DeletesMore):
    def goes(self, key: str, deleted: str) -> bool:
        return fnmatch.fnmatchcase(key, deleted)


@mutant("4", "too much", trap="`a/` is there when `a/b` is deleted")
class DeleteRemovesEmptyFolders(_DeletesMore):
    """``os.removedirs`` upwards."""

    def goes(self, key: str, deleted: str) -> bool:
        return key.endswith("/") and deleted.startswith(key)


@mutant("4", "too much", trap="the last object of a bucket is deleted", also="11")
class DeleteOfTheLastRemovesTheBucket(Objects):
    def drop(self, slot: Slot) -> bool:
        present = super().drop(slot)
        if present and not self.rows(slot[0]):
            self.apply({(slot[0], ""): None})
        return present


@mutant("4", "missing step", also="5 11")
class DeleteLeavesMetadata(Objects):
    """Metadata are in a table of their own."""

    def apply(self, changes: Changes) -> None:
        for slot, version in changes.items():
            if isinstance(version, Version):
                self.store.notes[self.namespace, slot] = version
        super().apply(changes)

    async def metadata(self, bucket: str, key: str) -> ObjectMetadata | None:
        self.rows(bucket)
        version = self.store.notes.get((self.namespace, self.slot(bucket, key, "metadata")))
        return self.told(version) if version is not None and self.alive(version) else None


@mutant("4", "tie", trap="delete and put within one millisecond", also="1 5 14")
class TombstoneBeatsPutOfTheSameInstant(Objects):
    """Last writer wins, by a clock of milliseconds, and at a tie the tombstone does."""

    def drop(self, slot: Slot) -> bool:
        present = super().drop(slot)
        if present:
            self.store.notes[self.namespace, slot] = self.now_ms()
        return present

    def find(self, slot: Slot) -> Version | None:
        version = super().find(slot)
        if version is not None and version.modified_ms <= self.store.notes.get((self.namespace, slot), 0):
            return None
        return version


@mutant("4", "stale index", trap="a listing after a delete", also="8 14")
class DeletedStaysListed(Objects):
    def apply(self, changes: Changes) -> None:
        index = self.store.notes.setdefault("index", {})
        index.update({(self.namespace, *slot): thing for slot, thing in changes.items() if isinstance(thing, Version)})
        super().apply(changes)

    def matching(self, bucket: str, prefix: str) -> list[str]:
        self.rows(bucket)
        index = self.store.notes.get("index", {})
        return [key for space, name, key in index if (space, name) == (self.namespace, bucket) and key.startswith(prefix)]

    def listed(self, slot: Slot) -> Version | None:
        return super().listed(slot) or self.store.notes["index"].get((self.namespace, *slot))


@mutant("4", "late", also="14")
class DeleteTakesEffectASecondLater(Objects):
    def drop(self, slot: Slot) -> bool:
        version = self.find(slot)
        if version is None:
            return False
        self.apply({slot: replace(version, deadline_ms=self.now_ms() + 1000)})
        return True
