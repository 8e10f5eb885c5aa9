"""Every mutant is caught by a check that names its promise; no check fails on a correct but unusual object storage."""

import pytest

from prism_testkit.outcomes import Outcome
from tests.zoo.declare import Mutant
from tests.zoo.kill import all_checks, hunt, running

from .catalogue import MUTANTS, UNUSUAL
from .declare import HOME

CHECKS = [pair for pair in all_checks() if "object_storage" in pair[0] or "lifecycle" in pair[0]]
"""Those of lives, too: a driver of objects may have one."""


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_check_names_the_promise_that_a_mutant_breaks(mutant: Mutant) -> None:
    kill = hunt(mutant, CHECKS)
    assert kill.caught, f"{mutant.name} breaks {mutant.promise} and {kill.how}; trap: {mutant.trap or 'any use'}"


@pytest.mark.parametrize("name", [backend.name for backend in UNUSUAL])
def test_no_check_fails_on_a_correct_but_unusual_object_storage(name: str) -> None:
    backend = next(b for b in UNUSUAL if b.name == name)
    with running(backend, home=HOME) as runner:
        wrong = [
            f"{result.id}: {result.outcome}: {result.reason or result.failure}"
            for identifier, check in CHECKS
            for result in runner.run(identifier, check)
            if result.outcome not in (Outcome.PASSED, Outcome.INCONCLUSIVE)
        ]
        problems = runner.close()
    assert not wrong, "\n".join(wrong)
    assert not problems
