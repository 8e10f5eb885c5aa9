"""Runs mutants against checks, as the plugin would, and says which check caught what."""

import importlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prism_testkit.backend import Backend
from prism_testkit.bindings import bindings_for
from prism_testkit.checks import Check
from prism_testkit.engine import Settings, run_check
from prism_testkit.namespaces import Namespaces, new_run_id
from prism_testkit.outcomes import Outcome
from prism_testkit.pattern import Pattern, Suite
from prism_testkit.registry import Registry
from prism_testkit.results import CheckResult
from prism_testkit.suites import suite_modules
from prism_testkit.traits import Limits
from prism_testkit.worker import Worker

from .declare import HOME, Mutant

__all__ = ["Kill", "Runner", "all_checks", "hunt", "is_listed", "running", "without"]

SEED = 20261121


@dataclass(frozen=True)
class Kill:
    """What became of one mutant."""

    mutant: Mutant
    caught: bool
    result: CheckResult | None = None
    tried: int = 0

    @property
    def how(self) -> str:
        if self.result is None or self.result.failure is None:
            return f"survived {self.tried} checks"
        return f"{self.result.suite}::{self.result.check} ({self.result.failure.promise})"


def all_checks() -> list[tuple[str, Check]]:
    """Return (id without brackets, check) of every shipped check, in order."""
    registry = Registry(adding="zoo")
    registry.add(Suite(package="prism_suites"))
    found = []
    for name in suite_modules(registry).values():
        module = importlib.import_module(name)
        found += [
            (f"{name.replace('.', '/')}.py::{thing.name}", thing)
            for thing in vars(module).values()
            if isinstance(thing, Check) and thing.function.__module__ == name
        ]
    return found


class Runner:
    """Runs one backend, or one pattern on backends, against checks, one after another, in a worker of its own.

    ``home`` is the module whose hook registers the backends, in a child process too. ``folder`` is where its files are made.
    """

    def __init__(
        self, *backends: Backend[Any], pattern: Pattern | None = None, home: str = HOME, seed: int = SEED, folder: str | None = None
    ) -> None:
        self.pattern = pattern
        self.settings = Settings(seed=seed, shrink=False)
        self.registry = Registry(adding="zoo", origin=("module", home))
        for backend in backends:
            self.registry.add(backend)
        if pattern is not None:
            self.registry.add(pattern)
        where = folder or ("/dev/shm" if Path("/dev/shm").is_dir() else None)
        self._folder = Path(tempfile.mkdtemp(prefix="prism-zoo-", dir=where))
        self._worker: Worker | None = None

    @property
    def worker(self) -> Worker:
        if self._worker is None:
            self._worker = Worker(
                namespaces=Namespaces(new_run_id(), 0),
                directory=self._folder / "worker",
                state=self._folder / "state",
                origins=self.registry.origins,
                # What hangs is a wrong backend here, and there are many.
                hang_s=15.0,
            )
        return self._worker

    def run(self, identifier: str, check: Check) -> Iterator[CheckResult]:
        """Yield a result for each binding of a check that runs at ``standard``: there a mutant is to be caught."""
        if check.level in ("thorough", "soak") or (check.pattern is None) != (self.pattern is None):
            return
        bindings, _ = bindings_for(check, self.registry, list(self.registry.backends))
        for binding in bindings:
            yield run_check(self.worker, check, binding, f"{identifier}[{binding.name}]", self.settings)

    def close(self) -> list[str]:
        """Close the worker; return what was left behind."""
        problems = []
        if self._worker is not None:
            problems = self._worker.close()
            self._worker.watchdog.close()
            self._worker = None
        shutil.rmtree(self._folder, ignore_errors=True)
        return problems


@contextmanager
def running(*backends: Backend[Any], pattern: Pattern | None = None, home: str = HOME, seed: int = SEED) -> Iterator[Runner]:
    runner = Runner(*backends, pattern=pattern, home=home, seed=seed)
    try:
        yield runner
    finally:
        runner.close()


def _kills(identifier: str) -> bool:
    return "/durability/" in identifier and "_moments" not in identifier


def hunt(mutant: Mutant, checks: Sequence[tuple[str, Check]], *, seed: int = SEED, anywhere: bool = False) -> Kill:
    """Run the checks of a mutant's promise until one names it, or a promise listed beside it.

    ``anywhere``: then every other check as well, accepting any promise, to learn whether it is caught at all.
    """
    accepted = {mutant.promise, *mutant.also}
    own = [(i, c) for i, c in checks if accepted & set(c.promises)]
    # What kills processes comes last; before that the promise that a check names first is its subject, and the programs wait.
    own.sort(
        key=lambda p: (mutant.promise not in p[1].promises, _kills(p[0]), p[1].promises[0] != mutant.promise, "_programs" in p[0])
    )
    rest = [pair for pair in checks if pair not in own] if anywhere else []
    tried = 0
    with running(*mutant.backends, pattern=mutant.pattern, home=mutant.home, seed=seed) as runner:
        for identifier, check in [*own, *rest]:
            for result in runner.run(identifier, check):
                tried += 1
                named = result.failure.promise if result.failure is not None else ""
                if result.outcome is Outcome.FAILED and (anywhere or named in accepted):
                    return Kill(mutant, caught=True, result=result, tried=tried)
    return Kill(mutant, caught=False, tried=tried)


def is_listed(case_of: CheckResult, checks: Sequence[tuple[str, Check]], limits: Limits) -> bool:
    """Say whether the case that made a result is one that a gauntlet lists; if not, it was drawn, or the check has no data."""
    from prism_testkit.reports.text import show

    trap = case_of.failure.arguments if case_of.failure is not None else {}
    gauntlets = [c.gauntlet for i, c in checks if i.endswith(f"/{case_of.suite}.py::{case_of.check}") and c.gauntlet is not None]
    return bool(trap) and any({n: show(v) for n, v in case.items()} == trap for gauntlet in gauntlets for case in gauntlet(limits))


def without(case_of: CheckResult, checks: Sequence[tuple[str, Check]]) -> list[tuple[str, Check]]:
    """Return the checks with the listed case that made a result removed from every gauntlet that holds it."""
    from prism_testkit.reports.text import show

    trap = case_of.failure.arguments if case_of.failure is not None else {}

    def filtered(gauntlet: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def cases(limits: Any) -> Iterator[Any]:
            for arguments in gauntlet(limits):
                if {name: show(value) for name, value in arguments.items()} != trap:
                    yield arguments

        return cases

    return [(i, replace(c, gauntlet=filtered(c.gauntlet)) if c.gauntlet is not None else c) for i, c in checks]
