"""Whether an argument that is left out is the default that its Protocol says, for what is entered as for a driver itself."""

from collections.abc import Awaitable, Callable
from typing import Any

from prism_suites._judging import broken
from prism_testkit.case import Case

__all__ = ["takes_as_long"]

_TIMES = 3
_MORE_S = 0.4
"""A driver that looks now and then takes one time longer than another: only what always takes so much longer is judged."""


async def takes_as_long(
    case: Case, promise: str, said: Callable[[], Awaitable[Any]], left_out: Callable[[], Awaitable[Any]], what: str
) -> None:
    """Judge that a call without an argument takes no longer, in virtual time, than with the default given as it is promised.

    ``what`` says both, such as "nack(delivery) and nack(delivery, delay_s=0)". On a real clock nothing is judged: there a second
    is the machine's as easily.
    """
    if not case.clock.virtual:
        case.note("whether an argument that is left out takes time is judged where time is virtual")
        return
    took: dict[bool, list[float]] = {False: [], True: []}
    for turn in range(2 * _TIMES):
        began_s = case.clock.now_s()
        await (left_out() if turn % 2 else said())
        took[bool(turn % 2)].append(case.clock.now_s() - began_s)
    if min(took[True]) > max(took[False]) + _MORE_S:
        sentence = f"an argument that is left out is not the default: {what} take another time"
        broken(promise, sentence, expected=f"at most {max(took[False]):g} s", got=f"at least {min(took[True]):g} s")
