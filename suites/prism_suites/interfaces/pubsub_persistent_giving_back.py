"""pubsub_persistent: what is not acked comes again: after a nack, its delay, or leaving; and what holds nothing changes nothing."""

import math
from typing import Any

from prism_suites._judging import broken, refused
from prism_suites._keyvalue_deadlines import Times
from prism_suites._pubsub_members import HELD_S, WAYS, comes_again, gets, leave, nothing, received
from prism_suites._pubsub_taking import PERSISTENT, is_message, numbered, patience, send
from prism_suites._racing import together
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Delivery, PubSubPersistent
from prism_testkit.outcomes import law

_DELAYS_S = (0.001, 0.25, 0.999, 1, 1.5, 10.0, 59.9, 60.5, 3600.0, 86_400.0, 1e6)


def _counts(deliveries: list[Delivery]) -> dict[str, int]:
    return {delivery.message.id: delivery.delivery_count for delivery in deliveries}


@check("pubsub_persistent.4", "pubsub_persistent.5")
@gauntlet(
    lambda limits: [
        {"nacked": nacked, "how": how, "times": times}
        for nacked in ((0,), (3,), (1, 2), (0, 1, 2, 3), (3, 0))
        for how in ("at once", "one by one", "by a new member")
        for times in (1, 4, *([258] if nacked == (0,) and how == "one by one" else []))
    ]
)
async def a_nacked_message_comes_again(pubsub: PubSubPersistent, case: Case, nacked: tuple[int, ...], how: str, times: int) -> None:
    """A nacked message comes again, whole, with a higher count, as often as it is nacked; others stay held (PS-14, PS-26)."""
    if case.server and times > 255:
        return  # each is several round trips, and no count is in a byte there alone
    sents = await send(pubsub, "t", numbered(4), PERSISTENT, {"h": "v"})
    async with pubsub.subscribe_durable("t", "s", "earliest") as member:
        since_s = case.clock.now_s()
        deliveries = await gets(case, member, sents, batch=4)
        held = [each for number, each in enumerate(deliveries) if number not in nacked]
        again = [deliveries[number] for number in nacked]
        expected = [sents[number] for number in nacked]
        other = case.client if how == "by a new member" else None
        receiver: Any = member
        manager: Any = None
        if other is not None:
            manager = (await other()).subscribe_durable("t", "s")
            receiver = await manager.__aenter__()
        by: Any = member

        def lapsed() -> bool:
            return bool(held) and case.clock.now_s() - since_s >= HELD_S  # what is held may come again, too

        for _ in range(times):
            if how == "one by one":
                for delivery in again:
                    await by.nack(delivery)
            else:
                await by.nack(*again)
            if lapsed():
                break
            again = await comes_again(case, receiver, expected, _counts(again), story="nacked")
            by = receiver
        if not lapsed():
            await receiver.ack(*again)
            await nothing(case, receiver, "pubsub_persistent.7", "what is held comes to another", held_since_s=since_s)
        if not lapsed():
            with law("pubsub_persistent.5"):
                await member.ack(*held)
            await nothing(case, receiver, "pubsub_persistent.5", "an acked message comes again")
        if manager is not None:
            await manager.__aexit__(None, None, None)


@check("pubsub_persistent.4", "pubsub_persistent.7", "pubsub_persistent.5")
@gauntlet(
    lambda limits: [{"way": way, "acked": acked, "waits": waits} for way in WAYS for acked in (0, 1, 3) for waits in (True, False)]
)
async def leaving_gives_back_what_is_held(pubsub: PubSubPersistent, case: Case, way: str, acked: int, waits: bool) -> None:
    """What a member that leaves holds goes to another, waiting or not, and to nobody else what was acked (PS-24, PS-34)."""
    other = await case.client()
    sents = await send(other, "t", numbered(3), PERSISTENT, {"h": "v"})
    manager = pubsub.subscribe_durable("t", "s", "earliest")
    member = await manager.__aenter__()
    deliveries = await gets(case, member, sents, batch=2)
    await member.ack(*deliveries[:acked])
    async with other.subscribe_durable("t", "s") as second:
        since_s = case.clock.now_s()
        await nothing(case, second, "pubsub_persistent.7", "what one member holds another gets", held_since_s=since_s)
        if waits and acked < 3:
            told = await together(received(case, second, 3), _later(case, leave(manager, way)))
            first = told[0]
        else:
            await leave(manager, way)
            first = []
        found = {delivery.message.id for delivery in first}
        left = [sent for sent in sents[acked:] if sent.id not in found]
        for delivery in first:
            if delivery.message.id not in {sent.id for sent in sents[acked:]}:
                broken("pubsub_persistent.5", "an acked message comes again", expected=left, got=delivery)
        if waits and acked < 3 and not first:
            broken("pubsub_persistent.7", "a receive that waits does not get what another gave back", expected=left, got=[])
        rest = await comes_again(case, second, left, _counts(deliveries), story="its member left")
        await second.ack(*first, *rest)
        await nothing(case, second, "pubsub_persistent.5", "a message is given back twice")


async def _later(case: Case, call: Any) -> None:
    await case.clock.sleep(0.3 if case.clock.virtual else 0.01)
    await call


@check("pubsub_persistent.8", "pubsub_persistent.4")
@gauntlet(
    lambda limits: [
        {"delay_s": delay_s, "by": by}
        for delay_s in _DELAYS_S
        for by in ("itself", "another", "waiting")
        if by != "waiting" or delay_s <= 10  # for who polls a long wait is long
    ]
)
async def a_nacked_message_comes_after_its_delay(pubsub: PubSubPersistent, case: Case, delay_s: float, by: str) -> None:
    """Not before its delay, to no member, and then it comes; other messages come meanwhile (PS-14, PS-16)."""
    times = Times(case)
    if not times.virtual and delay_s not in (0.25, 3600.0):
        return
    other = await case.client()
    sents = await send(pubsub, "t", numbered(2), PERSISTENT)
    async with pubsub.subscribe_durable("t", "s", "earliest") as member, other.subscribe_durable("t", "s") as second:
        first = (await gets(case, member, sents[:1]))[0]
        _, now = await times.during(member.nack(first, delay_s=delay_s))
        due = now.after(delay_s)
        receiver = member if by == "itself" else second
        rest = await received(case, receiver, 5)
        if any(delivery.message.id == sents[0].id for delivery in rest) and times.now_ns() < due.start:
            broken("pubsub_persistent.8", "a nacked message comes before its delay is over", expected=sents[1], got=rest)
        if not rest:
            broken("pubsub_persistent.8", "a nacked message holds others up", expected=sents[1], got=rest)
        await receiver.ack(*rest)
        if any(delivery.message.id == sents[0].id for delivery in rest):
            return
        if by != "waiting" and times.virtual:
            for instant in (due.start - round(delay_s * 5e8), due.start - times.margin_ns):
                await times.to(instant)
                if await _early(times, case, member, second, due.start):
                    return
        got = await _when_due(case, times, receiver, due, delay_s)
        if got is None:
            return
        is_message("pubsub_persistent.4", got.message, sents[0], "a nacked message comes again changed")
        if got.delivery_count <= first.delivery_count:
            broken("pubsub_persistent.4", "delivery_count does not rise", expected=2, got=got.delivery_count)


async def _early(times: Times, case: Case, member: Any, second: Any, due_ns: int) -> bool:
    """Judge that nothing comes yet; return whether it came since, for looking takes its time somewhere."""
    for each in (member, second):
        got = await received(case, each, 5, 0)
        if got and times.now_ns() < due_ns:
            broken("pubsub_persistent.8", "a nacked message comes before its delay is over", expected=[], got=got)
        if got:
            return True
    return False


async def _when_due(case: Case, times: Times, receiver: Any, due: Any, delay_s: float) -> Delivery | None:
    if not times.virtual and delay_s > 1:
        return None
    got = await received(case, receiver, 5, delay_s + patience(case) + times.slack_ns / 1e9)
    if not got:
        broken("pubsub_persistent.8", "a nacked message does not come after its delay", expected="it comes", got=[])
    early_ns = due.start - times.now_ns()
    if early_ns > (times.margin_ns if times.virtual else 50_000_000):
        broken("pubsub_persistent.8", "a nacked message comes before its delay is over", expected=f"after {delay_s:g} s", got=got)
    return got[0]


@check("pubsub_persistent.8", "pubsub_persistent.4")
@gauntlet(lambda limits: [{"delay_s": bad} for bad in (math.nan, math.inf, -math.inf)])
async def a_delay_that_is_no_number_is_refused(pubsub: PubSubPersistent, case: Case, delay_s: float) -> None:
    """NaN and infinities raise ``ValueError``, and the message stays held: it can be acked."""
    sents = await send(pubsub, "t", numbered(2), PERSISTENT)
    async with pubsub.subscribe_durable("t", "s", "earliest") as member:
        deliveries = await gets(case, member, sents)
        since_s = case.clock.now_s()
        await refused(
            "pubsub_persistent.8", member.nack(*deliveries, delay_s=delay_s), ValueError, f"a delay of {delay_s} is taken"
        )
        await nothing(case, member, "pubsub_persistent.8", "a refused nack gave a message back", held_since_s=since_s)
        await member.ack(*deliveries)
        await nothing(case, member, "pubsub_persistent.5", "an acked message comes again")


@check("pubsub_persistent.8", "pubsub_persistent.4")
@gauntlet(lambda limits: [{"delay_s": delay_s} for delay_s in (0, 0.0, -0.0, -1, -0.5, -1e9)])
async def a_negative_delay_is_none(pubsub: PubSubPersistent, case: Case, delay_s: float) -> None:
    """A nack with a delay of 0 or less gives back at once."""
    sents = await send(pubsub, "t", numbered(2), PERSISTENT)
    async with pubsub.subscribe_durable("t", "s", "earliest") as member:
        deliveries = await gets(case, member, sents)
        with law("pubsub_persistent.8"):
            await member.nack(*deliveries, delay_s=delay_s)
        await comes_again(case, member, sents, _counts(deliveries), promise="pubsub_persistent.8", story=f"delay {delay_s:g}")


@check("pubsub_persistent.4", "pubsub_persistent.8", "pubsub_persistent.5")
@gauntlet(lambda limits: [{"reopened_by": number, "delay_s": delay_s} for number in (0, 1) for delay_s in (5.0, 1e5)])
async def a_delayed_message_outlives_its_member(pubsub: PubSubPersistent, case: Case, reopened_by: int, delay_s: float) -> None:
    """After its member was left a message that was nacked with a delay comes again, when the delay is over at the latest."""
    if not case.clock.virtual:
        delay_s = 0.05
    clients: list[Any] = [pubsub, await case.client()]
    sents = await send(pubsub, "t", numbered(3), PERSISTENT)
    async with pubsub.subscribe_durable("t", "s", "earliest") as member:
        deliveries = await gets(case, member, sents)
        await member.nack(*deliveries[:2], delay_s=delay_s)
        await member.ack(deliveries[2])
    await case.clock.sleep(delay_s + Times(case).slack_ns / 1e9)
    async with clients[reopened_by].subscribe_durable("t", "s") as member:
        await comes_again(case, member, sents[:2], _counts(deliveries), story="nacked with a delay, then its member left")
        await nothing(case, member, "pubsub_persistent.5", "an acked message comes again", held_since_s=case.clock.now_s())
