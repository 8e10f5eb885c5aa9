"""Many namespaces of one place at a time: tables, caches and pools of namespaces hold only so many."""

from collections.abc import Awaitable, Callable
from typing import Any

from prism_testkit.case import Case

__all__ = ["used_by_turns"]

_MANY = 70
_ON_A_SERVER = 20


async def used_by_turns(
    case: Case, slot: Any, use: Callable[[Any, int], Awaitable[Any]], look: Callable[[Any, int], Awaitable[None]]
) -> None:
    """Use a namespace and many siblings, each once, and look at each twice, the latest and the earliest first."""
    slots = [slot, *[await case.sibling() for _ in range(_ON_A_SERVER if case.server else _MANY)]]
    for number, each in enumerate(slots):
        await use(each, number)
    for numbers in (reversed(range(len(slots))), range(len(slots))):
        for number in numbers:
            await look(slots[number], number)
