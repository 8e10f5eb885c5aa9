"""How many random histories a test of a checker judges: PRISM_CHECKER_HISTORIES, of which 10,000 is the full count."""

import os
import random
from collections.abc import Iterator

__all__ = ["CHANGED", "CORRECT", "generators"]

CORRECT = int(os.environ.get("PRISM_CHECKER_HISTORIES", "3000"))
CHANGED = CORRECT // 3
"""Of these the verdict is compared with that of a slow judge."""


def generators(salt: str, count: int) -> Iterator[random.Random]:
    """Yield a generator for each history; every one is the same in every run."""
    for number in range(count):
        yield random.Random(f"{salt} {number}")
