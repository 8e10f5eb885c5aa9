"""pubsub_persistent: a cancelled publish is received by all or by none; a cancelled receive holds nothing."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._noticing import is_handed_on
from prism_suites._pubsub_both import gives_up
from prism_suites._pubsub_members import gets, nothing, received
from prism_suites._pubsub_reaching import all_or_none, audience, reaching
from prism_suites._pubsub_taking import PERSISTENT, Sent, is_message, numbered, patience, send
from prism_suites._queue_cancelling import cancelled, points
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Delivery, PubSubPersistent
from prism_testkit.outcomes import law


def _at_once(case: Case) -> float:
    """Return seconds in which what a cancelled call held must be there again: far less than a deadline."""
    return 9.0 if case.clock.virtual else 2.0


async def _goes_on(case: Case, slot: Any) -> None:
    with law("pubsub_persistent.14"):
        sents = await send(slot, "next", numbered(2), PERSISTENT)
        async with slot.subscribe_durable("next", "s", "earliest") as member:
            await _all_at_once(case, member, sents, "after a cancelled call")


async def _all_at_once(case: Case, member: Any, sents: Sequence[Sent], story: str) -> None:
    """Receive and ack these, in any order, each at once."""
    left = {sent.id: sent for sent in sents}
    while left:
        got = await received(case, member, 2, _at_once(case))
        if not got:
            broken("pubsub_persistent.14", f"a message is not received at once {story}", expected=list(left.values()), got=[])
        for delivery in got:
            sent = left.pop(delivery.message.id, None)
            if sent is None:
                broken("pubsub_persistent.14", f"a message is received twice {story}", expected=list(left), got=delivery)
            is_message("pubsub_persistent.2", delivery.message, sent, f"a message is changed {story}")
        await member.ack(*got)
    await nothing(case, member, "pubsub_persistent.14", f"a message is received twice {story}")


@check("pubsub_persistent.14", "pubsub_persistent.13")
@gauntlet(reaching("small", "large"))
async def a_cancelled_publish_reaches_all_or_none(pubsub: PubSubPersistent, case: Case, kind: str, point: int) -> None:
    """A publish that is cancelled at any point is received whole, once, by all subscriptions, or by none."""
    payload = b"new;" * (min(case.limits.max_payload, 100_000) // 4) if kind == "large" else b"new"
    other = await case.client()
    async with AsyncExitStack() as stack:
        names = [((pubsub, other)[number % 2], f"s{number}") for number in range(audience(case, kind))]
        members = [await stack.enter_async_context(slot.subscribe_durable("t", name)) for slot, name in names]
        case.overlap()
        ended, identity = await cancelled(pubsub.publish_persistent("t", payload, {"a": "b"}), point)
        after = (await send(other, "t", [b"after"], PERSISTENT))[0]
        heard = [await _until(case, member, after) for member in members]
        if any(heard) or ended:  # what others have may be on its way
            heard = [got or await received(case, member, 1, _at_once(case)) for member, got in zip(members, heard, strict=True)]
        all_or_none("pubsub_persistent.14", [len(got) for got in heard], ended)
        for delivery in (delivery for got in heard for delivery in got):
            sent = Sent(identity if ended else delivery.message.id, "t", payload, {"a": "b"})
            is_message("pubsub_persistent.14", delivery.message, sent, "a cancelled publish left a part of its message")
        last = await pubsub.last_message_id("t")
        if last not in {after.id, *(delivery.message.id for got in heard for delivery in got)}:
            for member in members:  # it came late, but then to all
                got = await received(case, member, 1, _at_once(case))
                if [delivery.message.id for delivery in got] != [last]:
                    broken("pubsub_persistent.14", "the last message is one that is not received by all", expected=last, got=got)
    await _goes_on(case, pubsub)


async def _until(case: Case, member: Any, last: Sent) -> list[Delivery]:
    got: list[Delivery] = []
    while True:
        part = await received(case, member)
        if not part:
            broken("pubsub_persistent.14", "after a cancelled publish a message is not received", expected=last, got=got)
        if part[0].message.id == last.id:
            return got
        got += part


@check("pubsub_persistent.14", "pubsub_persistent.9")
@gauntlet(points(("at once", "with a timeout", "of several", "of many", "of another client")))
async def a_cancelled_receive_takes_nothing(pubsub: PubSubPersistent, case: Case, kind: str, point: int) -> None:
    """What a receive that is cancelled at any point was about to give the next one is given at once."""
    slot = await case.client() if kind == "of another client" else pubsub
    most = {"of several": 3, "of many": 20}.get(kind, 1)
    sents = await send(pubsub, "t", numbered(max(4, most + 1)), PERSISTENT, {"h": "v"})
    async with slot.subscribe_durable("t", "s", "earliest") as member:
        timeout_s = patience(case) if kind == "with a timeout" else 0
        ended, got = await cancelled(member.receive(most, timeout_s), point)
        if ended and got:
            by_id = {sent.id: sent for sent in sents}
            for delivery in got:
                sent = by_id.pop(delivery.message.id, None)
                if sent is None:
                    broken("pubsub_persistent.1", "a receive gives another message, or one twice", expected=sents, got=got)
                is_message("pubsub_persistent.2", delivery.message, sent, "a receive changed a message")
            await member.ack(*got)
            sents = list(by_id.values())
        await _all_at_once(case, member, sents, "after a cancelled receive")
    await _goes_on(case, slot)


@check("pubsub_persistent.14", "pubsub_persistent.7", "pubsub_persistent.9")
@gauntlet(
    lambda limits: [
        {"point": point, "whose": whose}
        for point in range(12)
        for whose in ("itself", "another", "new", *(("itself waits", "another waits") if point < 6 else ()))
    ]
)
async def a_receive_cancelled_as_a_message_comes_loses_nothing(
    pubsub: PubSubPersistent, case: Case, point: int, whose: str
) -> None:
    """Of a message that comes while a waiting receive is cancelled, it was told, or any other member is given it at once."""
    other = await case.client()
    async with AsyncExitStack() as stack:
        manager = pubsub.subscribe_durable("t", "s")
        member = await manager.__aenter__()
        second = await stack.enter_async_context(other.subscribe_durable("t", "s")) if whose.startswith("another") else None
        if whose.endswith("waits"):
            if case.clock.virtual:
                waits = [lambda seconds, each=each: each.receive(1, seconds) for each in (member, second or member)]
                happen = lambda: send(other, "t", [b"comes"], PERSISTENT)  # noqa: E731
                await is_handed_on(case, "pubsub_persistent.9", point, (waits[0], waits[1]), happen)
            await manager.__aexit__(None, None, None)
            return
        waiting = asyncio.ensure_future(member.receive(2, 3600.0))
        await case.clock.sleep(0.1 if case.clock.virtual else 0.002)
        coming = asyncio.ensure_future(send(other, "t", [b"comes"], PERSISTENT))
        for _ in range(point):
            await asyncio.sleep(0)
        waiting.cancel()
        sents = await coming
        told = (await asyncio.gather(waiting, return_exceptions=True))[0]
        if isinstance(told, list):
            await member.ack(*told)
            sents = sents[len(told) :]
        if whose == "new":
            await manager.__aexit__(None, None, None)
            second = await stack.enter_async_context(other.subscribe_durable("t", "s"))
        await _all_at_once(case, second if second is not None else member, sents, "that came as a receive was cancelled")
        if whose != "new":
            await manager.__aexit__(None, None, None)


@check("pubsub_persistent.14", "pubsub_persistent.9")
@gauntlet(lambda limits: [{"how": how} for how in ("cancel", "timeout", "its own")])
async def a_receive_that_gave_up_takes_nothing(pubsub: PubSubPersistent, case: Case, how: str) -> None:
    """A receive that waits and is cancelled, or whose time is up, is given nothing that comes later, and nobody misses it."""
    async with (
        pubsub.subscribe_durable("t", "s") as member,
        (await case.client()).subscribe_durable("t", "s") as second,
    ):
        for turn in range(3):
            wait_s = 2.0 if case.clock.virtual else 0.01
            if how == "its own":
                await member.receive(3, wait_s)
            else:
                await gives_up(case, lambda: member.receive(3, 3600.0), wait_s, how, "pubsub_persistent.9")
            sents = await send(pubsub, "t", numbered(3, f"turn {turn}"), PERSISTENT)
            await _all_at_once(case, member if turn == 1 else second, sents, "after a receive that gave up")


@check("pubsub_persistent.14", "pubsub_persistent.5", "pubsub_persistent.4")
@gauntlet(points(("ack", "nack", "nack with a delay"), few=True))
async def a_cancelled_ack_or_nack_has_its_effect_or_none(pubsub: PubSubPersistent, case: Case, kind: str, point: int) -> None:
    """Ack or nack that is cancelled loses no message and touches no other; acked again it is gone."""
    sents = await send(pubsub, "t", numbered(3), PERSISTENT)
    async with pubsub.subscribe_durable("t", "s", "earliest") as member:
        held = await gets(case, member, sents)
        case.overlap()
        delay_s = 0.0 if kind != "nack with a delay" else 5.0 if case.clock.virtual else 0.05
        ended, _ = await cancelled(member.ack(held[1]) if kind == "ack" else member.nack(held[1], delay_s=delay_s), point)
        await member.ack(held[0])
    async with pubsub.subscribe_durable("t", "s") as member:
        found: set[str] = set()
        expected = {sents[2].id} | ({sents[1].id} if kind != "ack" else set())
        while got := await received(case, member, 1, patience(case) if not found >= expected else 0.1):
            if got[0].message.id in found:
                broken("pubsub_persistent.14", f"after a cancelled {kind} a message comes twice", expected=len(found), got=got)
            found.add(got[0].message.id)
            await member.ack(*got)
        allowed = [expected] if ended else [expected, expected | {sents[1].id}]
        if found not in allowed:
            broken("pubsub_persistent.14", f"a cancelled {kind} lost a message, or touched another", expected=allowed, got=found)
    await _goes_on(case, pubsub)


@check("pubsub_persistent.14", "pubsub_persistent.7", "pubsub_persistent.1")
@gauntlet(points(("entering", "joining", "leaving")))
async def a_cancelled_entry_or_exit_loses_nothing(pubsub: PubSubPersistent, case: Case, kind: str, point: int) -> None:
    """Entering or leaving that is cancelled at any point keeps no message from those that enter afterwards."""
    sents = await send(pubsub, "t", numbered(2), PERSISTENT)
    if kind != "entering":
        async with pubsub.subscribe_durable("t", "s", "earliest"):
            pass
    manager = pubsub.subscribe_durable("t", "s", "earliest")
    if kind == "leaving":
        member = await manager.__aenter__()
        await member.ack(*await gets(case, member, sents[:1]))
        sents = sents[1:]
        await cancelled(manager.__aexit__(None, None, None), point)
    else:
        ended, _ = await cancelled(manager.__aenter__(), point)
        if ended:
            await manager.__aexit__(None, None, None)
    sents = sents + await send(pubsub, "t", numbered(2, "later"), PERSISTENT)
    async with (await case.client()).subscribe_durable("t", "s", "earliest") as member:
        await _all_at_once(case, member, sents, f"after {kind} was cancelled")
    await _goes_on(case, pubsub)


@check("pubsub_persistent.14")
@gauntlet(lambda limits: [{"times": 100}])
async def many_cancelled_calls_use_nothing_up(pubsub: PubSubPersistent, case: Case, times: int) -> None:
    """After many cancelled receives connections and locks are all there again, and so is every message."""
    sents = {sent.id: sent for sent in await send(pubsub, "t", numbered(5), PERSISTENT)}
    async with pubsub.subscribe_durable("t", "s", "earliest") as member:
        for number in range(times):
            ended, got = await cancelled(member.receive(2), 1 + number % 5)
            if ended and got:
                for delivery in got:
                    if sents.pop(delivery.message.id, None) is None:
                        broken("pubsub_persistent.14", "after cancelled receives a message comes twice", expected="once", got=got)
                await member.ack(*got)
                sents |= {sent.id: sent for sent in await send(pubsub, "t", [b"again-%d" % number], PERSISTENT)}
        await _all_at_once(case, member, list(sents.values()), f"after {times} cancelled receives")
        same("pubsub_persistent.9", await member.receive(), [], "receive of nothing gives no empty list")
