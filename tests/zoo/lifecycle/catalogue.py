"""All lifecycles of the zoo: mutants, which break a promise, and unusual ones, which break none."""

from typing import Any

from prism_testkit.backend import Backend
from tests.zoo.declare import Mutant
from tests.zoo.family import registering

from . import (
    mutants_close,
    mutants_combined,
    mutants_drain,
    mutants_history_worker,
    mutants_holding,
    mutants_independent,
    mutants_ninth_queue_life,
    mutants_open,
    mutants_strangers,
    mutants_tenth_ends,
    unusual,
)
from .holding import Durable, Transactions
from .independent_scopes import Pairs, Waiting, scoped
from .models import KeyValue, PubSub, Queue
from .reference import backend

__all__ = ["MUTANTS", "RIGHT", "UNUSUAL", "prism_register_backends"]

MUTANTS: tuple[Mutant, ...] = (
    *mutants_open.MUTANTS,
    *mutants_close.MUTANTS,
    *mutants_combined.MUTANTS,
    *mutants_drain.MUTANTS,
    *mutants_holding.MUTANTS,
    *mutants_strangers.MUTANTS,
    *mutants_independent.MUTANTS,
    *mutants_ninth_queue_life.MUTANTS,
    *mutants_tenth_ends.MUTANTS,
    *mutants_history_worker.MUTANTS,
)

RIGHT = tuple(
    backend(f"right-{name}", driver)
    for name, driver in (
        ("keys", KeyValue),
        ("queue", Queue),
        ("pubsub", PubSub),
        ("transactions", Transactions),
        ("members", Durable),
    )
)
"""The reference, with each model."""

INDEPENDENT = (scoped("right-queue", Waiting), scoped("right-transactions", Pairs))
"""A lifecycle of another design."""

UNUSUAL: tuple[Backend[Any], ...] = (*RIGHT, *INDEPENDENT, *mutants_history_worker.RIGHT, *unusual.UNUSUAL)

prism_register_backends = registering(MUTANTS, UNUSUAL)
