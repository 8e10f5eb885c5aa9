"""The server's clock, as far as it can be known here."""

import time

from prism_backends.jetstream.api import JetStream, nanoseconds

__all__ = ["ServerClock"]

_FRESH_NS = 10_000_000_000
"""After this the clocks are compared again: one of them may have been set."""


class ServerClock:
    """Two bounds on what the server's clock shows, from one question to the server about a stream that is there.

    Asked so that a deadline is never early: by `earliest_ns` it is judged, by `latest_ns` it is set.
    """

    def __init__(self) -> None:
        self._low_ns, self._high_ns, self._read_ns = 0, 0, -_FRESH_NS

    async def read(self, server: JetStream, what: str, stream: str) -> None:
        """Compare the clocks, if that was not done of late. Without the stream nothing is known, and nothing asked."""
        before = time.monotonic_ns()
        if before - self._read_ns < _FRESH_NS:
            return
        found = await server.info(what, stream)
        after = time.monotonic_ns()
        if found is not None:
            told = nanoseconds(found["ts"])
            self._low_ns, self._high_ns, self._read_ns = told - after, told - before, after

    def earliest_ns(self) -> int:
        """Return an instant that the server's clock has reached."""
        return time.monotonic_ns() + self._low_ns

    def latest_ns(self) -> int:
        """Return an instant that the server's clock had not passed when this was called."""
        return time.monotonic_ns() + self._high_ns
