"""The calls of a history, one line each, as the story of a failure tells them: who called what, what came of it, and when."""

import asyncio
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations, islice
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING

from prism_testkit.asides import WRITER, Said
from prism_testkit.case import CLOCK
from prism_testkit.faults import was_injected
from prism_testkit.histories import VERDICT
from prism_testkit.reports.briefly import briefly
from prism_testkit.reports.text import clip, plain, show

if TYPE_CHECKING:
    from types import FrameType

    from prism_testkit.histories import Entry

__all__ = ["A_WHILE_S", "LONGEST_STEP", "steps_of"]

_LINE = 92
"""What fits on one line of 100 columns, behind its number."""
LONGEST_STEP = 240
"""What fits on four lines of 80 columns: no step is longer."""
_MANY_S = 1e6
_HARNESS = Path(__file__).parents[1]
_TAP = _HARNESS / "tap.py"
_NOT_THEIRS = (_HARNESS, Path(asyncio.__file__).parent)
_LAST_ALIKE = 3
_RARE = 2
_LAST_ASKED = 6
_FEW_ASKED = 8
_SMALL_GAP = 2
_MANY_ABOUT = 16
_MOST_VALUES = 6
"""By position; more there are only of deliveries."""
A_WHILE_S = 0.1
"""What takes less is not said to have taken time."""
_TO_THE_MICROSECOND = 1e-6
"""Seconds since the epoch are no more exact as a float."""


def steps_of(
    entries: "Sequence[Entry]", most: int = 20, named: Sequence[object] = (), least_s: float = A_WHILE_S
) -> tuple[list[str], list[int]]:
    """Return the calls of a history in the order in which they began, one line each, and the number of each, from 1.

    Of more than ``most``, calls that repeat what the same client did before and after are left out, then those in the middle: the
    first quarter of ``most`` and the last ones stay, and of the others those that a fault befell, what happened once or twice,
    moves of the clock, and what was done with a text or bytes that the verdict ``named``. Asides stay beside those (`_beside`),
    and so do one or two steps between two that stay. A call that was still open when later ones began says which, by their numbers.
    Time that passed is told from ``least_s`` on, in a call or before it; of several contexts that a client had open at once, which
    one a call was made in; and of several things that a pattern was asked at once, for which it made a call. That contexts are left
    at last, because the check has given its verdict, is no part of the story.
    """
    while entries and entries[-1].left_by == VERDICT and entries[-1].returned and entries[-1].error is None:
        entries = entries[:-1]
    if most < 1:
        raise ValueError(f"most={most} must be at least 1")
    kept = list(range(len(entries)))
    if len(entries) > most:
        about = _about(entries, named)
        kept = sorted({*_telling(entries), *about})
        kept = kept if len(kept) <= most else sorted({*_ends_and_rare(entries, kept, most, about), *about, *_beside(entries)})
        kept = _without_small_gaps(kept, len(entries))
    began = [entry.call for entry in entries]
    several, asked = _numbered(entries), _at_once(entries)
    steps: list[str] = []
    latest = float("inf")
    for place, index in enumerate(kept):
        entry = entries[index]
        latest = max((_known_s(entries[before], entry) for before in kept[:place]), default=latest)
        later = _passed(entry.called_s - latest, least_s)
        waited = _passed((entry.returned_s or entry.called_s) - entry.called_s, least_s)
        took = f" after {waited}" if waited and entry.client != CLOCK else ""
        took += asked.get(entry.asked, "") if entry.asked is not None else ""
        steps.append(_step(entry, f"({later} later) " if later else "", took + _overlap(entry, index, began), several))
    return steps, [index + 1 for index in kept]


def _at_once(entries: "Sequence[Entry]") -> dict[int, str]:
    """Return for which step of its user a pattern made a call, by the number of what was asked, where two were asked at once."""
    asides = [(index, entry) for index, entry in enumerate(entries, 1) if entry.aside and entry.client != WRITER]
    found: dict[int, str] = {}
    latest: tuple[float, int, int] = (float("-inf"), 0, 0)
    for index, entry in asides:
        end = float("inf") if entry.ret is None else entry.ret
        if entry.call < latest[0]:
            found |= {entry.call: f" (for step {index})", latest[1]: f" (for step {latest[2]})"}
        latest = max(latest, (end, entry.call, index))
    return found


def _known_s(before: "Entry", entry: "Entry") -> float:
    """Return what time it is known to have been when ``entry`` began, from a call that began before it."""
    ended = before.ret is not None and before.ret < entry.call and before.returned_s is not None
    return before.returned_s if ended and before.returned_s is not None else before.called_s


def _passed(seconds: float, least_s: float) -> str:
    """Say how much time passed, to the millisecond; nothing if it was less than ``least_s``."""
    if not least_s - _TO_THE_MICROSECOND <= seconds < float("inf"):
        return ""
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + " s"


def _numbered(entries: "Sequence[Entry]") -> dict[int, str]:
    """Return how contexts are told apart, by the number of the call that entered each: `` #1``, `` #2``.

    Only those of which one client had two open at once: of several transactions one after another no step can be taken for
    one of another's.
    """
    # That a user left what a pattern gave him passes no tap: he was in it at his last call there at least.
    last = [entry for entry in entries if entry.within is not None and (entry.aside or entry.op.endswith(".exit"))]
    left = {entry.within: entry.call for entry in last}
    inside = {entry.within for entry in entries if entry.within is not None}
    groups: dict[tuple[int, str], list[Entry]] = {}
    for entry in entries:
        if entry.call in inside:
            groups.setdefault((entry.client, entry.op), []).append(entry)
    names: dict[int, str] = {}
    for group in groups.values():
        ends = [left.get(entry.call, float("inf")) for entry in group]
        if any(following.call < end for following, end in zip(group[1:], ends, strict=False)):
            names |= {entry.call: f" #{number}" for number, entry in enumerate(group, 1)}
    return names


def _telling(entries: "Sequence[Entry]") -> list[int]:
    """Return which entries stay if of each run of one client's same calls the first and the last three do."""
    kept: list[int] = []
    alike = [(entry.client, entry.op, type(entry.error)) for entry in entries]
    begin = 0
    for index in range(1, len(entries) + 1):
        if index == len(entries) or alike[index] != alike[begin]:
            kept += [begin, *range(max(begin + 1, index - _LAST_ALIKE), index)]
            begin = index
    return kept


def _beside(entries: "Sequence[Entry]") -> list[int]:
    """Return the asides that stay: what was asked of a pattern a few times or at last, and the last calls of whoever was killed."""
    asked = [index for index, entry in enumerate(entries) if entry.aside and entry.client != WRITER]
    times = Counter(entries[index].op for index in asked)
    few = [index for index in asked[:-_LAST_ASKED] if times[entries[index].op] <= 2 * _RARE]
    killed = [
        index
        for index, entry in enumerate(entries)
        if entry.client == WRITER and any(other.client != WRITER for other in entries[index + 1 : index + 1 + _LAST_ALIKE])
    ]
    return [*few[-_FEW_ASKED:], *asked[-_LAST_ASKED:], *killed]


def _without_small_gaps(kept: Sequence[int], count: int) -> list[int]:
    """Return what is kept and what is missing between, where that is no more than two steps: they tell more than their number."""
    told: list[int] = []
    for index, following in zip(kept, [*kept[1:], count], strict=True):
        told += range(index, following if following - index - 1 <= _SMALL_GAP else index + 1)
    return told


def _about(entries: "Sequence[Entry]", named: Sequence[object]) -> set[int]:
    """Return the calls that were given one of the texts or bytes that are ``named``, alone or in a list, or one of the last call's.

    Of what many calls were given none are. Names of what was entered are those of the calls within. What a process did that was
    killed comes first, with what it did with the results.
    """
    entered = {entry.call: entry for entry in entries}
    last = next((entry for entry in reversed(entries) if not entry.aside), None)
    around = [last, entered.get(last.within)] if last is not None and last.within is not None else [last]
    if last is None:
        return set()
    of_last = [value for entry in around if entry is not None for value in _texts(entry.args)]
    wanted = {*_texts(named), *of_last}
    by_value: dict[object, list[int]] = {}
    for index, entry in enumerate(entries):
        of_both = sorted(wanted & {*_texts([*entry.args, *entry.kwargs.values()])}, key=repr)
        for value in (*of_both, *combinations(of_both[:_MOST_VALUES], 2)):  # where a stream is used often, its group may not be
            by_value.setdefault(value, []).append(index)
    about: set[int] = set()
    for found in sorted(by_value.values(), key=len):
        killed = [index for index in found if entries[index].client == WRITER]
        others = [index for index in found if entries[index].client != WRITER]
        told = {*killed[-2 * _RARE :], *others[: max(_RARE, 2 * _RARE - len(killed))]}
        if len(found) <= _MANY_ABOUT and len(about | told) <= _MANY_ABOUT:
            about |= told
    return about | {
        index
        for number in [number for number in about if entries[number].client == WRITER]
        for index, entry in enumerate(entries[number + 1 : number + 1 + _MANY_ABOUT], number + 1)
        if any(type(value) is Said and str(value) == f"<what its call {number + 1} returned>" for value in entry.args)
    }


def _texts(values: Iterable[object]) -> Iterator[object]:
    for value in values:
        yield from (
            _texts(islice(value, _RARE)) if isinstance(value, list | tuple) else [value] if type(value) in (str, bytes) else []
        )


def _ends_and_rare(entries: "Sequence[Entry]", kept: list[int], most: int, about: set[int]) -> list[int]:
    """Return ``most`` of what is kept: the first quarter, up to a quarter that faults befell or is rare, and the last.

    Of what is rare the nearest to the end stay. A fault is what the rest of the story follows from, so it comes before them.
    """
    first = quarter = most // 4
    times = Counter(entry.op for entry in entries if entry.client != CLOCK)
    middle = kept[first : len(kept) - (most - first)]
    rare = [index for index in middle if times[entries[index].op] <= _RARE or index in about]
    struck = [index for index in middle if was_injected(entries[index].error)][:quarter]
    rare = [index for index in rare if index not in struck]
    rare = sorted([*struck, *rare[max(0, len(rare) - (quarter - len(struck))) :]])
    return [*kept[:first], *rare, *kept[len(kept) - (most - first - len(rare)) :]]


def _overlap(entry: "Entry", index: int, began: Sequence[int]) -> str:
    last = index if entry.ret is None else bisect_left(began, entry.ret) - 1
    if last <= index:
        return ""
    return f" (overlaps step {last + 1})" if last == index + 1 else f" (overlaps steps {index + 2} to {last + 1})"


def _step(entry: "Entry", later: str, behind: str, several: Mapping[int, str]) -> str:
    if entry.op == "advance" and entry.client == CLOCK:
        moved = f"clock +{_seconds(entry.args[0])} s"
        return moved if entry.returned and entry.error is None else moved + _end(entry, 24)
    entered = several.get(entry.call, "")
    op = entry.op
    if entry.within is not None and entry.within in several:
        context, dot, method = op.rpartition(".")
        op = f"{context}{several[entry.within].strip()}{dot}{method}"
    call = end = ""
    for width, most in ((48, _LINE), (24, _LINE), (48, 2 * _LINE), (24, LONGEST_STEP)):
        call = f"{later}{plain(entry.label)}: {op}({_call_arguments(entry, width)})"
        end = _end(entry, width)
        end = (f"{end[:-1]}{entered}>" if end.endswith(">") else end + entered) + behind
        if len(call) + len(end) <= most:
            return call + end
    # What came back says more than the rest of what was sent.
    end = clip(end.removesuffix(behind), LONGEST_STEP // 2 - len(behind)) + behind
    return clip(call, LONGEST_STEP - len(end)) + end


def _seconds(given: object) -> str:
    """Show seconds without what a sum of floats leaves behind the microsecond."""
    return show(round(given, 6) if isinstance(given, float) and given < _MANY_S else given).removesuffix(".0")


def _call_arguments(entry: "Entry", width: int) -> str:
    values = entry.args
    if entry.left_by and entry.left_by != VERDICT:
        return f"by {entry.left_by}"
    positional = [briefly(value, width) for value in (values if len(values) <= _MOST_VALUES else (values[0], values[-1]))]
    if len(values) > _MOST_VALUES:
        positional.insert(1, f"… {len(values) - 2:,} more")
    return ", ".join([*positional, *(f"{name}={briefly(value, width)}" for name, value in entry.kwargs.items())])


def _end(entry: "Entry", width: int) -> str:
    if not entry.returned:
        return " has not ended"
    if was_injected(entry.error):  # the operation stands before it, what the caller cannot know behind
        return f" raises {type(entry.error).__name__}({str(entry.error).partition(': ')[2].partition(', ')[0]})"
    if isinstance(entry.error, asyncio.CancelledError):
        return f" is cancelled{_waited_at(entry.error)}"
    if entry.error is not None:
        return f" raises {show(entry.error, width)}"
    return f" -> {briefly(entry.result, width)}"


def _waited_at(error: BaseException) -> str:
    """Say at which line of the driver a call waited that was cancelled, and from which that was reached, if it had come so far."""
    walked = [(frame, line) for frame, line in walk_tb(error.__traceback__) if not _is_of_a_suite(frame)]
    frames = [(Path(frame.f_code.co_filename), line) for frame, line in walked]
    entered = max((place for place, (path, _) in enumerate(frames) if path == _TAP), default=len(frames))
    theirs = [f"{path.name}:{line}" for path, line in frames[entered + 1 :] if not any(map(path.is_relative_to, _NOT_THEIRS))]
    return f" at {' > '.join(theirs[-2:])}" if theirs else ""


def _is_of_a_suite(frame: "FrameType") -> bool:
    """Say whether a line is of the suites that are shipped, which cancel calls by objects of their own."""
    return str(frame.f_globals.get("__name__", "")).startswith("prism_suites.")
