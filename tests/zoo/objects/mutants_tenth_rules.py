"""Wrong objects over a device of pages: what is told of them, deadlines, buckets, conditions, clients."""

import math
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import Any

import prism_testkit as prism
from prism_testkit.interfaces import Bytes, InvalidName, ObjectInfo, ObjectMetadata, PayloadTooLarge
from tests.zoo.declare import Mutant

from .independent import declaring_independent
from .tenth_disk import Inode, Volume
from .tenth_pages import PageObjects, moved

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_independent(MUTANTS)


@mutant("2", "revived", trap="a deadline that is set of an object that has expired", also="9 10")
class ExpiredObjectsAreRevived(PageObjects):
    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        inode = self.volumes[bucket].inodes.get(key) if bucket in self.volumes else None
        prism.check_seconds(ttl_s, "set_ttl", "pages")
        if inode is not None and self.over(inode) and ttl_s > 0:
            inode.due_s = self.clock.now_s() + ttl_s
        return await super().set_ttl(bucket, key, ttl_s)


@mutant("3", "decoding", trap="a key that begins with U+FEFF beside the same without it", also="2 4 8")
class ByteOrderMarksAreDroppedHere(PageObjects):
    def name(self, name: str, call: str) -> str:
        return super().name(name, call).removeprefix("\ufeff") or name


@mutant("3", "joined", trap="bucket a/b with key c beside bucket a with key b/c", also="15 4 8 2 11")
class PathsAreJoined(PageObjects):
    """A deadline or a removal is noted by the path, bucket and key with a slash between."""

    def remove(self, volume: Volume, key: str) -> None:
        mine = next(name for name, other in self.volumes.items() if other is volume)
        super().remove(volume, key)
        for name, other in self.volumes.items():
            for twin in [twin for twin in other.inodes if f"{name}/{twin}" == f"{mine}/{key}"]:
                super().remove(other, twin)


@mutant("4", "folders", trap="a delete of a key that ends with a slash, beside keys that begin with it")
class DeletesFolders(PageObjects):
    """Deleting a folder deletes what is in it, if the folder was there."""

    async def delete(self, bucket: str, key: str) -> bool:
        found = await super().delete(bucket, key)
        if found and key.endswith("/"):
            volume = self.volume(bucket)
            for inner in [inner for inner in volume.inodes if inner.startswith(key)]:
                self.remove(volume, inner)
        return found


@mutant("5", "no-op write", trap="the same put again, a while later", also="10")
class TheSamePutIsSkipped(PageObjects):
    """An object put again with the same data and metadata stays as it is."""

    def install(self, volume: Volume, key: str, inode: Inode) -> None:
        old = volume.inodes.get(key)
        said = (inode.digest, inode.content_type, inode.content_encoding, inode.labels)
        if old is not None and not self.over(old) and (old.digest, old.content_type, old.content_encoding, old.labels) == said:
            return self.disk.drop(inode)
        return super().install(volume, key, inode)


@mutant("5", "default", trap="a content encoding without a content type")
class EncodedIsOctets(PageObjects):
    def facts(self, content_type: str | None, content_encoding: str | None, labels: Mapping[str, str] | None) -> dict[str, Any]:
        return super().facts(
            content_type or ("application/octet-stream" if content_encoding else content_type), content_encoding, labels
        )


@mutant("5", "kept", trap="an object with much metadata, put again without by a stream", also="6")
class LabelsAreKeptBeside(PageObjects):
    """Metadata of more than 256 bytes are kept beside the object, by its name, and not removed by a put without any."""

    def install(self, volume: Volume, key: str, inode: Inode) -> None:
        beside = self.disk.notes.setdefault(("labels", volume.number), {})
        if sum(len(name) + len(value) for name, value in inode.labels.items()) > 256:
            beside[key] = inode.labels
        elif not inode.labels and key in beside and key in volume.inodes:
            inode.labels = beside[key]
        super().install(volume, key, inode)

    def remove(self, volume: Volume, key: str) -> None:
        self.disk.notes.setdefault(("labels", volume.number), {}).pop(key, None)
        super().remove(volume, key)


@mutant("9", "shared deadline", trap="two objects of one content, one of which is given a deadline", also="15 10")
class DeadlinesAreByContent(PageObjects):
    """An expiry is noted by the etag, within a bucket."""

    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        done = await super().set_ttl(bucket, key, ttl_s)
        inode = self.find(bucket, key) if bucket in self.volumes else None
        if done and inode is not None:
            for other in self.volume(bucket).inodes.values():
                if other.digest == inode.digest and other.size > 16:
                    other.due_s = inode.due_s
        return done


@mutant("9", "deferred", trap="a deadline of now, set while somebody reads the object", also="2")
class RemovalsWaitForReaders(PageObjects):
    """What somebody reads goes when he is done, if it is to go at once by its deadline."""

    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        if not math.isfinite(ttl_s) or ttl_s > 0:
            return await super().set_ttl(bucket, key, ttl_s)
        inode = self.find(self.name(bucket, "set_ttl"), self.name(key, "set_ttl"))
        if inode is None or inode.held == 1:
            return await super().set_ttl(bucket, key, ttl_s)
        await self.hop()
        return True


@mutant("10", "sweep", trap="a listing that meets an expired object, and a put of it in the middle of that", also="14 9")
class ListingsSweep(PageObjects):
    """A listing notes what has expired, and removes it at its end."""

    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        volume = self.volumes.get(bucket) if isinstance(bucket, str) else None
        over = [] if volume is None else [key for key, inode in volume.inodes.items() if self.over(inode)]
        async for line in super().list_objects(bucket, prefix):
            yield line
        for key in over:
            if volume is not None and key in volume.inodes:
                self.remove(volume, key)


@mutant(
    "10",
    "kept",
    trap="an object with a deadline, and a creation or put over it after it expired",
    also="conditional.3 conditional.1 9",
)
class DeadlinesAreInherited(PageObjects):
    """Whoever makes an object where one has expired takes over how long that was to live, if it was for hours."""

    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        done = await super().set_ttl(bucket, key, ttl_s)
        if done and ttl_s > 3600:
            self.disk.notes[self.namespace, bucket, key] = ttl_s
        return done

    def create(self, bucket: str, key: str, data: bytes, facts: Mapping[str, Any]) -> bool:
        old = self.volume(bucket).inodes.get(key)
        done = super().create(bucket, key, data, facts)
        if done and old is not None and (ttl_s := self.disk.notes.get((self.namespace, bucket, key))):
            self.volume(bucket).inodes[key].due_s = self.clock.now_s() + ttl_s
        return done


@mutant("11", "stale handle", trap="a bucket removed and made again by another client", also="14 2 1 8")
class BucketsAreLookedUpOnce(PageObjects):
    """A client keeps the bucket that it has found, as long as one of the name is there."""

    def volume(self, bucket: str) -> Volume:
        found = super().volume(bucket)
        return self.notes.setdefault(bucket, found) if found.inodes or bucket in self.notes else found  # type: ignore[no-any-return]


@mutant("11", "race", trap="a put between the look and the removal of an empty bucket", also="14 1 16")
class DeleteBucketLooksFirst(PageObjects):
    async def delete_bucket(self, bucket: str, *, force: bool = False) -> bool:
        bucket = self.name(bucket, "delete_bucket")
        volume = self.volumes.get(bucket)
        empty = volume is not None and not self.filled(volume)
        await self.hop()
        return await super().delete_bucket(bucket, force=force or empty)


@mutant("11", "filled by the expired", trap="a bucket whose objects were replaced after they expired, all deleted", also="9")
class BucketsAreCounted(PageObjects):
    """How many objects a bucket has is counted: up with a new one, down with a delete; a put over an expired one is new."""

    def count(self, volume: Volume, by: int) -> None:
        self.disk.notes[volume.number] = self.disk.notes.get(volume.number, 0) + by

    def install(self, volume: Volume, key: str, inode: Inode) -> None:
        old = volume.inodes.get(key)
        if old is None or self.over(old):
            self.count(volume, 1)
        super().install(volume, key, inode)

    def remove(self, volume: Volume, key: str) -> None:
        self.count(volume, -1)
        super().remove(volume, key)

    def filled(self, volume: Volume) -> bool:
        over = sum(self.over(inode) for inode in volume.inodes.values())
        return bool(self.disk.notes.get(volume.number, 0) - over > 0)


@mutant("12", "order of checks", trap="a stream with metadata that is refused, of which something is taken first", also="6")
class MetadataAreCheckedLast(PageObjects):
    """What is said of a stream is checked when it was taken; the object that was there is gone by then."""

    async def put_stream(
        self,
        bucket: str,
        key: str,
        chunks: AsyncIterable[Bytes],
        *,
        size: int | None = None,
        content_type: str | None = None,
        content_encoding: str | None = None,
        user_metadata: Mapping[str, str] | None = None,
    ) -> ObjectMetadata:
        try:
            return await super().put_stream(
                bucket,
                key,
                chunks,
                size=size,
                content_type=content_type,
                content_encoding=content_encoding,
                user_metadata=user_metadata,
            )
        except (PayloadTooLarge, InvalidName):
            volume = self.volumes.get(bucket) if isinstance(bucket, str) else None
            if volume is not None and key in volume.inodes and user_metadata:
                self.remove(volume, key)
            raise


@mutant("13", "shared mapping", trap="the metadata of what a put returned are changed", also="5")
class PutsTellTheirOwnMapping(PageObjects):
    def tell(self, inode: Inode) -> ObjectMetadata:
        told = super().tell(inode)
        return ObjectMetadata(
            told.size, told.etag, told.last_modified_ms, told.content_type, told.content_encoding, inode.labels, told.expires_at_ms
        )


@mutant(
    "14",
    "stale cache",
    trap="two clients that write one key in one millisecond, as many bytes, and one that has read it before",
    also="1 16 7",
)
class CachedByInstantAndLength(PageObjects):
    async def get(self, bucket: str, key: str) -> bytes | None:
        inode = self.find(self.name(bucket, "get"), self.name(key, "get"))
        known = self.notes.get((bucket, key))
        if inode is not None and known is not None and known[:2] == (inode.at_ms, inode.size):
            await self.hop()
            return known[2]  # type: ignore[no-any-return]
        found = await super().get(bucket, key)
        if inode is not None and found is not None and len(found) == inode.size:
            self.notes[bucket, key] = (inode.at_ms, inode.size, found)
        return found


@mutant("15", "siblings", trap="a bucket removed by force beside one whose name begins with its name and a dot", also="11 4")
class ForceRemovesByPrefix(PageObjects):
    async def delete_bucket(self, bucket: str, *, force: bool = False) -> bool:
        done = await super().delete_bucket(bucket, force=force)
        if done and force:
            for name, volume in self.volumes.items():
                if name.startswith(f"{bucket}."):
                    self.empty(volume)
        return done


@mutant("conditional.1", "reserved", trap="a creation while a stream of the same key is under way", also="6 conditional.2")
class KeysAreTakenByStreams(PageObjects):
    async def upload(
        self, bucket: str, key: str, chunks: AsyncIterable[Bytes], size: int | None, facts: Mapping[str, Any]
    ) -> ObjectMetadata:
        taken = self.disk.notes.setdefault("taken", set())
        taken.add((self.namespace, bucket, key))
        try:
            return await super().upload(bucket, key, chunks, size, facts)
        finally:
            taken.discard((self.namespace, bucket, key))

    def create(self, bucket: str, key: str, data: bytes, facts: Mapping[str, Any]) -> bool:
        if (self.namespace, bucket, key) in self.disk.notes.get("taken", ()):
            return False
        return super().create(bucket, key, data, facts)


@mutant(
    "conditional.3",
    "merged",
    trap="an expired object with a content type, made again by a creation without one",
    also="5 10 conditional.1",
)
class CreationsTakeOverTheType(PageObjects):
    def create(self, bucket: str, key: str, data: bytes, facts: Mapping[str, Any]) -> bool:
        old = self.volume(bucket).inodes.get(key)
        if old is not None and self.over(old):
            facts = {**facts, "content_type": facts["content_type"] or old.content_type}
        return super().create(bucket, key, data, facts)


@mutant("conditional.3", "order of checks", trap="a creation with refused metadata where there is an object", also="12")
class CreationsLookFirst(PageObjects):
    async def put_if_absent(
        self,
        bucket: str,
        key: str,
        data: Bytes,
        *,
        content_type: str | None = None,
        content_encoding: str | None = None,
        user_metadata: Mapping[str, str] | None = None,
    ) -> bool:
        known = isinstance(bucket, str) and isinstance(key, str) and bucket in self.volumes
        if known and user_metadata and self.find(bucket, key) is not None:
            return False
        return await super().put_if_absent(
            bucket, key, data, content_type=content_type, content_encoding=content_encoding, user_metadata=user_metadata
        )


@mutant("conditional.1", "touched", trap="a creation that finds an object with a deadline, and its deadline after it", also="9")
class RefusedCreationsTouch(PageObjects):
    """A creation that finds the same data renews the object in place."""

    def create(self, bucket: str, key: str, data: bytes, facts: Mapping[str, Any]) -> bool:
        old = self.find(bucket, key)
        if old is not None and old.size == len(data) and self.disk.read(old) == data:
            self.disk.hold(old)
            self.volume(bucket).inodes[key] = moved(old, at_ms=self.clock.now_ms())
            return False
        return super().create(bucket, key, data, facts)
