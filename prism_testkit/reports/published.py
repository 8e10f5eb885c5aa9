"""The published matrix: what several runs showed, as one page of Markdown. Nothing in it is anybody's word but the reports'."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from prism_testkit.interfaces import interface_model
from prism_testkit.outcomes import Outcome
from prism_testkit.reports.matrix import MARKS, NOT_CLAIMED, Cell, Row, backends_of, in_order, matrix, standing
from prism_testkit.results import BackendReport, CheckResult, Report

__all__ = ["page"]

_NOT_RUN = "not run"
_MEANINGS = {
    Outcome.PASSED: "three checks passed",
    Outcome.WAIVED: "three failed as is known, and listed below with the reason and the case that shows it",
    Outcome.INCONCLUSIVE: "in three what was to be judged did not happen",
    Outcome.FAILED: "three failed",
    Outcome.ERROR: "in three the harness or the server broke",
    Outcome.UNAVAILABLE: "for three something could not be had",
}
_MANY = 6
"""So many checks are named at most where one thing is told of more."""

_HEAD = """\
# The matrix

Backends by interfaces, and by patterns: what the shipped suites found, in the runs below. `make matrix` writes this page, by
`prism matrix REPORT...`, from the reports of `--prism-json`; nothing here is written by hand.

"""


@dataclass(frozen=True)
class _Line:
    """One backend, as the report that counts for it has it."""

    backend: BackendReport
    row: Row
    report: Report
    number: int
    """Of the report, as the page numbers them."""

    @property
    def results(self) -> list[CheckResult]:
        return [result for result in self.report.results if self.backend.name in result.backends]

    @property
    def judged(self) -> set[str]:
        """Interfaces and patterns of which there are results."""
        interfaces = {interface for interface, cell in self.row.cells.items() if cell.counts}
        return interfaces | {result.pattern for result in self.results if result.pattern}


def page(reports: Mapping[str, Report]) -> str:
    """Return the page for reports by their names.

    Of a backend that several have, the newest counts, unless it was not available there, or fewer interfaces and patterns were
    judged: who repeats a part of a run replaces none that was whole.
    """
    ordered = sorted(reports.items(), key=lambda named: named[1].started)
    lines, notes = _merged([report for _, report in ordered])
    models = [*_tables(lines)]
    parts = [
        _HEAD + _legend(),
        "## Runs\n\n" + "\n".join([*_runs(ordered), *notes]),
        "## Backends\n\n" + "\n".join(_backends(lines)),
        *models,
        *_patterns(lines),
        *_lists(lines),
    ]
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _merged(reports: Sequence[Report]) -> tuple[list[_Line], list[str]]:
    """Return a line for each backend, and what is to be said of those that are in several reports, the oldest first."""
    found: dict[str, list[_Line]] = {}
    for number, report in enumerate(reports, 1):
        backends = {backend.name: backend for backend in backends_of(report)}
        for row in matrix(report):
            found.setdefault(row.backend, []).append(_Line(backends[row.backend], row, report, number))
    lines, notes = [], []
    for name, several in found.items():
        chosen, why = several[0], ""
        for line in several[1:]:
            if line.row.status != "available":
                why = "it was not available in what is newer"
            elif chosen.row.status == "available" and not line.judged >= chosen.judged:
                why = "less was judged in what is newer"
            else:
                chosen, why = line, "the newer one"
        lines.append(chosen)
        others = ", ".join(str(line.number) for line in several if line is not chosen)
        if others:
            notes.append(f"- `{name}` is of run {chosen.number}, not of {others}: {why}.")
    return sorted(lines, key=lambda line: standing(line.backend)), ["", *notes] if notes else []


def _legend() -> str:
    counted = [f"- `{MARKS[outcome]} 3`: {meaning}" for outcome, meaning in _MEANINGS.items()]
    rest = [
        f"- `{NOT_CLAIMED}`: not claimed",
        f"- `{_NOT_RUN}`: claimed, and no check of it ran",
        "",
        "A check that needs two interfaces counts in both, one of two backends in the row of each.",
    ]
    return "\n".join([*counted, *rest])


def _runs(reports: Sequence[tuple[str, Report]]) -> Iterator[str]:
    yield from _head("run", "begun (UTC)", "level", "seed", "checks", "whole", "on")
    for number, (name, report) in enumerate(reports, 1):
        whole = "yes" if report.complete else "no: it was interrupted, or goes on"
        on = ", ".join(f"{what} {version}" for what, version in report.versions.items())
        yield _row(f"{number}: {name}", report.started, report.level, str(report.seed), _counts(report.counts()), whole, on)


def _backends(lines: list[_Line]) -> Iterator[str]:
    yield from _head("backend", "what it is", "version", "from", "claims beside its interfaces", "run", "checks")
    for line in lines:
        backend = line.backend
        claims = ", ".join(f"{trait}={value}" for trait, value in backend.traits.items())
        checks = _counts(Counter(result.outcome for result in line.results)) or _why_none(backend)
        version = backend.version or ("not told" if backend.origin else "")
        yield _row(f"`{backend.name}`", backend.kind, version, backend.origin, claims, str(line.number), checks)


def _why_none(backend: BackendReport) -> str:
    return f"{backend.status}: {backend.reason}" if backend.status != "available" else _NOT_RUN


def _tables(lines: list[_Line]) -> Iterator[str]:
    seen = {interface for line in lines for interface, cell in line.row.cells.items() if cell.claimed or cell.counts}
    for model, group in groupby(in_order(seen), key=interface_model):
        heads = list(group)
        body = [*_head("backend", *(head.removeprefix(f"{model}_") for head in heads))]
        for line in lines:
            cells = [line.row.cells.get(head, Cell(False, Counter())) for head in heads]
            if any(cell.claimed or cell.counts for cell in cells):
                body.append(_row(f"`{line.backend.name}`", *map(_cell, cells)))
        yield f"## {model}\n\n" + "\n".join(body)


def _cell(cell: Cell) -> str:
    if cell.counts:
        return _counts(cell.counts)
    return NOT_CLAIMED if not cell.claimed else _NOT_RUN if cell.reachable else MARKS[Outcome.UNAVAILABLE]


def _patterns(lines: list[_Line]) -> Iterator[str]:
    """Yield a table for each pattern: what came of it with a backend in each of its slots."""
    names = dict.fromkeys(result.pattern for line in lines for result in line.results if result.pattern)
    for name in names:
        rows: dict[str, dict[str, Counter[Outcome]]] = {}
        for line in lines:
            for result in line.results:
                for slot in _slots(result, line.backend.name) if result.pattern == name else ():
                    rows.setdefault(line.backend.name, {}).setdefault(slot, Counter())[result.outcome] += 1
        slots = list(dict.fromkeys(slot for row in rows.values() for slot in row))
        table = [*_head("backend", *(f"as {slot}" for slot in slots))]
        for backend, row in rows.items():
            table.append(_row(f"`{backend}`", *(_counts(row.get(slot, Counter())) or NOT_CLAIMED for slot in slots)))
        yield f"## {name}\n\nEvery backend that fits one of its slots, though not every combination of them.\n\n" + "\n".join(table)


def _slots(result: CheckResult, backend: str) -> list[str]:
    """Return the slots that a backend fills in a binding such as ``kind:name[queue=sqlite.queue_basic,store=memory...]``."""
    filled = result.binding.removeprefix(result.pattern).removeprefix("[").removesuffix("]")
    pairs = (part.partition("=") for part in filled.split(","))
    return [slot for slot, _, what in pairs if what.rpartition(".")[0] == backend or what == backend]


def _lists(lines: list[_Line]) -> Iterator[str]:
    results = {result.id: result for line in sorted(lines, key=lambda line: line.number) for result in line.results}
    known = "Known failures. Each replays its witness in every run, and fails it when it no longer fails."
    yield from _list("Waivers", known, _waived(results))
    undecided = "What was to be judged did not happen: neither passed nor failed."
    yield from _list("Inconclusive", undecided, _told(results, Outcome.INCONCLUSIVE))
    yield from _list("Unavailable", "", _told(results, Outcome.UNAVAILABLE))
    yield from _list("Failed", "", _told(results, Outcome.FAILED, Outcome.ERROR))
    yield from _list("Not run", "", _not_run(lines))


def _list(title: str, meaning: str, items: Iterable[str]) -> Iterator[str]:
    found = list(items)
    says = "" if not meaning or not found else f"{meaning}\n\n"
    yield f"## {title}\n\n{says}" + ("\n".join(found) or "None.")


def _waived(results: Mapping[str, CheckResult]) -> Iterator[str]:
    waived = [result for result in results.values() if result.outcome is Outcome.WAIVED]
    grouped: dict[tuple[str, str, str], list[CheckResult]] = {}
    for result in waived:
        grouped.setdefault((result.waived_for, result.reason, result.witness), []).append(result)
    for (who, reason, witness), several in sorted(grouped.items()):
        shown = f" Witness: `{witness}`." if witness else ""
        yield f"- `{who or several[0].binding}`: {_prose(reason)}{shown} {_named(several)}"


def _told(results: Mapping[str, CheckResult], *outcomes: Outcome) -> Iterator[str]:
    grouped: dict[str, list[CheckResult]] = {}
    for result in results.values():
        if result.outcome in outcomes:
            failure = result.failure
            why = result.reason or (f"{failure.promise} {failure.message}".strip() if failure is not None else "no reason was told")
            grouped.setdefault(why, []).append(result)
    for why, several in sorted(grouped.items()):
        yield f"- {_prose(why)} {_named(several)}"


def _not_run(lines: list[_Line]) -> Iterator[str]:
    for line in lines:
        if line.row.status != "available":
            yield f"- `{line.backend.name}` was {line.backend.status}: {_prose(line.backend.reason)}"
        for interface, cell in line.row.cells.items():
            if line.row.status == "available" and cell.claimed and not cell.counts:
                yield f"- `{line.backend.name}`: no check of {interface} ran, which it claims."
    reports = {line.number: line.report for line in lines}
    for number, report in sorted(reports.items()):
        yield from (f"- Run {number}: {each.what}: {_prose(each.reason)}" for each in report.not_run)
        if report.unfinished:
            yield f"- Run {number}: {len(report.unfinished)} checks that were to run have no result."


def _named(results: Sequence[CheckResult]) -> str:
    names = sorted(f"`{result.check}[{result.binding}]`" for result in results)
    more = f", and {len(names) - _MANY} more" if len(names) > _MANY else ""
    return f"({', '.join(names[:_MANY])}{more})"


def _counts(counts: Counter[Outcome]) -> str:
    return " ".join(f"{MARKS[outcome]} {counts[outcome]}" for outcome in _MEANINGS if counts[outcome])


def _prose(text: str) -> str:
    """Return a reason as it stands in a line of Markdown: no line breaks, and ended."""
    plain = " ".join(text.split()).replace("<", "&lt;")
    return plain if plain.endswith((".", "!", "?")) else f"{plain}."


def _head(*cells: str) -> Iterator[str]:
    yield _row(*cells)
    yield "|" + "---|" * len(cells)


def _row(*cells: str) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"
