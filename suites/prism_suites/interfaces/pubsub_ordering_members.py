"""pubsub_ordering: several members, subscriptions and topics at once, waits that are given up, and holding for long."""

import asyncio
import itertools
from contextlib import AsyncExitStack
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import broken, refused, same
from prism_suites._pubsub_lines import HEADERS, drained, ordered
from prism_suites._pubsub_members import HELD_S, lenient, promptly, received
from prism_suites._pubsub_reaching import audience, reaching
from prism_suites._pubsub_taking import numbered, quiet
from prism_suites._queue_cancelling import cancelled
from prism_suites._racing import PLANS, clients, together
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Closed, PubSubOrdering
from prism_testkit.plan import Plan

_LONG_S = (2.0, 31.0, 61.0, 301.0, 3601.0, 90_001.0)
_Place = tuple[int, str, str]
"""The number of a namespace, a topic and the name of a subscription."""
_GRID: tuple[_Place, ...] = (
    *((0, "t", "s"), (1, "t", "s"), (0, "t", "other"), (0, "u", "s"), (1, "u", "other")),
    *((0, "ts", "s"), (0, "t", "ss"), (0, "s", "t"), (0, "k", "k")),
)


@check("pubsub_ordering.3", "pubsub_ordering.2")
@gauntlet(
    lambda limits: [
        {"members": members, "keys": keys, "most": most, "waits": waits, "plan": Plan()}
        for members, keys in ((2, 1), (3, 2), (4, 5))
        for most in (1, 10)
        for waits in (False, True)
    ]
)
@given(
    members=st.integers(2, 4),
    keys=st.integers(1, 3),
    most=st.sampled_from((1, 10)),
    waits=st.booleans(),
    plan=PLANS,
)
async def receives_at_once_take_one_of_each_key(
    pubsub: PubSubOrdering, case: Case, members: int, keys: int, most: int, waits: bool, plan: Plan
) -> None:
    """However receives of several members overlap, and with publishes too, of a key one message is held (PS-08, PS-31)."""
    slots = await clients(pubsub, case, [number % 2 for number in range(members)])
    wait_s = 50.0 if case.clock.virtual else 0.05
    async with AsyncExitStack() as stack:
        inners = [await stack.enter_async_context(slot.subscribe_durable("t", "s")) for slot in slots]

        async def publish() -> None:
            for place in range(3):
                for key in range(keys):
                    await ordered(pubsub, f"k{key}", [b"%d %d" % (key, place)])

        if not waits:
            await publish()
        began_s = case.clock.now_s()
        case.schedule(plan)
        calls = [each.receive(most, wait_s if waits else 0) for each in (*inners, *inners)]
        got = await together(*calls, *([publish()] if waits else []))
    if case.clock.now_s() - began_s > HELD_S + (wait_s if waits else 0):
        return
    payloads = [delivery.message.payload for found in got if found for delivery in found]
    once = list(dict.fromkeys(payloads))
    later = [payload for payload in once if not payload.endswith(b" 0")]
    same("pubsub_ordering.3", later, [], "receives at once give a message before an earlier one of its key was acked")


@check("pubsub_ordering.3", "pubsub_ordering.6")
@gauntlet(lambda limits: [{"held_s": held_s} for held_s in _LONG_S])
async def a_key_waits_however_long(pubsub: PubSubOrdering, case: Case, held_s: float) -> None:
    """What is not acked may come again after a deadline, but nothing behind it comes, however long it is held (PS-16, PS-29)."""
    if not case.clock.virtual:
        case.note("holding for hours is judged where time is virtual")
        return
    async with pubsub.subscribe_durable("t", "s") as member, (await case.client()).subscribe_durable("t", "s") as second:
        first, following = await ordered(pubsub, "k", numbered(2))
        await received(case, member)
        for part in (held_s / 2, held_s / 2):
            await case.advance(part)
            for each in (second, member):
                got = await received(case, each, 10, quiet(case))
                if any(delivery.message.id != first.id for delivery in got):
                    broken("pubsub_ordering.3", "a message comes before an earlier one of its key was acked", expected=[], got=got)
        (free,) = await ordered(pubsub, "other", [b"free"])
        got = await received(case, second, 10)
        ids = {delivery.message.id for delivery in got}
        if free.id not in ids and first.id not in ids:
            broken("pubsub_ordering.6", "a key that is held for long holds up another", expected=free, got=got)
        same("pubsub_ordering.3", following.id in ids, False, "a message comes before an earlier one of its key was acked")


@check("pubsub_ordering.10", "pubsub_ordering.5", "pubsub_ordering.3", "pubsub_ordering.2")
@gauntlet(
    lambda limits: [
        {"how": how, "by": by, "times": times}
        for how in ("cancelled", "timed out")
        for by in ("its holder", "another")
        for times in (1, 70)
    ]
)
async def a_wait_for_a_key_that_was_given_up_leaves_it(pubsub: PubSubOrdering, case: Case, how: str, by: str, times: int) -> None:
    """Receives that wait for a held key, and are cancelled or end in vain, reserve nothing: an ack makes it go on (PS-40)."""
    async with pubsub.subscribe_durable("t", "s") as member, (await case.client()).subscribe_durable("t", "s") as second:
        first, following, last = await ordered(pubsub, "k", numbered(3))
        held = await received(case, member)
        same("pubsub_ordering.2", [d.message.id for d in held], [first.id], "the first message of a key does not come first")
        began_s = case.clock.now_s()
        waiter = member if by == "its holder" else second
        for _ in range(times):
            if how == "timed out":
                got = await waiter.receive(10, 0.01)
            else:
                task = asyncio.ensure_future(waiter.receive(10, 1e5 if case.clock.virtual else 10.0))
                for _turn in range(6):
                    await asyncio.sleep(0)
                task.cancel()
                (got,) = await asyncio.gather(task, return_exceptions=True)
            if isinstance(got, list) and got and case.clock.now_s() - began_s < HELD_S:
                broken("pubsub_ordering.3", "a message comes before an earlier one of its key was acked", expected=[], got=got)
        if case.clock.now_s() - began_s >= HELD_S:
            return  # it may have been given back before it was acked
        await member.ack(*held)
        for sent, each in ((following, waiter), (last, member)):
            got = await promptly(case, each, 10)
            ids = [delivery.message.id for delivery in got]
            same("pubsub_ordering.10", ids, [sent.id], f"after a wait that was {how} a key does not go on, or not in its order")
            await each.ack(*got)


@check("pubsub_ordering.8", "pubsub_ordering.6", "pubsub_ordering.7")
@gauntlet(lambda limits: [{"deed": deed} for deed in ("hold", "ack", "nack", "delay", "leave")])
async def lines_of_a_grid_are_apart(pubsub: PubSubOrdering, case: Case, deed: str) -> None:
    """One key under several topics, subscriptions and namespaces is as many lines: none notices what is done in another (PS-06)."""
    slots, began_s = (pubsub, await case.sibling()), case.clock.now_s()
    managers: dict[_Place, Any] = {place: slots[place[0]].subscribe_durable(*place[1:]) for place in _GRID}
    async with AsyncExitStack() as stack:
        members = {place: await managers[place].__aenter__() for place in _GRID}
        for place in _GRID if deed != "leave" else ():
            stack.push_async_exit(managers[place])
        spots = dict.fromkeys(place[:2] for place in _GRID)
        sents = {spot: await ordered(slots[spot[0]], "k", numbered(3, f"{spot}"), spot[1]) for spot in spots}
        for place in _GRID:
            got = await promptly(case, members[place], 10)
            if deed != "hold" and case.clock.now_s() - began_s > HELD_S and not got:
                return
            ids = [delivery.message.id for delivery in got]
            told = f"with its key in other lines ({deed}), a line does not give its first message alone"
            same("pubsub_ordering.8", ids, [sents[place[:2]][0].id], told)
            if deed in ("ack", "nack"):
                await lenient(getattr(members[place], deed)(*got))
            elif deed == "delay":
                await lenient(members[place].nack(*got, delay_s=1e4))
            elif deed == "leave":
                await managers[place].__aexit__(None, None, None)
        for number, place in itertools.product((1, 2), _GRID if deed == "ack" else ()):
            got = await promptly(case, members[place], 10)
            ids = [delivery.message.id for delivery in got]
            same("pubsub_ordering.8", ids, [sents[place[:2]][number].id], "a line does not go on by its own acks alone")
            await lenient(members[place].ack(*got))


@check("pubsub_ordering.10", "pubsub_ordering.1", "pubsub_ordering.2")
@gauntlet(reaching("same key", "another"))
async def a_cancelled_publish_reaches_all_or_none(pubsub: PubSubOrdering, case: Case, kind: str, point: int) -> None:
    """Of several subscriptions either each gets what a cancelled publish was to send, in its place, or none does (PS-40)."""
    other = await case.client()
    key = "other" if kind == "another" else "k"
    names = [f"s{number}" for number in range(audience(case, kind))]
    async with AsyncExitStack() as stack:
        for number, name in enumerate(names):
            await stack.enter_async_context((pubsub, other)[number % 2].subscribe_durable("t", name))
        await ordered(pubsub, "k", [b"before"])
        await cancelled(pubsub.publish_ordered("t", key, b"in doubt", HEADERS), point)
        await ordered(other, "k", [b"after"])
    orders = []
    for name in names:
        found = await drained(case, pubsub, "t", name, 2)
        orders.append(list(dict.fromkeys(sent.payload for sent in found)))
        certain = [payload for payload in orders[-1] if payload != b"in doubt"]
        same("pubsub_ordering.10", certain, [b"before", b"after"], "beside a cancelled publish a message is lost")
    told = [b"in doubt" in order for order in orders]
    if len(set(told)) > 1:
        sentence = "what a cancelled publish sent is received by some subscriptions only"
        broken("pubsub_ordering.10", sentence, expected=f"0 or {len(names)} of {len(names)}", got=f"{sum(told)} of {len(names)}")
    if key == "k":
        same("pubsub_ordering.2", orders[1:], orders[:-1], "subscriptions get a key in different orders")


@check("pubsub_ordering.9", "pubsub_ordering.3")
@gauntlet(lambda limits: [{"later_s": later_s} for later_s in (0.0, 5.0)])
async def a_member_that_was_left_acks_nothing(pubsub: PubSubOrdering, case: Case, later_s: float) -> None:
    """An ack or a nack of a member that was left, of what it held last, confirms nothing and delays nothing (PS-18)."""
    manager = pubsub.subscribe_durable("t", "s")
    member = await manager.__aenter__()
    first, _ = await ordered(pubsub, "k", numbered(2))
    old = await received(case, member)
    await manager.__aexit__(None, None, None)
    if case.clock.virtual:
        await case.advance(later_s)
    for method, more in (("ack", {}), ("nack", {"delay_s": 1e6})):
        await refused("pubsub_ordering.9", getattr(member, method)(*old, **more), Closed, "a member that was left is not closed")
    async with (await case.client()).subscribe_durable("t", "s") as second:
        got = await received(case, second, 10)
        ids = [delivery.message.id for delivery in got]
        same("pubsub_ordering.9", ids, [first.id], "after a member was left its ack, or nack, had an effect")


@check("pubsub_ordering.3", "pubsub_ordering.8")
@gauntlet(lambda limits: [{"settled": settled} for settled in ("ack", "nack")])
async def who_leaves_frees_only_what_he_holds(pubsub: PubSubOrdering, case: Case, settled: str) -> None:
    """A key that a member held once, and another holds now, is not free because the first one leaves."""
    await ordered(pubsub, "k", numbered(3))
    first = pubsub.subscribe_durable("t", "s", "earliest")
    member = await first.__aenter__()
    async with pubsub.subscribe_durable("t", "s") as second, pubsub.subscribe_durable("t", "s") as third:
        since_s = case.clock.now_s()
        held = await received(case, member)
        await (member.ack(*held) if settled == "ack" else member.nack(*held))
        now = await received(case, second)
        await first.__aexit__(None, None, None)
        got = await received(case, third, 5, quiet(case))
        if now and got and case.clock.now_s() - since_s < HELD_S:
            sentence = f"a message comes though another of its key is held: one that held the key before ({settled}) has left"
            broken("pubsub_ordering.3", sentence, expected=[], got=got)
