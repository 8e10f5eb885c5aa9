"""All of the zoo: mutants, which break a promise, and unusual backends, which break none.

Registering this module (it has the hook) makes every one of them selectable by name; a child process finds them here too.
"""

from collections.abc import Iterator
from typing import Any

from prism_testkit.backend import Backend
from prism_testkit.hookspecs import hookimpl
from prism_testkit.registry import Registry

from . import (
    independent,
    mutants_basic,
    mutants_batch,
    mutants_cas,
    mutants_cas_values,
    mutants_clients,
    mutants_combined,
    mutants_concurrent,
    mutants_cursors,
    mutants_durable,
    mutants_expired,
    mutants_generations,
    mutants_history_again,
    mutants_history_batches,
    mutants_history_deadlines,
    mutants_history_files,
    mutants_history_names,
    mutants_history_scans,
    mutants_history_swaps,
    mutants_history_transactions,
    mutants_history_wires,
    mutants_independent_actor,
    mutants_independent_events,
    mutants_independent_letters,
    mutants_independent_log,
    mutants_independent_sql,
    mutants_independent_statements,
    mutants_interleaved,
    mutants_interrupted,
    mutants_isolation,
    mutants_later,
    mutants_limits,
    mutants_logged,
    mutants_mixed,
    mutants_names,
    mutants_nineteenth,
    mutants_ninth_again,
    mutants_ninth_cabinet,
    mutants_ninth_grown,
    mutants_ninth_levels,
    mutants_ninth_shards,
    mutants_pages,
    mutants_power,
    mutants_reentrant,
    mutants_refusals_later,
    mutants_scan,
    mutants_scan_limits,
    mutants_serializable,
    mutants_seventeenth,
    mutants_seventeenth_journal,
    mutants_sixteenth,
    mutants_strangers,
    mutants_strangers_again,
    mutants_strangers_blind,
    mutants_strangers_more,
    mutants_tenth_deadlines,
    mutants_tenth_editions,
    mutants_tenth_last,
    mutants_tenth_rare,
    mutants_thirteenth_files,
    mutants_torn,
    mutants_transaction_ends,
    mutants_transactional,
    mutants_ttl,
    mutants_ttl_calls,
    mutants_values,
    tenth_lawyer,
    thirteenth_files,
    unusual,
    unusual_timing,
)
from .declare import Mutant

__all__ = ["MUTANTS", "UNUSUAL", "WITHOUT_MUTANTS", "Mutant", "prism_register_backends"]

MUTANTS: tuple[Mutant, ...] = (
    *mutants_values.MUTANTS,
    *mutants_basic.MUTANTS,
    *mutants_names.MUTANTS,
    *mutants_limits.MUTANTS,
    *mutants_mixed.MUTANTS,
    *mutants_combined.MUTANTS,
    *mutants_clients.MUTANTS,
    *mutants_concurrent.MUTANTS,
    *mutants_durable.MUTANTS,
    *mutants_scan.MUTANTS,
    *mutants_cursors.MUTANTS,
    *mutants_scan_limits.MUTANTS,
    *mutants_ttl.MUTANTS,
    *mutants_expired.MUTANTS,
    *mutants_ttl_calls.MUTANTS,
    *mutants_transactional.MUTANTS,
    *mutants_isolation.MUTANTS,
    *mutants_serializable.MUTANTS,
    *mutants_transaction_ends.MUTANTS,
    *mutants_batch.MUTANTS,
    *mutants_cas.MUTANTS,
    *mutants_cas_values.MUTANTS,
    *mutants_strangers.MUTANTS,
    *mutants_strangers_again.MUTANTS,
    *mutants_strangers_more.MUTANTS,
    *mutants_strangers_blind.MUTANTS,
    *mutants_sixteenth.MUTANTS,
    *mutants_seventeenth.MUTANTS,
    *mutants_seventeenth_journal.MUTANTS,
    *mutants_independent_actor.MUTANTS,
    *mutants_independent_letters.MUTANTS,
    *mutants_independent_log.MUTANTS,
    *mutants_independent_events.MUTANTS,
    *mutants_independent_sql.MUTANTS,
    *mutants_independent_statements.MUTANTS,
    *mutants_ninth_levels.MUTANTS,
    *mutants_ninth_shards.MUTANTS,
    *mutants_pages.MUTANTS,
    *mutants_power.MUTANTS,
    *mutants_ninth_cabinet.MUTANTS,
    *mutants_torn.MUTANTS,
    *mutants_ninth_grown.MUTANTS,
    *mutants_ninth_again.MUTANTS,
    *mutants_tenth_editions.MUTANTS,
    *mutants_tenth_deadlines.MUTANTS,
    *mutants_tenth_rare.MUTANTS,
    *mutants_tenth_last.MUTANTS,
    *mutants_thirteenth_files.MUTANTS,
    *mutants_history_transactions.MUTANTS,
    *mutants_history_wires.MUTANTS,
    *mutants_history_batches.MUTANTS,
    *mutants_history_names.MUTANTS,
    *mutants_history_swaps.MUTANTS,
    *mutants_history_scans.MUTANTS,
    *mutants_history_deadlines.MUTANTS,
    *mutants_history_files.MUTANTS,
    *mutants_history_again.MUTANTS,
    *mutants_nineteenth.MUTANTS,
    *mutants_later.MUTANTS,
    *mutants_reentrant.MUTANTS,
    *mutants_logged.MUTANTS,
    *mutants_interleaved.MUTANTS,
    *mutants_generations.MUTANTS,
    *mutants_interrupted.MUTANTS,
    *mutants_refusals_later.MUTANTS,
)

UNUSUAL: tuple[Backend[Any], ...] = (
    *unusual.UNUSUAL,
    *mutants_power.UNUSUAL,
    *unusual_timing.UNUSUAL,
    *independent.UNUSUAL,
    *tenth_lawyer.RIGHT,
    *thirteenth_files.RIGHT,
    *mutants_history_files.RIGHT,
)

WITHOUT_MUTANTS = {"keyvalue_basic.13": "a server that goes away and comes back cannot be played by a backend without a server"}
"""Promises that no mutant here breaks, with the reason."""


def _backends() -> Iterator[Backend[Any]]:
    for mutant in MUTANTS:
        yield from mutant.backends
    yield from UNUSUAL


@hookimpl
def prism_register_backends(registry: Registry) -> None:
    for backend in _backends():
        registry.add(backend)
