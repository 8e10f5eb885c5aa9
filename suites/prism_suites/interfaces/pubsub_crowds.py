"""Many subscriptions, many keys and many tries, and calls of one member or client beside its own wait."""

import asyncio
from contextlib import AsyncExitStack

from prism_suites._judging import broken, same
from prism_suites._pubsub_members import HELD_S, comes_again, gets, nothing, received
from prism_suites._pubsub_selecting import FILTERING
from prism_suites._pubsub_taking import BASIC, PERSISTENT, Ear, Sent, hears, is_message, numbered, send
from prism_suites._racing import together
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Delivery, PubSubBasic, PubSubFiltering, PubSubOrdering, PubSubPersistent


def _crowd(case: Case, count: int) -> int:
    return min(count, 12) if case.server else count


@check("pubsub_basic.4", "pubsub_basic.1", "pubsub_basic.9")
@gauntlet(lambda limits: [{"waits": waits} for waits in (False, True)])
async def a_crowd_hears_it(pubsub: PubSubBasic, case: Case, waits: bool) -> None:
    """However many subscriptions a topic has, and however many of them wait, each gets every message."""
    async with AsyncExitStack() as stack:
        count = _crowd(case, 140)
        ears = [Ear(case, await stack.enter_async_context(pubsub.subscribe("t")), BASIC) for _ in range(count)]
        waiting = [asyncio.ensure_future(ear.next(5e3 if case.clock.virtual else 10.0)) for ear in ears] if waits else []
        await case.clock.sleep(0.1 if case.clock.virtual else 0.01)
        began_s = case.clock.now_s()
        sents = await send(pubsub, "t", numbered(2), BASIC)
        for got in await asyncio.gather(*waiting):
            is_message("pubsub_basic.9", got, sents[0], f"one of {count} subscriptions that wait is not given what comes")
        if waiting and case.clock.virtual and case.clock.now_s() - began_s > 2.5e3:
            sentence = f"of {count} subscriptions that wait one is woken at the end of its time only"
            broken("pubsub_basic.9", sentence, expected="at once", got=f"{case.clock.now_s() - began_s:g} s")
        for ear in ears:
            await hears(ear, sents[1:] if waits else sents, f"one of {count} subscriptions", more=True, lost="pubsub_basic.4")


@check("pubsub_persistent.6", "pubsub_persistent.13", "pubsub_persistent.1")
async def a_crowd_remembers(pubsub: PubSubPersistent, case: Case) -> None:
    """However many subscriptions a topic has, each goes on where it was."""
    names = [f"s{number}" for number in range(_crowd(case, 140))]
    sents = await send(pubsub, "t", numbered(3, "before"), PERSISTENT)
    for name in names:
        async with pubsub.subscribe_durable("t", name, "earliest") as member:
            await member.ack(*await gets(case, member, sents))
    sents = await send(pubsub, "t", [b"behind"], PERSISTENT)
    for name in names:
        async with pubsub.subscribe_durable("t", name, "earliest") as member:
            await gets(case, member, sents, story=f"one of {len(names)} subscriptions", lost="pubsub_persistent.6")


@check("pubsub_ordering.6", "pubsub_ordering.3")
async def a_crowd_of_keys_is_held(pubsub: PubSubOrdering, case: Case) -> None:
    """However many keys are held, the first message of another is given, and none behind those that are held."""
    count = min(600, 200) if case.server else 600
    for number in range(count):
        await pubsub.publish_ordered("t", f"key {number}", b"%d" % number)
    found: set[bytes] = set()
    async with pubsub.subscribe_durable("t", "s", "earliest") as member:
        while len(found) < count:
            got = await received(case, member, 100)
            if not got:
                broken("pubsub_ordering.6", f"with {len(found)} keys held, another is not given", expected=count, got=len(found))
            found |= {delivery.message.payload for delivery in got}
        since_s = case.clock.now_s()
        for number in range(count):
            await pubsub.publish_ordered("t", f"key {number}", b"behind")
        got = await received(case, member, 10, 0)
        if got and case.clock.now_s() - since_s < HELD_S:
            broken("pubsub_ordering.3", f"with {count} keys held, a message behind one that is held comes", expected=[], got=got)


@check("pubsub_ordering.3", "pubsub_ordering.4")
@gauntlet(lambda limits: [{"times": times} for times in (30, 120)])
async def however_often_it_comes_its_key_waits(pubsub: PubSubOrdering, case: Case, times: int) -> None:
    """A message that is given back again and again holds its key as at first: none behind it is given."""
    ids = [await pubsub.publish_ordered("t", "key", b"%d" % number) for number in range(2)]
    async with pubsub.subscribe_durable("t", "s", "earliest") as member:
        for number in range(min(times, 30) if case.server else times):
            got = await received(case, member, 5)
            found = [delivery.message.id for delivery in got]
            same("pubsub_ordering.3", found, ids[:1], f"given back {number} times, a message is not the one of its key that comes")
            await member.nack(*got)


@check("pubsub_persistent.7", "pubsub_persistent.5", "pubsub_persistent.4")
async def a_crowd_of_members_shares(pubsub: PubSubPersistent, case: Case) -> None:
    """Twelve members hold twelve messages each; half of them ack theirs, and what the others held comes again, all of it."""
    async with AsyncExitStack() as staying, AsyncExitStack() as leaving:
        stacks = [leaving if number % 2 == 0 else staying for number in range(12)]
        members = [await stack.enter_async_context(pubsub.subscribe_durable("t", "s", "earliest")) for stack in stacks]
        sents = {sent.id: sent for sent in await send(pubsub, "t", numbered(12 * len(members)), PERSISTENT)}
        since_s = case.clock.now_s()
        held = [[each for _ in range(12) for each in await received(case, member, 1)] for member in members]
        if case.clock.now_s() - since_s > HELD_S:
            case.note("to receive it all took longer than a second: what is held may have come again meanwhile, and is not judged")
            return
        found = sorted(delivery.message.id for deliveries in held for delivery in deliveries)
        same("pubsub_persistent.7", found, sorted(sents), "twelve members are not given each message once between them")
        for member, deliveries in zip(members[1::2], held[1::2], strict=True):
            await member.ack(*deliveries)
        await leaving.aclose()
        theirs = [delivery for deliveries in held[::2] for delivery in deliveries]
        counts = {delivery.message.id: delivery.delivery_count for delivery in theirs}
        left = [sents[delivery.message.id] for delivery in theirs]
        again = await comes_again(case, members[1], left, counts, promise="pubsub_persistent.7", story="its member left", batch=20)
        await members[1].ack(*again)
        await nothing(case, members[1], "pubsub_persistent.5", "an acked message comes again, of many members")


@check("pubsub_persistent.9", "pubsub_persistent.5", "pubsub_persistent.4")
@gauntlet(lambda limits: [{"use": use} for use in ("ack", "nack")])
async def what_it_holds_is_settled_while_it_waits(pubsub: PubSubPersistent, case: Case, use: str) -> None:
    """A member acks or nacks what it holds while a receive of its own waits; neither waits for the other."""
    sents = await send(pubsub, "t", [b"held"], PERSISTENT)
    async with pubsub.subscribe_durable("t", "s", "earliest") as member:
        held = await gets(case, member, sents)
        waiting = asyncio.ensure_future(received(case, member, 1, 1e5 if case.clock.virtual else 10.0))
        await case.clock.sleep(0.1 if case.clock.virtual else 0.01)
        began_s = case.clock.now_s()
        await (member.ack(*held) if use == "ack" else member.nack(*held))
        passed_s = case.clock.now_s() - began_s
        if use == "ack":
            sents = await send(pubsub, "t", [b"comes"], PERSISTENT)
        ids = [delivery.message.id for delivery in await waiting]
        if case.clock.virtual and passed_s > 5e4:
            broken("pubsub_persistent.9", f"{use} waits for a receive of its member", expected="at once", got=f"{passed_s:g} s")
        same("pubsub_persistent.9", ids, [sent.id for sent in sents], f"a receive that waits is not given what comes after {use}")


@check("pubsub_filtering.5", "pubsub_filtering.2", "pubsub_filtering.4")
async def a_field_is_no_header(pubsub: PubSubFiltering, case: Case) -> None:
    """What a message has beside its headers cannot be asked for: only a header of that name with that value matches."""
    asked = [{"topic": "t"}, {"payload": "x"}, {"body": "x"}, {"data": "x"}, {"key": "t"}, {"subject": "t"}, {"channel": "t"}]
    asked += [{f"{mark}{name}": "t"} for mark in ("_", "$", "x-", "message.") for name in ("topic", "channel", "subject")]
    async with AsyncExitStack() as stack:
        entered = [await stack.enter_async_context(pubsub.subscribe_filtered("t", each)) for each in asked]
        await pubsub.publish("t", b"x")
        await pubsub.publish("t", b"x", {"other": "x"})
        for attributes, inner in zip(asked, entered, strict=True):
            sent = Sent(await pubsub.publish("t", b"x", attributes), "t", b"x", attributes)
            got = await Ear(case, inner, FILTERING).next()
            is_message("pubsub_filtering.5", got, sent, f"asked for the header {attributes}, something else is given")


_EVENTS = 150
"""So often a wait is woken for nothing: more rounds than one makes that counts them."""
_LATER_S = 40_000.0


@check("pubsub_persistent.9", "pubsub_persistent.7")
async def however_much_another_settles_a_receive_waits_on(pubsub: PubSubPersistent, case: Case) -> None:
    """What another member acks, or gives back for later, neither ends a wait nor makes it deaf."""
    other = await case.client()
    holding = pubsub.subscribe_durable("t", "s", "earliest")
    member = await holding.__aenter__()
    await send(pubsub, "t", numbered(_EVENTS), PERSISTENT)
    held: list[Delivery] = []
    while len(held) < _EVENTS and (got := await received(case, member, 50)):
        held += got
    async with other.subscribe_durable("t", "s") as second:
        waiting = asyncio.ensure_future(received(case, second, 1, 1e4 if case.clock.virtual else 15.0))
        for number, delivery in enumerate(held):
            await case.clock.sleep(0.001 if case.clock.virtual else 0)
            await (member.ack(delivery) if number % 3 == 0 else member.nack(delivery, delay_s=_LATER_S))
        if waiting.done() and not waiting.result():
            sentence = f"a receive that waits returned before its timeout, while another member settled {_EVENTS} messages"
            broken("pubsub_persistent.9", sentence, expected="it waits on", got=[])
        await send(pubsub, "t", [b"comes"], PERSISTENT)
        await holding.__aexit__(None, None, None)
        if not await waiting:
            broken("pubsub_persistent.9", "a receive that waits is not given what comes in the end", expected="a message", got=[])


@check("pubsub_ordering.3", "pubsub_persistent.9")
@gauntlet(lambda limits: [{"most": most} for most in (1, 10, 101, 257, 1001, 100_000)])
async def however_much_is_asked_for_one_of_a_key_comes(pubsub: PubSubOrdering, case: Case, most: int) -> None:
    """A receive of many gives no more than one message of a key, however many it may give."""
    keys = ("a", "b", "a", "a", "b", "c", "a")
    ids = [await pubsub.publish_ordered("t", key, b"%d" % number) for number, key in enumerate(keys)]
    first = [ids[keys.index(key)] for key in dict.fromkeys(keys)]
    async with pubsub.subscribe_durable("t", "s", "earliest") as member:
        found: list[str] = []
        since_s = case.clock.now_s()
        while len(found) < len(first) and (got := await received(case, member, most)):
            found += [delivery.message.id for delivery in got]
        if case.clock.now_s() - since_s < HELD_S:
            same("pubsub_ordering.3", sorted(found), sorted(first), f"receives of {most} do not give one message of each key")


@check("pubsub_persistent.2")
@gauntlet(lambda limits: [{"names": names} for names in (1, 3, 12)])
async def headers_of_the_same_names_are_their_own(pubsub: PubSubPersistent, case: Case, names: int) -> None:
    """Messages that differ in nothing but the values of their headers are given each with its own."""
    wanted = [{f"h{place}": f"{number}-{place}" for place in range(names)} for number in range(3)]
    ids = [await pubsub.publish_persistent("t", b"same", headers) for headers in wanted]
    async with pubsub.subscribe_durable("t", "s", "earliest") as member:
        found: dict[str, dict[str, str]] = {}
        while len(found) < len(ids) and (got := await received(case, member, 10)):
            found |= {delivery.message.id: dict(delivery.message.headers) for delivery in got}
        sentence = "messages with headers of the same names are not given with the values of their own"
        same("pubsub_persistent.2", found, dict(zip(ids, wanted, strict=True)), sentence)


@check("pubsub_persistent.1", "pubsub_persistent.10")
async def a_topic_stays_however_many_others_come(pubsub: PubSubPersistent, case: Case) -> None:
    """What was published to a topic is there for who begins at the earliest, whatever was published to hundreds of others."""
    sents = await send(pubsub, "t", numbered(3), PERSISTENT)
    count = _crowd(case, 1100)
    for number in range(count):
        await pubsub.publish_persistent(f"other {number}", b"x")
    same(
        "pubsub_persistent.10", await pubsub.last_message_id("t"), sents[-1].id, f"behind {count} topics, the last id of the first"
    )
    async with pubsub.subscribe_durable("t", "s", "earliest") as member:
        found: set[str] = set()
        while len(found) < len(sents) and (got := await received(case, member, len(sents))):
            found |= {delivery.message.id for delivery in got}
        same("pubsub_persistent.1", found, {sent.id for sent in sents}, f"what was published before {count} other topics")


@check("pubsub_persistent.9", "pubsub_persistent.8")
@gauntlet(lambda limits: [{"left": left} for left in (True, False)])
async def what_was_due_once_ends_no_wait(pubsub: PubSubPersistent, case: Case, left: bool) -> None:
    """A message that was given back for later, and is acked by then, neither ends a wait at its instant nor comes."""
    later_s, wait_s = (50.0, 1000.0) if case.clock.virtual else (0.1, 0.3)
    first = pubsub.subscribe_durable("t", "s", "earliest")
    member = await first.__aenter__()
    (sent,) = await send(pubsub, "t", numbered(1), PERSISTENT)
    await member.nack(*await gets(case, member, [sent]), delay_s=later_s)
    if left:
        await first.__aexit__(None, None, None)
    async with pubsub.subscribe_durable("t", "s") as second:
        got = await received(case, second, 1, wait_s * 10)
        await second.ack(*got)
        began_s = case.clock.now_s()
        got = await received(case, second, 1, wait_s)
        passed_s = case.clock.now_s() - began_s
        if not got and passed_s < wait_s * (0.999 if case.clock.virtual else 0.8):
            sentence = "a receive of nothing returned before its timeout, where a delay would have ended of what was acked since"
            broken("pubsub_persistent.9", sentence, expected=f"{wait_s:g} s", got=f"{passed_s:g} s")
        same("pubsub_persistent.5", got, [], "what was acked comes again")
    if not left:
        await first.__aexit__(None, None, None)


@check("pubsub_basic.4", "pubsub_basic.1")
@gauntlet(lambda limits: [{"turns": turns, "who": who} for turns in range(5) for who in (0, 1)])
async def whoever_leaves_meanwhile_the_others_hear_it(pubsub: PubSubBasic, case: Case, turns: int, who: int) -> None:
    """A subscription that is left while a message is published takes it from no other."""
    managers = [pubsub.subscribe("t") for _ in range(5)]
    inners = [await manager.__aenter__() for manager in managers]
    case.overlap()

    async def leave() -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        await managers[who].__aexit__(None, None, None)

    sents, _ = await together(send(pubsub, "t", numbered(1), BASIC), leave())
    for number, inner in enumerate(inners):
        if number != who:
            await hears(Ear(case, inner, BASIC), sents, f"subscription {who + 1} of 5 was left meanwhile", lost="pubsub_basic.4")
            await managers[number].__aexit__(None, None, None)
