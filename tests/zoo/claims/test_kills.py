"""Every wrong claim check is caught by a check that names its promise; no check fails on a correct stranger's."""

from collections import defaultdict

import pytest

from prism_backends.memory import memory
from prism_testkit.outcomes import Outcome
from prism_testkit.pattern import Pattern
from prism_testkit.promises import all_promises
from tests.zoo.declare import Mutant
from tests.zoo.kill import all_checks, hunt, running

from .catalogue import MUTANTS, UNUSUAL
from .declare import HOME

CHECKS = [(identifier, check) for identifier, check in all_checks() if check.pattern is not None]
# What is quick comes first: most are caught without a fault or a program.
CHECKS.sort(key=lambda pair: (pair[1].explored, pair[1].given is not None))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_check_names_the_promise_that_a_mutant_breaks(mutant: Mutant) -> None:
    kill = hunt(mutant, CHECKS)
    assert kill.caught, f"{mutant.name} breaks {mutant.promise} and {kill.how}; trap: {mutant.trap or 'any use'}"


@pytest.mark.parametrize("pattern", UNUSUAL, ids=lambda pattern: str(pattern.name))
def test_no_check_fails_on_a_correct_but_unusual_claim_check(pattern: Pattern) -> None:
    with running(memory, pattern=pattern, home=HOME) as runner:
        results = [result for identifier, check in CHECKS for result in runner.run(identifier, check)]
        problems = runner.close()
    wrong = [f"{r.id}: {r.outcome}: {r.reason or r.failure}" for r in results if r.outcome not in _RIGHT]
    assert not wrong, "\n".join(wrong)
    assert results
    assert not problems


_RIGHT = (Outcome.PASSED, Outcome.INCONCLUSIVE)


def test_every_promise_is_broken_in_three_ways() -> None:
    kinds: dict[str, set[str]] = defaultdict(set)
    for mutant in MUTANTS:
        kinds[mutant.promise].add(mutant.kind)
    assert {promise: len(found) for promise, found in kinds.items() if len(found) < 3} == {}
    assert kinds.keys() == {f"CC{number}" for number in range(1, 9)}


def test_names_are_unique_and_promises_exist() -> None:
    names = [mutant.name for mutant in MUTANTS]
    assert len(names) == len(set(names))
    known = set(all_promises()) | {f"CC{number}" for number in range(1, 9)}
    assert {promise for mutant in MUTANTS for promise in (mutant.promise, *mutant.also)} <= known
    assert [mutant.name for mutant in MUTANTS if mutant.promise in mutant.also] == []
