"""What Python allocates while a check looks."""

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["traced"]


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
