"""Errors that no call told anybody: of tasks, callbacks and threads of a driver's own.

asyncio and threading write them to a log, where a run with thousands of checks buries them. A driver whose background work has
died may well go on to answer, so they judge nothing; they are counted by what they are and where they were raised.
"""

import asyncio
import contextlib
import logging
import threading
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prism_testkit.reports.text import said

__all__ = ["Unheard"]

_LOG = logging.getLogger("prism_testkit")
_HERE = Path(__file__).parent
_TAP = str(_HERE / "tap.py")
_LIBRARY = Path(asyncio.__file__).parents[1]
_MOST = 20
"""Different ones that are kept of one check."""


class Unheard:
    """What was not heard since it was last asked for."""

    def __init__(self) -> None:
        self._found: Counter[str] = Counter()

    def loop_said(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Take what a loop would log with a traceback; it is a loop's exception handler."""
        error, forgotten = context.get("exception"), "was never retrieved" in context.get("message", "")
        if isinstance(error, BaseException) and _is_the_drivers(error):
            self._take(error, "a task" if forgotten else "a callback")
        elif forgotten:
            # A failing check leaves calls behind that fail too, and its story is told.
            _LOG.debug("a task ended with an error that nobody asked for: %r", error)
        else:
            loop.default_exception_handler(context)

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Hear threads too, meanwhile; what is not a driver's goes on to whoever listened before."""
        before = threading.excepthook

        def heard(args: Any) -> None:
            if args.exc_value is not None and args.exc_type is not SystemExit and _is_the_drivers(args.exc_value):
                self._take(args.exc_value, "a thread")
            else:
                before(args)

        threading.excepthook = heard
        try:
            yield
        finally:
            threading.excepthook = before

    def taken(self) -> dict[str, int]:
        """Return how often each was raised, in words, and forget them."""
        found, self._found = self._found, Counter()
        return dict(found)

    def _take(self, error: BaseException, where: str) -> None:
        last = traceback.extract_tb(error.__traceback__)[-1]
        words = f"{said(error)}, in {where} ({last.name}, {Path(last.filename).name}:{last.lineno})"
        if words in self._found or len(self._found) < _MOST:
            self._found[words] += 1


def _is_the_drivers(error: BaseException) -> bool:
    """Say whether an error came out of code that is not ours, and out of no call: each call is told in the history."""
    files = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
    return _TAP not in files and any(map(_is_foreign, files))


def _is_foreign(name: str) -> bool:
    path = Path(name)
    if path.is_relative_to(_LIBRARY) and "site-packages" not in path.parts:
        return False
    return not path.is_relative_to(_HERE) and "prism_suites" not in path.parts
