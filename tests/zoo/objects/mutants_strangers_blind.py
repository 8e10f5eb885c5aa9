"""Mutants of strangers, a blind round: buckets that come again, prefixes that are keys, and what a refused call leaves."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import replace
from typing import ClassVar

from prism_testkit.interfaces import Bytes, ObjectInfo, ObjectMetadata
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import PIECE, Objects, step
from .stores import Blob, Changes, Facts, Slot, Spool, Store, Version

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("conditional.3", "old version", trap="put_if_absent over an expired object with metadata", also="5 10")
class CreationOverTheExpiredMergesLabels(Objects):
    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        old = self.rows(slot[0]).get(slot[1])
        if old is not None:
            facts = replace(facts, labels={**old.facts.labels, **facts.labels})
        return await super().create(slot, data, facts)


@mutant("6", "wrong boundary", trap="a stream of known size with an empty chunk at its end")
class AnEmptyChunkAfterTheSizeIsTooMuch(Objects):
    async def collect(self, spool: Spool, chunks: AsyncIterable[Bytes], size: int | None) -> None:
        async for chunk in chunks:
            if size is not None and size and spool.size >= size:
                raise ValueError(f"zoo: put_stream: more than size={size}")
            spool.write(self.chunk(chunk))
            self.check_growth(spool.size, size)
        self.check_end(spool.size, size)


@mutant("8", "shortcut", trap="a prefix that is a key, and the beginning of others")
class APrefixThatIsAKeyIsTheKey(Objects):
    def matching(self, bucket: str, prefix: str) -> list[str]:
        if prefix in self.rows(bucket) and self.listed((bucket, prefix)) is not None:
            return [prefix]
        return super().matching(bucket, prefix)


@mutant(
    "10",
    "stale timer",
    trap="a bucket with deadlines is removed, made again, and filled by put_if_absent",
    also="11 9 conditional.3",
)
class DeadlinesOutliveTheirBucket(Objects):
    """Deadlines are a table; all that writes an object clears its line, but what creates one where there is none."""

    def table(self) -> dict[Slot, int]:
        found: dict[Slot, int] = self.store.notes.setdefault(("deadlines", self.namespace), {})
        return found

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        for slot, thing in changes.items():
            if slot[1]:
                self.table().pop(slot, None)
            if isinstance(thing, Version) and thing.deadline_ms is not None:
                self.table()[slot] = thing.deadline_ms

    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        old = self.table().get(slot)
        known = slot[1] in self.rows(slot[0])
        done = await super().create(slot, data, facts)
        if done and not known and old is not None:
            self.apply({slot: replace(self.rows(slot[0])[slot[1]], deadline_ms=old)})
        return done


@mutant("5", "old version", trap="put_stream without an encoding over an object that has one")
class StreamsKeepTheEncodingOfThePredecessor(Objects):
    async def receive(self, slot: Slot, chunks: AsyncIterable[Bytes], size: int | None, facts: Facts) -> Version:
        old = self.find(slot)
        if old is not None and facts.content_encoding is None:
            facts = replace(facts, content_encoding=old.facts.content_encoding)
        return await super().receive(slot, chunks, size, facts)


@mutant("14", "stale cache", trap="another client puts the same data with other metadata", also="5 9")
class MetadataIsCachedByEtag(Objects):
    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.known: dict[Slot, ObjectMetadata] = {}

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        for slot in changes:
            self.known.pop(slot, None)

    async def metadata(self, bucket: str, key: str) -> ObjectMetadata | None:
        found = await super().metadata(bucket, key)
        known = self.known.get((bucket, key))
        if found is None or (known is not None and known.etag == found.etag):
            return found and known
        self.known[bucket, key] = found
        return found


@mutant("15", "state of the class", trap="one key in two namespaces, with different sizes, and a listing", also="8")
class ListedSizesAreOfTheClass(Objects):
    sizes: ClassVar[dict[Slot, int]] = {}

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        for slot, thing in changes.items():
            if isinstance(thing, Version):
                self.sizes[slot] = thing.blob.size

    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        async for info in super().list_objects(bucket, prefix):
            yield replace(info, size=self.sizes.get((bucket, info.key), info.size))


@mutant("11", "race", trap="a put into an empty bucket while delete_bucket is under way", also="14 17")
class DeleteBucketLooksThenRemoves(Objects):
    async def remove_bucket(self, bucket: str) -> None:
        await step()
        if bucket in self.buckets():
            await super().remove_bucket(bucket)


@mutant("17", "cancellation", trap="a set_ttl that is cancelled, then another one, or a delete", also="9 4")
class CancelledSetTtlKeepsTheLock(Objects):
    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.changing = asyncio.Lock()

    async def delete(self, bucket: str, key: str) -> bool:
        async with self.changing:
            return await super().delete(bucket, key)

    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        slot, _ = self.slot(bucket, key, "set_ttl"), self.seconds(ttl_s)
        if self.find(slot) is None:
            return False
        await self.changing.acquire()
        await step()
        done = await super().set_ttl(bucket, key, ttl_s) if bucket in self.buckets() else False
        self.changing.release()
        return done


@mutant("7", "wrap", trap="a stream is half read while its object is put ten times")
class VersionsHaveOneDigit(Objects):
    """Data are kept in ten places by turns."""

    def places(self) -> dict[tuple[str, Slot, int], Version]:
        found: dict[tuple[str, Slot, int], Version] = vars(self.store).setdefault("places", {})
        return found

    def version(self, slot: Slot, blob: Blob, facts: Facts) -> Version:
        made = super().version(slot, blob, facts)
        counts: dict[tuple[str, Slot], int] = vars(self.store).setdefault("counts", {})
        digit = counts[self.namespace, slot] = (counts.get((self.namespace, slot), -1) + 1) % 10
        self.places()[self.namespace, slot, digit] = made
        return replace(made, etag=f"{made.etag}-{digit}")

    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        slot = self.slot(bucket, key, "get_stream")
        place = self.namespace, slot, int(self.need(slot).etag[-1])
        at = 0
        while piece := self.whole(self.places()[place])[at : at + PIECE]:
            at += len(piece)
            yield piece


@mutant("9", "truncation", trap="a deadline that is no whole number of hundredths of a second", also="10")
class DeadlinesActInHundredths(Objects):
    """What is told of them is exact."""

    def alive(self, version: Version) -> bool:
        return version.deadline_ms is None or self.now() * 1000 < version.deadline_ms // 10 * 10


@mutant("11", "state after a refusal", trap="create_bucket after delete_bucket raised Conflict")
class ARefusedDeletionMakesTheBucketNew(Objects):
    def closing(self) -> set[str]:
        found: set[str] = self.store.notes.setdefault(("closing", self.namespace), set())
        return found

    async def delete_bucket(self, bucket: str, *, force: bool = False) -> bool:
        if self.bucket_name(bucket, "delete_bucket") in self.buckets():
            self.closing().add(bucket)
        done = await super().delete_bucket(bucket, force=force)
        self.closing().discard(bucket)
        return done

    async def create_bucket(self, bucket: str) -> bool:
        made = await super().create_bucket(bucket)
        reopened = bucket in self.closing()
        self.closing().discard(bucket)
        return made or reopened
