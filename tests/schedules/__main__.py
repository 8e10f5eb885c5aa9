"""The table of docs/schedules.md: ``python -m tests.schedules [--seeds N] [--plans N]``.

For each racy program: the choices it has, how many of N evenly drawn plans break it, how many of the seeds found a plan within 300
examples of Hypothesis (with `plans()`, and with the number of its choices given), after how many in the middle, what the shortest
of what they shrank to did, and how often the corrected twin failed under the same plans.
"""

import argparse
import statistics
import sys

from .hunting import EXAMPLES, Found, failing, hunt, random_plans
from .programs_known import KNOWN
from .programs_more import MORE
from .racing import FIFO, Program, play

__all__ = ["main"]


def row(name: str, program: Program, seeds: int, count: int) -> str:
    steps = play(program, FIFO).steps
    broken = failing(program, random_plans(0, count)) / count
    twin = failing(program, random_plans(0, count), correct=True)
    plain = [hunt(program, seed) for seed in range(seeds)]
    told = [hunt(program, seed, steps=steps) for seed in range(seeds)]
    found = [hit for hit in [*plain, *told] if hit is not None]
    smallest = min(found, key=lambda hit: (len(hit.plan.changes), len(hit.plan.priorities), hit.plan.changes), default=None)
    cells = [name, str(steps), f"{broken:.1%}", _summary(plain), _summary(told)]
    cells += [smallest.words if smallest is not None else "not found", f"{twin} of {count}"]
    return f"| {' | '.join(cells)} |"


def _summary(hunts: list[Found | None]) -> str:
    after = [hit.after for hit in hunts if hit is not None]
    return f"{len(after)} of {len(hunts)}" + (f", after {statistics.median_low(after)}" if after else "")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.schedules", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="runs of Hypothesis for each program")
    parser.add_argument("--plans", type=int, default=3000, help="evenly drawn plans for each program and each twin")
    options = parser.parse_args()
    heads = ["program", "choices", "plans that break it", f"found in {EXAMPLES}", "found, choices given", "smallest", "twin failed"]
    write = sys.stdout.write
    write(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}\n")
    for programs in (KNOWN, MORE):
        for name, program in programs.items():
            write(row(name, program, options.seeds, options.plans) + "\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
