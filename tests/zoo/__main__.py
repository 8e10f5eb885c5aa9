"""The kill table: ``python -m tests.zoo [FAMILY or NAME ...]``; all families by default.

First every mutant against the checks of its promise; then, for those that a listed case caught, again with that case left out
of all gauntlets: names, payloads, numbers and times are listed, but what a program, a plan or Hypothesis drew is not, and a check
without data has no case. A mutant that survives is run against every other check too, to learn whether anything catches it.

``--list`` prints how many mutants break each promise, and of which kinds, and hunts nothing. ``--json FILE`` keeps the rows and
``--from FILE`` prints the tables of such a file again; ``--write`` puts the tables, of the rows of all families, into
``docs/zoo.md`` (between its marks) and ``docs/zoo-kills.md``.
"""

import argparse
import dataclasses
import json
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from prism_testkit.traits import Limits

from .families import families, mutants
from .kill import SEED, Kill, all_checks, hunt, is_listed, without
from .table import Row, by_family, by_promise

__all__ = ["main"]

_DOCS = Path(__file__).parents[2] / "docs"
_MARKS = "<!-- the table of families -->", "<!-- its end -->"


def examine(asked: tuple[str, str]) -> Row:
    """Hunt one mutant, given by family and name, with the trap that catches it and without."""
    family, name = asked
    mutant = next(m for f, m in mutants() if (f, m.name) == asked)
    checks = all_checks()
    if mutant.pattern is not None:  # what is quick comes first: most are caught without a fault or a program
        checks.sort(key=lambda pair: (pair[1].explored, pair[1].given is not None))
    started = time.perf_counter()
    first = hunt(mutant, checks)
    if first.caught:
        again = _left_out(first, checks)
    else:
        anywhere = hunt(mutant, checks, anywhere=True)
        again = f"elsewhere: {anywhere.how}" if anywhere.caught else "nowhere"
    failure = first.result.failure if first.result is not None else None
    return Row(
        family=family,
        name=name,
        promise=mutant.promise,
        kind=mutant.kind,
        kills="kill" in mutant.trap,
        caught=first.caught,
        check=f"{first.result.suite}::{first.result.check}" if first.result is not None else "",
        named=failure.promise if failure is not None else "",
        left_out=again,
        seconds=round(time.perf_counter() - started, 1),
    )


def _listed(choices: list[str]) -> list[Row]:
    """Return rows of what is there, without a hunt."""
    return [
        Row(family, mutant.name, mutant.promise, mutant.kind, "kill" in mutant.trap, False, "", "", "", 0.0)
        for family, mutant in mutants()
        if not choices or family in choices or mutant.name in choices
    ]


def _left_out(first: Kill, checks: list[Any]) -> str:
    assert first.result is not None
    if first.result.failure is None or not first.result.failure.arguments:
        return "nothing to leave out: any use shows it"
    limits: Limits = getattr(first.mutant.backends[0].drivers[0], "limits", first.mutant.backends[0].limits)
    if not is_listed(first.result, checks, limits):
        return "nothing to leave out: its case is drawn, not listed"
    second = hunt(first.mutant, without(first.result, checks), seed=SEED + 1)
    return second.how if second.caught else "MISSED"


def _hunt(choices: list[str], jobs: int) -> list[Row]:
    chosen = [(f, m.name) for f, m in mutants() if not choices or f in choices or m.name in choices]
    rows = []
    with ProcessPoolExecutor(max_workers=jobs) as pool:
        for row in pool.map(examine, chosen):
            rows.append(row)
            told = f"{'caught' if row.caught else 'MISSED':7} {row.promise:27} {row.name:44} {row.seconds:5.1f} s"
            print(f"{told}  {row.check} ({row.named})", flush=True)
    return rows


def _print(rows: list[Row]) -> None:
    print("\nwith the listed case that caught it left out of every gauntlet:")
    for row in rows:
        if not row.left_out.startswith("nothing to"):
            print(
                f"{'-' if not row.caught else 'MISSED' if row.hangs else 'caught':7} {row.promise:27} {row.name:44} {row.left_out}"
            )
    print()
    for line in [*by_family(rows), *by_promise(rows)]:
        print(line)
    kills = Counter(row.caught for row in rows)
    total = f"{kills[True]} of {len(rows)} mutants caught by a check that names their promise"
    print(f"\n{total}; {sum(row.hangs for row in rows)} of these hang on one listed case")


def _write(rows: list[Row]) -> None:
    page = _DOCS / "zoo.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(_MARKS[0])
    after = rest.partition(_MARKS[1])[2]
    page.write_text("\n".join([before + _MARKS[0], "", *by_family(rows), "", _MARKS[1] + after]), encoding="utf-8")
    head = ["# What catches what", "", "Made by `python -m tests.zoo --write`; `docs/zoo.md` says what it means."]
    (_DOCS / "zoo-kills.md").write_text("\n".join([*head, *by_promise(rows), ""]), encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.zoo", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("choices", nargs="*", metavar="FAMILY or NAME", help=f"families ({', '.join(families())}) or mutants")
    parser.add_argument("--list", action="store_true", help="count, and hunt nothing")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the rows")
    parser.add_argument(
        "--from",
        type=Path,
        action="append",
        metavar="FILE",
        dest="sources",
        help="take the rows from there, and hunt nothing; again for more",
    )
    parser.add_argument("--write", action="store_true", help="put the tables into docs/")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    arguments = parser.parse_args()
    known = {*families(), *(mutant.name for _, mutant in mutants())}
    if unknown := [choice for choice in arguments.choices if choice not in known]:
        parser.error(f"neither a family nor a mutant: {', '.join(unknown)}")
    if arguments.list:
        print("\n".join(by_promise(_listed(arguments.choices))))
        return 0
    if arguments.sources is not None:
        rows = [Row(**row) for source in arguments.sources for row in json.loads(source.read_text(encoding="utf-8"))]
    else:
        rows = _hunt(arguments.choices, arguments.jobs)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([dataclasses.asdict(row) for row in rows], indent=0), encoding="utf-8")
    _print(rows)
    if arguments.write:
        if missing := families().keys() - {row.family for row in rows}:
            parser.error(f"--write takes the rows of all families; there are none of {', '.join(sorted(missing))}")
        _write(rows)
    return int(not all(row.caught for row in rows))


if __name__ == "__main__":
    sys.exit(main())
