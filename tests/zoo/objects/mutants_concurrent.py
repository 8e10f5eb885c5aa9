"""Mutants that are wrong only when calls overlap, or when one is cancelled."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import replace

from prism_testkit.interfaces import BackendUnavailable, Bytes, ObjectInfo
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Objects, step
from .stores import Facts, Slot, Store, Version

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

_NOTHING = Facts(None, None, {})

# 16: data and metadata together


@mutant("16", "torn", trap="two concurrent puts, or a look during one", also="5 7 17")
class PutWritesDataThenMetadata(Objects):
    async def write(self, slot: Slot, data: bytes, facts: Facts) -> Version:
        old = self.find(slot)
        new = self.version(slot, self.blob(data), facts)
        self.keep(slot, replace(new, facts=old.facts if old is not None else _NOTHING))
        await step()
        done = replace(self.find(slot) or new, facts=facts)
        self.keep(slot, done)
        return done


@mutant("16", "torn", trap="two concurrent puts, or a look during one", also="5 7 17")
class PutWritesMetadataThenData(Objects):
    async def write(self, slot: Slot, data: bytes, facts: Facts) -> Version:
        old = self.find(slot)
        new = self.version(slot, self.blob(data), facts)
        self.keep(slot, replace(old or new, facts=facts))
        await step()
        done = replace(new, facts=(self.find(slot) or new).facts)
        self.keep(slot, done)
        return done


@mutant("16", "torn", trap="concurrent puts of one key that suspend between data and metadata only when both are at it")
class MetadataOfTheFirstDataOfTheLast(Objects):
    """What describes an upload is registered when it begins, once."""

    async def write(self, slot: Slot, data: bytes, facts: Facts) -> Version:
        begun = self.store.notes.setdefault((self.namespace, slot), facts)
        await step()
        version = await super().write(slot, data, begun)
        self.store.notes.pop((self.namespace, slot), None)
        return version


@mutant("16", "shared buffer", trap="two put_streams to one key at once", also="1 6")
class UploadsOfOneKeyShareTheirParts(Objects):
    async def receive(self, slot: Slot, chunks: AsyncIterable[Bytes], size: int | None, facts: Facts) -> Version:
        uploads = self.store.notes.setdefault(self.namespace, {})
        mine = slot not in uploads
        spool = uploads.setdefault(slot, self.store.spool())
        try:
            await self.collect(spool, chunks, None)
            version = self.version(slot, spool.finish(), facts)
            self.keep(slot, version)
        finally:
            if mine:
                uploads.pop(slot, None)
        return version


@mutant("16", "shared buffer", trap="two puts by one client at once", also="1")
class OneBufferPerClient(Objects):
    """The body of a request is kept in the driver until the connection is ready."""

    async def write(self, slot: Slot, data: bytes, facts: Facts) -> Version:
        self.body = data
        await step()
        return await super().write(slot, self.body, facts)


@mutant("16", "torn", trap="a look at data and metadata during an overwrite", also="5 7")
class LookupsTakeTwoSteps(Objects):
    """`put` returns before its metadata are there."""

    async def write(self, slot: Slot, data: bytes, facts: Facts) -> Version:
        new = self.version(slot, self.blob(data), facts)
        self.keep(slot, replace(new, facts=_NOTHING))
        asyncio.get_running_loop().call_soon(self.describe, slot, new)
        return new

    def describe(self, slot: Slot, version: Version) -> None:
        now = self.rows(slot[0]).get(slot[1]) if slot[0] in self.buckets() else None
        if now is not None:
            self.apply({slot: replace(now, facts=version.facts)})


@mutant("16", "lost update", trap="a put while set_ttl is under way", also="9 10 14")
class SetTtlWritesTheOldBack(Objects):
    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        slot, seconds = self.slot(bucket, key, "set_ttl"), self.seconds(ttl_s)
        version = self.find(slot)
        if version is None:
            return False
        await step()
        self.rows(bucket)
        self.limit_life(slot, version, seconds)
        return True


@mutant("16", "lost update", trap="two concurrent puts, of different keys too", also="1 8 14")
class PublishesAnOldCopy(Objects):
    """Copies the bucket, changes the copy, and publishes it a moment later."""

    async def write(self, slot: Slot, data: bytes, facts: Facts) -> Version:
        version = self.version(slot, self.blob(data), facts)
        rows = {**self.rows(slot[0]), slot[1]: version}
        await step()
        self.rows(slot[0])
        self.buckets()[slot[0]] = rows
        return version


# 17: cancelled calls


@mutant("17", "partial effect", trap="a put that is cancelled", also="5 16")
class CancelledPutLosesMetadata(Objects):
    """One step before the cancellation takes hold the data are there."""

    async def write(self, slot: Slot, data: bytes, facts: Facts) -> Version:
        version = self.version(slot, self.blob(data), facts)
        try:
            await step()
        except asyncio.CancelledError:
            self.keep(slot, replace(version, facts=_NOTHING))
            raise
        self.keep(slot, version)
        return version


@mutant("17", "partial effect", trap="a put that is cancelled", also="16")
class CancelledPutLeavesHalf(Objects):
    async def write(self, slot: Slot, data: bytes, facts: Facts) -> Version:
        try:
            await step()
        except asyncio.CancelledError:
            self.keep(slot, self.version(slot, self.blob(data[: len(data) // 2]), facts))
            raise
        return await super().write(slot, data, facts)


@mutant("17", "order of steps", trap="an overwrite that is cancelled", also="7 16")
class CancelledPutRemovesTheOld(Objects):
    async def write(self, slot: Slot, data: bytes, facts: Facts) -> Version:
        try:
            await step()
        except asyncio.CancelledError:
            self.drop(slot)
            raise
        return await super().write(slot, data, facts)


@mutant("17", "partial effect", trap="delete_bucket of several objects that is cancelled", also="11")
class ForceGoesObjectByObject(Objects):
    """The bucket stays until its last object is gone."""

    async def remove_bucket(self, bucket: str) -> None:
        for key in list(self.rows(bucket)):
            self.apply({(bucket, key): None})
            await step()
        await super().remove_bucket(bucket)


@mutant("17", "leak", trap="four puts that are cancelled")
class CancelledPutsKeepTheirConnection(Objects):
    """A pool of four."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.lost = 0

    async def write(self, slot: Slot, data: bytes, facts: Facts) -> Version:
        for _ in range(50):
            if self.lost < 4:
                break
            await step()
        else:
            raise BackendUnavailable("zoo: put: no connection is free")
        self.lost += 1
        await step()
        self.lost -= 1
        return await super().write(slot, data, facts)


@mutant("17", "lock", trap="a put that is cancelled, then another call")
class CancelledPutKeepsTheLock(Objects):
    """Others wait for the lock, for some time."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.locked = False

    async def write(self, slot: Slot, data: bytes, facts: Facts) -> Version:
        for _ in range(50):
            if not self.locked:
                break
            await step()
        else:
            raise BackendUnavailable("zoo: put: locked")
        self.locked = True
        await step()
        version = await super().write(slot, data, facts)
        self.locked = False
        return version


@mutant("17", "state", trap="a put_stream that is cancelled, then another one", also="6")
class OneUploadAtATime(Objects):
    """A flag that only a good end resets; ``except Exception`` does too."""

    busy = 0

    async def receive(self, slot: Slot, chunks: AsyncIterable[Bytes], size: int | None, facts: Facts) -> Version:
        if self.busy:
            raise BackendUnavailable("zoo: put_stream: an upload is under way")
        try:
            version = await super().receive(slot, chunks, size, facts)
        except asyncio.CancelledError:
            self.busy += 1
            raise
        return version


@mutant("17", "answers", trap="a get that is cancelled, then another one", also="1")
class AnswersAreOneBehind(Objects):
    """A cancelled get leaves its answer on the connection for the next one."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.answers: list[bytes | None] = []

    async def get(self, bucket: str, key: str) -> bytes | None:
        self.answers.append(await super().get(bucket, key))
        await step()
        return self.answers.pop(0)


@mutant("17", "leak", trap="listings that are cancelled or left early", also="8")
class ListingsKeepTheirCursor(Objects):
    cursors = 0

    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        if self.cursors > 2:
            raise BackendUnavailable("zoo: list_objects: too many cursors")
        self.cursors += 1
        await step()
        async for info in super().list_objects(bucket, prefix):
            yield info
        self.cursors -= 1
