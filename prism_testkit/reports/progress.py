"""One status line under a live terminal, redrawn in place; nothing at all anywhere else."""

import contextlib
import os
import re
import threading
import time
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, TextIO, cast

from prism_testkit.reports.text import plain

__all__ = ["Progress", "progress_wanted"]

_INTERVAL_S = 0.1
_ERASE = "\r\x1b[K"
_STYLE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def progress_wanted(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Say whether a stream can have a status line: a terminal that moves its cursor, and nobody's CI."""
    if not stream.isatty() or environ.get("TERM", "") in ("", "dumb"):
        return False
    return environ.get("CI", "").lower() in ("", "0", "false")


class Progress:
    """Shows how far a run is: done of ``total``, failures, time, and what runs now.

    ``enabled`` is what the caller allows (not under ``-q``); the line appears only if `progress_wanted` agrees, and the
    attribute `enabled` says whether it does. A thread draws it, at most ten times a second and only when it changes, so that
    the time goes on while a check hangs, and the latest `update` is always the one shown in the end. It never fills the last
    column, so it never wraps, and it is drawn to a file descriptor of its own, so that pytest's capture never sees it.

    Whoever prints to the same terminal prints through what `guard` returned, or calls `clear` first.
    """

    def __init__(self, stream: TextIO, total: int, enabled: bool = True, *, now: Callable[[], float] = time.monotonic) -> None:
        self.enabled = enabled and progress_wanted(stream)
        self.total = total
        self._now = now
        self._started_s = now()
        # Reentrant: a signal handler may print while its own thread is printing.
        self._lock = threading.RLock()
        self._state: tuple[int, int, str] | None = None
        self._drawn = ""
        self._column = 0
        self._closing = threading.Event()
        if self.enabled:
            self._out = os.fdopen(os.dup(stream.fileno()), "w", encoding="ascii", errors="backslashreplace")
            self._thread = threading.Thread(target=self._draw_until_closed, name="prism-progress", daemon=True)
            self._thread.start()

    def update(self, done: int, failed: int, current: str = "") -> None:
        """Say how far the run is; cheap, for the terminal is not touched here. ``current`` is the check or backend at work."""
        if self.enabled:
            with self._lock:
                self._state = (done, failed, current)

    def clear(self) -> None:
        """Erase the line at once, put the cursor back, and draw nothing until the next `update`. A repeat does nothing."""
        if self.enabled:
            with self._lock:
                self._state = None
                self._erase()

    def close(self) -> None:
        """Erase the line for good. A repeat does nothing."""
        if not self.enabled:
            return
        self.clear()
        self.enabled = False
        self._closing.set()
        self._thread.join()
        with contextlib.suppress(OSError):
            self._out.close()

    def guard(self, stream: TextIO, column: int = 0) -> TextIO:
        """Return a stream to be used in place of ``stream``, which is on the same terminal: what is printed there goes where the
        cursor was without the line, and the line is drawn again below it, also under a line not yet ended. ``column`` is where
        the cursor stands now. After `close` it only passes on.
        """
        self._column = column
        return cast(TextIO, _Guarded(self, stream)) if self.enabled else stream

    def _print(self, stream: TextIO, text: str) -> int:
        with self._lock:
            if self.enabled:
                self._erase()
            written = stream.write(text)
            if self.enabled:
                stream.flush()
                self._column = _column_after(text, self._column)
            return written

    def _draw_until_closed(self) -> None:
        while not self._closing.wait(_INTERVAL_S):
            with self._lock:
                if self._state is not None:
                    self._draw(*self._state)

    def _draw(self, done: int, failed: int, current: str) -> None:
        columns = self._columns()
        column = self._column % columns
        if self._column and not column:
            return  # after the last column a cursor waits to wrap, and cannot be put back to that
        line = self._line(done, failed, current, columns - 1)
        if line != self._drawn:
            self._emit((_ERASE if self._drawn or not column else "\r\n") + line)
            self._drawn = line

    def _erase(self) -> None:
        if self._drawn:
            column = self._column % self._columns()
            self._emit(_ERASE + (f"\x1b[A\x1b[{column}C" if column else ""))
            self._drawn = ""

    def _emit(self, text: str) -> None:
        try:
            self._out.write(text)
            self._out.flush()
        except OSError:
            self._closing.set()  # the terminal is gone: the run goes on without a line

    def _line(self, done: int, failed: int, current: str, width: int) -> str:
        seconds = int(self._now() - self._started_s)
        parts = [f"{done}/{self.total}", f"{failed} failed" if failed else "", f"{seconds // 60}:{seconds % 60:02}"]
        line = "  ".join(part for part in parts if part)
        current = plain(_short(current)).encode("ascii", "backslashreplace").decode()
        return f"{line}  {_ends(current, width - len(line) - 2)}".rstrip()[:width]

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self._out.fileno()).columns or 80
        except OSError:
            return 80


class _Guarded:
    """A text stream that lets a `Progress` make room before each write."""

    def __init__(self, progress: Progress, stream: TextIO) -> None:
        self._progress = progress
        self._stream = stream

    def write(self, text: str) -> int:
        return self._progress._print(self._stream, text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _short(identifier: str) -> str:
    """Leave out the folders of a check's id, and the ending of its file."""
    path, mark, check = identifier.partition("::")
    return f"{path.rpartition('/')[2].removesuffix('.py')}::{check}" if mark else identifier


def _ends(text: str, room: int) -> str:
    """Cut the middle out of what is too long: an id ends with its binding."""
    tail = room // 3
    return text if len(text) <= room else f"{text[: room - tail - 2]}..{text[len(text) - tail :]}"


def _column_after(text: str, column: int) -> int:
    """Return the column of the cursor after ``text`` was printed at ``column``, counting wide characters twice."""
    for character in _STYLE.sub("", text):
        if character in "\n\r":
            column = 0
        elif not unicodedata.combining(character) and character.isprintable():
            column += 2 if unicodedata.east_asian_width(character) in "WF" else 1
    return column
