"""All queues of the zoo: mutants, which break a promise, and unusual ones, which break none."""

from typing import Any

from prism_testkit.backend import Backend
from tests.zoo.declare import Mutant
from tests.zoo.family import registering

from . import (
    mutants_bounds,
    mutants_clients,
    mutants_combined,
    mutants_contents,
    mutants_dead,
    mutants_delayed,
    mutants_durable,
    mutants_emptied,
    mutants_ended,
    mutants_fourteenth,
    mutants_generations,
    mutants_history_again,
    mutants_history_basic,
    mutants_history_dead,
    mutants_history_delayed,
    mutants_history_durable,
    mutants_history_leases,
    mutants_history_settle,
    mutants_idle,
    mutants_independent,
    mutants_independent_again,
    mutants_independent_dead,
    mutants_independent_durable,
    mutants_interleaved,
    mutants_interrupted,
    mutants_later,
    mutants_leases,
    mutants_locked,
    mutants_logged,
    mutants_many,
    mutants_mixed,
    mutants_names,
    mutants_nineteenth,
    mutants_ninth_fourth,
    mutants_ninth_mail,
    mutants_ninth_second,
    mutants_ninth_third,
    mutants_ninth_tubes,
    mutants_order,
    mutants_power,
    mutants_priority,
    mutants_redrive,
    mutants_refusals_later,
    mutants_seventeenth,
    mutants_shared_ledger,
    mutants_sixteenth,
    mutants_strangers,
    mutants_strangers_again,
    mutants_strangers_blind,
    mutants_strangers_more,
    mutants_tenth_rack,
    mutants_thirteenth,
    mutants_torn,
    mutants_twentieth,
    mutants_visibility,
    unusual,
    unusual_timing,
)
from .declare_history import RIGHT as HISTORY
from .declare_independent import RIGHT
from .declare_ninth import RIGHT as NINTH
from .declare_tenth import RIGHT as TENTH

__all__ = ["MUTANTS", "UNUSUAL", "WITHOUT_MUTANTS", "prism_register_backends"]

MUTANTS: tuple[Mutant, ...] = (
    *mutants_contents.MUTANTS,
    *mutants_order.MUTANTS,
    *mutants_power.MUTANTS,
    *mutants_names.MUTANTS,
    *mutants_clients.MUTANTS,
    *mutants_leases.MUTANTS,
    *mutants_ended.MUTANTS,
    *mutants_visibility.MUTANTS,
    *mutants_bounds.MUTANTS,
    *mutants_dead.MUTANTS,
    *mutants_redrive.MUTANTS,
    *mutants_priority.MUTANTS,
    *mutants_delayed.MUTANTS,
    *mutants_durable.MUTANTS,
    *mutants_torn.MUTANTS,
    *mutants_strangers.MUTANTS,
    *mutants_strangers_again.MUTANTS,
    *mutants_strangers_more.MUTANTS,
    *mutants_sixteenth.MUTANTS,
    *mutants_seventeenth.MUTANTS,
    *mutants_nineteenth.MUTANTS,
    *mutants_twentieth.MUTANTS,
    *mutants_later.MUTANTS,
    *mutants_locked.MUTANTS,
    *mutants_emptied.MUTANTS,
    *mutants_combined.MUTANTS,
    *mutants_logged.MUTANTS,
    *mutants_interleaved.MUTANTS,
    *mutants_generations.MUTANTS,
    *mutants_interrupted.MUTANTS,
    *mutants_refusals_later.MUTANTS,
    *mutants_idle.MUTANTS,
    *mutants_shared_ledger.MUTANTS,
    *mutants_strangers_blind.MUTANTS,
    *mutants_many.MUTANTS,
    *mutants_mixed.MUTANTS,
    *mutants_independent.MUTANTS,
    *mutants_independent_again.MUTANTS,
    *mutants_independent_dead.MUTANTS,
    *mutants_independent_durable.MUTANTS,
    *mutants_ninth_tubes.MUTANTS,
    *mutants_ninth_mail.MUTANTS,
    *mutants_ninth_second.MUTANTS,
    *mutants_ninth_third.MUTANTS,
    *mutants_ninth_fourth.MUTANTS,
    *mutants_tenth_rack.MUTANTS,
    *mutants_thirteenth.MUTANTS,
    *mutants_fourteenth.MUTANTS,
    *mutants_history_basic.MUTANTS,
    *mutants_history_dead.MUTANTS,
    *mutants_history_delayed.MUTANTS,
    *mutants_history_durable.MUTANTS,
    *mutants_history_leases.MUTANTS,
    *mutants_history_settle.MUTANTS,
    *mutants_history_again.MUTANTS,
)

UNUSUAL: tuple[Backend[Any], ...] = (
    *unusual.UNUSUAL,
    *mutants_power.UNUSUAL,
    *unusual_timing.UNUSUAL,
    *RIGHT,
    *NINTH,
    *TENTH,
    *HISTORY,
)

_SERVER = "a server that goes away and comes back cannot be played by a backend without a server"

WITHOUT_MUTANTS = {"queue_basic.13": _SERVER, "queue_visibility.14": _SERVER}
"""Promises that no mutant here breaks, with the reason."""

prism_register_backends = registering(MUTANTS, UNUSUAL)
