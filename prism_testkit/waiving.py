"""Waivers at work: a known failure replays its witness, and fails the run when it no longer fails."""

import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
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
    """The waivers of the selected backends and of all patterns, with their witnesses."""

    def __init__(self, registry: Registry, selected: Sequence[str]) -> None:
        self.problems: list[str] = []
        self._waivers: dict[str, list[tuple[Waiver, Witness]]] = {}
        waived = {name: registry.backends[name].waivers for name in selected if name in registry.backends}
        waived |= {name: pattern.waivers for name, pattern in registry.patterns.items()}
        for name, waivers in waived.items():
            for waiver in waivers:
                path = _home(registry.origins[name]) / waiver.witness
                try:
                    self._waivers.setdefault(name, []).append((waiver, Witness.load(path)))
                except WitnessError as error:
                    self.problems.append(f"{_called(name)}: the witness of the waiver for {waiver.promise} cannot be used: {error}")

    def judge(
        self, check: Check, binding: Binding, identifier: str, settings: Settings, run: Callable[[Settings], CheckResult]
    ) -> CheckResult:
        """Run a check, or the witness of a waiver that names it, and turn a known failure into ``waived``."""
        names = [*binding.backends, *([binding.pattern.full_name] if binding.pattern is not None else [])]
        waivers = [(name, *pair) for name in names for pair in self._waivers.get(name, [])]
        named = (identifier.partition("[")[0], binding.name)
        pinned = [(name, waiver, witness) for name, waiver, witness in waivers if (witness.check, witness.binding) == named]
        if pinned and settings.replay is None:
            results = [_judged(name, waiver, witness, check, settings, run) for name, waiver, witness in pinned]
            return next((result for result in results if result.outcome is not Outcome.WAIVED), results[0])
        known = {waiver.promise: (name, waiver) for name, waiver, _ in waivers}
        if known.keys() & set(check.promises):
            settings = replace(settings, shrink=False)
        result = run(settings)
        if result.failure is not None and result.failure.promise in known and settings.replay is None:
            return _waived(*known[result.failure.promise], result)
        return result

    def gone(self, collected: Mapping[str, Collection[str]]) -> Iterator[str]:
        """Say which waivers name a check that is not there any more; ``collected``: the names of the checks of each module."""
        for name, pairs in self._waivers.items():
            for waiver, witness in pairs:
                module, _, check = witness.check.partition("::")
                if module in collected and check not in collected[module]:
                    yield (
                        f"{_called(name)}: the waiver for {waiver.promise} cannot be judged: its witness {waiver.witness} is of "
                        f"{witness.check}, and there is no such check any more; remove the waiver, or keep another witness"
                    )


def _judged(
    name: str, waiver: Waiver, witness: Witness, check: Check, settings: Settings, run: Callable[[Settings], CheckResult]
) -> CheckResult:
    try:
        replay = witness.decoded(check.data)
    except WitnessError as error:
        reason = f"the witness {waiver.witness} of the waiver for {waiver.promise} cannot be used: {error}"
        return run(settings).model_copy(update={"outcome": Outcome.ERROR, "reason": reason})
    return _replayed(name, waiver, run(replace(settings, replay=replay, tries=waiver.tries)))


def _called(name: str) -> str:
    return f"{'pattern' if ':' in name else 'backend'} {name!r}"


def _home(origin: tuple[str, str]) -> Path:
    kind, where = origin
    file = where if kind == "file" else getattr(sys.modules.get(where), "__file__", None) or "."
    return Path(file).parent


def _replayed(name: str, waiver: Waiver, result: CheckResult) -> CheckResult:
    if result.outcome is Outcome.FAILED and result.failure is not None and result.failure.promise == waiver.promise:
        return _waived(name, waiver, result)
    if result.outcome is not Outcome.PASSED:
        return result
    if waiver.tries > 1:
        reason = f"waived for {waiver.promise}, but its witness did not fail within {waiver.tries} tries"
        return result.model_copy(update={"outcome": Outcome.INCONCLUSIVE, "reason": reason})
    stale = Failure(
        promise="",  # none is broken
        promise_text="",
        message=f"the waiver for {waiver.promise} is stale: its witness {waiver.witness} passes now; remove the waiver of "
        f"{_called(name)} ({waiver.kind}: {waiver.reason})",
    )
    return result.model_copy(update={"outcome": Outcome.FAILED, "failure": stale})


def _waived(name: str, waiver: Waiver, result: CheckResult) -> CheckResult:
    link = f" ({waiver.link})" if waiver.link else ""
    reason = f"{waiver.promise} {waiver.kind}: {waiver.reason}{link}"
    return result.model_copy(update={"outcome": Outcome.WAIVED, "reason": reason, "waived_for": name, "witness": waiver.witness})
