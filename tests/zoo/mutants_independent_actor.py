"""Wrong drivers over an actor: caches that nobody empties, steps that come apart into two letters, waits that nobody ends."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Mapping

from prism_testkit.interfaces import Bytes

from .declare import HOME, Mutant
from .family import declaring_family
from .independent import make
from .independent_actor import Actor, ActorKeyValue, Row, Space

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_family(MUTANTS, prefix="keyvalue_", make=make, home=HOME)


@mutant("basic.1", "value encoding", trap="a value that is a zlib stream")
class InflatesOnGet(ActorKeyValue):
    """Compressed values were stored once, so whatever can be inflated is, when it is read."""

    async def get(self, key: str) -> bytes | None:
        value = await super().get(key)
        try:
            return value and zlib.decompress(value)
        except zlib.error:
            return value


@mutant("basic.4", "race", trap="two deletes of one key at once", also="basic.10")
class LooksThenDrops(ActorKeyValue):
    """`delete` asks whether the key is there, and then has it dropped."""

    async def delete(self, key: str) -> bool:
        present = await self.exists(key)
        if present:
            await super().delete(key)
        return present


@mutant("basic.5", "cache", trap="exists, behind a get, after the deadline", also="ttl.2")
class ExistsInAnOldCache(ActorKeyValue):
    """`exists` trusts its cache without a look at the deadline."""

    async def exists(self, key: str) -> bool:
        self.check(key, "exists")
        return key in self.cache or await self.ask(lambda space: key in space.rows)


@mutant("basic.6", "limit", trap="a view of items of several bytes, over the limit in bytes and not in items")
class CountsItemsOfAView(ActorKeyValue):
    """The limit is compared with ``len(value)``, which of a view counts items."""

    def data(self, value: Bytes, operation: str, key: str) -> bytes:
        if isinstance(value, memoryview) and len(value) <= 1_000_000:
            return bytes(value)
        return super().data(value, operation, key)


@mutant("basic.7", "shared buffer", trap="a view of a part of a buffer", also="basic.1")
class StoresTheBufferOfAView(ActorKeyValue):
    """Of a view, the object behind it is stored."""

    def data(self, value: Bytes, operation: str, key: str) -> bytes:
        if isinstance(value, memoryview) and isinstance(value.obj, bytes | bytearray):
            return bytes(value.obj)
        return super().data(value, operation, key)


@mutant("basic.8", "cache", trap="get of a missing key, then another client creates it by a swap or a transaction", also="cas.1")
class RemembersMissingKeys(ActorKeyValue):
    """What was missing is remembered per client, until somebody calls `set`."""

    def __init__(self, actor: Actor, namespace: str) -> None:
        super().__init__(actor, namespace)
        self.missing: set[str] = set()

    async def get(self, key: str) -> bytes | None:
        if key in self.missing:
            return None
        value = await super().get(key)
        if value is None:
            self.missing.add(key)
        return value

    async def set(self, key: str, value: Bytes) -> None:
        await super().set(key, value)
        for client in self.actor.space(self.namespace).clients:
            client.missing.discard(key)  # type: ignore[attr-defined]

    async def set_with_ttl(self, key: str, value: Bytes, ttl_s: float) -> None:
        await super().set_with_ttl(key, value, ttl_s)
        for client in self.actor.space(self.namespace).clients:
            client.missing.discard(key)  # type: ignore[attr-defined]

    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        await super().batch_set(items)
        for client in self.actor.space(self.namespace).clients:
            client.missing.difference_update(items)  # type: ignore[attr-defined]

    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        swapped = await super().compare_and_swap(key, expected, new)
        self.missing.discard(key)
        return swapped


@mutant("basic.8", "cache", trap="a get and a set of one key at once, then a get", also="basic.10")
class FillsItsCacheAfterwards(ActorKeyValue):
    """The cache is filled by the caller, when the answer has come, which may be after the next write."""

    def fetch(self, space: Space, key: str) -> Row | None:
        return space.rows.get(key)

    async def get(self, key: str) -> bytes | None:
        self.check(key, "get")
        row = self.cached(key) or await self.ask(lambda space: self.fetch(space, key))
        await asyncio.sleep(0)
        if row is not None:
            self.cache[key] = row
        return None if row is None else row.value


@mutant("basic.8", "cache", trap="a client has read a key that another one lets expire earlier", also="ttl.7 ttl.2 basic.5")
class ExpireLeavesCaches(ActorKeyValue):
    """`expire` sets the deadline in place, so no cache is told; a copy in a cache is a row of its own."""

    def fetch(self, space: Space, key: str) -> Row | None:
        row = super().fetch(space, key)
        if row is not None:
            self.cache[key] = Row(row.value, row.due, row.given)
        return row

    def again(self, space: Space, key: str, ttl_s: float) -> bool:
        copies = [(client, client.cache.get(key)) for client in space.clients if client is not self]
        done = super().again(space, key, ttl_s)
        for client, copy in copies:
            if copy is not None:
                client.cache[key] = copy
        return done


@mutant("basic.9", "namespace", trap="a key with a deadline in one namespace, one of the same name in another", also="ttl.11")
class OneHeapForAll(Actor):
    """Deadlines of all namespaces are in one heap, by key."""

    def space(self, name: str) -> Space:
        space = super().space(name)
        space.heap = self.spaces.setdefault("", Space()).heap
        return space

    def expire(self, space: Space) -> None:
        while space.heap and space.heap[0][0] <= self.now():
            _, _, key, row = space.heap[0]
            for other in self.spaces.values():
                if other.rows.get(key) is row or (key in other.rows and row.value == other.rows[key].value):
                    self.drop(other, key)
            del space.heap[0]
            space.heap.sort()


@mutant("basic.10", "atomicity", trap="a reader beside the writer of a value over 64 KiB")
class WritesLargeValuesInTwo(ActorKeyValue):
    """A value over 64 KiB is written in two letters: what there is room for, then all of it."""

    async def set(self, key: str, value: Bytes) -> None:
        if len(value) > 65536:
            await super().set(key, bytes(value[:65536]))
        await super().set(key, value)


@mutant("basic.11", "cancellation", trap="one of two gets of a key is cancelled")
class OneFlightForAll(ActorKeyValue):
    """Gets of one key at one time wait for one task, which ends with the first that is cancelled."""

    def __init__(self, actor: Actor, namespace: str) -> None:
        super().__init__(actor, namespace)
        self.flights: dict[str, asyncio.Task[Row | None]] = {}

    async def get(self, key: str) -> bytes | None:
        self.check(key, "get")
        if key not in self.flights:
            self.flights[key] = asyncio.ensure_future(self.ask(lambda space: space.rows.get(key)))
            self.flights[key].add_done_callback(lambda _: self.flights.pop(key, None))
        row = await self.flights[key]
        return None if row is None else row.value


@mutant("basic.11", "cancellation", trap="a cancelled swap, then another on this driver")
class SwapsHoldALock(ActorKeyValue):
    """Swaps of one driver hold a lock, which is not let go when a swap is cancelled."""

    def __init__(self, actor: Actor, namespace: str) -> None:
        super().__init__(actor, namespace)
        self.lock = asyncio.Lock()

    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        await self.lock.acquire()
        try:
            swapped = await super().compare_and_swap(key, expected, new)
        except Exception:
            self.lock.release()
            raise
        self.lock.release()
        return swapped


@mutant("basic.11", "cancellation", trap="a write cancelled while it is carried out, then read from a cache")
class CancelledWritesLeaveCaches(ActorKeyValue):
    """The writer has the others forget a key when the answer has come; a cancelled one does not."""

    async def set(self, key: str, value: Bytes) -> None:
        self.check(key, "set")
        row = Row(self.data(value, "set", key))

        def letter(space: Space) -> dict["ActorKeyValue", Row]:
            held = {client: client.cache[key] for client in space.clients if key in client.cache}
            self.actor.put(space, key, row)
            for client, old in held.items():
                client.cache[key] = old
            return held

        held = await self.ask(letter)
        for client in held:
            client.cache.pop(key, None)


@mutant("scan.1", "paging", trap="as many keys as one page holds, and no more", also="scan.4 scan.5")
class NeedsARowToEnd(ActorKeyValue):
    """A page that is full is the last one if nothing follows it; its last row is then left out."""

    def some(self, space: Space, prefix: str, after: str | None) -> list[tuple[str, bytes]]:
        rows = super().some(space, prefix, after)
        if len(rows) == self.AT_ONCE and rows[-1][0] == space.order[-1]:
            return rows[:-1]
        return rows


@mutant("scan.3", "cursor", trap="a key before the cursor is deleted while more than a page is scanned")
class PagesByIndex(ActorKeyValue):
    """The next page begins so many keys later."""

    async def walk(self, prefix: str, limit: int | None) -> AsyncIterator[tuple[str, bytes]]:
        at = 0
        while True:
            rows = await self.ask(
                lambda space, at=at: [(k, space.rows[k].value) for k in space.order if k.startswith(prefix)][at : at + 16]  # type: ignore[misc]
            )
            for key, value in rows:
                if at == limit:
                    return
                at += 1
                yield key, value
            if len(rows) < 16:
                return


@mutant("scan.3", "cursor", trap="the last key of a page is deleted while its scan rests there")
class LosesItsPlace(ActorKeyValue):
    """The next page begins behind the index of the last key; where that is gone, one is skipped."""

    def some(self, space: Space, prefix: str, after: str | None) -> list[tuple[str, bytes]]:
        rows = super().some(space, prefix, after)
        if after is not None and after not in space.rows:
            return rows[1:] if len(rows) < self.AT_ONCE else rows
        return rows


@mutant("scan.7", "leak", trap="eight scans that were left before their end")
class EightScansAtOnce(ActorKeyValue):
    """A semaphore lets eight scans of a driver run; one that is left keeps its place."""

    def __init__(self, actor: Actor, namespace: str) -> None:
        super().__init__(actor, namespace)
        self.places = asyncio.Semaphore(8)

    async def walk(self, prefix: str, limit: int | None) -> AsyncIterator[tuple[str, bytes]]:
        await self.places.acquire()
        async for pair in super().walk(prefix, limit):
            yield pair
        self.places.release()
