"""stream: behind a call that was refused, or cancelled, whichever call comes next does what it would have done without."""

from collections.abc import Mapping
from typing import Any

from prism_suites._behind import Behind, Call, Interruption, named, pointed, whatever_comes_behind, whatever_comes_next
from prism_suites._judging import broken, same
from prism_suites._stream_refusals import REFUSALS, joins
from prism_suites._stream_shared import GROUPS, fill, is_record, numbered, read
from prism_suites._stream_taking import patience_s, receive, take
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import StreamBasic, StreamConsumerGroups, StreamRetention


async def _appends(call: Call) -> None:
    await call.refuse()
    (first,) = await fill(call.slot, "plain", [b"first"], laws=GROUPS)
    (second,) = await fill(call.slot, "plain", [b"second"], "k", {"h": "v"}, laws=GROUPS)
    if first.offset >= second.offset:
        broken(call.promise, f"{call.told} offsets do not increase", expected="increasing", got=[first.offset, second.offset])
    await call.refuse()
    found = await read(call.slot, "plain")
    same(call.promise, [record.offset for record in found], [first.offset, second.offset], f"{call.told} a read gives others")
    for record, put in zip(found, (first, second), strict=True):
        is_record(call.promise, record, put, f"{call.told} a record is not read as it was appended")


async def _looks(call: Call) -> None:
    puts = await fill(call.slot, "seen", numbered(3))
    await call.refuse()
    same(call.promise, await call.slot.latest_offset("seen"), puts[-1].offset, f"{call.told} the latest offset is another")
    await call.refuse()
    await call.slot.trim("seen", puts[1].offset)
    found = [record.offset for record in await read(call.slot, "seen")]
    same(call.promise, found, [put.offset for put in puts[1:]], f"{call.told} a trim removes other records")


async def _groups(call: Call) -> None:
    await call.refuse()
    await call.slot.create_group("grouped", "g")
    puts = await fill(call.slot, "grouped", numbered(3), laws=GROUPS)
    await call.refuse()
    async with call.slot.join("grouped", "g", "c") as member:
        await call.refuse()
        got = await take(call.case, member, 3)
        same(call.promise, [d.record.offset for d in got], [put.offset for put in puts], f"{call.told} a member is given others")
        await call.refuse()
        await member.ack(got[1])
        await call.refuse()
        await member.nack(got[0])
        again = await take(call.case, member, 1)
        same(
            call.promise, [d.record.offset for d in again], [puts[0].offset], f"{call.told} what is given back does not come again"
        )
        info = await call.slot.group_info("grouped", "g")
        same(call.promise, (info.members, info.pending), (1, 2), f"{call.told} group_info tells of others")


async def _members(call: Call) -> None:
    """The members of the scene itself go on, each of them where each gets what there is."""
    each = call.case.traits.group_parallelism == "record" and call.case.clock.virtual
    for first, second in (("member", "other"), ("other", "member")):
        await call.refuse()
        (put,) = await fill(call.slot, "scene", [b"more"], laws=GROUPS)
        got: list[Any] = []
        for name, wait_s in ((first, 0.0), (second, 0.0), (first, patience_s(call.case)), (second, patience_s(call.case))):
            got = got or await receive(call.held[name], 1, wait_s)
            if each:
                break
        told = f"{call.told} the next receive does not give what is there"
        same(call.promise, [d.record.offset for d in got], [put.offset], told)


async def _bounds(call: Call) -> None:
    await call.slot.set_retention("kept", None, 7)
    await call.refuse()
    found = await call.slot.retention("kept")
    same(call.promise, (found.max_age_s, found.max_records), (None, 7), f"{call.told} the bounds of a stream are others")


_NEXTS: Mapping[str, Behind] = {
    "append": Behind(StreamBasic, _appends),
    "look": Behind(StreamBasic, _looks),
    "member": Behind(StreamConsumerGroups, _members),
    "group": Behind(StreamConsumerGroups, _groups),
    "bounds": Behind(StreamRetention, _bounds),
}


@check(*dict.fromkeys(refusal.promise for refusal in REFUSALS.values() if "groups" in refusal.promise))
@gauntlet(named({name: refusal for name, refusal in REFUSALS.items() if "groups" in refusal.promise}))
async def a_refused_call_changes_nothing_of_the_next(stream: StreamConsumerGroups, case: Case, refused: str) -> None:
    """A call is refused, and the next one, of each kind, has its usual effect: nothing of what was refused is left (ST-36)."""
    whole = await case.whole()
    await stream.create_group("scene", "g")
    await fill(stream, "scene", numbered(2), laws=GROUPS)
    async with stream.join("scene", "g", "a") as member:
        ended, valid = await take(case, member, 2)
        await member.ack(ended)
        async with stream.join("scene", "g", "b") as other:
            held = {"member": member, "other": other, "ended": ended, "valid": valid}
            await whatever_comes_next(case, whole, held, REFUSALS[refused], refused, _NEXTS)


@check(*dict.fromkeys(refusal.promise for refusal in REFUSALS.values() if "groups" not in refusal.promise))
@gauntlet(named({name: refusal for name, refusal in REFUSALS.items() if "groups" not in refusal.promise}))
async def a_refused_call_of_a_stream_changes_nothing(stream: StreamBasic, case: Case, refused: str) -> None:
    """So of streams, their bounds and their partitions (ST-36)."""
    nexts = {name: following for name, following in _NEXTS.items() if name != "member"}
    await whatever_comes_next(case, await case.whole(), {}, REFUSALS[refused], refused, nexts)


async def _same_member(call: Call) -> None:
    """The member whose calls are cancelled goes on: it is given what comes, one by one, and what it acked does not come again."""
    member = call.held["cut"]
    await call.refuse()
    puts = await fill(call.slot, "cut", numbered(2, "after"), laws=GROUPS)
    wanted, found = {put.offset for put in puts}, dict[int, Any]()
    while not wanted <= set(found):  # what was cancelled before may come again
        got = await receive(member, 1, patience_s(call.case))
        same(call.promise, bool(got), True, f"{call.told} the next receive does not give what is there")
        found |= {delivery.record.offset: delivery for delivery in got}
    await call.refuse()
    await member.ack(found[puts[0].offset])
    again = await receive(member, 10, 0.5 if call.case.clock.virtual else 0)
    same(call.promise, [d.record.offset for d in again if d.record.offset == puts[0].offset], [], f"{call.told} an ack is none")
    await call.refuse()
    await member.ack(*(delivery for offset, delivery in found.items() if offset in wanted - {puts[0].offset}))


async def _given(s: Any, held: Any) -> Any:
    await fill(s, "cut", [b"given"], laws=GROUPS)
    got = await receive(held["cut"], 1, 0)
    return held["cut"], got


async def _there(s: Any, held: Any) -> Any:
    await fill(s, "cut", [b"there"], laws=GROUPS)
    return held["cut"]


async def _cut(s: Any, held: Any) -> Any:
    return held["cut"]


async def _steps(read: Any) -> None:
    async for _ in read:
        pass


_BASIC, _MEMBERS = "stream_basic.14", "stream_consumer_groups.14"
_INTERRUPTIONS: dict[str, Interruption] = {
    "append": Interruption(StreamBasic, _BASIC, lambda s, of: s.append("cut plain", b"cancelled", "key", {"r": "1"})),
    "read": Interruption(StreamBasic, _BASIC, lambda s, of: _steps(s.read("seen"))),
    "latest_offset": Interruption(StreamBasic, _BASIC, lambda s, of: s.latest_offset("seen")),
    "trim": Interruption(StreamBasic, _BASIC, lambda s, of: s.trim("cut plain", 10**6)),
    "set_retention": Interruption(StreamRetention, _BASIC, lambda s, of: s.set_retention("cut plain", None, 3)),
    "create_group": Interruption(StreamConsumerGroups, _MEMBERS, lambda s, of: s.create_group("cut plain", "cancelled", "latest")),
    "group_info": Interruption(StreamConsumerGroups, _MEMBERS, lambda s, of: s.group_info("cut", "g")),
    "join": Interruption(StreamConsumerGroups, _MEMBERS, lambda s, of: joins(s, "cut", "unused", "c")),
    "receive of several": Interruption(StreamConsumerGroups, _MEMBERS, lambda s, member: member.receive(7), _there),
    "receive that waits": Interruption(StreamConsumerGroups, _MEMBERS, lambda s, member: member.receive(7, 500.0), _cut),
    "ack": Interruption(StreamConsumerGroups, _MEMBERS, lambda s, of: of[0].ack(*of[1]), _given),
    "nack": Interruption(StreamConsumerGroups, _MEMBERS, lambda s, of: of[0].nack(*of[1]), _given),
    "nack with a delay": Interruption(StreamConsumerGroups, _MEMBERS, lambda s, of: of[0].nack(*of[1], delay_s=5e5), _given),
}
_OF_MEMBERS = {name: each for name, each in _INTERRUPTIONS.items() if each.promise == _MEMBERS}
_OF_STREAMS = {name: each for name, each in _INTERRUPTIONS.items() if each.promise == _BASIC}


@check(_MEMBERS)
@gauntlet(pointed(_OF_MEMBERS))
async def a_cancelled_call_changes_nothing_of_the_next(
    stream: StreamConsumerGroups, case: Case, cancelled: str, point: int
) -> None:
    """A call is cancelled, and the next one, of each kind, has its usual effect (ST-36)."""
    whole = await case.whole()
    for group in ("g", "unused"):
        await stream.create_group("cut", group)
    nexts = {"same": Behind(StreamConsumerGroups, _same_member), **_NEXTS}
    del nexts["member"]
    async with stream.join("cut", "g", "a") as member:
        await whatever_comes_behind(case, whole, {"cut": member}, _OF_MEMBERS[cancelled], cancelled, point, nexts)


@check(_BASIC)
@gauntlet(pointed(_OF_STREAMS))
async def a_cancelled_call_of_a_stream_changes_nothing(stream: StreamBasic, case: Case, cancelled: str, point: int) -> None:
    """So of streams and their bounds (ST-36)."""
    nexts = {name: following for name, following in _NEXTS.items() if name != "member"}
    await whatever_comes_behind(case, await case.whole(), {}, _OF_STREAMS[cancelled], cancelled, point, nexts)
