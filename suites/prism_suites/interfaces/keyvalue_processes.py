"""keyvalue_basic and keyvalue_cas from several processes at once: what one of them was told holds for all."""

from random import Random
from typing import Annotated

from prism_suites._processes import PACE_S, PROCESSES, STEPS, perform, seeds, value_of
from prism_suites._racing import judge
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import KeyValueBasic, KeyValueCas
from prism_testkit.killing import Step
from prism_testkit.returned import Returned
from prism_testkit.traits import Limits, Traits

_KEYS = 4
_KINDS = ("set", "set", "get", "get", "get", "delete", "exists")


def _calls(process: int, seed: int, limits: Limits) -> list[Step]:
    """Return calls of every kind, and then rounds in which one sets a key, and all delete it at once."""
    random = Random(f"{seed} {process}")
    plan: list[Step] = []
    for step in range(STEPS // 2):
        kind, key = random.choice(_KINDS), f"k{random.randrange(_KEYS)}"
        plan.append((kind, (key, value_of(process, step, random, limits)) if kind == "set" else (key,)))
    for step in range(STEPS // 2, STEPS):
        key = f"k{step % _KEYS}"
        first: Step = ("set", (key, value_of(process, step, random, limits))) if step % PROCESSES == process else ("exists", (key,))
        plan += [first, ("delete", (key,))]
    return plan


def _swaps(process: int, seed: int, limits: Limits) -> list[Step]:
    """Return reads, each followed by a swap of what it returned: of those that read one value, one swaps it.

    All processes go through the keys in the same order, so that they keep meeting at one.
    """
    random = Random(f"{seed} {process}")
    plan: list[Step] = []
    for step in range(STEPS // 2):
        key, value = f"k{step % _KEYS}", value_of(process, step, random, limits)
        if step < _KEYS or not random.randrange(8):
            plan += [("compare_and_swap", (key, None, value)), ("get", (key,))]
        elif not random.randrange(6):
            plan += [("get", (key,)), ("compare_and_delete", (key, Returned(len(plan))))]
        else:
            plan += [("get", (key,)), ("compare_and_swap", (key, Returned(len(plan)), value))]
    return plan


@check("keyvalue_basic.10")
@gauntlet(seeds)
async def processes_agree_on_an_order(kv: Annotated[KeyValueBasic, Traits(sharing="processes")], case: Case, seed: int) -> None:
    """What three processes are told that read and write the same keys has one order that explains it all (KV-05, KV-56)."""
    perform(case, "keyvalue_basic.10", [_calls(number, seed, case.limits) for number in range(PROCESSES)], pace_s=PACE_S)
    judge(case, "keyvalue_basic.10")


@check("keyvalue_cas.6")
@gauntlet(seeds)
async def of_swaps_by_several_processes_one_succeeds(
    kv: Annotated[KeyValueCas, Traits(sharing="processes")], case: Case, seed: int
) -> None:
    """Of processes that swap the value that all have read one is told yes, and what it wrote is read next."""
    perform(case, "keyvalue_cas.6", [_swaps(number, seed, case.limits) for number in range(PROCESSES)], pace_s=PACE_S)
    judge(case, "keyvalue_cas.6")
