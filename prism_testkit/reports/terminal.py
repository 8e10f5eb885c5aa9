"""What a run says in a terminal: a header of what runs on what, and a summary at the end.

Nothing here opens a stream: a `Writer` is handed in. pytest's ``TerminalReporter`` is one, and does its own colours;
`StreamWriter` is one for everything else.
"""

import os
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TextIO

from prism_testkit.outcomes import Outcome
from prism_testkit.reports.causes import beginning_lines
from prism_testkit.reports.coverage import coverage_lines
from prism_testkit.reports.matrix import legend, matrix, render, standing
from prism_testkit.reports.patterns import pattern_lines
from prism_testkit.reports.text import clip, fit_encoding, plain
from prism_testkit.results import BackendReport, CheckResult, Report

__all__ = ["StreamWriter", "Writer", "colour_wanted", "header_lines", "write_summary"]

SLOWEST = 5
SLOW_S = 0.5
_FEW = 5
_CODES = {"bold": 1, "red": 31, "green": 32, "yellow": 33}
_Line = tuple[str, str]
"""(text, markup): markup is a name that pytest's terminal writer knows, or empty."""


class Writer(Protocol):
    """Where a summary goes."""

    def write_sep(self, sep: str, title: str | None = None, **markup: bool) -> None:
        """Begin a part of the output with a rule made of ``sep``, the title in its middle."""

    def write_line(self, line: str, **markup: bool) -> None:
        """Write one line; markup is ``red=True`` and the like."""


def colour_wanted(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Say whether a stream is to get colour: a terminal that is not dumb, and no ``NO_COLOR`` (https://no-color.org)."""
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM", "") not in ("", "dumb")


class StreamWriter:
    """A `Writer` over any text stream."""

    def __init__(self, stream: TextIO, *, width: int = 80, colour: bool | None = None) -> None:
        self._stream = stream
        self._width = width
        self._colour = colour_wanted(stream) if colour is None else colour

    def write_sep(self, sep: str, title: str | None = None, **markup: bool) -> None:
        """Write a rule with the title, if any, in its middle."""
        self.write_line((f" {title} " if title else "").center(self._width, sep), **markup)

    def write_line(self, line: str, **markup: bool) -> None:
        """Write one line, with colour if the stream takes it."""
        codes = "".join(f"\x1b[{_CODES[name]}m" for name, on in markup.items() if on) if self._colour else ""
        self._stream.write(f"{codes}{line}\x1b[0m\n" if codes and line else f"{line}\n")


def header_lines(backends: list[BackendReport], level: str, seed: int) -> list[str]:
    """Return what runs on what: one line for the backends that do, and one for each that does not, with its reason."""
    running: dict[str, list[str]] = {}
    for backend in sorted(backends, key=standing):
        if backend.status == "available":
            running.setdefault(_description(backend), []).append(backend.name)
    groups = [f"{', '.join(names)} ({description})" for description, names in running.items()]
    lines = [f"prism: {', '.join(groups) or 'no backend'}; level {level}, seed {seed}"]
    absent = [backend for backend in backends if backend.status != "available"]
    lines += [f"prism: {backend.name} is {backend.status}: {_one_line(backend.reason)}" for backend in absent]
    return [plain(line) for line in lines]


def write_summary(
    writer: Writer,
    report: Report,
    *,
    verbose: bool = False,
    json_path: str = "",
    width: int = 80,
    encoding: str | None = "utf-8",
    stopped: str = "",
) -> None:
    """Write what a run came to: matrix, what is waived or did not run, the slowest, problems, where to begin, seed and level.

    ``verbose`` names every check where otherwise a number stands. ``width`` and ``encoding`` are the terminal's. ``stopped``: the
    option by which the user had the run stop where it did; what did not run is no trouble then.
    """
    writer.write_sep("=", "prism")
    # A run that judged patterns alone has nothing to say of interfaces.
    only_patterns = bool(report.results) and all(result.pattern for result in report.results)
    rows = [] if only_patterns else matrix(report)
    blocks: list[Iterable[_Line]] = [
        [(line, "") for line in render(rows, width, encoding)],
        [(line, "") for line in pattern_lines(report.results, width, encoding)],
        [(line, "") for line in legend(rows, width, encoding)],
        _grouped("waived", _of(report, Outcome.WAIVED), verbose),
        _did_not_run(report, verbose),
        _unheard(report),
        _slowest(report),
        _notes(report, verbose),
        ((line, "") for line in coverage_lines(report.coverage, verbose)),
        _unfinished(report, verbose, stopped),
        _problems(report),
        # People look at the last lines first.
        _beginning(report, width),
        [(_last_line(report), "bold")],
    ]
    written = False
    for block in blocks:
        lines = list(block)
        if written and lines:
            writer.write_line("")
        written = written or bool(lines)
        for line, markup in lines:
            for part in _wrapped(fit_encoding(plain(line), encoding), width):
                writer.write_line(part, **({markup: True} if markup else {}))
    if json_path:
        writer.write_line(fit_encoding(f"report: {plain(json_path)}", encoding))


@dataclass
class _Group:
    """What shares one reason."""

    reason: str
    what: str
    members: list[str] = field(default_factory=list)
    backends: dict[str, None] = field(default_factory=dict)

    def add(self, result: CheckResult) -> None:
        self.members.append(f"{result.check}[{result.binding}]")
        self.backends |= dict.fromkeys(result.backends)


def _description(backend: BackendReport) -> str:
    if backend.kind != "real server":
        return backend.kind
    return ", ".join(part for part in (f"real server {backend.version}".rstrip(), backend.origin) if part)


def _one_line(text: str) -> str:
    return " ".join(text.split()) or "no reason was given"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _wrapped(line: str, width: int) -> list[str]:
    """Break a line that is too long between words, unless it is a command; what follows stands deeper than it began."""
    if len(line) <= width or line.lstrip().startswith("pytest -") or " " not in line.strip():
        return [line]
    indent = " " * (len(line) - len(line.lstrip()) + 4)
    return textwrap.wrap(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _of(report: Report, *outcomes: Outcome) -> list[CheckResult]:
    return [result for result in report.results if result.outcome in outcomes]


def _by_reason(results: list[CheckResult]) -> list[_Group]:
    groups: dict[tuple[str, str], _Group] = {}
    for result in results:
        key = (str(result.outcome), _one_line(result.reason))
        groups.setdefault(key, _Group(key[1], key[0])).add(result)
    return list(groups.values())


def _grouped(title: str, results: list[CheckResult], verbose: bool) -> Iterator[_Line]:
    if results:
        yield f"{title} ({len(results):,})", "yellow"
    for group in _by_reason(results):
        yield from _group_lines(group, "  ", verbose)


def _group_lines(group: _Group, start: str, verbose: bool) -> Iterator[_Line]:
    number = len(group.members)
    who = group.members[0] if number == 1 else f"{_count(number, 'check')} on {', '.join(group.backends)}"
    yield f"{start}{who}: {group.reason}", ""
    if verbose and number > 1:
        yield from ((f"      {member}", "") for member in group.members)


def _beginning(report: Report, width: int) -> Iterator[_Line]:
    for number, line in enumerate(beginning_lines(_of(report, Outcome.FAILED), width)):
        yield line, "" if number else "red"


def _did_not_run(report: Report, verbose: bool) -> Iterator[_Line]:
    """The same reason stands once: results without a verdict, backends that are not here, and what was never started."""
    groups = _by_reason(_of(report, Outcome.INCONCLUSIVE, Outcome.UNAVAILABLE, Outcome.ERROR))
    said = {(name, group.reason) for group in groups for name in group.backends}
    absent = [b for b in report.backends if b.status != "available" and (b.name, _one_line(b.reason)) not in said]
    waiting: dict[str, list[str]] = {}
    for item in report.not_run:
        waiting.setdefault(_one_line(item.reason), []).append(item.what)
    if groups or absent or waiting:
        yield "did not run, or came to no verdict", "yellow"
    for backend in absent:
        yield f"  {backend.status:<14}{backend.name}: {_one_line(backend.reason)}", ""
    for group in groups:
        yield from _group_lines(group, f"  {group.what:<14}", verbose)
    for reason, names in waiting.items():
        yield f"  {'not run':<14}{_several(names, verbose)}: {reason}", ""


def _several(names: list[str], verbose: bool) -> str:
    if verbose or len(names) <= 3:
        return ", ".join(names)
    return f"{len(names):,} ({', '.join(names[:2])}, ...)"


def _problems(report: Report) -> Iterator[_Line]:
    if report.problems:
        yield f"problems ({len(report.problems):,})", "red"
    for problem in report.problems:
        for number, line in enumerate(plain(problem, keep="\n").splitlines()):
            yield ("  " if number == 0 else "    ") + line, "red"


def _unheard(report: Report) -> Iterator[_Line]:
    by_error: dict[tuple[str, str], list[tuple[CheckResult, int]]] = {}
    for result in report.results:
        for error, count in result.unheard.items():
            by_error.setdefault((" and ".join(result.backends), error), []).append((result, count))
    if by_error:
        yield "errors that no call told: raised in the background, while their checks passed", "yellow"
    for (who, error), places in list(by_error.items())[:_FEW]:
        first = places[0][0]
        yield f"  {who}: {_one_line(error)}", ""
        yield f"    {_count(sum(count for _, count in places), 'time')}, first in {first.check}[{first.binding}]", ""
    if len(by_error) > _FEW:
        yield f"  and {len(by_error) - _FEW:,} more; the report has them", ""


def _slowest(report: Report) -> Iterator[_Line]:
    slow = sorted((r for r in report.results if r.duration_s > SLOW_S), key=lambda r: -r.duration_s)[:SLOWEST]
    if slow:
        yield "slowest", ""
    for result in slow:
        yield f"  {result.duration_s:8.2f} s  {clip(f'{result.check}[{result.binding}]', 66)}", ""


def _notes(report: Report, verbose: bool) -> Iterator[_Line]:
    noted = [result for result in report.results if result.notes]
    if not noted:
        return
    number = sum(len(result.notes) for result in noted)
    yield f"{_count(number, 'note')} on {_count(len(noted), 'check')}" + ("" if verbose else "; -v or the report shows them"), ""
    if verbose:
        yield from ((f"  {result.check}[{result.binding}]: {_one_line(note)}", "") for result in noted for note in result.notes)


def _unfinished(report: Report, verbose: bool, stopped: str) -> Iterator[_Line]:
    ids = report.unfinished
    if stopped and ids:
        yield f"stopped by {stopped}: {_count(len(ids), 'check')} did not run", ""
        return
    if ids:
        yield f"unfinished ({len(ids):,}): selected, and no result came", "red"
    shown = ids if verbose else ids[:_FEW]
    yield from ((f"  {identifier}", "") for identifier in shown)
    if len(shown) < len(ids):
        yield f"  and {len(ids) - len(shown):,} more; -v or the report shows them", ""


def _last_line(report: Report) -> str:
    counts = report.counts()
    verdicts = [f"{counts[outcome]:,} {outcome}" for outcome in Outcome if counts[outcome]]
    return f"{', '.join(verdicts) or 'no check ran'}; level {report.level or 'unknown'}, seed {report.seed}"
