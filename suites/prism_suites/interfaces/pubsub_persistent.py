"""pubsub_persistent: where a subscription begins, that it goes on when it is opened again, and that acks are individual."""

from contextlib import AsyncExitStack
from typing import Any

from prism_suites._judging import broken, refused, same
from prism_suites._pubsub_members import comes_again, counted, gets, lenient, nothing, received
from prism_suites._pubsub_taking import PERSISTENT, Sent, listening, numbered, send
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import PubSubPersistent
from prism_testkit.outcomes import law

_STARTS = ("new", "earliest")
_MEGABYTES = 8_000_000


@check("pubsub_persistent.1", "pubsub_persistent.13")
@gauntlet(
    lambda limits: [
        {"start": start, "before": before, "heard": heard, "on": on // 2}
        for start in _STARTS
        for before in (0, 1, 120)
        for on, heard in enumerate(("by nobody", "acked by another", "held by another", "acked by one that left"))
        if before or heard == "by nobody"
    ]
)
async def start_says_where_it_begins(pubsub: PubSubPersistent, case: Case, start: Any, before: int, heard: str, on: int) -> None:
    """A new one gets what was published before and after it (`earliest`) or after (`new`), whatever others did (PS-10, PS-11)."""
    if case.server and before == 120:
        before = 30
    clients: list[Any] = [pubsub, await case.client()]
    async with AsyncExitStack() as stack:
        manager = pubsub.subscribe_durable("t", "other", "earliest")
        other = await manager.__aenter__() if heard != "by nobody" else None
        sents = await send(clients[1 - on], "t", numbered(before), PERSISTENT, {"h": "v"})
        if other is not None:
            deliveries = await gets(case, other, sents, batch=50)
            if heard != "held by another":
                await other.ack(*deliveries)
            if heard == "acked by one that left":
                await manager.__aexit__(None, None, None)
            else:
                stack.push_async_exit(manager.__aexit__)
        member = await stack.enter_async_context(clients[on].subscribe_durable("t", "s", start))
        if start == "new":
            await nothing(case, member, "pubsub_persistent.1", "a subscription that begins now gets what was published before it")
            sents = []
        sents = sents + await send(clients[1 - on], "t", numbered(3, "after"), PERSISTENT)
        await gets(case, member, sents, batch=7, story=f"start={start!r}", lost="pubsub_persistent.1")
        await nothing(case, member, "pubsub_persistent.7", "what is held comes again", held_since_s=case.clock.now_s())


@check("pubsub_persistent.1")
@gauntlet(
    lambda limits: [{"start": start} for start in ("", "New", "NEW", "latest", "all", "beginning", "0", "$", "new ", None, 0)]
)
async def another_start_is_refused(pubsub: PubSubPersistent, case: Case, start: Any) -> None:
    """What is neither `new` nor `earliest` raises ``ValueError``, and makes no subscription; one that is there goes on."""
    kinds = ValueError if isinstance(start, str) else (ValueError, TypeError)
    for _ in range(2):
        await refused("pubsub_persistent.1", _enter(pubsub, start), kinds, f"start={start!r} is not refused")
        await send(pubsub, "t", [b"x"], PERSISTENT)
    async with pubsub.subscribe_durable("t", "s", "new") as member:
        await nothing(case, member, "pubsub_persistent.1", "a refused entry made a subscription")
        await refused("pubsub_persistent.1", _enter(pubsub, start), kinds, f"start={start!r} is not refused")
        await gets(case, member, await send(pubsub, "t", [b"y"], PERSISTENT))


async def _enter(pubsub: PubSubPersistent, start: Any) -> str:
    async with pubsub.subscribe_durable("t", "s", start):
        return "it was entered"


@check("pubsub_persistent.1", "pubsub_persistent.5", "pubsub_persistent.4")
@gauntlet(
    lambda limits: [
        {"first": first, "again": again, "acked": acked, "on": on}
        for first in _STARTS
        for again in _STARTS
        for acked, on in ((0, 0), (2, 1), (4, 0))
    ]
)
async def opened_again_it_goes_on(pubsub: PubSubPersistent, case: Case, first: Any, again: Any, acked: int, on: int) -> None:
    """It goes on where it was, whatever ``start`` says now: what was acked stays away, all else comes (PS-17, PS-25)."""
    clients: list[Any] = [pubsub, await case.client()]
    early = await send(pubsub, "t", numbered(2, "early"), PERSISTENT)
    async with pubsub.subscribe_durable("t", "s", first) as member:
        sents = (early if first == "earliest" else []) + await send(pubsub, "t", numbered(5), PERSISTENT)
        deliveries = await gets(case, member, sents[:4], batch=2)
        await member.ack(*deliveries[:acked])
    before = {delivery.message.id: delivery.delivery_count for delivery in deliveries}
    sents += await send(clients[1], "t", numbered(3, "away"), PERSISTENT, {"h": "v"})
    for turn in range(2):
        async with clients[on].subscribe_durable("t", "s", again) as member:
            sents += await send(clients[1], "t", [b"again-%d" % turn], PERSISTENT)
            deliveries = await comes_again(case, member, sents[acked:], before, promise="pubsub_persistent.1", story="opened again")
            await nothing(case, member, "pubsub_persistent.5", "what was acked is back", held_since_s=case.clock.now_s())
            before |= {delivery.message.id: delivery.delivery_count for delivery in deliveries}
            if turn:
                await member.ack(*deliveries)
    async with clients[on].subscribe_durable("t", "s", again) as member:
        await nothing(case, member, "pubsub_persistent.5", "what was acked is back when it is opened again")


@check("pubsub_persistent.1", "pubsub_persistent.13")
@gauntlet(lambda limits: [{"start": start, "times": times} for start in _STARTS for times in (1, 3)])
async def entered_and_left_it_exists(pubsub: PubSubPersistent, case: Case, start: Any, times: int) -> None:
    """From its first entry on it gets every message, also while it has no member and never received anything (PS-10)."""
    other = await case.client()
    sents = await send(other, "t", [b"before"], PERSISTENT)
    for _ in range(times):
        async with pubsub.subscribe_durable("t", "s", start):
            pass
    if start == "new":
        sents = []
    for seconds in (86_400.5, 31_536_001.0, 1e9):
        sents = sents + await send(other, "t", numbered(2, f"away {seconds:g}"), PERSISTENT)
        if case.clock.virtual:
            await case.advance(seconds)
    async with pubsub.subscribe_durable("t", "s", "new") as member:
        await gets(case, member, sents, batch=2, lost="pubsub_persistent.1")


@check("pubsub_persistent.1", "pubsub_persistent.5", "pubsub_persistent.13")
@gauntlet(lambda limits: [{"cycles": 20}])
async def over_many_reopenings_nothing_is_lost(pubsub: PubSubPersistent, case: Case, cycles: int) -> None:
    """Opened and left again and again, by two clients, with some acked: in the end each message was acked once (PS-25)."""
    clients: list[Any] = [pubsub, await case.client()]
    sents: dict[str, Sent] = {}
    counts: dict[str, int] = {}
    done: set[str] = set()
    for cycle in range(cycles):
        async with clients[cycle % 2].subscribe_durable("t", "s", "earliest" if cycle % 3 else "new") as member:
            sents |= {sent.id: sent for sent in await send(clients[cycle // 2 % 2], "t", numbered(2, f"c{cycle}"), PERSISTENT)}
            for delivery in await received(case, member, 1 + cycle % 3):
                identity = delivery.message.id
                if identity in done:
                    broken("pubsub_persistent.5", "an acked message comes again", expected="another", got=delivery)
                if identity not in sents:
                    broken("pubsub_persistent.1", "a message comes that was not published", expected="one that was", got=delivery)
                counted(case, delivery, counts.get(identity, 0))
                counts[identity] = delivery.delivery_count
                if (cycle + len(done)) % 4:
                    await member.ack(delivery)
                    done.add(identity)
    async with pubsub.subscribe_durable("t", "s") as member:
        left = [sent for identity, sent in sents.items() if identity not in done]
        await comes_again(case, member, left, counts, promise="pubsub_persistent.13", story="many reopenings")
        await nothing(case, member, "pubsub_persistent.5", "an acked message comes again", held_since_s=case.clock.now_s())


@check("pubsub_persistent.3", "pubsub_persistent.13", "pubsub_persistent.9", "pubsub_persistent.5")
@gauntlet(
    lambda limits: [
        {"count": count, "batch": batch} for count, batch in ((12, 1), (12, 2), (101, 10), (130, 7), (260, 100), (1100, 1000))
    ]
)
async def so_many_come_in_order(pubsub: PubSubPersistent, case: Case, count: int, batch: int) -> None:
    """Whatever their number, and however many at a time, messages come in the order of publishing (PS-30)."""
    sents = await send(pubsub, "t", numbered(min(count, 300) if case.server else count), PERSISTENT)
    async with pubsub.subscribe_durable("t", "s", "earliest") as member:
        place = 0
        while place < len(sents):
            deliveries = await gets(case, member, sents[place : place + batch], batch=batch, story=f"{count} messages")
            await member.ack(*deliveries)
            place += len(deliveries)
        await nothing(case, member, "pubsub_persistent.5", "after everything was acked something comes")


_ACKS = ((0,), (4,), (2,), (0, 2, 4), (1, 3), (4, 0), (3, 2, 1), (0, 1, 2, 3, 4), (0, 0, 4, 4), ())


@check("pubsub_persistent.5", "pubsub_persistent.4")
@gauntlet(
    lambda limits: [
        {"acks": acks, "how": how, "batch": batch}
        for acks in _ACKS
        for how, batch in (("at once", 5), ("one by one", 1), ("twice", 2))
    ]
)
async def acks_are_individual(pubsub: PubSubPersistent, case: Case, acks: tuple[int, ...], how: str, batch: int) -> None:
    """An ack removes its message alone, not what came before or with it, and as often as it likes (PS-17, PS-18)."""
    sents = await send(pubsub, "t", numbered(5), PERSISTENT, {"h": "v"})
    async with pubsub.subscribe_durable("t", "s", "earliest") as member:
        deliveries = await gets(case, member, sents, batch=batch)
        once = list(dict.fromkeys(acks))
        with law("pubsub_persistent.5"):
            if how != "one by one":
                await member.ack(*(deliveries[number] for number in once))
            for number in once if how == "one by one" else ():
                await member.ack(deliveries[number])
            for number in acks if how == "twice" or len(once) < len(acks) else ():
                await lenient(member.ack(deliveries[number]))  # a repeat
        await nothing(case, member, "pubsub_persistent.7", "what is held or acked comes again", held_since_s=case.clock.now_s())
    before = {delivery.message.id: delivery.delivery_count for delivery in deliveries}
    left = [sent for number, sent in enumerate(sents) if number not in acks]
    async with (await case.client()).subscribe_durable("t", "s") as member:
        await comes_again(case, member, left, before, promise="pubsub_persistent.5", story=f"acked were {acks}")
        await nothing(case, member, "pubsub_persistent.5", "an acked message comes again", held_since_s=case.clock.now_s())


@check("pubsub_persistent.5", "pubsub_persistent.4")
@gauntlet(lambda limits: [{"kept": kept, "backwards": bool(n % 2)} for n, kept in enumerate(((0,), (0, 150), (299,), (7, 298)))])
async def acks_of_many_are_individual(pubsub: PubSubPersistent, case: Case, kept: tuple[int, ...], backwards: bool) -> None:
    """Of hundreds that are held all but a few are acked, however far from each other: those few come again alone (PS-17)."""
    count = 60 if case.server else 300
    kept = tuple(number * count // 300 for number in kept)
    sents = await send(pubsub, "t", numbered(count), PERSISTENT)
    async with pubsub.subscribe_durable("t", "s", "earliest") as member:
        deliveries = await gets(case, member, sents, batch=100)
        for number in range(count)[:: -1 if backwards else 1]:
            if number not in kept:
                await member.ack(deliveries[number])
    before = {delivery.message.id: delivery.delivery_count for delivery in deliveries}
    async with (await case.client()).subscribe_durable("t", "s") as member:
        left = [sents[number] for number in kept]
        await comes_again(case, member, left, before, promise="pubsub_persistent.5", story=f"not acked were {kept}, of {count}")
        await nothing(case, member, "pubsub_persistent.5", "an acked message comes again", held_since_s=case.clock.now_s())


@check("pubsub_persistent.6", "pubsub_persistent.5")
@gauntlet(lambda limits: [{"names": names} for names in (("a", "b"), ("a", "b", "c", "d", "e"), ("t", "s", "t2"))])
async def subscriptions_are_independent(pubsub: PubSubPersistent, case: Case, names: tuple[str, ...]) -> None:
    """Each gets every message; acks, nacks and leaving in one are none in another (PS-06, PS-17)."""
    clients: list[Any] = [pubsub, await case.client()]
    async with AsyncExitStack() as stack:
        members = []
        for number, name in enumerate(names):
            members.append(await stack.enter_async_context(clients[number % 2].subscribe_durable("t", name)))
        sents = await send(pubsub, "t", numbered(6), PERSISTENT)
        first = await gets(case, members[0], sents, batch=3)
        await members[0].ack(*first[:4])
        await members[0].nack(*first[4:])
        for number, member in enumerate(members[1:], start=1):
            deliveries = await gets(case, member, sents, batch=number, story="another acked", lost="pubsub_persistent.6")
            if number % 2:
                await member.ack(*deliveries)
        again = await comes_again(case, members[0], sents[4:], dict.fromkeys((sent.id for sent in sents), 1))
        await members[0].ack(*again)
        for member in members:
            await nothing(
                case, member, "pubsub_persistent.6", "an ack or nack elsewhere has an effect", held_since_s=case.clock.now_s()
            )


@check("pubsub_persistent.10")
async def the_last_id_is_that_of_the_last_publish(pubsub: PubSubPersistent, case: Case) -> None:
    """None at first, then the id of the last publish; no subscription, delivery, ack, nack or time changes it."""
    other = await case.client()

    async def is_last(expected: str | None, what: str) -> None:
        for client in (pubsub, other):
            got = await client.last_message_id("t")
            same("pubsub_persistent.10", got, expected, f"last_message_id is not that of the last publish ({what})")

    await is_last(None, "nothing was published")
    async with pubsub.subscribe_durable("t", "s") as member:
        await is_last(None, "a subscription was made")
        await send(pubsub, "other", [b"x"], PERSISTENT)
        await is_last(None, "something was published elsewhere")
        sents = await send(pubsub, "t", numbered(2), PERSISTENT) + await send(other, "t", numbered(1, "o"), PERSISTENT)
        await is_last(sents[-1].id, "published by two clients")
        await send(other, "other", [b"y"], PERSISTENT)
        deliveries = await comes_again(case, member, sents, {})
        await is_last(sents[-1].id, "all received")
        await member.ack(deliveries[-1])
        await member.nack(deliveries[0])
        await is_last(sents[-1].id, "acked and nacked")
        await member.ack(*await received(case, member, 5))
    for number in range(12):
        sents = await send(other if number % 2 else pubsub, "t", [b""], PERSISTENT)
        await is_last(sents[-1].id, f"published {number + 1} more")
    async with listening(case, pubsub, "t", PERSISTENT, "s") as ear:
        while await ear.next(1.0 if case.clock.virtual else 0.01) is not None:
            pass
    if case.clock.virtual:
        await case.advance(1e7)
    await is_last(sents[-1].id, "after everything was acked")


@check("pubsub_persistent.13", "pubsub_persistent.1")
async def a_message_does_not_age(pubsub: PubSubPersistent, case: Case) -> None:
    """A message waits for its subscriptions, and for those that are made later, as long as it must; on other clocks at once."""
    async with pubsub.subscribe_durable("t", "s"):
        pass
    sents: list[Sent] = []
    for seconds in (1.0, 3600.0, 86_400.0, 2_592_001.0, 31_536_000.0):
        sents += await send(pubsub, "t", [b"%g" % seconds], PERSISTENT)
        if case.clock.virtual:
            await case.advance(seconds)
    for name in ("s", "new one"):
        async with pubsub.subscribe_durable("t", name, "earliest") as member:
            await member.ack(*await gets(case, member, sents, batch=2, story="after some time"))
