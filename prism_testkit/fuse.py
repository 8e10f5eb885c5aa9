"""Ends the process in the middle of a call: between two of its writes to files, or at a part of the time it takes.

By a signal whose default action is that of SIGKILL: no code of the process runs any more. From outside, the moment would depend
on which process runs next. An earlier call of the same kind tells what to expect. If it wrote to files more than once, the later
one dies right behind one of its writes, wherever else the time goes; what it leaves does not depend on how busy the machine is
then. Crash points at the boundaries of writes are those of ALICE (Pillai et al., All File Systems Are Not Created Equal, OSDI
2014). If not, as over a connection or in a thread of its own, it dies at a part of the time that the earlier call took.
"""

import io
import os
import signal
import sys
import time
from types import FrameType
from typing import Any

__all__ = ["NEVER", "Fuse", "profile_again", "writes"]

NEVER = (-2, -2, 0.0)
_OF_FILES = frozenset(("write", "writelines", "flush", "truncate", "close", "__exit__"))
_OF_SYSTEM = frozenset(
    ("write", "pwrite", "writev", "fsync", "fdatasync", "rename", "replace", "link", "unlink", "remove", "ftruncate")
)
_OF_CONNECTIONS = frozenset(("execute", "executemany", "executescript", "commit"))
_IN_MEMORY = (io.BytesIO, io.StringIO)


class Fuse:
    """``like`` is the number of the earlier call, ``step`` of the one in which the process dies, ``part`` (0 to 1) where in it.

    A call that writes less often than the earlier one returns, and the process dies in the next one that goes on writing.
    """

    def __init__(self, like: int, step: int, part: float) -> None:
        self._like, self._step, self._part = (like, step, part) if hasattr(signal, "setitimer") else NEVER
        self._lasted_s = 0.0
        self._began_s = 0.0
        self._writes = 0
        self._left = 0

    def before(self, number: int) -> None:
        """A call begins."""
        if number == self._like:
            sys.setprofile(self._count)
            self._began_s = time.perf_counter()
        elif number >= self._step >= 0 and self._writes > 1:
            self._left = self._left or min(max(1, round(self._writes * self._part)), self._writes - 1)
            sys.setprofile(self._burn)
        elif number == self._step:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, max(1e-6, self._lasted_s * self._part))

    def after(self, number: int) -> None:
        """A call has returned."""
        if number == self._like:
            sys.setprofile(None)
            self._lasted_s = time.perf_counter() - self._began_s
        elif number >= self._step:
            sys.setprofile(None)  # it wrote less often than the earlier one: the next one goes on

    def _count(self, frame: FrameType, event: str, what: Any) -> None:
        if event == "c_return" and writes(what):
            self._writes += 1

    def _burn(self, frame: FrameType, event: str, what: Any) -> None:
        if event == "c_return" and writes(what):
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)


def profile_again(before: Any) -> None:
    """Set the profile that ``sys.getprofile`` had told before."""
    if before is None or callable(before):
        sys.setprofile(before)
    else:
        before.enable()  # cProfile's profiler is no function


def writes(function: Any) -> bool:
    """Say whether a function of C's is one that changes what outlives the process."""
    name, of = function.__name__, getattr(function, "__self__", None)
    if name in _OF_FILES and isinstance(of, io.IOBase):
        return not isinstance(of, _IN_MEMORY)
    if name in _OF_SYSTEM and getattr(of, "__name__", "") == os.name:  # the module that `os` is made of
        return True
    return name in _OF_CONNECTIONS and type(of).__module__ == "sqlite3"
