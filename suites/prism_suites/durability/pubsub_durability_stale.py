"""After a kill: the deliveries that the killed process held, in the hands of a member of another."""

from typing import Annotated, Any

from prism_suites._judging import broken
from prism_suites._pubsub_members import received, without_effect
from prism_suites._pubsub_taking import patience
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Delivery, PubSubPersistent
from prism_testkit.killing import Step
from prism_testkit.returned import TELL, Returned
from prism_testkit.traits import Traits

_STALE = "pubsub_persistent.15"
_COUNT = 5
_MOST_S = 120.0
"""Who claims to notice the death of a member later than this is not waited for on a real clock."""
Noticing = Annotated[PubSubPersistent, Traits(durability="process", member_timeout_s=1e6)]


@check(_STALE, "pubsub_persistent.16", "pubsub_persistent.4")
@gauntlet(lambda limits: [{"use": use} for use in ("ack", "nack")])
async def deliveries_of_the_dead_settle_nothing(pubsub: Noticing, case: Case, use: str) -> None:
    """What a killed process held and another holds now is neither confirmed nor given away by the old deliveries (PS-20)."""
    if case.server and use != "ack":
        return  # the death of a member is waited for in real time, and an ack shows more
    timeout_s = case.traits.member_timeout_s or 0.0
    if not case.clock.virtual and timeout_s > _MOST_S:
        case.inconclusive(f"the death of a member may be noticed after {timeout_s:g} s, and nothing waits that long")
    steps: list[Step] = [("publish_persistent", ("t", b"%d" % number, None)) for number in range(_COUNT)]
    steps.append(("subscribe_durable", ("t", "s", "earliest")))
    member = Returned(_COUNT)
    steps += [("subscribe_durable.receive", (member, 1, 30.0)) for _ in range(_COUNT)]
    told = len(steps)
    steps.append((TELL, tuple(Returned(number) for number in range(told - _COUNT, told))))
    steps += [("publish_persistent", ("filler", b"%d" % number, None)) for number in range(400)]
    with case.law("pubsub_persistent.16"):
        survivors = await case.kill(steps, told + 20, "writer")
    slot = survivors.slot
    stale: list[Delivery] = [delivery for given in survivors.told[told] for delivery in given]
    if case.clock.virtual:
        await case.advance(timeout_s)
    # It comes first, as the dead one did: what is counted anew in each process is its own, by the looks of it.
    async with slot.subscribe_durable("t", "s") as user:
        async with slot.subscribe_durable("t", "s") as holder:
            await _all(case, holder, timeout_s, "after its member was killed")
            call = user.ack(*stale) if use == "ack" else user.nack(*stale)
            await without_effect(case, _STALE, call, f"{use} of what a dead member held, while another holds it")
            if case.clock.virtual and (got := await received(case, user, _COUNT, 0.0)):
                broken(_STALE, f"a {use} of what a dead member held took it from whoever holds it", expected=[], got=got)
        again = await _all(case, user, timeout_s, f"after the {use} of deliveries of the dead, and its holder left")
        with case.law("pubsub_persistent.5"):
            await user.ack(*again)


async def _all(case: Case, member: Any, timeout_s: float, story: str) -> list[Delivery]:
    """Receive all messages, whichever time it is."""
    found: dict[bytes, Delivery] = {}
    while len(found) < _COUNT:
        got = await received(case, member, _COUNT, patience(case) + timeout_s)
        if not got:
            sentence = f"a message does not come again {story}"
            broken(_STALE, sentence, expected=_COUNT, got=sorted(found))
        found |= {delivery.message.payload: delivery for delivery in got}
    return list(found.values())
