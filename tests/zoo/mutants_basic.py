"""Mutants of `KeyValueBasic`: missing keys, delete and exists. Its other promises are in the modules named for them."""

from fnmatch import fnmatchcase

from prism_testkit.interfaces import Bytes, NotFound

from .declare import Mutant, declaring
from .reference import KeyValue, step
from .stores import Changes

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# basic.2: missing keys


@mutant("basic.2", "boundary", trap="an empty value", also="basic.1 basic.5")
class EmptyReadsAsMissing(KeyValue):
    async def get(self, key: str) -> bytes | None:
        return await super().get(key) or None


@mutant("basic.2", "wrong error", also="basic.5")
class MissingRaisesKeyError(KeyValue):
    async def get(self, key: str) -> bytes | None:
        name = self.name(key, "get")
        if self.find(name) is None:
            raise KeyError(name)
        return await super().get(key)


@mutant("basic.2", "wrong result", also="basic.5")
class MissingReadsAsEmpty(KeyValue):
    async def get(self, key: str) -> bytes | None:
        value = await super().get(key)
        return b"" if value is None else value


@mutant("basic.2", "side effect", also="basic.5 scan.1 cas.2")
class GetCreatesKey(KeyValue):
    """A defaultdict: the first look says None, and leaves an empty value."""

    async def get(self, key: str) -> bytes | None:
        value, name = await super().get(key), self.name(key, "get")
        if value is None:
            self.apply({name: self.entry(b"")})
        return value


@mutant("basic.2", "tombstone", trap="delete of a missing key, then create-if-absent", also="cas.2")
class DeleteOfMissingForbidsCreation(KeyValue):
    """Leaves a tombstone even where nothing was, and a tombstone counts as a value for create-if-absent."""

    async def delete(self, key: str) -> bool:
        present, name = await super().delete(key), self.name(key, "delete")
        if not present:
            self.store.notes[self.namespace, name] = True
        return present

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        for key in changes:
            self.store.notes.pop((self.namespace, key), None)

    def holds(self, key: str, expected: bytes | None) -> bool:
        return super().holds(key, expected) and (self.namespace, key) not in self.store.notes


@mutant("basic.2", "wrong error", also="basic.4")
class DeleteOfMissingRaises(KeyValue):
    async def delete(self, key: str) -> bool:
        if not await super().delete(key):
            raise NotFound(f"zoo: delete {key[:40]!a}: no such key")
        return True


@mutant("basic.2", "wrong result", also="basic.4")
class DeleteOfMissingSaysTrue(KeyValue):
    async def delete(self, key: str) -> bool:
        await super().delete(key)
        return True


# basic.4: delete


@mutant("basic.4", "scope", trap="a key that begins with the deleted one")
class DeletesByPrefix(KeyValue):
    async def delete(self, key: str) -> bool:
        present = await super().delete(key)
        for other in self.matching(key) if present else ():
            self.drop(other)
        return present


@mutant("basic.4", "pattern", trap="a deleted name that, read as a glob, matches another key")
class DeletesByGlob(KeyValue):
    async def delete(self, key: str) -> bool:
        present = await super().delete(key)
        for other in [other for other in self.matching("") if fnmatchcase(other, key)]:
            self.drop(other)
        return present


@mutant("basic.4", "race", trap="two concurrent deletes", also="basic.10")
class ConcurrentDeletesBothTrue(KeyValue):
    async def delete(self, key: str) -> bool:
        name = self.name(key, "delete")
        present = self.find(name) is not None
        await step()
        self.drop(name)
        return present


@mutant("basic.4", "missing step", trap="deleting a key with a time to live", also="ttl.10")
class DeleteSparesExpiring(KeyValue):
    """Keys with a deadline live in a second table, which delete forgot."""

    async def delete(self, key: str) -> bool:
        entry = self.find(self.name(key, "delete"))
        return entry is not None and entry.deadline is None and await super().delete(key)


@mutant("basic.4", "boundary", trap="deleting an empty value")
class DeleteOfEmptySaysFalse(KeyValue):
    async def delete(self, key: str) -> bool:
        entry = self.find(self.name(key, "delete"))
        return await super().delete(key) and entry is not None and bool(entry.value)


@mutant("basic.4", "lost write", trap="a key that was overwritten before it is deleted", also="basic.2 basic.5")
class DeleteUncoversOlderVersion(KeyValue):
    """Versions are stacked, and delete takes the top one off."""

    async def set(self, key: str, value: Bytes) -> None:
        name, data = self.name(key, "set"), self.data(value, "set", key)
        self.store.notes[self.namespace, name] = self.find(name)
        await super().set(name, data)

    async def delete(self, key: str) -> bool:
        present, name = await super().delete(key), self.name(key, "delete")
        below = self.store.notes.pop((self.namespace, name), None)
        if present and below is not None:
            self.apply({name: below})
        return present


@mutant("basic.4", "tombstone", trap="a key deleted twice", also="basic.2")
class SecondDeleteSaysTrue(KeyValue):
    """Finds the tombstone and takes it for the row."""

    async def delete(self, key: str) -> bool:
        present, slot = await super().delete(key), (self.namespace, self.name(key, "delete"))
        if present:
            self.store.notes[slot] = True
        return present or self.store.notes.pop(slot, False)


# basic.5: exists


@mutant("basic.5", "pattern", trap="exists of a missing name with which another key begins", also="basic.2")
class ExistsByPrefix(KeyValue):
    async def exists(self, key: str) -> bool:
        return bool(self.matching(self.name(key, "exists")))


@mutant("basic.5", "boundary", trap="an empty value", also="basic.2")
class ExistsFalseForEmpty(KeyValue):
    async def exists(self, key: str) -> bool:
        entry = self.find(self.name(key, "exists"))
        return entry is not None and len(entry.value) > 0


@mutant("basic.5", "stale cache", trap="a key that was deleted", also="basic.2")
class ExistsRemembersDeleted(KeyValue):
    """Asks a Bloom filter, from which nothing can be taken out."""

    async def set(self, key: str, value: Bytes) -> None:
        await super().set(key, value)
        self.store.notes[self.namespace, key] = True

    async def exists(self, key: str) -> bool:
        return await super().exists(key) or (self.namespace, key) in self.store.notes


@mutant("basic.5", "missing step", trap="a key with a time to live", also="ttl.1")
class ExistsMissesExpiring(KeyValue):
    """Keys with a deadline live in a second table, which exists forgot."""

    async def exists(self, key: str) -> bool:
        entry = self.find(self.name(key, "exists"))
        return entry is not None and entry.deadline is None
