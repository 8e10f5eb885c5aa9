"""pytest's view of checks: a module with a stable id, and one item for each check on each binding."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from prism_testkit.bindings import Binding
from prism_testkit.checks import Check
from prism_testkit.outcomes import Outcome
from prism_testkit.reports.story import tell, tell_again, width_of_terminal
from prism_testkit.results import CheckResult

if TYPE_CHECKING:
    from prism_testkit.acceptance import Acceptance

__all__ = ["CheckItem", "SuiteModule"]


class SuiteModule(pytest.Module):
    """A module of a registered suite: its id begins with its package, wherever it is installed; no ini of the user's hides it."""

    prism_module: str

    @classmethod
    def of(cls, parent: Any, path: Path, module: str) -> "SuiteModule":
        """Make the node of ``module``, a dotted name, found at ``path``."""
        package, _, _ = module.partition(".")
        found: SuiteModule = cls.from_parent(parent, path=path, nodeid=f"{module.replace('.', '/')}.py")
        found.prism_module = module
        found.keywords[package] = True
        return found

    def _getobj(self) -> Any:
        try:
            return importlib.import_module(self.prism_module)
        except Exception as error:
            raise self.CollectError(f"suite {self.prism_module}: {type(error).__name__}: {error}") from error

    def collect(self) -> Iterator["CheckItem"]:
        from prism_testkit.plugin import acceptance_of

        for thing in vars(self.obj).values():
            if isinstance(thing, Check) and thing.function.__module__ == self.prism_module:
                yield from acceptance_of(self.config).items(self, thing)


class CheckFailed(Exception):
    """Carries a failed result to pytest's reporting."""


class CheckBroke(Exception):
    """Carries an ``error`` outcome: the harness or the server broke."""


class CheckItem(pytest.Item):
    """One check on one binding."""

    def __init__(self, *, check: Check, binding: Binding, acceptance: "Acceptance", **rest: Any) -> None:
        super().__init__(**rest)
        self.check = check
        self.binding = binding
        self.acceptance = acceptance
        self.result: CheckResult | None = None
        self.add_marker("prism")
        self.own_markers.extend(getattr(check.function, "pytestmark", ()))
        self.keywords.update(dict.fromkeys([check.name, *check.promises, *binding.backends], True))

    @property
    def identifier(self) -> str:
        """The id without the marks that xdist may add."""
        return self.nodeid

    def runtest(self) -> None:
        self.result = result = self.acceptance.run(self)
        self.user_properties += [("prism_backend", ",".join(result.backends)), ("prism_outcome", result.outcome.value)]
        if result.outcome is Outcome.FAILED:
            raise CheckFailed(result)
        if result.outcome is Outcome.ERROR:
            raise CheckBroke(result)
        if result.outcome is Outcome.WAIVED:
            pytest.xfail(result.reason)
        if result.outcome in (Outcome.INCONCLUSIVE, Outcome.UNAVAILABLE):
            pytest.skip(f"{result.outcome.value}: {result.reason}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, CheckFailed):
            result, seed = excinfo.value.args[0], self.acceptance.options.seed
            first = self.acceptance.told.before(result) if self.config.get_verbosity() <= 0 else None
            width = width_of_terminal()
            return tell(result, seed, width=width) if first is None else tell_again(result, first, width)
        if isinstance(excinfo.value, CheckBroke):
            return f"error: the harness or the server broke, this says nothing about the backend\n{excinfo.value.args[0].reason}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        code = self.check.function.__code__
        return self.path, code.co_firstlineno - 1, self.name
