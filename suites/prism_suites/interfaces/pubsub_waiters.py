"""pubsub: many wait at once, on subscriptions of one driver or on one subscription, and each ends for what is its own."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._noticing import ends_soon
from prism_suites._pubsub_members import HELD_S
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Closed, PubSubBasic, PubSubPersistent

_WAITS_S = 1000.0
"""So long each would wait. Whoever is told of nothing until then, or until another's time is over, was not woken."""
_MANY, _ON_A_SERVER = 40, 12
"""More than a pool lets wait, as a rule."""


def _count(case: Case) -> int:
    return _ON_A_SERVER if case.server else _MANY


async def _last_is_served(case: Case, promise: str, tasks: list["asyncio.Task[Any]"], began_s: float, payload: bytes) -> None:
    """Judge that the last of those who wait is given its message, soon, and that the others go on waiting."""
    last = tasks[-1]
    ended = await ends_soon(case, last)
    passed_s = case.clock.now_s() - began_s
    told = f"a receive that waits beside {len(tasks) - 1} others of its client, for other topics, is not given its message"
    if not ended or passed_s >= _WAITS_S:
        broken(promise, told, expected="as soon as it is there", got=f"after {passed_s:g} s" if ended else "it still waits")
    got = last.result()
    found = [each.message for each in got] if isinstance(got, list) else [got] if got is not None else []
    same(promise, [message.payload for message in found], [payload], told)
    same(promise, [task for task in tasks[:-1] if task.done()], [], "a receive ends because another one was given its message")


@check("pubsub_basic.9", "pubsub_basic.4")
async def of_many_that_wait_the_last_is_served(pubsub: PubSubBasic, case: Case) -> None:
    """Many subscriptions of one client wait, each for a topic of its own; what is published for the last comes at once."""
    other, count = await case.client(), _count(case)
    async with AsyncExitStack() as stack:
        entered = [await stack.enter_async_context(pubsub.subscribe(f"t{number}")) for number in range(count)]
        began_s = case.clock.now_s()
        tasks = [asyncio.ensure_future(each.receive(_WAITS_S)) for each in entered]
        await case.clock.sleep(1.0 if case.clock.virtual else 0.2)
        try:
            await other.publish(f"t{count - 1}", b"its own")
            await _last_is_served(case, "pubsub_basic.9", tasks, began_s, b"its own")
        finally:
            await _over(tasks)


@check("pubsub_persistent.9", "pubsub_persistent.6")
async def of_many_members_that_wait_the_last_is_served(pubsub: PubSubPersistent, case: Case) -> None:
    """So do members of many durable subscriptions of one client."""
    other, count = await case.client(), _count(case)
    async with AsyncExitStack() as stack:
        members = [await stack.enter_async_context(pubsub.subscribe_durable(f"t{number}", "s")) for number in range(count)]
        began_s = case.clock.now_s()
        tasks = [asyncio.ensure_future(each.receive(1, _WAITS_S)) for each in members]
        await case.clock.sleep(1.0 if case.clock.virtual else 0.2)
        try:
            await other.publish_persistent(f"t{count - 1}", b"its own")
            await _last_is_served(case, "pubsub_persistent.9", tasks, began_s, b"its own")
        finally:
            await _over(tasks)


@check("pubsub_persistent.9")
async def members_that_wait_in_vain_end_in_time(pubsub: PubSubPersistent, case: Case) -> None:
    """However many members of one subscription wait for nothing, each ends when its own time is over."""
    if not case.clock.virtual:
        case.note("how late a wait ends is judged where time is virtual")
        return
    async with AsyncExitStack() as stack:
        members = [await stack.enter_async_context(pubsub.subscribe_durable("t", "s")) for _ in range(_MANY)]
        waits_s = [100.0 + 10.0 * (number * 7 % _MANY) for number in range(_MANY)]

        async def ends(member: Any, wait_s: float) -> tuple[list[Any], float]:
            began_s = case.clock.now_s()
            return await member.receive(1, wait_s), case.clock.now_s() - began_s

        found = await asyncio.gather(*(ends(member, wait_s) for member, wait_s in zip(members, waits_s, strict=True)))
        for (got, took_s), wait_s in zip(found, waits_s, strict=True):
            same("pubsub_persistent.9", got, [], "a receive gives something, and nothing was published")
            if took_s > 2 * wait_s + 100.0:
                sentence = f"a receive that waits in vain beside {_MANY - 1} other members does not end when its time is over"
                broken("pubsub_persistent.9", sentence, expected=f"about {wait_s:g} s", got=f"{took_s:g} s")


@check("pubsub_basic.10")
@gauntlet(lambda limits: [{"waiters": waiters} for waiters in (1, 2, 3, 12)])
async def all_that_wait_are_told_of_the_end(pubsub: PubSubBasic, case: Case, waiters: int) -> None:
    """Several receives of one subscription wait when it is left: each of them raises `Closed`, and none waits out its time."""
    manager = pubsub.subscribe("t")
    inner = await manager.__aenter__()
    began_s = case.clock.now_s()
    tasks = [asyncio.ensure_future(inner.receive(_WAITS_S)) for _ in range(waiters)]
    await case.clock.sleep(1.0 if case.clock.virtual else 0.2)
    await manager.__aexit__(None, None, None)
    try:
        for task in tasks:
            ended = await ends_soon(case, task)
            told = f"of {waiters} receives that wait on one subscription not each raises Closed when it is left"
            if not ended or case.clock.now_s() - began_s >= _WAITS_S:
                broken("pubsub_basic.10", told, expected="Closed", got="it waits out its time")
            if not isinstance(task.exception(), Closed):
                broken("pubsub_basic.10", told, expected="Closed", got=task.exception() or task.result())
    finally:
        await _over(tasks)


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
            return await member.receive(1, _WAITS_S if case.clock.virtual else 5.0), case.clock.now_s()

        tasks = [asyncio.ensure_future(given(member)) for member in others]
        await case.clock.sleep(HELD_S / 4 if case.clock.virtual else 0.1)
        if case.clock.now_s() - began_s >= HELD_S or any(task.done() for task in tasks):
            await _over(tasks)
            case.note("what was held may have come again before it was left behind")
            await leaving.__aexit__(None, None, None)
            return
        left_s = case.clock.now_s()
        await leaving.__aexit__(None, None, None)
        await asyncio.wait(tasks)
        sentence = f"of {count} members that wait one is not given in time what is there, which one who left had held"
        for task, member in zip(tasks, others, strict=True):
            got, ended_s = task.result()
            late = got if case.clock.virtual and ended_s - left_s > 0.9 * _WAITS_S else [] if got else await member.receive(1)
            if late:
                broken("pubsub_persistent.9", sentence, expected="as soon as it is there", got=late)


async def _over(tasks: list["asyncio.Task[Any]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
