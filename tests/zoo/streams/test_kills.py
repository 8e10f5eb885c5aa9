"""Every wrong stream is caught by a check that names its promise; no check fails on a correct but unusual one."""

from collections import Counter, defaultdict

import pytest

from prism_testkit.outcomes import Outcome
from prism_testkit.promises import all_promises
from tests.zoo.declare import Mutant
from tests.zoo.kill import all_checks, hunt, running

from .catalogue import MUTANTS, UNUSUAL, WITHOUT_MUTANTS
from .declare import HOME

CHECKS = [(name, check) for name, check in all_checks() if any(promise.startswith("stream_") for promise in check.promises)]

INTERFACES = ("stream_basic", "stream_consumer_groups", "stream_replay", "stream_retention", "stream_partitioning")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_check_names_the_promise_that_a_wrong_stream_breaks(mutant: Mutant) -> None:
    kill = hunt(mutant, CHECKS)
    assert kill.caught, f"{mutant.name} breaks {mutant.promise} and {kill.how}; trap: {mutant.trap or 'any use'}"


@pytest.mark.parametrize("name", [backend.name for backend in UNUSUAL])
def test_no_check_fails_on_a_correct_but_unusual_stream(name: str) -> None:
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


def test_every_promise_is_broken_in_three_ways_and_exists() -> None:
    every = {promise for promise in all_promises() if promise.rpartition(".")[0] in INTERFACES}
    kinds = defaultdict(set)
    for mutant in MUTANTS:
        kinds[mutant.promise].add(mutant.kind)
        assert {mutant.promise, *mutant.also} <= every
    assert {promise: sorted(kinds[promise]) for promise in every - WITHOUT_MUTANTS.keys() if len(kinds[promise]) < 3} == {}


def test_names_are_used_once() -> None:
    names = Counter(mutant.backends[0].name for mutant in MUTANTS) + Counter(backend.name for backend in UNUSUAL)
    assert [name for name, times in names.items() if times > 1] == []


def test_what_needs_a_kill_claims_to_survive_it() -> None:
    asked = [(mutant.name, mutant.backends[0]) for mutant in MUTANTS if "kill" in mutant.trap or "process dies" in mutant.trap]
    claims = {name: getattr(backend.drivers[0], "traits", None) or backend.traits for name, backend in asked}
    assert [name for name, traits in claims.items() if traits is None or traits.durability != "process"] == []
