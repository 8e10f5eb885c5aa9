"""Every wrong publisher is caught by a check that names its promise; no check fails on a correct but unusual one."""

import pytest

from prism_testkit.outcomes import Outcome
from tests.zoo.declare import Mutant
from tests.zoo.kill import all_checks, hunt, running

from .catalogue import MUTANTS, UNUSUAL
from .declare import HOME
from .reference_newer import NewerPubSub

CHECKS = [(name, check) for name, check in all_checks() if any(promise.startswith("pubsub_") for promise in check.promises)]
NEWER = ("pubsub_wildcards.", "pubsub_filtering.", "pubsub_ordering.")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_check_names_the_promise_that_a_wrong_publisher_breaks(mutant: Mutant) -> None:
    kill = hunt(mutant, CHECKS)
    assert kill.caught, f"{mutant.name} breaks {mutant.promise} and {kill.how}; trap: {mutant.trap or 'any use'}"


@pytest.mark.parametrize("name", [backend.name for backend in UNUSUAL])
def test_no_check_fails_on_a_correct_but_unusual_publisher(name: str) -> None:
    backend = next(b for b in UNUSUAL if b.name == name)
    # Those of all interfaces are asked for the newer ones only: for the older two they are the same as the others.
    newer = issubclass(backend.drivers[0], NewerPubSub)  # type: ignore[arg-type]
    with running(backend, home=HOME) as runner:
        wrong = [
            f"{result.id}: {result.outcome}: {result.reason or result.failure}"
            for identifier, check in CHECKS
            if not newer or any(promise.startswith(NEWER) for promise in check.promises)
            for result in runner.run(identifier, check)
            if result.outcome not in (Outcome.PASSED, Outcome.INCONCLUSIVE)
        ]
        problems = runner.close()
    assert not wrong, "\n".join(wrong)
    assert not problems
