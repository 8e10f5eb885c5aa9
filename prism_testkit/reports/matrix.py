"""The matrix: backend by interface, computed from the results; a claim without a result is shown as such."""

import textwrap
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from prism_testkit.interfaces import BESIDE, INTERFACES, interface_model
from prism_testkit.outcomes import Outcome
from prism_testkit.reports.text import clip, fit_encoding
from prism_testkit.results import BackendReport, CheckResult, Report

__all__ = ["MARKS", "NOT_CLAIMED", "Cell", "Row", "backends_of", "in_order", "legend", "matrix", "render", "standing"]

MARKS: dict[Outcome, str] = {
    Outcome.FAILED: "✗",
    Outcome.ERROR: "E",
    Outcome.INCONCLUSIVE: "?",
    Outcome.WAIVED: "w",
    Outcome.UNAVAILABLE: "-",
    Outcome.PASSED: "✓",
}
"""The mark of each outcome, worst first: the worst in a cell is what the cell shows."""

NOT_CLAIMED = "·"
NOT_RUN = "0"

_KINDS = ("real server", "embedded", "fake", "unknown")
_SHORT = {"transactional": "tx", "consumer_groups": "groups", "object_storage": "basic"}
_LONGEST_HEAD = 12
_LONGEST_NAME = 24


@dataclass(frozen=True, slots=True)
class Cell:
    """What the checks of one interface came to on one backend."""

    claimed: bool
    counts: Counter[Outcome]
    reachable: bool = True

    @property
    def worst(self) -> Outcome | None:
        """The worst outcome, or None if no check ran."""
        return next((outcome for outcome in MARKS if self.counts[outcome]), None)

    @property
    def text(self) -> str:
        """``✓ 14``: all 14; ``✗ 2/14``: 2 of 14, and nothing worse."""
        worst = self.worst
        if worst is None:
            return NOT_CLAIMED if not self.claimed else NOT_RUN if self.reachable else MARKS[Outcome.UNAVAILABLE]
        total = self.counts.total()
        return f"{MARKS[worst]} {total}" if self.counts[worst] == total else f"{MARKS[worst]} {self.counts[worst]}/{total}"


@dataclass(frozen=True, slots=True)
class Row:
    """One backend. ``cells`` has every interface of the run, in the order of the catalogue."""

    backend: str
    kind: str
    status: Literal["available", "unavailable", "refused"]
    cells: Mapping[str, Cell]

    @property
    def label(self) -> str:
        """The name; a fake is marked, so that nobody takes it for the real thing."""
        return f"{clip(self.backend, _LONGEST_NAME)} (fake)" if self.kind == "fake" else clip(self.backend, _LONGEST_NAME)


def matrix(report: Report) -> list[Row]:
    """Return one row a backend: real servers, embedded ones, fakes, unknown ones, each in the order of the report.

    A check that needs several interfaces counts in the cell of each, a failure in that of the promise that broke, too. On a
    binding of several backends it counts, for each backend, in the interfaces that this backend claims. One of `BESIDE` counts
    alone: its cell sums up all models. No result is left out, not even of a backend the report does not list.
    """
    backends = backends_of(report)
    columns = _columns(report)
    claims = {backend.name: frozenset(backend.interfaces) for backend in backends}
    counts: dict[tuple[str, str], Counter[Outcome]] = {}
    for result in report.results:
        for backend in dict.fromkeys(result.backends):
            for interface in _counted_in(result, claims[backend]):
                counts.setdefault((backend, interface), Counter())[result.outcome] += 1
    return [
        Row(
            backend.name,
            backend.kind,
            backend.status,
            {
                c: Cell(c in claims[backend.name], counts.get((backend.name, c), Counter()), backend.status == "available")
                for c in columns
            },
        )
        for backend in sorted(backends, key=standing)
    ]


def standing(backend: BackendReport) -> int:
    """Return the place of a backend's kind in every list: what says most comes first."""
    return _KINDS.index(backend.kind)


def render(rows: list[Row], width: int = 80, encoding: str | None = "utf-8") -> list[str]:
    """Return the tables as lines of at most ``width`` columns, one table a data model, more where one does not fit.

    A model of which nothing ran, where other checks did, is only named.

    ``encoding`` is the stream's: marks that it lacks become ASCII.
    """
    columns = list(dict.fromkeys(interface for row in rows for interface in row.cells))
    names = max(map(len, [*(row.label for row in rows), *map(interface_model, columns)]), default=0)
    lines: list[str] = []
    idle: list[str] = []
    ran = any(cell.counts for row in rows for cell in row.cells.values())
    for model, grouped in groupby(columns, key=interface_model):
        group = list(grouped)
        if ran and all(row.cells[column].text in (NOT_RUN, NOT_CLAIMED) for row in rows for column in group):
            idle.append(model)
            continue
        for table in _fitting(group, rows, width - names):
            lines += [""] if lines else []
            lines += _table(model, table, rows, names)
    if idle:
        lines += ["", *textwrap.wrap(f"nothing ran of {', '.join(idle)}", width, subsequent_indent="    ")]
    return [fit_encoding(line, encoding) for line in lines]


def legend(rows: list[Row], width: int = 80, encoding: str | None = "utf-8") -> list[str]:
    """Return, in lines of at most ``width`` columns, what the marks in these rows mean; nothing if there are none."""
    found = {cell.text.partition(" ")[0] for row in rows for cell in row.cells.values()}
    meanings = {mark: str(outcome) for outcome, mark in reversed(MARKS.items())}
    meanings |= {NOT_RUN: "claimed, nothing ran", NOT_CLAIMED: "not claimed"}
    lines: list[str] = []
    for mark, meaning in meanings.items():
        part = f"{mark} {meaning}"
        if mark not in found:
            continue
        if lines and len(lines[-1]) + 2 + len(part) <= width:
            lines[-1] += f"  {part}"
        else:
            lines.append(part)
    return [fit_encoding(line, encoding) for line in lines]


def backends_of(report: Report) -> list[BackendReport]:
    """Return the backends of a report, and those that it does not list though it has results of them."""
    found = {backend.name: backend for backend in report.backends}
    for name in (name for result in report.results for name in result.backends):
        found.setdefault(name, BackendReport(name=name, kind="unknown", status="available"))
    return list(found.values())


def in_order(interfaces: Collection[str]) -> list[str]:
    """Return interfaces by data model, each in the order of the catalogue, unknown ones behind."""
    known = [interface for interface in INTERFACES if interface in interfaces]
    return sorted([*known, *sorted(set(interfaces) - set(known))], key=interface_model)


def _columns(report: Report) -> list[str]:
    seen = {interface for result in report.results for interface in result.interfaces}
    seen |= {interface for backend in report.backends for interface in backend.interfaces}
    return in_order(seen)


def _counted_in(result: CheckResult, claims: frozenset[str]) -> Iterable[str]:
    needed = dict.fromkeys(result.interfaces)
    # What is judged beside a data model is not judged of it; one cell has what all the models came to.
    needed = dict.fromkeys(needed.keys() & BESIDE.keys()) or needed
    # A program of all that is offered needs little, and breaks a promise of whatever it met.
    broken = result.failure.promise.rpartition(".")[0] if result.failure is not None else ""
    if broken in claims and BESIDE.keys().isdisjoint({broken, *needed}):
        needed[broken] = None
    return [interface for interface in needed if interface in claims] or needed


def _fitting(columns: list[str], rows: list[Row], room: int) -> Iterator[list[str]]:
    """Split columns into tables, as many in each as fit."""
    table: list[str] = []
    used = 0
    for column in columns:
        needed = _width_of(column, rows) + 2
        if table and used + needed > room:
            yield table
            table, used = [], 0
        table.append(column)
        used += needed
    if table:
        yield table


def _head(interface: str) -> str:
    flavour = interface.removeprefix(interface_model(interface)).lstrip("_") or interface
    return clip(_SHORT.get(flavour, flavour), _LONGEST_HEAD)


def _width_of(column: str, rows: list[Row]) -> int:
    return max(len(_head(column)), *(len(row.cells[column].text) for row in rows))


def _table(model: str, columns: list[str], rows: list[Row], names: int) -> list[str]:
    widths = [_width_of(column, rows) for column in columns]
    lines = [_line(model, (_head(column) for column in columns), names, widths)]
    for row in rows:
        cells = [row.cells[column] for column in columns]
        if row.status != "available" and not any(cell.claimed or cell.counts for cell in row.cells.values()):
            lines.append(_line(row.label, (row.status,), names, [0]))
        else:
            lines.append(_line(row.label, (cell.text for cell in cells), names, widths))
    return lines


def _line(name: str, cells: Iterable[str], names: int, widths: list[int]) -> str:
    padded = (f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))
    return f"{name:<{names}}  {'  '.join(padded)}".rstrip()
