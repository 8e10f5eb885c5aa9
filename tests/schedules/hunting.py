"""How soon Hypothesis finds a plan that breaks a program, and what it shrinks to."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random

import hypothesis
from hypothesis import HealthCheck, Phase, Verbosity

from prism_testkit.plan import MOST_CHANGES, MOST_PRIORITIES, Plan
from prism_testkit.strategies.schedules import plans

from .racing import Program, Race, play

__all__ = ["EXAMPLES", "Found", "failing", "hunt", "random_plans"]

EXAMPLES = 300


@dataclass(frozen=True)
class Found:
    """The smallest failing plan, how many plans were tried before one failed, and seconds with shrinking."""

    plan: Plan
    after: int
    seconds: float
    words: str


def hunt(program: Program, seed: int, examples: int = EXAMPLES, steps: int = 60) -> Found | None:
    """Look for a plan that breaks ``program``; None if there is none among so many examples.

    ``steps`` as for `plans`: among how many choices the change points are.
    """
    tried = first = 0
    smallest = Plan()

    def one(plan: Plan) -> None:
        nonlocal tried, first, smallest
        tried += 1
        race = play(program, plan).race
        if race is not None:
            first = first or tried
            smallest = plan
            raise race

    settings = hypothesis.settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
        report_multiple_bugs=False,
        print_blob=False,
        derandomize=False,
    )
    started = time.perf_counter()
    try:
        settings(hypothesis.seed(seed)(hypothesis.given(plans(steps))(one)))()
    except Race:
        return Found(smallest, first, time.perf_counter() - started, play(program, smallest).words)
    return None


def failing(program: Program, tried: Iterable[Plan], *, correct: bool = False) -> int:
    """Count the plans that break a program."""
    return sum(play(program, plan, correct=correct).race is not None for plan in tried)


def random_plans(seed: int, count: int) -> Iterator[Plan]:
    """Draw plans as evenly as can be: how often one of them breaks a program says how wide its window is."""
    random = Random(seed)
    for _ in range(count):
        priorities = [random.randrange(MOST_PRIORITIES) for _ in range(random.randint(0, 4))]
        changes = {random.randint(1, 60): random.randrange(MOST_CHANGES) for _ in range(random.randint(0, MOST_CHANGES))}
        yield Plan(tuple(priorities), tuple(changes.items()))
