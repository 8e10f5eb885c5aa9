"""A real terminal to test with: a pseudo-terminal whose other end is drawn by pyte."""

import fcntl
import os
import select
import struct
import termios
import time
from collections.abc import Callable
from typing import TextIO

import pyte

DEADLINE_S = 300.0


class Terminal:
    """``stream`` is the terminal; `screen` shows what stands on it, after `wait_for` or `settle` has read it."""

    def __init__(self, columns: int = 80, rows: int = 24) -> None:
        self._ours, self.slave = os.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.stream: TextIO = os.fdopen(os.dup(self.slave), "w", encoding="utf-8")
        self._screen = pyte.HistoryScreen(columns, rows, history=10_000)
        self._bytes = pyte.ByteStream(self._screen)
        self.received = b""
        self.shots: list[list[str]] = []

    @property
    def lines(self) -> list[str]:
        """The screen, without what is empty at its end."""
        lines = [line.rstrip() for line in self._screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    @property
    def scrolled(self) -> list[str]:
        """What has left the screen at its top, then the screen."""
        above = ["".join(row[x].data for x in range(self._screen.columns)).rstrip() for row in self._screen.history.top]
        return above + self.lines

    @property
    def cursor(self) -> tuple[int, int]:
        """(row, column), from 0."""
        return self._screen.cursor.y, self._screen.cursor.x

    def read(self, timeout_s: float = 0.0) -> bool:
        """Draw what has come; False if nothing came."""
        if not select.select([self._ours], [], [], timeout_s)[0]:
            return False
        try:
            data = os.read(self._ours, 65_536)
        except OSError:  # the other end is closed, and Linux says so by an error
            return False
        self.received += data
        self._bytes.feed(data)
        self.shots.append(self.lines)
        return bool(data)

    def settle(self) -> None:
        """Draw everything that was written so far."""
        while self.read():
            continue

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Draw what comes until ``condition`` holds."""
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline, "\n".join(self.scrolled)
            self.read(0.05)

    def close(self) -> None:
        self.stream.close()
        for descriptor in (self.slave, self._ours):
            os.close(descriptor)
