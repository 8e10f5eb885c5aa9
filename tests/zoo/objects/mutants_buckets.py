"""Mutants of buckets: made, removed, missing."""

from dataclasses import replace

from prism_testkit.interfaces import AlreadyExists, BucketNotFound, Bytes, Conflict, NotFound, ObjectNotFound
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Objects
from .stores import Changes, Rows, Slot, Store, Version

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# 11: create


@mutant("11", "side effect", trap="create_bucket of one with objects")
class CreateEmptiesTheBucket(Objects):
    async def create_bucket(self, bucket: str) -> bool:
        new = await super().create_bucket(bucket)
        if not new:
            self.buckets()[bucket].clear()
        return new


@mutant("11", "wrong answer", trap="a second create_bucket")
class CreateIsAlwaysTrue(Objects):
    async def create_bucket(self, bucket: str) -> bool:
        await super().create_bucket(bucket)
        return True


@mutant("11", "wrong error", trap="a second create_bucket")
class CreateRaisesForTheExisting(Objects):
    async def create_bucket(self, bucket: str) -> bool:
        if not await super().create_bucket(bucket):
            raise AlreadyExists(f"zoo: create_bucket {bucket[:40]!a}")
        return True


@mutant("11", "leftover", trap="create_bucket after delete_bucket")
class DeletedBucketIsNotNew(Objects):
    async def create_bucket(self, bucket: str) -> bool:
        seen = self.store.notes.setdefault(self.namespace, set())
        new = await super().create_bucket(bucket) and bucket not in seen
        seen.add(bucket)
        return new


# 11: delete


@mutant("11", "wrong error", trap="delete_bucket of a missing one")
class DeleteOfMissingBucketRaises(Objects):
    async def delete_bucket(self, bucket: str, *, force: bool = False) -> bool:
        self.rows(self.bucket_name(bucket, "delete_bucket"))
        return await super().delete_bucket(bucket, force=force)


@mutant("11", "wrong answer", trap="delete_bucket of a missing one")
class DeleteBucketIsAlwaysTrue(Objects):
    async def delete_bucket(self, bucket: str, *, force: bool = False) -> bool:
        await super().delete_bucket(bucket, force=force)
        return True


@mutant("11", "missing check", trap="delete_bucket of one with objects")
class DeleteBucketAlwaysForces(Objects):
    def occupied(self, bucket: str) -> bool:
        return False


@mutant("11", "wrong answer", trap="delete_bucket of one with objects")
class DeleteOfOccupiedBucketIsFalse(Objects):
    async def delete_bucket(self, bucket: str, *, force: bool = False) -> bool:
        try:
            return await super().delete_bucket(bucket, force=force)
        except Conflict:
            return False


@mutant("11", "missing check", trap="delete_bucket of one that holds only an expired object", also="9")
class ExpiredObjectsOccupy(Objects):
    def occupied(self, bucket: str) -> bool:
        return bool(self.rows(bucket))


@mutant("11", "falsy", trap="delete_bucket of one that holds only empty objects")
class EmptyObjectsDoNotOccupy(Objects):
    """Measures what is used."""

    def occupied(self, bucket: str) -> bool:
        return any(self.alive(version) and version.blob.size for version in self.rows(bucket).values())


@mutant("11", "wrong count", trap="delete_bucket of one whose object was put twice and deleted once")
class CountsPuts(Objects):
    """A counter goes up with a put and down with a delete."""

    def keep(self, slot: Slot, version: Version) -> None:
        super().keep(slot, version)
        self.count(slot[0], 1)

    def drop(self, slot: Slot) -> bool:
        present = super().drop(slot)
        self.count(slot[0], -1 if present else 0)
        return present

    def count(self, bucket: str, by: int) -> None:
        counts = self.store.notes.setdefault(self.namespace, {})
        counts[bucket] = counts.get(bucket, 0) + by

    def occupied(self, bucket: str) -> bool:
        return bool(self.store.notes.get(self.namespace, {}).get(bucket, 0) > 0 or super().occupied(bucket))

    async def remove_bucket(self, bucket: str) -> None:
        self.store.notes.get(self.namespace, {}).pop(bucket, None)
        await super().remove_bucket(bucket)


class _Attic(Objects):
    """Objects of a removed bucket are kept, and some are there when it is made again."""

    def kept(self, rows: Rows) -> Rows:
        return rows

    async def remove_bucket(self, bucket: str) -> None:
        self.store.notes[self.namespace, bucket] = self.kept(dict(self.rows(bucket)))
        await super().remove_bucket(bucket)

    async def create_bucket(self, bucket: str) -> bool:
        new = await super().create_bucket(bucket)
        if new:
            self.rows(bucket).update(self.store.notes.get((self.namespace, bucket), {}))
        return new


@mutant("11", "missing step", trap="a bucket removed by force and made again")
class ForceLeavesTheObjects(_Attic):
    """Only the row of the bucket goes."""


@mutant("11", "cap", trap="a bucket of more than 1000 objects removed by force and made again")
class ForceRemovesAThousand(_Attic):
    """One call of DeleteObjects."""

    def kept(self, rows: Rows) -> Rows:
        return dict(list(rows.items())[1000:])


@mutant("11", "cap", trap="a bucket of more than 100 objects removed by force and made again")
class ForceRemovesAHundred(_Attic):
    def kept(self, rows: Rows) -> Rows:
        return dict(list(rows.items())[100:])


@mutant("11", "folder", trap="a bucket with keys that hold a slash, removed by force and made again")
class ForceRemovesOneLevel(_Attic):
    def kept(self, rows: Rows) -> Rows:
        return {key: version for key, version in rows.items() if "/" in key.strip("/")}


@mutant("11", "missing step", trap="a bucket with expired objects, removed and made again, and time that does not matter", also="9")
class ExpiredAreBackWithTheBucket(_Attic):
    """What is not present was not removed, and its deadline went with the bucket."""

    def kept(self, rows: Rows) -> Rows:
        return {key: replace(version, deadline_ms=None) for key, version in rows.items() if not self.alive(version)}


@mutant("11", "too much", trap="buckets of which one begins with the other", also="15")
class DeleteBucketRemovesAllThatBeginsSo(Objects):
    async def remove_bucket(self, bucket: str) -> None:
        for name in [name for name in self.buckets() if name.startswith(bucket)]:
            await super().remove_bucket(name)


@mutant("11", "revival", trap="delete_bucket during a put_stream")
class StreamsMakeTheirBucketAgain(Objects):
    def keep(self, slot: Slot, version: Version) -> None:
        self.apply({(slot[0], ""): True, slot: version})


# 11: without the bucket


@mutant("11", "implicit", trap="put without the bucket")
class PutCreatesTheBucket(Objects):
    missing = False

    def data(self, data: Bytes, operation: str, key: str) -> bytes:
        self.missing = True
        return super().data(data, operation, key)

    def rows(self, bucket: str) -> Rows:
        if self.missing:
            self.missing = False
            self.apply({(bucket, ""): True})
        return super().rows(bucket)


class _Lenient(Objects):
    """Takes a missing bucket for an empty one in reads."""

    def find(self, slot: Slot) -> Version | None:
        return super().find(slot) if slot[0] in self.buckets() else None


@mutant("11", "missing check", trap="get without the bucket")
class ReadsNeedNoBucket(_Lenient):
    pass


@mutant("11", "missing check", trap="set_ttl without the bucket")
class SetTtlNeedsNoBucket(Objects):
    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        try:
            return await super().set_ttl(bucket, key, ttl_s)
        except BucketNotFound:
            return False


@mutant("11", "missing check", trap="delete without the bucket")
class DeleteNeedsNoBucket(Objects):
    async def delete(self, bucket: str, key: str) -> bool:
        try:
            return await super().delete(bucket, key)
        except BucketNotFound:
            return False


@mutant("11", "missing check", trap="a listing without the bucket")
class ListingNeedsNoBucket(Objects):
    def matching(self, bucket: str, prefix: str) -> list[str]:
        return super().matching(bucket, prefix) if bucket in self.buckets() else []


@mutant("11", "missing check", trap="a listing with a prefix that nothing has, without the bucket")
class ListingByPrefixNeedsNoBucket(Objects):
    def matching(self, bucket: str, prefix: str) -> list[str]:
        return [] if prefix and bucket not in self.buckets() else super().matching(bucket, prefix)


@mutant("11", "wrong error", trap="get_stream without the bucket")
class StreamWithoutBucketBlamesTheObject(Objects):
    def need(self, slot: Slot) -> Version:
        try:
            return super().need(slot)
        except BucketNotFound as error:
            raise ObjectNotFound(str(error)) from error


@mutant("11", "wrong error", trap="any call without the bucket")
class MissingBucketIsNotFound(Objects):
    """The error's class is the common base."""

    def rows(self, bucket: str) -> Rows:
        try:
            return super().rows(bucket)
        except BucketNotFound as error:
            raise NotFound(str(error)) from error


@mutant("11", "wrong error", trap="put_stream without the bucket")
class StreamIntoMissingBucketIsNative(Objects):
    streaming = False

    def check_size(self, size: int | None) -> None:
        super().check_size(size)
        self.streaming = True

    def rows(self, bucket: str) -> Rows:
        streaming, self.streaming = self.streaming, False
        if streaming and bucket not in self.buckets():
            raise FileNotFoundError(bucket)
        return super().rows(bucket)


@mutant("11", "folder", trap="a bucket without objects")
class BucketsAreTheirObjects(Objects):
    """A bucket is there as long as something is in it."""

    async def bucket_exists(self, bucket: str) -> bool:
        return await super().bucket_exists(bucket) and self.occupied(bucket)


@mutant("11", "stale cache", trap="two clients, of which one deletes a bucket that the other has used", also="14")
class RemembersBuckets(Objects):
    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.known: set[str] = set()

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        for (bucket, key), thing in changes.items():
            if not key and thing is None:
                self.known.discard(bucket)

    async def bucket_exists(self, bucket: str) -> bool:
        if bucket in self.known or await super().bucket_exists(bucket):
            self.known.add(bucket)
        return bucket in self.known
