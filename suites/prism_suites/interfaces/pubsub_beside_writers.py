"""Subscriptions that are read while many publish at once, what is large beside what is small: none of it is passed over."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from prism_suites._beside_writers import beside_writers
from prism_suites._judging import broken, same
from prism_suites._pubsub_taking import Sent, patience
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import PubSubBasic, PubSubFiltering, PubSubOrdering, PubSubPersistent, PubSubWildcards

_SENTENCE = "messages of these ids, published while others are, are passed over by a subscription that is read meanwhile"
_MOST = 10
_MANY = 12
"""Keys enough that each writer has its own."""


async def _judge(
    case: Case,
    pubsub: Any,
    inner: Any,
    publish: Callable[[Any, int, bytes], Awaitable[str]],
    *,
    lost: str,
    once: str,
    durable: bool = False,
    keys: int = 0,
) -> list[bytes]:
    """Return what came, in its order. ``keys``: so many have the messages, of each of which at most one is held at a time."""
    found: dict[str, bytes] = {}

    async def look(timeout_s: float = 0) -> bool:
        if durable:
            deliveries = await inner.receive(_MOST, timeout_s)
            messages = [delivery.message for delivery in deliveries]
            if keys and len({_key(each.payload, keys) for each in messages}) < len(messages):
                got = sorted(_key(each.payload, keys) for each in messages)
                sentence = "of what many publish at once under one key, one receive gives several messages"
                broken("pubsub_ordering.3", sentence, expected="at most one of each key", got=got)
            await inner.ack(*deliveries)
        else:
            message = await inner.receive(timeout_s)
            messages = [] if message is None else [message]
        for each in messages:
            if each.id in found:
                broken(once, "a message comes twice while many publish at once", expected="once", got=each.id)
            found[each.id] = each.payload
        return bool(messages)

    async def send(slot: Any, number: int, payload: bytes) -> Sent:
        return Sent(await publish(slot, number, payload), "t", payload)

    sents: Sequence[Sent] = await beside_writers(case, pubsub, send, look, share=3 if 0 < keys < _MANY else 1)
    while len(found) < len(sents) and await look(patience(case)):
        pass
    if not durable and inner.gaps:
        return list(found.values())  # a bounded buffer overflowed, and says so
    missing = [sent.id for sent in sents if sent.id not in found]
    if missing:
        broken(lost, _SENTENCE, expected=missing[:5], got=None)
    if {sent.id: sent.payload for sent in sents} != found:
        broken(lost, "what many publish at once is not received as it was published", expected=len(sents), got=len(found))
    return list(found.values())


def _key(payload: bytes, keys: int) -> str:
    return f"k{int(payload.partition(b'.')[0]) % keys}"


@check("pubsub_basic.1", "pubsub_basic.2", "pubsub_basic.4")
async def a_subscription_passes_nothing_over(pubsub: PubSubBasic, case: Case) -> None:
    """Who receives while many publish at once gets every message, however many of them overlap."""
    async with pubsub.subscribe("t") as inner:
        await _judge(
            case, pubsub, inner, lambda slot, _, data: slot.publish("t", data), lost="pubsub_basic.1", once="pubsub_basic.2"
        )


@check("pubsub_filtering.1", "pubsub_filtering.2")
async def a_filter_passes_nothing_over(pubsub: PubSubFiltering, case: Case) -> None:
    """Who receives what has a header while many publish at once gets every message, however many of them overlap."""
    async with pubsub.subscribe_filtered("t", {"a": "b"}) as inner:
        await _judge(
            *(case, pubsub, inner, lambda slot, _, data: slot.publish("t", data, {"a": "b"})),
            lost="pubsub_filtering.1",
            once="pubsub_filtering.2",
        )


@check("pubsub_wildcards.1", "pubsub_wildcards.2")
async def a_pattern_passes_nothing_over(pubsub: PubSubWildcards, case: Case) -> None:
    """Who receives by a pattern while many publish at once gets every message, however many of them overlap."""
    async with pubsub.subscribe_pattern("*") as inner:
        await _judge(
            *(case, pubsub, inner, lambda slot, _, data: slot.publish("t", data)),
            lost="pubsub_wildcards.1",
            once="pubsub_wildcards.2",
        )


@check("pubsub_persistent.13", "pubsub_persistent.1", "pubsub_persistent.5", "pubsub_persistent.6")
async def a_durable_subscription_passes_nothing_over(pubsub: PubSubPersistent, case: Case) -> None:
    """Who receives and acks while many publish at once gets every message, however many of them overlap."""
    async with pubsub.subscribe_durable("t", "s") as inner:
        await _judge(
            *(case, pubsub, inner, lambda slot, _, data: slot.publish_persistent("t", data)),
            lost="pubsub_persistent.13",
            once="pubsub_persistent.5",
            durable=True,
        )


@check("pubsub_ordering.2", "pubsub_ordering.1", "pubsub_ordering.3", "pubsub_ordering.6")
@gauntlet(lambda limits: [{"keys": keys} for keys in (_MANY, 2)])
async def keys_pass_nothing_over(pubsub: PubSubOrdering, case: Case, keys: int) -> None:
    """Who receives and acks while many publish at once, under a few keys or each its own, gets every message, of a key one by one
    and in the same order as every other subscription.
    """

    def publish(slot: Any, _: int, payload: bytes) -> Any:
        return slot.publish_ordered("t", _key(payload, keys), payload)

    async with pubsub.subscribe_durable("t", "s") as inner:
        laws = {"lost": "pubsub_ordering.1", "once": "pubsub_ordering.1"}
        heard = await _judge(case, pubsub, inner, publish, durable=True, keys=keys, **laws)
    if keys == _MANY:
        return
    async with pubsub.subscribe_durable("t", "later", "earliest") as inner:
        again: list[bytes] = []
        while len(again) < len(heard) and (deliveries := await inner.receive(_MOST, patience(case))):
            again += [delivery.message.payload for delivery in deliveries]
            await inner.ack(*deliveries)
    for key in {_key(payload, keys) for payload in heard}:
        first, second = ([each[:20] for each in line if _key(each, keys) == key] for line in (heard, again))
        same("pubsub_ordering.2", second, first, "messages of one key, published at once, come to two subscriptions in two orders")
