"""pubsub_basic under concurrency: publishing, entering, receiving and leaving at once, judged subscription by subscription."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import broken, same
from prism_suites._pubsub_racing import Plain
from prism_suites._pubsub_taking import BASIC, Ear, Sent, hears, listening, numbered, patience, send, silent
from prism_suites._racing import PLANS, clients, together
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Closed, PubSubBasic
from prism_testkit.plan import Plan
from prism_testkit.strategies import patterned

_SCRIPTS: tuple[tuple[str, ...], ...] = (
    ("pp", "srr"),
    ("pppp", "srrlsrr", "-srr"),
    ("spr", "spr"),
    ("spspr", "sprpl"),
    ("pppppp", "s-r-l", "--s-rrrr", "sl"),
    ("p-p-p-p", "sl-sl-sl", "srwrw"),
    ("pppp", "pppp", "sww", "-sw"),
    ("swlswl", "swlswl", "-p--p--p-p"),
    ("sp", "sp", "sp", "sp", "sp"),
    ("slslslsl", "srrrrrrr", "pppppppp"),
)
_LETTERS = st.text("psrwl-", min_size=1, max_size=8)


def _on(on: str, count: int) -> list[int]:
    return [0 if on == "one" else number if on == "each" else number % 2 for number in range(count)]


@check("pubsub_basic.1", "pubsub_basic.2", "pubsub_basic.3", "pubsub_basic.4")
@gauntlet(lambda limits: [{"scripts": scripts, "on": on, "plan": Plan()} for scripts in _SCRIPTS for on in ("one", "each", "two")])
@given(scripts=st.lists(_LETTERS, min_size=2, max_size=4).map(tuple), on=st.sampled_from(["one", "each", "two"]), plan=PLANS)
async def subscriptions_get_what_is_theirs(pubsub: PubSubBasic, case: Case, scripts: tuple[str, ...], on: str, plan: Plan) -> None:
    """However publishes, entries and exits overlap: all from after the entry, nothing from before, in order (PS-08, PS-30)."""
    numbers = _on(on, len(scripts))
    game = Plain(case, await clients(pubsub, case, numbers), numbers)
    case.schedule(plan)
    await game.play(scripts)
    game.judge()


@check("pubsub_basic.1", "pubsub_basic.4", "pubsub_basic.2")
@given(
    script=st.text("pp-", min_size=2, max_size=6),
    others=st.lists(st.sampled_from(["srr", "srlsr", "s-wl", "sl"]), max_size=2),
    plan=PLANS,
)
async def an_entry_races_publishes(pubsub: PubSubBasic, case: Case, script: str, others: Sequence[str], plan: Plan) -> None:
    """Whenever an entry returns: what is published from then on is received, whoever enters or leaves beside it (PS-09)."""
    scripts = (script, "srrr", *others)
    numbers = [0, 1, 1, 1][: len(scripts)]
    game = Plain(case, await clients(pubsub, case, numbers), numbers)
    case.schedule(plan)
    await game.play(scripts)
    game.judge()


@check("pubsub_basic.1", "pubsub_basic.4")
@gauntlet(lambda limits: [{"publishers": publishers, "on": on} for publishers in (2, 10, 50) for on in ("one", "each")])
async def many_publishers_lose_nothing(pubsub: PubSubBasic, case: Case, publishers: int, on: str) -> None:
    """Of many that publish at once every message is received by every subscription, once, equal ones and large ones too (PS-08)."""
    slots = await clients(pubsub, case, [0 if on == "one" else number % 5 for number in range(publishers)])
    async with listening(case, pubsub, "t", BASIC) as ear, listening(case, slots[-1], "t", BASIC) as second:
        case.overlap()
        sents: list[Sent] = []
        alike = patterned(min(20_000, case.limits.max_payload)) if publishers == 2 else b"alike"
        for equal in (False, True):
            batches = await together(*(send(slot, "t", [alike if equal else b"%d" % n], BASIC) for n, slot in enumerate(slots)))
            part = [sent for batch in batches for sent in batch]
            sents += part
            for each in (ear, second):
                await _all_of(each, part)
        same("pubsub_basic.1", len({sent.id for sent in sents}), len(sents), "messages published at once have equal ids")
        for each in (ear, second):
            await silent(each, "pubsub_basic.2", "a message is received twice")


async def _all_of(ear: Ear, sents: Sequence[Sent]) -> None:
    left = {sent.id: sent for sent in sents}
    while left:
        got = await ear.next()
        if got is None and ear.inner.gaps:
            return  # a bounded buffer overflowed, and says so
        if got is None:
            broken("pubsub_basic.1", "of messages published at once one is lost", expected=sorted(left), got=None)
        sent = left.pop(got.id, None)
        if sent is None or sent.payload != got.payload:
            broken("pubsub_basic.2", "a message is received twice, or is another's", expected=sorted(left), got=got)


@check("pubsub_basic.10", "pubsub_basic.4", "pubsub_basic.1")
@gauntlet(
    lambda limits: [
        {"leave": leave, "publish": publish, "how": how, "beside": 9 if (leave < 3 and publish < 3 and how == "for") else 0}
        for leave in range(6)
        for publish in range(6)
        for how in ("receive", "for")
    ]
)
async def leaving_races_a_message(pubsub: PubSubBasic, case: Case, leave: int, publish: int, how: str, beside: int) -> None:
    """Who waits while its subscription is left and a message comes is given it or told `Closed`; others get it (PS-34)."""
    manager = pubsub.subscribe("t")
    async with listening(case, pubsub, "t", BASIC) as stays, AsyncExitStack() as stack:
        inner = await manager.__aenter__()
        everyone = [stays]
        for _ in range(0 if case.server else beside):
            everyone.append(await stack.enter_async_context(listening(case, pubsub, "t", BASIC)))
        got: list[Any] = []

        async def wait() -> None:
            if how == "receive":
                got.append(await inner.receive(1e4 if case.clock.virtual else 5.0))
            else:
                async for message in inner:
                    got.append(message)

        waiting = asyncio.ensure_future(wait())
        await case.clock.sleep(0.1 if case.clock.virtual else 0.002)

        async def go() -> None:
            await _turns(leave)
            await manager.__aexit__(None, None, None)

        async def come() -> list[Sent]:
            await _turns(publish)
            return await send(pubsub, "t", [b"comes"], BASIC)

        _, sents = await together(go(), come())
        await asyncio.wait([waiting], timeout=1000.0 if case.clock.virtual else 5.0)
        if not waiting.done():
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            broken("pubsub_basic.10", "who waits goes on waiting after leaving", expected="Closed, or a message", got="it waits")
        error = waiting.exception()
        if error is not None and not isinstance(error, Closed):
            broken("pubsub_basic.10", "who waits is told something else than Closed", expected=Closed, got=error)
        if (error is None and how == "receive" and got == [None]) or len(got) > 1:
            broken("pubsub_basic.10", "who waits is given something else than the message", expected=sents, got=got)
        for ear in everyone:
            await hears(ear, sents, "another was left at the same time", lost="pubsub_basic.4", more=ear is not stays)


async def _turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@check("pubsub_basic.2", "pubsub_basic.1", "pubsub_basic.9")
@gauntlet(lambda limits: [{"receivers": receivers, "messages": messages} for receivers, messages in ((2, 6), (4, 4), (3, 12))])
async def receivers_of_one_subscription_share(pubsub: PubSubBasic, case: Case, receivers: int, messages: int) -> None:
    """Tasks that receive from one subscription are given each message once between them, while more come."""
    async with pubsub.subscribe("t") as inner:
        found: list[str] = []

        async def take() -> None:
            for _ in range(messages // receivers):
                got = await inner.receive(patience(case))
                if got is not None:
                    found.append(got.id)

        *_, sents = await together(*(take() for _ in range(receivers)), send(pubsub, "t", numbered(messages), BASIC))
        expected = sorted(sent.id for sent in sents)
        if set(found) < set(expected):
            same("pubsub_basic.1", sorted(found), expected, "of receives at once none gives a message that was published")
        same("pubsub_basic.2", sorted(found), expected, "receives at once give a message twice, or one that was not published")


@check("pubsub_basic.4", "pubsub_basic.1")
@gauntlet(lambda limits: [{"count": count, "on": on} for count in (2, 10) for on in ("one", "each")])
async def many_enter_and_leave_at_once(pubsub: PubSubBasic, case: Case, count: int, on: str) -> None:
    """Subscriptions that are entered at once all get everything, and half of them left at once disturb nobody."""
    slots = await clients(pubsub, case, [0 if on == "one" else number % 4 for number in range(count)])
    case.overlap()
    async with AsyncExitStack() as stack:
        managers = [slot.subscribe("t") for slot in slots]
        inners = await together(*(manager.__aenter__() for manager in managers))
        for manager in managers[::2]:
            stack.push_async_exit(manager.__aexit__)
        sents = await send(pubsub, "t", numbered(3), BASIC)
        for inner in inners:
            await hears(Ear(case, inner, BASIC), sents, "entered at once", more=True)
        await together(*(manager.__aexit__(None, None, None) for manager in managers[1::2]))
        sents = await send(pubsub, "t", numbered(3, "after"), BASIC)
        for inner in inners[::2]:
            await hears(Ear(case, inner, BASIC), sents, "others were left at once", lost="pubsub_basic.4")


@check("pubsub_basic.4", "pubsub_basic.1")
async def ten_clients_open_an_empty_namespace_at_once(pubsub: PubSubBasic, case: Case) -> None:
    """They all succeed, and what each publishes all receive."""
    slots = [*await asyncio.gather(*(case.client() for _ in range(9))), pubsub]
    async with AsyncExitStack() as stack:
        ears = [await stack.enter_async_context(listening(case, slot, "t", BASIC)) for slot in slots]
        case.overlap()
        batches = await together(*(send(slot, "t", [b"%d" % number], BASIC) for number, slot in enumerate(slots)))
        for ear in ears:
            await _all_of(ear, [sent for batch in batches for sent in batch])
