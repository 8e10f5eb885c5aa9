"""All families together: every promise is broken in three kinds of ways, every interface in ten, but for listed exceptions."""

from collections import Counter, defaultdict

import pytest

from prism_testkit.pattern import KINDS
from prism_testkit.promises import all_promises

from .families import FIRST_TRY, WITHOUT_FAMILY, families, interface_of, mutants, without_mutants

MUTANTS = list(mutants())
_LETTERS = {kind.promises for kind in KINDS.values() if kind.protocol.__module__.startswith("prism_patterns.")}
PROMISES = {promise for promise in all_promises() if "." in promise or promise.rstrip("0123456789") in _LETTERS}
"""Behind the import of all families: a pattern has promises once its kind is declared. Tests declare kinds of their own."""
EXPECTED = {promise for promise in PROMISES if interface_of(promise) not in WITHOUT_FAMILY} - without_mutants().keys()


def test_there_are_promises_of_interfaces_and_of_patterns() -> None:
    assert {"keyvalue_basic.1", "object_storage_conditional.4", "lifecycle.1", "CC8"} <= EXPECTED


@pytest.mark.parametrize("promise", sorted(EXPECTED))
def test_every_promise_is_broken_in_three_kinds_of_ways(promise: str) -> None:
    kinds = {mutant.kind for _, mutant in MUTANTS if mutant.promise == promise}
    assert len(kinds) >= 3, f"{promise}: {sorted(kinds)}; write others, or list it in WITHOUT_MUTANTS with the reason"


def test_every_interface_is_broken_in_ten_ways() -> None:
    ways = Counter(interface_of(mutant.promise) for _, mutant in MUTANTS)
    expected = {interface_of(promise) for promise in EXPECTED}
    assert {interface: ways[interface] for interface in expected if ways[interface] < 10} == {}


def test_exceptions_are_of_promises_that_exist_and_nothing_breaks() -> None:
    reasons = without_mutants()
    assert reasons.keys() <= PROMISES
    assert WITHOUT_FAMILY.keys() <= {interface_of(promise) for promise in PROMISES}
    assert all([*reasons.values(), *WITHOUT_FAMILY.values()])
    broken = {mutant.promise for _, mutant in MUTANTS}
    assert broken & reasons.keys() == set()
    assert {interface_of(promise) for promise in broken} & WITHOUT_FAMILY.keys() == set()
    assert broken <= PROMISES


def test_names_are_used_once_in_a_family() -> None:
    names = Counter((family, mutant.name) for family, mutant in MUTANTS)
    assert [name for name, times in names.items() if times > 1] == []
    homes = defaultdict(set)
    for family, mutant in MUTANTS:
        homes[family].add(mutant.home)
    assert {family: len(found) for family, found in homes.items() if len(found) > 1} == {}


def test_the_first_try_is_of_families_that_are_there() -> None:
    assert FIRST_TRY.keys() <= families().keys()
    assert all(0 < caught <= of for caught, of in FIRST_TRY.values())
