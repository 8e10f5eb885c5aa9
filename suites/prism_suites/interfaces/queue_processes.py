"""Queues used by several processes at once: each message goes to one of them, in order, and none is lost."""

from random import Random
from typing import Annotated

from prism_suites._judging import broken
from prism_suites._processes import PROCESSES, STEPS, perform, seeds
from prism_suites._queue_racing import judge_fifo, judge_leases
from prism_suites._queue_taking import BASIC, HELD_S
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import QueueBasic, QueueVisibility
from prism_testkit.killing import Step
from prism_testkit.returned import Returned
from prism_testkit.traits import Traits


def _taking(process: int, seed: int) -> list[Step]:
    random = Random(f"{seed} {process}")
    kinds = random.choices(("enqueue", "dequeue", "peek"), (4, 4, 1), k=STEPS)
    return [(kind, ("q", b"%d.%d" % (process, step)) if kind == "enqueue" else ("q",)) for step, kind in enumerate(kinds)]


def _leasing(process: int, seed: int) -> list[Step]:
    """Return enqueues and receives; of what was received some is released, the rest acknowledged."""
    random = Random(f"{seed} {process}")
    plan: list[Step] = []
    for step in range(STEPS // 2):
        plan.append(("enqueue", ("q", b"%d.%d" % (process, step))))
        plan += [("receive", ("q", HELD_S)), (random.choice(("ack", "ack", "ack", "release")), (Returned(len(plan)),))]
    return plan


@check("queue_basic.10", "queue_basic.2", "queue_basic.3", "queue_basic.5")
@gauntlet(seeds)
async def processes_share_a_queue(queue: Annotated[QueueBasic, Traits(sharing="processes")], case: Case, seed: int) -> None:
    """What three processes put into one queue comes out once, in an order that fits, and all of it (Q-17)."""
    plans = [_taking(number, seed) for number in range(PROCESSES)]
    perform(case, "queue_basic.10", plans)
    perform(case, "queue_basic.10", [[("dequeue", ("q",))] * (sum(kind == "enqueue" for plan in plans for kind, _ in plan) + 1)])
    judge_fifo(case, "q", BASIC)


@check("queue_visibility.8", "queue_visibility.2", "queue_visibility.4", "queue_visibility.11")
@gauntlet(seeds)
async def processes_share_leases(queue: Annotated[QueueVisibility, Traits(sharing="processes")], case: Case, seed: int) -> None:
    """A message is held by one process at a time, and gone for all once one has acknowledged it."""
    plans = [_leasing(number, seed) for number in range(PROCESSES)]
    told = perform(case, "queue_visibility.8", plans)
    enqueued = {call.arguments[1] for call in told if call.op == "enqueue"}
    rest: list[Step] = []
    for _ in range(len(enqueued) + 1):
        rest += [("receive", ("q", HELD_S)), ("ack", (Returned(len(rest)),))]
    told += perform(case, "queue_visibility.8", [rest])
    judge_leases(case, "q")
    acknowledged = {call.arguments[0].message.payload for call in told if call.op == "ack"}
    if acknowledged != enqueued:
        sentence = "messages that processes enqueued were never given, or others were"
        broken("queue_visibility.11", sentence, expected=sorted(enqueued), got=sorted(acknowledged))
