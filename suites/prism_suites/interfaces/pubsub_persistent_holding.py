"""pubsub_persistent: many that are held at once, delays side by side, and receivers that change what they were given."""

from typing import Any

from prism_suites._judging import broken, same
from prism_suites._keyvalue_deadlines import Times
from prism_suites._pubsub_members import HELD_S, comes_again, gets, nothing, received
from prism_suites._pubsub_taking import PERSISTENT, Sent, is_message, numbered, send
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Delivery, PubSubPersistent


@check("pubsub_persistent.9", "pubsub_persistent.7", "pubsub_persistent.4", "pubsub_persistent.5")
@gauntlet(
    lambda limits: [
        {"count": count, "batch": batch, "how": how}
        for count, batch, how in ((40, 1, "nack"), (270, 9, "nack"), (520, 100, "leave"), (1100, 100, "nack"))
    ]
)
async def any_number_is_held_at_once(pubsub: PubSubPersistent, case: Case, count: int, batch: int, how: str) -> None:
    """However many are held, the next is given; all may be acked or given back in one call, or by leaving (PS-22, PS-24)."""
    sents = await send(pubsub, "t", numbered(min(count, 300) if case.server else count), PERSISTENT)
    async with pubsub.subscribe_durable("t", "s", "earliest") as member:
        since_s = case.clock.now_s()
        deliveries: list[Delivery] = []
        while len(deliveries) < len(sents):
            part = sents[len(deliveries) : len(deliveries) + batch]
            deliveries += await gets(case, member, part, batch=batch, story=f"{count} are held", lost="pubsub_persistent.9")
            if case.clock.now_s() - since_s >= HELD_S:
                return  # they may come again by themselves
        if how == "nack":
            await member.nack(*deliveries)
            await _all_again(case, member, sents, deliveries, "all were nacked at once")
    if how == "leave":
        async with pubsub.subscribe_durable("t", "s") as member:
            await _all_again(case, member, sents, deliveries, "their member was left")
    async with pubsub.subscribe_durable("t", "s") as member:  # what was not acked, but held, would come now
        await nothing(case, member, "pubsub_persistent.5", f"of {len(sents)} acked in one call some come again to a new member")


async def _all_again(case: Case, member: Any, sents: list[Sent], deliveries: list[Delivery], story: str) -> None:
    before = {delivery.message.id: delivery.delivery_count for delivery in deliveries}
    await member.ack(*await comes_again(case, member, sents, before, story=story, batch=1000))
    await nothing(case, member, "pubsub_persistent.5", "an acked message comes again")


@check("pubsub_persistent.12", "pubsub_persistent.2")
async def what_a_receiver_changes_comes_again_unchanged(pubsub: PubSubPersistent, case: Case) -> None:
    """Headers that a receiver changed are as they were published when the message comes again, or to another."""
    sent = (await send(pubsub, "t", [b"x"], PERSISTENT, {"a": "b"}))[0]
    async with pubsub.subscribe_durable("t", "s", "earliest") as member, pubsub.subscribe_durable("t", "s2", "earliest") as other:
        for each in (member, member, member, other):
            got = await received(case, each)
            if not got:
                broken("pubsub_persistent.4", "a nacked message does not come again", expected=sent, got=got)
            is_message("pubsub_persistent.12", got[0].message, sent, "a message changed with what a receiver did to its headers")
            headers: Any = got[0].message.headers
            try:
                headers["a"] = "changed"
                headers["c"] = "added"
            except TypeError:
                return  # what cannot be changed is as good as a copy
            await each.nack(*got)


@check("pubsub_persistent.8", "pubsub_persistent.4")
@gauntlet(
    lambda limits: [
        {"delays": delays, "at_once": at_once}
        for delays in ((100.0, 1.0, 10.0), (1.0, 100.0), (5.0, 5.0, 0.0, 50.0), (1000.0, 0.5, 1000.0, 2.0))
        for at_once in (True, False)
    ]
)
async def delays_run_side_by_side(pubsub: PubSubPersistent, case: Case, delays: tuple[float, ...], at_once: bool) -> None:
    """Each nacked message comes after its own delay, whatever those beside it have (PS-14, PS-16)."""
    times = Times(case)
    if not times.virtual:
        case.note("delays side by side are judged on virtual time alone")
        delays = tuple(delay_s / 10_000 for delay_s in delays)
    sents = await send(pubsub, "t", numbered(len(delays)), PERSISTENT)
    async with pubsub.subscribe_durable("t", "s", "earliest") as member:
        held = await gets(case, member, sents, batch=len(sents) if at_once else 1)
        due: dict[str, int] = {}
        for delivery, delay_s in zip(held, delays, strict=True):
            _, now = await times.during(member.nack(delivery, delay_s=delay_s))
            due[delivery.message.id] = now.start + round(delay_s * 1e9)
        came: list[str] = []
        while len(came) < len(sents):
            got = await received(case, member, 1, 5000.0 if times.virtual else 10.0)
            if not got:
                broken("pubsub_persistent.8", "a nacked message does not come after its delay", expected=len(sents), got=came)
            identity = got[0].message.id
            if times.now_ns() < due[identity] - (times.margin_ns if times.virtual else 20_000_000):
                broken("pubsub_persistent.8", "a nacked message comes before its delay is over", expected=due[identity], got=got)
            came.append(identity)
            await member.ack(*got)
        same("pubsub_persistent.5", sorted(came), sorted(due), "an acked message comes again")
        shortest, longest = min(due, key=due.__getitem__), max(due, key=due.__getitem__)
        if times.virtual and due[longest] - due[shortest] > 60e9 and came[0] == longest:
            broken("pubsub_persistent.8", "a message with a long delay holds up one with a short one", expected=shortest, got=came)
