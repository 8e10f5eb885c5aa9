"""How costs grow: with the number of checks, the length of a history and the number of examples. All are to be linear.

    python -m benchmarks.slopes

Each line gives the cost of one at three sizes, and the exponent of the growth from the first to the last: 1.00 if twice as many
take twice as long. All is processor time, and of several runs the quickest counts. What a run costs however small it is, is
measured with almost nothing to do, and left out; and of an example what Hypothesis takes alone. Python's collector, which walks
all that lives now and then, is off while histories are timed, but for one line.
"""

import gc
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import prism_testkit as prism
from benchmarks.per_example import Nothing, bare, connect, ours
from prism_testkit.clock import RealClock
from prism_testkit.engine import EXAMPLES
from prism_testkit.histories import History
from prism_testkit.namespaces import Namespaces, new_run_id
from prism_testkit.registry import Registry
from prism_testkit.reports.steps import steps_of
from prism_testkit.worker import Worker

LIMIT = 1.2
TURNS = 3
CHECKS = (500, 1000, 2000)
EVENTS = (1_000, 10_000, 100_000)
DRAWN = (50, 200, 800)

SUITE = "import prism_testkit as prism\nfrom prism_testkit.interfaces import KeyValueBasic\n\n"
ONE = "@prism.check('keyvalue_basic.1')\nasync def check_{n}(kv: KeyValueBasic) -> None: pass\n"
CONFTEST = """
import prism_testkit as prism
from benchmarks.per_example import Nothing, connect

@prism.hookimpl
def prism_register_backends(registry):
    registry.add(prism.Backend(name="nothing", connect=connect, drivers=[Nothing]))
"""


def checks() -> dict[int, float]:
    """Time whole runs of checks that ask nothing."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "conftest.py").write_text(CONFTEST)
        commands = {}
        for count in (1, *CHECKS):
            (folder / f"test_{count}.py").write_text(SUITE + "".join(ONE.format(n=n) for n in range(count)))
            options = ["-q", "-p", "no:cacheprovider", "-p", "prism_testkit.plugin", "--prism-backend=nothing"]
            commands[str(count)] = ["-m", "pytest", *options, f"test_{count}.py"]
        env = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(Path(__file__).parent.parent)}
        runs = {name: [_processor(command, folder, env) for _ in range(TURNS)] for name, command in commands.items()}
    found = {name: min(taken) for name, taken in runs.items()}
    return {count: (found[str(count)] - found["1"]) / (count - 1) for count in CHECKS}


def _processor(command: Sequence[str], folder: Path, env: Mapping[str, str]) -> float:
    """Return the processor time of a process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *command], cwd=folder, env={**os.environ, **env}, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def history(judge: Callable[[History], object], *, collected: bool = False) -> dict[int, float]:
    """Time what is done with the calls of a history."""

    def once(events: int) -> float:
        record = History(RealClock())
        gc.enable()
        gc.collect()
        if not collected:
            gc.disable()
        started = time.process_time()
        for number in range(events):
            record.respond(record.invoke(number % 3, "get", ("key",), {}), None)
        judge(record)
        taken = time.process_time() - started
        gc.enable()
        return taken

    return {events: min(once(events) for _ in range(TURNS)) / events for events in EVENTS}


def examples() -> dict[int, float]:
    """Time generated examples of one check."""
    registry = Registry(adding="benchmark")
    registry.add(prism.Backend(name="nothing", connect=connect, drivers=[Nothing]))
    with tempfile.TemporaryDirectory() as folder:
        worker = Worker(namespaces=Namespaces(new_run_id(), 1), directory=Path(folder) / "w", state=Path(folder))
        mine: dict[int, list[float]] = {count: [] for count in DRAWN}
        alone: dict[int, list[float]] = {count: [] for count in DRAWN}
        for _ in range(2 * TURNS):
            for count in DRAWN:
                EXAMPLES["standard"] = count
                began = time.process_time()
                ours(worker, registry)
                between = time.process_time()
                bare(count)
                mine[count].append(between - began)
                alone[count].append(time.process_time() - between)
        worker.close()
        return {count: (min(mine[count]) - min(alone[count])) / count for count in DRAWN}


def told(what: str, sizes: Sequence[int], found: dict[int, float]) -> str:
    """Say what one costs at each size, and how the whole grows."""
    first, last = sizes[0], sizes[-1]
    slope = 1 + math.log(found[last] / found[first], last / first)
    costs = ", ".join(f"{size}: {found[size] * 1e6:.1f} us" for size in sizes)
    return f"{what:26} {costs}; slope {slope:.2f}, to stay under {LIMIT}"


def main() -> None:
    print(told("a check", CHECKS, checks()))
    print(told("a call that is recorded", EVENTS, history(len)))
    print(told("the same, collected", EVENTS, history(len, collected=True)))
    print(told("a call that is looked at", EVENTS, history(lambda record: record.entries)))
    print(told("a call of a story", EVENTS, history(lambda record: steps_of(record.entries))))
    print(told("the harness, an example", DRAWN, examples()))


if __name__ == "__main__":
    main()
