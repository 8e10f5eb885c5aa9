"""Shows how far something is: one line that changes on a terminal, else a line a step."""

import shutil
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

__all__ = ["Progress"]


class Progress:
    """``step(what)`` begins the next step, and returns what takes its progress. `close` leaves the last line as it stands."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._began = time.monotonic()
        self._shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def step(self, what: str) -> Callable[[str], None]:
        """Begin a step."""
        self.close()
        self._show(what)
        if not self._live:
            sys.stderr.write(f"{self._time()} {what}\n")
            sys.stderr.flush()
        return lambda text: self._show(f"{what}: {text}")

    def close(self) -> None:
        """End the line, if one is shown."""
        if self._shown:
            sys.stderr.write("\n")
            sys.stderr.flush()
        self._shown = False

    def _show(self, text: str) -> None:
        if self._live:
            width = shutil.get_terminal_size().columns - 1
            sys.stderr.write(f"\r\x1b[K{f'{self._time()} {text}'[:width]}")
            sys.stderr.flush()
            self._shown = True

    def _time(self) -> str:
        return f"{time.monotonic() - self._began:6.1f} s"
