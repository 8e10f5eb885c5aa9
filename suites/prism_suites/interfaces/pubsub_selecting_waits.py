"""Subscriptions to a part of what is published: what is not theirs changes nothing of a wait, whenever and however often."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from prism_suites._judging import broken
from prism_suites._pubsub_selecting import FILTERING, WILDCARDS, Publication
from prism_suites._pubsub_taking import Laws, Sent, is_message
from prism_suites._racing import together
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import PubSubFiltering, PubSubWildcards

_Enter = Callable[[Any], AbstractAsyncContextManager[Any]]
_OTHERS = (0, 1, 2, 3, 5, 17)
_BY_PATTERN: tuple[_Enter, Publication, Publication] = (lambda slot: slot.subscribe_pattern("a.*"), ("a.b", None), ("a.b.c", None))
_BY_FILTER: tuple[_Enter, Publication, Publication] = (
    lambda slot: slot.subscribe_filtered("t", {"a": "b"}),
    ("t", {"a": "b"}),
    ("t", {"a": "c"}),
)
_Kind = tuple[_Enter, Publication, Publication]
"""How to enter, what is the subscription's, and what is not."""


async def _wakes(case: Case, slot: Any, kind: _Kind, laws: Laws, others: int, how: str) -> None:
    """So many messages of others come one after the other, with time between; then one of its own, which ends the wait at once."""
    enter, own, strange = kind
    publisher, wait_s = await case.client(), 1e6 if case.clock.virtual else 20.0
    between_s = 100.0 if case.clock.virtual else 0.002
    sent: list[Sent] = []

    async def publish() -> float:
        for number in range(others + 1):
            await case.clock.sleep(between_s)
            topic, headers = own if number == others else strange
            identity = await publisher.publish(topic, b"%d" % number, headers)
            sent[:] = [Sent(identity, topic, b"%d" % number, headers or {})]
        return case.clock.now_s()

    async with enter(slot) as inner:

        async def take() -> tuple[Any, float]:
            return await (inner.receive(wait_s) if how == "receive" else anext(inner)), case.clock.now_s()

        (got, ended_s), published_s = await together(take(), publish())
    sentence = f"who waits does not get its message behind {others} of others"
    if got is None:
        broken(laws.wait, sentence, expected=sent, got=None)
    is_message(laws.wait, got, sent[0], sentence)
    if case.clock.virtual and ended_s - published_s > wait_s / 10:
        broken(
            laws.wait,
            "who waits is woken at the end of its time only",
            expected="at once",
            got=f"after {ended_s - published_s:g} s",
        )


async def _ends(case: Case, slot: Any, kind: _Kind, laws: Laws, timeout_s: float) -> None:
    """While messages of others come all the time, a receive ends when its time is over, not before, and not after the last one."""
    enter, _, strange = kind
    publisher = await case.client()
    async with enter(slot) as inner:
        began_s = case.clock.now_s()

        async def publish() -> None:
            while case.clock.now_s() - began_s < timeout_s * 50:
                await case.clock.sleep(timeout_s / 5)
                await publisher.publish(strange[0], b"other", strange[1])

        async def take() -> tuple[Any, float]:
            return await inner.receive(timeout_s), case.clock.now_s() - began_s

        (got, passed_s), _ = await together(take(), publish())
    if got is not None:
        broken(laws.wait, "a receive gives what is not of its subscription", expected=None, got=got)
    if passed_s < timeout_s:
        broken(laws.wait, "messages of others end a receive before its time", expected=timeout_s, got=passed_s)
    if passed_s > timeout_s * 20:
        broken(laws.wait, "a receive waits on as long as messages of others come", expected=timeout_s, got=passed_s)


@check("pubsub_wildcards.9", "pubsub_wildcards.1")
@gauntlet(lambda limits: [{"others": others, "how": how} for others in _OTHERS for how in ("receive", "iteration")])
async def a_pattern_waits_for_its_own(pubsub: PubSubWildcards, case: Case, others: int, how: str) -> None:
    """Whoever waits for what matches is woken by it, however often something else came before (PS-42)."""
    await _wakes(case, pubsub, _BY_PATTERN, WILDCARDS, others, how)


@check("pubsub_filtering.9", "pubsub_filtering.1")
@gauntlet(lambda limits: [{"others": others, "how": how} for others in _OTHERS for how in ("receive", "iteration")])
async def a_filter_waits_for_its_own(pubsub: PubSubFiltering, case: Case, others: int, how: str) -> None:
    """Whoever waits for what matches is woken by it, however often something else came before (PS-42)."""
    await _wakes(case, pubsub, _BY_FILTER, FILTERING, others, how)


@check("pubsub_wildcards.9")
@gauntlet(lambda limits: [{"timeout_s": 200.0}, {"timeout_s": 3600.0}])
async def a_pattern_waits_no_longer_than_asked(pubsub: PubSubWildcards, case: Case, timeout_s: float) -> None:
    """What does not match neither ends a wait nor makes it longer; time has to be moved for this (PS-42)."""
    if not case.clock.virtual:
        case.note("how late a receive ends is judged where time is virtual")
        return
    await _ends(case, pubsub, _BY_PATTERN, WILDCARDS, timeout_s)


@check("pubsub_filtering.9")
@gauntlet(lambda limits: [{"timeout_s": 200.0}, {"timeout_s": 3600.0}])
async def a_filter_waits_no_longer_than_asked(pubsub: PubSubFiltering, case: Case, timeout_s: float) -> None:
    """What does not match neither ends a wait nor makes it longer; time has to be moved for this (PS-42)."""
    if not case.clock.virtual:
        case.note("how late a receive ends is judged where time is virtual")
        return
    await _ends(case, pubsub, _BY_FILTER, FILTERING, timeout_s)
