"""After a kill: the deliveries that the killed process held, in the hands of a member of another."""

from typing import Annotated, Any

from prism_suites._judging import broken
from prism_suites._stream_taking import patience_s, receive
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Conflict, RecordDelivery, StreamConsumerGroups
from prism_testkit.killing import Step
from prism_testkit.returned import TELL, Returned
from prism_testkit.traits import Traits

_STALE = "stream_consumer_groups.8"
_COUNT = 5
_MOST_S = 120.0
"""Who claims to notice the death of a member later than this is not waited for on a real clock."""
Noticing = Annotated[StreamConsumerGroups, Traits(durability="process", member_timeout_s=1e6)]


@check(_STALE, "stream_consumer_groups.16", "stream_consumer_groups.5")
@gauntlet(lambda limits: [{"use": use} for use in ("ack", "nack")])
async def deliveries_of_the_dead_settle_nothing(stream: Noticing, case: Case, use: str) -> None:
    """What a killed process held and another holds now is neither confirmed nor given away by the old deliveries (ST-14)."""
    if case.server and use != "ack":
        return  # the death of a member is waited for in real time, and an ack shows more
    timeout_s = case.traits.member_timeout_s or 0.0
    if not case.clock.virtual and timeout_s > _MOST_S:
        case.inconclusive(f"the death of a member may be noticed after {timeout_s:g} s, and nothing waits that long")
    steps: list[Step] = [("append", ("s", b"%d" % number)) for number in range(_COUNT)]
    steps += [("create_group", ("s", "g")), ("join", ("s", "g", "c"))]
    member = Returned(len(steps) - 1)
    steps += [("join.receive", (member, 1, 30.0)) for _ in range(_COUNT)]
    told = len(steps)
    steps.append((TELL, tuple(Returned(number) for number in range(told - _COUNT, told))))
    steps += [("append", ("filler", b"%d" % number)) for number in range(400)]
    with case.law("stream_consumer_groups.16"):
        survivors = await case.kill(steps, told + 20, "writer")
    slot = survivors.slot
    stale: list[RecordDelivery] = [delivery for given in survivors.told[told] for delivery in given]
    if case.clock.virtual:
        await case.advance(timeout_s)
    # It comes first, as the dead one did: what is counted anew in each process is its own, by the looks of it.
    async with slot.join("s", "g", "c") as user:
        everyone = case.traits.group_parallelism == "record"
        async with slot.join("s", "g", "d") as holder:
            if everyone:
                await _all(case, holder, timeout_s)
            await _use(user, stale, use)
            if everyone and case.clock.virtual and (got := await receive(user, _COUNT)):
                broken(_STALE, f"a {use} of what a dead member held took it from whoever holds it", expected=[], got=got)
        again = await _all(case, user, timeout_s)
        with case.law("stream_consumer_groups.6"):
            await user.ack(*again)


async def _use(member: Any, stale: list[RecordDelivery], use: str) -> None:
    try:
        await (member.ack(*stale) if use == "ack" else member.nack(*stale))
    except Conflict:
        return
    except Exception as error:
        got = f"{type(error).__name__}: {error}"
        broken(_STALE, f"{use} of what a dead member held raises another error", expected="Conflict", got=got)


async def _all(case: Case, member: Any, timeout_s: float) -> list[RecordDelivery]:
    """Receive all records, whichever time it is."""
    found: dict[int, RecordDelivery] = {}
    while len(found) < _COUNT:
        got = await receive(member, _COUNT, patience_s(case) + timeout_s)
        if not got:
            sentence = "what a dead member held does not come again, though it was not acked by whoever held it"
            broken(_STALE, sentence, expected=_COUNT, got=sorted(found))
        found |= {delivery.record.offset: delivery for delivery in got}
    return list(found.values())
