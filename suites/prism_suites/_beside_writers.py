"""Many who write at once, what is large beside what is small, while somebody reads on from behind the last that it saw.

A number that is given before the write is committed shows only so: a small write is done sooner than a large one that was numbered
before it, and who looks in between, and goes on from there, never sees the large one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from prism_suites._racing import together
from prism_testkit.case import Case

__all__ = ["beside_writers"]

T = TypeVar("T")

_LARGE, _LARGE_VIRTUAL = 1_000_000, 20_000
_LANES = 4
"""So many clients write; each makes several calls at once."""


def _payload(case: Case, number: int, place: int, length: int) -> bytes:
    """Return a payload of its own that tells its writer."""
    return (b"%d.%d" % (number, place) + b"." * length)[: case.limits.max_payload]


async def beside_writers(
    case: Case,
    slot: Any,
    write: Callable[[Any, int, bytes], Awaitable[T]],
    look: Callable[[], Awaitable[Any]],
    *,
    share: int = 1,
) -> list[T]:
    """Write through ``slot`` and clients of their own, and ``look`` meanwhile; return what each write returned, in any order.

    First a crowd writes while another task looks again and again. Then something large is written, and beside it, in one task,
    something small and after that a look, for as long as a look gives something; that over and over, for it is a matter of luck
    whether the look falls between the two. ``share``: all of it so many times less, where what is written is looked at bit by bit.
    """
    writers, times, again = (4, 2, 2) if case.clock.virtual else (12, 6 // share, 18 // share)
    large = _LARGE_VIRTUAL if case.clock.virtual else _LARGE
    slots: Sequence[Any] = [slot, *[await case.client() for _ in range(_LANES - 1)]]
    case.overlap()
    told: list[T] = []
    left = writers

    async def go(number: int) -> None:
        nonlocal left
        try:
            for place in range(times):
                length = large // 10 if number < 4 and (number + place) % 2 else 0
                told.append(await write(slots[number % _LANES], number, _payload(case, number, place, length)))
        finally:
            left -= 1

    async def follow() -> None:
        looks = 0
        while left:
            await look()
            looks += 1
            # Where time is virtual it goes on only while nobody runs, and a slow driver waits for it.
            await (case.clock.sleep(0.1) if case.clock.virtual and looks % 10 == 0 else asyncio.sleep(0))

    await together(*map(go, range(writers)), follow())

    async def put(number: int, place: int, length: int) -> None:
        told.append(await write(slots[number % _LANES], number, _payload(case, number, place, length)))

    async def beside(place: int) -> None:
        await put(1, place, 0)
        while await look():
            pass

    for place in range(times, times + again):
        await together(put(0, place, large), beside(place))
    return told
