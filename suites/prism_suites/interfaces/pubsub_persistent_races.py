"""pubsub_persistent under concurrency: members that share, join, ack and leave at once; nothing is held twice, nothing lost."""

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import broken, same
from prism_suites._pubsub_members import HELD_S, comes_again, gets, nothing, received
from prism_suites._pubsub_racing import Durables
from prism_suites._pubsub_taking import PERSISTENT, Sent, numbered, patience, send
from prism_suites._racing import PLANS, clients, rounds, together
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Closed, Conflict, PubSubPersistent
from prism_testkit.plan import Plan

_SCRIPTS: tuple[tuple[str, ...], ...] = (
    ("pp", "jrara"),
    ("pppp", "jrr", "jrr"),
    ("pppp", "jraraa", "jrarraa"),
    ("pjrl", "pjral", "jrl"),
    ("pppppp", "jrlra", "jwwaaa"),
    ("pppp", "jrnrnraa", "jraran"),
    ("ppjrl", "ppjrl", "jrlrjrl"),
    ("jrlrjrl", "jrararar", "p-p-p-p-p"),
    ("jwal", "jwal", "jwal", "--p-p-p"),
    ("pppppppp", "jraljraljral", "jrnljrnljra"),
)
_MIXED = st.text("pjrwanl-", min_size=2, max_size=9)
_SHARING = st.text("rranl-", min_size=2, max_size=8).map("jr{}".format)


@check("pubsub_persistent.7", "pubsub_persistent.5", "pubsub_persistent.4", "pubsub_persistent.13")
@gauntlet(lambda limits: [{"scripts": scripts, "on": on, "plan": Plan()} for scripts in _SCRIPTS for on in ("one", "each")])
@given(scripts=st.lists(_MIXED, min_size=2, max_size=4).map(tuple), on=st.sampled_from(["one", "each"]), plan=PLANS)
async def members_share_whatever_overlaps(
    pubsub: PubSubPersistent, case: Case, scripts: tuple[str, ...], on: str, plan: Plan
) -> None:
    """One holder at a time, nothing after its ack, and all that was not acked in the end (PS-07, PS-17, PS-23)."""
    await _play(pubsub, case, scripts, on, plan)


async def _play(pubsub: Any, case: Case, scripts: tuple[str, ...], on: str, plan: Plan) -> None:
    game = Durables(case, await clients(pubsub, case, [0 if on == "one" else number for number in range(len(scripts))]))
    case.schedule(plan)
    await game.play(scripts)
    game.judge()


@check("pubsub_persistent.7", "pubsub_persistent.5", "pubsub_persistent.13")
@given(one=_SHARING, other=_SHARING, plan=PLANS)
async def two_members_never_hold_one_message(pubsub: PubSubPersistent, case: Case, one: str, other: str, plan: Plan) -> None:
    """Two members that receive, settle and leave while messages come, under every plan (PS-07, PS-24)."""
    await _play(pubsub, case, ("ppp", one, other), "each", plan)


@check("pubsub_persistent.13", "pubsub_persistent.6", "pubsub_persistent.10")
@gauntlet(lambda limits: [{"publishers": publishers, "on": on} for publishers in (2, 10, 40) for on in ("one", "each")])
async def publishes_at_once_lose_nothing(pubsub: PubSubPersistent, case: Case, publishers: int, on: str) -> None:
    """Of many that publish at once every message reaches every subscription, once, and one of them is the last (PS-08)."""
    slots = await clients(pubsub, case, [0 if on == "one" else number % 5 for number in range(publishers)])
    async with pubsub.subscribe_durable("t", "a") as first, slots[-1].subscribe_durable("t", "b") as second:
        case.overlap()
        batches = await together(*(send(slot, "t", [b"%d" % n, b"%d'" % n], PERSISTENT) for n, slot in enumerate(slots)))
        sents = [sent for batch in batches for sent in batch]
        same("pubsub_persistent.2", len({sent.id for sent in sents}), len(sents), "messages published at once have equal ids")
        for member in (first, second):
            deliveries = await comes_again(case, member, sents, {}, promise="pubsub_persistent.13", batch=7)
            await member.ack(*deliveries)
            await nothing(case, member, "pubsub_persistent.5", "a message comes twice")
        last = await pubsub.last_message_id("t")
        if last not in {batch[-1].id for batch in batches}:
            broken("pubsub_persistent.10", "the last id is not one of the last publishes", expected=len(sents), got=last)
        same("pubsub_persistent.10", await slots[-1].last_message_id("t"), last, "two clients disagree on the last id")
        async with slots[-1].subscribe_durable("t", "made later", "earliest") as late:
            await comes_again(case, late, sents, {}, promise="pubsub_persistent.13", batch=7, story="its subscription came later")


@check("pubsub_persistent.1", "pubsub_persistent.7")
@gauntlet(
    lambda limits: [
        {"count": count, "on": on, "start": start} for count in (2, 6) for on in ("one", "each") for start in ("new", "earliest")
    ]
)
async def first_entries_at_once_make_one(pubsub: PubSubPersistent, case: Case, count: int, on: str, start: Any) -> None:
    """Members that enter a new subscription at once are members of one, and get each message once between them."""
    slots = await clients(pubsub, case, [0 if on == "one" else number % 4 for number in range(count)])
    for topic in rounds(case):
        sents = await send(pubsub, topic, numbered(3, "before"), PERSISTENT)
        case.overlap()
        managers = [slot.subscribe_durable(topic, "s", start) for slot in slots]
        with case.law("pubsub_persistent.7"):
            members = await together(*(manager.__aenter__() for manager in managers))
        sents = (sents if start == "earliest" else []) + await send(pubsub, topic, numbered(4), PERSISTENT)
        since_s = case.clock.now_s()
        found: list[str] = []
        for turn in range(len(sents)):
            got = await received(case, members[turn % count], 1)
            found += [delivery.message.id for delivery in got]
        if case.clock.now_s() - since_s < HELD_S:
            expected = sorted(sent.id for sent in sents)
            same("pubsub_persistent.7", sorted(found), expected, "members that entered at once do not share one subscription")
            await nothing(case, members[-1], "pubsub_persistent.7", "a message comes twice", held_since_s=since_s)
        await together(*(manager.__aexit__(None, None, None) for manager in managers))


@check("pubsub_persistent.1", "pubsub_persistent.3", "pubsub_persistent.13")
@gauntlet(lambda limits: [{"before": before, "turns": turns} for before in (3, 260) for turns in range(6)])
async def who_enters_a_long_topic_gets_what_comes_meanwhile_behind_it(
    pubsub: PubSubPersistent, case: Case, before: int, turns: int
) -> None:
    """What a publisher sends while a subscription is made from the earliest message on comes once, behind all that it had sent."""
    if case.server and turns:
        return
    other = await case.client()
    sents = await send(other, "t", numbered(before), PERSISTENT)
    case.overlap()
    manager = pubsub.subscribe_durable("t", "s", "earliest")
    entering = asyncio.ensure_future(manager.__aenter__())
    for _ in range(turns):
        await asyncio.sleep(0)
    sents += await send(other, "t", numbered(3, "meanwhile"), PERSISTENT)
    member = await entering
    found: list[str] = []
    while len(found) < len(sents) and (got := await received(case, member, 100)):
        found += [delivery.message.id for delivery in got]
        await member.ack(*got)
    expected = [sent.id for sent in sents]
    same(
        "pubsub_persistent.1", sorted(found), sorted(expected), "not every message comes once that was there, or came, at an entry"
    )
    same("pubsub_persistent.3", found, expected, "what was published during an entry comes before what was published earlier")
    await manager.__aexit__(None, None, None)


@check("pubsub_persistent.7", "pubsub_persistent.9")
@gauntlet(
    lambda limits: [{"waiters": w, "messages": m, "on": on} for w, m in ((2, 1), (2, 2), (4, 4), (3, 8)) for on in ("one", "each")]
)
async def members_that_wait_are_given_what_comes(
    pubsub: PubSubPersistent, case: Case, waiters: int, messages: int, on: str
) -> None:
    """Messages that come while members wait go each to one of them, and nobody who could have one goes away empty (PS-07)."""
    slots = await clients(pubsub, case, [0 if on == "one" else number for number in range(waiters)])
    managers = [slot.subscribe_durable("t", "s") for slot in slots]
    members = [await manager.__aenter__() for manager in managers]
    case.overlap()
    more = waiters > messages
    wait_s = (0.8 if more else 200.0) if case.clock.virtual else (0.2 if more else 5.0)
    began_s = case.clock.now_s()

    async def come() -> list[Sent]:
        await case.clock.sleep(0.1 if case.clock.virtual else 0.005)
        return await send(pubsub, "t", numbered(messages), PERSISTENT)

    *told, sents = await together(*(received(case, member, 1, wait_s) for member in members), come())
    given = [delivery.message.id for got in told for delivery in got]
    quick = case.clock.now_s() - began_s < HELD_S
    if len(set(given)) < len(given) and quick:
        broken("pubsub_persistent.7", "two members are given one message", expected=len(set(given)), got=given)
    if len(given) < min(waiters, messages) and (quick or not more):
        broken("pubsub_persistent.9", "members that wait are not given what comes", expected=min(waiters, messages), got=len(given))
    for manager in managers:
        await manager.__aexit__(None, None, None)
    async with pubsub.subscribe_durable("t", "s") as last:
        counts = dict.fromkeys(given, 1)
        await comes_again(case, last, sents, counts, promise="pubsub_persistent.7", story="its member left")


@check("pubsub_persistent.15", "pubsub_persistent.7", "pubsub_persistent.5")
@gauntlet(
    lambda limits: [
        {"use": use, "first": first, "second": second}
        for use in ("ack", "nack", "receive", "ack twice", "ack and nack")
        for first, second in ((0, 0), (0, 1), (1, 0), (0, 2), (2, 0), (0, 4), (4, 0))
    ]
)
async def leaving_races_a_call(pubsub: PubSubPersistent, case: Case, use: str, first: int, second: int) -> None:
    """A call of a member that is left at the same time has its effect or raises; no message is lost, or doubled (PS-34)."""
    other = await case.client()
    sents = await send(pubsub, "t", numbered(1 if use != "receive" else 2), PERSISTENT)
    manager = pubsub.subscribe_durable("t", "s", "earliest")
    member = await manager.__aenter__()
    held = (await gets(case, member, sents[:1]))[0]
    case.overlap()
    calls: dict[str, list[Any]] = {
        "ack": [lambda: member.ack(held)],
        "nack": [lambda: member.nack(held)],
        "receive": [lambda: member.receive(2, 0.1 if case.clock.virtual else 0.01)],
        "ack twice": [lambda: member.ack(held), lambda: member.ack(held)],
        "ack and nack": [lambda: member.ack(held), lambda: member.nack(held)],
    }

    async def go(make: Any, turns: int) -> str:
        for _ in range(turns):
            await asyncio.sleep(0)
        try:
            await make()
        except (Closed, Conflict):
            return "refused"
        return "done"

    left = [lambda: manager.__aexit__(None, None, None)]
    told = await together(*(go(make, first) for make in calls[use]), *(go(make, second) for make in left))
    if told[-1] != "done":
        broken("pubsub_persistent.15", "leaving raises", expected="it is left", got=told)
    acked = use.startswith("ack") and "done" in told[: 2 if use == "ack twice" else 1]  # either of two may be the one that arrived
    async with other.subscribe_durable("t", "s") as again:
        found: list[str] = []
        wait_s = patience(case)
        while len(found) < len(sents) and (got := await received(case, again, 1, 0.05 if acked else wait_s)):
            found.append(got[0].message.id)
            await again.ack(*got)
        if not acked:
            expected = sorted(sent.id for sent in sents)
            same("pubsub_persistent.7", sorted(found), expected, f"a message is lost, or doubled, as {use} races leaving")
        await nothing(case, again, "pubsub_persistent.5", f"a message is doubled as {use} races leaving")


@check("pubsub_persistent.13", "pubsub_persistent.7", "pubsub_persistent.5")
@gauntlet(lambda limits: [{"consumers": consumers, "messages": messages} for consumers, messages in ((3, 40), (8, 60), (50, 100))])
async def many_members_drain_a_topic(pubsub: PubSubPersistent, case: Case, consumers: int, messages: int) -> None:
    """Members that receive and ack together are given each message exactly once, while publishers go on (PS-07)."""
    slots = await clients(pubsub, case, [number % 4 for number in range(consumers)])
    managers = [slot.subscribe_durable("t", "s") for slot in slots]
    members = [await manager.__aenter__() for manager in managers]
    case.overlap()
    acked: list[str] = []
    expected: list[str] = []
    published = asyncio.Event()

    async def produce(slot: Any, mark: str) -> None:
        expected.extend([sent.id for sent in await send(slot, "t", numbered(messages // 2, mark), PERSISTENT)])

    async def produce_all() -> None:
        await together(produce(slots[0], "a"), produce(slots[1], "b"))
        published.set()

    async def consume(member: Any) -> None:
        while True:
            over = published.is_set()
            got = await received(case, member, 3, 0.3 if case.clock.virtual else 0.03)
            await member.ack(*got)
            acked.extend(delivery.message.id for delivery in got)
            if over and not got:
                return

    await together(produce_all(), *map(consume, members))
    same("pubsub_persistent.7", sorted(acked), sorted(expected), "members that share do not ack each message once")
    for manager in managers:
        await manager.__aexit__(None, None, None)
