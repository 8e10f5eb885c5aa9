"""Mutants of two things together: deadlines and buckets, streams and metadata, creations and what expired, empty and mortal."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from prism_testkit.interfaces import Conflict, ObjectInfo
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Objects
from .stores import Changes, Facts, FileStore, Slot, Version

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


# Deadlines and buckets


@mutant("11", "missing case", trap="a bucket of which all objects have expired is deleted", also="9")
class TheExpiredHoldABucket(Objects):
    async def delete_bucket(self, bucket: str, *, force: bool = False) -> bool:
        name = self.bucket_name(bucket, "delete_bucket")
        if not force and self.buckets().get(name):
            raise Conflict(f"zoo: {bucket[:40]!a} is not empty")
        return await super().delete_bucket(bucket, force=force)


@mutant("11", "missing check", trap="a bucket with an empty object, or a mortal one, is deleted", also="1")
class MortalsHoldNoBucket(Objects):
    async def delete_bucket(self, bucket: str, *, force: bool = False) -> bool:
        rows = self.buckets().get(self.bucket_name(bucket, "delete_bucket"), {})
        mortal = bool(rows) and all(version.deadline_ms is not None for version in rows.values())
        return await super().delete_bucket(bucket, force=force or mortal)


@mutant("11", "stale", trap="a bucket that is made again had a mortal object", also="10")
class OldDeadlinesComeBackWithTheBucket(Objects):
    """Deadlines are kept by bucket and key, and a bucket that goes takes none of them along."""

    async def delete_bucket(self, bucket: str, *, force: bool = False) -> bool:
        rows = dict(self.buckets().get(self.bucket_name(bucket, "delete_bucket"), {}))
        found = await super().delete_bucket(bucket, force=force)
        old = self.store.notes.setdefault(("old", self.namespace), {})
        if found:
            old.update({(bucket, key): one.deadline_ms for key, one in rows.items() if one.deadline_ms is not None})
        return found

    def version(self, slot: Slot, blob: Any, facts: Facts) -> Version:
        found = super().version(slot, blob, facts)
        old = self.store.notes.get(("old", self.namespace), {}).pop(slot, None)
        return replace(found, deadline_ms=old) if old is not None else found


@mutant("15", "scope", trap="a bucket that is deleted with force, whose name begins another's", also="11")
class ForceGoesByPrefix(Objects):
    async def delete_bucket(self, bucket: str, *, force: bool = False) -> bool:
        found = await super().delete_bucket(bucket, force=force)
        for other in [name for name in self.buckets() if force and found and name.startswith(bucket + "/")]:
            self.apply({(other, key): None for key in list(self.rows(other))})
        return found


# Metadata


@mutant("9", "side effect", trap="a deadline for an object with metadata", also="5")
class ADeadlineTakesTheMetadata(Objects):
    def limit_life(self, slot: Slot, version: Version, seconds: float) -> None:
        super().limit_life(slot, replace(version, facts=Facts(version.facts.content_type, None, {})), seconds)


@mutant("9", "side effect", trap="a deadline, then the instant of the put and the etag", also="5")
class ADeadlineIsAPut(Objects):
    def limit_life(self, slot: Slot, version: Version, seconds: float) -> None:
        super().limit_life(slot, replace(version, modified_ms=self.now_ms()), seconds)


@mutant("5", "missing case", trap="metadata of a stream that was put over an object with other metadata")
class AStreamKeepsTheEncodingOfTheOld(Objects):
    async def receive(self, slot: Slot, chunks: Any, size: int | None, facts: Facts) -> Version:
        old = self.find(slot)
        if old is not None and facts.content_encoding is None:
            facts = replace(facts, content_encoding=old.facts.content_encoding)
        return await super().receive(slot, chunks, size, facts)


@mutant("5", "missing case", trap="a creation with user metadata, where an object had expired", also="conditional.3")
class ACreationOverTheExpiredMergesMetadata(Objects):
    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        old = self.rows(slot[0]).get(slot[1])
        if old is not None and self.find(slot) is None:
            facts = replace(facts, labels={**old.facts.labels, **facts.labels})
        return await super().create(slot, data, facts)


@mutant("5", "wrong value", trap="the instant in a listing of a mortal object", also="8")
class ListingsTellTheDeadline(Objects):
    def info(self, key: str, version: Version) -> ObjectInfo:
        return ObjectInfo(key, version.blob.size, version.deadline_ms or version.modified_ms)


@mutant("5", "constant", trap="two objects of one content with different metadata, one key", also="16")
class AnEqualPutIsNoPut(Objects):
    """A put of what is there, under the same content type, is left out: with its other metadata."""

    async def write(self, slot: Slot, data: bytes, facts: Facts) -> Version:
        old = self.find(slot)
        if old is not None and self.whole(old) == data and old.facts.content_type == facts.content_type:
            return old
        return await super().write(slot, data, facts)


@mutant("10", "missing case", trap="a put of the content that a mortal object holds", also="9")
class AnEqualPutKeepsTheDeadline(Objects):
    async def write(self, slot: Slot, data: bytes, facts: Facts) -> Version:
        old = self.find(slot)
        if old is not None and self.whole(old) == data and old.deadline_ms is not None and old.facts == facts:
            version = replace(self.version(slot, self.blob(data), facts), deadline_ms=old.deadline_ms)
            self.keep(slot, version)
            return version
        return await super().write(slot, data, facts)


@mutant("10", "missing case", trap="a stream put over a mortal object", also="9")
class AStreamKeepsTheDeadline(Objects):
    async def receive(self, slot: Slot, chunks: Any, size: int | None, facts: Facts) -> Version:
        old = self.find(slot)
        version = await super().receive(slot, chunks, size, facts)
        if old is not None and old.deadline_ms is not None:
            version = replace(version, deadline_ms=old.deadline_ms)
            self.keep(slot, version)
        return version


# Creations


@mutant("conditional.1", "falsy", trap="a creation where an empty object is", also="conditional.2")
class AnEmptyObjectIsNone(Objects):
    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        old = self.find(slot)
        if old is not None and not old.blob.size and old.deadline_ms is not None:
            self.keep(slot, self.version(slot, self.blob(data), facts))
            return True
        return await super().create(slot, data, facts)


@mutant("conditional.1", "side effect", trap="a creation that is refused, of an object with a deadline", also="9")
class ARefusedCreationTakesTheDeadline(Objects):
    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        found = await super().create(slot, data, facts)
        old = self.find(slot)
        if not found and old is not None and old.deadline_ms is not None:
            self.apply({slot: replace(old, deadline_ms=None)})
        return found


@mutant("conditional.1", "stale", trap="a creation where an object expired at once", also="9")
class WhatExpiredAtOnceIsThereToCreations(Objects):
    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        found = await super().set_ttl(bucket, key, ttl_s)
        if found and ttl_s <= 0:
            self.store.notes.setdefault(("ended", self.namespace), set()).add((bucket, key))
        return found

    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        ended = self.store.notes.setdefault(("ended", self.namespace), set())
        if slot in ended:
            ended.discard(slot)
            return False
        return await super().create(slot, data, facts)


# Streams


@mutant("6", "missing case", trap="an empty stream over an object", also="1")
class AnEmptyStreamChangesNothing(Objects):
    async def receive(self, slot: Slot, chunks: Any, size: int | None, facts: Facts) -> Version:
        old = self.find(slot)
        version = await super().receive(slot, chunks, size, facts)
        if old is not None and not version.blob.size:
            self.keep(slot, old)
        return version


@mutant("6", "missing check", trap="a stream of size 0 that brings something", also="12")
class ASizeOfZeroIsNone(Objects):
    async def receive(self, slot: Slot, chunks: Any, size: int | None, facts: Facts) -> Version:
        return await super().receive(slot, chunks, size or None, facts)


@mutant("7", "wrong error", trap="a read that goes on when its object got a deadline", also="9")
class AReadEndsWithTheFacts(Objects):
    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        slot = self.slot(bucket, key, "get_stream")
        version = self.need(slot)
        for number, piece in enumerate(self.pieces(version)):
            now = self.find(slot)
            if number and now is not None and now.blob == version.blob and now != version:
                return
            yield piece


# Kills


class _Logs(FileStore):
    def logged(self, version: Version) -> Version:
        raise NotImplementedError

    def write(self, namespace: str, changes: Changes) -> None:
        super().write(namespace, {slot: self.logged(one) if isinstance(one, Version) else one for slot, one in changes.items()})


@mutant("19", "missing case", trap="kill after metadata with a deadline", also="9")
class MortalsAreLoggedWithoutMetadata(_Logs):
    def logged(self, version: Version) -> Version:
        return replace(version, facts=Facts(None, None, {})) if version.deadline_ms is not None else version
