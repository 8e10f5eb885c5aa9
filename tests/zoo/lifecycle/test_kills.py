"""Every mutant is caught by a check that names its promise; no check fails on a correct but unusual driver."""

from collections import Counter, defaultdict

import pytest

from prism_testkit.outcomes import Outcome
from prism_testkit.promises import all_promises
from tests.zoo.declare import Mutant
from tests.zoo.kill import all_checks, hunt, running

from .catalogue import MUTANTS, UNUSUAL
from .declare import HOME

_MODELS = {"KeyValue", "Queue", "PubSub", "Transactions", "Durable"}

CHECKS = [(i, check) for i, check in all_checks() if check.pattern is None and check.promises[0].startswith("lifecycle.")]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_check_names_the_promise_that_a_mutant_breaks(mutant: Mutant) -> None:
    kill = hunt(mutant, CHECKS)
    assert kill.caught, f"{mutant.name} breaks {mutant.promise} and {kill.how}; trap: {mutant.trap or 'any use'}"


@pytest.mark.parametrize("name", [backend.name for backend in UNUSUAL])
def test_no_check_fails_on_a_correct_but_unusual_driver(name: str) -> None:
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


def test_there_are_enough_mutants_of_enough_kinds() -> None:
    kinds: dict[str, set[str]] = defaultdict(set)
    models: Counter[str] = Counter()
    for mutant in MUTANTS:
        kinds[mutant.promise].add(mutant.kind)
        driver = mutant.backends[0].drivers[0]
        models.update(base.__name__ for base in driver.__mro__ if base.__name__ in _MODELS)  # type: ignore[attr-defined]
    promises = {promise for promise in all_promises() if promise.startswith("lifecycle.")}
    assert set(kinds) == promises
    assert min(len(each) for each in kinds.values()) >= 3
    assert len(MUTANTS) == len({mutant.name for mutant in MUTANTS}) >= 12
    assert set(models) == _MODELS
