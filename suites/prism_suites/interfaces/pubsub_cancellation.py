"""pubsub_basic: a cancelled publish is received by all or by none, and a cancelled receive takes nothing."""

import asyncio
import contextlib
from contextlib import AsyncExitStack
from typing import Any

from prism_suites._judging import broken
from prism_suites._noticing import is_handed_on
from prism_suites._pubsub_both import gives_up
from prism_suites._pubsub_reaching import all_or_none, audience, reaching
from prism_suites._pubsub_taking import BASIC, Ear, Sent, hears, is_message, listening, numbered, patience, send
from prism_suites._queue_cancelling import cancelled, points
from prism_suites._using_up import crowds_are_cancelled
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Message, PrismError, PubSubBasic
from prism_testkit.outcomes import law


async def _goes_on(case: Case, *slots: Any) -> None:
    with law("pubsub_basic.11"):
        for slot in slots:
            async with listening(case, slot, "next", BASIC) as ear:
                await hears(ear, await send(slot, "next", numbered(2), BASIC), "after a cancelled call", lost="pubsub_basic.11")


@check("pubsub_basic.11", "pubsub_basic.4")
@gauntlet(reaching("small", "large"))
async def a_cancelled_publish_reaches_all_or_none(pubsub: PubSubBasic, case: Case, kind: str, point: int) -> None:
    """A publish that is cancelled at any point is received whole, once, by all subscriptions, or by none."""
    payload = b"new;" * (min(case.limits.max_payload, 100_000) // 4) if kind == "large" else b"new"
    other = await case.client()
    async with AsyncExitStack() as stack:
        slots = [(pubsub, other)[number % 2] for number in range(audience(case, kind))]
        ears = [await stack.enter_async_context(listening(case, slot, "t", BASIC)) for slot in slots]
        case.overlap()
        ended, identity = await cancelled(pubsub.publish("t", payload, {"a": "b"}), point)
        after = (await send(other, "t", [b"after"], BASIC))[0]
        heard = [await _until(ear, after) for ear in ears]
        if any(heard) or ended:  # what others have may be on its way
            heard = [got or await _more(ear) for ear, got in zip(ears, heard, strict=True)]
        all_or_none("pubsub_basic.11", [len(got) for got in heard], ended)
        for message in (message for got in heard for message in got):
            sent = Sent(identity if ended else message.id, "t", payload, {"a": "b"})
            is_message("pubsub_basic.11", message, sent, "a cancelled publish left a part of its message")
    await _goes_on(case, pubsub)


async def _until(ear: Ear, last: Sent) -> list[Message]:
    got: list[Message] = []
    while (message := await ear.next()) is None or message.id != last.id:
        if message is None:
            broken("pubsub_basic.11", "after a cancelled publish a message is not received", expected=last, got=None)
        got.append(message)
    return got


async def _more(ear: Ear) -> list[Message]:
    message = await ear.next(50.0 if ear.case.clock.virtual else 1.0)
    return [] if message is None else [message]


@check("pubsub_basic.11", "pubsub_basic.3")
@gauntlet(points(("at once", "with a timeout", "iteration", "of another client")))
async def a_cancelled_receive_takes_nothing(pubsub: PubSubBasic, case: Case, kind: str, point: int) -> None:
    """A receive that is cancelled at any point takes nothing, and the order stays: the next one is given the message."""
    slot = await case.client() if kind == "of another client" else pubsub
    async with listening(case, slot, "t", BASIC) as ear:
        sents = await send(pubsub, "t", numbered(4), BASIC, {"h": "v"})
        inner = ear.inner
        call = inner.__anext__() if kind == "iteration" else inner.receive(patience(case) if kind == "with a timeout" else 0)
        ended, got = await cancelled(call, point)
        if ended and got is not None:
            is_message("pubsub_basic.3", got, sents.pop(0), "a receive that was to be cancelled does not give the first message")
        await hears(ear, sents, "after a cancelled receive", lost="pubsub_basic.11")
    await _goes_on(case, slot)


@check("pubsub_basic.11", "pubsub_basic.9")
@gauntlet(
    lambda limits: [{"how": how, "point": point} for how in ("cancel", "timeout", "iteration", "its own") for point in (0, 1, 2, 5)]
)
async def a_receive_that_gave_up_takes_nothing(pubsub: PubSubBasic, case: Case, how: str, point: int) -> None:
    """A receive that waits and is cancelled, or whose time is up, is given nothing that comes later."""
    async with listening(case, pubsub, "t", BASIC) as ear:
        wait_s = 2.0 if case.clock.virtual else 0.01
        if how == "its own":
            await ear.inner.receive(wait_s)
        else:
            wait = ear.inner.__anext__ if how == "iteration" else lambda: ear.inner.receive(3600.0)
            await gives_up(case, wait, wait_s, how, "pubsub_basic.9")
        for _ in range(point):
            await asyncio.sleep(0)
        await hears(ear, await send(pubsub, "t", numbered(3), BASIC), "after a receive that gave up", lost="pubsub_basic.11")


@check("pubsub_basic.11", "pubsub_basic.9")
@gauntlet(lambda limits: [{"point": point, "how": how} for point in range(12) for how in ("receive", "iteration", "two wait")])
async def a_receive_cancelled_as_a_message_comes_loses_nothing(pubsub: PubSubBasic, case: Case, point: int, how: str) -> None:
    """Of a message that comes while a waiting receive is cancelled, it was told, or another receive is given it, and soon."""
    other = await case.client()
    async with listening(case, pubsub, "t", BASIC) as ear:
        if how == "two wait" and case.clock.virtual:
            waits = ear.inner.receive, ear.inner.receive
            await is_handed_on(case, "pubsub_basic.9", point, waits, lambda: send(other, "t", [b"comes"], BASIC))
            return
        waiting = [asyncio.ensure_future(ear.inner.__anext__() if how == "iteration" else ear.inner.receive(3600.0))]
        if how == "two wait":
            waiting.append(asyncio.ensure_future(ear.inner.receive(1.0 if case.clock.virtual else 0.1)))
        await case.clock.sleep(0.1 if case.clock.virtual else 0.002)
        coming = asyncio.ensure_future(send(other, "t", [b"comes"], BASIC))
        for _ in range(point):
            await asyncio.sleep(0)
        waiting[0].cancel()
        sents = await coming
        told = [got for got in await asyncio.gather(*waiting, return_exceptions=True) if isinstance(got, Message)]
        if len(told) > 1:
            broken("pubsub_basic.2", "two receives of one subscription are given one message", expected="once", got=told)
        await hears(ear, sents[len(told) :], "a receive was cancelled as it came", lost="pubsub_basic.11")


@check("pubsub_basic.11", "pubsub_basic.4", "pubsub_basic.10")
@gauntlet(points(("entering", "leaving", "entering on a used topic")))
async def a_cancelled_entry_or_exit_disturbs_nobody(pubsub: PubSubBasic, case: Case, kind: str, point: int) -> None:
    """Entering or leaving that is cancelled at any point leaves a driver that works, and other subscriptions whole."""
    async with listening(case, pubsub, "t" if kind != "entering" else "other", BASIC) as stays:
        manager = pubsub.subscribe("t")
        if kind == "leaving":
            await manager.__aenter__()
            await cancelled(manager.__aexit__(None, None, None), point)
        else:
            ended, _ = await cancelled(manager.__aenter__(), point)
            if ended:
                await manager.__aexit__(None, None, None)
        topic = "t" if kind != "entering" else "other"
        await hears(stays, await send(pubsub, topic, numbered(3), BASIC), f"{kind} was cancelled", lost="pubsub_basic.11")
        async with listening(case, pubsub, "t", BASIC) as ear:
            await hears(ear, await send(pubsub, "t", numbered(3), BASIC), f"{kind} was cancelled", lost="pubsub_basic.11")
    await _goes_on(case, pubsub)


@check("pubsub_basic.11")
@gauntlet(lambda limits: [{"times": 100}])
async def many_cancelled_calls_use_nothing_up(pubsub: PubSubBasic, case: Case, times: int) -> None:
    """After many cancelled calls connections, buffers and locks are all there again, and so is every message."""
    async with listening(case, pubsub, "t", BASIC) as ear:
        sents = await send(pubsub, "t", numbered(5), BASIC)
        for number in range(times):
            ended, got = await cancelled(ear.inner.receive(), 1 + number % 5)
            if ended and got is not None:
                is_message("pubsub_basic.3", got, sents.pop(0), "after cancelled receives a message is missing, or another's turn")
                sents += await send(pubsub, "t", [b"again-%d" % number], BASIC)
            if number % 5 == 0:
                with contextlib.suppress(PrismError):
                    await cancelled(pubsub.publish("elsewhere", b"x"), 1 + number % 3)
        await crowds_are_cancelled(lambda: pubsub.publish("elsewhere", b"x"), (PrismError,))
        sents += await send(pubsub, "t", numbered(2, "after the crowds"), BASIC)
        await hears(ear, sents, "after many cancelled calls", lost="pubsub_basic.11")
