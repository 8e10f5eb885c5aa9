"""pubsub_basic: every subscription gets what is published while it is there: once, whole, in order, and nothing else."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._buffers import lengthened
from prism_suites._judging import broken, same
from prism_suites._pubsub_shared import contents_come_out, headers_come_out
from prism_suites._pubsub_taking import (
    BASIC,
    PERSISTENT,
    BasicAndPersistent,
    Ear,
    Sent,
    hears,
    is_message,
    listening,
    numbered,
    send,
    silent,
)
from prism_suites._queue_shared import chunks, headers_gauntlet
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import PubSubBasic
from prism_testkit.outcomes import law
from prism_testkit.strategies import patterned, payload_pools
from prism_testkit.strategies.hypothesis_strategies import payloads as any_payload

_BEFORE = ("nothing", "published", "heard by others", "after another left", "made, not entered")
_MEGABYTES = 8_000_000


@check("pubsub_basic.1", "pubsub_basic.2", "pubsub_basic.3", "pubsub_basic.4")
@gauntlet(chunks)
@given(payloads=payload_pools(min_size=1, max_size=8))
async def payloads_come_out_as_they_went_in(pubsub: PubSubBasic, case: Case, payloads: tuple[bytes, ...]) -> None:
    """Every payload, the empty one too, is received byte for byte, in order, under the id of its publish (PS-01, PS-02, PS-30)."""
    await contents_come_out(case, pubsub, payloads, BASIC)


@check("pubsub_basic.1")
@gauntlet(headers_gauntlet)
@given(
    headers=st.dictionaries(st.text("aAé :=\x00\n🍣", min_size=1, max_size=6), st.text("aAé \x00\r\n🍣", max_size=6), max_size=6)
)
async def headers_come_out_as_they_went_in(pubsub: PubSubBasic, case: Case, headers: dict[str, str]) -> None:
    """Names and values of headers are kept code point by code point, also where there are none (PS-03)."""
    await headers_come_out(case, pubsub, headers, BASIC)


@check("pubsub_basic.1")
@given(payload=any_payload(), headers=st.dictionaries(st.sampled_from(["a", "A", "id", "é"]), st.text("a \x00é", max_size=4)))
async def payload_and_headers_do_not_mix(pubsub: PubSubBasic, case: Case, payload: bytes, headers: dict[str, str]) -> None:
    """A payload that looks like headers, or like the driver's own form, stays apart from them (PS-02)."""
    await contents_come_out(case, pubsub, [payload, b"", lengthened(payload)], BASIC, headers)


@check("pubsub_basic.1", "pubsub_basic.2")
@gauntlet(lambda limits: [{"payload": payload} for payload in (b"", b"same", patterned(min(5000, limits.max_payload)))])
async def equal_payloads_are_messages_of_their_own(pubsub: PubSubBasic, case: Case, payload: bytes) -> None:
    """A payload published so many times is received so many times, each under an id of its own; none is a repeat (PS-33)."""
    async with listening(case, pubsub, "t", BASIC) as ear:
        sents, other = await send(pubsub, "t", [payload] * 4, BASIC, {"same": "headers"}), await case.client()
        await hears(ear, sents, "equal payloads", more=True)
        for number in range(8):  # by turns, so that what each client counts by itself is equal too
            more = await send((other, pubsub)[number % 2], "t", [payload] * (1 + 3 * (number == 0)), BASIC, {"same": "headers"})
            await hears(ear, more, "equal payloads", more=number < 7)
            sents += more
        same("pubsub_basic.1", len({sent.id for sent in sents}), 15, "messages with equal payloads have equal ids")


@check("pubsub_basic.4", "pubsub_basic.1", "pubsub_basic.2", "pubsub_basic.3")
@gauntlet(
    lambda limits: [
        {"on": on, "publisher": publisher, "reader": reader}
        for on in ((0, 0), (0, 1), (1, 1, 1), (0, 1, 0, 1, 0), (0,) * 12)
        for publisher in (0, 1)
        for reader in ("each in turn", "all by turns", "the last first")
    ]
)
async def every_subscription_gets_every_message(
    pubsub: PubSubBasic, case: Case, on: tuple[int, ...], publisher: int, reader: str
) -> None:
    """Subscriptions of one topic share nothing, be they of one client or of several; the publisher's own counts (PS-06, PS-09)."""
    clients: list[Any] = [pubsub, await case.client()]
    async with AsyncExitStack() as stack:
        ears = [await stack.enter_async_context(listening(case, clients[number], "t", BASIC)) for number in on]
        sents = await send(clients[publisher], "t", numbered(6), BASIC, {"h": "v"})
        if reader == "all by turns":
            for sent in sents:
                for ear in ears:
                    await _gets(ear, sent)
        for ear in ears if reader != "the last first" else reversed(ears):
            await hears(ear, [] if reader == "all by turns" else sents, f"{len(on)} subscriptions", lost="pubsub_basic.4")


async def _gets(ear: Ear, sent: Sent, promise: str = "pubsub_basic.4") -> None:
    is_message(promise, await ear.next(), sent, "a subscription does not get the message that comes next")


@check("pubsub_basic.2")
@gauntlet(lambda limits: [{"before": before, "on": on} for before in _BEFORE for on in (0, 1)])
async def nothing_from_before_is_received(pubsub: PubSubBasic, case: Case, before: str, on: int) -> None:
    """A subscription begins when it is entered: nothing earlier comes, the last message of the topic neither (PS-10, PS-11)."""
    clients: list[Any] = [pubsub, await case.client()]
    manager = clients[on].subscribe("t")
    async with AsyncExitStack() as stack:
        if before in ("heard by others", "after another left"):
            early = await stack.enter_async_context(listening(case, clients[on], "t", BASIC))
            await hears(early, await send(pubsub, "t", numbered(2, "early"), BASIC, {"h": "early"}), more=True)
            if before == "after another left":
                await stack.aclose()
        if before != "nothing":
            await send(pubsub, "t", numbered(3, "before"), BASIC, {"h": "before"})
        if case.clock.virtual:
            await case.advance(60.0)
        ear = Ear(case, await stack.enter_async_context(manager), BASIC)
        await silent(ear, "pubsub_basic.2", "a new subscription gets a message from before")
        sents = await send(pubsub, "t", numbered(2, "after"), BASIC)
        for sent in sents:
            got = await ear.next()
            if got is not None and (got.id, got.payload) != (sent.id, sent.payload):
                broken("pubsub_basic.2", "a new subscription gets a message from before", expected=sent, got=got)
            is_message("pubsub_basic.1", got, sent, "the first message after the entry is not received")


@check("pubsub_basic.2", "pubsub_basic.1")
@gauntlet(lambda limits: [{"times": times, "same_client": alike} for times in (2, 20) for alike in (True, False)])
async def entered_again_it_begins_again(pubsub: PubSubBasic, case: Case, times: int, same_client: bool) -> None:
    """Each entry is a subscription of its own: what came in between is not received, what comes then is, once (PS-25, PS-35)."""
    publisher = await case.client()
    for number in range(times):
        slot = pubsub if same_client or number % 2 else publisher
        async with listening(case, slot, "t", BASIC) as ear:
            sents = await send(publisher, "t", [b"in-%d" % number, b"unread-%d" % number], BASIC)
            await hears(ear, sents[: 1 + number % 2], f"entered {number + 1} times", more=True)
        await send(publisher, "t", [b"between-%d" % number], BASIC)


@check("pubsub_basic.3", "pubsub_basic.1")
@gauntlet(lambda limits: [{"topics": topics, "messages": 6} for topics in (1, 2, 3, 20)])
async def topics_keep_their_messages_apart(pubsub: PubSubBasic, case: Case, topics: int, messages: int) -> None:
    """Of messages to many topics by turns each listener gets those of its topic, in order, and no other (PS-05)."""
    names = [f"topic {number}" for number in range(min(topics, 8) if case.server else topics)]
    async with AsyncExitStack() as stack:
        ears = [await stack.enter_async_context(listening(case, pubsub, name, BASIC)) for name in names]
        sents: dict[str, list[Sent]] = {name: [] for name in names}
        for number in range(messages):
            for name in names:
                sents[name] += await send(pubsub, name, [b"%d" % number], BASIC, {"of": name})
            await send(pubsub, "nobody listens", [b"%d" % number], BASIC)
        for name, ear in zip(names, ears, strict=True):
            await hears(ear, sents[name], f"{topics} topics")


@check("pubsub_basic.1", "pubsub_basic.3", "pubsub_basic.12", "pubsub_basic.4")
@gauntlet(lambda limits: [{"count": count} for count in (16, 33, 101, 257, 2100)])
async def so_many_wait_for_a_slow_one(pubsub: PubSubBasic, case: Case, count: int) -> None:
    """However many lie unread they are all received, or ``gaps`` says that a buffer overflowed; the quick one has all (PS-30)."""
    count = min(count, 1100) if case.server else count
    async with listening(case, pubsub, "t", BASIC) as slow, listening(case, pubsub, "t", BASIC) as quick:
        sents: list[Sent] = []
        for number in range(count):
            sents += await send(pubsub, "t", [b"%d" % number], BASIC)
            if number % 8 == 7:
                await hears(quick, sents[number - 7 :], "beside a slow one", more=True, lost="pubsub_basic.4")
        if slow.inner.gaps:
            await _in_order(slow, sents)
        else:
            await hears(slow, sents, f"{count} lay unread")
        same("pubsub_basic.12", quick.inner.gaps, 0, "gaps of a quick subscription counts what a slow one missed")


async def _in_order(ear: Ear, sents: Sequence[Sent]) -> None:
    """Judge a subscription whose buffer overflowed: what comes is a part of what was sent, in its order."""
    places = {sent.id: place for place, sent in enumerate(sents)}
    last = -1
    while (got := await ear.next(1.0)) is not None:
        place = places.get(got.id, -1)
        if place <= last:
            broken("pubsub_basic.3", "after an overflow messages come twice or not in order", expected=f"> {last}", got=got)
        is_message("pubsub_basic.1", got, sents[place], "a message is not received as it was published")
        last = place


@check("pubsub_basic.12")
async def without_a_loss_there_are_no_gaps(pubsub: PubSubBasic, case: Case) -> None:
    """``gaps`` is a number and stays 0 through empty receives, waits, messages, other subscriptions and time (PS-35)."""
    other = await case.client()
    async with listening(case, pubsub, "t", BASIC) as ear, listening(case, other, "t", BASIC) as second:
        for number in range(5):
            for each in (ear, second):
                got = each.inner.gaps
                if isinstance(got, bool) or not isinstance(got, int) or got != 0:
                    broken("pubsub_basic.12", "gaps is not 0, though nothing was lost", expected=0, got=got)
            await silent(ear, "pubsub_basic.2", "a message is received that nobody published")
            async with listening(case, other, "t", BASIC):
                sents = await send(other, "t", numbered(2), BASIC)
            await hears(ear, sents)
            await hears(second, sents)
            if case.clock.virtual and number % 2:
                await case.advance(3600.0)
        same("pubsub_basic.12", (ear.inner.gaps, second.inner.gaps), (0, 0), "gaps is not 0, though nothing was lost")


@check("pubsub_basic.1", "pubsub_basic.2")
async def a_subscription_does_not_age(pubsub: PubSubBasic, case: Case) -> None:
    """It goes on however long nothing was asked or published, and so does a message in it; on other clocks at once."""
    async with listening(case, pubsub, "t", BASIC) as ear:
        for seconds in (0.001, 1.0, 59.0, 3600.0, 86_400.0, 604_801.0, 31_536_000.0):
            before = await send(pubsub, "t", [b"before %g" % seconds], BASIC)
            if case.clock.virtual:
                await case.advance(seconds)
            await hears(ear, before + await send(pubsub, "t", [b"after %g" % seconds], BASIC), f"after {seconds:g} s")
        same("pubsub_basic.12", ear.inner.gaps, 0, "gaps is not 0, though nothing was lost")


@check("pubsub_basic.1", "pubsub_basic.12")
async def several_messages_of_the_largest_size_arrive(pubsub: PubSubBasic, case: Case) -> None:
    """The largest payload is the limit of one message, not of a subscription (PS-02, PS-04)."""
    size = case.limits.max_payload
    number = min(6, max(2, _MEGABYTES // size))
    with law("pubsub_basic.1"):
        async with listening(case, pubsub, "t", BASIC) as ear:
            payloads = [patterned(size, seed=seed) for seed in range(number)]
            for _ in range(2):  # what was received needs no room any more
                await hears(ear, await send(pubsub, "t", payloads, BASIC, {"n": "v" * 8000}), "large messages", more=True)
            same("pubsub_basic.12", ear.inner.gaps, 0, "gaps where nothing was missed")


@check("pubsub_basic.1", "pubsub_basic.6")
async def arguments_may_be_given_by_name(pubsub: PubSubBasic, case: Case) -> None:
    """Every method takes its arguments by keyword too, as the interface names them."""
    with law("pubsub_basic.1"):
        async with pubsub.subscribe(topic="t") as inner:
            ids = [await pubsub.publish(topic="t", payload=b"x", headers={"a": "b"}), await pubsub.publish(payload=b"y", topic="t")]
            ids.append(await pubsub.publish("t", b"z", None))
            got = [await inner.receive(timeout_s=60.0 if case.clock.virtual else 5.0) for _ in ids]
    same("pubsub_basic.1", [m and m.id for m in got], ids, "a call with named arguments does something else")
    same("pubsub_basic.1", [dict(m.headers) for m in got if m], [{"a": "b"}, {}, {}], "None for headers is not the same as none")


@check("pubsub_basic.6")
async def publishing_to_nobody_is_no_error(pubsub: PubSubBasic, case: Case) -> None:
    """A topic that nobody listens to takes messages, and each has an id of its own (PS-12)."""
    with law("pubsub_basic.6"):
        ids = [sent.id for sent in await send(pubsub, "nobody", numbered(5), BASIC, {"h": "v"})]
    if len(set(ids)) < len(ids) or not all(isinstance(identity, str) for identity in ids):
        broken("pubsub_basic.1", "publish does not return an id of its own", expected="five ids", got=ids)


@check("pubsub_basic.2", "pubsub_persistent.1")
async def the_two_kinds_are_apart(pubsub: BasicAndPersistent, case: Case) -> None:
    """Plain and durable subscriptions of one topic are each given what is published for them, whole, in order and once."""
    async with (
        listening(case, pubsub, "t", BASIC) as plain,
        listening(case, pubsub, "t", PERSISTENT, "t") as durable,
    ):
        stored = await send(pubsub, "t", [b"persistent 1"], PERSISTENT, {"h": "p"})
        sents = await send(pubsub, "t", numbered(2, "plain"), BASIC)
        stored += await send(pubsub, "t", [b"persistent 2"], PERSISTENT)
        for laws in (PERSISTENT, BASIC):
            await send(pubsub, "T", [b"of another topic"], laws)
        sents += await send(pubsub, "t", [b"last"], BASIC)
        await hears(plain, sents, "persistent messages in between", besides=stored)
        await hears(durable, stored, "plain messages in between", besides=sents)
