"""A failure that reads like a story: the promise, what broke it, the steps that lead there, and how to see it again."""

import re
import shlex
import shutil
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from prism_testkit.outcomes import Outcome
from prism_testkit.reports.steps import LONGEST_STEP
from prism_testkit.reports.text import clip, plain
from prism_testkit.results import CheckResult, Failure

__all__ = ["Crash", "Told", "tell", "tell_again", "width_of_terminal"]

_WIDTH = 100
_NARROWEST = 72
_INDENT = "  "
_LABEL = 10
_RETURNED = re.compile(r" (?=-> |raises |is cancelled|has not ended)")
"""What came of a call, which stands on a line of its own where a step needs more than one."""
_REMARK = re.compile(r"\((?:overlaps|for) steps? [\d to]+\)")
_HELD = "\N{NO-BREAK SPACE}"
"""Stands for a blank inside of a remark, at which no line is broken."""
_MOST_LINES = 16
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
        parts: list[list[str]] = [_who(result, width), _paragraph(result.reason or "no reason was given", width)]
    else:
        parts = [
            _promise(result, failure, width),
            _who(result, width),
            [*_paragraph(failure.message, width), *_compared(failure, width)],
            _steps(failure, width),
            _labelled_block("with", [_argument(name, value, failure) for name, value in failure.arguments.items()]),
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


def _who(result: CheckResult, width: int) -> list[str]:
    """Name the check, with what it says of itself, and the binding."""
    says = _wrap(plain(result.says), width, " " * (len(_INDENT) + _LABEL), " " * (len(_INDENT) + _LABEL))
    return [_labelled("check", result.id.partition("[")[0]), *says, _labelled("binding", result.binding)]


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
        lines += _in_lines(f"{number:>5}. ", clip(plain(step), LONGEST_STEP), width)
        before = number
    return [f"{_INDENT}steps", *lines] if lines else []


def _in_lines(number: str, step: str, width: int) -> list[str]:
    """Break a step that is too long for a line: before what came of it if that will do, then between its arguments."""
    if len(number) + len(step) <= width:
        return [number + step]
    indent, deeper = " " * (len(number) + 4), " " * (len(number) + 8)
    step = _REMARK.sub(lambda remark: remark[0].replace(" ", _HELD), step)
    call, end = step, ""
    for found in _RETURNED.finditer(step):
        call, end = step[: found.start()], step[found.start() + 1 :]
        if len(number) + len(call) <= width and len(indent) + len(end) <= width:
            break
    lines = textwrap.wrap(call, width, initial_indent=number, subsequent_indent=deeper, break_on_hyphens=False)
    lines += textwrap.wrap(end, width, initial_indent=indent, subsequent_indent=deeper, break_on_hyphens=False)
    return [line.replace(_HELD, " ") for line in lines]


def _labelled_block(label: str, lines: Iterable[str]) -> list[str]:
    block = [f"{_INDENT * 2} {clip(plain(line), 2 * _WIDTH)}" for line in lines]
    return [f"{_INDENT}{label}", *block] if block else []


def _argument(name: str, value: str, failure: Failure) -> str:
    """Tell an argument, and with which other values of it alone the check passed."""
    others = failure.passes_with.get(name, [])
    return f"{name} = {value}" + (f"   (passes with {', '.join(others)})" if others else "")


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
    lines: list[str] = []
    for line in plain(text, keep="\n").splitlines():
        lines += _wrap(line, width, rest=_INDENT * 3 if line[:1] == " " else _INDENT)
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
