"""pubsub_basic: how long a receive waits, what iteration gives, and what leaving ends."""

import asyncio
import contextlib
import math
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from typing import Any

from prism_suites._judging import broken, refused, same
from prism_suites._pubsub_taking import BASIC, Ear, Sent, hears, is_message, listening, numbered, patience, send, silent
from prism_suites._racing import together
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Closed, PubSubBasic
from prism_testkit.outcomes import law

_LONG_S = 1e5
_SOON = 3
"""On a real clock receives are judged that would have waited so many times as long as it took until everything was there."""


def _short(case: Case, virtual_s: float = 5.0) -> float:
    return virtual_s if case.clock.virtual else 0.01


@check("pubsub_basic.9")
@gauntlet(lambda limits: [{"timeout_s": timeout_s} for timeout_s in (0, 0.0, -1, -1e9, 1e-3, 0.25, 0.999, 1, 1.5, 10.0, 59.9)])
async def nothing_is_waited_for_as_long_as_asked(pubsub: PubSubBasic, case: Case, timeout_s: float) -> None:
    """`receive` of nothing returns None, not before its timeout has passed; a negative one is none."""
    if not case.clock.virtual:
        timeout_s = min(timeout_s, 0.02)
    async with pubsub.subscribe("t") as inner:
        for _ in range(2):
            began_s = case.clock.now_s()
            got = await inner.receive(timeout_s)
            passed_s = case.clock.now_s() - began_s
            same("pubsub_basic.9", got, None, "receive of nothing gives something")
            least = timeout_s * 0.8 - 0.01 if not case.clock.virtual else timeout_s - 1e-4
            if passed_s < least:
                sentence = "a receive of nothing returned before its timeout had passed"
                broken("pubsub_basic.9", sentence, expected=f"{timeout_s:g} s", got=f"{passed_s:g} s")
            await hears(Ear(case, inner, BASIC), await send(pubsub, "t", numbered(2), BASIC), "after an empty receive")


@check("pubsub_basic.9")
@gauntlet(lambda limits: [{"timeout_s": bad} for bad in (math.nan, math.inf, -math.inf)])
async def a_timeout_that_is_no_number_is_refused(pubsub: PubSubBasic, case: Case, timeout_s: float) -> None:
    """NaN and infinities raise ``ValueError``, whether a message is there or not, and take nothing."""
    async with listening(case, pubsub, "t", BASIC) as ear:
        await refused("pubsub_basic.9", ear.inner.receive(timeout_s), ValueError, f"a timeout of {timeout_s} is not refused")
        sents = await send(pubsub, "t", numbered(2), BASIC)
        await refused("pubsub_basic.9", ear.inner.receive(timeout_s), ValueError, f"a timeout of {timeout_s} is not refused")
        await hears(ear, sents, "after a refused receive")


@check("pubsub_basic.9", "pubsub_basic.1")
async def looking_again_and_again_finds_it(pubsub: PubSubBasic, case: Case) -> None:
    """Without any timeout, too, a receive gives what has come: looking often enough is as good as waiting."""
    async with pubsub.subscribe("t") as inner:
        sents = await send(pubsub, "t", numbered(3), BASIC)
        found: list[Any] = []
        for _ in range(300):
            got = await inner.receive()
            if got is not None:
                found.append(got)
            if len(found) == len(sents):
                break
            await case.clock.sleep(1.0 if case.clock.virtual else 0.02)
        same("pubsub_basic.9", [m.id for m in found], [sent.id for sent in sents], "receives without a timeout find nothing")


@check("pubsub_basic.9", "pubsub_basic.4")
@gauntlet(lambda limits: [{"waiters": waiters, "how": how} for waiters in (1, 2, 5) for how in ("receive", "iterate")])
async def who_waits_is_woken(pubsub: PubSubBasic, case: Case, waiters: int, how: str) -> None:
    """A message that comes while subscriptions wait wakes all of them, at once and not at the end of their time (PS-09)."""
    other = await case.client()
    async with AsyncExitStack() as stack:
        inners = [await stack.enter_async_context((other if n % 2 else pubsub).subscribe("t")) for n in range(waiters)]
        began_s = case.clock.now_s()

        async def wait(inner: Any) -> Any:
            got = await (inner.receive(_LONG_S if case.clock.virtual else 10.0) if how == "receive" else inner.__anext__())
            return got, case.clock.now_s() - began_s

        async def come() -> Any:
            await case.clock.sleep(_short(case, 100.0))
            return (await send(other, "t", [b"comes"], BASIC, {"h": "v"}))[0]

        *got, sent = await together(*map(wait, inners), come())
        for message, passed_s in got:
            if message is None:
                broken("pubsub_basic.9", "a message comes, and a receive that waits returns None", expected=sent, got=None)
            is_message("pubsub_basic.1", message, sent, "who waits is given something else than what came")
            if case.clock.virtual and passed_s > _LONG_S / 10:
                sentence = "a receive that waits is not woken by a message, but at the end of its time"
                broken("pubsub_basic.9", sentence, expected="at once", got=f"after {passed_s:g} s")


@check("pubsub_basic.9", "pubsub_basic.5", "pubsub_basic.8")
async def what_comes_elsewhere_ends_no_wait(pubsub: PubSubBasic, case: Case) -> None:
    """A receive that waits is ended neither by messages of other topics nor by those of other namespaces."""
    sibling = await case.sibling()
    wait_s = 50.0 if case.clock.virtual else 0.1
    async with pubsub.subscribe("t") as inner, pubsub.subscribe("t2"):
        began_s = case.clock.now_s()

        async def come() -> None:
            await case.clock.sleep(_short(case))
            for slot, topic in ((pubsub, "t2"), (sibling, "t"), (pubsub, "T")):
                await send(slot, topic, [b"elsewhere"], BASIC)

        got, _ = await together(inner.receive(wait_s), come())
        passed_s = case.clock.now_s() - began_s
        same("pubsub_basic.5", got, None, "a subscription is given what was published elsewhere")
        if passed_s < wait_s * 0.8:
            sentence = "a receive of nothing returned before its timeout, as a message came elsewhere"
            broken("pubsub_basic.9", sentence, expected=f"{wait_s:g} s", got=f"{passed_s:g} s")


@check("pubsub_basic.9", "pubsub_basic.2", "pubsub_basic.1")
@gauntlet(lambda limits: [{"waiters": waiters, "messages": messages} for waiters, messages in ((2, 2), (2, 4), (3, 1), (5, 5))])
async def receives_on_one_subscription_share(pubsub: PubSubBasic, case: Case, waiters: int, messages: int) -> None:
    """Of receives that wait on one subscription each is given a message of its own; who goes away empty waits its time."""
    async with listening(case, pubsub, "t", BASIC) as ear:
        wait_s = 1000.0 if case.clock.virtual else (0.15 if waiters > messages else 5.0)

        async def come() -> tuple[list[Sent], float]:
            await case.clock.sleep(_short(case))
            sents = await send(pubsub, "t", numbered(messages), BASIC)
            return sents, case.clock.now_s() - began_s

        began_s = case.clock.now_s()
        *got, (sents, took_s) = await together(*(ear.inner.receive(wait_s) for _ in range(waiters)), come())
        if None in got and case.clock.now_s() - began_s < wait_s * 0.8:
            broken("pubsub_basic.9", "a receive goes away empty before its timeout, as another is given a message", got=got)
        if waiters <= messages and case.clock.virtual and case.clock.now_s() - began_s > wait_s / 2:
            sentence = "of receives that wait on one subscription one is given what came at the end of its time only"
            broken("pubsub_basic.9", sentence, expected="as soon as there is one", got=f"{case.clock.now_s() - began_s:g} s")
        given = [message.id for message in got if message is not None]
        expected = [sent.id for sent in sents[:waiters]]
        if len(set(given)) < len(given):
            broken("pubsub_basic.2", "two receives of one subscription are given one message", expected=expected, got=given)
        if _SOON * took_s > wait_s:
            case.note("the messages came so late that receives may have given up: who was given what was not judged")
            await hears(ear, [sent for sent in sents if sent.id not in given], "after receives at once")
            return
        same("pubsub_basic.9", sorted(given), sorted(expected), "receives that wait are not given the messages that come")
        await hears(ear, sents[waiters:], "after receives at once")


@check("pubsub_basic.9", "pubsub_basic.3")
@gauntlet(lambda limits: [{"script": script} for script in ("iii", "rir", "irri", "ibibib", "iirriibb", "bbbb", "rrbi")])
async def iteration_gives_what_receives_give(pubsub: PubSubBasic, case: Case, script: str) -> None:
    """`async for`, begun anew or broken off, and receives by turns give the same messages: none skipped, none twice."""
    payloads = [(b"", b"0", b"false", b"x")[number % 4] for number in range(len(script))]
    async with pubsub.subscribe("t") as inner:
        sents = await send(pubsub, "t", payloads, BASIC, {"h": "v"})
        for step, sent in zip(script, sents, strict=True):
            if step == "r":
                got: Any = await inner.receive(patience(case))
            elif step == "i":
                got = await anext(inner)
            else:
                got = await _first_of(inner)
            is_message("pubsub_basic.9", got, sent, "iteration and receives by turns do not give the same messages")
        await silent(Ear(case, inner, BASIC), "pubsub_basic.9", "after an iteration a message comes again")


async def _first_of(inner: Any) -> Any:
    async for message in inner:
        return message
    return None


@check("pubsub_basic.9")
async def iteration_waits_however_long(pubsub: PubSubBasic, case: Case) -> None:
    """Where nothing comes the iteration does not end; it goes on with what comes at last."""
    async with pubsub.subscribe("t") as inner:

        async def iterate() -> list[Any]:
            got = []
            async for message in inner:
                got.append(message.payload)
                if len(got) == 3:
                    break
            return got

        async def come() -> None:
            for number, seconds in enumerate((1.0, 60.0, 600.0)):
                await case.clock.sleep(_short(case, seconds))
                await send(pubsub, "t", [b"%d" % number], BASIC)

        got, _ = await together(iterate(), come())
        same("pubsub_basic.9", got, [b"0", b"1", b"2"], "an iteration ended, or lost something, while nothing came")


_WAYS = ("plainly", "by an error", "by a cancellation")


async def _leave(manager: Any, way: str) -> None:
    if way == "plainly":
        await manager.__aexit__(None, None, None)
        return
    error: BaseException = KeyError("of the user") if way == "by an error" else asyncio.CancelledError()
    try:
        if await manager.__aexit__(type(error), error, None):
            broken("pubsub_basic.10", "leaving swallows the error that left the context", expected=error, got=None)
    except type(error):
        return


@check("pubsub_basic.10", "pubsub_basic.4")
@gauntlet(lambda limits: [{"way": way, "unread": unread} for way in _WAYS for unread in (0, 3)])
async def what_was_left_is_closed(pubsub: PubSubBasic, case: Case, way: str, unread: int) -> None:
    """After leaving, `receive` raises `Closed`, also with messages unread, and iteration ends; others go on (PS-35, PS-36)."""
    other = await case.client()
    async with listening(case, pubsub, "t", BASIC) as stays, listening(case, other, "t", BASIC) as elsewhere:
        manager = pubsub.subscribe("t")
        inner = await manager.__aenter__()
        sents = await send(other, "t", numbered(unread), BASIC)
        await _leave(manager, way)
        sents += await send(other, "t", [b"after"], BASIC)
        for timeout_s in (0, -1, _short(case)):
            await refused("pubsub_basic.10", inner.receive(timeout_s), Closed, "receive of a subscription that was left goes on")
        with law("pubsub_basic.10"), contextlib.suppress(Closed):  # which of the two ways it ends is not said
            async for message in inner:
                broken("pubsub_basic.10", "iteration of a subscription that was left goes on", expected="its end", got=message)
        for ear in (stays, elsewhere):
            await hears(ear, sents, "another subscription was left", lost="pubsub_basic.10")


@check("pubsub_basic.10", "pubsub_basic.4")
@gauntlet(lambda limits: [{"how": how, "way": way} for how in ("receive", "iterate", "for") for way in _WAYS])
async def leaving_ends_what_waits(pubsub: PubSubBasic, case: Case, how: str, way: str) -> None:
    """A receive that waits raises `Closed` when its subscription is left, an iteration ends; others wait on (PS-34, PS-37)."""
    manager = pubsub.subscribe("t")
    async with pubsub.subscribe("t") as stays:
        inner = await manager.__aenter__()
        if how == "receive":
            call: Awaitable[Any] = inner.receive(1e6 if case.clock.virtual else 10.0)
        else:
            call = inner.__anext__() if how == "iterate" else _drain(inner)
        waiting = asyncio.ensure_future(call)
        unaffected = asyncio.ensure_future(stays.receive(1e6 if case.clock.virtual else 10.0))
        await case.clock.sleep(_short(case))
        await _leave(manager, way)
        await asyncio.wait([waiting], timeout=1000.0 if case.clock.virtual else 5.0)
        wanted = {"receive": Closed, "iterate": StopAsyncIteration, "for": None}[how]
        if not waiting.done():
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            broken("pubsub_basic.10", f"what waits ({how}) goes on waiting after leaving", expected=wanted, got="it waits")
        error = waiting.exception()
        if (wanted is None and error is not None) or (wanted is not None and not isinstance(error, wanted)):
            broken(
                "pubsub_basic.10", f"what waits ({how}) does not end as it should", expected=wanted, got=error or waiting.result()
            )
        sent = (await send(pubsub, "t", [b"after"], BASIC))[0]
        is_message("pubsub_basic.10", await unaffected, sent, "leaving one subscription disturbed another that waits")


async def _drain(inner: Any) -> int:
    number = 0
    async for _ in inner:
        number += 1
    return number


@check("pubsub_basic.4", "pubsub_basic.10")
@gauntlet(lambda limits: [{"leave": leave} for leave in ("0", "1", "2", "02", "10", "210")])
async def leaving_takes_nothing_from_others(pubsub: PubSubBasic, case: Case, leave: str) -> None:
    """Whichever of several subscriptions of a client is left, in whatever order, the others get everything (PS-35)."""
    other = await case.client()
    managers = [(other if number == 2 else pubsub).subscribe("t") for number in range(4)]
    inners = [await manager.__aenter__() for manager in managers]
    staying = dict(enumerate(inners))
    sents: list[Sent] = []
    for number in map(int, leave):
        sents += await send(pubsub, "t", [b"before %d" % number], BASIC)
        await managers[number].__aexit__(None, None, None)
        del staying[number]
        sents += await send(other, "t", [b"after %d" % number], BASIC)
    for number, inner in staying.items():
        expected = [sent.id for sent in sents]
        ids: list[str] = []
        for _ in expected:
            got = await inner.receive(patience(case))
            if got is None:
                broken("pubsub_basic.4", "leaving a subscription took a message from another", expected=expected, got=ids)
            ids.append(got.id)
        same("pubsub_basic.4", sorted(ids), sorted(expected), "leaving a subscription changed what another gets")
        await managers[number].__aexit__(None, None, None)


@check("pubsub_basic.10", "pubsub_basic.4", "pubsub_basic.2", "pubsub_basic.1")
@gauntlet(lambda limits: [{"mark": mark, "first": first} for mark in "./:" for first in ("above", "below", "by name")])
async def related_topics_are_left_apart(pubsub: PubSubBasic, case: Case, mark: str, first: str) -> None:
    """Topics whose names are parts of one another, or differ in one part, are left one by one: the others go on (PS-35)."""
    names = [*(mark.join(name) for name in ("a", "ab", "abc", "ac", "ad", "b", "bb")), "c", "cd"]
    order = {"above": sorted(names, key=len), "below": sorted(names, key=len)[::-1], "by name": sorted(names)}[first]
    for name in names:
        await send(pubsub, name, [b"before anybody listens"], BASIC)
    async with AsyncExitStack() as stack:
        stacks = {name: await stack.enter_async_context(AsyncExitStack()) for name in names}
        ears = {name: await one.enter_async_context(listening(case, pubsub, name, BASIC)) for name, one in stacks.items()}
        for left in ("none", *order):
            if left != "none":
                await stacks[left].aclose()
                del ears[left]
            with law("pubsub_basic.10"):
                sents = {name: await send(pubsub, name, [f"to {name}".encode()], BASIC) for name in ears}
                for name, ear in ears.items():
                    await hears(ear, sents[name], f"{left!r} was left, {name!r} was not", more=True, lost="pubsub_basic.10")


@check("pubsub_basic.4", "pubsub_basic.6")
async def many_that_come_and_go_use_nothing_up(pubsub: PubSubBasic, case: Case) -> None:
    """After many subscriptions, left with messages unread, publishing and listening go on as at first (PS-25)."""
    for number in range(30 if case.server else 150):
        async with pubsub.subscribe("t") as inner, pubsub.subscribe(f"t{number % 7}"):
            await send(pubsub, "t", [b"unread", b"unread"], BASIC)
            if number % 3 == 0:
                await inner.receive(patience(case))
    async with listening(case, pubsub, "t", BASIC) as ear:
        await hears(ear, await send(pubsub, "t", numbered(3), BASIC), "after many that came and went")
