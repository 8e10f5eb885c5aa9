"""All claim checks of the zoo: mutants, which break a promise, and unusual ones, which break none."""

from prism_backends.memory import memory
from prism_testkit.hookspecs import hookimpl
from prism_testkit.registry import Registry
from tests.zoo.declare import Mutant

from . import (
    mutants_config,
    mutants_edges,
    mutants_errors,
    mutants_history_keeping,
    mutants_history_reading,
    mutants_history_sending,
    mutants_history_sweeping,
    mutants_history_wave,
    mutants_independent,
    mutants_independent_again,
    mutants_independent_sweeps,
    mutants_interleaved,
    mutants_interrupted,
    mutants_later,
    mutants_locked,
    mutants_nineteenth,
    mutants_ninth_keeping,
    mutants_ninth_reading,
    mutants_ninth_sending,
    mutants_ninth_sweeping,
    mutants_ninth_wave,
    mutants_order,
    mutants_pages,
    mutants_payloads,
    mutants_races,
    mutants_reentrant,
    mutants_removal,
    mutants_strangers,
    mutants_sweeps,
    mutants_tenth_again,
    mutants_tenth_keeping,
    mutants_tenth_reading,
    mutants_tenth_sending,
    mutants_thirteenth,
    mutants_thirteenth_left_out,
    mutants_thirteenth_limits,
    mutants_trust,
    mutants_twentieth,
    unusual,
)

__all__ = ["MUTANTS", "UNUSUAL", "prism_register_backends"]

MUTANTS: tuple[Mutant, ...] = (
    *mutants_payloads.MUTANTS,
    *mutants_order.MUTANTS,
    *mutants_removal.MUTANTS,
    *mutants_trust.MUTANTS,
    *mutants_sweeps.MUTANTS,
    *mutants_config.MUTANTS,
    *mutants_races.MUTANTS,
    *mutants_edges.MUTANTS,
    *mutants_strangers.MUTANTS,
    *mutants_independent.MUTANTS,
    *mutants_independent_again.MUTANTS,
    *mutants_independent_sweeps.MUTANTS,
    *mutants_ninth_sending.MUTANTS,
    *mutants_ninth_reading.MUTANTS,
    *mutants_ninth_keeping.MUTANTS,
    *mutants_ninth_sweeping.MUTANTS,
    *mutants_ninth_wave.MUTANTS,
    *mutants_tenth_sending.MUTANTS,
    *mutants_tenth_reading.MUTANTS,
    *mutants_tenth_keeping.MUTANTS,
    *mutants_tenth_again.MUTANTS,
    *mutants_history_sending.MUTANTS,
    *mutants_history_reading.MUTANTS,
    *mutants_history_keeping.MUTANTS,
    *mutants_history_sweeping.MUTANTS,
    *mutants_history_wave.MUTANTS,
    *mutants_thirteenth.MUTANTS,
    *mutants_thirteenth_left_out.MUTANTS,
    *mutants_thirteenth_limits.MUTANTS,
    *mutants_nineteenth.MUTANTS,
    *mutants_twentieth.MUTANTS,
    *mutants_pages.MUTANTS,
    *mutants_errors.MUTANTS,
    *mutants_later.MUTANTS,
    *mutants_interleaved.MUTANTS,
    *mutants_locked.MUTANTS,
    *mutants_reentrant.MUTANTS,
    *mutants_interrupted.MUTANTS,
)

UNUSUAL = unusual.UNUSUAL


@hookimpl
def prism_register_backends(registry: Registry) -> None:
    registry.add(memory)
