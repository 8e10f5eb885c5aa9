"""pubsub_persistent: what is given back again and again, delays that others outlive, old deliveries, copies that are kept."""

import asyncio
from typing import Any

from prism_suites._judging import broken
from prism_suites._keyvalue_deadlines import Times
from prism_suites._pubsub_members import HELD_S, comes_again, counted, gets, nothing, received, without_effect
from prism_suites._pubsub_taking import PERSISTENT, Sent, is_message, numbered, send
from prism_suites._racing import together
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import PubSubPersistent

_MEANWHILE = ("nothing", "another member leaves", "another member joins", "others are acked", "others are nacked", "a publish")


@check("pubsub_persistent.4", "pubsub_persistent.8")
@gauntlet(lambda limits: [{"times": times, "how": how} for times in (30, 120) for how in ("nacked", "left")])
async def however_often_it_is_given_back_it_comes(pubsub: PubSubPersistent, case: Case, times: int, how: str) -> None:
    """No number of deliveries is the last, and each has a higher count: nothing is set aside or dropped."""
    sent = (await send(pubsub, "t", [b"again"], PERSISTENT, {"h": "v"}))[0]
    count = 0
    for _ in range(min(times, 30) if case.server else times):
        async with pubsub.subscribe_durable("t", "s", "earliest") as member:
            for _ in range(3 if how == "nacked" else 1):
                got = await received(case, member)
                if not got:
                    broken("pubsub_persistent.4", "what was given back often does not come again", expected=sent, got=count)
                is_message("pubsub_persistent.2", got[0].message, sent, "a message comes again changed")
                counted(case, got[0], count)
                count = got[0].delivery_count
                if how == "nacked":
                    await member.nack(got[0])


@check("pubsub_persistent.8", "pubsub_persistent.4")
@gauntlet(lambda limits: [{"meanwhile": meanwhile, "count": count} for meanwhile in _MEANWHILE for count in (1, 3)])
async def nothing_ends_a_delay_early(pubsub: PubSubPersistent, case: Case, meanwhile: str, count: int) -> None:
    """A delay is for every message that one nack names, and whatever others do it goes on while its member stays."""
    times = Times(case)
    delay_s = 1000.0 if times.virtual else 5.0
    other = await case.client()
    sents = await send(pubsub, "t", numbered(count + 2), PERSISTENT)
    async with pubsub.subscribe_durable("t", "s", "earliest") as member:
        held = await gets(case, member, sents, batch=2)
        _, now = await times.during(member.nack(*held[:count], delay_s=delay_s))
        due_ns = now.start + round(delay_s * 1e9)
        if meanwhile in ("another member leaves", "another member joins"):
            async with other.subscribe_durable("t", "s") as second:
                await _none_early(times, case, second, sents[:count], due_ns)
        elif meanwhile == "others are acked":
            await member.ack(*held[count:])
        elif meanwhile == "others are nacked":
            await member.nack(*held[count:])
        elif meanwhile == "a publish":
            await send(other, "t", [b"later"], PERSISTENT)
        async with other.subscribe_durable("t", "s") as second:
            await _none_early(times, case, member, sents[:count], due_ns)
            await _none_early(times, case, second, sents[:count], due_ns)


async def _none_early(times: Times, case: Case, member: Any, delayed: list[Sent], due_ns: int) -> None:
    for delivery in await received(case, member, 10, 0):
        left_s = (due_ns - times.now_ns()) / 1e9
        if any(delivery.message.id == sent.id for sent in delayed) and left_s > 0:
            sentence = "a nacked message comes before its delay is over"
            broken("pubsub_persistent.8", sentence, expected=f"not for another {left_s:,.3f} s", got=delivery)


@check("pubsub_persistent.8")
@gauntlet(lambda limits: [{"by": by} for by in ("itself", "another")])
async def a_nack_does_not_wait_for_its_delay(pubsub: PubSubPersistent, case: Case, by: str) -> None:
    """While a nack with a long delay is under way, and after it, other messages are given."""
    if not case.clock.virtual:
        case.note("how long a nack takes is judged on virtual time alone")
        return
    sents = await send(pubsub, "t", numbered(2), PERSISTENT)
    async with (
        pubsub.subscribe_durable("t", "s", "earliest") as member,
        (await case.client()).subscribe_durable("t", "s") as second,
    ):
        held = await gets(case, member, sents[:1])
        case.overlap()
        began_s = case.clock.now_s()
        nacking = asyncio.ensure_future(member.nack(*held, delay_s=1e6))
        got = await received(case, member if by == "itself" else second, 1, 5e5)
        if [delivery.message.id for delivery in got] != [sents[1].id]:
            broken("pubsub_persistent.8", "a nack with a delay holds up other messages", expected=sents[1], got=got)
        await nacking
        if case.clock.now_s() - began_s >= 1e6:
            broken("pubsub_persistent.8", "a nack with a delay holds its caller up", expected="at once", got="after the delay")


_FOREIGN = ("of another subscription", "of another topic")


@check("pubsub_persistent.15", "pubsub_persistent.5", "pubsub_persistent.6")
@gauntlet(
    lambda limits: [
        {"which": which, "use": use}
        for which in ("an old one", *_FOREIGN, *(f"{foreign}, while its own is held" for foreign in _FOREIGN))
        for use in ("ack", "nack")
    ]
)
async def a_delivery_stands_for_itself_alone(pubsub: PubSubPersistent, case: Case, which: str, use: str) -> None:
    """An earlier delivery of what is held again, and one of another subscription, are not the one that is held here."""
    sents = await send(pubsub, "t", numbered(1), PERSISTENT)
    theirs = await send(pubsub, "t2", numbered(1), PERSISTENT)
    topic, holds = "t2" if "topic" in which else "t", which not in _FOREIGN
    async with (
        pubsub.subscribe_durable("t", "s", "earliest") as member,
        pubsub.subscribe_durable("t", "s") as second,
        pubsub.subscribe_durable(topic, "s2", "earliest") as other,
    ):
        stale = (await gets(case, member, sents))[0]
        since_s = case.clock.now_s()
        if "held" not in which:
            await member.nack(stale)
        current = stale
        if which == "an old one":
            current = (await comes_again(case, member, sents, {stale.message.id: stale.delivery_count}))[0]
        else:
            stale = (await gets(case, other, theirs if topic == "t2" else sents))[0]
        call = member.ack(stale) if use == "ack" else member.nack(stale)
        await without_effect(case, "pubsub_persistent.15", call, f"a {use} of what is not held")
        if holds:
            sentence = f"{'an' if use == 'ack' else 'a'} {use} of a delivery that is {which} gave away what is held"
            await nothing(case, second, "pubsub_persistent.15", sentence, held_since_s=since_s)
            if case.clock.now_s() - since_s >= HELD_S:
                return
            await member.nack(current)
        before = {current.message.id: current.delivery_count}
        told = f"after {'an' if use == 'ack' else 'a'} {use} of a delivery that is {which}"
        again = await comes_again(case, second, sents, before, promise="pubsub_persistent.15", story=told)
        await second.ack(*again)


@check("pubsub_persistent.12", "pubsub_persistent.2", "pubsub_persistent.4")
async def a_copy_is_kept_for_every_delivery(pubsub: PubSubPersistent, case: Case) -> None:
    """A buffer and a mapping that change after a first delivery change neither later ones nor those of later subscriptions."""
    buffer, source, headers = bytearray(b"first"), bytearray(b"second"), {"a": "1"}
    empty: dict[str, str] = {}
    sents = [
        Sent(await pubsub.publish_persistent("t", buffer, headers), "t", b"first", {"a": "1"}),
        Sent(await pubsub.publish_persistent("t", memoryview(source), empty), "t", b"second"),
    ]
    async with pubsub.subscribe_durable("t", "s", "earliest") as member:
        for turn in range(4):
            got = await received(case, member, 1)
            while got and len(got) < len(sents) and (more := await received(case, member, 1)):
                got += more
            found = {delivery.message.id: delivery.message for delivery in got}
            for sent in sents:
                is_message("pubsub_persistent.12", found.get(sent.id), sent, f"what changed later is delivered ({turn + 1} times)")
            buffer[:], source[:3] = b"X" * len(buffer), b"XXX"
            headers["a"], empty["new"] = "changed", "x"
            await member.nack(*got)
    async with pubsub.subscribe_durable("t", "later", "earliest") as member:
        await gets(case, member, sents, story="a later subscription", lost="pubsub_persistent.12")


@check("pubsub_persistent.14", "pubsub_persistent.7")
@gauntlet(lambda limits: [{"held": held, "point": point} for held in (1, 3) for point in (1, 2, 5)])
async def a_cancelled_receive_keeps_what_is_held(pubsub: PubSubPersistent, case: Case, held: int, point: int) -> None:
    """What a member holds it holds still after another of its receives was cancelled: nobody gets it, and it can be acked."""
    sents = await send(pubsub, "t", numbered(held), PERSISTENT)
    async with (
        pubsub.subscribe_durable("t", "s", "earliest") as member,
        (await case.client()).subscribe_durable("t", "s") as second,
    ):
        since_s = case.clock.now_s()
        deliveries = await gets(case, member, sents)
        waiting = asyncio.ensure_future(member.receive(2, 3600.0))
        for _ in range(point):
            await asyncio.sleep(0)
        waiting.cancel()
        await together(asyncio.wait([waiting]))
        for each in (second, member):
            await nothing(case, each, "pubsub_persistent.14", "a cancelled receive gave up what was held", held_since_s=since_s)
        if case.clock.now_s() - since_s >= HELD_S:
            return
        await member.ack(*deliveries)
        await nothing(case, second, "pubsub_persistent.5", "an acked message comes again")
