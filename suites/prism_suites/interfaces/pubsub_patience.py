"""Waits and delays of any length, and sizes side by side, of plain and of durable subscriptions."""

from prism_suites._judging import broken
from prism_suites._pubsub_both import LONG_S, goes_on_waiting, patience_has_no_bounds, sizes_keep_their_order
from prism_suites._pubsub_members import comes_again, gets, nothing, received
from prism_suites._pubsub_taking import BASIC, PERSISTENT, numbered, send
from prism_suites._queue_waiting import HUGE_S
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.clock import VirtualClock
from prism_testkit.interfaces import PubSubBasic, PubSubPersistent


@check("pubsub_basic.9")
@gauntlet(lambda limits: [{"seconds": seconds, "how": how} for seconds in LONG_S for how in ("receive", "iteration")])
async def a_long_wait_goes_on(pubsub: PubSubBasic, case: Case, seconds: float, how: str) -> None:
    """A receive waits as long as it was asked to, an iteration without end, however long nothing comes."""
    await goes_on_waiting(case, pubsub, BASIC, seconds, how)


@check("pubsub_persistent.9")
@gauntlet(lambda limits: [{"seconds": seconds} for seconds in LONG_S])
async def a_member_waits_on(pubsub: PubSubPersistent, case: Case, seconds: float) -> None:
    """A receive waits as long as it was asked to, however long nothing comes."""
    await goes_on_waiting(case, pubsub, PERSISTENT, seconds, "receive")


@check("pubsub_basic.9")
@gauntlet(lambda limits: [{"timeout_s": timeout_s} for timeout_s in HUGE_S])
async def a_huge_timeout_is_a_timeout(pubsub: PubSubBasic, case: Case, timeout_s: float) -> None:
    """Whatever finite number of seconds is asked for, what is there is given at once, and so is what comes."""
    await patience_has_no_bounds(case, pubsub, BASIC, timeout_s)


@check("pubsub_persistent.9")
@gauntlet(lambda limits: [{"timeout_s": timeout_s} for timeout_s in HUGE_S])
async def a_huge_timeout_is_one_for_members(pubsub: PubSubPersistent, case: Case, timeout_s: float) -> None:
    """Whatever finite number of seconds is asked for, what is there is given at once, and so is what comes."""
    await patience_has_no_bounds(case, pubsub, PERSISTENT, timeout_s)


@check("pubsub_persistent.8", "pubsub_persistent.4")
@gauntlet(lambda limits: [{"delay_s": delay_s} for delay_s in HUGE_S])
async def a_huge_delay_is_a_delay(pubsub: PubSubPersistent, case: Case, delay_s: float) -> None:
    """A message that was nacked with whatever finite delay stays away; what is beside it and behind it comes."""
    sents = await send(pubsub, "t", numbered(2), PERSISTENT)
    async with pubsub.subscribe_durable("t", "s", "earliest") as member:
        first, second = await gets(case, member, sents)
        with case.law("pubsub_persistent.8"):
            await member.nack(first, delay_s=delay_s)
        await member.nack(second)
        before = {each.message.id: each.delivery_count for each in (first, second)}
        story = f"another is away for {delay_s:g} s"
        await member.ack(*await comes_again(case, member, sents[1:], before, promise="pubsub_persistent.8", story=story))
        later = await send(pubsub, "t", [b"later"], PERSISTENT)
        got = await received(case, member, 5)
        if [delivery.message.id for delivery in got] != [sent.id for sent in later]:
            broken("pubsub_persistent.8", f"what comes later is not given, as {story}", expected=later, got=got)
        await member.ack(*got)
        if isinstance(case.clock, VirtualClock):
            case.clock.jump(round(min(delay_s / 2, 1e6) * 1e9))
        await nothing(case, member, "pubsub_persistent.8", f"a message comes before its delay of {delay_s:g} s is over")


@check("pubsub_basic.3", "pubsub_basic.1")
@gauntlet(lambda limits: [{"waits": waits} for waits in (False, True)])
async def a_small_one_does_not_overtake_a_large_one(pubsub: PubSubBasic, case: Case, waits: bool) -> None:
    """A large message and a small one behind it come in the order of publishing, whoever waits for them."""
    await sizes_keep_their_order(case, pubsub, BASIC, waits)


@check("pubsub_persistent.3", "pubsub_persistent.13")
@gauntlet(lambda limits: [{"waits": waits} for waits in (False, True)])
async def sizes_do_not_overtake_each_other(pubsub: PubSubPersistent, case: Case, waits: bool) -> None:
    """A large message and a small one behind it come in the order of publishing, whoever waits for them."""
    await sizes_keep_their_order(case, pubsub, PERSISTENT, waits)
