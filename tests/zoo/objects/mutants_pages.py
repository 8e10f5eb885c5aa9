"""Mutants that are wrong from some line of a listing, or some object of a sweep, on."""

from collections.abc import AsyncIterator
from dataclasses import replace

from prism_testkit.interfaces import ObjectInfo
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Objects
from .stores import Slot, Version

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _Pages(Objects):
    """Listings of pages of a hundred."""

    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        page: list[ObjectInfo] = []
        async for info in super().list_objects(bucket, prefix):
            page.append(info)
            found = info if len(page) <= 100 else self.later(info, page)
            if found is not None:
                yield found

    def later(self, info: ObjectInfo, page: list[ObjectInfo]) -> ObjectInfo | None:
        """Return a line that is on no first page."""
        return info


@mutant("8", "paging", trap="101 objects, each with a size of its own")
class TheSecondPageHasTheSizesOfTheFirst(_Pages):
    def later(self, info: ObjectInfo, page: list[ObjectInfo]) -> ObjectInfo | None:
        return replace(info, size=page[(len(page) - 1) % 100].size)


@mutant("8", "paging", trap="101 objects, each with an instant of its own")
class TheSecondPageHasTheInstantsOfTheFirst(_Pages):
    def later(self, info: ObjectInfo, page: list[ObjectInfo]) -> ObjectInfo | None:
        return replace(info, last_modified_ms=page[(len(page) - 1) % 100].last_modified_ms)


@mutant("8", "paging", trap="101 objects, the last of which is empty")
class EmptyOnesOfTheSecondPageAreNotListed(_Pages):
    def later(self, info: ObjectInfo, page: list[ObjectInfo]) -> ObjectInfo | None:
        return info if info.size else None


@mutant("8", "paging", trap="101 objects whose keys hold a slash")
class TheSecondPageIsListedWithoutFolders(_Pages):
    """The first page asks for no delimiter."""

    def later(self, info: ObjectInfo, page: list[ObjectInfo]) -> ObjectInfo | None:
        return None if info.key.endswith("/") else info


@mutant("9", "paging", trap="101 objects, the last of which has expired", also="8")
class TheSecondPageShowsWhatExpired(Objects):
    async def list_objects(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        name, wanted = self.bucket_name(bucket, "list_objects"), self.prefix(prefix)
        rows = list(self.rows(name).items()) if name in self.buckets() else []
        shown = 0
        async for info in super().list_objects(bucket, prefix):
            shown += 1
            yield info
        if shown >= 100:
            for key, version in rows:
                if self.matches(key, wanted) and not self.alive(version):
                    yield self.info(key, version)


@mutant("9", "sweep", trap="two objects that expire at one look, and a third that does not", also="10")
class TwoThatExpireTakeAThird(Objects):
    """A sweep of several removes one too many: what ends next in its bucket."""

    def find(self, slot: Slot) -> Version | None:
        rows = self.rows(slot[0]) if slot[0] in self.buckets() else {}
        ending = sorted((version.deadline_ms, key) for key, version in rows.items() if version.deadline_ms is not None)
        gone = [key for deadline, key in ending if deadline <= self.now_ms()]
        if gone:
            self.apply({(slot[0], key): None for _, key in ending[: len(gone) + (len(gone) > 1)]})
        return super().find(slot)


@mutant("11", "paging", trap="a bucket of 1,001 objects that is deleted and made again", also="8")
class DeletedABucketKeepsTheSecondPage(Objects):
    async def remove_bucket(self, bucket: str) -> None:
        left = dict(list(self.rows(bucket).items())[1000:])
        await super().remove_bucket(bucket)
        if left:
            self.store.notes[self.namespace, bucket] = left

    async def create_bucket(self, bucket: str) -> bool:
        made = await super().create_bucket(bucket)
        left = self.store.notes.pop((self.namespace, bucket), None)
        if made and left:
            self.apply({(self.bucket_name(bucket, "create_bucket"), key): version for key, version in left.items()})
        return made


@mutant("11", "paging", trap="a bucket whose first hundred objects have expired, and one has not", also="9")
class ABucketIsEmptyIfItsFirstPageIs(Objects):
    def occupied(self, bucket: str) -> bool:
        return any(self.alive(version) for version in list(self.rows(bucket).values())[:100])
