"""pubsub: many wait at once, on subscriptions of one driver or on one subscription, and each ends for what is its own."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._noticing import ends_soon
from prism_suites._pubsub_members import HELD_S, gets, received
from prism_suites._pubsub_taking import PERSISTENT, numbered, send
from prism_suites._waiters import WAITS_S, each_ends_in_its_time, how_many, over, the_last_is_served
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Closed, PubSubBasic, PubSubPersistent


@check("pubsub_basic.9", "pubsub_basic.4")
async def of_many_that_wait_the_last_is_served(pubsub: PubSubBasic, case: Case) -> None:
    """Many subscriptions of one client wait, each for a topic of its own; what is published for the last comes at once."""
    other, count = await case.client(), how_many(case)
    async with AsyncExitStack() as stack:
        entered = [await stack.enter_async_context(pubsub.subscribe(f"t{number}")) for number in range(count)]
        waits = [partial(each.receive, WAITS_S) for each in entered]
        got = await the_last_is_served(case, "pubsub_basic.9", waits, lambda: other.publish(f"t{count - 1}", b"its own"))
        same("pubsub_basic.1", got and got.payload, b"its own", "a receive beside others gives another message")


@check("pubsub_persistent.9", "pubsub_persistent.6")
async def of_many_members_that_wait_the_last_is_served(pubsub: PubSubPersistent, case: Case) -> None:
    """So do members of many durable subscriptions of one client."""
    other, count = await case.client(), how_many(case)
    async with AsyncExitStack() as stack:
        members = [await stack.enter_async_context(pubsub.subscribe_durable(f"t{number}", "s")) for number in range(count)]
        waits = [partial(each.receive, 1, WAITS_S) for each in members]
        got = await the_last_is_served(
            case, "pubsub_persistent.9", waits, lambda: other.publish_persistent(f"t{count - 1}", b"its own")
        )
        same("pubsub_persistent.1", [each.message.payload for each in got], [b"its own"], "a receive beside others gives another")


@check("pubsub_persistent.9")
async def members_that_wait_in_vain_end_in_time(pubsub: PubSubPersistent, case: Case) -> None:
    """However many members of one subscription wait for nothing, each ends when its own time is over."""
    if not case.clock.virtual:
        case.note("how late a wait ends is judged where time is virtual")
        return
    async with AsyncExitStack() as stack:
        members = [await stack.enter_async_context(pubsub.subscribe_durable("t", "s")) for _ in range(how_many(case))]
        waits_s = [100.0 + 10.0 * (number * 7 % how_many(case)) for number in range(how_many(case))]

        async def ends(member: Any, wait_s: float) -> tuple[list[Any], float]:
            began_s = case.clock.now_s()
            return await member.receive(1, wait_s), case.clock.now_s() - began_s

        found = await asyncio.gather(*(ends(member, wait_s) for member, wait_s in zip(members, waits_s, strict=True)))
        for (got, took_s), wait_s in zip(found, waits_s, strict=True):
            same("pubsub_persistent.9", got, [], "a receive gives something, and nothing was published")
            if took_s > 2 * wait_s + 100.0:
                sentence = "a receive that waits in vain beside other members does not end when its time is over"
                broken("pubsub_persistent.9", sentence, expected=f"about {wait_s:g} s", got=f"{took_s:g} s")


@check("pubsub_basic.10")
@gauntlet(lambda limits: [{"waiters": waiters} for waiters in (1, 2, 3, 12)])
async def all_that_wait_are_told_of_the_end(pubsub: PubSubBasic, case: Case, waiters: int) -> None:
    """Several receives of one subscription wait when it is left: each of them raises `Closed`, and none waits out its time."""
    manager = pubsub.subscribe("t")
    inner = await manager.__aenter__()
    began_s = case.clock.now_s()
    tasks = [asyncio.ensure_future(inner.receive(WAITS_S)) for _ in range(waiters)]
    await case.clock.sleep(1.0 if case.clock.virtual else 0.2)
    await manager.__aexit__(None, None, None)
    try:
        for task in tasks:
            ended = await ends_soon(case, task)
            told = f"of {waiters} receives that wait on one subscription not each raises Closed when it is left"
            if not ended or case.clock.now_s() - began_s >= WAITS_S:
                broken("pubsub_basic.10", told, expected="Closed", got="it waits out its time")
            if not isinstance(task.exception(), Closed):
                broken("pubsub_basic.10", told, expected="Closed", got=task.exception() or task.result())
    finally:
        await over(tasks)


@check("pubsub_persistent.4", "pubsub_persistent.9", "pubsub_persistent.7")
@gauntlet(lambda limits: [{"count": count} for count in (1, 2, 3, 8)])
async def what_one_leaves_behind_is_for_all_that_wait(pubsub: PubSubPersistent, case: Case, count: int) -> None:
    """A member leaves that held several, and as many wait: none of these ends with nothing while there is one left for it."""
    async with AsyncExitStack() as stack:
        leaving = pubsub.subscribe_durable("t", "s", "earliest")
        holder = await leaving.__aenter__()
        for number in range(count):
            await pubsub.publish_persistent("t", b"%d" % number)
        held: list[Any] = []
        began_s = case.clock.now_s()
        while len(held) < count and (got := await holder.receive(count, 100.0 if case.clock.virtual else 5.0)):
            held += got
        others = [await stack.enter_async_context((await case.client()).subscribe_durable("t", "s")) for _ in range(count)]

        async def given(member: Any) -> tuple[list[Any], float]:
            return await member.receive(1, WAITS_S if case.clock.virtual else 5.0), case.clock.now_s()

        tasks = [asyncio.ensure_future(given(member)) for member in others]
        await case.clock.sleep(HELD_S / 4 if case.clock.virtual else 0.1)
        if case.clock.now_s() - began_s >= HELD_S or any(task.done() for task in tasks):
            await over(tasks)
            case.note("what was held may have come again before it was left behind")
            await leaving.__aexit__(None, None, None)
            return
        left_s = case.clock.now_s()
        await leaving.__aexit__(None, None, None)
        await asyncio.wait(tasks)
        sentence = f"of {count} members that wait one is not given in time what is there, which one who left had held"
        for task, member in zip(tasks, others, strict=True):
            got, ended_s = task.result()
            late = got if case.clock.virtual and ended_s - left_s > 0.9 * WAITS_S else [] if got else await member.receive(1)
            if late:
                broken("pubsub_persistent.9", sentence, expected="as soon as it is there", got=late)


@check("pubsub_basic.9")
async def subscriptions_that_wait_in_vain_end_in_their_times(pubsub: PubSubBasic, case: Case) -> None:
    """Subscriptions of one client wait for times of their own."""
    async with AsyncExitStack() as stack:
        ears = [await stack.enter_async_context(pubsub.subscribe(f"t{number % 4}")) for number in range(6)]
        await each_ends_in_its_time(case, "pubsub_basic.9", lambda number, wait_s: ears[number].receive(wait_s), len(ears))


@check("pubsub_persistent.9", "pubsub_persistent.6")
@gauntlet(lambda limits: [{"most": most, "beside": beside} for most, beside in ((1, 10), (2, 10), (10, 1))])
async def members_that_wait_are_given_their_own_number(pubsub: PubSubPersistent, case: Case, most: int, beside: int) -> None:
    """Two members of one client wait, of two subscriptions, for different numbers of messages: three come at once for the first,
    given back to its subscription together, and it is given no more than it asked for."""
    async with (
        pubsub.subscribe_durable("t", "s", "earliest") as holder,
        pubsub.subscribe_durable("t", "other", "earliest") as other,
    ):
        sents = await send(pubsub, "t", numbered(3), PERSISTENT)
        held = await gets(case, holder, sents)
        await other.ack(*await gets(case, other, sents))
        async with pubsub.subscribe_durable("t", "s") as member:
            waits_s = WAITS_S if case.clock.virtual else 2.0
            waiting = asyncio.ensure_future(received(case, member, most, waits_s))
            await case.clock.sleep(0.1 if case.clock.virtual else 0.05)
            beside_it = asyncio.ensure_future(received(case, other, beside, waits_s))
            await case.clock.sleep(0.1 if case.clock.virtual else 0.05)
            await holder.nack(*held)
            await waiting  # no more than were asked for is judged by each receive
            await send(pubsub, "t", [b"for both"], PERSISTENT)
            await beside_it
