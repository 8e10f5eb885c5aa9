"""All streams of the zoo: mutants, which break a promise, and unusual ones, which break none."""

from typing import Any

from prism_testkit.backend import Backend
from tests.zoo.declare import Mutant
from tests.zoo.family import registering

from . import (
    history_declare,
    independent_declare,
    mutants_clients,
    mutants_contents,
    mutants_durable,
    mutants_groups,
    mutants_groups_apart,
    mutants_history_bounds,
    mutants_history_groups,
    mutants_history_kept,
    mutants_history_moves,
    mutants_history_reading,
    mutants_independent,
    mutants_independent_groups,
    mutants_independent_more,
    mutants_independent_newer,
    mutants_many,
    mutants_members,
    mutants_ninth_groups,
    mutants_ninth_reading,
    mutants_offsets,
    mutants_partitioning,
    mutants_partitioning_calls,
    mutants_partitioning_groups,
    mutants_partitioning_records,
    mutants_reading,
    mutants_receives,
    mutants_replay,
    mutants_replay_calls,
    mutants_replay_groups,
    mutants_replay_reading,
    mutants_retention,
    mutants_retention_beside,
    mutants_retention_bounds,
    mutants_retention_calls,
    mutants_retention_compact,
    mutants_strangers,
    mutants_strangers_again,
    mutants_strangers_blind,
    mutants_strangers_blind_newer,
    mutants_strangers_bounds,
    mutants_strangers_more,
    mutants_strangers_moves,
    mutants_strangers_partitions,
    mutants_tenth_again,
    mutants_tenth_groups,
    mutants_tenth_logs,
    mutants_torn,
    ninth_declare,
    tenth_lawyer,
    unusual,
    unusual_newer,
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
    *mutants_torn.MUTANTS,
    *mutants_strangers.MUTANTS,
    *mutants_strangers_again.MUTANTS,
    *mutants_strangers_more.MUTANTS,
    *mutants_many.MUTANTS,
    *mutants_replay.MUTANTS,
    *mutants_replay_groups.MUTANTS,
    *mutants_replay_reading.MUTANTS,
    *mutants_replay_calls.MUTANTS,
    *mutants_retention.MUTANTS,
    *mutants_retention_bounds.MUTANTS,
    *mutants_retention_beside.MUTANTS,
    *mutants_retention_calls.MUTANTS,
    *mutants_retention_compact.MUTANTS,
    *mutants_partitioning.MUTANTS,
    *mutants_partitioning_calls.MUTANTS,
    *mutants_partitioning_groups.MUTANTS,
    *mutants_partitioning_records.MUTANTS,
    *mutants_strangers_moves.MUTANTS,
    *mutants_strangers_bounds.MUTANTS,
    *mutants_strangers_partitions.MUTANTS,
    *mutants_strangers_blind.MUTANTS,
    *mutants_strangers_blind_newer.MUTANTS,
    *mutants_independent.MUTANTS,
    *mutants_independent_groups.MUTANTS,
    *mutants_independent_newer.MUTANTS,
    *mutants_independent_more.MUTANTS,
    *mutants_ninth_groups.MUTANTS,
    *mutants_ninth_reading.MUTANTS,
    *mutants_tenth_logs.MUTANTS,
    *mutants_tenth_groups.MUTANTS,
    *mutants_tenth_again.MUTANTS,
    *mutants_history_reading.MUTANTS,
    *mutants_history_groups.MUTANTS,
    *mutants_history_moves.MUTANTS,
    *mutants_history_bounds.MUTANTS,
    *mutants_history_kept.MUTANTS,
)

UNUSUAL: tuple[Backend[Any], ...] = (
    *unusual.UNUSUAL,
    *unusual_newer.UNUSUAL,
    *independent_declare.UNUSUAL,
    *ninth_declare.UNUSUAL,
    *tenth_lawyer.UNUSUAL,
    *history_declare.UNUSUAL,
)

_SERVER = "a server that goes away and comes back cannot be played by a backend without a server"

WITHOUT_MUTANTS = dict.fromkeys(
    (
        "stream_basic.16",
        "stream_consumer_groups.17",
        "stream_replay.12",
        "stream_retention.15",
        "stream_partitioning.14",
    ),
    _SERVER,
)
"""Promises that no mutant here breaks, with the reason."""

prism_register_backends = registering(MUTANTS, UNUSUAL)
