"""What Python allocates while a check looks, and how large the process grows, whoever in it allocates."""

import gc
import re
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Resident", "traced"]

_SELF = Path("/proc/self")
_KIB = 1024


@contextmanager
def traced() -> Iterator[None]:
    """Let Python count what it allocates; one who does that already is not disturbed."""
    began = not tracemalloc.is_tracing()
    if began:
        tracemalloc.start()
    try:
        yield
    finally:
        if began:
            tracemalloc.stop()


class Resident:
    """By how many bytes of memory the process grew at most since this was made; memory of C's and Rust's counts too.

    Only Linux can begin anew with the most that a process ever had; elsewhere nothing is known.
    """

    def __init__(self) -> None:
        gc.collect()
        try:
            (_SELF / "clear_refs").write_text("5")  # the most that it had is what it has now
        except OSError:
            self._start = None
        else:
            self._start = _most()

    def grown(self) -> int | None:
        """Return how much more it had at most than at the start; None if that is not known."""
        most = _most()
        return None if self._start is None or most is None else most - self._start


def _most() -> int | None:
    try:
        found = re.search(r"^VmHWM:\s+(\d+) kB$", (_SELF / "status").read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) * _KIB if found else None
