"""Subscriptions of several kinds, and durable ones, side by side on one client: none takes from, or gives to, another."""

import itertools
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Protocol

from prism_suites._judging import broken
from prism_suites._pubsub_members import received
from prism_suites._pubsub_selecting import FILTERING, WILDCARDS
from prism_suites._pubsub_taking import BASIC, Ear, Laws, Sent, hears, quiet
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import PubSubBasic, PubSubFiltering, PubSubOrdering, PubSubPersistent, PubSubWildcards
from prism_testkit.outcomes import law
from prism_testkit.tap import offers


class BasicAndWildcards(PubSubBasic, PubSubWildcards, Protocol):
    """Subscriptions to a topic and to a pattern."""


class BasicAndFiltering(PubSubBasic, PubSubFiltering, Protocol):
    """Subscriptions to a topic and to what has certain headers."""


class WildcardsAndFiltering(PubSubWildcards, PubSubFiltering, Protocol):
    """Subscriptions to a pattern and to what has certain headers."""


class WildcardsAndOrdering(PubSubWildcards, PubSubPersistent, PubSubOrdering, Protocol):
    """Subscriptions to a pattern, and durable ones."""


class FilteringAndOrdering(PubSubFiltering, PubSubPersistent, PubSubOrdering, Protocol):
    """Subscriptions to what has certain headers, and durable ones."""


_Enter = Callable[[Any], AbstractAsyncContextManager[Any]]
_PLAIN: tuple[_Enter, ...] = (lambda slot: slot.subscribe("a.b"),)
_PATTERNS: tuple[_Enter, ...] = (
    lambda slot: slot.subscribe_pattern("a.*"),
    lambda slot: slot.subscribe_pattern(">"),
    lambda slot: slot.subscribe_pattern("a.b"),
)
_FILTERS: tuple[_Enter, ...] = (
    lambda slot: slot.subscribe_filtered("a.b", {}),
    lambda slot: slot.subscribe_filtered("a.b", {"a": "b"}),
)
_HEADERS = {"a": "b"}


async def _pairs(case: Case, slot: Any, ones: tuple[_Enter, ...], others: tuple[_Enter, ...], left_law: str) -> None:
    """Of each pair one is left, by turns the one and the other; what stays gets all, and what is entered again too."""
    for number, (one, other) in enumerate(itertools.product(ones, others)):
        for leaves, stays in ((one, other), (other, one)):
            async with stays(slot) as inner:
                async with leaves(slot) as leaving:
                    sents = [await _published(slot, b"both %d" % number)]
                    with law(left_law):
                        await hears(Ear(case, leaving, BASIC), sents, "beside another kind", lost=left_law)
                sents += [await _published(slot, b"one of them was left")]
                async with leaves(slot) as again:
                    sents += [await _published(slot, b"it was entered again")]
                    with law(left_law):
                        await hears(Ear(case, again, BASIC), sents[-1:], "beside another kind, entered again", lost=left_law)
                with law(left_law):
                    await hears(Ear(case, inner, BASIC), sents, "another kind was left", lost=left_law)


async def _published(slot: Any, payload: bytes) -> Sent:
    return Sent(await slot.publish("a.b", payload, _HEADERS), "a.b", payload, _HEADERS)


@check("pubsub_wildcards.6", "pubsub_wildcards.1")
async def patterns_and_topics_are_left_apart(pubsub: BasicAndWildcards, case: Case) -> None:
    """Of a plain subscription and one by pattern, or of two patterns, either is left: the other goes on (PS-06, PS-35)."""
    await _pairs(case, pubsub, (*_PLAIN, lambda slot: slot.subscribe_pattern("a.>")), _PATTERNS, "pubsub_wildcards.6")


@check("pubsub_filtering.8", "pubsub_filtering.1")
async def filters_and_topics_are_left_apart(pubsub: BasicAndFiltering, case: Case) -> None:
    """A plain subscription and a filtered one of one client: whichever is left, the other goes on (PS-06, PS-35)."""
    await _pairs(case, pubsub, _PLAIN, _FILTERS, "pubsub_filtering.8")


@check("pubsub_wildcards.6", "pubsub_filtering.8")
async def patterns_and_filters_are_left_apart(pubsub: WildcardsAndFiltering, case: Case) -> None:
    """A filtered subscription and one by pattern of one client: whichever is left, the other goes on (PS-06, PS-35)."""
    await _pairs(case, pubsub, _FILTERS, _PATTERNS[:2], "pubsub_filtering.8")


async def _apart(case: Case, slot: Any, enter: _Enter, laws: Laws, headers: Mapping[str, str]) -> None:
    async with AsyncExitStack() as stack:
        ear = Ear(case, await stack.enter_async_context(enter(slot)), laws)
        member = await stack.enter_async_context(slot.subscribe_durable("a.b", "s", "earliest"))
        stored: list[Sent] = []
        for key in (None, "k"):
            if key is None:
                identity = await slot.publish_persistent("a.b", b"stored", headers)
            else:
                identity = await slot.publish_ordered("a.b", key, b"stored", headers)
            stored.append(Sent(identity, "a.b", b"stored", headers))
            await member.ack(*await received(case, member))
        plain = Sent(await slot.publish("a.b", b"plain", headers), "a.b", b"plain", headers)
        await hears(ear, [plain], "durable ones before it", lost=laws.lost, besides=stored)
        for got in await received(case, member, 10, quiet(case)):
            if (got.message.id, got.message.payload) != (plain.id, plain.payload):
                sentence = "a durable subscription gets again what was acked, or what nobody published"
                broken("pubsub_ordering.1", sentence, expected=plain, got=got)


@check("pubsub_wildcards.2", "pubsub_ordering.1")
@gauntlet(lambda limits: [{"number": number} for number in range(len(_PATTERNS))])
async def patterns_match_nothing_durable(pubsub: WildcardsAndOrdering, case: Case, number: int) -> None:
    """A pattern's and durable subscriptions are each given what is published for them, whatever else, whole and once (PS-06)."""
    await _apart(case, pubsub, _PATTERNS[number], WILDCARDS, {})


@check("pubsub_filtering.2", "pubsub_ordering.1")
@gauntlet(lambda limits: [{"number": number} for number in range(len(_FILTERS))])
async def filters_match_nothing_durable(pubsub: FilteringAndOrdering, case: Case, number: int) -> None:
    """A filter's and durable subscriptions are each given what is published for them, whatever else, whole and once (PS-06)."""
    await _apart(case, pubsub, _FILTERS[number], FILTERING, _HEADERS)


class _All(PubSubBasic, PubSubPersistent, Protocol):
    """Plain messages and durable ones."""


@check("pubsub_persistent.2", "pubsub_basic.1")
async def an_id_is_that_of_one_message(pubsub: _All, case: Case) -> None:
    """Of the plain messages of a topic, and of the durable ones with a key or without, no two have one id, by whomever (PS-53)."""
    slots = [await case.whole(), await case.client(whole=True)]
    ordering = offers(slots[0], PubSubOrdering)
    found: dict[tuple[bool, str], str] = {}
    for turn in range(5):
        for number, slot in enumerate(slots):
            ids = {"publish": await slot.publish("t", b"x"), "publish_persistent": await slot.publish_persistent("t", b"x")}
            if ordering:
                ids["publish_ordered"] = await slot.publish_ordered("t", f"k{turn % 2}", b"x")
            for method, identity in ids.items():
                who, kind = f"{method} by client {number}, round {turn}", (method == "publish", identity)
                if kind in found:
                    told = f"two messages of one topic have the same id: of {found[kind]}, and of {who}"
                    broken("pubsub_basic.1" if kind[0] else "pubsub_persistent.2", told, expected="another", got=identity)
                found[kind] = who
