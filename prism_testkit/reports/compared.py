"""What was expected beside what was seen: short, and so that whoever reads both knows where they differ."""

import re
from collections.abc import Iterator, Sequence, Set
from itertools import islice
from typing import Any

from prism_testkit.outcomes import Words
from prism_testkit.reports.briefly import briefly
from prism_testkit.reports.text import clip, show

__all__ = ["compared"]

_ERROR = re.compile(r"[A-Z]\w+: ")
_MOST_WORDS = 400
_AROUND = 6
"""So many bytes or characters stand before and behind the first that differs."""
_FEW = 3
_CUT = "…"


def compared(expected: object, got: object) -> tuple[str, str]:
    """Show what was expected and what was seen: as data, but words as they are, those of an error too, for their end says most.

    What an interface hands out is told as in the steps of a story, unless both look alike then. Of data that is too long to be
    shown whole, what was seen says behind it where it differs.
    """
    shown = _told(expected), _told(got)
    if shown[0] == shown[1]:
        shown = _whole(expected) or show(expected), _whole(got) or show(got)
    if _CUT not in shown[0] + shown[1] or _whole(expected) or _whole(got):
        return shown
    where = "; ".join(_differences(expected, got))
    return shown[0], f"{shown[1]}; {where}" if where else shown[1]


def _whole(value: object) -> str:
    error = type(value) is str and _ERROR.match(value) and value.isascii() and value.isprintable()
    return clip(str(value), _MOST_WORDS) if isinstance(value, Words) or error else ""


def _told(value: object) -> str:
    return _whole(value) or briefly(value)


def _differences(expected: Any, got: Any) -> Iterator[str]:
    if isinstance(expected, Set) and isinstance(got, Set):
        yield from _more("too many", sorted(got - expected, key=repr))
        yield from _more("missing", sorted(expected - got, key=repr))
    elif type(expected) is type(got) and isinstance(expected, bytes | str | list | tuple):
        at = next((n for n, (one, other) in enumerate(zip(expected, got, strict=False)) if one != other), None)
        if isinstance(expected, bytes | str):
            yield from _in_text(expected, got, at)
        else:
            yield from _in_list(expected, got, at)


def _more(label: str, values: Sequence[object]) -> Iterator[str]:
    if values:
        rest = f" and {len(values) - _FEW:,} more" if len(values) > _FEW else ""
        yield f"{label}: {', '.join(_entire(value) for value in islice(values, _FEW))}{rest}"


def _entire(value: object) -> str:
    """Show a value whose end may tell it from the others."""
    return briefly(value, 100)


def _in_text(expected: Any, got: Any, at: int | None) -> Iterator[str]:
    if at is None:
        if len(expected) != len(got):
            ends = "ends early," if len(got) < len(expected) else "goes on"
            yield f"it {ends} behind the first {min(len(expected), len(got)):,}"
        return
    begin = max(at - _AROUND, 0)
    one, other = (show(value[begin : at + _AROUND]) for value in (expected, got))
    yield f"they differ at [{at:,}]: {other} instead of {one}"


def _in_list(expected: Sequence[object], got: Sequence[object], at: int | None) -> Iterator[str]:
    if len(expected) != len(got):
        yield f"{len(got):,} instead of {len(expected):,}"
    if at is None and len(expected) > len(got):
        yield from _more("missing", expected[len(got) :])
    elif at is None:
        yield from _more("too many", got[len(expected) :])
    else:
        yield f"first at [{at:,}]: {_entire(got[at])} instead of {_entire(expected[at])}"
