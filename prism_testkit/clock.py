"""Time that can be real or virtual.

Drivers and patterns ask the clock they were given and never the operating system, so that a check can move time at once.
"""

import asyncio
import time
from typing import Protocol

__all__ = ["Clock", "RealClock", "VirtualClock"]


class Clock(Protocol):
    """What a driver may ask: the time, and to wait. Instants are milliseconds since the epoch, UTC."""

    @property
    def virtual(self) -> bool:
        """True if checks move this clock."""

    def now_s(self) -> float:
        """Return seconds since the epoch, with fractions. Never goes back on a virtual clock, as far as a place is concerned."""

    def now_ms(self) -> int:
        """Return whole milliseconds since the epoch, rounded down."""

    async def sleep(self, seconds: float) -> None:
        """Wait; at least once the others are let run. Negative is 0."""


class RealClock:
    """The operating system's clock."""

    virtual = False

    def now_s(self) -> float:
        return time.time()

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


class VirtualClock:
    """A clock that stands still until it is moved: by `advance`, or by a `VirtualLoop` that has nothing else to do.

    It starts at a fixed instant, so that runs are alike, and counts whole nanoseconds, so that sums are exact.
    """

    virtual = True
    START_S = 1_800_000_000
    """15 January 2027; an instant of its own, so that a driver that asks the operating system instead is found out."""

    def __init__(self, now_ns: int = START_S * 1_000_000_000) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        return self._now_ns

    def now_s(self) -> float:
        return self._now_ns / 1_000_000_000  # of integers: the float nearest to it

    def now_ms(self) -> int:
        return self._now_ns // 1_000_000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))

    def rewind(self) -> None:
        """Go back to the start. Only where nothing is left that has seen a later time: no loop, no client, no data."""
        self._now_ns = self.START_S * 1_000_000_000

    def jump(self, nanoseconds: int) -> None:
        """Move time without letting anybody run; timers that came due run at the loop's next step."""
        if nanoseconds < 0:
            raise ValueError(f"a clock does not go back: {nanoseconds} ns")
        self._now_ns += nanoseconds

    async def advance(self, seconds: float) -> None:
        """Move time by ``seconds`` (0 or more), running on the way, in order, every timer that comes due.

        On a `VirtualLoop` this is a sleep: nothing else moves time there, so the loop steps from timer to timer.
        """
        if not seconds >= 0:
            raise ValueError(f"advance({seconds!r}): seconds must be 0 or more")
        await asyncio.sleep(seconds)
