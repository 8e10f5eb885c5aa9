"""pubsub_persistent: topics and names alias only if all code points are equal; what is illegal is refused before any effect."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

from hypothesis import given

from prism_suites._full_headers import FULL_HEADERS, SWELLING
from prism_suites._judging import broken, refused, same
from prism_suites._pubsub_members import comes_again, gets, nothing, received
from prism_suites._pubsub_shared import (
    COMMANDS,
    NO_NAMES,
    NO_NUMBERS,
    NO_PAYLOADS,
    names_are_apart,
    nothing_shared_by_reference,
    over_limits_are_refused,
    payloads_refused,
    siblings_are_apart,
    some_names,
    syntax_is_text,
)
from prism_suites._pubsub_taking import PERSISTENT, hears, listening, numbered, send
from prism_suites._queue_shared import BAD_HEADERS
from prism_suites.interfaces.keyvalue_basic_limits import bad_names, longest_names
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import InvalidName, PubSubPersistent
from prism_testkit.outcomes import law
from prism_testkit.strategies import name_groups, over, patterned, universes
from prism_testkit.strategies.transformations import joined_pairs


@check("pubsub_persistent.11", "pubsub_persistent.2")
@gauntlet(lambda limits: [{"names": names} for names in name_groups(limits.max_name)])
@given(names=universes())
async def every_name_is_a_topic_of_its_own(pubsub: PubSubPersistent, case: Case, names: tuple[str, ...]) -> None:
    """Topics that differ in any code point are topics of their own, and none is a pattern for others (PS-05, PS-13)."""
    await names_are_apart(case, pubsub, some_names(case, names, 6, 40), PERSISTENT)


@check("pubsub_persistent.10", "pubsub_persistent.11")
@gauntlet(lambda limits: [{"names": names} for names in name_groups(limits.max_name)])
@given(names=universes())
async def a_look_alike_has_no_last_message(pubsub: PubSubPersistent, case: Case, names: tuple[str, ...]) -> None:
    """Of look-alikes only the topic that was published to has a last message (PS-05)."""
    first, *others = some_names(case, names, 1, 5)
    sent = (await send(pubsub, first, [b"x"], PERSISTENT))[0]
    for other in others:
        got = await pubsub.last_message_id(other)
        same("pubsub_persistent.11", got, None, f"topic {other[:40]!a} has the last message of another")
    same("pubsub_persistent.10", await pubsub.last_message_id(first), sent.id, "the last id is not that of the last publish")


@check("pubsub_persistent.11", "pubsub_persistent.6")
@gauntlet(lambda limits: [{"names": names} for names in name_groups(limits.max_name)])
@given(names=universes())
async def every_name_is_a_subscription_of_its_own(pubsub: PubSubPersistent, case: Case, names: tuple[str, ...]) -> None:
    """Subscriptions whose names differ in any code point remember their own acks (PS-06)."""
    names = some_names(case, names, 6, 40)
    async with AsyncExitStack() as stack:
        members = [await stack.enter_async_context(pubsub.subscribe_durable("t", name)) for name in names]
        sents = await send(pubsub, "t", [b"x"], PERSISTENT)
        for name, member in zip(names, members, strict=True):
            got = await received(case, member)
            if [delivery.message.id for delivery in got] != [sents[0].id]:
                sentence = f"subscription {name[:40]!a} and another are one"
                broken("pubsub_persistent.11", sentence, expected=sents, got=got)
            await member.ack(*got)


@check("pubsub_persistent.11")
async def all_names_together_are_apart(pubsub: PubSubPersistent, case: Case) -> None:
    """Names of every group in one namespace: no two of them meet, however they are hashed, cut or encoded."""
    names = list(dict.fromkeys(name for group in name_groups(case.limits.max_name) for name in group))
    await names_are_apart(case, pubsub, names[:: 120 if case.server else 8], PERSISTENT)


@check("pubsub_persistent.11", "pubsub_persistent.1")
@gauntlet(lambda limits: [{"pair": pair} for pair in joined_pairs("a", "b", "c", limits.max_name)])
async def topic_and_name_do_not_run_together(pubsub: PubSubPersistent, case: Case, pair: Any) -> None:
    """(topic, name) pairs that look alike when they are joined are subscriptions of their own."""
    (topic, name), (other_topic, other_name) = pair
    async with (
        pubsub.subscribe_durable(topic, name) as member,
        pubsub.subscribe_durable(other_topic, other_name) as other,
        pubsub.subscribe_durable(name, topic) as swapped,
    ):
        sents = await send(pubsub, topic, numbered(2), PERSISTENT)
        with law("pubsub_persistent.11"):
            await member.ack(*await gets(case, member, sents[:1], lost="pubsub_persistent.11"))
            if other_topic != topic:
                await nothing(case, other, "pubsub_persistent.11", "two subscriptions are one: their topics and names run together")
                theirs = await send(pubsub, other_topic, numbered(2, "theirs"), PERSISTENT)
                await gets(case, other, theirs, lost="pubsub_persistent.11")
            else:
                await gets(case, other, sents, lost="pubsub_persistent.11")
            if (name, topic) not in ((topic, name), (other_topic, other_name)):
                await comes_again(case, swapped, sents if name == topic else [], {}, promise="pubsub_persistent.11")
                await nothing(case, swapped, "pubsub_persistent.11", "topic and name are taken for each other")
            await gets(case, member, sents[1:], lost="pubsub_persistent.11")


@check("pubsub_persistent.11", "pubsub_persistent.4", "pubsub_persistent.8")
@gauntlet(lambda limits: [{"pair": pair} for pair in joined_pairs("a", "b", "c", limits.max_name)])
async def what_is_given_back_comes_to_its_own(pubsub: PubSubPersistent, case: Case, pair: Any) -> None:
    """Of two (topic, name) pairs that look alike when they are joined, what one gives back, puts off or acks is none of the other's
    (PS-06)."""
    (topic, name), (other_topic, other_name) = pair
    since = case.clock.now_s()
    async with pubsub.subscribe_durable(topic, name) as member, pubsub.subscribe_durable(other_topic, other_name) as other:
        sents = await send(pubsub, topic, numbered(2), PERSISTENT)
        theirs = await send(pubsub, other_topic, numbered(2, "theirs"), PERSISTENT)
        with law("pubsub_persistent.11"):
            held = await gets(case, member, sents, lost="pubsub_persistent.11")
            others = await gets(case, other, theirs, lost="pubsub_persistent.11")
            await member.nack(held[0], delay_s=20_000.0)
            await member.nack(held[1])
            await other.nack(others[0])
            run_together = "what was given back comes to another subscription: their topics and names run together"
            counts = {delivery.message.id: delivery.delivery_count for delivery in (*held, *others)}
            for slot, sent in ((other, theirs[0]), (member, sents[1])):
                again = await comes_again(case, slot, [sent], counts, promise="pubsub_persistent.11")
                await slot.ack(*again)
                await nothing(case, slot, "pubsub_persistent.11", run_together, held_since_s=since)


@check("pubsub_persistent.11")
@gauntlet(lambda limits: [{"text": text} for text in COMMANDS])
async def text_that_looks_like_a_command_is_only_text(pubsub: PubSubPersistent, case: Case, text: str) -> None:
    """SQL, patterns, wildcards, protocol lines and paths stand for themselves as topics, payloads and headers (PS-13)."""
    await syntax_is_text(case, pubsub, text, PERSISTENT)


@check("pubsub_persistent.11")
@gauntlet(lambda limits: [{"name": name, "near": near} for name, near in bad_names(limits.max_name)])
async def a_bad_name_is_refused_by_every_method(pubsub: PubSubPersistent, case: Case, name: str, near: str) -> None:
    """A topic or name that is empty, too long or holds a surrogate raises `InvalidName`; nothing is stored or made."""
    await _refused_name(pubsub, name, InvalidName)
    same("pubsub_persistent.11", await pubsub.last_message_id(near), None, "a refused name stored a message")
    sents = await send(pubsub, near, [b"near"], PERSISTENT) + await send(pubsub, "t", [b"t"], PERSISTENT)
    async with pubsub.subscribe_durable(near, "s") as member, pubsub.subscribe_durable("t", near) as other:
        with law("pubsub_persistent.11"):
            for each in (member, other):
                await nothing(case, each, "pubsub_persistent.11", "a refused name made a subscription")
            sents = await send(pubsub, near, [b"more"], PERSISTENT)
            await gets(case, member, sents, story="after refused names")


async def _refused_name(pubsub: PubSubPersistent, name: Any, error: type[Exception]) -> None:
    calls: dict[str, Callable[[], Awaitable[Any]]] = {
        "publish_persistent": lambda: pubsub.publish_persistent(name, b"x"),
        "last_message_id": lambda: pubsub.last_message_id(name),
        "subscribe_durable of a topic": lambda: _enter(pubsub, name, "s"),
        "subscribe_durable under a name": lambda: _enter(pubsub, "t", name),
    }
    for what, call in calls.items():
        await refused("pubsub_persistent.11", call(), error, f"{what} with a bad name is not refused")


async def _enter(pubsub: PubSubPersistent, topic: Any, name: Any) -> str:
    async with pubsub.subscribe_durable(topic, name):
        return "it was entered"


@check("pubsub_persistent.11")
@gauntlet(lambda limits: [{"name": name} for name in longest_names(limits.max_name)])
async def a_name_at_the_limit_is_accepted(pubsub: PubSubPersistent, case: Case, name: str) -> None:
    """The limit counts bytes of UTF-8; a name of exactly so many is one like any other, for topics and subscriptions at once."""
    twin = name[:-1] + "~" if name[-1].isascii() else name[:-1]
    with law("pubsub_persistent.11"):
        await names_are_apart(case, pubsub, (name, twin), PERSISTENT)
        async with pubsub.subscribe_durable(name, name) as member, pubsub.subscribe_durable(name, twin) as other:
            sents = await send(pubsub, name, [b"x"], PERSISTENT)
            await member.ack(*await gets(case, member, sents))
            await gets(case, other, sents, lost="pubsub_persistent.11")


@check("pubsub_persistent.11")
@gauntlet(lambda limits: [{"name": name} for name in NO_NAMES])
async def what_is_no_text_is_no_name(pubsub: PubSubPersistent, case: Case, name: Any) -> None:
    """A topic or a name that is not ``str`` raises ``TypeError`` in every method, before any effect."""
    await _refused_name(pubsub, name, TypeError)
    same("pubsub_persistent.11", await pubsub.last_message_id(str(name)), None, "a refused name stored a message")


@check("pubsub_persistent.11")
@gauntlet(lambda limits: [{"data": data} for data in NO_PAYLOADS])
async def what_is_no_bytes_is_no_payload(pubsub: PubSubPersistent, case: Case, data: Any) -> None:
    """A payload that is not bytes-like raises ``TypeError`` before any effect; a number is not so many NULs."""
    await payloads_refused(case, pubsub, PERSISTENT, [data], TypeError, "a payload that is not bytes-like")


@check("pubsub_persistent.11")
@gauntlet(lambda limits: [{"number": number} for number in range(len(BAD_HEADERS))])
async def bad_headers_are_refused(pubsub: PubSubPersistent, case: Case, number: int) -> None:
    """Headers that are illegal or over their limit are refused, each with its error, before any effect (PS-03)."""
    headers, errors = BAD_HEADERS[number]
    for topic in ("t", "fresh"):
        call = pubsub.publish_persistent(topic, b"x", headers)
        await refused("pubsub_persistent.11", call, errors, "illegal headers are not refused")
    same("pubsub_persistent.11", await pubsub.last_message_id("fresh"), None, "refused headers left a message")
    async with listening(case, pubsub, "t", PERSISTENT) as ear:
        sents = await send(pubsub, "t", [b"after"], PERSISTENT)
        with law("pubsub_persistent.11"):
            await hears(ear, sents, "after refused headers", lost="pubsub_persistent.11")


@check("pubsub_persistent.11")
@gauntlet(lambda limits: [{"size": size} for size in over(limits.max_payload)])
async def a_payload_over_the_limit_is_refused(pubsub: PubSubPersistent, case: Case, size: int) -> None:
    """One byte more than ``max_payload`` raises `PayloadTooLarge`; nothing of it is stored (PS-04)."""
    await over_limits_are_refused(case, pubsub, PERSISTENT, size)


@check("pubsub_persistent.11", "pubsub_persistent.2")
@gauntlet(
    lambda limits: [
        {"size": limits.max_payload - 1, "form": SWELLING[0]},
        *({"size": limits.max_payload, "form": f} for f in SWELLING),
    ]
)
async def everything_at_its_limit_is_accepted(pubsub: PubSubPersistent, case: Case, size: int, form: str) -> None:
    """The largest payload with the largest headers to the topic with the longest name is a message (PS-02)."""
    name, headers = "n" * case.limits.max_name, FULL_HEADERS[form]
    with law("pubsub_persistent.11"):
        sents = await send(pubsub, name, [patterned(size), patterned(size, seed=1)], PERSISTENT, headers)
        async with listening(case, pubsub, name, PERSISTENT, name) as ear:
            await hears(ear, sents, "everything at its limit")


@check("pubsub_persistent.12")
async def what_is_received_is_a_copy(pubsub: PubSubPersistent, case: Case) -> None:
    """A buffer or a mapping changed after the call, by the publisher or by another receiver, changes nothing."""
    await nothing_shared_by_reference(case, pubsub, PERSISTENT)


@check("pubsub_persistent.12")
async def namespaces_are_apart(pubsub: PubSubPersistent, case: Case) -> None:
    """Nothing published in one namespace is received, or is the last message, in another."""
    await siblings_are_apart(case, pubsub, PERSISTENT)
    other = await case.sibling()
    sents = await send(pubsub, "only here", [b"x"], PERSISTENT)
    same("pubsub_persistent.12", await other.last_message_id("only here"), None, "a message is seen in another namespace")
    async with other.subscribe_durable("only here", "s", "earliest") as member:
        await nothing(case, member, "pubsub_persistent.12", "a message is received in another namespace")
        async with pubsub.subscribe_durable("only here", "s", "earliest") as holder:
            held = await gets(case, holder, sents)
            theirs = await send(other, "only here", [b"y"], PERSISTENT)
            story = "while one of the same place is held in another namespace"
            await member.ack(*await gets(case, member, theirs, story=story, lost="pubsub_persistent.12"))
            await holder.nack(*held)
            await holder.ack(*await received(case, holder))
        async with pubsub.subscribe_durable("only here", "s") as holder:
            await nothing(case, holder, "pubsub_persistent.5", "a message comes again after its ack")
    same("pubsub_persistent.12", await pubsub.last_message_id("only here"), sents[0].id, "another namespace changed the last id")


@check("pubsub_persistent.11", "pubsub_persistent.9", "pubsub_persistent.8", "pubsub_persistent.5")
@gauntlet(lambda limits: [{"bad": bad} for bad in NO_NUMBERS])
async def arguments_of_the_wrong_type_are_refused(pubsub: PubSubPersistent, case: Case, bad: Any) -> None:
    """What is no number, or no delivery, raises ``TypeError``; nothing is taken, acked or given back."""
    sents = await send(pubsub, "t", numbered(2), PERSISTENT)
    async with pubsub.subscribe_durable("t", "s", "earliest") as member:
        held = (await gets(case, member, sents[:1]))[0]
        why = "an argument of the wrong type is not refused"
        await refused("pubsub_persistent.11", member.receive(1, bad), TypeError, f"receive: {why}")
        await refused("pubsub_persistent.11", member.receive(bad), TypeError, f"receive: {why}")
        await refused("pubsub_persistent.11", member.nack(held, delay_s=bad), TypeError, f"nack: {why}")
        await refused("pubsub_persistent.11", member.ack(bad), TypeError, f"ack: {why}")
        await refused("pubsub_persistent.11", member.nack(bad), TypeError, f"nack: {why}")
        await gets(case, member, sents[1:], story="after refused calls")
        await member.ack(held)
    async with pubsub.subscribe_durable("t", "s") as member:
        left = {sent.id: 1 for sent in sents[1:]}
        again = await comes_again(case, member, sents[1:], left, story="after refused calls")
        for some in ([*again, bad], [bad, *again]):
            await refused("pubsub_persistent.11", member.ack(*some), TypeError, f"ack, beside a delivery: {why}")
            await refused("pubsub_persistent.11", member.nack(*some), TypeError, f"nack, beside a delivery: {why}")
    async with pubsub.subscribe_durable("t", "s") as member:
        left = {delivery.message.id: delivery.delivery_count for delivery in again}
        story = "after calls that were refused for what stood beside it"
        await comes_again(case, member, sents[1:], left, promise="pubsub_persistent.11", story=story)
