"""All topics of the zoo: mutants, which break a promise, and unusual ones, which break none."""

from typing import Any

from prism_testkit.backend import Backend
from tests.zoo.declare import Mutant
from tests.zoo.family import registering

from . import (
    history_declare,
    independent_parts,
    mutants_cancelled,
    mutants_contents,
    mutants_durable_acks,
    mutants_durable_contents,
    mutants_durable_members,
    mutants_durable_names,
    mutants_durable_stale,
    mutants_durable_waiting,
    mutants_fan_out,
    mutants_filtering,
    mutants_filtering_values,
    mutants_filtering_waiting,
    mutants_history_clients,
    mutants_history_durable,
    mutants_history_frames,
    mutants_history_hearing,
    mutants_history_keys,
    mutants_history_trees,
    mutants_independent_again,
    mutants_independent_keys,
    mutants_independent_killed,
    mutants_independent_last,
    mutants_independent_ledger,
    mutants_independent_post,
    mutants_independent_shelf,
    mutants_independent_tree,
    mutants_killed,
    mutants_listeners,
    mutants_many,
    mutants_names,
    mutants_ninth_durable,
    mutants_ninth_plain,
    mutants_ordering,
    mutants_ordering_acks,
    mutants_ordering_keys,
    mutants_ordering_killed,
    mutants_refusals,
    mutants_strangers,
    mutants_strangers_again,
    mutants_strangers_keys,
    mutants_strangers_more,
    mutants_strangers_newer,
    mutants_tenth_again,
    mutants_tenth_plain,
    mutants_tenth_rows,
    mutants_waiting,
    mutants_wildcards,
    mutants_wildcards_calls,
    mutants_wildcards_matching,
    ninth_declare,
    tenth_lawyer,
    unusual,
    unusual_newer,
    unusual_timing,
)

__all__ = ["MUTANTS", "UNUSUAL", "WITHOUT_MUTANTS", "prism_register_backends"]

MUTANTS: tuple[Mutant, ...] = (
    *mutants_contents.MUTANTS,
    *mutants_fan_out.MUTANTS,
    *mutants_listeners.MUTANTS,
    *mutants_names.MUTANTS,
    *mutants_refusals.MUTANTS,
    *mutants_waiting.MUTANTS,
    *mutants_cancelled.MUTANTS,
    *mutants_durable_contents.MUTANTS,
    *mutants_durable_acks.MUTANTS,
    *mutants_durable_stale.MUTANTS,
    *mutants_durable_members.MUTANTS,
    *mutants_durable_names.MUTANTS,
    *mutants_durable_waiting.MUTANTS,
    *mutants_killed.MUTANTS,
    *mutants_strangers.MUTANTS,
    *mutants_strangers_again.MUTANTS,
    *mutants_strangers_more.MUTANTS,
    *mutants_many.MUTANTS,
    *mutants_filtering.MUTANTS,
    *mutants_filtering_values.MUTANTS,
    *mutants_filtering_waiting.MUTANTS,
    *mutants_ordering.MUTANTS,
    *mutants_ordering_acks.MUTANTS,
    *mutants_ordering_keys.MUTANTS,
    *mutants_ordering_killed.MUTANTS,
    *mutants_wildcards.MUTANTS,
    *mutants_wildcards_calls.MUTANTS,
    *mutants_wildcards_matching.MUTANTS,
    *mutants_strangers_newer.MUTANTS,
    *mutants_strangers_keys.MUTANTS,
    *mutants_independent_keys.MUTANTS,
    *mutants_independent_killed.MUTANTS,
    *mutants_independent_ledger.MUTANTS,
    *mutants_independent_post.MUTANTS,
    *mutants_independent_shelf.MUTANTS,
    *mutants_independent_tree.MUTANTS,
    *mutants_independent_again.MUTANTS,
    *mutants_independent_last.MUTANTS,
    *mutants_ninth_durable.MUTANTS,
    *mutants_ninth_plain.MUTANTS,
    *mutants_tenth_plain.MUTANTS,
    *mutants_tenth_rows.MUTANTS,
    *mutants_tenth_again.MUTANTS,
    *mutants_history_trees.MUTANTS,
    *mutants_history_clients.MUTANTS,
    *mutants_history_hearing.MUTANTS,
    *mutants_history_frames.MUTANTS,
    *mutants_history_durable.MUTANTS,
    *mutants_history_keys.MUTANTS,
)

UNUSUAL: tuple[Backend[Any], ...] = (
    *unusual.UNUSUAL,
    *unusual_timing.UNUSUAL,
    *unusual_newer.UNUSUAL,
    *independent_parts.INDEPENDENT,
    *ninth_declare.UNUSUAL,
    *tenth_lawyer.UNUSUAL,
    *history_declare.UNUSUAL,
)

_SERVER = "a server that goes away and comes back cannot be played by a backend without a server"

WITHOUT_MUTANTS = dict.fromkeys(
    ("pubsub_basic.13", "pubsub_persistent.17", "pubsub_wildcards.10", "pubsub_filtering.11", "pubsub_ordering.12"), _SERVER
)
"""Promises that no mutant here breaks, with the reason."""

prism_register_backends = registering(MUTANTS, UNUSUAL)
