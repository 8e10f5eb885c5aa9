"""Stands still in the middle of a call, in the process that makes it, so that others do all of theirs in between.

Where a call looks and then acts, without a lock that others know, two processors must be at the same place within microseconds for
that to show by itself, and on a busy machine they seldom are. What is between two processes goes through the operating system, or a
library that is not Python's: so behind each call of one of these, in whatever thread, is a *point* at which standing still makes a
difference, and between two points there is none. To try all points of a call is to try all orders of two calls in which one of
them is preempted once (Musuvathi and Qadeer, Iterative Context Bounding for Systematic Testing, PLDI 2007).
"""

import io
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType, ModuleType
from typing import Any

__all__ = ["Halts"]

_SYSTEM = frozenset(("io", "_io", "posix", "nt", "fcntl", "msvcrt", "sqlite3", "_dbm", "_gdbm", "mmap"))
_IN_MEMORY = (io.BytesIO, io.StringIO)
_HARMLESS = frozenset(
    ("fspath", "getpid", "getppid", "gettid", "urandom", "getcwd", "cpu_count", "register_at_fork", "fileno", "isatty", "getvalue")
) | frozenset(("tell", "seekable", "readable", "writable", "gettimeout", "setblocking", "getpeername", "getsockname", "waitstatus"))
"""Of the system's own, what nobody else can notice."""
_OF_SOCKETS = frozenset(("_socket", "_ssl"))
"""Who is at the other end acts on what is sent; whether its answer has been read by then it cannot know."""
_WAKING = frozenset(("_write_to_self", "_read_from_self"))
"""The functions by which a loop of asyncio is woken, from a thread of the same process."""


class Halts:
    """Counts the points of a call and calls ``stand_still`` at one of them, with the name of what was just called there.

    Seen is what is done by the thread that makes this, and by those that begin later.

    A call that reaches at most one of the system's own points, as one of a library that does not call the system through Python,
    is halted from its next time on behind calls of C functions that are not Python's own, too.
    """

    def __init__(self, stand_still: Callable[[str], None]) -> None:
        self._stand_still = stand_still
        self._foreign: set[str] = set()
        self._points = 0
        self._at = 0
        self._asked = _of_system
        self._counts = False
        threading.setprofile(self._seen)
        sys.setprofile(self._seen)

    def begins(self, method: str, at: int = 0) -> None:
        """A call begins that is to be halted at point ``at``, counted from 1; at none for 0."""
        self._asked = _of_any if method in self._foreign else _of_system
        self._points, self._at, self._counts = 0, at, True

    def returned(self, method: str) -> int:
        """A call has returned: what did not stop it by now stops none. Return how many points it had."""
        self._counts = False
        if self._points <= 1 and method not in self._foreign:
            self._foreign.add(method)
        return self._points

    def _seen(self, frame: FrameType, event: str, what: Any) -> None:
        if event != "c_return" or not self._counts or not self._asked(what):
            return
        code = frame.f_code
        if code.co_name in _WAKING or code.co_filename.startswith("<frozen importlib"):  # who imports a module late looks for it
            return
        self._points += 1
        if self._points == self._at:
            self._stand_still(_told(what))


def _modules(what: Any) -> Iterator[str]:
    of = getattr(what, "__self__", None)
    if isinstance(of, ModuleType):
        yield of.__name__
    elif of is None:
        yield getattr(what, "__module__", None) or "builtins"
    else:
        yield from (kind.__module__ for kind in type(of).__mro__)


def _of_system(what: Any) -> bool:
    name = what.__name__
    if name in _HARMLESS or name.startswith("_path") or isinstance(getattr(what, "__self__", None), _IN_MEMORY):
        return False
    modules = frozenset(_modules(what))
    if not _OF_SOCKETS.isdisjoint(modules):
        return bool(name.startswith(("send", "write")))
    return not _SYSTEM.isdisjoint(modules)


def _of_any(what: Any) -> bool:
    return _of_system(what) or _of_others(what)


def _of_others(what: Any) -> bool:
    roots = {name.partition(".")[0] for name in _modules(what)}
    return not roots <= sys.stdlib_module_names


def _told(what: Any) -> str:
    of = getattr(what, "__self__", None)
    return what.__name__ if of is None or isinstance(of, ModuleType) else f"{type(of).__name__}.{what.__name__}"
