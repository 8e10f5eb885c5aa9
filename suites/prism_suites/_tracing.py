"""What Python allocates while a check looks, and how large the process grows, whoever in it allocates."""

import ctypes
import gc
import re
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["Resident", "traced"]

_STATUS = Path("/proc/self/status")
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
    """By how many bytes the process has grown since this was made, as seen at looks; memory of C's and Rust's counts too.

    What is mapped from files does not count, wherever they lie: a store may keep its objects there. Only Linux tells; elsewhere it
    is 0.
    """

    def __init__(self) -> None:
        gc.collect()
        _give_back()
        self._start = _anonymous()
        self.grown = 0

    def look(self) -> None:
        """Take what the process has now."""
        self.grown = max(self.grown, _anonymous() - self._start)


def _give_back() -> None:
    """Let the C library return what it keeps for later, where it can: what is used again would not show."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def _anonymous() -> int:
    try:
        found = re.search(r"^RssAnon:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) * _KIB if found else 0
