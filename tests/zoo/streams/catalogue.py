"""All streams of the zoo: mutants, which break a promise, and unusual ones, which break none."""

from typing import Any

from prism_testkit.backend import Backend
from tests.zoo.declare import Mutant
from tests.zoo.family import registering

from . import (
    mutants_clients,
    mutants_contents,
    mutants_durable,
    mutants_groups,
    mutants_groups_apart,
    mutants_many,
    mutants_members,
    mutants_offsets,
    mutants_reading,
    mutants_receives,
    mutants_strangers,
    mutants_strangers_again,
    mutants_strangers_more,
    unusual,
)

__all__ = ["MUTANTS", "UNUSUAL", "WITHOUT_MUTANTS", "prism_register_backends"]

MUTANTS: tuple[Mutant, ...] = (
    *mutants_contents.MUTANTS,
    *mutants_reading.MUTANTS,
    *mutants_offsets.MUTANTS,
    *mutants_clients.MUTANTS,
    *mutants_groups.MUTANTS,
    *mutants_groups_apart.MUTANTS,
    *mutants_members.MUTANTS,
    *mutants_receives.MUTANTS,
    *mutants_durable.MUTANTS,
    *mutants_strangers.MUTANTS,
    *mutants_strangers_again.MUTANTS,
    *mutants_strangers_more.MUTANTS,
    *mutants_many.MUTANTS,
)

UNUSUAL: tuple[Backend[Any], ...] = unusual.UNUSUAL

_SERVER = "a server that goes away and comes back cannot be played by a backend without a server"

WITHOUT_MUTANTS = {"stream_basic.16": _SERVER, "stream_consumer_groups.17": _SERVER}
"""Promises that no mutant here breaks, with the reason."""

prism_register_backends = registering(MUTANTS, UNUSUAL)
