"""Mutants that hold only so many names at a time."""

from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Objects

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("11", "cap", trap="more than 100 buckets", also="15 3 1")
class HoldsAHundredBuckets(Objects):
    """The first bucket makes room."""

    async def create_bucket(self, bucket: str) -> bool:
        made = await super().create_bucket(bucket)
        while len(self.buckets()) > 100:
            self.apply({(next(iter(self.buckets())), ""): None})
        return made
