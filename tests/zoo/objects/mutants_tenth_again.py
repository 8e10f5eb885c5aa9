"""Wrong objects over a device of pages, of the classes that the mutants before them were missed in."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from prism_testkit.interfaces import ObjectInfo
from tests.zoo.declare import Mutant

from .independent import declaring_independent
from .tenth_disk import Inode, Volume
from .tenth_pages import PageObjects

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_independent(MUTANTS)


@mutant("11", "counted twice", trap="an object that expired is deleted, and the bucket still holds another", also="4 9")
class ExpiredOnesAreTakenOffTwice(PageObjects):
    """How many objects a bucket has is counted: down when one is found to have expired, and when it is put over."""

    def count(self, volume: Volume, by: int) -> None:
        self.disk.notes[volume.number] = self.disk.notes.get(volume.number, 0) + by

    def install(self, volume: Volume, key: str, inode: Inode) -> None:
        old = volume.inodes.get(key)
        if old is not None and self.over(old):
            self.count(volume, -1)
        elif old is None:
            self.count(volume, 1)
        super().install(volume, key, inode)

    def remove(self, volume: Volume, key: str) -> None:
        self.count(volume, -1)
        super().remove(volume, key)

    def filled(self, volume: Volume) -> bool:
        over = sum(self.over(inode) for inode in volume.inodes.values())
        return bool(self.disk.notes.get(volume.number, 0) - over > 0)


@mutant("11", "remembered", trap="a bucket that was refused its removal, emptied by a deadline, and removed", also="9")
class RefusedOnceRefusedTillADelete(PageObjects):
    """A bucket that was found filled is looked at again after a delete only."""

    def filled(self, volume: Volume) -> bool:
        if super().filled(volume):
            self.disk.notes["filled", volume.number] = True
        return bool(self.disk.notes.get(("filled", volume.number), False)) and bool(volume.inodes)

    def remove(self, volume: Volume, key: str) -> None:
        self.disk.notes["filled", volume.number] = False
        super().remove(volume, key)


@mutant("4", "deferred", trap="a delete while somebody reads the object", also="14 2")
class DeletesWaitForReaders(PageObjects):
    """What somebody reads is deleted when the next call comes after he is done."""

    async def delete(self, bucket: str, key: str) -> bool:
        inode = self.find(self.name(bucket, "delete"), self.name(key, "delete"))
        if inode is not None and inode.held > 1:
            inode.due_s = self.clock.now_s() + 0.001
            return True
        return await super().delete(bucket, key)


@mutant("9", "deferred", trap="a deadline that passes while somebody reads the object", also="10 2")
class DeadlinesPassReadersBy(PageObjects):
    """What somebody reads does not expire."""

    def over(self, inode: Inode) -> bool:
        return inode.held == 1 and super().over(inode)


@mutant("9", "every fourth", trap="a deadline set for the fourth time of one object", also="10")
class DeadlinesAreARingOfThree(PageObjects):
    """The last three deadlines of an object are kept; after the third the first of them is told again."""

    async def set_ttl(self, bucket: str, key: str, ttl_s: float) -> bool:
        inode = self.volumes[bucket].inodes.get(key) if isinstance(bucket, str) and bucket in self.volumes else None
        done = await super().set_ttl(bucket, key, ttl_s)
        if done and inode is not None and ttl_s > 0:
            kept = self.disk.notes.setdefault(("kept", id(inode)), [inode])
            kept.append(inode.due_s)
            if len(kept) > 4:
                inode.due_s = kept[2]
        return done


@mutant("10", "kept", trap="an object with a far deadline, deleted, and made again", also="conditional.3 conditional.1 9")
class FarDeadlinesOutliveADelete(PageObjects):
    def install(self, volume: Volume, key: str, inode: Inode) -> None:
        due_s = self.disk.notes.pop((volume.number, key), None)
        if key not in volume.inodes and due_s is not None:
            inode.due_s = due_s
        super().install(volume, key, inode)

    def remove(self, volume: Volume, key: str) -> None:
        due_s = volume.inodes[key].due_s
        if due_s is not None and due_s > self.clock.now_s() + 86_400:
            self.disk.notes[volume.number, key] = due_s
        super().remove(volume, key)


@mutant("7", "freed in use", trap="an object that is put over itself by a stream while somebody reads it, twice", also="1 16")
class TheSecondReplacementFrees(PageObjects):
    """An object that was replaced while it was read is freed when it is replaced the next time."""

    def install(self, volume: Volume, key: str, inode: Inode) -> None:
        old = volume.inodes.get(key)
        before = self.disk.notes.pop(("before", volume.number, key), None)
        super().install(volume, key, inode)
        if before is not None and before.held:
            self.disk.device.give(before.pages)
        if old is not None and old.held:
            self.disk.notes["before", volume.number, key] = old


@mutant("8", "beside a read", trap="a listing while an object is read", also="14")
class ReadObjectsAreListedLater(PageObjects):
    """An object that somebody reads is locked, and left out of a listing."""

    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        async for line in super().list_objects(bucket, prefix):
            inode = self.volume(bucket).inodes.get(line.key) if bucket in self.volumes else None
            if inode is None or inode.held == 1:
                yield line


@mutant("conditional.1", "beside a read", trap="a creation where an object has expired that somebody reads", also="9 10")
class ReadersKeepTheName(PageObjects):
    """What somebody reads is there, for a creation."""

    def create(self, bucket: str, key: str, data: bytes, facts: Mapping[str, Any]) -> bool:
        old = self.volume(bucket).inodes.get(key)
        if old is not None and old.held > 1:
            return False
        return super().create(bucket, key, data, facts)
