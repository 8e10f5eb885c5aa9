"""Sizes, counts and durations at which things change: powers of 2 and 10, thresholds and deadlines, each -1, 0 and +1.

Standard library only, and everything in a fixed order.
"""

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction

from prism_testkit.traits import NO_LIMIT

__all__ = ["around", "counts", "durations", "over", "rungs", "sizes"]

_BATCHES = (5, 20, 25, 50, 200, 250, 500, 2500, 5000)
_MILLISECOND = Fraction(0.001)
_DURATIONS = (
    *(0.001, 0.002, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.999, 1.0, 1.001, 1.25, 1.5, 1.999, 2.0, 2.5, 3.0, 5.0, 9.9, 10.0, 30.0),
    *(
        59.0,
        59.9,
        60.0,
        60.5,
        61.0,
        90.0,
        99.0,
        100.0,
        255.0,
        256.0,
        300.0,
        599.9,
        600.0,
        999.0,
        1000.0,
        3599.0,
        3599.9,
        3600.0,
        3601.0,
    ),
    *(32767.0, 32768.0, 65535.0, 65536.0, 86399.0, 86400.0, 86401.0, 604800.0, 1e6, 2592000.0, 2592001.0, 1e7, 31536000.0, 1e8),
    # Milliseconds in 31 and 32 bits.
    *(2147483.0, 2147483.647, 2147483.648, 2147484.0, 4294967.0, 4294967.295, 4294967.296, 4294968.0),
    *(2147483646.0, 2147483647.0, 2147483648.0, 4294967295.0, 4294967296.0, 4294967297.0, 1e9, 1e10 - 1, 1e10),
    # From the instant at which a virtual clock starts, these end at 2^31 and at 2^32 seconds since the epoch, and in between.
    *(3e8, 347483647.0, 347483648.0, 2494967295.0, 2494967296.0, 2.4e9),
)


def _near(centres: Iterable[int], limit: int) -> set[int]:
    return {size for centre in centres for size in (centre - 1, centre, centre + 1) if 0 <= size <= limit}


def _powers(base: int, limit: int) -> Iterator[int]:
    power = 1
    while power <= limit + 1:
        yield power
        power *= base


def rungs(limit: int) -> list[int]:
    """Return every 2^k - 1 and 2^k from 1 to ``limit``, and 10, 50, 100, 250, 500 and 1000, ascending: where columns end."""
    powers = {size for power in _powers(2, limit) for size in (power - 1, power)}
    return sorted(size for size in {*powers, 10, 50, 100, 250, 500, 1000} if 1 <= size <= limit)


def sizes(limit: int, thresholds: Iterable[int] = ()) -> list[int]:
    """Return 0, every 2^n, 10^n and threshold, each -1, 0 and +1, the limit and one below, ascending; none above ``limit``."""
    centres = (0, *_powers(2, limit), *_powers(10, limit), *thresholds)
    return sorted(_near(centres, limit) | _near([limit], limit))


def over(limit: int) -> list[int]:
    """Return sizes above ``limit``: the next two, those that a field of 8 or 16 bits takes for ``limit``, and the double.

    Nothing is above `NO_LIMIT`.
    """
    if limit == NO_LIMIT:
        return []
    return sorted({limit + 1, limit + 2, limit + 2**8, limit + 2**16, 2 * limit + 1, 2 * (limit + 1)})


def counts(ceiling: int) -> list[int]:
    """Return numbers of keys, items or pages around the page and batch sizes in use, ascending; none above ``ceiling``."""
    return sizes(ceiling, _BATCHES)


def durations(least: float = 0.001, most: float = 1e10) -> list[float]:
    """Return seconds at which units, columns and clocks turn over, ascending, all within ``least`` and ``most``."""
    return sorted({seconds for seconds in _DURATIONS if least <= seconds <= most})


def around(deadline_s: float, resolution_s: float, late_s: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return (offsets before, offsets after) from the write at which to look, seconds, ascending.

    Before: 0 and more, at most ``deadline_s - max(resolution_s, 0.001)``; empty where there is no such instant. After: at
    least ``deadline_s + resolution_s + late_s``, the first being that sum rounded up to a float. Nothing lies between, where
    present and missing are both legal. ``deadline_s <= 0`` has no before and is counted as 0. Never closer before than a
    millisecond: a store that counts whole ones, rounded down as ``Clock.now_ms`` is, is right by its own clock.
    """
    deadline = Fraction(max(0.0, deadline_s))
    last = deadline - max(Fraction(resolution_s), _MILLISECOND)
    wanted = (
        Fraction(0),
        _MILLISECOND,
        deadline / 100,
        deadline / 2,
        deadline * 9 / 10,
        deadline * 99 / 100,
        last - _MILLISECOND,
        last,
    )
    before = sorted({_rounded_down(offset) for offset in wanted if 0 <= offset <= last})
    gone = deadline + Fraction(resolution_s) + Fraction(late_s)
    later = (gone, gone + _MILLISECOND, gone + 1, gone * 3 / 2, gone * 2, gone * 10, gone + 86400)
    return tuple(before), tuple(sorted({_rounded_up(offset) for offset in later}))


def _rounded_up(number: Fraction) -> float:
    nearest = float(number)
    return nearest if Fraction(nearest) >= number else math.nextafter(nearest, math.inf)


def _rounded_down(number: Fraction) -> float:
    nearest = float(number)
    return nearest if Fraction(nearest) <= number else math.nextafter(nearest, -math.inf)
