"""pubsub: behind a call that was refused, or cancelled, whichever call comes next does what it would have done without."""

from collections.abc import Mapping
from typing import Any

from prism_suites._behind import Behind, Call, Interruption, named, pointed, whatever_comes_behind, whatever_comes_next
from prism_suites._judging import same
from prism_suites._pubsub_members import received
from prism_suites._pubsub_refusals import REFUSALS, entered
from prism_suites._pubsub_taking import PERSISTENT, Sent, is_message, numbered, patience, quiet, send
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import PubSubBasic, PubSubFiltering, PubSubOrdering, PubSubPersistent, PubSubWildcards


async def _plain(call: Call) -> None:
    await call.refuse()
    async with call.slot.subscribe("plain") as ear:
        for number in range(2):
            await call.refuse()
            headers = {"h": "v"} if number else {}
            payload = b"%d" % number
            sent = Sent(await call.slot.publish("plain", payload, headers or None), "plain", payload, headers)
            await call.refuse()
            told = f"{call.told} the next message is not received as it was published"
            is_message(call.promise, await ear.receive(patience(call.case)), sent, told)
        same(call.promise, await ear.receive(quiet(call.case)), None, f"{call.told} more is received than was published")
        same(call.promise, ear.gaps, 0, f"{call.told} gaps is not 0")


async def _heard(call: Call) -> None:
    """The subscription of the scene itself goes on."""
    await call.refuse()
    sent = Sent(await call.slot.publish("scene", b"more", None), "scene", b"more", {})
    is_message(call.promise, await call.held["ear"].receive(patience(call.case)), sent, f"{call.told} the next message is lost")


async def _filtered(call: Call) -> None:
    await call.refuse()
    async with call.slot.subscribe_filtered("filtered", {"a": "b"}) as ear:
        await call.refuse()
        await call.slot.publish("filtered", b"other", {"a": "c"})
        sent = Sent(await call.slot.publish("filtered", b"mine", {"a": "b"}), "filtered", b"mine", {"a": "b"})
        is_message(call.promise, await ear.receive(patience(call.case)), sent, f"{call.told} a filter lets another message through")


async def _patterns(call: Call) -> None:
    await call.refuse()
    async with call.slot.subscribe_pattern("a.*") as ear:
        await call.refuse()
        sent = Sent(await call.slot.publish("a.b", b"mine", None), "a.b", b"mine", {})
        is_message(call.promise, await ear.receive(patience(call.case)), sent, f"{call.told} a pattern does not get its message")


async def _durable(call: Call) -> None:
    await call.refuse()
    async with call.slot.subscribe_durable("durable", "s", "earliest") as member:
        await call.refuse()
        sents = await send(call.slot, "durable", numbered(3), PERSISTENT)
        await call.refuse()
        got = [each for _ in sents for each in await received(call.case, member, 1)]
        same(call.promise, [d.message.id for d in got], [sent.id for sent in sents], f"{call.told} a member is given others")
        for delivery, sent in zip(got, sents, strict=True):
            is_message(call.promise, delivery.message, sent, f"{call.told} the next message is not received as it was published")
        await call.refuse()
        await member.ack(got[1])
        await call.refuse()
        await member.nack(got[0])
        again = await received(call.case, member, 3)
        same(call.promise, [d.message.id for d in again], [sents[0].id], f"{call.told} what is given back does not come again")
        await call.refuse()
        last = await call.slot.last_message_id("durable")
        same(call.promise, last, sents[2].id, f"{call.told} last_message_id is another")
        await member.ack(*again, got[2])


async def _members(call: Call) -> None:
    """The members of the scene itself go on."""
    for name in ("member", "other"):
        await call.refuse()
        (sent,) = await send(call.slot, "scene", [b"more"], PERSISTENT)
        got = await received(call.case, call.held[name], 1)
        same(call.promise, [d.message.id for d in got], [sent.id], f"{call.told} the next receive does not give what is there")


async def _ordered(call: Call) -> None:
    async with call.slot.subscribe_durable("ordered", "s", "earliest") as member:
        await call.refuse()
        first = await call.slot.publish_ordered("ordered", "k", b"first")
        await call.refuse()
        second = await call.slot.publish_ordered("ordered", "k", b"second")
        for expected in (first, second):
            got = await received(call.case, member, 3)
            same(call.promise, [d.message.id for d in got], [expected], f"{call.told} a key does not go on in its order")
            await member.ack(*got)


_NEXTS: Mapping[str, Behind] = {
    "plain": Behind(PubSubBasic, _plain),
    "heard": Behind(PubSubBasic, _heard),
    "filtered": Behind(PubSubFiltering, _filtered),
    "pattern": Behind(PubSubWildcards, _patterns),
    "durable": Behind(PubSubPersistent, _durable),
    "member": Behind(PubSubPersistent, _members),
    "ordered": Behind(PubSubOrdering, _ordered),
}
_OF_MEMBERS = {name: refusal for name, refusal in REFUSALS.items() if refusal.interface in (PubSubPersistent, PubSubOrdering)}
_OF_LISTENERS = {name: refusal for name, refusal in REFUSALS.items() if name not in _OF_MEMBERS}


@check(*dict.fromkeys(refusal.promise for refusal in _OF_LISTENERS.values() if "basic" in refusal.promise))
@gauntlet(named(_OF_LISTENERS))
async def a_refused_call_changes_nothing_of_the_next(pubsub: PubSubBasic, case: Case, refused: str) -> None:
    """A call is refused, and the next one, of each kind, has its usual effect: nothing of what was refused is left (PS-25)."""
    nexts = {name: following for name, following in _NEXTS.items() if name not in ("durable", "member", "ordered")}
    whole = await case.whole()
    async with whole.subscribe("scene") as ear:
        await whatever_comes_next(case, whole, {"ear": ear}, _OF_LISTENERS[refused], refused, nexts)


@check(*dict.fromkeys(refusal.promise for refusal in _OF_MEMBERS.values() if "persistent" in refusal.promise))
@gauntlet(named(_OF_MEMBERS))
async def a_refused_call_of_a_member_changes_nothing(pubsub: PubSubPersistent, case: Case, refused: str) -> None:
    """So of durable subscriptions and their members (PS-25)."""
    nexts = {name: following for name, following in _NEXTS.items() if name != "heard"}
    whole = await case.whole()
    async with pubsub.subscribe_durable("scene", "s", "earliest") as member, pubsub.subscribe_durable("scene", "s") as other:
        await send(pubsub, "scene", numbered(2), PERSISTENT)
        ended, valid = [each for _ in range(2) for each in await received(case, member, 1)]
        await member.ack(ended)
        held = {"member": member, "other": other, "ended": ended, "valid": valid}
        await whatever_comes_next(case, whole, held, _OF_MEMBERS[refused], refused, nexts)


async def _same_member(call: Call) -> None:
    """The member whose calls are cancelled goes on: it is given what comes, one by one, and what it acked does not come again."""
    member = call.held["cut"]
    await call.refuse()
    sents = await send(call.slot, "cut", numbered(2, "after"), PERSISTENT)
    wanted, found = {sent.id for sent in sents}, dict[str, Any]()
    while not wanted <= set(found):  # what was cancelled before may come again
        got = await received(call.case, member, 1)
        same(call.promise, bool(got), True, f"{call.told} the next receive does not give what is there")
        found |= {delivery.message.id: delivery for delivery in got}
    await call.refuse()
    await member.ack(found[sents[0].id])
    again = await received(call.case, member, 10, quiet(call.case))
    same(call.promise, [d.message.id for d in again if d.message.id == sents[0].id], [], f"{call.told} an ack is none")
    await call.refuse()
    await member.ack(found[sents[1].id])


async def _given(p: Any, held: Any) -> Any:
    await send(p, "cut", [b"given"], PERSISTENT)
    return held["cut"], await held["cut"].receive(1, 0)


async def _there(p: Any, held: Any) -> Any:
    await send(p, "cut", [b"there"], PERSISTENT)
    return held["cut"]


async def _cut(p: Any, held: Any) -> Any:
    return held["cut"]


async def _sounds(p: Any, held: Any) -> Any:
    await p.publish("cut plain", b"there")
    return held["cut ear"]


async def _ear(p: Any, held: Any) -> Any:
    return held["cut ear"]


_BASIC, _MEMBERS = "pubsub_basic.11", "pubsub_persistent.14"
_INTERRUPTIONS: dict[str, Interruption] = {
    "publish": Interruption(PubSubBasic, _BASIC, lambda p, of: p.publish("cut plain", b"cancelled", {"r": "1"})),
    "subscribe": Interruption(PubSubBasic, _BASIC, lambda p, of: entered(p.subscribe("plain"))),
    "subscribe_pattern": Interruption(PubSubWildcards, _BASIC, lambda p, of: entered(p.subscribe_pattern("a.*"))),
    "subscribe_filtered": Interruption(
        PubSubFiltering, _BASIC, lambda p, of: entered(p.subscribe_filtered("filtered", {"a": "b"}))
    ),
    "receive": Interruption(PubSubBasic, _BASIC, lambda p, ear: ear.receive(), _sounds),
    "receive that waits": Interruption(PubSubBasic, _BASIC, lambda p, ear: ear.receive(500.0), _ear),
    "publish_persistent": Interruption(
        PubSubPersistent, _MEMBERS, lambda p, of: p.publish_persistent("cut", b"cancelled", {"r": "1"})
    ),
    "publish_ordered": Interruption(
        PubSubOrdering, _MEMBERS, lambda p, of: p.publish_ordered("cut elsewhere", "k", b"cancelled", {"r": "1"})
    ),
    "subscribe_durable": Interruption(PubSubPersistent, _MEMBERS, lambda p, of: entered(p.subscribe_durable("cut", "unused"))),
    "last_message_id": Interruption(PubSubPersistent, _MEMBERS, lambda p, of: p.last_message_id("cut")),
    "receive of several": Interruption(PubSubPersistent, _MEMBERS, lambda p, member: member.receive(7), _there),
    "a member's receive that waits": Interruption(PubSubPersistent, _MEMBERS, lambda p, member: member.receive(7, 500.0), _cut),
    "ack": Interruption(PubSubPersistent, _MEMBERS, lambda p, of: of[0].ack(*of[1]), _given),
    "nack": Interruption(PubSubPersistent, _MEMBERS, lambda p, of: of[0].nack(*of[1]), _given),
    "nack with a delay": Interruption(PubSubPersistent, _MEMBERS, lambda p, of: of[0].nack(*of[1], delay_s=5e5), _given),
}
_CUT_MEMBERS = {name: each for name, each in _INTERRUPTIONS.items() if each.promise == _MEMBERS}
_CUT_LISTENERS = {name: each for name, each in _INTERRUPTIONS.items() if each.promise == _BASIC}


@check(_BASIC)
@gauntlet(pointed(_CUT_LISTENERS))
async def a_cancelled_call_changes_nothing_of_the_next(pubsub: PubSubBasic, case: Case, cancelled: str, point: int) -> None:
    """A call is cancelled, and the next one, of each kind, has its usual effect (PS-25)."""
    nexts = {name: following for name, following in _NEXTS.items() if name not in ("durable", "member", "ordered")}
    whole = await case.whole()
    async with whole.subscribe("scene") as ear, whole.subscribe("cut plain") as cut:
        held = {"ear": ear, "cut ear": cut}
        await whatever_comes_behind(case, whole, held, _CUT_LISTENERS[cancelled], cancelled, point, nexts)


@check(_MEMBERS)
@gauntlet(pointed(_CUT_MEMBERS))
async def a_cancelled_call_of_a_member_changes_nothing(pubsub: PubSubPersistent, case: Case, cancelled: str, point: int) -> None:
    """So of durable subscriptions and their members (PS-25)."""
    nexts = {name: following for name, following in _NEXTS.items() if name not in ("heard", "member")}
    nexts |= {"same": Behind(PubSubPersistent, _same_member)}
    whole = await case.whole()
    async with pubsub.subscribe_durable("cut", "s", "earliest") as member:
        await whatever_comes_behind(case, whole, {"cut": member}, _CUT_MEMBERS[cancelled], cancelled, point, nexts)
