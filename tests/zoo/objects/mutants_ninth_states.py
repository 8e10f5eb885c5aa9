"""Mutants over the pool: states that outlive what they are of, and looks that are remembered."""

import math
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

from prism_testkit.interfaces import Bytes, ObjectInfo, ObjectMetadata, PayloadTooLarge
from tests.zoo.declare import Mutant

from .independent import declaring_independent
from .pool import Manifest, PoolObjects

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_independent(MUTANTS)


@mutant("8", "shared cursor", trap="two listings of one prefix at once")
class ListingsShareTheirCursorOnceMore(PoolObjects):
    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        open_ = self.notes.setdefault("open", {})
        skip = open_.get((bucket, prefix), 0)
        at = 0
        try:
            async for info in super().list_objects(bucket, prefix):
                at += 1
                if at <= skip:
                    continue
                open_[bucket, prefix] = at
                yield info
        finally:
            open_.pop((bucket, prefix), None)


@mutant("8", "page", trap="more than a thousand objects, of which one in the first page goes meanwhile")
class PagesByNumber(PoolObjects):
    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        at = 0
        while True:
            page = [info async for info in super().list_objects(bucket, prefix)][at : at + 7]
            if not page:
                return
            for info in page:
                yield info
            at += 7


@mutant("9", "stale", trap="set_ttl of a missing key, which is put afterwards", also="2 10")
class KeepsDeadlinesOfMissingKeys(PoolObjects):
    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        found = await super().set_ttl(bucket, key, ttl_s)
        if not found and ttl_s > 0:
            self.world.notes[self.namespace, bucket, key] = self.clock.now_s() + ttl_s
        return found

    def _install(self, bucket: str, key: str, manifest: Manifest) -> None:
        super()._install(bucket, key, replace(manifest, deadline_s=self.world.notes.pop((self.namespace, bucket, key), None)))


@mutant("9", "shortest wins", trap="a deadline that is replaced by a later one")
class TheFirstTimerWins(PoolObjects):
    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        old = self._buckets.get(bucket, {}).get(key) if isinstance(bucket, str) else None
        found = await super().set_ttl(bucket, key, ttl_s)
        now = self._buckets.get(bucket, {}).get(key)
        if found and now is not None and old is not None and old.deadline_s is not None and now.deadline_s is not None:
            self._buckets[bucket][key] = replace(now, deadline_s=min(old.deadline_s, now.deadline_s)) if ttl_s > 86400 * 30 else now
        return found


@mutant("9", "overflow", trap="a time to live of more than 2^31 ms that is not 1e9 s")
class Milliseconds31(PoolObjects):
    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        if 2**31 / 1000 < ttl_s < 2**32 / 1000:
            return await super().set_ttl(bucket, key, 2**31 / 1000)
        return await super().set_ttl(bucket, key, ttl_s)


@mutant("11", "stale", trap="a bucket that is removed by force and made again, with a key that had a deadline", also="9 10")
class DeadlinesOutliveTheirBucketOnceMore(PoolObjects):
    async def delete_bucket(self, bucket: str, *, force: bool = False) -> bool:
        had = {k: m.deadline_s for k, m in self._buckets.get(bucket, {}).items() if m.deadline_s is not None}
        found = await super().delete_bucket(bucket, force=force)
        if found:
            for key, deadline_s in had.items():
                self.world.notes[self.namespace, bucket, key] = deadline_s
        return found

    def _install(self, bucket: str, key: str, manifest: Manifest) -> None:
        super()._install(bucket, key, replace(manifest, deadline_s=self.world.notes.pop((self.namespace, bucket, key), None)))


@mutant("12", "boundary", trap="a stream of exactly max_payload bytes", also="18")
class StreamsStayBelowTheLimit(PoolObjects):
    async def _take(self, chunks: AsyncIterable[Bytes], names: list[bytes], size: int | None) -> int:
        total = await super()._take(chunks, names, size)
        if total >= self.limits.max_payload:
            raise PayloadTooLarge(f"pool: put_stream: {total} bytes")
        return total


@mutant("13", "aliasing", trap="what put_stream returned, changed")
class StreamsReturnWhatIsStored(PoolObjects):
    async def _upload(self, bucket: str, key: str, chunks: Any, size: int | None, facts: Mapping[str, Any]) -> ObjectMetadata:
        found = await super()._upload(bucket, key, chunks, size, facts)
        now = self._buckets.get(bucket, {}).get(key)
        return replace(found, user_metadata=now.labels) if now is not None else found


@mutant("14", "cache", trap="a listing, a delete by another client, and exists")
class ExistsAsWasListed(PoolObjects):
    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        async for info in super().list_objects(bucket, prefix):
            self.notes.setdefault("listed", set()).add((bucket, info.key))
            yield info

    async def delete(self, bucket: str, key: str) -> bool:
        self.notes.setdefault("listed", set()).discard((bucket, key))
        return await super().delete(bucket, key)

    async def exists(self, bucket: str, key: str) -> bool:
        found = await super().exists(bucket, key)
        if not found and (bucket, key) in self.notes.setdefault("listed", set()):
            self.notes["listed"].discard((bucket, key))
            return True
        return found


@mutant("14", "cache", trap="metadata that was asked, set_ttl by another client, and metadata", also="9")
class RemembersWhenItExpires(PoolObjects):
    async def metadata(self, bucket: str, key: str) -> ObjectMetadata | None:
        found = await super().metadata(bucket, key)
        known = self.notes.setdefault("known", {})
        if found is None:
            known.pop((bucket, key), None)
            return None
        old = known.setdefault((bucket, key), found)
        if old.etag == found.etag:
            return old  # type: ignore[no-any-return]
        known[bucket, key] = found
        return found

    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        self.notes.setdefault("known", {}).pop((bucket, key), None)
        return await super().set_ttl(bucket, key, ttl_s)


@mutant("14", "cache", trap="a bucket that another client removes and makes again, between two puts of this one", also="11")
class KnowsItsBuckets(PoolObjects):
    """Who has put into a bucket need not ask again whether it is there."""

    async def _put(self, bucket: str, key: str, data: bytes, facts: Mapping[str, Any]) -> ObjectMetadata:
        found = await super()._put(bucket, key, data, facts)
        self.notes.setdefault("known", {}).setdefault(bucket, self._buckets.get(bucket, {}))
        return found

    async def exists(self, bucket: str, key: str) -> bool:
        found = await super().exists(bucket, key)
        objects = self.notes.get("known", {}).get(bucket)
        return found if objects is None else key in objects and not self._over(objects[key])


@mutant("16", "shared staging", trap="two streams into one key at once")
class OneStagingAreaAKey(PoolObjects):
    async def _upload(self, bucket: str, key: str, chunks: Any, size: int | None, facts: Mapping[str, Any]) -> ObjectMetadata:
        area = self.world.notes.setdefault(("area", self.namespace, bucket, key), [])
        area.clear()

        async def through() -> AsyncIterator[Bytes]:
            async for chunk in chunks:
                area.append(bytes(chunk))
            for chunk in list(area):
                yield chunk

        return await super()._upload(bucket, key, through(), size, facts)


@mutant("17", "lost", trap="a delete_bucket by force that is cancelled", also="11")
class RemovesByForceOneByOne(PoolObjects):
    async def delete_bucket(self, bucket: str, *, force: bool = False) -> bool:
        if force and bucket in self._buckets:
            for key in list(self._buckets.get(bucket, {})):
                await self.delete(bucket, key)
                await self._turn()
        return await super().delete_bucket(bucket, force=force)


@mutant("conditional.1", "reservation", trap="put_if_absent while a stream goes to the key")
class StreamsReserveTheirKey(PoolObjects):
    async def _upload(self, bucket: str, key: str, chunks: Any, size: int | None, facts: Mapping[str, Any]) -> ObjectMetadata:
        busy = self.world.notes.setdefault("busy", set())
        busy.add((self.namespace, bucket, key))
        try:
            return await super()._upload(bucket, key, chunks, size, facts)
        finally:
            busy.discard((self.namespace, bucket, key))

    async def _create(self, bucket: str, key: str, data: bytes, facts: Mapping[str, Any]) -> bool:
        if (self.namespace, bucket, key) in self.world.notes.get("busy", ()):
            return False
        return await super()._create(bucket, key, data, facts)


@mutant("conditional.1", "touch", trap="put_if_absent that finds an object with a deadline")
class RefusedCreationExtends(PoolObjects):
    async def _create(self, bucket: str, key: str, data: bytes, facts: Mapping[str, Any]) -> bool:
        made = await super()._create(bucket, key, data, facts)
        if not made:
            now = self._find(bucket, key)
            if now is not None and now.deadline_s is not None:
                self._buckets[bucket][key] = replace(now, deadline_s=math.ceil(now.deadline_s))
        return made


@mutant(
    "conditional.3",
    "encoding",
    trap="put_if_absent without content type, over an expired one with",
    also="conditional.1 5",
)
class CreationKeepsTheOldType(PoolObjects):
    async def _create(self, bucket: str, key: str, data: bytes, facts: Mapping[str, Any]) -> bool:
        old = self._buckets.get(bucket, {}).get(key) if isinstance(bucket, str) else None
        made = await super()._create(bucket, key, data, facts)
        if made and old is not None and not facts["content_type"]:
            self._buckets[bucket][key] = replace(self._buckets[bucket][key], content_type=old.content_type)
        return made


@mutant("4", "wrong answer", trap="a delete of what is being read", also="16")
class CannotDeleteWhatIsOpen(PoolObjects):
    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        opened = self.notes.setdefault("opened", [])
        opened.append((bucket, key))
        try:
            async for piece in super().get_stream(bucket, key):
                yield piece
        finally:
            opened.remove((bucket, key))

    async def delete(self, bucket: str, key: str) -> bool:
        if (bucket, key) in self.notes.get("opened", ()):
            await self._turn()
            manifest = self._find(bucket, key)
            if manifest is not None:
                self._buckets[bucket][key] = replace(manifest, deadline_s=self.clock.now_s() + 0.001)
                return True
        return await super().delete(bucket, key)
