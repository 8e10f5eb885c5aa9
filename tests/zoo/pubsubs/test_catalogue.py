"""The catalogue is complete: every promise has mutants of several kinds, and every name is used once."""

from collections import defaultdict

from prism_testkit.interfaces import PubSubBasic, PubSubPersistent
from prism_testkit.promises import promises_of

from .catalogue import MUTANTS, UNUSUAL, WITHOUT_MUTANTS


def test_names_are_used_once() -> None:
    names = [backend.name for mutant in MUTANTS for backend in mutant.backends] + [backend.name for backend in UNUSUAL]
    assert len(set(names)) == len(names)


def test_every_promise_has_mutants_of_three_kinds() -> None:
    kinds = defaultdict(set)
    for mutant in MUTANTS:
        kinds[mutant.promise].add(mutant.kind)
    every = {promise for interface in (PubSubBasic, PubSubPersistent) for promise in promises_of(interface)}
    assert {promise for promise in every if len(kinds[promise]) < 3} == set(WITHOUT_MUTANTS)
    assert set(kinds) <= every
    assert all(promise in every for mutant in MUTANTS for promise in mutant.also)
