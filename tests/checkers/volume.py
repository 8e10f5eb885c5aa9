"""How many random histories a test of a checker judges.

Correct ones: always 10,000. Changed ones, which a slow judge judges too: PRISM_CHECKER_HISTORIES, 2,000 by default.
"""

import os
import random
from collections.abc import Iterator

__all__ = ["CHANGED", "CORRECT", "generators"]

CORRECT = 10_000
CHANGED = int(os.environ.get("PRISM_CHECKER_HISTORIES", "2000"))


def generators(salt: str, count: int) -> Iterator[random.Random]:
    """Yield a generator for each history; every one is the same in every run."""
    for number in range(count):
        yield random.Random(f"{salt} {number}")
