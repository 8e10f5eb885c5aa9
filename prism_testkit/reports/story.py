"""A failure that reads like a story: the promise, what broke it, the steps that lead there, and how to see it again."""

import re
import shlex
import shutil
import textwrap
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prism_testkit.case import CLOCK
from prism_testkit.faults import was_injected
from prism_testkit.outcomes import Outcome
from prism_testkit.reports.briefly import briefly
from prism_testkit.reports.text import clip, plain, show
from prism_testkit.results import CheckResult, Failure

if TYPE_CHECKING:
    from prism_testkit.histories import Entry

__all__ = ["Crash", "Told", "steps_of", "tell", "tell_again", "width_of_terminal"]

_WIDTH = 100
_NARROWEST = 72
_STEP = _WIDTH - 8
_STEP_LINES = 2
"""A step takes no more of them."""
_STEP_IN_TWO = 60
"""So much of each line can be counted on, where a step is broken between words on 80 columns."""
_INDENT = "  "
_LABEL = 10
_RETURNED = re.compile(r" (?=-> |raises |never returned)")
_MOST_LINES = 16
_LAST_ALIKE = 3
_RARE = 2
_MOST_VALUES = 6
"""By position; more there are only of deliveries."""
_MUCH = "much fails: it is told whole by this command, and by -v"
_CODES = {"red": "31", "bold": "1", "dim": "2", "cyan": "36"}


@dataclass(frozen=True)
class Crash:
    """Where a check is that failed, and why, in one line: what pytest's summary, JUnit files and annotations show."""

    path: str
    lineno: int
    message: str

    def __str__(self) -> str:
        """Return what ``--tb=line`` shows."""
        return f"{self.path}:{self.lineno}: {self.message}"


class Told:
    """A story as pytest's reports hold one: whole where failures are told, one line where they are listed.

    A plain string would be listed whole by the summary at the end of a run wherever ``CI`` is set.
    """

    def __init__(self, story: str, result: CheckResult, path: str, line: int) -> None:
        said = _said(result, result.failure) if result.failure else result.reason.partition("\n")[0]
        self.reprcrash = Crash(path, line, clip(plain(said), 2 * _WIDTH))
        self._story = story

    def __str__(self) -> str:
        return self._story

    def toterminal(self, out: Any) -> None:
        """Write the story to pytest's terminal."""
        out.line(self._story)


def width_of_terminal() -> int:
    """Return how wide a story is told here: as wide as the terminal, but 72 columns at least and 100 at most, as without one."""
    return min(_WIDTH, max(_NARROWEST, shutil.get_terminal_size((_WIDTH, 24)).columns))


def tell(result: CheckResult, seed: int, colour: bool = False, width: int = _WIDTH) -> str:
    """Return the story of a result that is not a pass, without a final newline.

    Lines are at most ``width`` columns wide, but for paths and the command, which can be copied whole: it is the last line. Colour
    adds ANSI sequences and changes no word. Characters that do not print are escaped, so that data cannot move the cursor.
    """
    failure = result.failure
    if failure is None:
        parts: list[list[str]] = [_who(result), _paragraph(result.reason or "no reason was given", width)]
    else:
        parts = [
            _promise(result, failure, width),
            _who(result),
            [*_paragraph(failure.message, width), *_compared(failure, width)],
            _steps(failure, width),
            _labelled_block("with", [f"{name} = {value}" for name, value in failure.arguments.items()]),
            _labelled_block("where", failure.traceback.splitlines()[-_MOST_LINES:]),
            _circumstances(failure, seed, width),
        ]
    again = "Repeat exactly this case:" if failure is not None and "--prism-replay=" in failure.command else "Run it again:"
    command = _command(result, seed)
    body = "\n\n".join("\n".join(part) for part in [*parts, [_INDENT + again]] if part)
    story = f"{plain(_title(result))}\n{body}\n{_INDENT * 2}{command}"
    return _coloured(story) if colour else story


def tell_again(result: CheckResult, first: str, width: int = _WIDTH) -> str:
    """Return in a few lines what failed of the same cause, it seems, as ``first``, the id of a result that was told whole.

    Without a ``first`` it is of a cause of its own, which is told where it is repeated.
    """
    failure = result.failure
    assert failure is not None
    said = clip(_said(result, failure), 2 * _WIDTH)
    where = f"as in {first.rpartition('::')[2]}, which is told whole; -v tells all so" if first else _MUCH
    return "\n".join([*_wrap(plain(said), width, ""), f"{_INDENT}{plain(where)}", f"{_INDENT * 2}{_command(result, 0)}"])


def steps_of(entries: "Sequence[Entry]", most: int = 20, named: Sequence[object] = ()) -> tuple[list[str], list[int]]:
    """Return the calls of a history in the order in which they began, one line each, and the number of each, from 1.

    Of more than ``most``, calls that repeat what the same client did before and after are left out, then those in the middle: the
    first quarter of ``most`` and the last ones stay, and of the others those that a fault befell, what happened once or twice,
    moves of the clock, and what was done with a text or bytes that the verdict ``named``. A call that was still open when later
    ones began says which, by their numbers.
    """
    if most < 1:
        raise ValueError(f"most={most} must be at least 1")
    kept = list(range(len(entries)))
    if len(entries) > most:
        about = _about(entries, named)
        kept = sorted({*_telling(entries), *about})
        kept = kept if len(kept) <= most else _ends_and_rare(entries, kept, most, about)
    began = [entry.call for entry in entries]
    return [_step(entries[index], _overlap(entries[index], index, began)) for index in kept], [index + 1 for index in kept]


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


def _about(entries: "Sequence[Entry]", named: Sequence[object]) -> set[int]:
    """Return the calls that were given one of the texts or bytes that are ``named``; none if they are many."""
    wanted = {value for value in named if type(value) in (str, bytes)}
    about = {
        index
        for index, entry in enumerate(entries)
        if any(type(value) in (str, bytes) and value in wanted for value in (*entry.args, *entry.kwargs.values()))
    }
    return about if len(about) <= 2 * _RARE else set()


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


def _step(entry: "Entry", overlap: str) -> str:
    if entry.op == "advance" and entry.client == CLOCK:
        moved = f"clock +{show(entry.args[0]).removesuffix('.0')} s"
        return moved if entry.returned and entry.error is None else moved + _end(entry, 24)
    for width, room in ((48, _STEP), (24, _STEP), (48, _STEP_LINES * _STEP_IN_TWO), (24, _STEP_LINES * _STEP_IN_TWO)):
        call = f"{_who_called(entry)}: {entry.op}({_call_arguments(entry, width)})"
        end = _end(entry, width) + overlap
        if len(call) + len(end) <= room:
            return call + end
    # What came back says more than the rest of what was sent.
    end = clip(end.removesuffix(overlap), room // 2) + overlap
    return clip(call, room - len(end)) + end


def _who_called(entry: "Entry") -> str:
    """Return the client's label; by default a client of another namespace has a negative number and is a sibling."""
    if entry.client < 0 and entry.label == f"client {entry.client}":
        return f"sibling {-entry.client}"
    return plain(entry.label)


def _call_arguments(entry: "Entry", width: int) -> str:
    values = entry.args
    positional = [briefly(value, width) for value in (values if len(values) <= _MOST_VALUES else (values[0], values[-1]))]
    if len(values) > _MOST_VALUES:
        positional.insert(1, f"… {len(values) - 2:,} more")
    return ", ".join([*positional, *(f"{name}={briefly(value, width)}" for name, value in entry.kwargs.items())])


def _end(entry: "Entry", width: int) -> str:
    if not entry.returned:
        return " never returned"
    if was_injected(entry.error):  # the operation stands before it, what the caller cannot know behind
        return f" raises {type(entry.error).__name__}({str(entry.error).partition(': ')[2].partition(', ')[0]})"
    if entry.error is not None:
        return f" raises {show(entry.error, width)}"
    return f" -> {briefly(entry.result, width)}"


def _title(result: CheckResult) -> str:
    failure = result.failure
    if failure is not None and failure.promise:
        waived = f", which is waived: {result.reason}" if result.outcome is Outcome.WAIVED else ""
        return f"{result.binding} breaks {failure.promise}{waived}"
    return f"{result.binding}: {result.check}: {result.outcome}"


def _said(result: CheckResult, failure: Failure) -> str:
    return f"{_title(result)}: {' '.join(failure.message.split())}"


def _promise(result: CheckResult, failure: Failure, width: int) -> list[str]:
    if not failure.promise:
        return [f"{_INDENT}It judges {plain(', '.join(result.promises))}."] if result.promises else []
    # Promises are written in docstrings; the double backquotes are not part of their words.
    return _wrap(f'"{plain(failure.promise_text)}"'.replace("``", "`"), width) if failure.promise_text else []


def _who(result: CheckResult) -> list[str]:
    return [_labelled("check", result.id.partition("[")[0]), _labelled("binding", result.binding)]


def _labelled(label: str, text: str) -> str:
    return f"{_INDENT}{label:{_LABEL}}{plain(text)}"


def _compared(failure: Failure, width: int) -> Iterator[str]:
    for label, value in (("expected", failure.expected), ("got", failure.got)):
        if value is not None:
            yield from _wrap(plain(value), width, f"{_INDENT}{label:{_LABEL}}", " " * (len(_INDENT) + _LABEL))
    if failure.hint:
        yield from _wrap(plain(failure.hint), width, f"{_INDENT}{'hint':{_LABEL}}", " " * (len(_INDENT) + _LABEL))


def _steps(failure: Failure, width: int) -> list[str]:
    numbers = failure.step_numbers or [*range(1, len(failure.steps) + 1)]
    lines: list[str] = []
    before = 0
    for number, step in zip(numbers, failure.steps, strict=False):
        left_out = number - before - 1
        if left_out > 0:
            lines.append(f"       ({left_out:,} {'step' if left_out == 1 else 'steps'} left out)")
        lines += _in_two(f"{number:>5}. ", clip(plain(step), _STEP_LINES * _STEP), width)
        before = number
    return [f"{_INDENT}steps", *lines] if lines else []


def _in_two(number: str, step: str, width: int) -> list[str]:
    """Break a step that is too long for a line, where it returned if that will do, and cut what is too long for two."""
    if len(number) + len(step) <= width:
        return [number + step]
    indent = " " * (len(number) + 4)
    for found in _RETURNED.finditer(step):
        call, end = step[: found.start()], step[found.start() + 1 :]
        if len(number) + len(call) <= width and len(indent) + len(end) <= width:
            return [number + call, indent + end]
    first = width - len(number)
    return [number + step[:first], indent + clip(step[first:], width - len(indent))]


def _labelled_block(label: str, lines: Iterable[str]) -> list[str]:
    block = [f"{_INDENT * 2} {clip(plain(line), 2 * _WIDTH)}" for line in lines]
    return [f"{_INDENT}{label}", *block] if block else []


def _circumstances(failure: Failure, seed: int, width: int) -> list[str]:
    before = failure.cases_before
    passed = {0: "The first case failed", 1: "1 case passed before this one"}.get(
        before, f"{before:,} cases passed before this one"
    )
    lines = _wrap(f"{passed} (seed {seed}).", width)
    if failure.flaky:
        lines += _wrap(f"Flaky: {plain(failure.flaky)}", width)
    if failure.witness:
        lines.append(f"{_INDENT}The case is in {plain(failure.witness)}")
    return lines


def _command(result: CheckResult, seed: int) -> str:
    if result.failure is not None and result.failure.command:
        return plain(result.failure.command)
    return f"pytest --prism-backend={','.join(result.backends)} --prism-seed={seed} {shlex.quote(plain(result.id))}"


def _paragraph(text: str, width: int) -> list[str]:
    """Wrap a message that may have lines of its own; a page of it is cut."""
    lines = [wrapped for line in plain(text, keep="\n").splitlines() for wrapped in _wrap(line, width)]
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES - 1], f"{_INDENT}({len(lines) - _MOST_LINES + 1:,} lines left out)"]
    return lines


def _wrap(text: str, width: int, first: str = _INDENT, rest: str = _INDENT) -> list[str]:
    return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)


def _coloured(story: str) -> str:
    lines = story.split("\n")
    headings = {f"{_INDENT}{word}" for word in ("steps", "with", "where")}
    painted = [_paint(lines[0], "red", "bold")]
    painted += [_paint(line, "dim") if line in headings else line for line in lines[1:-1]]
    return "\n".join([*painted, _paint(lines[-1], "cyan")])


def _paint(line: str, *styles: str) -> str:
    return "".join(f"\x1b[{_CODES[style]}m" for style in styles) + line + "\x1b[0m"
