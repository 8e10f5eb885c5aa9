"""Objects that several processes write at once: whole ones only, and of those that create one object exactly one is told so."""

from random import Random
from typing import Annotated, Any

from prism_suites._judging import broken
from prism_suites._processes import PACE_S, PROCESSES, STEPS, perform, seeds, value_of
from prism_testkit.case import Case
from prism_testkit.checkers.linearizability import KeyValueModel, check_history, explain, worst
from prism_testkit.checks import check, gauntlet
from prism_testkit.histories import Operation
from prism_testkit.interfaces import ObjectStorage, ObjectStorageConditional
from prism_testkit.killing import Step
from prism_testkit.returned import Told
from prism_testkit.traits import Limits, Traits

_BUCKET = "b"
_KEYS = 4
_KINDS = ("put", "put", "get", "get", "exists")
_AS_KEYS = {"put": "set", "put_if_absent": "compare_and_swap"}
"""What a write of an object is on a key."""


def _steps(process: int, seed: int, limits: Limits) -> list[Step]:
    random = Random(f"{seed} {process}")
    plan: list[Step] = []
    for step in range(STEPS // 2):
        kind, key = random.choice(_KINDS), f"k{random.randrange(_KEYS)}"
        data = (value_of(process, step, random, limits),) if kind in _AS_KEYS else ()
        plan.append((kind, (_BUCKET, key, *data)))
    return plan


def _creations(process: int, limits: Limits) -> list[Step]:
    """Return puts if absent of many keys, in the same order by every process, so that they keep meeting at one."""
    return [("put_if_absent", (_BUCKET, f"k{key}", (b"%d of %d" % (process, key))[: limits.max_payload])) for key in range(STEPS)]


def _operation(call: Told) -> Operation:
    _, key, *data = call.arguments
    arguments: tuple[Any, ...] = (None, *data) if call.op == "put_if_absent" else tuple(data)
    told = None if call.op == "put" else call.result
    return Operation(call.process, _AS_KEYS.get(call.op, call.op), key, arguments, call.call, call.ret, output=told)


def _play(case: Case, promise: str, plans: list[list[Step]], pace_s: float = 0.0) -> None:
    perform(case, promise, [[("create_bucket", (_BUCKET,))]])
    told = perform(case, promise, plans, racing=("get",), pace_s=pace_s)
    keys = sorted({arguments[1] for plan in plans for _, arguments in plan})
    told += perform(case, promise, [[("get", (_BUCKET, key)) for key in keys]])
    verdict = worst(check_history([_operation(call) for call in told], KeyValueModel))
    if verdict.kind == "violation":
        why = explain(verdict, case.history.step)
        broken(promise, f"no order of the calls of {PROCESSES} processes explains what they returned. {why}")
    if verdict.kind == "undecided":
        case.inconclusive(explain(verdict))


@check("object_storage.14", "object_storage.7", "object_storage.16")
@gauntlet(seeds)
async def processes_agree_on_objects(store: Annotated[ObjectStorage, Traits(sharing="processes")], case: Case, seed: int) -> None:
    """What three processes read is what one of them wrote, whole, and the last of it (O-07)."""
    plans = [_steps(number, seed, case.limits) for number in range(PROCESSES)]
    _play(case, "object_storage.14", plans)


@check("object_storage_conditional.2")
async def of_processes_that_create_an_object_one_succeeds(
    store: Annotated[ObjectStorageConditional, Traits(sharing="processes")], case: Case
) -> None:
    """Of processes that put an object if it is absent one is told yes, and its object is what all read."""
    _play(case, "object_storage_conditional.2", [_creations(number, case.limits) for number in range(PROCESSES)], PACE_S)
