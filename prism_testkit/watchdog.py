"""A hang is a result: what makes no progress for so many seconds of real time is interrupted.

A thread watches; the main thread is interrupted by a signal whose handler raises `Hung`, which also ends a blocking system
call. SIGURG is used because it is ignored by default and because SIGALRM belongs to pytest-timeout. Where there are no
signals (Windows, or a worker that does not run in the main thread) nothing is watched, and `active` says so.

While the main thread would work, but has no processor to do so, no time passes: a call that computes for seconds on a machine
that others keep busy makes progress nowhere that could be seen, and hangs no more than it does alone.
"""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, TracebackType

from prism_testkit.outcomes import Hung

__all__ = ["Watchdog"]

_WORK_S = 150.0
"""No start and no end of a server takes longer, or somebody blocks the loop that both are in."""


class Watchdog:
    """``with watchdog:`` around what must make progress. ``progress`` is any value that changes when it does."""

    def __init__(self, deadline_s: float) -> None:
        self.deadline_s = deadline_s
        self.progress: Callable[[], object] = lambda: None
        self.active = hasattr(signal, "SIGURG") and threading.current_thread() is threading.main_thread()
        self._main = threading.main_thread().ident
        self._limit_s = deadline_s
        self._depth = 0
        self._entries = 0
        self._at_work = 0
        self._fired = ""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> None:
        self._depth += 1
        self._entries += 1
        if self.active and self._thread is None:
            signal.signal(signal.SIGURG, self._interrupt)
            self._thread = threading.Thread(target=self._watch, name="prism-watchdog", daemon=True)
            self._thread.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._depth -= 1
        # A task that nobody awaits may have swallowed it: what was interrupted has hung all the same.
        fired, self._fired = self._fired, ""
        if fired and not isinstance(error, Hung):
            raise Hung(fired) from error

    @property
    def limit_s(self) -> float:
        """The deadline that holds now."""
        return self._limit_s

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Use another deadline for a while."""
        before, self._limit_s = self._limit_s, seconds
        try:
            yield
        finally:
            self._limit_s = before

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Wait longer for a while: the harness itself starts or ends a server, for which it has deadlines of its own."""
        self._at_work += 1
        try:
            yield
        finally:
            self._at_work -= 1
            self.stir()

    def stir(self) -> None:
        """Something went on that ``progress`` does not show."""
        self._entries += 1

    def close(self) -> None:
        """End the thread and give the signal back."""
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
            self._thread = None
            signal.signal(signal.SIGURG, signal.SIG_DFL)

    def _watch(self) -> None:
        seen: object = None
        since = _passed_s()
        while not self._stop.wait(min(0.25, self._limit_s / 4)):
            now = (self._entries, self.progress()) if self._depth else None
            if now is None or now != seen:
                seen, since = now, _passed_s()
            elif _passed_s() - since >= (_WORK_S if self._at_work else self._limit_s) and self._main is not None:
                since = _passed_s()
                signal.pthread_kill(self._main, signal.SIGURG)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._depth:
            self._fired = f"no progress for {self._limit_s:g} s"
            raise Hung(self._fired)


def _passed_s() -> float:
    """Return seconds of real time, without those in which the main thread waited for a processor."""
    return time.monotonic() - _starved_s()


def _starved_s() -> float:
    """Return how long that thread has waited for a processor so far; 0 where the system does not say."""
    try:
        # Documentation/scheduler/sched-stats.rst of Linux: time on the processor, time waiting for it (ns), times it got it.
        return int(Path(f"/proc/self/task/{threading.main_thread().native_id}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0
