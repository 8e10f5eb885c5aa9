"""pubsub_persistent: how many a receive gives, how long it waits, and what leaving ends."""

import asyncio
import math
from typing import Any

from prism_suites._judging import broken, refused, same
from prism_suites._pubsub_members import WAYS, gets, leave, nothing, received
from prism_suites._pubsub_taking import PERSISTENT, numbered, send
from prism_suites._racing import together
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Closed, Delivery, PubSubPersistent

_LONG_S = 1e5


def _short(case: Case, virtual_s: float = 0.3) -> float:
    return virtual_s if case.clock.virtual else 0.01


@check("pubsub_persistent.9")
@gauntlet(lambda limits: [{"timeout_s": timeout_s} for timeout_s in (0, 0.0, -1, -1e9, 1e-3, 0.25, 0.999, 1, 1.5, 10.0, 59.9)])
async def nothing_is_waited_for_as_long_as_asked(pubsub: PubSubPersistent, case: Case, timeout_s: float) -> None:
    """`receive` of nothing returns an empty list, not before its timeout has passed; a negative one is none."""
    if not case.clock.virtual:
        timeout_s = min(timeout_s, 0.02)
    async with pubsub.subscribe_durable("t", "s") as member:
        for _ in range(2):
            began_s = case.clock.now_s()
            got = await member.receive(3, timeout_s)
            passed_s = case.clock.now_s() - began_s
            same("pubsub_persistent.9", got, [], "receive of nothing gives no empty list")
            least = timeout_s * 0.8 - 0.01 if not case.clock.virtual else timeout_s - 1e-4
            if passed_s < least:
                sentence = "a receive of nothing returned before its timeout had passed"
                broken("pubsub_persistent.9", sentence, expected=f"{timeout_s:g} s", got=f"{passed_s:g} s")
            sents = await send(pubsub, "t", numbered(2), PERSISTENT)
            await member.ack(*await gets(case, member, sents, story="after an empty receive"))


@check("pubsub_persistent.9")
@gauntlet(
    lambda limits: [
        *({"most": 1, "timeout_s": bad} for bad in (math.nan, math.inf, -math.inf)),
        *({"most": bad, "timeout_s": 0.0} for bad in (0, -1, -(10**9))),
    ]
)
async def numbers_out_of_range_are_refused(pubsub: PubSubPersistent, case: Case, most: int, timeout_s: float) -> None:
    """NaN, infinities and fewer than one raise ``ValueError``, whether a message is there or not, and take nothing."""
    async with pubsub.subscribe_durable("t", "s") as member:
        for turn in range(2):
            call = member.receive(most, timeout_s)
            await refused("pubsub_persistent.9", call, ValueError, f"receive({most}, {timeout_s}) is not refused")
            if turn == 0:
                sents = await send(pubsub, "t", numbered(2), PERSISTENT)
        await gets(case, member, sents, story="after a refused receive")


@check("pubsub_persistent.9", "pubsub_persistent.3")
@gauntlet(
    lambda limits: [
        {"most": most, "there": there}
        for most in (1, 2, 3, 10, 100, 1000, 1001, 2**31, 2**63, 10**30)
        for there in (0, 1, 2, 3, 11)
        if most < 100 or there in (0, 3)
    ]
)
async def as_many_as_asked_at_most(pubsub: PubSubPersistent, case: Case, most: int, there: int) -> None:
    """A receive gives at least one if there is one, and no more than asked, whatever number that is; all come in the end."""
    async with pubsub.subscribe_durable("t", "s") as member:
        sents = await send(pubsub, "t", numbered(there), PERSISTENT)
        found: list[str] = []
        while len(found) < there:
            got = await received(case, member, most)
            if not got:
                broken("pubsub_persistent.9", "receive gives nothing, though there is a message", expected=there, got=found)
            found += [delivery.message.id for delivery in got]
        same("pubsub_persistent.3", found, [sent.id for sent in sents], "receives do not give every message once, in order")
        since_s = case.clock.now_s()
        await nothing(case, member, "pubsub_persistent.7", "what is held comes again", held_since_s=since_s)


@check("pubsub_persistent.9", "pubsub_persistent.13")
async def looking_again_and_again_finds_it(pubsub: PubSubPersistent, case: Case) -> None:
    """Without any timeout, too, a receive gives what is there: looking often enough is as good as waiting."""
    async with pubsub.subscribe_durable("t", "s") as member:
        sents = await send(pubsub, "t", numbered(3), PERSISTENT)
        found: list[Delivery] = []
        for _ in range(300):
            found += await member.receive()
            if len(found) >= len(sents):
                break
            await case.clock.sleep(0.001 if case.clock.virtual else 0.02)
        ids = [delivery.message.id for delivery in found]
        same("pubsub_persistent.9", ids, [sent.id for sent in sents], "receives without a timeout find nothing")


@check("pubsub_persistent.9", "pubsub_persistent.6")
@gauntlet(lambda limits: [{"waiters": waiters, "most": most} for waiters in (1, 3) for most in (1, 10)])
async def who_waits_is_woken(pubsub: PubSubPersistent, case: Case, waiters: int, most: int) -> None:
    """A message that comes while subscriptions wait wakes all of them, at once: nobody waits until there are more (PS-09)."""
    other = await case.client()
    managers = [(other if n % 2 else pubsub).subscribe_durable("t", f"s{n}") for n in range(waiters)]
    members = [await manager.__aenter__() for manager in managers]
    began_s = case.clock.now_s()

    async def wait(member: Any) -> Any:
        got = await received(case, member, most, _LONG_S if case.clock.virtual else 10.0)
        return got, case.clock.now_s() - began_s

    async def come() -> Any:
        await case.clock.sleep(_short(case, 100.0))
        return (await send(other, "t", [b"comes"], PERSISTENT))[0]

    *told, sent = await together(*map(wait, members), come())
    for got, passed_s in told:
        ids = [delivery.message.id for delivery in got]
        same("pubsub_persistent.9", ids, [sent.id], "a receive that waits is not given what comes")
        if case.clock.virtual and passed_s > _LONG_S / 10:
            sentence = "a receive that waits is not woken by a message, but at the end of its time"
            broken("pubsub_persistent.9", sentence, expected="at once", got=f"after {passed_s:g} s")
    for manager in managers:
        await manager.__aexit__(None, None, None)


@check("pubsub_persistent.9", "pubsub_persistent.11", "pubsub_persistent.6")
@gauntlet(lambda limits: [{"elsewhere": where} for where in ("another topic", "another name", "a sibling", "taken by another")])
async def what_comes_elsewhere_ends_no_wait(pubsub: PubSubPersistent, case: Case, elsewhere: str) -> None:
    """A receive that waits is ended neither by what comes to others nor by what another member was quicker to take."""
    other, sibling = await case.client(), await case.sibling()
    wait_s = 0.9 if case.clock.virtual else 0.1
    async with pubsub.subscribe_durable("t", "s") as member, other.subscribe_durable("t", "s") as second:

        async def wait(each: Any) -> tuple[list[Delivery], float]:
            began_s = case.clock.now_s()
            got = await received(case, each, 3, wait_s)
            return got, case.clock.now_s() - began_s

        async def come() -> None:
            await case.clock.sleep(_short(case, 0.1))
            if elsewhere == "another name":
                async with other.subscribe_durable("t", "s2") as third:
                    await received(case, third, 1, 0)
            elif elsewhere == "taken by another":
                await send(other, "t", [b"for one"], PERSISTENT)
            else:
                await send(
                    sibling if elsewhere == "a sibling" else other, "t" if elsewhere == "a sibling" else "t2", [b"x"], PERSISTENT
                )

        *told, _ = await together(wait(member), wait(second), come())
        given = [delivery for got, _ in told for delivery in got]
        most = 1 if elsewhere == "taken by another" else 0
        if len(given) > most:
            broken("pubsub_persistent.6", "a member is given what came elsewhere, or twice", expected=most, got=given)
        for got, passed_s in told:
            if not got and passed_s < wait_s * (0.8 if not case.clock.virtual else 0.999):
                sentence = f"a receive of nothing returned before its timeout, as a message came ({elsewhere})"
                broken("pubsub_persistent.9", sentence, expected=f"{wait_s:g} s", got=f"{passed_s:g} s")


@check("pubsub_persistent.9", "pubsub_persistent.4", "pubsub_persistent.7")
@gauntlet(
    lambda limits: [
        {"how": how, "longer": longer}
        for how in ("nacked", "nacked with a delay", "left", "published")
        for longer in (None, "before", "meanwhile")
        if longer is None or how == "nacked with a delay"
    ]
)
async def what_comes_back_wakes_who_waits(pubsub: PubSubPersistent, case: Case, how: str, longer: str | None) -> None:
    """A member that waits is given what another gives back, as soon as it is there, whatever else is put off for longer."""
    other = await case.client()
    sents = await send(pubsub, "t", [b"far", b"x"][longer is None :], PERSISTENT)
    manager = pubsub.subscribe_durable("t", "s", "earliest")
    member = await manager.__aenter__()
    *far, held = await gets(case, member, sents)
    if longer == "before":
        await member.nack(*far, delay_s=2 * _LONG_S)
    began_s = case.clock.now_s()

    async def give() -> None:
        await case.clock.sleep(_short(case))
        if longer == "meanwhile":
            await member.nack(*far, delay_s=2 * _LONG_S)
            await case.clock.sleep(_short(case))
        if how == "left":
            await manager.__aexit__(None, None, None)
        elif how == "published":
            await send(pubsub, "t", [b"more"], PERSISTENT)
        else:
            await member.nack(held, delay_s=_short(case) if how != "nacked" else 0)

    async with other.subscribe_durable("t", "s") as second:
        got, _ = await together(received(case, second, 5, _LONG_S if case.clock.virtual else 10.0), give())
        passed_s = case.clock.now_s() - began_s
        expected = b"more" if how == "published" else b"x"
        if not got or (passed_s < 1.0 and got[0].message.payload != expected):
            broken("pubsub_persistent.9", f"who waits is not given what was {how}", expected=expected, got=got)
        if case.clock.virtual and passed_s > _LONG_S / 10:
            sentence = f"a receive that waits is not woken by what was {how}, but at the end of its time"
            broken("pubsub_persistent.9", sentence, expected="at once", got=f"after {passed_s:g} s")
    if how != "left":
        await manager.__aexit__(None, None, None)


@check("pubsub_persistent.15")
@gauntlet(lambda limits: [{"way": way, "left": left} for way in WAYS for left in (0, 3)])
async def what_was_left_is_closed(pubsub: PubSubPersistent, case: Case, way: str, left: int) -> None:
    """After a member was left its methods raise `Closed`, and change nothing; a new member goes on (PS-35, PS-36)."""
    manager = pubsub.subscribe_durable("t", "s")
    member = await manager.__aenter__()
    sents = await send(pubsub, "t", numbered(1 + left), PERSISTENT)
    held = (await gets(case, member, sents[:1]))[0]
    await leave(manager, way)
    for timeout_s in (0, -1, _short(case)):
        call = member.receive(1, timeout_s)
        await refused("pubsub_persistent.15", call, Closed, "receive by a member that was left is not refused")
    await refused("pubsub_persistent.15", member.ack(held), Closed, "ack by a member that was left is not refused")
    for name, of_nothing in (("ack", member.ack()), ("nack", member.nack())):
        await refused("pubsub_persistent.15", of_nothing, Closed, f"{name} of nothing by a member that was left is not refused")
    await refused("pubsub_persistent.15", member.nack(held), Closed, "nack by a member that was left is not refused")
    call_delayed = member.nack(held, delay_s=1e6)
    await refused("pubsub_persistent.15", call_delayed, Closed, "nack by a member that was left is not refused")
    async with pubsub.subscribe_durable("t", "s") as again:
        found: set[str] = set()
        while len(found) < len(sents):
            got = await received(case, again, 2)
            if not got:
                broken(
                    "pubsub_persistent.15", "a call of a member that was left had an effect", expected=len(sents), got=len(found)
                )
            found |= {delivery.message.id for delivery in got}


@check("pubsub_persistent.15", "pubsub_persistent.4", "pubsub_persistent.7")
@gauntlet(lambda limits: [{"way": way, "holding": holding} for holding in (0, 2) for way in WAYS])
async def leaving_ends_what_waits(pubsub: PubSubPersistent, case: Case, way: str, holding: int) -> None:
    """A receive that waits raises `Closed` when its member is left; others wait on, and get what it held (PS-34, PS-37)."""
    manager = pubsub.subscribe_durable("t", "s")
    async with pubsub.subscribe_durable("t", "s") as stays:
        member = await manager.__aenter__()
        sents = await send(pubsub, "t", numbered(holding), PERSISTENT)
        await gets(case, member, sents)
        wait_s = 1e6 if case.clock.virtual else 10.0
        waiting = asyncio.ensure_future(member.receive(1, wait_s))
        unaffected = asyncio.ensure_future(stays.receive(1, wait_s))
        await case.clock.sleep(_short(case))
        await leave(manager, way)
        await asyncio.wait([waiting], timeout=1000.0 if case.clock.virtual else 5.0)
        if not waiting.done():
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            broken("pubsub_persistent.15", "a receive goes on waiting after its member was left", expected=Closed, got="it waits")
        error = waiting.exception()
        if not isinstance(error, Closed):
            broken("pubsub_persistent.15", "a receive that waits does not end as it should", expected=Closed, got=error)
        sents += await send(pubsub, "t", [b"after"], PERSISTENT)
        ids = [delivery.message.id for delivery in await unaffected]
        while len(ids) < len(sents) and (got := await received(case, stays, 3)):
            ids += [delivery.message.id for delivery in got]
        same("pubsub_persistent.7", sorted(ids), sorted(sent.id for sent in sents), "a message is lost to a member that was left")
