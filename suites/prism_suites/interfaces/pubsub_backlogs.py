"""pubsub: who waits is woken, whatever others have not taken yet: messages unread in other subscriptions, or held by members."""

from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from prism_suites._judging import same
from prism_suites._pubsub_members import received
from prism_suites._waiters import WAITS_S, the_last_is_served
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import PubSubBasic, PubSubFiltering, PubSubOrdering, PubSubPersistent, PubSubWildcards
from prism_testkit.tap import offers

_BACKLOGS = (1, 2, 12)
"""Fewer than the least of buffers holds."""


async def _slow(stack: AsyncExitStack, whole: Any, other: Any, topic: str) -> None:
    """Enter, of every kind that is offered, subscriptions that nobody reads, by this client and by another."""
    for client in (whole, other):
        if offers(client, PubSubBasic):
            await stack.enter_async_context(client.subscribe(topic))
        if offers(client, PubSubWildcards):
            await stack.enter_async_context(client.subscribe_pattern(">"))
        if offers(client, PubSubFiltering):
            await stack.enter_async_context(client.subscribe_filtered(topic, {}))


async def _plain(case: Case, promise: str, how: str, backlog: int, own: bool) -> None:
    if case.server and backlog != 12:
        return  # each wait takes its time there
    whole, other = await case.whole(), await case.client(whole=True)
    topic = "t.own" if own else "t.other"
    async with AsyncExitStack() as stack:
        await _slow(stack, whole, other, topic)
        for number in range(backlog):
            await other.publish(topic, b"%d" % number, {"a": "b"})
        entering = {
            "plain": lambda: whole.subscribe("t.own"),
            "pattern": lambda: whole.subscribe_pattern("*.own"),
            "filter": lambda: whole.subscribe_filtered("t.own", {"a": "b"}),
        }[how]()
        inner = await stack.enter_async_context(entering)
        wait = partial(inner.receive, WAITS_S)
        for client in (other, whole):
            got = await the_last_is_served(case, promise, [wait], partial(client.publish, "t.own", b"mine", {"a": "b"}))
            same(promise, got and got.payload, b"mine", f"a receive beside {backlog} unread messages of others gives another")


@check("pubsub_basic.9", "pubsub_basic.4")
@gauntlet(lambda limits: [{"backlog": backlog, "own": own} for backlog in _BACKLOGS for own in (True, False)])
async def a_backlog_of_others_keeps_nobody_waiting(pubsub: PubSubBasic, case: Case, backlog: int, own: bool) -> None:
    """A receive is given what comes at once, though others of its topic, or of another, have messages unread."""
    await _plain(case, "pubsub_basic.9", "plain", backlog, own)


@check("pubsub_wildcards.9", "pubsub_wildcards.6")
@gauntlet(lambda limits: [{"backlog": backlog, "own": own} for backlog in _BACKLOGS for own in (True, False)])
async def a_backlog_of_others_keeps_no_pattern_waiting(pubsub: PubSubWildcards, case: Case, backlog: int, own: bool) -> None:
    """The same of a subscription by a pattern."""
    await _plain(case, "pubsub_wildcards.9", "pattern", backlog, own)


@check("pubsub_filtering.9", "pubsub_filtering.8")
@gauntlet(lambda limits: [{"backlog": backlog, "own": own} for backlog in _BACKLOGS for own in (True, False)])
async def a_backlog_of_others_keeps_no_filter_waiting(pubsub: PubSubFiltering, case: Case, backlog: int, own: bool) -> None:
    """The same of a filtered subscription."""
    await _plain(case, "pubsub_filtering.9", "filter", backlog, own)


@check("pubsub_persistent.9", "pubsub_persistent.6", "pubsub_ordering.6")
@gauntlet(
    lambda limits: [
        {"backlog": backlog, "held": held, "keyed": keyed}
        for backlog in _BACKLOGS
        for held in (0, 1, 12)
        for keyed in ("", "one key", "keys")
        if held <= backlog
    ]
)
async def a_backlog_of_another_subscription_keeps_nobody_waiting(
    pubsub: PubSubPersistent, case: Case, backlog: int, held: int, keyed: str
) -> None:
    """A member is given what comes at once, though members of other subscriptions hold messages, or have not received them."""
    if case.server and (backlog, held) != (12, 1):
        return
    whole, other = await case.whole(), await case.client(whole=True)
    if keyed and not offers(whole, PubSubOrdering):
        return

    async def publish(client: Any, number: int) -> str:
        if keyed:
            identity: str = await client.publish_ordered("t", "k" if keyed == "one key" else f"k{number}", b"%d" % number)
        else:
            identity = await client.publish_persistent("t", b"%d" % number)
        return identity

    async with AsyncExitStack() as stack:
        slow = await stack.enter_async_context(other.subscribe_durable("t", "slow", "earliest"))
        await stack.enter_async_context(whole.subscribe_durable("t", "slower", "earliest"))
        for number in range(backlog):
            await publish(other, number)
        for _ in range(1 if keyed == "one key" and held else held):
            await received(case, slow, 1)
        member = await stack.enter_async_context(whole.subscribe_durable("t", "mine", "new"))
        wait = partial(member.receive, 1, WAITS_S)
        for number, client in enumerate((other, whole), backlog):
            got = await the_last_is_served(case, "pubsub_persistent.9", [wait], partial(publish, client, number))
            story = f"a receive beside {backlog} messages that others have not acked gives another"
            same("pubsub_persistent.1", [each.message.payload for each in got], [b"%d" % number], story)
            await member.ack(*got)
