"""The catalogue is complete: every promise has several mutants, and every name is used once."""

from collections import Counter, defaultdict

from prism_testkit.promises import all_promises

from .catalogue import MUTANTS, UNUSUAL, WITHOUT_MUTANTS


def test_names_are_used_once() -> None:
    names = [backend.name for mutant in MUTANTS for backend in mutant.backends] + [backend.name for backend in UNUSUAL]
    assert len(set(names)) == len(names)


def test_every_promise_has_three_mutants_of_two_kinds() -> None:
    kinds = defaultdict(set)
    counts = Counter(mutant.promise for mutant in MUTANTS)
    for mutant in MUTANTS:
        kinds[mutant.promise].add(mutant.kind)
    every = {promise for promise in all_promises() if promise.startswith("pubsub_")}
    assert {promise for promise in every if len(kinds[promise]) < 2 or counts[promise] < 3} == set(WITHOUT_MUTANTS)
    assert set(kinds) <= every
    assert all(promise in every for mutant in MUTANTS for promise in mutant.also)
