"""The passes of an explored check over its own calls: errors, crashes, crashes inside recovery, pairs of faults.

The order is that of what finds most for least: without faults; an error before and after every call; a crash before and after
every call; a crash at a call of the next incarnation; two faults at random, under a schedule at random if the check takes one. The
calls are those of the run without faults, so a pass needs no list of its own, and a fault's address means the same in every run of
a deterministic binding. Until the last pass it is first come, first served.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from prism_testkit.bindings import Binding
from prism_testkit.checks import FAULTS, PLAN, Check, Level
from prism_testkit.faults import CRASHES, ERRORS, Address, Fault, Faults, Plan
from prism_testkit.plan import Plan as Schedule
from prism_testkit.strategies.schedules import plans

__all__ = ["CAPS", "Caps", "caps_of", "explore", "generated", "pairs", "planless"]

Case = Callable[[Plan], Faults | None]
"""Run the check under a plan; return what the tap saw."""


@dataclass(frozen=True, slots=True)
class Caps:
    """How many faults of each pass are tried on a binding; None: all. Where fewer are tried, they are drawn with the run's seed."""

    errors: int | None
    crashes: int | None
    recoveries: int
    pairs: int
    schedules: int
    """Generated cases of a check of a pattern that draws a schedule and is not explored."""
    examples: int
    """Generated cases of any other check of a pattern. A pattern is the same code on every binding, and there are many bindings."""


_EVERYTHING = {
    "memory": Caps(None, None, 200, 300, 300, 300),
    "disk": Caps(None, None, 200, 300, 100, 100),
    "server": Caps(None, None, 40, 0, 50, 100),
}
CAPS: dict[Level, dict[str, Caps]] = {
    "smoke": {"memory": Caps(8, 8, 0, 0, 0, 0), "disk": Caps(4, 4, 0, 0, 0, 0), "server": Caps(2, 2, 0, 0, 0, 0)},
    "standard": {
        "memory": Caps(None, None, 12, 25, 16, 25),
        "disk": Caps(10, 10, 3, 6, 2, 8),
        "server": Caps(8, 8, 2, 0, 2, 8),
    },
    "thorough": _EVERYTHING,
    "soak": _EVERYTHING,
}
"""By level, and by what a case costs: nothing outlives the process, something does, or there is a server."""


_MANY = 5
"""Bindings of one pattern, from which on each draws half as many cases: the pattern is the same code on all of them."""


def caps_of(level: Level, binding: Binding) -> Caps:
    """Return the caps of a binding."""
    caps = _caps_of(level, binding)
    if level != "standard" or binding.siblings < _MANY:
        return caps
    halves = {name: (getattr(caps, name) + 1) // 2 for name in ("recoveries", "pairs", "schedules", "examples")}
    return replace(caps, **halves)


def _caps_of(level: Level, binding: Binding) -> Caps:
    durable = any(candidate.offer.traits.durability != "none" for candidate in binding.slots.values())
    return CAPS[level]["server" if binding.kind == "real" else "disk" if durable else "memory"]


def explore(case: Case, caps: Caps, seed: int) -> list[Address]:
    """Run the passes in order; the first failing case raises. Returns the calls of the run without faults."""
    faults = case(())
    calls = list(faults.passed) if faults is not None else []
    choice = random.Random(seed)
    for kinds, cap in ((ERRORS, caps.errors), (CRASHES, caps.crashes)):
        for fault in _some([(*address, kind) for address in calls for kind in kinds], cap, choice):
            case((fault,))
    for first in _some([(*address, kind) for address in calls for kind in CRASHES], caps.recoveries, choice):
        seen = case((first,))
        recovery = [address for address in (seen.passed if seen is not None else ()) if address[0] > first[0]]
        if recovery:
            case((first, (*choice.choice(recovery), choice.choice(CRASHES))))
    return calls


def _some(faults: Sequence[Fault], cap: int | None, choice: random.Random) -> Iterator[Fault]:
    if cap is None or cap >= len(faults):
        yield from faults
    else:
        yield from (faults[place] for place in sorted(choice.sample(range(len(faults)), cap)))


def pairs(check: Check, calls: Sequence[Address]) -> Check | None:
    """Return the check with up to two faults at random, drawn beside its own data; None if it made no calls."""
    if not calls:
        return None
    fault = st.tuples(st.sampled_from(list(calls)), st.sampled_from(ERRORS + CRASHES)).map(lambda drawn: (*drawn[0], drawn[1]))
    plan = st.lists(fault, max_size=2, unique_by=lambda drawn: drawn[:3]).map(tuple)
    drawn: dict[str, Any] = {**(check.given or {}), FAULTS: plan}
    if PLAN in check.data:
        drawn[PLAN] = plans(steps=max(1, 2 * len(calls)), dense=True)  # each call is two choices
    return replace(check, given=drawn)


def planless(check: Check, faults: Plan) -> Mapping[str, Any]:
    """Return the arguments of a case of an explored check that has faults, and no deviation in its schedule."""
    return {FAULTS: faults, **({PLAN: Schedule()} if PLAN in check.data else {})}


def generated(check: Check, level: Level, binding: Binding, examples: int) -> int:
    """Return how many cases to generate: one of a pattern costs many calls, the more so with a schedule."""
    if check.pattern is None:
        return examples
    caps = caps_of(level, binding)
    return min(examples, caps.schedules if PLAN in (check.given or {}) else caps.examples)
