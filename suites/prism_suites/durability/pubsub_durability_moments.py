"""A process that keeps topics in files dies in the middle of a call, behind each write that the call makes to them."""

from collections.abc import Iterator
from typing import Annotated, Any

from prism_suites._judging import broken
from prism_suites._moments import MANY, Entered, at_every_write, keeps_files, when_power_is_lost
from prism_suites._pubsub_members import received
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import PubSubOrdering, PubSubPersistent
from prism_testkit.tap import offers
from prism_testkit.traits import Limits, Traits

_LAW = "pubsub_persistent.16"
_HEADERS = {"h": "v"}
_SENT = (b"1", b"2", b"3")
_MUCH = "much in another topic"
_PAGES = bytes(range(250)) * 36
_LONG = "publish of some pages"
_HOLDING = ("ack", "ack of two", "nack", "leave")
_GIVEN = ("receive", *_HOLDING)
_CALLS = (_MUCH, "publish", _LONG, "publish_ordered", "subscribe", "join", "receive", "ack", "ack of two", "nack", "leave")


def _cases(limits: Limits) -> Iterator[dict[str, Any]]:
    for call in _CALLS:
        if call != _LONG or limits.max_payload >= len(_PAGES):
            for before in (False, True) if call in _GIVEN else (False,):
                yield {"call": call, "before": before}


@check(_LAW)
@gauntlet(_cases)
async def a_call_that_dies_between_its_writes_loses_nothing(
    pubsub: Annotated[PubSubPersistent, Traits(durability="process")], case: Case, call: str, before: bool
) -> None:
    """Whatever a call had written to files when its process was killed: each message that was not acked comes to the next member of
    its subscription, whole; if it was given ``before``, to somebody who gave it back, too. Of files only: servers have other
    checks (PS-31).
    """
    if keeps_files(case):
        await _dies(case, call, before, power=False)


@check(_LAW)
@gauntlet(_cases)
async def nothing_is_lost_when_power_is_lost(
    pubsub: Annotated[PubSubPersistent, Traits(durability="power")], case: Case, call: str, before: bool
) -> None:
    """With ``durability="power"`` so it is of a loss of power, of which files keep what was synced (PS-31)."""
    await _dies(case, call, before, power=True)


async def _dies(case: Case, call: str, before: bool, *, power: bool) -> None:
    timeout_s = case.traits.member_timeout_s
    whole = await case.whole()
    if timeout_s is None or (call == "publish_ordered" and not offers(whole, PubSubOrdering)):
        return
    given: list[Any] = []
    entered = Entered()
    acked = {"ack": 1, "ack of two": 2}.get(call, 0)

    async def prepare(slot: Any) -> None:
        member = await entered.enter(slot.subscribe_durable("t", "s", "earliest"))
        for payload in _SENT:
            await slot.publish_persistent("t", payload, _HEADERS)
        if before:
            await member.nack(*await received(case, member, 2))
        given.extend([member, await received(case, member, 2) if call in _HOLDING else []])
        if call in ("subscribe", "join"):
            await entered.leave()

    async def act(slot: Any) -> None:
        match call:
            case _ if call == _MUCH:
                for _ in range(MANY):
                    await slot.publish_persistent("elsewhere", b"new")
                await slot.publish_persistent("t", b"new", _HEADERS)
            case "publish":
                await slot.publish_persistent("t", b"new", _HEADERS)
            case _ if call == _LONG:
                await slot.publish_persistent("t", _PAGES, _HEADERS)
            case "publish_ordered":
                await slot.publish_ordered("t", "k", b"new", _HEADERS)
            case "subscribe":
                await entered.enter(slot.subscribe_durable("t", "another", "earliest"))
            case "join":
                await entered.enter(slot.subscribe_durable("t", "s"))
            case "receive":
                await given[0].receive(2)
            case "nack":
                await given[0].nack(*given[1], delay_s=10.0)
            case "leave":
                await entered.leave()
            case _:
                await given[0].ack(*given[1][:acked])

    async def left(slot: Any) -> dict[bytes, dict[str, str]]:
        await case.advance(2 * timeout_s + 100.0)
        found: dict[bytes, dict[str, str]] = {}
        async with slot.subscribe_durable("t", "s") as member:
            while got := await received(case, member, 10, 100.0):
                found |= {delivery.message.payload: dict(delivery.message.headers) for delivery in got}
                await member.ack(*got)
        return found

    async def frees(slot: Any) -> bool:
        return len(await left(slot)) != len(_SENT) - 2

    async def judged(slot: Any, told: str) -> None:
        found = await left(slot)
        needed = set(_SENT) - {delivery.message.payload for delivery in given[1][:acked]}
        if not needed <= found.keys() <= {*_SENT, b"new", _PAGES}:
            broken(_LAW, f"killed {told}, messages do not come to the next member", expected=sorted(needed), got=sorted(found))
        if wrong := [headers for headers in found.values() if headers != _HEADERS]:
            broken(_LAW, f"killed {told}, a message has lost its headers", expected=_HEADERS, got=wrong[0])
        async with slot.subscribe_durable("t", "s") as member:
            await slot.publish_persistent("t", b"again", _HEADERS)
            there = [delivery.message.payload for delivery in await received(case, member, 10, 100.0)]
        if there != [b"again"]:
            broken(_LAW, f"killed {told}, the topic is not used as any other", expected=[b"again"], got=there)

    async def seen(slot: Any) -> list[bytes]:
        return sorted({*await left(slot), *(delivery.message.payload for delivery in given[1][:acked])})

    async def again(slot: Any) -> list[bytes]:
        await case.advance(2 * timeout_s + 100.0)
        async with slot.subscribe_durable("t", "s") as member:  # nothing is acked, so whoever looks next finds the same
            return [delivery.message.payload for delivery in await received(case, member, 10, 100.0)]

    turns = call == _MUCH
    if power:
        await when_power_is_lost(case, _LAW, call, act, judged, prepare=prepare, seen=seen, done=entered.leave, only_turns=turns)
        return
    held = call in _GIVEN and case.traits.sharing == "processes"
    await at_every_write(
        case,
        _LAW,
        call,
        act,
        judged,
        prepare=prepare,
        done=entered.leave,
        only_turns=turns,
        again=again,
        frees=frees if held else None,
    )
