"""Mutants whose `put_if_absent` stores something else than `put`, or leaves something when it is cancelled."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from prism_testkit.interfaces import BackendUnavailable, Bytes
from prism_testkit.naming import check_payload
from prism_testkit.traits import NO_LIMIT, Limits
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Objects, step
from .stores import Facts, Slot, Version

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

_NOTHING = Facts(None, None, {})

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
