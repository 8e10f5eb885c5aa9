"""What the suites are known to reach, and the least that a run of them comes to: a fall is told, and fails the run.

A package of suites may have a ``floors.json`` beside its ``__init__.py``, recorded over several seeds on reference backends.
It holds, for each level and backend, how many checks ran and cases there were in each suite, how many cells of the coverage table
were reached in each interface, and which cells every recorded run reached, and not by luck.
"""

import importlib.util
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from prism_testkit.interfaces import interface_model
from prism_testkit.outcomes import Outcome
from prism_testkit.results import Covered, Report

__all__ = ["CASES_MARGIN", "CELLS_MARGIN", "Floors", "Judged", "covered", "dump", "judge", "load", "record"]

CASES_MARGIN = 0.9
CELLS_MARGIN = 0.8
"""Of the least that was recorded. What is drawn anew with every seed comes a little higher or lower, and which kinds of calls
meet on a real server is a matter of its timing too: a floor is to notice that a part of a suite is gone, not which one it was."""
_REFERENCE = {"embedded": "memory", "fake": "memory", "real server": "valkey"}
"""What a backend that was not recorded is compared with, if it runs as many checks of a suite: told, and never a failure, for
what is right may still be asked less."""
_CERTAIN_CALLS = 3
_CERTAIN_RUNS = 4
_ALONE = "memory"
"""Patterns are recorded on this backend alone; with others beside it they reach more."""
_VERDICTS = (Outcome.PASSED, Outcome.INCONCLUSIVE)
Reached = Mapping[str, Mapping[str, Mapping[str, int]]]
"""Who -> interface -> cell -> calls."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Least(_Model):
    """The least that one backend, or pattern, came to at one level."""

    origin: str = Field(default="", description="The module of the backend; another one of that name is none of these")
    suites: dict[str, tuple[int, int]] = Field(default_factory=dict, description="(checks, cases) of each suite; cases 0: open")
    cells: dict[str, int] = Field(default_factory=dict, description="Cells of each interface")


class Floors(_Model):
    """One ``floors.json``."""

    format: Literal["prism-testkit-floors"] = "prism-testkit-floors"
    version: int = 1
    levels: dict[str, dict[str, Least]] = Field(default_factory=dict, description="Level -> backend or kind:name -> least")
    known: dict[str, dict[str, list[str]]] = Field(
        default_factory=dict, description="Backend or kind:name -> interface -> cells that every run at standard reached"
    )


@dataclass
class Judged:
    """What became of floors in one run."""

    falls: list[str] = field(default_factory=list)
    """In words, one a line; each fails the run."""
    missing: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """(who, interface) -> known cells that were not reached."""


def load(packages: Iterable[str]) -> Floors:
    """Return the floors of all packages in one; raise ``ValueError`` naming the file that is none."""
    floors = Floors()
    for package in packages:
        spec = importlib.util.find_spec(package)
        for location in (spec.submodule_search_locations or ()) if spec is not None else ():
            path = Path(location) / "floors.json"
            if path.is_file():
                _merge(floors, _parsed(path))
    return floors


def _parsed(path: Path) -> Floors:
    try:
        return Floors.model_validate_json(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path.parent.name}/floors.json: {error}; record it anew") from error


def _merge(floors: Floors, other: Floors) -> None:
    for level, least in other.levels.items():
        for who, counts in least.items():
            into = floors.levels.setdefault(level, {}).setdefault(who, Least(origin=counts.origin))
            into.suites.update(counts.suites)
            for interface, count in counts.cells.items():
                into.cells[interface] = into.cells.get(interface, 0) + count
    for who, known in other.known.items():
        for interface, cells in known.items():
            floors.known.setdefault(who, {}).setdefault(interface, []).extend(cells)


def covered(reached: Reached, missing: Mapping[tuple[str, str], list[str]]) -> list[Covered]:
    """Return the coverage table as the report has it."""
    return [
        Covered(who=who, interface=interface, cells=dict(sorted(cells.items())), missing=missing.get((who, interface), []))
        for who, of_it in sorted(reached.items())
        for interface, cells in sorted(of_it.items())
    ]


def judge(
    report: Report, reached: Reached, floors: Floors, *, origins: Mapping[str, str], ordinary: set[str], whole: bool
) -> Judged:
    """Hold a run against the floors of its level.

    ``origins``: the module of each backend. ``ordinary``: those with default limits, for others may reach less. ``whole``: all
    checks of the packages were asked for, so that one that is missing is a fall, not a choice.
    """
    judged = Judged()
    levels = floors.levels.get("smoke" if report.level == "smoke" else "standard", {})
    kinds = {backend.name: backend.kind for backend in report.backends if backend.status == "available"}
    counts = _counted(report)
    for who, of_it in sorted(reached.items()):
        own = levels.get(who)
        recorded = own is not None and own.origin == origins.get(who, "")
        reference = who if recorded else _REFERENCE.get(kinds.get(who, ""), "")
        least = levels.get(reference)
        if least is None or not (recorded or who in ordinary) or (_is_pattern(who) and _ALONE not in kinds):
            continue
        falls: list[str] = []
        complete = set(_suites(who, least, counts, falls, recorded and whole))
        for interface, floor in least.cells.items():
            if not all(suite in complete for suite in least.suites if _belongs(suite, interface)):
                continue
            cells = of_it.get(interface, {})
            known = floors.known.get(reference, {}).get(interface, []) if report.level != "smoke" else []
            missing = [cell for cell in known if cell not in cells]
            if missing:
                judged.missing[who, interface] = missing
            if _plain(cells) < floor:
                falls.append(f"{interface} on {who}: {_plain(cells)} kinds of calls, under the floor of {floor}")
        if recorded:
            judged.falls += falls
    return judged


def _suites(who: str, least: Least, counts: "Mapping[tuple[str, str], _Suite]", falls: list[str], strict: bool) -> Iterator[str]:
    """Hold each suite against its floor, adding to ``falls``; yield those that ran whole.

    ``strict``: a check that did not run is a fall.
    """
    for suite, (checks, cases) in least.suites.items():
        ran = counts.get((who, suite), _Suite())
        if ran.other:
            continue
        if ran.checks < checks:
            if strict:
                falls.append(f"{suite} on {who}: {ran.checks} checks ran, under the floor of {checks}")
            continue
        yield suite
        if ran.cases < cases:
            falls.append(f"{suite} on {who}: {ran.cases} cases, under the floor of {cases}")


@dataclass
class _Suite:
    checks: int = 0
    cases: int = 0
    other: bool = False
    """Something of it failed or was waived, so that it is not to be held against a floor."""


def _counted(report: Report) -> dict[tuple[str, str], _Suite]:
    counts: dict[tuple[str, str], _Suite] = {}
    seen: set[tuple[str, str, str]] = set()
    for result in report.results:
        who = result.pattern or result.backends[0]
        suite = counts.setdefault((who, result.suite), _Suite())
        suite.other = suite.other or result.outcome not in _VERDICTS
        suite.cases += result.cases
        if (who, result.suite, result.check) not in seen:
            seen.add((who, result.suite, result.check))
            suite.checks += 1
    return counts


def _belongs(suite: str, interface: str) -> bool:
    kind, colon, _ = interface.partition(":")
    return suite.startswith(f"{kind.replace('-', '_') if colon else interface_model(interface)}_")


def _is_pattern(who: str) -> bool:
    return ":" in who


def _asked(cell: str) -> bool:
    """Say whether a cell is of what was asked; what was answered differs between correct backends."""
    return " -> " not in cell


def _plain(cells: Iterable[str]) -> int:
    """Count the cells of what was asked."""
    return sum(map(_asked, cells))


def record(reports: Sequence[tuple[Mapping[str, Any], Mapping[str, str]]]) -> Floors:
    """Return the floors of several runs: each a JSON report, and the module of each backend. Runs of one level differ in seed."""
    floors = Floors()
    hits: defaultdict[tuple[str, str, str], list[int]] = defaultdict(list)
    runs: Counter[bool] = Counter()
    for data, origins in reports:
        report = Report.model_validate(data)
        of_level = floors.levels.setdefault(report.level, {})
        alone = [backend.name for backend in report.backends] == [_ALONE]
        runs[alone] += report.level != "smoke"
        for (who, suite), ran in _counted(report).items():
            if _is_pattern(who) is not alone:
                continue
            least = of_level.setdefault(who, Least(origin=origins.get(who, "")))
            cases = 0 if alone else int(ran.cases * CASES_MARGIN)
            before = least.suites.get(suite, (ran.checks, cases))
            least.suites[suite] = (min(before[0], ran.checks), min(before[1], cases))
        for each in report.coverage:
            if _is_pattern(each.who) is not alone:
                continue
            count = int(_plain(each.cells) * CELLS_MARGIN)
            cells = of_level[each.who].cells
            cells[each.interface] = min(cells.get(each.interface, count), count)
            if report.level != "smoke":
                for cell, calls in each.cells.items():
                    if _asked(cell):
                        hits[each.who, each.interface, cell].append(calls)
    for (who, interface, cell), calls_of in sorted(hits.items()):
        if len(calls_of) == runs[_is_pattern(who)] and _certain(calls_of):
            floors.known.setdefault(who, {}).setdefault(interface, []).append(cell)
    return floors


def _certain(calls: Sequence[int]) -> bool:
    """Say whether a cell that every run reached is no matter of luck: it has several calls, or the same number in many runs."""
    return min(calls) >= _CERTAIN_CALLS or (len(calls) >= _CERTAIN_RUNS and min(calls) == max(calls))


def dump(floors: Floors) -> str:
    """Return a ``floors.json``: one line a suite and a cell, so that a change of it can be read."""
    return json.dumps(floors.model_dump(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"
