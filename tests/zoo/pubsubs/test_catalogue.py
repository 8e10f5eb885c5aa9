"""The catalogue is complete: every promise has several mutants, and every name is used once."""

from prism_testkit.promises import all_promises

from .catalogue import MUTANTS, UNUSUAL


def test_names_are_used_once() -> None:
    names = [backend.name for mutant in MUTANTS for backend in mutant.backends] + [backend.name for backend in UNUSUAL]
    assert len(set(names)) == len(names)


def test_mutants_break_promises_of_the_family() -> None:
    every = {promise for promise in all_promises() if promise.startswith("pubsub_")}
    assert {promise for mutant in MUTANTS for promise in (mutant.promise, *mutant.also)} <= every
