"""What only another order of calls shows is found by plans, told as a preemption, and never seen in a twin without the race."""

from dataclasses import replace

import pytest

from prism_backends.memory import memory
from prism_testkit.checks import PLAN, Check
from prism_testkit.engine import Settings
from prism_testkit.outcomes import Outcome
from prism_testkit.pattern import Pattern
from tests.zoo.declare import Mutant, words
from tests.zoo.kill import all_checks, hunt, running

from .declare import HOME
from .mutants_races import MUTANTS, TWINS

CHECKS = [(identifier, check) for identifier, check in all_checks() if check.pattern is not None and PLAN in check.data]
HIDDEN = {
    "counts_acks_in_one_object",
    "lists_claims_before_markers",
    "leaves_a_sweep_to_whoever_sweeps",
    "takes_a_closed_one_for_a_refusal",
}
"""Right as long as calls come first come, first served, also where they overlap."""


def unplanned(check: Check) -> Check:
    return check if check.explored else replace(check, given=None)


@pytest.mark.parametrize("mutant", [m for m in MUTANTS if m.name in HIDDEN], ids=lambda mutant: mutant.name)
def test_some_races_are_found_by_plans_alone(mutant: Mutant) -> None:
    first_come = [(identifier, unplanned(check)) for identifier, check in CHECKS if not check.explored]
    assert not hunt(mutant, first_come, anywhere=True).caught
    assert hunt(mutant, CHECKS).caught


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: words(twin.__name__))
def test_a_twin_without_the_race_never_fails(twin: type) -> None:
    with running(memory, pattern=Pattern(kind="claim-check", name="twin", implementation=twin), home=HOME) as runner:
        results = [result for identifier, check in CHECKS for result in runner.run(identifier, check)]
    assert [f"{r.id}: {r.failure}" for r in results if r.outcome not in (Outcome.PASSED, Outcome.INCONCLUSIVE)] == []
    assert sum(result.outcome is Outcome.PASSED for result in results) >= 8


def test_a_race_is_told_as_a_preemption() -> None:
    (mutant,) = [mutant for mutant in MUTANTS if mutant.name == "takes_a_closed_one_for_a_refusal"]
    ((identifier, check),) = [pair for pair in CHECKS if pair[1].name == "a_close_beside_calls_loses_nothing"]
    with running(memory, pattern=mutant.pattern, home=HOME) as runner:
        runner.settings = Settings(seed=runner.settings.seed)
        (result, *_) = [result for result in runner.run(identifier, check) if result.outcome is Outcome.FAILED]
    assert result.failure is not None
    told = result.failure.arguments["plan"]
    assert told.startswith("one preemption at step "), told
    assert "waits" in told


def test_every_race_has_a_twin() -> None:
    assert len(TWINS) == len(MUTANTS)
    assert {mutant.name for mutant in MUTANTS} > HIDDEN
