"""Generated programs against an independent model: what only a sequence of calls shows.

Fifty calls over a few topics and subscriptions with confusable names, by two clients of one namespace and one of a sibling, with
time moving around every delay; each answer is judged at once, and at the end everything is received that is left.
"""

from hypothesis import given

from prism_suites._pubsub_mixing import mixes
from prism_suites._pubsub_steps import OPERATIONS, run_program
from prism_suites._pubsub_taking import BasicAndPersistent
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import PubSubBasic, PubSubPersistent
from prism_testkit.programs import Program, programs

_PLAIN = tuple(f"pubsub_basic.{number}" for number in (1, 2, 3, 4, 5, 8, 10, 12))
_DURABLE = tuple(f"pubsub_persistent.{number}" for number in (1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 15))


@check(*_PLAIN)
@given(program=programs((*OPERATIONS["pubsub_basic"], "advance")))
async def programs_of_plain_subscriptions_match_the_model(pubsub: PubSubBasic, case: Case, program: Program) -> None:
    """Each subscription is given what was published while it was there, once, in order (PS-05, PS-06, PS-10, PS-30)."""
    await run_program(case, pubsub, program)


@check(*_DURABLE)
@given(program=programs((*OPERATIONS["pubsub_persistent"], "advance")))
async def programs_of_durable_subscriptions_match_the_model(pubsub: PubSubPersistent, case: Case, program: Program) -> None:
    """Whatever is acked, nacked, left and opened again, each subscription is given what it must (PS-06, PS-14, PS-17, PS-18)."""
    await run_program(case, pubsub, program)


@check(*_DURABLE)
@given(program=programs(("publish_persistent", "take", "ack", "join", "quit", "nack")))
async def programs_without_time_match_the_model(pubsub: PubSubPersistent, case: Case, program: Program) -> None:
    """The same while time stands still, so that what is held stays held for certain (PS-07, PS-17, PS-34)."""
    await run_program(case, pubsub, program)


@check(*_PLAIN, *_DURABLE)
@given(program=programs((*OPERATIONS["pubsub_basic"], *OPERATIONS["pubsub_persistent"])))
async def programs_of_both_kinds_match_the_model(pubsub: BasicAndPersistent, case: Case, program: Program) -> None:
    """Plain and durable subscriptions of the same topics are apart from each other, where the backend keeps them so."""
    whole = await case.whole()
    if await mixes(case, whole):
        case.note("plain and durable subscriptions are given each other's messages here, as they may")
        return
    await run_program(case, whole, program, whole=True)
