"""stream_consumer_groups: what is put off or held stays so, whatever is done to the records beside it, and to the group."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._stream_shared import GROUPS, Put, fill, numbered
from prism_suites._stream_taking import comes, gets, nothing_comes, patience_s, receive
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Member, RecordDelivery, StreamBasic, StreamConsumerGroups, StreamReplay, StreamRetention
from prism_testkit.tap import offers

_LATER_S = 1e6
"""Longer than all of it takes, however slow calls are."""
_COUNT = 7
_HELD, _LATE = 2, 4
"""Which of the records stays held, and which one is put off: both have neighbours on either side, of which one is beside both."""


@dataclass
class _Group:
    """A group of which one member was given all records; what is neither held nor late is free to be used."""

    case: Case
    stream: Any
    other: Any
    member: Member
    puts: Sequence[Put]
    given: Sequence[RecordDelivery]

    @property
    def free(self) -> list[RecordDelivery]:
        return [delivery for number, delivery in enumerate(self.given) if number not in (_HELD, _LATE)]

    async def ack(self, *deliveries: RecordDelivery) -> None:
        await self.member.ack(*deliveries)

    async def comes_back(self, member: Member, count: int) -> None:
        """Take what was given back, and ack it."""
        found: list[RecordDelivery] = []
        while len(found) < count and (got := await receive(member, count - len(found), patience_s(self.case))):
            found += got
        wanted = sorted(delivery.record.offset for delivery in self.free)[:count]
        same("stream_consumer_groups.5", sorted(d.record.offset for d in found), wanted, "not exactly what was given back comes")
        await member.ack(*found)


async def _one_by_one(group: _Group) -> None:
    for delivery in group.free:
        await group.ack(delivery)


async def _backwards(group: _Group) -> None:
    for delivery in reversed(group.free):
        await group.ack(delivery)


async def _together(group: _Group) -> None:
    await group.ack(*group.free)


async def _given_back(group: _Group) -> None:
    await group.member.nack(*group.free)
    await group.comes_back(group.member, len(group.free))


async def _put_off(group: _Group) -> None:
    """Put the others off, for less and for no time."""
    for delivery in group.free[1:]:
        await group.member.nack(delivery, delay_s=1.0 if group.case.clock.virtual else 0.05)
    await group.member.nack(group.free[0], delay_s=0)
    await group.comes_back(group.member, len(group.free))


async def _other_group(group: _Group) -> None:
    await group.other.create_group("s", "h")
    async with group.other.join("s", "h", "c") as member:
        got = await gets(group.case, member, group.puts)
        await member.nack(*got)
        again = await receive(member, 10, patience_s(group.case))
        await member.ack(*again)
    if offers(group.stream, StreamReplay):
        await group.stream.seek("s", "h", 0)


async def _joins_and_leaves(group: _Group) -> None:
    fresh = await fill(group.stream, "s", [b"fresh"], laws=GROUPS)
    async with group.other.join("s", "g", "d") as second:
        for member in (second, group.member) * 100:  # either may be given it
            if got := await receive(member, 1, patience_s(group.case) / 100):
                sentence = "another record comes than the one that is new"
                same("stream_consumer_groups.4", [d.record.offset for d in got], [put.offset for put in fresh], sentence)
                await member.ack(*got)
                return
    same("stream_consumer_groups.1", [], [put.offset for put in fresh], "a new record comes to neither of two members")


async def _gets_more(group: _Group) -> None:
    fresh = await fill(group.other, "s", numbered(40, "more"), laws=GROUPS)
    await group.ack(*await gets(group.case, group.member, fresh))


async def _waits_in_vain(group: _Group) -> None:
    await nothing_comes(group.case, group.member, "stream_consumer_groups.4", "nothing is to come", wait_s=0.01)


async def _looks(group: _Group) -> None:
    [record async for record in group.other.read("s")]
    for _ in range(3):
        await group.other.group_info("s", "g")


async def _trim(group: _Group) -> None:
    if offers(group.stream, StreamBasic):
        await group.ack(*group.given[:_HELD])
        await group.stream.trim("s", group.puts[_HELD].offset)


async def _compact(group: _Group) -> None:
    if offers(group.stream, StreamRetention):
        await group.stream.compact("s")


async def _enforce(group: _Group) -> None:
    if offers(group.stream, StreamRetention):
        await group.stream.set_retention("s", 1e9, 1000)
        await group.stream.enforce_retention("s")


async def _time_passes(group: _Group) -> None:
    if group.case.clock.virtual:
        for part_s in (1.0, 50.0, 0.4 * _LATER_S):
            await group.case.advance(part_s)
            await _neither_comes(group.case, [group.member], group.puts, "while time passes")


_EVENTS: dict[str, Callable[[_Group], Awaitable[None]]] = {
    "acks one by one": _one_by_one,
    "acks from the last to the first": _backwards,
    "one ack of all others": _together,
    "nacks of all others": _given_back,
    "shorter delays of all others": _put_off,
    "a group beside it": _other_group,
    "a member that joins and leaves": _joins_and_leaves,
    "many records more": _gets_more,
    "receives in vain": _waits_in_vain,
    "looks": _looks,
    "trim": _trim,
    "compact": _compact,
    "enforce_retention": _enforce,
    "time": _time_passes,
}


@check("stream_consumer_groups.4", "stream_consumer_groups.5", "stream_consumer_groups.7")
@gauntlet(lambda limits: [{"event": event} for event in _EVENTS])
async def it_stays_whatever_happens_beside_it(stream: StreamConsumerGroups, case: Case, event: str) -> None:
    """A record that is put off comes when its delay is over, and not before, and one that is held to nobody, whatever is done to
    those beside them meanwhile: acked, given back, put off for less, trimmed, compacted away, or used by another group (ST-11).
    """
    slot, other = await case.whole(), await case.client(whole=True)
    await stream.create_group("s", "g")
    puts = await fill(stream, "s", numbered(_COUNT), laws=GROUPS)
    told = f"beside {event}"
    async with AsyncExitStack() as stack:
        member = await stack.enter_async_context(slot.join("s", "g", "c"))
        given = await gets(case, member, puts)
        await member.nack(given[_LATE], delay_s=_LATER_S)
        group = _Group(case, slot, other, member, puts, given)
        await _EVENTS[event](group)
        await _neither_comes(case, [member], puts, told)
        await member.ack(*group.free)
        pending = (await other.group_info("s", "g")).pending
        same("stream_consumer_groups.11", pending, 2, f"{told}: group_info does not count what is held and what is put off")
        async with other.join("s", "g", "d") as second:
            await _neither_comes(case, [second, member], puts, told)
        if not case.clock.virtual:
            return
        await case.advance(_LATER_S + 10.0)
        sentence = f"{told}: what was put off does not come when its delay is over"
        late = await comes(case, member, puts[_LATE], "stream_consumer_groups.5", sentence, 2)
        await member.ack(late, given[_HELD])
    async with other.join("s", "g", "e") as member:
        await nothing_comes(case, member, "stream_consumer_groups.6", f"{told}: what was acked comes again")


async def _neither_comes(case: Case, members: Sequence[Member], puts: Sequence[Put], told: str) -> None:
    laws = {
        puts[_HELD].offset: ("stream_consumer_groups.4", "a record comes though it is held"),
        puts[_LATE].offset: ("stream_consumer_groups.7", "a record that was put off comes before its delay is over"),
    }
    for member in members:
        for delivery in await receive(member, 10, 1.0 if case.clock.virtual else 0):
            promise, sentence = laws.get(delivery.record.offset, ("stream_consumer_groups.6", "a record comes though it was acked"))
            broken(promise, f"{told}: {sentence}", expected=[], got=delivery)


@check("stream_consumer_groups.15", "stream_consumer_groups.10")
@gauntlet(lambda limits: [{"count": count} for count in (20, 130)])
async def each_of_many_members_is_given_one(stream: StreamConsumerGroups, case: Case, count: int) -> None:
    """However many members a group has, each gets a record while there are any, and each gets more when the others have left."""
    if case.traits.group_parallelism != "record" or (case.server and count > 20):
        case.note("members may stay idle" if case.traits.group_parallelism != "record" else "of embedded ones only")
        return
    await stream.create_group("s", "g")
    async with AsyncExitStack() as stack:
        members = [await stack.enter_async_context(stream.join("s", "g", f"c{number}")) for number in range(count)]
        same("stream_consumer_groups.11", (await stream.group_info("s", "g")).members, count, "group_info does not count members")
        puts = await fill(stream, "s", numbered(count), laws=GROUPS)
        offsets = []
        for number, member in enumerate(members):
            got = await receive(member, 1, patience_s(case))
            same("stream_consumer_groups.15", len(got), 1, f"member {number + 1} of {count} is given nothing")
            offsets.append(got[0].record.offset)
        same("stream_consumer_groups.4", sorted(offsets), [put.offset for put in puts], f"{count} members do not share the records")
