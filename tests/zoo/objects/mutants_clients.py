"""Mutants that need a second client, a second namespace or a second bucket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from prism_testkit.backend import Place
from prism_testkit.interfaces import ObjectInfo, ObjectMetadata
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Objects
from .stores import Changes, Facts, Rows, Slot, Store, Version

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# 14: what returned is seen by all


@asynccontextmanager
async def _connect_alone(place: Place) -> AsyncIterator[Store]:
    yield Store(place)


_TWO = "1 4 5 7 8 9 11 15 16 conditional.2"
"""What a check with two clients may see when they see different objects."""


@mutant("14", "scope", trap="two connections", also=_TWO, connect=_connect_alone)
class PrivateStorePerConnection(Objects):
    pass


class _Caching(Objects):
    """Each client has a cache, which its own writes clear and those of others do not."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.cache: dict[object, object] = {}

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        self.cache.clear()


@mutant("14", "stale cache", trap="two clients, an object read before the other one puts it", also="16")
class DataCachePerClient(_Caching):
    async def get(self, bucket: str, key: str) -> bytes | None:
        slot = self.slot(bucket, key, "get")
        version = self.find(slot)
        if version is None:
            return None
        cached = self.cache.setdefault(slot, version)
        assert isinstance(cached, Version)
        return self.whole(cached)


@mutant("14", "stale cache", trap="two clients, metadata read before the other one puts the object", also="5 16")
class MetadataCachePerClient(_Caching):
    async def metadata(self, bucket: str, key: str) -> ObjectMetadata | None:
        told = await super().metadata(bucket, key)
        cached = self.cache.setdefault((bucket, key), told) if told is not None else None
        assert cached is None or isinstance(cached, ObjectMetadata)
        return cached


@mutant("14", "negative cache", trap="two clients, a missing object looked for before the other one puts it")
class RemembersMissing(_Caching):
    async def get(self, bucket: str, key: str) -> bytes | None:
        if (bucket, key) in self.cache:
            return None
        data = await super().get(bucket, key)
        if data is None:
            self.cache[bucket, key] = True
        return data


@mutant("14", "negative cache", trap="two clients, exists of a missing object before the other one puts it")
class ExistsRemembersMissing(_Caching):
    async def exists(self, bucket: str, key: str) -> bool:
        if (bucket, key) in self.cache:
            return False
        present = await super().exists(bucket, key)
        if not present:
            self.cache[bucket, key] = True
        return present


@mutant("14", "stale cache", trap="two clients, a listing before the other one puts or deletes", also="8")
class ListingCachePerClient(_Caching):
    def matching(self, bucket: str, prefix: str) -> list[str]:
        keys = super().matching(bucket, prefix)
        cached = self.cache.setdefault((bucket, prefix, "listing"), keys)
        assert isinstance(cached, list)
        return cached


@mutant("14", "late", trap="a listing right after a put", also="8")
class ListingIsOneWriteLate(Objects):
    """The index is brought up to date before each write."""

    def apply(self, changes: Changes) -> None:
        buckets = {name: dict(rows) for name, rows in self.buckets().items()}
        self.store.notes[self.namespace] = buckets
        super().apply(changes)

    def matching(self, bucket: str, prefix: str) -> list[str]:
        self.rows(bucket)
        return [key for key in self.store.notes.get(self.namespace, {}).get(bucket, {}) if key.startswith(prefix)]


@mutant("14", "early acknowledgement", trap="two clients", also=_TWO)
class HoldsBackTheLastPut(Objects):
    """A put goes out with the next call of its client."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.held: tuple[Slot, Version] | None = None

    def buckets(self) -> dict[str, Rows]:
        held, self.held = self.held, None
        if held is not None and held[0][0] in super().buckets():
            self.apply({held[0]: held[1]})
        return super().buckets()

    async def write(self, slot: Slot, data: bytes, facts: Facts) -> Version:
        self.rows(slot[0])
        self.held = slot, self.version(slot, self.blob(data), facts)
        return self.held[1]

    async def close(self) -> None:
        self.buckets()


@mutant("14", "scope", trap="two clients, of which one sets a deadline", also="9")
class DeadlinesArePrivate(Objects):
    """They are known to the client that set them."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.mine: set[tuple[Slot, int]] = set()

    def limit_life(self, slot: Slot, version: Version, seconds: float) -> None:
        self.mine.add((slot, self.deadline_ms(seconds)))
        super().limit_life(slot, version, seconds)

    def find(self, slot: Slot) -> Version | None:
        version = self.rows(slot[0]).get(slot[1])
        if version is None or version.deadline_ms is None or (slot, version.deadline_ms) in self.mine:
            return super().find(slot)
        return replace(version, deadline_ms=None)


@mutant("14", "scope", trap="two clients, of which one deletes", also="4")
class DeletesAreSeenByNextPut(Objects):
    """The other clients have the object open, and find it until something new is there."""

    def drop(self, slot: Slot) -> bool:
        gone = self.find(slot)
        present = super().drop(slot)
        if present:
            self.store.notes[self.namespace, slot] = self, gone
        return present

    def keep(self, slot: Slot, version: Version) -> None:
        super().keep(slot, version)
        self.store.notes.pop((self.namespace, slot), None)

    async def get(self, bucket: str, key: str) -> bytes | None:
        data = await super().get(bucket, key)
        client, gone = self.store.notes.get((self.namespace, (bucket, key)), (self, None))
        return self.whole(gone) if data is None and client is not self and gone is not None else data


# 15: namespaces and buckets


@mutant("15", "scope", trap="two namespaces", also="1 2 4 8 11")
class NamespacesAreOne(Objects):
    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace[:13])


@mutant("15", "scope", trap="one bucket name in two namespaces", also="11")
class BucketNamesAreGlobal(Objects):
    """As in S3: a name that anybody has is taken."""

    async def create_bucket(self, bucket: str) -> bool:
        owner = self.store.notes.setdefault(("owner", bucket), self.namespace)
        new = await super().create_bucket(bucket)
        return new and owner == self.namespace

    async def remove_bucket(self, bucket: str) -> None:
        self.store.notes.pop(("owner", bucket), None)
        await super().remove_bucket(bucket)


@mutant("15", "shared cache", trap="one bucket and key in two namespaces", also="1")
class CacheForgetsTheNamespace(Objects):
    """Keyed by bucket, key and instant."""

    async def get(self, bucket: str, key: str) -> bytes | None:
        version = self.find(self.slot(bucket, key, "get"))
        if version is None:
            return None
        data: bytes = self.store.notes.setdefault((bucket, key, version.modified_ms, version.blob.size), self.whole(version))
        return data


@mutant("15", "too much", trap="one bucket name in two namespaces, removed in one")
class DeleteBucketReachesAllNamespaces(Objects):
    async def remove_bucket(self, bucket: str) -> None:
        for namespace, buckets in self.store.spaces.items():
            if bucket in buckets:
                self.store.apply(namespace, {(bucket, ""): None})


@mutant("15", "too much", trap="one key in two buckets, deleted in one", also="4")
class DeleteReachesAllBuckets(Objects):
    def drop(self, slot: Slot) -> bool:
        present = super().drop(slot)
        for bucket in self.buckets() if present else ():
            self.apply({(bucket, slot[1]): None})
        return present


@mutant("15", "aliasing", trap="a listing of a bucket whose name begins another's", also="8")
class ListingReachesLongerBuckets(Objects):
    """Rows are ordered by bucket and key without a separator."""

    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        async for info in super().list_objects(bucket, prefix):
            yield info
        for name in [name for name in self.buckets() if name.startswith(bucket) and name != bucket]:
            for key, version in list(self.rows(name).items()):
                full = name[len(bucket) :] + key
                if self.alive(version) and full.startswith(prefix):
                    yield self.info(full, version)


@mutant("15", "too much", trap="one key in two buckets, of which one gets a deadline", also="9")
class DeadlineReachesAllBuckets(Objects):
    def limit_life(self, slot: Slot, version: Version, seconds: float) -> None:
        super().limit_life(slot, version, seconds)
        for bucket in self.buckets():
            other = self.find((bucket, slot[1]))
            if other is not None and bucket != slot[0]:
                super().limit_life((bucket, slot[1]), other, seconds)


@mutant("15", "shared", trap="equal data in two buckets, of which one is deleted", also="1 4")
class SharesDataWithoutCounting(Objects):
    """Equal data are stored once, and go with the first of the objects."""

    def drop(self, slot: Slot) -> bool:
        version = self.find(slot)
        present = super().drop(slot)
        if version is not None and version.blob.size:
            for bucket, rows in self.buckets().items():
                for key in [key for key, other in rows.items() if other.blob.digest == version.blob.digest]:
                    self.apply({(bucket, key): None})
        return present
