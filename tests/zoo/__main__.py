"""The kill table: ``python -m tests.zoo [--json FILE] [--seeds N] [NAME ...]``.

First every mutant against the checks of its promise; then, for those that a listed case caught, again with that case left out
of all gauntlets. A mutant that survives is run against every other check too, to learn whether anything at all catches it.
"""

import argparse
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from .catalogue import MUTANTS
from .kill import SEED, Kill, all_checks, hunt, without

__all__ = ["main"]


def examine(name: str) -> tuple[str, bool, str, str, str, float]:
    """Return (name, caught, how, caught without the trap, promise, seconds) of one mutant."""
    mutant = next(m for m in MUTANTS if m.name == name)
    checks = all_checks()
    started = time.perf_counter()
    first = hunt(mutant, checks)
    if first.caught:
        again = _left_out(first, checks)
    else:
        anywhere = hunt(mutant, checks, anywhere=True)
        again = f"elsewhere: {anywhere.how}" if anywhere.caught else "nowhere"
    return name, first.caught, first.how, again, mutant.promise, time.perf_counter() - started


def _left_out(first: Kill, checks: list) -> str:  # type: ignore[type-arg]
    assert first.result is not None
    if first.result.failure is None or not first.result.failure.arguments:
        return "no trap: any use shows it"
    second = hunt(first.mutant, without(first.result, checks), seed=SEED + 1)
    return second.how if second.caught else "MISSED"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.zoo", description=__doc__)
    parser.add_argument("names", nargs="*", help="mutants to run; all by default")
    arguments = parser.parse_args()
    names = arguments.names or [mutant.name for mutant in MUTANTS]
    rows = []
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        for row in pool.map(examine, names):
            rows.append(row)
            print(f"{'caught' if row[1] else 'MISSED':7} {row[4]:27} {row[0]:44} {row[5]:5.1f} s  {row[2]}", flush=True)
    print("\nwith the case that caught it left out of every gauntlet:")
    for name, caught, _, again, promise, _ in rows:
        print(f"{'-' if not caught else 'MISSED' if again == 'MISSED' else 'caught':7} {promise:27} {name:44} {again}")
    kills = Counter(caught for _, caught, *_ in rows)
    missed = sum(1 for row in rows if row[1] and row[3] == "MISSED")
    total = f"{kills[True]} of {len(rows)} mutants caught by a check that names their promise"
    print(f"\n{total}; {missed} of these hang on one listed case")
    return int(kills[False] > 0)


if __name__ == "__main__":
    sys.exit(main())
