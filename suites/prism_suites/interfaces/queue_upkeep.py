"""queue: what a store does now and then, beside a call that happens to be the one."""

from typing import Annotated

from prism_suites._judging import same
from prism_suites._upkeep import beside_upkeep
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import QueueBasic
from prism_testkit.killing import Step
from prism_testkit.traits import Traits


@check("queue_basic.2", "queue_basic.10")
@gauntlet(lambda limits: [{"watched": watched} for watched in ("enqueue", "dequeue")])
async def upkeep_meets_others(queue: Annotated[QueueBasic, Traits(sharing="processes")], case: Case, watched: str) -> None:
    """What is enqueued in the middle of another's upkeep is there, once, and so is what was there before (Q-04)."""
    if case.server:
        case.note("what a server does now and then it does by itself")
        return

    def calls(number: int) -> list[Step]:
        put: Step = ("enqueue", ("q", b"%08d" % number))
        take: Step = ("dequeue", ("q",))
        return [take, put] if watched == "enqueue" else [put, take]

    sentence = f"process 2 enqueued while {watched} of process 1 did more than others do; afterwards"
    with case.law("queue_basic.2"), case.conducted(2) as (one, other):
        one.call("enqueue", "kept", b"from the beginning")
        if watched == "enqueue":
            one.call("enqueue", "q", b"%08d" % 0)
        for number, point, mine, _ in beside_upkeep(one, other, calls, lambda point: ("enqueue", ("theirs", b"beside %d" % point))):
            taken = mine if watched == "dequeue" else other.call("dequeue", "q")
            found = [taken, *(one.call("dequeue", name) for name in ("q", "theirs", "theirs")), other.call("peek", "kept")]
            got = [told.result and told.result.payload for told in found]
            wanted = [b"%08d" % number, None, b"beside %d" % point, None, b"from the beginning"]
            same("queue_basic.2", got, wanted, f"{sentence} not every message is there, and once")
            if watched == "enqueue":
                one.call("enqueue", "q", b"%08d" % 0)
