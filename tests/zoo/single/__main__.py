"""``python -m tests.zoo.single MODULE``: change one place at a time, and run the checks of the family over each changed driver.

First all checks run over the module as it is, with probes: they must pass, and from then on a change is asked only of those that
run the statement it stands in, the quickest first, until one fails. A line for each change says who caught it, and which promise
that named; what survived is to be read: it keeps the contract, or a check is missing.

``MODULE`` is one of a shipped driver that needs no server (prism_backends.memory.queue), of the claim check (prism_patterns...), or
of a right but unusual driver of the zoo (tests.zoo.queues.independent_sql). ``--json`` appends to a file; what it has is not tried
again. ``--again`` asks what was not caught in such a file of more checks: those that take longer, or that kill processes.
"""

import argparse
import gc
import itertools
import json
import math
import sys
import time
from argparse import RawTextHelpFormatter
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.zoo.kill import all_checks

from .change import Change
from .changes import drawn, probed
from .trying import Subject, Tried, checks_of, family_of, is_elsewhere, source_of, tried

__all__ = ["asked_of", "main"]


def asked_of(change: Change, base: Tried, quick_s: float = math.inf) -> list[str]:
    """Return the checks that run what is changed, the quickest first, those in other processes last; none that took longer."""

    def runs(identifier: str) -> bool:
        lines = base.reached[identifier]
        some = lines is None or change.statements is None or not change.statements.isdisjoint(lines)
        return some and base.spent[identifier] <= quick_s

    return sorted(filter(runs, base.spent), key=lambda each: (base.reached[each] is None, base.spent[each]))


def _examined(subject: Subject, change: Change, base: Tried, quick_s: float, limit_s: float) -> dict[str, Any]:
    checks = asked_of(change, base, quick_s)
    reached = any(base.reached[each] is not None for each in checks)
    found = tried(subject, change.text, checks=checks, limit_s=limit_s) if checks else Tried(outcome="survived")
    if found.outcome == "survived" and not reached:
        found.outcome = "not reached"
    return {
        "module": subject.module,
        "driver": base.driver,
        "line": change.line,
        "what": change.what,
        "outcome": found.outcome,
        "check": found.check,
        "promise": found.promise,
        "said": found.said[:400],
        "checks": len(checks),
        "seconds": found.seconds,
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.zoo.single", description=__doc__, formatter_class=RawTextHelpFormatter)
    add = parser.add_argument
    add("module", metavar="MODULE")
    add(
        "--driver",
        default="",
        help="the unusual driver, or shipped backend, by name; else the first that has a class of the module",
    )
    add("--family", default="", help="whose checks; else by the module's name")
    add("--share", type=float, default=0.1, help="of all changes (0.1)")
    add("--count", type=int, default=0, help="so many, instead of a share")
    add("--only", default="", help="only changes whose description has this")
    add("--here", action="store_true", help="only checks that run in this process: none that kills another")
    add("--quick", type=float, default=math.inf, metavar="SECONDS", help="only checks that take no longer over the driver as it is")
    add("--seed", type=int, default=1)
    add("--jobs", type=int, default=1)
    add("--limit", type=float, default=300.0, metavar="SECONDS", help="for one change; what takes longer hangs (300)")
    add("--json", type=Path, metavar="FILE", help="append a line for each change")
    add("--again", type=Path, metavar="FILE", help="only what survived, hung or was not reached in this file, whatever is drawn")
    add("--base", type=Path, metavar="FILE", help="keep here who reaches what, or read it if it was kept of the same text")
    add("--list", action="store_true", help="print the changes, and run nothing")
    arguments = parser.parse_args()
    text = source_of(arguments.module)
    chosen = drawn(text, arguments.seed, arguments.only)
    if arguments.again:
        rows = map(json.loads, arguments.again.read_text(encoding="utf-8").splitlines())
        left = {(row["line"], row["what"]) for row in rows if row["module"] == arguments.module and row["outcome"] != "caught"}
        changes = [change for change in chosen if (change.line, change.what) in left]
    elif arguments.count:
        changes = list(itertools.islice(chosen, arguments.count))
    else:
        every = list(chosen)
        changes = every[: max(1, round(len(every) * arguments.share))]
    if arguments.list:
        for change in changes:
            print(f"{change.line:4} {change.what}")
        return 0
    family = arguments.family or family_of(arguments.module)
    if not family:
        parser.error(f"say whose checks judge {arguments.module}: --family")
    subject = Subject(module=arguments.module, family=family, driver=arguments.driver)
    all_checks()  # imported once, for all children
    gc.freeze()
    started = time.monotonic()
    base = _base(subject, text, arguments)
    if base.outcome != "survived":
        print(f"unchanged, {base.driver or arguments.module} is {base.outcome}: {base.check} ({base.promise}): {base.said}")
        return 1
    print(f"{base.driver}: {len(base.spent)} checks pass in {time.monotonic() - started:.0f} s; {len(changes)} changes", flush=True)
    return _campaign(subject, changes, base, arguments)


def _base(subject: Subject, text: str, arguments: argparse.Namespace) -> Tried:
    kept: Path | None = arguments.base
    if kept is not None and kept.exists():
        about, known = json.loads(kept.read_text(encoding="utf-8"))
        if about == [subject.module, text, arguments.here]:
            return Tried(**known)
        if about == [subject.module, text, True]:  # what kills others reaches nothing here: it need not run to be known
            base = Tried(**known)
            for identifier in checks_of(subject.family):
                if is_elsewhere(identifier):
                    base.spent[identifier], base.reached[identifier] = math.inf, None
            return base
    base = tried(subject, probed(text), here=arguments.here, limit_s=3600.0)
    if kept is not None and base.outcome == "survived":
        kept.write_text(json.dumps([[subject.module, text, arguments.here], asdict(base)]), encoding="utf-8")
    return base


def _campaign(subject: Subject, changes: list[Change], base: Tried, arguments: argparse.Namespace) -> int:
    done = set()
    if arguments.json is not None and arguments.json.exists():
        rows = map(json.loads, arguments.json.read_text(encoding="utf-8").splitlines())
        done = {(row["module"], row["line"], row["what"]) for row in rows}
    left = [change for change in changes if (subject.module, change.line, change.what) not in done]
    outcomes: Counter[str] = Counter()
    with ThreadPoolExecutor(max_workers=arguments.jobs) as pool:
        for row in pool.map(lambda change: _examined(subject, change, base, arguments.quick, arguments.limit), left):
            outcomes[row["outcome"]] += 1
            print(
                f"{row['outcome']:11} {row['line']:4} {row['what']}  {row['check']} {row['promise']}  {row['seconds']} s",
                flush=True,
            )
            if arguments.json is not None:
                with arguments.json.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
    print(", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
