"""Wrong drivers over a log of events: deadlines, buckets, listings and creations."""

import math
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import prism_testkit as prism
from prism_testkit.interfaces import BucketNotFound
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.object_storage import ObjectInfo, ObjectMetadata
from tests.zoo.declare import Mutant

from .independent import declaring_independent
from .independent_ledger import Held, LedgerObjects, Node, View

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_independent(MUTANTS)


@mutant("9", "an instant that does not fit", "a deadline after January 2038")
class ClampsDeadlinesTo2038(LedgerObjects):
    """Seconds since the epoch in 31 bits; what is later is the last one."""

    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        prism.check_seconds(ttl_s, "set_ttl", "ledger")
        return await super().set_ttl(bucket, key, min(ttl_s, 2**31 - 1 - self.clock.now_s()))


@mutant("9", "the wrong error", "an infinite ttl_s")
class AnInfiniteTtlOverflows(LedgerObjects):
    """Lets the conversion refuse it, which raises OverflowError for infinities, ValueError for NaN only."""

    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        self.named("set_ttl", bucket, key)
        int(ttl_s)
        return await super().set_ttl(bucket, key, ttl_s)


@mutant("12", "checked too late", "NaN for an object that is missing", also="9")
class ChecksTheTtlOfPresentObjectsOnly(LedgerObjects):
    """Asks whether the object is there first."""

    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        if await self.look("set_ttl", bucket, key) is None:
            return False
        return await super().set_ttl(bucket, key, ttl_s)


@mutant("10", "the timer of an old version", "a bucket removed with a deadline in it, made again, the key put without one")
class ATimerOutlivesItsBucket(LedgerObjects):
    """A timer removes the object; put and delete cancel it, the end of the bucket does not."""

    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        found = await super().set_ttl(bucket, key, ttl_s)
        timers = self.node.shared.setdefault("timers", {})
        if found:
            timers[self.namespace, bucket, key] = self.clock.now_ms() + max(0, math.ceil(ttl_s * 1000))
        return found

    def catch_up(self) -> None:
        timers = self.node.shared.setdefault("timers", {})
        for event in self.ledger.events[self.view.position :]:
            if event.held is not None and event.held.told.expires_at_ms is None and event.key in self.view.buckets[event.bucket]:
                timers.pop((self.namespace, event.bucket, event.key), None)
            if event.held is None and event.key is not None:
                timers.pop((self.namespace, event.bucket, event.key), None)
            self.view.fold(event)

    def find(self, view: View, bucket: str, key: str) -> Held | None:
        held = super().find(view, bucket, key)
        due = self.node.shared.setdefault("timers", {}).get((self.namespace, bucket, key), math.inf)
        return None if due <= self.clock.now_ms() else held


@mutant("14", "a cache", "a bucket that another client removes", also="11")
class RemembersTheBucketItKnew(LedgerObjects):
    """Keeps what it knows of a bucket that it made itself until it removes it itself."""

    def __init__(self, node: Node, namespace: str) -> None:
        super().__init__(node, namespace)
        self.known: set[str] = set()

    async def bucket_exists(self, bucket: str) -> bool:
        self.named("bucket_exists", bucket)
        there = bucket in self.known or await super().bucket_exists(bucket)
        if there:
            self.known.add(bucket)
        return there

    async def delete_bucket(self, bucket: str, *, force: bool = False) -> bool:
        gone = await super().delete_bucket(bucket, force=force)
        self.known.discard(bucket)
        return gone


@mutant("8", "a listing that ends early", "many expired objects before those that are present")
class EndsAListingAtAPageOfExpiredObjects(LedgerObjects):
    """Pages of 64; one of which nothing is left after the filter ends the listing."""

    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        everything = {info.key: info async for info in super().list_objects(bucket, prefix)}
        keys = sorted(key for key in self.view.buckets.get(bucket, ()) if key.startswith(prefix))
        for at in range(0, len(keys), 64):
            page = [everything[key] for key in keys[at : at + 64] if key in everything]
            if not page:
                return
            for info in page:
                yield info


@mutant("8", "a bound that is left out", "an object whose key is the prefix")
class ListsWhatIsBehindThePrefix(LedgerObjects):
    """Begins after the prefix, as one goes on after a key."""

    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        async for info in super().list_objects(bucket, prefix):
            if info.key != prefix:
                yield info


@mutant("11", "the wrong error", "set_ttl of 0 without the bucket")
class ATtlOfZeroNeedsNoBucket(LedgerObjects):
    """0 or less is a delete, whose errors are nobody's business."""

    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        prism.check_seconds(ttl_s, "set_ttl", "ledger")
        if ttl_s <= 0:
            try:
                return await self.delete(bucket, key)
            except BucketNotFound:
                return False
        return await super().set_ttl(bucket, key, ttl_s)


@mutant("conditional.1", "a deadline of the old one", "an expired object, created again")
class CreatesUnderTheOldDeadline(LedgerObjects):
    """What is created over an expired object keeps its deadline; a put clears it."""

    creating = False

    async def create(self, *given: Any, **told: Any) -> bool:
        self.creating = True
        try:
            return await super().create(*given, **told)
        finally:
            self.creating = False

    def replacing(self, new: Held, old: Held | None) -> Held:
        if self.creating and old is not None:
            return replace(new, told=replace(new.told, expires_at_ms=old.told.expires_at_ms))
        return new


@mutant("conditional.3", "checked too late", "illegal metadata for an object that is there")
class RefusesOnlyWhatItWouldStore(LedgerObjects):
    """If there is an object nothing is checked but the names."""

    async def create(self, bucket: str, key: str, data: Bytes, **told: Any) -> bool:
        if await self.look("put_if_absent", bucket, key) is not None:
            return False
        return await super().create(bucket, key, data, **told)


@mutant("conditional.1", "what is left behind", "created, the bucket removed and made again, created again", also="11")
class RemembersWhoCreatedBeyondTheBucket(LedgerObjects):
    """The winner of a key is kept in a register of its own, which delete cleans and the end of a bucket does not."""

    async def create(self, bucket: str, key: str, data: Bytes, **told: Any) -> bool:
        register: set[Any] = self.node.shared.setdefault("register", set())
        mine = (self.namespace, bucket, key)
        held = await self.look("put_if_absent", bucket, key)
        if held is None and mine in register and not self.bucket(self.view, bucket):
            return False
        won = await super().create(bucket, key, data, **told)
        if won:
            register.add(mine)
        return won

    async def delete(self, bucket: str, key: str) -> bool:
        gone = await super().delete(bucket, key)
        self.node.shared.setdefault("register", set()).discard((self.namespace, bucket, key))
        return gone


@mutant("13", "shared by reference", "the mapping that metadata returned is changed")
class TellsItsOwnMapping(LedgerObjects):
    """metadata gives what it keeps; put gives a copy."""

    async def metadata(self, bucket: str, key: str) -> ObjectMetadata | None:
        held = await self.look("metadata", bucket, key)
        return None if held is None else held.told
