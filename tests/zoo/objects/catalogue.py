"""All of the zoo's object storages: mutants, which break a promise, and unusual ones, which break none.

Registering this module (it has the hook) makes every one of them selectable by name; a child process finds them here too.
"""

from typing import Any

from prism_testkit.backend import Backend
from tests.zoo.declare import Mutant
from tests.zoo.family import registering

from . import (
    history,
    independent,
    mutants_buckets,
    mutants_clients,
    mutants_concurrent,
    mutants_conditional,
    mutants_contents,
    mutants_copies,
    mutants_creation,
    mutants_durable,
    mutants_fourteenth,
    mutants_generations,
    mutants_history_again,
    mutants_history_facts,
    mutants_history_listing,
    mutants_history_names,
    mutants_history_races,
    mutants_history_uploads,
    mutants_history_wires,
    mutants_independent,
    mutants_independent_again,
    mutants_independent_ends,
    mutants_independent_tables,
    mutants_interleaved,
    mutants_interrupted,
    mutants_later,
    mutants_listing,
    mutants_many,
    mutants_metadata,
    mutants_names,
    mutants_ninth_pool,
    mutants_ninth_states,
    mutants_puts,
    mutants_reading,
    mutants_refusals,
    mutants_seventeenth,
    mutants_shared_log,
    mutants_sixteenth,
    mutants_strangers,
    mutants_strangers_again,
    mutants_strangers_blind,
    mutants_strangers_more,
    mutants_streams,
    mutants_tenth_again,
    mutants_tenth_last,
    mutants_tenth_pages,
    mutants_tenth_rare,
    mutants_tenth_rules,
    mutants_thirteenth_memory,
    mutants_ttl,
    shared_log,
    tenth_lawyer,
    unusual,
    unusual_timing,
)

__all__ = ["MUTANTS", "UNUSUAL", "WITHOUT_MUTANTS", "prism_register_backends"]

MUTANTS: tuple[Mutant, ...] = (
    *mutants_contents.MUTANTS,
    *mutants_names.MUTANTS,
    *mutants_metadata.MUTANTS,
    *mutants_streams.MUTANTS,
    *mutants_reading.MUTANTS,
    *mutants_listing.MUTANTS,
    *mutants_ttl.MUTANTS,
    *mutants_puts.MUTANTS,
    *mutants_buckets.MUTANTS,
    *mutants_refusals.MUTANTS,
    *mutants_copies.MUTANTS,
    *mutants_clients.MUTANTS,
    *mutants_concurrent.MUTANTS,
    *mutants_conditional.MUTANTS,
    *mutants_creation.MUTANTS,
    *mutants_durable.MUTANTS,
    *mutants_strangers.MUTANTS,
    *mutants_strangers_again.MUTANTS,
    *mutants_strangers_more.MUTANTS,
    *mutants_strangers_blind.MUTANTS,
    *mutants_sixteenth.MUTANTS,
    *mutants_seventeenth.MUTANTS,
    *mutants_later.MUTANTS,
    *mutants_interleaved.MUTANTS,
    *mutants_generations.MUTANTS,
    *mutants_interrupted.MUTANTS,
    *mutants_shared_log.MUTANTS,
    *mutants_many.MUTANTS,
    *mutants_independent.MUTANTS,
    *mutants_independent_again.MUTANTS,
    *mutants_independent_ends.MUTANTS,
    *mutants_independent_tables.MUTANTS,
    *mutants_ninth_pool.MUTANTS,
    *mutants_ninth_states.MUTANTS,
    *mutants_tenth_pages.MUTANTS,
    *mutants_tenth_rules.MUTANTS,
    *mutants_tenth_rare.MUTANTS,
    *mutants_tenth_again.MUTANTS,
    *mutants_tenth_last.MUTANTS,
    *mutants_thirteenth_memory.MUTANTS,
    *mutants_fourteenth.MUTANTS,
    *mutants_history_names.MUTANTS,
    *mutants_history_listing.MUTANTS,
    *mutants_history_uploads.MUTANTS,
    *mutants_history_facts.MUTANTS,
    *mutants_history_races.MUTANTS,
    *mutants_history_again.MUTANTS,
    *mutants_history_wires.MUTANTS,
)

UNUSUAL: tuple[Backend[Any], ...] = (
    *unusual.UNUSUAL,
    *unusual_timing.UNUSUAL,
    *independent.RIGHT,
    shared_log.log_backend("independent-log"),
    *tenth_lawyer.RIGHT,
    *history.RIGHT,
)

WITHOUT_MUTANTS = {"object_storage.20": "a server that goes away and comes back cannot be played by a backend without a server"}
"""Promises that no mutant here breaks, with the reason."""

prism_register_backends = registering(MUTANTS, UNUSUAL)
