"""How to wait for rows that another connection may write: look again and again, each time a little later."""

import asyncio
import math

from prism_backends.bell import Bell

__all__ = ["Patience"]

_FIRST_S = 0.001
_LAST_S = 0.05
_NANOSECOND_S = 1e-9
"""What is less than this is rounding: no loop waits for so short a time, and that of virtual time would stand still."""


class Patience:
    """What is left of ``timeout_s`` (None: for ever), from now on.

    The bell, which all drivers of a place in one process share, cuts a rest short. In virtual time, which other processes do not
    share, rests grow without bound, so that to wait for a day takes a few looks.
    """

    def __init__(self, bell: Bell, timeout_s: float | None, virtual: bool = False) -> None:
        self._bell = bell
        self._loop = asyncio.get_running_loop()
        self._until = math.inf if timeout_s is None else self._loop.time() + timeout_s
        self._next_s, self._last_s = _FIRST_S, math.inf if virtual else _LAST_S
        self._heard = bell.rings

    async def rest(self, most_s: float = math.inf) -> bool:
        """Rest until it is worth to look again, ``most_s`` at the longest; False, at once, if the time is over."""
        left_s = self._until - self._loop.time()
        if left_s < _NANOSECOND_S:
            return False
        rest_s = min(self._next_s, left_s, max(0.0, most_s))
        self._next_s = min(self._next_s * 2, self._last_s)
        await self._bell.rest(rest_s, self._heard)
        self._heard = self._bell.rings  # the next look begins now
        return True
