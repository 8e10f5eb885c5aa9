"""A step of a program, through tap, history and model, over the same call on the bare driver: to stay within 1.3.

    python -m benchmarks.step

Fifty steps on one namespace, as in the shipped programs, and the same calls on the bare driver in another one, in turns, in one
process and on one virtual loop; the ratio is that of the medians. In memory a call is a few lookups in a dict, and what is
counted, recorded and judged costs more than that: the limit is for a call that costs something, as one of SQLite does, and in
memory the difference counts, in microseconds a step.
"""

import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from prism_backends.memory import memory
from prism_backends.sqlite import sqlite
from prism_suites._keyvalue_judge import Judge
from prism_suites._keyvalue_model import Model
from prism_suites._keyvalue_steps import Actor, operations
from prism_testkit.backend import Backend
from prism_testkit.bindings import bindings_for
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.engine import Settings, run_check
from prism_testkit.interfaces import KeyValueBasic
from prism_testkit.namespaces import Namespaces, new_run_id
from prism_testkit.programs import STEPS, Program, Step
from prism_testkit.registry import Registry
from prism_testkit.worker import Worker

TURNS = 60
LIMIT = 1.3
BACKENDS: tuple[Backend[Any], ...] = (sqlite, memory)

seconds: dict[str, list[float]] = {}


def program(seed: int) -> Program:
    rng = random.Random(seed)
    ops = operations("keyvalue_basic")
    steps = tuple(Step(rng.choice(ops), 0, rng.randrange(8), rng.randrange(8)) for _ in range(STEPS))
    return Program(tuple(f"name {n}" for n in range(5)), tuple(bytes([n]) * 20 * n for n in range(5)), steps)


async def bare(driver: Any, drawn: Program) -> None:
    for step in drawn.steps:
        name = drawn.name(step.name)
        if step.op == "set":
            await driver.set(name, drawn.value(step.value))
        else:
            await getattr(driver, step.op)(name)


@check("keyvalue_basic.1")
async def both_are_timed(kv: KeyValueBasic, case: Case) -> None:
    driver = (await case.sibling())._target
    here = Model(0)
    judge = Judge(here, Model(0))
    for turn in range(TURNS):
        drawn = program(turn)
        started = time.perf_counter()
        for step in drawn.steps:
            await getattr(Actor(case, kv, judge, drawn, kv), f"do_{step.op}")(step)
        between = time.perf_counter()
        await bare(driver, drawn)
        seconds["bare"].append(time.perf_counter() - between)
        seconds["program"].append(between - started)


def main() -> None:
    registry = Registry(adding="benchmark")
    for backend in BACKENDS:
        registry.add(backend)
    with tempfile.TemporaryDirectory() as folder:
        worker = Worker(namespaces=Namespaces(new_run_id(), 1), directory=Path(folder) / "w", state=Path(folder))
        for backend in BACKENDS:
            seconds.update(bare=[], program=[])
            bindings, _ = bindings_for(both_are_timed, registry, [backend.name])
            result = run_check(worker, both_are_timed, bindings[0], "benchmark", Settings())
            assert result.outcome == "passed", result
            plain, ours = (statistics.median(seconds[name]) / STEPS * 1e6 for name in ("bare", "program"))
            limit = f", to stay within {LIMIT}" if backend is sqlite else ""
            said = f"a step of a program {ours - plain:6.2f} us more, {ours / plain:.2f} of bare{limit}"
            print(f"{backend.name:8} bare {plain:7.2f} us a call, {said}")
        worker.close()


if __name__ == "__main__":
    main()
