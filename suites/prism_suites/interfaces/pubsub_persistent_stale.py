"""pubsub_persistent: acks and nacks of what is not held, or is held by another, change nothing."""

import asyncio
from typing import Any

from prism_suites._judging import broken
from prism_suites._pubsub_members import HELD_S, comes_again, gets, nothing, received, without_effect
from prism_suites._pubsub_taking import PERSISTENT, numbered, quiet, send
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Conflict, Delivery, PubSubPersistent

_DELAYS_S = (0.001, 0.25, 0.999, 1, 1.5, 10.0, 59.9, 60.5, 3600.0, 86_400.0, 1e6)


def _counts(deliveries: list[Delivery]) -> dict[str, int]:
    return {delivery.message.id: delivery.delivery_count for delivery in deliveries}


def _half_s(case: Case) -> float:
    return 0.5 if case.clock.virtual else 0.06


_STALE = ("acked", "nacked", "nacked with a delay", "given to another", "left", "of another member", "after another left")


@check("pubsub_persistent.15", "pubsub_persistent.5", "pubsub_persistent.4", "pubsub_persistent.7")
@gauntlet(
    lambda limits: [
        {"why": why, "use": use, "by": by, "times": times}
        for times, uses in ((0, ("ack", "nack", "delay")), (2, ("ack", "nack")))
        for why in _STALE
        for use in uses
        for by in (0, 1, 2)
    ]
)
async def what_holds_nothing_changes_nothing(pubsub: PubSubPersistent, case: Case, why: str, use: str, by: int, times: int) -> None:
    """Ack and nack of what is no longer held, or is held by another, do nothing or raise `Conflict`, also of what had been given
    back before, so many times (PS-18, PS-20)."""
    other = await case.client()
    sent = (await send(pubsub, "t", [b"x"], PERSISTENT, {"h": "v"}))[0]
    first = pubsub.subscribe_durable("t", "s", "earliest")
    async with other.subscribe_durable("t", "s", "earliest") as second, pubsub.subscribe_durable("t", "s") as third:
        member = await first.__aenter__()
        stale = (await gets(case, member, [sent]))[0]
        for _ in range(times):
            await member.nack(stale)
            stale = (await comes_again(case, member, [sent], _counts([stale])))[0]
        since_s = case.clock.now_s()
        current: Delivery | None = None
        holder: Any = member
        if why == "acked":
            await member.ack(stale)
        elif why == "nacked":
            await member.nack(stale)
        elif why == "nacked with a delay":
            await member.nack(stale, delay_s=_half_s(case))
        elif why in ("given to another", "after another left"):
            await (first.__aexit__(None, None, None) if why == "after another left" else member.nack(stale))
            current, holder = (await comes_again(case, second, [sent], _counts([stale])))[0], second
        elif why == "left":
            await first.__aexit__(None, None, None)
        else:  # of another member: its holder is the first
            current = stale
        gone = why in ("left", "after another left")
        user = (third if gone else member, third, second)[by]
        if why == "of another member" and user is member:
            user = second
        if current is not None and user is holder and why != "of another member":
            user = third
        await _use(case, user, stale, use)
        if current is not None:  # whoever holds it holds it still
            await nothing(
                case, third, "pubsub_persistent.15", f"a {use} of what another holds ({why}) gave it away", held_since_s=since_s
            )
            if case.clock.now_s() - since_s >= HELD_S:
                return
            await holder.nack(current)
        if why == "nacked with a delay" and await _before_half_a_second(case, third, since_s, use):
            return
        if why == "acked":
            await nothing(case, third, "pubsub_persistent.5", f"a {use} of what was acked brought it back")
            return
        again = await comes_again(
            case,
            third,
            [sent],
            _counts([current or stale]),
            promise="pubsub_persistent.15",
            story=f"a {use} of what was not held: {why}",
        )
        await third.ack(*again)
        await nothing(case, second, "pubsub_persistent.5", "an acked message comes again")
        if not gone:
            await first.__aexit__(None, None, None)


async def _use(case: Case, user: Any, stale: Delivery, use: str) -> None:
    call = user.ack(stale) if use == "ack" else user.nack(stale, delay_s=3e6 if use == "delay" else 0)
    await without_effect(case, "pubsub_persistent.15", call, f"a {use} of what is not held")


async def _before_half_a_second(case: Case, member: Any, since_s: float, use: str) -> bool:
    """Judge that the delay goes on; return whether it is over, for looking takes its time somewhere."""
    got = await received(case, member, 5, 0)
    if got and case.clock.now_s() - since_s < _half_s(case):
        broken("pubsub_persistent.15", f"a {use} after a nack with a delay ended the delay", expected=[], got=got)
    return bool(got)


_GONE = ("acked", "nacked with a delay", "named twice")


@check("pubsub_persistent.5", "pubsub_persistent.4", "pubsub_persistent.15")
@gauntlet(lambda limits: [{"gone": gone, "at": at, "use": use} for gone in _GONE for at in (0, 1, 3) for use in ("ack", "nack")])
async def what_is_gone_hides_nothing_behind_it(pubsub: PubSubPersistent, case: Case, gone: str, at: int, use: str) -> None:
    """One call names what is held no more and what is held: that it returned means that the latter is acked, or comes again."""
    sents = await send(pubsub, "t", numbered(4), PERSISTENT)
    async with pubsub.subscribe_durable("t", "s", "earliest") as member:
        since_s = case.clock.now_s()
        held = await gets(case, member, sents, batch=4)
        named = [*held[:at], held[at], *held[at:]] if gone == "named twice" else held
        if gone == "acked":
            await member.ack(held[at])
        elif gone == "nacked with a delay":
            await member.nack(held[at], delay_s=1e6)
        try:
            await (member.ack(*named) if use == "ack" else member.nack(*named))
        except Conflict:
            case.note("a call that names what is held no more raises Conflict; what it did with the rest is not said")
            return
        if case.clock.now_s() - since_s >= HELD_S:
            return  # an acknowledgement deadline may be over
        rest = [sent for number, sent in enumerate(sents) if number != at or gone == "named twice"]
        if use == "nack":
            story = f"nacked in one call with what was {gone}"
            await member.ack(*await comes_again(case, member, rest, _counts(held), story=story))
        await nothing(case, member, "pubsub_persistent.5", f"{use} of what was {gone} brought something back")
    async with pubsub.subscribe_durable("t", "s") as member:
        for delivery in await received(case, member, 10, quiet(case)):  # what was delayed may come: its member was left
            if delivery.message.id in {sent.id for sent in rest}:
                sentence = f"acked in one call with what was {gone}, a message comes again"
                broken("pubsub_persistent.5", sentence, expected=[], got=delivery)


@check("pubsub_persistent.8")
@gauntlet(lambda limits: [{"overlaps": overlaps, "looker": by} for overlaps in (False, True) for by in ("itself", "another")])
async def a_delay_begins_with_its_nack(pubsub: PubSubPersistent, case: Case, overlaps: bool, looker: str) -> None:
    """There is no moment of a nack with a delay at which the message is free: who looks all the while is given nothing."""
    sents = await send(pubsub, "t", numbered(1), PERSISTENT)
    async with (
        pubsub.subscribe_durable("t", "s", "earliest") as member,
        (await case.client()).subscribe_durable("t", "s") as second,
    ):
        held = await gets(case, member, sents)
        since_s = case.clock.now_s()
        if overlaps:
            case.overlap()
        nacking = asyncio.ensure_future(member.nack(*held, delay_s=1e6))
        for _ in range(30 if case.clock.virtual else 8):
            got = await received(case, second if looker == "another" else member, 5, 0)
            if got and case.clock.now_s() - since_s < HELD_S:
                broken("pubsub_persistent.8", "a message is given while it is nacked with a delay", expected=[], got=got)
            await asyncio.sleep(0)
        await nacking
