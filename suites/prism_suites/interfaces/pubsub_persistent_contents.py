"""pubsub_persistent: a message arrives byte for byte, with its headers, its topic and its id."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._buffers import lengthened
from prism_suites._judging import broken, same
from prism_suites._pubsub_members import gets, nothing
from prism_suites._pubsub_shared import contents_come_out, headers_come_out
from prism_suites._pubsub_taking import PERSISTENT, Ear, Sent, is_message, listening, send, silent
from prism_suites._queue_shared import chunks, headers_gauntlet
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import PubSubPersistent
from prism_testkit.outcomes import law
from prism_testkit.strategies import patterned, payload_pools
from prism_testkit.strategies.hypothesis_strategies import payloads as any_payload

_STARTS = ("new", "earliest")
_MEGABYTES = 8_000_000


@check("pubsub_persistent.2", "pubsub_persistent.3", "pubsub_persistent.6", "pubsub_persistent.13")
@gauntlet(chunks)
@given(payloads=payload_pools(min_size=1, max_size=8))
async def payloads_come_out_as_they_went_in(pubsub: PubSubPersistent, case: Case, payloads: tuple[bytes, ...]) -> None:
    """Every payload, the empty one too, is received byte for byte, in order, under the id of its publish (PS-01, PS-02, PS-30)."""
    await contents_come_out(case, pubsub, payloads, PERSISTENT)


@check("pubsub_persistent.2")
@gauntlet(headers_gauntlet)
@given(
    headers=st.dictionaries(st.text("aAé :=\x00\n🍣", min_size=1, max_size=6), st.text("aAé \x00\r\n🍣", max_size=6), max_size=6)
)
async def headers_come_out_as_they_went_in(pubsub: PubSubPersistent, case: Case, headers: dict[str, str]) -> None:
    """Names and values of headers are kept code point by code point, also where there are none (PS-03)."""
    await headers_come_out(case, pubsub, headers, PERSISTENT)


@check("pubsub_persistent.2")
@given(payload=any_payload(), headers=st.dictionaries(st.sampled_from(["a", "A", "id", "é"]), st.text("a \x00é", max_size=4)))
async def payload_and_headers_do_not_mix(pubsub: PubSubPersistent, case: Case, payload: bytes, headers: dict[str, str]) -> None:
    """A payload that looks like headers, or like the driver's own form, stays apart from them (PS-02)."""
    await contents_come_out(case, pubsub, [payload, b"", lengthened(payload)], PERSISTENT, headers)


@check("pubsub_persistent.2", "pubsub_persistent.13")
@gauntlet(lambda limits: [{"payload": payload} for payload in (b"", b"same", patterned(min(5000, limits.max_payload)))])
async def equal_payloads_are_messages_of_their_own(pubsub: PubSubPersistent, case: Case, payload: bytes) -> None:
    """A payload published so many times is received so many times, each under an id of its own (PS-33)."""
    other, sents = await case.client(), list[Sent]()
    async with listening(case, pubsub, "t", PERSISTENT, "before") as before:
        for number in range(8):  # by turns, so that what each client counts by itself is equal too
            sents += await send((other, pubsub)[number % 2], "t", [payload], PERSISTENT, {"same": "headers"})
        same("pubsub_persistent.2", len({sent.id for sent in sents}), 8, "messages with equal payloads have equal ids")
        await _hears_in_any_order(before, sents, "while somebody is subscribed")
    async with listening(case, pubsub, "t", PERSISTENT) as ear:
        await _hears_in_any_order(ear, sents, "afterwards")


async def _hears_in_any_order(ear: Ear, sents: Sequence[Sent], when: str) -> None:
    """Receive what two publishers sent."""
    left = {sent.id: sent for sent in sents}
    while left:
        got = await ear.next()
        sent = left.pop(got.id, None) if got is not None else None
        if sent is None:
            sentence = f"of messages with equal payloads each is received once, {when}"
            broken("pubsub_persistent.1", sentence, expected=sorted(left), got=got)
        is_message("pubsub_persistent.2", got, sent, f"a message with a payload that others have is changed, {when}")
    await silent(ear, "pubsub_persistent.5", f"a message with a payload that others have is received twice, {when}")


@check("pubsub_persistent.2", "pubsub_persistent.13")
async def several_messages_of_the_largest_size_arrive(pubsub: PubSubPersistent, case: Case) -> None:
    """The largest payload is the limit of one message, not of a subscription, nor of one receive (PS-02, PS-04)."""
    size = case.limits.max_payload
    payloads = [patterned(size, seed=seed) for seed in range(min(6, max(2, _MEGABYTES // size)))]
    with law("pubsub_persistent.2"):
        sents = await send(pubsub, "t", payloads, PERSISTENT, {"n": "v" * 8000})
        async with pubsub.subscribe_durable("t", "s", "earliest") as member:
            await gets(case, member, sents, batch=10, story="large messages")


@check("pubsub_persistent.2", "pubsub_persistent.1")
async def arguments_may_be_given_by_name(pubsub: PubSubPersistent, case: Case) -> None:
    """Every method takes its arguments by keyword too, as the interface names them."""
    with law("pubsub_persistent.2"):
        first = await pubsub.publish_persistent(topic="t", payload=b"x", headers={"a": "b"})
        second = await pubsub.publish_persistent(payload=b"y", topic="t")
        same("pubsub_persistent.10", await pubsub.last_message_id(topic="t"), second, "last_message_id(topic=...) is another")
        async with pubsub.subscribe_durable(topic="t", name="s", start="earliest") as member:
            await gets(case, member, [Sent(first, "t", b"x", {"a": "b"})])
            got = await member.receive(timeout_s=5.0, max_messages=1)
            same("pubsub_persistent.9", [each.message.id for each in got], [second], "receive with named arguments is another")
            await member.nack(*got, delay_s=0.0)
        async with pubsub.subscribe_durable(name="t", topic="s") as member:
            await nothing(case, member, "pubsub_persistent.11", "topic and name were taken for each other")
