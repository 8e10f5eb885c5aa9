"""Mutants of the seventeenth examination: names of buckets that are taken for each other as they are stored."""

from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Objects

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant(
    "11",
    "encoding",
    trap="a bucket and what its name is as it is escaped",
    also="3 15",
)
class BucketsAreStoredAsTheyAreSpelt(Objects):
    def bucket_name(self, bucket: str, operation: str) -> str:
        return super().bucket_name(bucket, operation).encode("ascii", "backslashreplace").decode()


@mutant("11", "number", trap="buckets that are numbers, spelt in two ways", also="3 15")
class BucketsOfNumbersAreNumbers(Objects):
    def bucket_name(self, bucket: str, operation: str) -> str:
        name = super().bucket_name(bucket, operation)
        return str(int(name)) if name.isascii() and name.isdigit() else name
