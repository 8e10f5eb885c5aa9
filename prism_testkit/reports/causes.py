"""Many failures of one cause are told as one: the first of them whole, the others in a line or two, and which to mend first."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from prism_testkit.interfaces import INTERFACES
from prism_testkit.reports.text import clip, plain
from prism_testkit.results import CheckResult, Failure

__all__ = ["MOST_WHOLE", "Told", "beginning_lines", "cause_key"]

MOST_WHOLE = 20
"""So many failures are told whole: one defect that breaks a hundred checks in other words each fills no log."""
_MOST = 5
"""So many causes are named where it is said what to mend first."""
_FRAME = re.compile(r'^\s*File "(?P<file>[^"]*)", line (?P<line>\d+)', re.MULTILINE)
_RAISED = re.compile(r"(?:raised|the check met) (\w+)")
_DATA = re.compile(r"'[^']*'|\"[^\"]*\"|\([^()]*\)|\d[\d.,]*")
_HUNG = re.compile(r"([\w. ]+?)(?:\(.*\))? (?:never returned|did not return)")
_OF_TYPE = re.compile(r" (returned|gave) (?:an? \w+|None)(?=;| that nobody).*")
_CLEAR, _UNCLEAR = 0, 1


def cause_key(result: CheckResult) -> tuple[str, ...]:
    """Return what failures of one cause have in common: where an exception came from, a hint, or the words of the verdict."""
    failure = result.failure
    who = result.pattern or result.binding.partition(".")[0]
    if failure is None:
        return (who, result.reason)
    hung = _HUNG.match(failure.message)
    if hung is not None:
        return (who, "hung", hung[1])
    frames = _FRAME.findall(failure.traceback)
    if frames:
        raised = _RAISED.search(failure.message)
        return (who, *frames[-1], raised[1] if raised else "")
    if failure.hint:
        return (who, _OF_TYPE.sub(r"\1", failure.hint))
    return (who, failure.promise, _DATA.sub("…", failure.message))


class Told:
    """Remembers which result was the first to be told of each cause."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, ...], str] = {}

    def before(self, result: CheckResult) -> str | None:
        """Return the id of another result of the same cause that was told before; None if this is the first, to be told whole.

        The empty string stands for a first one that need not be, because `MOST_WHOLE` were.
        """
        first = self._first.setdefault(cause_key(result), result.id)
        if first != result.id:
            return first
        return None if list(self._first.values()).index(first) < MOST_WHOLE else ""


@dataclass
class _Cause:
    simplest: CheckResult
    results: list[CheckResult] = field(default_factory=list)


def beginning_lines(results: Iterable[CheckResult], width: int = 80) -> Iterator[str]:
    """Yield, where checks failed, what to mend first: each cause with its simplest case, what says most before the rest."""
    causes: dict[tuple[str, ...], _Cause] = {}
    number = 0
    for result in results:
        if result.failure is None:
            continue
        number += 1
        cause = causes.setdefault(cause_key(result), _Cause(result))
        cause.results.append(result)
        if _length(result.failure) < _length(cause.simplest.failure):
            cause.simplest = result
    if not number:
        return
    promises = {cause.simplest.failure.promise for cause in causes.values() if cause.simplest.failure is not None}
    yield f"where to begin: {number:,} failures of {_told(len(causes), promises)}" if number > 1 else "where to begin: 1 failure"
    ordered = sorted(causes.values(), key=_order)
    for place, cause in enumerate(ordered[:_MOST], 1):
        result, failure = cause.simplest, cause.simplest.failure
        assert failure is not None
        times = f", and {len(cause.results) - 1:,} more" if len(cause.results) > 1 else ""
        yield clip(f"  {place}. {plain(' '.join(failure.message.split()))}", 2 * width - 8)
        yield from _compared(failure, width)
        told = [f"{name} = {failure.arguments.get(name)} (passes with {', '.join(v)})" for name, v in failure.passes_with.items()]
        if told:
            yield clip(f"     with {plain('; '.join(told))}", width)
        if failure.hint:
            yield clip(f"     hint: {plain(failure.hint)}", width)
        broken, check = f"     {failure.promise or 'none of its own calls'}: {result.check}", f"[{result.binding}]{times}"
        if len(broken) + len(check) <= width:
            yield broken + check
        else:
            yield broken
            yield f"       on {result.binding}{times}"
        yield f"     {failure.command}"
    left = sum(len(cause.results) for cause in ordered[_MOST:])
    if left:
        yield f"  and {left:,} more {'failure' if left == 1 else 'failures'}, told above"


def _compared(failure: Failure, width: int) -> Iterator[str]:
    """Tell what was expected and seen in one line, or in two, each of which keeps its end: there differences are told."""
    if failure.expected is None or failure.got is None:
        return
    expected, got = f"expected {plain(failure.expected)}", f"got {plain(failure.got)}"
    if len(expected) + len(got) + 7 <= width:
        yield f"     {expected}, {got}"
    else:
        yield f"     {_both_ends(expected, width - 5)}"
        yield f"     {_both_ends(got, width - 5)}"


def _both_ends(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width // 3]}…{text[len(text) - (width - width // 3 - 1) :]}"


def _told(causes: int, promises: set[str]) -> str:
    """Say how many causes there seem to be; one defect that gives wrong answers is told in other words by each check."""
    if causes == 1:
        return "1 cause, it seems"
    if len(promises) == 1 and promises != {""}:
        return "1 promise, often of 1 cause; the simplest first"
    few = causes <= _MOST
    return f"{causes:,} causes, it seems; the simplest first" if few else f"{causes:,} causes at most, often one; simplest first"


def _length(failure: Failure | None) -> int:
    return 0 if failure is None else len(failure.steps) + failure.steps_left_out


def _order(cause: _Cause) -> tuple[int, int, int, int]:
    """What is told by an exception or a hint comes first, then what belongs to the first interface, then what needs few steps."""
    failure = cause.simplest.failure
    assert failure is not None
    clear = _CLEAR if failure.traceback or failure.hint or not failure.promise or _HUNG.match(failure.message) else _UNCLEAR
    interface = failure.promise.rpartition(".")[0]
    catalogue = list(INTERFACES)
    rank = catalogue.index(interface) if interface in catalogue else len(catalogue) if failure.promise else -1
    return clear, rank, _length(failure), -len(cause.results)
