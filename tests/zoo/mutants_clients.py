"""Mutants of `KeyValueBasic` that need a second client or a second namespace."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from prism_testkit.backend import Place
from prism_testkit.interfaces import Bytes

from .declare import Mutant, declaring
from .reference import KeyValue
from .stores import Changes, Entry, Rows, Store

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# basic.8: what one client wrote, the others see

_TWO = "basic.4 basic.10 scan.1 scan.3 batch.1 cas.6 transactional.1 transactional.5 ttl.10"
"""What a check with two clients may see when they see different rows."""


@asynccontextmanager
async def _connect_alone(place: Place) -> AsyncIterator[Store]:
    yield Store(place)


@mutant("basic.8", "scope", trap="two connections", also=_TWO, connect=_connect_alone)
class PrivateStorePerConnection(KeyValue):
    """Each connection has a dict of its own."""


@mutant("basic.8", "stale cache", trap="two clients, a key read before the other one writes it", also="basic.10")
class ReadCachePerClient(KeyValue):
    """Own writes empty the cache, those of others do not."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.cache: Rows = {}

    async def get(self, key: str) -> bytes | None:
        name = self.name(key, "get")
        entry = self.cache.get(name) or self.find(name)
        if entry is None or not self.alive(entry):
            return None
        self.cache[name] = entry
        return entry.value

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        for key in changes:
            self.cache.pop(key, None)


@mutant(
    "basic.8", "negative cache", trap="two clients, a missing key read before the other one creates it", also="basic.5 basic.10"
)
class RemembersMissing(KeyValue):
    """A client does not ask again for what was missing, until it writes the key itself."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.missing: set[str] = set()

    async def get(self, key: str) -> bytes | None:
        name = self.name(key, "get")
        if name in self.missing:
            return None
        if self.find(name) is None:
            self.missing.add(name)
        return await super().get(key)

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        self.missing.difference_update(changes)


@mutant("basic.8", "early acknowledgement", trap="two clients", also=_TWO)
class HoldsBackLastWrite(KeyValue):
    """A write is sent with the next one; until then only the writer sees it."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.held: dict[str, Entry | None] = {}

    def apply(self, changes: Changes) -> None:
        super().apply(self.held)
        self.held = dict(changes)

    def rows(self) -> Rows:
        own = {**super().rows(), **self.held}
        return {key: entry for key, entry in own.items() if entry is not None}


@mutant("basic.8", "write behind", trap="two clients", also=_TWO)
class FlushesAtClose(HoldsBackLastWrite):
    """All writes are held until the client is closed."""

    def apply(self, changes: Changes) -> None:
        self.held.update(changes)

    async def close(self) -> None:
        held, self.held = self.held, {}
        self.store.apply(self.namespace, held)


@mutant("basic.8", "snapshot", trap="two clients, each of which has made a call", also=_TWO)
class ReadsSnapshotOfFirstCall(KeyValue):
    """A connection that stays in its first read transaction; its own writes it sees."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.seen: Rows | None = None

    def rows(self) -> Rows:
        if self.seen is None:
            self.seen = dict(super().rows())
        return self.seen

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        for key, entry in changes.items():
            if entry is None:
                self.rows().pop(key, None)
            else:
                self.rows()[key] = entry


@mutant("basic.8", "order of writes", trap="two clients write one key in turn, the first more often", also="basic.1 basic.10")
class CountsWritesPerClient(KeyValue):
    """The last write wins by a counter that each client keeps for itself."""

    writes = 0

    async def set(self, key: str, value: Bytes) -> None:
        name, data = self.name(key, "set"), self.data(value, "set", key)
        self.writes += 1
        slot = self.namespace, name
        if self.find(name) is None or self.store.notes.get(slot, 0) <= self.writes:
            self.store.notes[slot] = self.writes
            await super().set(name, data)


@mutant("basic.8", "missing step", trap="two clients, a key read before the other one deletes it", also="basic.4 basic.5 basic.10")
class DeletesAreNotAnnounced(KeyValue):
    """Writes of others refresh the cache; their deletes are not among what is announced."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.cache: Rows = {}

    async def get(self, key: str) -> bytes | None:
        name = self.name(key, "get")
        entry = self.find(name) or self.cache.get(name)
        if entry is not None and entry.deadline is None:
            self.cache[name] = entry
        else:
            self.cache.pop(name, None)
        return None if entry is None else entry.value

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        for key in changes:
            self.cache.pop(key, None)


# basic.9: namespaces

_SHARED = "basic.2 basic.4 basic.5 basic.8 scan.1 scan.5 batch.2 batch.3 cas.2 ttl.11"


async def _clean_all(store: Store, prefix: str) -> None:
    store.clean("")


@mutant("basic.9", "scope", trap="two namespaces", also=_SHARED, clean=_clean_all)
class IgnoresNamespace(KeyValue):
    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, "all")


@mutant("basic.9", "truncation", trap="two namespaces of one run", also=_SHARED, clean=_clean_all)
class CutsNamespaceAt20(KeyValue):
    """An identifier that the server cuts without a word."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace[:20])


@mutant("basic.9", "missing step", trap="two namespaces, count", also="scan.5")
class CountsEveryNamespace(KeyValue):
    """``SELECT count(*)`` without the namespace."""

    async def count(self, prefix: str = "") -> int:
        checked = self.prefix(prefix, "count")
        clients = [type(self)(self.store, namespace) for namespace in list(self.store.spaces)]
        return sum(len(client.matching(checked)) for client in clients)


@mutant("basic.9", "lost write", trap="one name in two namespaces, deleted in one")
class DeletesInEveryNamespace(KeyValue):
    async def delete(self, key: str) -> bool:
        present = await super().delete(key)
        for namespace in list(self.store.spaces) if present else ():
            self.store.apply(namespace, {self.name(key, "delete"): None})
        return present


@mutant("basic.9", "stale cache", trap="one name in two namespaces, written in both, then read in both")
class CacheForAllNamespaces(KeyValue):
    """Writes empty the cache, under the name alone; reads fill it, under the name alone."""

    async def get(self, key: str) -> bytes | None:
        name = self.name(key, "get")
        entry = self.find(name)
        if entry is None or entry.deadline is not None:
            return await super().get(key)
        cached: Entry = self.store.notes.setdefault(name, entry)
        return cached.value

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        for key in changes:
            self.store.notes.pop(key, None)


@mutant("basic.9", "grouping", trap="one name with a time to live in two namespaces", also="ttl.11 ttl.1 ttl.7")
class ExpiresInEveryNamespace(KeyValue):
    """The table of deadlines has no column for the namespace."""

    async def expire(self, key: str, ttl_s: float) -> bool:
        present = await super().expire(key, ttl_s)
        for namespace in list(self.store.spaces) if present else ():
            await KeyValue(self.store, namespace).expire(key, ttl_s)
        return present


@mutant("basic.9", "missing condition", trap="two namespaces, a scan with the empty prefix", also="scan.1 scan.2 scan.4 scan.5")
class EmptyPrefixScansEverything(KeyValue):
    """No prefix, no condition at all."""

    async def walk(self, prefix: str, limit: int | None) -> AsyncGenerator[tuple[str, Entry], None]:
        given = 0
        for namespace in [self.namespace] if prefix else [self.namespace, *self.store.spaces.keys() - {self.namespace}]:
            client = KeyValue(self.store, namespace)
            async for found in client.walk(prefix, None if limit is None else limit - given):
                given += 1
                yield found


@mutant("basic.9", "over-reach", trap="one of two namespaces is cleaned", clean=_clean_all)
class CleansEveryNamespace(KeyValue):
    """FLUSHALL."""
