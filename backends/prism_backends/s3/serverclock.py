"""The server's clock, as far as its answers tell: by it deadlines are set and judged, whatever the clock of a client shows."""

import threading
from email.utils import parsedate_to_datetime

import prism_testkit as prism

__all__ = ["ServerClock"]

_PAUSE_S = 0.5
"""For so long an answer's date is not looked at after another one's."""


class ServerClock:
    """The client's clock, unless dates in answers, which are whole seconds, contradict it: then what is between two bounds.

    So clocks that are set by the same time agree to the millisecond, and of those that are not none lets anything expire early:
    a deadline is set by the latest instant that the server's clock may show, and judged by the earliest.
    """

    def __init__(self, clock: prism.Clock) -> None:
        self._clock = clock
        self._low_s, self._high_s = -float("inf"), float("inf")
        """Between these is what is to be added to the client's clock."""
        self._heard_s = -float("inf")
        self._lock = threading.Lock()

    def now_s(self) -> float:
        """Return what the client's own clock shows."""
        return self._clock.now_s()

    def heard(self, date: str, sent_s: float) -> None:
        """Learn from an answer that was asked for at ``sent_s``."""
        received_s = self._clock.now_s()
        if 0 <= received_s - self._heard_s < _PAUSE_S:
            return
        try:
            told_s = parsedate_to_datetime(date).timestamp()
        except ValueError:
            return  # a proxy that tells no date: then the clock of the client has to do
        with self._lock:
            self._heard_s = received_s
            low_s, high_s = told_s - received_s, told_s + 1.0 - sent_s
            both = max(low_s, self._low_s), min(high_s, self._high_s)
            self._low_s, self._high_s = both if both[0] <= both[1] else (low_s, high_s)  # else a clock was set

    def earliest_s(self) -> float:
        """Return an instant that the server's clock has reached."""
        return self._clock.now_s() + self._added_s(self._low_s)

    def latest_s(self) -> float:
        """Return an instant that the server's clock has not passed."""
        return self._clock.now_s() + self._added_s(self._high_s)

    def _added_s(self, bound_s: float) -> float:
        return 0.0 if self._low_s <= 0.0 <= self._high_s else bound_s
