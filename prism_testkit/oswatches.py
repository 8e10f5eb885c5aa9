"""Who asks the operating system for the time where time is virtual: the commonest reason why nothing ever expires."""

import io
import re
import sys
import tokenize
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from prism_testkit.bindings import Candidate
from prism_testkit.histories import Entry

__all__ = ["watch_hint"]

_ASKED = re.compile(
    r"\btime \. (?:time|monotonic|perf_counter)(?:_ns)?\b"
    r"|\bdatetime \. (?:now|utcnow|today)\b"
    r"|(?<!\. )\b(?:monotonic|perf_counter)(?:_ns)?(?= \()"
)
"""In a line of tokens with a space between any two."""
_GIVEN = re.compile(r"\bnow_m?s \(")
"""A module that asks the clock it was given knows of it, and has other reasons to ask another."""


def watch_hint(candidates: Iterable[Candidate], entries: Sequence[Entry]) -> str:
    """Return a sentence if time passed in a case and a driver's own module asks no clock but the system's."""
    times = {second for entry in entries for second in (entry.called_s, entry.returned_s) if second is not None}
    if len(times) < 2:
        return ""
    found = dict.fromkeys(asked for candidate in candidates for asked in _asked(candidate.offer.driver))
    return f"time is virtual here, and {next(iter(found))} asks the operating system: ask `place.clock.now_s()`" if found else ""


@cache
def _asked(driver: type) -> tuple[str, ...]:
    """Return where the modules of a driver's classes name a clock of the system, in code; of those that can be read."""
    # By their modules: `inspect` raises for a class that C made.
    files = dict.fromkeys(getattr(sys.modules.get(cls.__module__), "__file__", None) for cls in driver.__mro__)
    theirs = [Path(file) for file in files if file and not Path(file).is_relative_to(Path(__file__).parent)]
    return tuple(where for path in theirs if path.suffix == ".py" for where in _lines(path))


def _lines(path: Path) -> Iterable[str]:
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline))
    except (OSError, UnicodeDecodeError, SyntaxError, tokenize.TokenError):
        return
    lines: dict[int, str] = {}
    for token in tokens:
        if token.type in (tokenize.NAME, tokenize.OP):  # neither comments nor texts
            lines[token.start[0]] = f"{lines.get(token.start[0], '')} {token.string}"
    if any(map(_GIVEN.search, lines.values())):
        return
    for number, line in lines.items():
        asked = _ASKED.search(line)
        if asked is not None:
            yield f"{asked[0].replace(' ', '')} ({path.name}:{number})"
