"""Generated programs in which all clients are killed again and again: whoever holds what, and whatever was called last."""

from typing import Annotated

from hypothesis import given

from prism_suites._moments import keeps_files
from prism_suites._mortal import KILL
from prism_suites._pubsub_lines import OrderingAndPersistent, Step, steps
from prism_suites._pubsub_mortal import run_mortal, run_mortal_lines
from prism_suites._pubsub_steps import OPERATIONS
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import PubSubPersistent
from prism_testkit.programs import Program, programs
from prism_testkit.strategies import universes
from prism_testkit.traits import Traits

_DURABLE = tuple(f"pubsub_persistent.{number}" for number in (1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 15))


@check("pubsub_persistent.16", *_DURABLE)
@given(program=programs((*OPERATIONS["pubsub_persistent"], "publish_persistent", "take", "take", "nack", "advance", KILL)))
async def programs_with_kills_match_the_model(
    pubsub: Annotated[PubSubPersistent, Traits(durability="process")], case: Case, program: Program
) -> None:
    """Every answer is the model's, for whom the dead have left (PS-17, PS-24, PS-25). Of files only: servers have other checks."""
    if keeps_files(case):
        await run_mortal(case, program)


@check("pubsub_ordering.11", *(f"pubsub_ordering.{number}" for number in range(1, 8)))
@given(script=steps(often=(KILL, "take")), keys=universes(min_size=1, max_size=3))
async def programs_of_keys_with_kills_match_the_model(
    pubsub: Annotated[OrderingAndPersistent, Traits(durability="process")],
    case: Case,
    script: tuple[Step, ...],
    keys: tuple[str, ...],
) -> None:
    """Each key goes on in its order, whoever died holding one of its messages (PS-29, PS-31). Of files only."""
    if keeps_files(case):
        await run_mortal_lines(case, [("join", 0, 1), *script], [*keys, None])
