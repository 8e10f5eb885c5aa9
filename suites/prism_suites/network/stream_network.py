"""streams: connections are reset, cut, held and refused, answers are lost, and the server pauses, while clients are at work."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._network import Load, at_work, cut_off, passes, until
from prism_suites._network_faults import everything
from prism_suites._network_losing import ANSWERS, AnswersLost, answered
from prism_suites._network_waits import WAITS_S, is_told_after_all
from prism_suites._stream_outage import StreamOutage, every_call
from prism_suites._stream_shared import read
from prism_suites._stream_taking import patience_s
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Conflict, StreamBasic, StreamConsumerGroups
from prism_testkit.private import PrivateServer

_STREAM = "busy"


@dataclass
class _Ledger:
    """What became of the records of the stream."""

    attempted: set[bytes] = field(default_factory=set)
    acknowledged: dict[bytes, int] = field(default_factory=dict)
    """Payload -> offset."""
    received: set[bytes] = field(default_factory=set)
    acked: set[bytes] = field(default_factory=set)
    unknown_takes: int = 0


@check("stream_basic.12", "stream_basic.4", "stream_basic.16", needs_server=True)
async def records_outlive_a_failing_network(stream: StreamBasic, case: Case) -> None:
    """Around every fault of a network, pauses of the server and a restart clients recover by themselves; each acknowledged record
    is once at its offset, and one whose append was not answered is there once or not at all (ST-25, ST-29)."""
    load, ledger = Load("stream_basic.16"), _Ledger()
    async with case.private_server() as private:
        slots = [await private.client(proxied=True), await private.client(proxied=True), await private.client()]
        for slot in slots[:2]:
            await _passes(case, private, slot)
        await _looks_are_their_own(private, slots[0], slots[-1])
        steps = [_writer(load, slot, ledger) for slot in slots]
        idle = await at_work(load, steps, everything(case, private, load, restarts=case.traits.durability != "none"))
        await _judge(ledger, slots[-1], "stream_basic.12", "stream_basic.4")
    if idle:
        case.inconclusive(f"took no effect: {', '.join(idle)}")


@check("stream_consumer_groups.1", "stream_consumer_groups.6", "stream_consumer_groups.17", needs_server=True)
async def groups_outlive_a_failing_network(stream: StreamConsumerGroups, case: Case) -> None:
    """The same of members: they receive again by themselves, every acknowledged record comes to their group, and none comes again
    whose ack was acknowledged (ST-11)."""
    load, ledger = Load("stream_consumer_groups.17"), _Ledger()
    async with case.private_server() as private, AsyncExitStack() as stack:
        slots = [await private.client(proxied=True), await private.client(proxied=True), await private.client()]
        await slots[-1].create_group(_STREAM, "g")
        left = await stack.enter_async_context(AsyncExitStack())
        members = [await left.enter_async_context(slot.join(_STREAM, "g", "c")) for slot in slots[:2]]
        for slot in slots[:2]:
            await _passes(case, private, slot)
        steps = [*(_writer(load, slot, ledger) for slot in slots), *(_receiver(load, member, ledger) for member in members)]
        # A server that is restarted may have forgotten an ack: whether it may is another trait, and judged by kills.
        idle = await at_work(load, steps, everything(case, private, load, restarts=False))
        await left.aclose()
        await _judge(ledger, slots[-1], "stream_consumer_groups.1", "stream_consumer_groups.3")
        await _come(case, ledger, slots[-1])
    if idle:
        case.inconclusive(f"took no effect: {', '.join(idle)}")


async def _looks_are_their_own(private: PrivateServer, slot: Any, direct: Any) -> None:
    """Judge that a look which begins while the answer to an older one is on its way does not take that for its own."""
    held = private.proxy.counts.held
    await private.proxy.hold("down")
    older = asyncio.ensure_future(slot.latest_offset("late"))
    await until(lambda: private.proxy.counts.held > held)
    offset = await direct.append("late", b"r")
    younger = asyncio.ensure_future(slot.latest_offset("late"))
    await asyncio.sleep(0)
    await private.proxy.pass_on()
    got, _ = await asyncio.gather(younger, older)
    same("stream_basic.12", got, offset, "a look that began after an append returned gives what an older look was answered before")


def _writer(load: Load, slot: Any, ledger: _Ledger) -> Callable[[int, int], Awaitable[bool]]:
    async def step(number: int, index: int) -> bool:
        if index % 4 == 3:
            return (await load.call("read", read(slot, _STREAM, limit=2)))[0]
        payload = b"%d.%d" % (number, index)
        ledger.attempted.add(payload)
        there, offset = await load.call("append", slot.append(_STREAM, payload))
        if there:
            ledger.acknowledged[payload] = offset
        return there

    return step


def _receiver(load: Load, member: Any, ledger: _Ledger) -> Callable[[int, int], Awaitable[bool]]:
    async def step(number: int, index: int) -> bool:
        there, got = await load.call("receive", member.receive(5))
        ledger.unknown_takes += not there
        if not there or isinstance(got, Conflict) or not got:
            return there
        payloads = {delivery.record.payload for delivery in got}
        ledger.received |= payloads
        there, told = await load.call("ack", member.ack(*got))
        if there and not isinstance(told, Conflict):
            ledger.acked |= payloads
        return there

    return step


async def _judge(ledger: _Ledger, slot: Any, once: str, place: str) -> None:
    found = await read(slot, _STREAM)
    payloads = [record.payload for record in found]
    doubled = sorted(payload for payload in set(payloads) if payloads.count(payload) > 1)
    if doubled:
        broken(once, "around a fault of the network a record is doubled", expected="each once", got=doubled)
    strange = sorted(set(payloads) - ledger.attempted)
    if strange:
        broken(once, "around a fault of the network there is a record that nobody appended", expected=[], got=strange)
    places = {record.payload: record.offset for record in found}
    for payload, offset in ledger.acknowledged.items():
        if payload not in places:
            broken(once, "a record that was acknowledged is lost around a fault of the network", expected=payload, got=None)
        if places[payload] != offset:
            broken(place, "a record is not at the offset that its append returned", expected=offset, got=places[payload])


async def _come(case: Case, ledger: _Ledger, slot: Any) -> None:
    """Receive what is left for the group as a new member: all that nobody received, and nothing that was acked.

    A member that was cut off may have joined again as another one: what the first held comes when it counts as dead.
    """
    wait_s = patience_s(case) + (case.traits.member_timeout_s or 0.0)
    wanted = set(ledger.acknowledged) - ledger.received
    found: set[bytes] = set()
    async with slot.join(_STREAM, "g", "after") as member:
        while got := await member.receive(100, wait_s if wanted - found else 0):
            found |= {delivery.record.payload for delivery in got}
            await member.ack(*got)
    lost = sorted(wanted - found)
    if lost and ledger.unknown_takes and case.traits.member_timeout_s is None:
        case.inconclusive("what a member held that was cut off has not come again, and nobody says when it must")
    if lost:
        sentence = "an acknowledged record does not come to its group after faults of the network"
        broken("stream_consumer_groups.1", sentence, expected=lost[0], got=None)
    again = sorted(found & ledger.acked)
    if again:
        broken("stream_consumer_groups.6", "a record whose ack was acknowledged comes again", expected=[], got=again)


@check("stream_basic.12", "stream_basic.16", needs_server=True)
async def a_record_whose_answer_was_lost_is_one(stream: StreamBasic, case: Case) -> None:
    """The server appends, its answer is swallowed, another client reads the record, and the connection is reset: there is one
    record, not two (ST-25)."""
    load = Load("stream_basic.16")
    async with case.private_server() as private:
        one, other = await private.client(proxied=True), await private.client()
        await _passes(case, private, one)
        losing = AnswersLost(private.proxy, load)
        for after in range(ANSWERS):
            name = f"append {after}"
            await _one_more(load, one)

            async def happened(name: str = name) -> bool:
                return bool(await read(other, name))

            fate = await losing.lose("append", one.append(name, b"r"), after, happened)
            found = [record.payload for record in await read(other, name)]
            if len(found) > 1:
                broken("stream_basic.12", "an append whose answer was lost added two records", expected=[b"r"], got=found)
            if (fate.seen or fate.answered) and not found:
                broken("stream_basic.12", "a record that was there, or acknowledged, is gone", expected=[b"r"], got=found)
            if fate.finished:
                break
    if not losing.effects:
        case.inconclusive("no call took effect before its answer was lost")


async def _one_more(load: Load, slot: Any) -> None:
    """Append elsewhere until it is answered, so that the next call meets a connection that is whole."""
    await answered(load, "append", lambda: slot.append("warm", b"v"))


@check("stream_basic.12", "stream_basic.16", needs_server=True)
async def who_is_cut_off_appends_nothing(stream: StreamBasic, case: Case) -> None:
    """No append is acknowledged while nothing passes between a client and its server; while its connections are refused every call
    says so; afterwards every call works (ST-25)."""
    load, outage = Load("stream_basic.16"), StreamOutage("stream_basic.16")
    async with case.private_server() as private:
        one, other = await private.client(proxied=True), await private.client()
        await _passes(case, private, one)
        await one.append("probe", b"v")

        async def is_there() -> bool:
            return bool(await read(other, "mine"))

        met = await cut_off(load, private.proxy, one.append("mine", b"r"), is_there, "stream_basic.12")
        refused = private.proxy.counts.refused
        await outage.none_answered(every_call(one))
        met = met and private.proxy.counts.refused > refused
        await private.proxy.pass_on()
        await outage.all_answered(every_call(one))
    if not met:
        case.inconclusive("the client was not cut off")


async def _passes(case: Case, private: PrivateServer, slot: Any) -> None:
    await passes(case, private, lambda: slot.append("warm", b"v"), lambda: slot.latest_offset("unseen"))


@check("stream_consumer_groups.10", "stream_consumer_groups.17", needs_server=True)
@gauntlet(lambda limits: [{"refused": refused} for refused in (True, False)])
async def a_member_that_waits_outlives_its_connection(stream: StreamConsumerGroups, case: Case, refused: bool) -> None:
    """The only member of a group waits, and is given what another client appends while it is cut off, or after its connections were
    reset; where it says that the server is away it is asked anew (ST-11)."""
    async with case.private_server() as private:
        one, other = await private.client(proxied=True), await private.client()
        await passes(case, private, lambda: one.append("warm", b"v"), lambda: one.latest_offset("unseen"))
        await other.create_group("s", "g")
        async with one.join("s", "g", "c") as member:
            await is_told_after_all(
                private.proxy,
                "stream_consumer_groups.10",
                "stream_consumer_groups.17",
                lambda: member.receive(1, WAITS_S),
                lambda: other.append("s", b"m"),
                refused=refused,
            )
