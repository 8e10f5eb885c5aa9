"""Mutants that forget something when the last of it goes, and nothing before."""

from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Objects
from .stores import Slot

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("11", "cleaning up", trap="a bucket whose last object is deleted", also="4 8")
class AnEmptiedBucketIsGone(Objects):
    def drop(self, slot: Slot) -> bool:
        dropped = super().drop(slot)
        if dropped and not self.rows(slot[0]):
            self.apply({(slot[0], ""): None})
        return dropped


@mutant("11", "cleaning up", trap="a bucket whose last object expires", also="9 8")
class ABucketOfExpiredObjectsIsGone(Objects):
    async def bucket_exists(self, bucket: str) -> bool:
        rows = self.buckets().get(bucket)
        if rows and not any(self.alive(version) for version in rows.values()):
            self.apply({(bucket, ""): None})
        return await super().bucket_exists(bucket)
