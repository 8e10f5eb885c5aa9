"""Times two ways to do the same in turns, so that a slow moment of the machine or its server falls on both."""

import time
from collections.abc import Awaitable, Callable

__all__ = ["Call", "one_by_one"]

Call = Callable[[int], Awaitable[object]]
"""A call, given the number of its turn."""


async def one_by_one(ways: tuple[Call, Call], turns: int) -> tuple[float, float]:
    """Take turns, whoever begins; return the lower quartile of each, in microseconds."""
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(turns):
        for which in (0, 1) if turn % 2 else (1, 0):
            began = time.perf_counter()
            await ways[which](turn)
            times[which].append((time.perf_counter() - began) * 1e6)
    first, second = (sorted(found)[turns // 4] for found in times)
    return first, second
