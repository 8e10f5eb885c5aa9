"""Mutants of `put_if_absent`."""

import asyncio
from dataclasses import replace

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
