"""The server's clock, as far as it can be known here."""

import time

from prism_backends.jetstream.api import JetStream, nanoseconds

__all__ = ["CLOCK_RESOLUTION_S", "ServerClock"]

CLOCK_RESOLUTION_S = 0.005
"""By how much a deadline may be late, as a server that is busy answers."""

_FRESH_NS = 10_000_000_000
"""After this the clocks are compared again: one of them may have been set."""
_CLOSE_NS = 1_000_000
"""How far apart the bounds may be; an answer that took longer is asked for again."""
_TRIES = 8
_NEVER_NS = 1 << 63


class ServerClock:
    """Two bounds on what the server's clock shows, from questions to the server about a stream that is there.

    Asked so that a deadline is never early: by `earliest_ns` it is judged, by `latest_ns` it is set.
    """

    def __init__(self) -> None:
        self._low_ns, self._high_ns, self._read_ns = 0, 0, -_FRESH_NS

    async def read(self, server: JetStream, what: str, stream: str) -> None:
        """Compare the clocks, if that was not done of late. Without the stream nothing is known, and nothing asked."""
        if time.monotonic_ns() - self._read_ns < _FRESH_NS:
            return
        low_ns, high_ns = -_NEVER_NS, _NEVER_NS
        for _ in range(_TRIES):
            before = time.monotonic_ns()
            found = await server.info(what, stream)
            after = time.monotonic_ns()
            if found is None:
                return
            told = nanoseconds(found["ts"])
            low_ns, high_ns = max(low_ns, told - after), min(high_ns, told - before)
            if high_ns - low_ns < _CLOSE_NS:
                break
        self._low_ns, self._high_ns, self._read_ns = low_ns, high_ns, after

    def earliest_ns(self) -> int:
        """Return an instant that the server's clock has reached."""
        return time.monotonic_ns() + self._low_ns

    def latest_ns(self) -> int:
        """Return an instant that the server's clock had not passed when this was called."""
        return time.monotonic_ns() + self._high_ns
