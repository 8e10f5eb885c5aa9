"""A receive that waits is given what comes at any turn of the loop, also just when it has looked and does not wait yet."""

from typing import Any

from prism_suites._judging import same
from prism_suites._left_out import takes_as_long
from prism_suites._noticing import TURNS, is_noticed
from prism_suites._pubsub_members import gets
from prism_suites._pubsub_taking import PERSISTENT, numbered, send
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import PubSubBasic, PubSubPersistent


@check("pubsub_basic.9")
@gauntlet(lambda limits: [{"turns": turns, "other": other} for turns in TURNS for other in (False, True)])
async def what_is_published_at_any_turn_is_noticed(pubsub: PubSubBasic, case: Case, turns: int, other: bool) -> None:
    """A publish of this client or another ends the wait of a subscription (PS-09)."""
    by = await case.client() if other else pubsub
    async with pubsub.subscribe("t") as inner:
        await is_noticed(case, "pubsub_basic.9", turns, inner.receive, lambda: by.publish("t", b"x"), "a publish", at_once=True)


@check("pubsub_persistent.9")
@gauntlet(lambda limits: [{"turns": turns, "event": event} for turns in TURNS for event in ("publish", "nack", "leave")])
async def what_comes_at_any_turn_is_noticed(pubsub: PubSubPersistent, case: Case, turns: int, event: str) -> None:
    """A publish ends the wait of a member, and so does what another member gives back (PS-09, PS-26)."""
    by = await case.client()
    manager = by.subscribe_durable("t", "s")
    holder = await manager.__aenter__()
    held = []
    if event != "publish":
        await by.publish_persistent("t", b"held")
        held = await holder.receive(1, 500.0)

    async def happen() -> None:
        if event == "publish":
            await by.publish_persistent("t", b"x")
        elif event == "nack":
            await holder.nack(*held)
            await manager.__aexit__(None, None, None)
        else:
            await manager.__aexit__(None, None, None)

    if event == "publish":
        await manager.__aexit__(None, None, None)
    async with pubsub.subscribe_durable("t", "s") as member:
        await is_noticed(case, "pubsub_persistent.9", turns, lambda s: member.receive(1, s), happen, event, at_once=True)


@check("pubsub_basic.9")
async def a_receive_without_a_timeout_waits_for_nothing(pubsub: PubSubBasic, case: Case) -> None:
    """`receive()` is `receive(0)`."""
    async with pubsub.subscribe("t") as inner:
        await takes_as_long(case, "pubsub_basic.9", lambda: inner.receive(0), inner.receive, "receive() and receive(0)")


@check("pubsub_persistent.9", "pubsub_persistent.8")
async def a_member_that_names_no_time_means_none(pubsub: PubSubPersistent, case: Case) -> None:
    """`receive()` is `receive(1, 0)`, and `nack(delivery)` is `nack(delivery, delay_s=0)`: the message is there as soon."""
    async with pubsub.subscribe_durable("t", "s") as member:
        what = "receive() and receive(1, 0)"
        await takes_as_long(case, "pubsub_persistent.9", lambda: member.receive(1, 0), member.receive, what)
        sents = await send(pubsub, "t", numbered(3), PERSISTENT)
        held = await member.receive(timeout_s=500.0)
        same("pubsub_persistent.9", len(held), 1, "a receive that does not say how many gives not one delivery of three that wait")
        await gets(case, member, sents[1:])  # what is held is not in its way

        async def comes_back(**delay: Any) -> None:
            await member.nack(*held, **delay)
            held[:] = await member.receive(1, 500.0)

        what = "nack(delivery) and nack(delivery, delay_s=0), until it comes again,"
        await takes_as_long(case, "pubsub_persistent.8", lambda: comes_back(delay_s=0), comes_back, what)
