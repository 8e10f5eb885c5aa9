"""Stands still in the middle of a call, in the process that makes it, so that others do all of theirs in between.

Where a call looks and then acts, without a lock that others know, two processors must be at the same place within microseconds for
that to show by itself, and on a busy machine they seldom are. A timer of the process's own knows better than anybody outside where
in a call it is.
"""

import signal
import time
from random import Random

__all__ = ["Halt"]


class Halt:
    """``still_s`` is how long it lasts. How long a call takes is known from the quickest of its kind, so the first runs through."""

    def __init__(self, still_s: float) -> None:
        self._still_s = still_s
        self._lasted_ns: dict[str, int] = {}
        self._random = Random(0)
        self._halted_ns = 0
        self._works = hasattr(signal, "setitimer")
        if self._works:
            signal.signal(signal.SIGALRM, self._stand_still)

    def _stand_still(self, number: int, frame: object) -> None:
        began_ns = time.monotonic_ns()
        time.sleep(self._still_s)
        self._halted_ns += time.monotonic_ns() - began_ns

    def in_the_middle_of(self, method: str) -> None:
        """A call begins that is to be halted somewhere."""
        lasts_ns = self._lasted_ns.get(method)
        if self._works and lasts_ns is not None:
            signal.setitimer(signal.ITIMER_REAL, max(1e-6, self._random.random() * lasts_ns / 1e9))

    def returned(self, method: str, lasted_ns: int) -> None:
        """A call has returned: what did not stop it by now stops none."""
        if self._works:
            signal.setitimer(signal.ITIMER_REAL, 0)
        # Others wait for who stands still with a lock in hand: how long they take says nothing of the call.
        self._lasted_ns[method] = min(self._lasted_ns.get(method, lasted_ns), max(1, lasted_ns - self._halted_ns))
        self._halted_ns = 0
