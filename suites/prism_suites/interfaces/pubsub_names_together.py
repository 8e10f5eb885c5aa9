"""Names of every kind, hundreds at a time, in each place of a subscription where one may stand."""

from typing import Any

from prism_suites._judging import broken
from prism_suites._names_together import chunks, each_hears_its_own, of_chunk
from prism_suites._pubsub_members import received
from prism_suites._pubsub_taking import patience
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import PubSubFiltering, PubSubPersistent, PubSubWildcards
from prism_testkit.naming import HEADER_NAME_BYTES


async def _heard(case: Case, inner: Any) -> list[bytes] | None:
    """Return what a plain subscription has, waited for while there is nothing; None if its buffer overflowed."""
    found: list[bytes] = []
    message = await inner.receive(patience(case))
    while message is not None and len(found) < 3:
        found.append(message.payload)
        message = await inner.receive(0)
    return None if inner.gaps else found


@check("pubsub_filtering.2", "pubsub_filtering.1")
@gauntlet(chunks)
async def every_name_is_a_topic_of_filters(pubsub: PubSubFiltering, case: Case, names: tuple[str, ...]) -> None:
    """Who asks for the same attribute of another topic hears nothing of this one, however alike they are called (PS-05)."""
    asked = {"a": "b"}
    await each_hears_its_own(
        case,
        "pubsub_filtering.2",
        of_chunk(case, names),
        lambda name: pubsub.subscribe_filtered(name, asked),
        lambda name, payload: pubsub.publish(name, payload, asked),
        lambda inner: _heard(case, inner),
        "the topic",
    )


@check("pubsub_filtering.5", "pubsub_filtering.2")
@gauntlet(chunks)
async def every_name_is_a_value_of_its_own(pubsub: PubSubFiltering, case: Case, names: tuple[str, ...]) -> None:
    """Values that differ in any code point do not match each other."""
    await each_hears_its_own(
        case,
        "pubsub_filtering.5",
        of_chunk(case, names),
        lambda name: pubsub.subscribe_filtered("t", {"a": name}),
        lambda name, payload: pubsub.publish("t", payload, {"a": name}),
        lambda inner: _heard(case, inner),
        "the value",
    )


@check("pubsub_filtering.5", "pubsub_filtering.2")
@gauntlet(chunks)
async def every_name_is_an_attribute_of_its_own(pubsub: PubSubFiltering, case: Case, names: tuple[str, ...]) -> None:
    """Names of attributes that differ in any code point do not match each other."""
    short = tuple(name for name in names if len(name.encode()) <= HEADER_NAME_BYTES)
    await each_hears_its_own(
        case,
        "pubsub_filtering.5",
        of_chunk(case, short),
        lambda name: pubsub.subscribe_filtered("t", {name: "v"}),
        lambda name, payload: pubsub.publish("t", payload, {name: "v"}),
        lambda inner: _heard(case, inner),
        "the attribute",
    )


@check("pubsub_wildcards.4", "pubsub_wildcards.2")
@gauntlet(chunks)
async def every_name_is_a_token_of_its_own(pubsub: PubSubWildcards, case: Case, names: tuple[str, ...]) -> None:
    """A token that is no wildcard matches what is equal to it in every code point."""
    plain = tuple(
        name for name in names if not {"*", ">"} & set(name.split(".")) and len(name.encode()) <= case.limits.max_name - 2
    )
    await each_hears_its_own(
        case,
        "pubsub_wildcards.4",
        of_chunk(case, plain),
        lambda name: pubsub.subscribe_pattern(f"{name}.*"),
        lambda name, payload: pubsub.publish(f"{name}.x", payload),
        lambda inner: _heard(case, inner),
        "the pattern",
    )


@check("pubsub_persistent.11", "pubsub_persistent.2")
@gauntlet(chunks)
async def every_name_is_a_topic_to_keep(pubsub: PubSubPersistent, case: Case, names: tuple[str, ...]) -> None:
    """Topics that differ in any code point keep their messages apart, and their last ids (PS-05)."""
    names = of_chunk(case, names)
    sent: dict[str, str] = {}

    async def say(name: str, payload: bytes) -> None:
        sent[name] = await pubsub.publish_persistent(name, payload)

    async def hear(member: Any) -> list[bytes]:
        return [delivery.message.payload for delivery in await received(case, member, 3)]

    await each_hears_its_own(
        case, "pubsub_persistent.11", names, lambda name: pubsub.subscribe_durable(name, "s"), say, hear, "the topic"
    )
    for name in names:
        got = await pubsub.last_message_id(name)
        if got != sent[name]:
            broken("pubsub_persistent.11", f"the last id of {name[:40]!a} is not its own", expected=sent[name], got=got)


@check("pubsub_persistent.11", "pubsub_persistent.1")
@gauntlet(chunks)
async def every_name_is_a_subscription_of_its_own(pubsub: PubSubPersistent, case: Case, names: tuple[str, ...]) -> None:
    """Subscriptions whose names differ in any code point get each message each (PS-05)."""
    names = of_chunk(case, names)
    for name in names:
        async with pubsub.subscribe_durable("t", name):
            pass
    await pubsub.publish_persistent("t", b"x")
    for name in names:
        async with pubsub.subscribe_durable("t", name) as member:
            got = await received(case, member, 3)
            await member.ack(*got)
            if [delivery.message.payload for delivery in got] != [b"x"]:
                sentence = f"the subscription {name[:40]!a} is not given the message, as one with another name was"
                broken("pubsub_persistent.11", sentence, expected=[b"x"], got=got)
