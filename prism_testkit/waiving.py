"""Waivers at work: a known failure replays its witness, and fails the run when it no longer fails."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from prism_testkit.bindings import Binding
from prism_testkit.checks import Check
from prism_testkit.engine import Settings
from prism_testkit.outcomes import Outcome
from prism_testkit.registry import Registry
from prism_testkit.results import CheckResult, Failure
from prism_testkit.waivers import Waiver
from prism_testkit.witness import Witness, WitnessError

__all__ = ["Waiving"]


class Waiving:
    """The waivers of the selected backends, with their witnesses."""

    def __init__(self, registry: Registry) -> None:
        self.problems: list[str] = []
        self._waivers: dict[str, list[tuple[Waiver, Witness]]] = {}
        for name, backend in registry.backends.items():
            for waiver in backend.waivers:
                path = _home(registry.origins[name]) / waiver.witness
                try:
                    self._waivers.setdefault(name, []).append((waiver, Witness.load(path)))
                except WitnessError as error:
                    self.problems.append(
                        f"backend {name!r}: the witness of the waiver for {waiver.promise} cannot be used: {error}"
                    )

    def judge(
        self, check: Check, binding: Binding, identifier: str, settings: Settings, run: Callable[[Settings], CheckResult]
    ) -> CheckResult:
        """Run a check, or the witness of a waiver that names it, and turn a known failure into ``waived``."""
        waivers = [pair for name in binding.backends for pair in self._waivers.get(name, [])]
        for waiver, witness in waivers:
            same = (witness.check, witness.binding) == (identifier.partition("[")[0], binding.name)
            if same and settings.replay is None:
                return _replayed(waiver, run(replace(settings, replay=witness.arguments, tries=waiver.tries)))
        known = {waiver.promise: waiver for waiver, _ in waivers}
        if known.keys() & set(check.promises):
            settings = replace(settings, shrink=False)
        result = run(settings)
        if result.failure is not None and result.failure.promise in known and settings.replay is None:
            return _waived(known[result.failure.promise], result)
        return result

    def checks(self) -> set[tuple[str, str]]:
        """Return (backend, id of the check) of every waiver's witness."""
        return {(name, witness.check) for name, pairs in self._waivers.items() for _, witness in pairs}


def _home(origin: tuple[str, str]) -> Path:
    kind, where = origin
    file = where if kind == "file" else getattr(sys.modules.get(where), "__file__", None) or "."
    return Path(file).parent


def _replayed(waiver: Waiver, result: CheckResult) -> CheckResult:
    if result.outcome is Outcome.FAILED and result.failure is not None and result.failure.promise == waiver.promise:
        return _waived(waiver, result)
    if result.outcome is not Outcome.PASSED:
        return result
    if waiver.tries > 1:
        reason = f"waived for {waiver.promise}, but its witness did not fail within {waiver.tries} tries"
        return result.model_copy(update={"outcome": Outcome.INCONCLUSIVE, "reason": reason})
    stale = Failure(
        promise=waiver.promise,
        promise_text="A waiver ends when what it waives no longer fails.",
        message=f"the waiver is stale: its witness {waiver.witness} passes now; remove the waiver ({waiver.kind}: {waiver.reason})",
    )
    return result.model_copy(update={"outcome": Outcome.FAILED, "failure": stale})


def _waived(waiver: Waiver, result: CheckResult) -> CheckResult:
    link = f" ({waiver.link})" if waiver.link else ""
    reason = f"{waiver.promise} {waiver.kind}: {waiver.reason}{link}"
    return result.model_copy(update={"outcome": Outcome.WAIVED, "reason": reason})
