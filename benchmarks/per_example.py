"""What the harness costs for each generated example: a check on a driver that does nothing, over a bare Hypothesis loop.

    python benchmarks/per_example.py [examples]

Prints microseconds an example for both, and the difference, which is to stay under 100. Both generate the same data in one
process, in turns; the figure is the median of the turns.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

import prism_testkit as prism
from prism_testkit.bindings import bindings_for
from prism_testkit.checks import check
from prism_testkit.engine import EXAMPLES, Settings, run_check
from prism_testkit.interfaces import KeyValueBasic
from prism_testkit.namespaces import Namespaces, new_run_id
from prism_testkit.registry import Registry
from prism_testkit.worker import Worker

TURNS = 7


class Nothing(KeyValueBasic):
    """A driver that does nothing."""

    def __init__(self, client: object, namespace: str) -> None: ...

    async def set(self, key: str, value: Any) -> None: ...

    async def get(self, key: str) -> bytes | None: ...

    async def delete(self, key: str) -> bool:
        return False

    async def exists(self, key: str) -> bool:
        return False


@asynccontextmanager
async def connect(place: prism.Place) -> AsyncIterator[object]:
    yield place.shared


@check("keyvalue_basic.1")
@given(number=st.integers(0, 1000))
async def nothing_is_asked(kv: KeyValueBasic, number: int) -> None:
    await kv.set("a", b"")


def bare(examples: int) -> float:
    @hypothesis.seed(1)
    @hypothesis.settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(number=st.integers(0, 1000))
    def loop(number: int) -> None: ...

    started = time.perf_counter()
    loop()
    return time.perf_counter() - started


def ours(worker: Worker, registry: Registry) -> float:
    bindings, _ = bindings_for(nothing_is_asked, registry, ["nothing"])
    started = time.perf_counter()
    result = run_check(worker, nothing_is_asked, bindings[0], "benchmark", Settings(seed=1))
    assert result.outcome == "passed", result
    return time.perf_counter() - started


def main() -> None:
    examples = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    EXAMPLES["standard"] = examples
    registry = Registry(adding="benchmark")
    registry.add(prism.Backend(name="nothing", connect=connect, drivers=[Nothing]))
    with tempfile.TemporaryDirectory() as folder:
        worker = Worker(namespaces=Namespaces(new_run_id(), 1), directory=Path(folder) / "w", state=Path(folder))
        turns = [(bare(examples), ours(worker, registry)) for _ in range(TURNS)]
        worker.close()
    plain, harness = (statistics.median(turn[i] for turn in turns) / examples * 1e6 for i in (0, 1))
    print(f"bare Hypothesis loop      {plain:8.1f} us an example")
    print(f"a check on a no-op driver {harness:8.1f} us an example")
    print(f"the harness               {harness - plain:8.1f} us an example, to stay under 100")


if __name__ == "__main__":
    main()
