"""Mutants of `put_if_absent`."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from prism_testkit.interfaces import BackendUnavailable, Bytes
from prism_testkit.naming import check_payload
from prism_testkit.traits import NO_LIMIT, Limits
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Objects, step
from .stores import Facts, Slot, Store, Version

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

_NOTHING = Facts(None, None, {})

# conditional.1: exactly if it was missing


@mutant("conditional.1", "missing check", also="conditional.2")
class IfAbsentAlwaysPuts(Objects):
    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        self.rows(slot[0])
        await self.write(slot, data, facts)
        return True


@mutant("conditional.1", "side effect", trap="put_if_absent of a present object")
class IfAbsentPutsAndSaysFalse(Objects):
    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        absent = self.find(slot) is None
        await self.write(slot, data, facts)
        return absent


@mutant("conditional.1", "missing check", trap="put_if_absent of an expired object")
class ExpiredIsNotAbsent(Objects):
    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        return False if slot[1] in self.rows(slot[0]) else await super().create(slot, data, facts)


@mutant("conditional.1", "leftover", trap="put_if_absent of a deleted object")
class DeletedIsNotAbsent(Objects):
    """What was there once is known by its name."""

    def keep(self, slot: Slot, version: Version) -> None:
        super().keep(slot, version)
        self.store.notes.setdefault(self.namespace, set()).add(slot)

    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        self.rows(slot[0])
        known = slot in self.store.notes.get(self.namespace, set())
        gone = slot[1] not in self.rows(slot[0])
        return False if known and gone else await super().create(slot, data, facts)


@mutant("conditional.1", "falsy", trap="put_if_absent of a present, empty object")
class EmptyIsAbsent(Objects):
    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        version = self.find(slot)
        if version is not None and not version.blob.size:
            self.drop(slot)
        return await super().create(slot, data, facts)


@mutant("conditional.1", "idempotence", trap="a repeat with the same data")
class SameDataIsTrue(Objects):
    """So that a retry is told the same."""

    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        version = self.find(slot)
        return await super().create(slot, data, facts) or (version is not None and self.whole(version) == data)


class _Touches(Objects):
    def touch(self, version: Version, facts: Facts) -> Version:
        return version

    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        version = self.find(slot)
        if version is not None:
            self.keep(slot, self.touch(version, facts))
            return False
        return await super().create(slot, data, facts)


@mutant("conditional.1", "side effect", trap="put_if_absent of a present object some time later")
class RefusedCreationTouchesModified(_Touches):
    def touch(self, version: Version, facts: Facts) -> Version:
        return replace(version, modified_ms=self.now_ms())


@mutant("conditional.1", "side effect", trap="put_if_absent of a present object with a deadline")
class RefusedCreationClearsTheDeadline(_Touches):
    def touch(self, version: Version, facts: Facts) -> Version:
        return replace(version, deadline_ms=None)


@mutant("conditional.1", "side effect", trap="put_if_absent of a present object with other metadata")
class RefusedCreationWritesMetadata(_Touches):
    def touch(self, version: Version, facts: Facts) -> Version:
        return replace(version, facts=facts)


@mutant("conditional.1", "side effect", trap="put_if_absent of a present object with metadata where it had none")
class RefusedCreationAddsMetadata(_Touches):
    """``INSERT ... ON CONFLICT DO NOTHING`` for the object, and not for the labels."""

    def touch(self, version: Version, facts: Facts) -> Version:
        return replace(version, facts=replace(version.facts, labels={**facts.labels, **version.facts.labels}))


@mutant("conditional.1", "wrong answer", trap="put_if_absent of a missing object")
class CreationSaysWhetherItWasThere(Objects):
    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        return not await super().create(slot, data, facts)


@mutant("conditional.1", "stale cache", trap="an object that another client deleted")
class RemembersPresence(Objects):
    """A client knows the keys that it has created, until it deletes them itself."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.known: set[Slot] = set()

    def keep(self, slot: Slot, version: Version) -> None:
        super().keep(slot, version)
        self.known.add(slot)

    def drop(self, slot: Slot) -> bool:
        self.known.discard(slot)
        return super().drop(slot)

    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        if slot in self.known and self.rows(slot[0]).get(slot[1]) is None:
            return False
        return await super().create(slot, data, facts)


# conditional.2: one winner


@mutant("conditional.2", "race", trap="two concurrent put_if_absent of one key", also="conditional.1")
class ChecksThenWrites(Objects):
    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        if self.find(slot) is not None:
            return False
        await step()
        self.keep(slot, self.version(slot, self.blob(data), facts))
        return True


@mutant("conditional.2", "race", trap="two concurrent put_if_absent of more than 4096 bytes")
class ChecksLargeOnesFirst(Objects):
    """Large data go up first, and what was looked up before holds afterwards."""

    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        if len(data) <= 4096:
            return await super().create(slot, data, facts)
        if self.find(slot) is not None:
            return False
        await step()
        self.keep(slot, self.version(slot, self.blob(data), facts))
        return True


@mutant("conditional.2", "scope", trap="two clients at once")
class LocksWithinTheClient(Objects):
    """Safe among the tasks of one process."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.lock = asyncio.Lock()

    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        async with self.lock:
            if self.find(slot) is not None:
                return False
            await step()
            self.keep(slot, self.version(slot, self.blob(data), facts))
            return True


@mutant("conditional.2", "race", trap="two concurrent put_if_absent of an expired key", also="conditional.1 conditional.4")
class RemovesTheExpiredFirst(Objects):
    """A missing key is one step, an expired one is looked at, then replaced."""

    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        if slot[1] not in self.rows(slot[0]) or self.find(slot) is not None:
            return await super().create(slot, data, facts)
        await step()
        self.keep(slot, self.version(slot, self.blob(data), facts))
        return True


@mutant("conditional.2", "wrong winner", trap="concurrent put_if_absent of one key with different data")
class TellsTheFirstKeepsTheLast(Objects):
    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        creating = self.store.notes.setdefault(self.namespace, {})
        if self.find(slot) is not None:
            return False
        first = creating.setdefault(slot, self) is self and creating.setdefault((slot, "data"), data) is data
        await step()
        self.keep(slot, self.version(slot, self.blob(data), facts))
        creating.pop(slot, None)
        creating.pop((slot, "data"), None)
        return first


@mutant("conditional.2", "no winner", trap="two concurrent put_if_absent of one key", also="conditional.1")
class RivalsBothStepBack(Objects):
    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        if self.find(slot) is not None:
            return False
        rivals = self.store.notes.setdefault((self.namespace, slot), [])
        rivals.append(data)
        await step()
        await step()
        alone = len(rivals) == 1
        if alone and self.find(slot) is None:
            self.keep(slot, self.version(slot, self.blob(data), facts))
        else:
            alone = False
        await step()
        self.store.notes.pop((self.namespace, slot), None)
        return alone


@mutant("conditional.2", "aliasing", trap="concurrent put_if_absent of one key, one of them right after a delete")
class LocksByHash(Objects):
    """A lock of many; it is chosen by the data, where it should be by the key."""

    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        lock = self.store.notes.setdefault((self.namespace, "lock", len(data) % 7), asyncio.Lock())
        async with lock:
            if self.find(slot) is not None:
                return False
            await step()
            self.keep(slot, self.version(slot, self.blob(data), facts))
            return True


# conditional.3: what it stores


class _Differs(Objects):
    def differs(self, version: Version) -> Version:
        return version

    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        created = await super().create(slot, data, facts)
        if created:
            self.apply({slot: self.differs(self.rows(slot[0])[slot[1]])})
        return created


@mutant("conditional.3", "missing step", trap="put_if_absent with metadata")
class CreationForgetsMetadata(_Differs):
    def differs(self, version: Version) -> Version:
        return replace(version, facts=replace(version.facts, labels={}))


@mutant("conditional.3", "missing step", trap="put_if_absent with a content encoding")
class CreationForgetsTheEncoding(_Differs):
    def differs(self, version: Version) -> Version:
        return replace(version, facts=replace(version.facts, content_encoding=None))


@mutant("conditional.3", "default", trap="put_if_absent without a content type")
class CreationDefaultsTheType(_Differs):
    def differs(self, version: Version) -> Version:
        return replace(version, facts=replace(version.facts, content_type=version.facts.content_type or "binary/octet-stream"))


@mutant("conditional.3", "truncation", trap="put_if_absent of more than 65536 bytes")
class CreationCutsAt64K(_Differs):
    def differs(self, version: Version) -> Version:
        return replace(version, blob=self.blob(self.whole(version)[:65536]))


@mutant("conditional.3", "implicit", trap="put_if_absent without the bucket")
class CreationMakesTheBucket(Objects):
    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        self.apply({(slot[0], ""): True})
        return await super().create(slot, data, facts)


@mutant("conditional.3", "wrong answer", trap="put_if_absent without the bucket")
class CreationWithoutBucketIsFalse(Objects):
    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        return await super().create(slot, data, facts) if slot[0] in self.buckets() else False


class _Lax(Objects):
    """`data` is checked by what `lax` gives for put_if_absent."""

    def data(self, data: Bytes, operation: str, key: str) -> bytes:
        if operation == "put_if_absent":
            return check_payload(data, operation, "zoo", key, Limits(max_payload=NO_LIMIT))
        return super().data(data, operation, key)


@mutant("conditional.3", "missing check", trap="put_if_absent of data over the limit")
class CreationHasNoLimit(_Lax):
    pass


@mutant("conditional.3", "late check", trap="put_if_absent of data over the limit, where there is an object")
class CreationChecksWhatItStores(_Lax):
    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        if self.find(slot) is not None:
            return False
        super(_Lax, self).data(data, "put_if_absent ", slot[1])
        return await super().create(slot, data, facts)


@mutant("conditional.3", "missing check", trap="put_if_absent of an empty or over-long key")
class CreationAcceptsAnyKey(Objects):
    def key_name(self, key: str, operation: str) -> str:
        return key if operation == "put_if_absent" else super().key_name(key, operation)


@mutant("conditional.3", "missing check", trap="put_if_absent with metadata of more than 1024 bytes")
class CreationTakesAllMetadata(Objects):
    def labels(self, labels: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        return dict(labels or {}) if operation == "put_if_absent" else super().labels(labels, operation)


@mutant("conditional.3", "aliasing", trap="put_if_absent of a key that differs from a present one in case")
class CreationFoldsCase(Objects):
    """A unique index of another collation."""

    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        others = [key for key in self.rows(slot[0]) if key.lower() == slot[1].lower() and self.find((slot[0], key))]
        return False if others else await super().create(slot, data, facts)


@mutant("conditional.3", "stale", trap="put_if_absent of an expired object", also="conditional.1 10")
class CreationKeepsTheOldDeadline(Objects):
    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        old = self.rows(slot[0]).get(slot[1])
        created = await super().create(slot, data, facts)
        if created and old is not None:
            self.apply({slot: replace(self.rows(slot[0])[slot[1]], deadline_ms=old.deadline_ms)})
        return created


@mutant("conditional.3", "stale", trap="metadata of what put_if_absent stored", also="5")
class CreationHasNoInstant(_Differs):
    def differs(self, version: Version) -> Version:
        return replace(version, modified_ms=0)


@mutant("conditional.3", "constant", trap="two versions made by put_if_absent", also="5")
class CreationHasNoEtag(_Differs):
    def differs(self, version: Version) -> Version:
        return replace(version, etag="new")


# conditional.4: cancelled


@mutant("conditional.4", "torn", trap="a put_if_absent with metadata that is cancelled", also="5")
class CancelledCreationLosesMetadata(Objects):
    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        if not await super().create(slot, data, _NOTHING):
            return False
        await step()
        version = self.find(slot)
        if version is not None:
            self.apply({slot: replace(version, facts=facts)})
        return True


@mutant("conditional.4", "leftover", trap="a put_if_absent that is cancelled, and another one", also="conditional.1")
class CancelledCreationLeavesItsClaim(Objects):
    """A marker says that somebody is about to create the key."""

    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        claims = self.store.notes.setdefault(self.namespace, set())
        if self.find(slot) is not None or slot in claims:
            return False
        claims.add(slot)
        await step()
        created = await super().create(slot, data, facts)
        claims.discard(slot)
        return created


@mutant("conditional.4", "placeholder", trap="a put_if_absent that is cancelled", also="conditional.2 conditional.3")
class CancelledCreationLeavesAnEmptyObject(Objects):
    """O_EXCL first, the data afterwards."""

    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        if not await super().create(slot, b"", facts):
            return False
        await step()
        self.keep(slot, self.version(slot, self.blob(data), facts))
        return True


@mutant("conditional.4", "lock", trap="a put_if_absent that is cancelled, then any other")
class CancelledCreationKeepsTheLock(Objects):
    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        for _ in range(50):
            if not self.store.notes.get("creating"):
                break
            await step()
        else:
            raise BackendUnavailable("zoo: put_if_absent: locked")
        self.store.notes["creating"] = True
        await step()
        created = await super().create(slot, data, facts)
        self.store.notes["creating"] = False
        return created


@mutant("conditional.4", "partial effect", trap="a put_if_absent that is cancelled")
class CancelledCreationStoresHalf(Objects):
    async def create(self, slot: Slot, data: bytes, facts: Facts) -> bool:
        try:
            await step()
        except asyncio.CancelledError:
            await super().create(slot, data[: len(data) // 2], facts)
            raise
        return await super().create(slot, data, facts)
