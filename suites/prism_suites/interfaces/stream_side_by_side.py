"""stream: two calls of one kind, by one client, at once: each has its own arguments, its own effect and its own answer."""

from typing import Any

from prism_suites._at_once import Kind, Sides, each_does_its_own, each_of
from prism_suites._stream_shared import GROUPS, fill, numbered, read
from prism_suites._stream_taking import patience_s, receive, take
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import StreamBasic, StreamConsumerGroups


def _told(records: list[Any]) -> list[Any]:
    return [(record.payload, record.key, dict(record.headers)) for record in records]


async def _appends(sides: Sides) -> None:
    s = sides.slot
    offsets = await sides.both(s.append("a", b"of a", "ka", {"a": "1"}), s.append("b", b"of b"))
    found = [await read(s, "a"), await read(s, "b")]
    wanted = [[(b"of a", "ka", {"a": "1"})], [(b"of b", None, {})]]
    sides.same([_told(some) for some in found], wanted, "one appends what is the other's")
    sides.same([some[0].offset for some in found], list(offsets), "one returns the offset of the other")


async def _reads(sides: Sides) -> None:
    s = sides.slot
    puts = {name: await fill(s, name, numbered(count, name)) for name, count in (("a", 5), ("b", 7))}
    found = await sides.both(read(s, "a", puts["a"][1].offset, 2), read(s, "b"))
    wanted = [[put.payload for put in puts["a"][1:3]], [put.payload for put in puts["b"]]]
    sides.same([[record.payload for record in some] for some in found], wanted, "one reads what is the other's")
    told = await sides.both(s.latest_offset("a"), s.latest_offset("b"))
    sides.same(list(told), [puts["a"][-1].offset, puts["b"][-1].offset], "latest_offset tells of the other's")


async def _trims(sides: Sides) -> None:
    s = sides.slot
    puts = {name: await fill(s, name, numbered(6, name)) for name in ("a", "b")}
    await sides.both(s.trim("a", puts["a"][1].offset), s.trim("b", puts["b"][4].offset))
    found = [[record.payload for record in await read(s, name)] for name in ("a", "b")]
    wanted = [[put.payload for put in puts["a"][1:]], [put.payload for put in puts["b"][4:]]]
    sides.same(found, wanted, "one trims what is the other's")


class _Group:
    """A group of its own stream with a member, who holds what was appended."""

    def __init__(self, member: Any, held: list[Any]) -> None:
        self.member, self.held = member, held

    @property
    def offsets(self) -> list[int]:
        return [delivery.record.offset for delivery in self.held]


async def _grouped(sides: Sides, what: Any) -> None:
    """Let two members of one client hold three records each, of streams of their own."""
    s = sides.slot
    for name in ("a", "b"):
        await s.create_group(name, "g")
        await fill(s, name, numbered(3, name), laws=GROUPS)
    async with s.join("a", "g", "c") as first, s.join("b", "g", "c") as second:
        groups = [_Group(each, await take(sides.case, each, 3)) for each in (first, second)]
        await what(*groups)


async def _comes(sides: Sides, group: _Group, count: int) -> list[int]:
    """Return what comes again to a member: so many are waited for, and then looked for once more."""
    found = [delivery.record.offset for delivery in await take(sides.case, group.member, count)]
    found += [delivery.record.offset for delivery in await receive(group.member, 5, 0.1)]
    return sorted(found)


async def _receives(sides: Sides) -> None:
    s = sides.slot
    for name in ("a", "b"):
        await s.create_group(name, "g")
        await fill(s, name, numbered(3, name), laws=GROUPS)
    async with s.join("a", "g", "c") as first, s.join("b", "g", "c") as second:
        waits_s = patience_s(sides.case)
        found = await sides.both(receive(first, 1, waits_s), receive(second, 3, waits_s))
        sides.same([{record.record.payload[:1] for record in some} for some in found], [{b"a"}, {b"b"}], "one is given the other's")
    infos = await sides.both(s.group_info("a", "g"), s.group_info("b", "g"))
    pending = [info.pending for info in infos]
    sides.same(pending, [len(some) for some in found], "group_info tells of the other's")


async def _acks(sides: Sides) -> None:
    async def acks(first: _Group, second: _Group) -> None:
        await sides.both(first.member.ack(first.held[0]), second.member.ack(*second.held[1:]))
        await first.member.nack(*first.held[1:])
        await second.member.nack(second.held[0])
        found = [await _comes(sides, first, 2), await _comes(sides, second, 1)]
        sides.same(found, [sorted(first.offsets[1:]), second.offsets[:1]], "one acks what is the other's")

    await _grouped(sides, acks)


async def _acks_of_one(sides: Sides) -> None:
    s = sides.slot
    await s.create_group("a", "g")
    puts = await fill(s, "a", numbered(3), laws=GROUPS)
    async with s.join("a", "g", "c") as member:
        held = await take(sides.case, member, 3)
        await sides.both(member.ack(held[0]), member.ack(held[2]))
    async with s.join("a", "g", "c") as member:
        wanted = [put.offset for put in puts if put.offset == held[1].record.offset]
        sides.same(await _comes(sides, _Group(member, []), 1), wanted, "of two acks of one member one is lost")


async def _nacks(sides: Sides) -> None:
    if not sides.case.clock.virtual:
        return

    async def nacks(first: _Group, second: _Group) -> None:
        calls = first.member.nack(*first.held, delay_s=100.0), second.member.nack(*second.held, delay_s=1e5)
        await sides.both(*calls)
        await sides.case.advance(1000.0)
        found = [await _comes(sides, first, 3), await _comes(sides, second, 0)]
        sides.same(found, [sorted(first.offsets), []], "one delays for the time of the other")

    await _grouped(sides, nacks)


async def _groups(sides: Sides) -> None:
    s = sides.slot
    await fill(s, "a", numbered(3), laws=GROUPS)
    await sides.both(s.create_group("a", "early", "earliest"), s.create_group("a", "late", "latest"))
    async with s.join("a", "early", "c") as first, s.join("a", "late", "c") as second:
        found = [len(await take(sides.case, first, 3)), len(await receive(second, 3, 0.1))]
        sides.same(found, [3, 0], "one begins where the other does")


async def _infos(sides: Sides) -> None:
    s = sides.slot
    for name, count in (("a", 3), ("b", 2)):
        await fill(s, name, numbered(count, name), laws=GROUPS)
        await s.create_group(name, "g")
    async with s.join("a", "g", "c") as member:
        await take(sides.case, member, 3)
        told, _ = await sides.both(s.group_info("a", "g"), s.create_group("a", "h"))
        sides.same((told.members, told.pending), (1, 3), "group_info tells of the group that the other makes")
        told, other = await sides.both(s.group_info("a", "g"), s.group_info("b", "g"))
        sides.same([(one.members, one.pending) for one in (told, other)], [(1, 3), (0, 0)], "group_info tells of the other's")
        told, offset = await sides.both(s.group_info("a", "g"), s.append("b", b"more"))
        sides.same((told.members, told.pending), (1, 3), "group_info tells of the stream that the other appends to")
        sides.same([record.offset for record in await read(s, "b")][2:], [offset], "an append goes elsewhere")
    async with s.join("a", "h", "c") as member:
        sides.same(len(await take(sides.case, member, 3)), 3, "a group that was made at once with a look is another")


_KINDS: dict[str, Kind] = {
    "append": Kind(StreamBasic, "stream_basic.12", _appends),
    "read": Kind(StreamBasic, "stream_basic.1", _reads),
    "trim": Kind(StreamBasic, "stream_basic.7", _trims),
    "create_group": Kind(StreamConsumerGroups, "stream_consumer_groups.1", _groups),
    "group_info": Kind(StreamConsumerGroups, "stream_consumer_groups.11", _infos),
    "receive": Kind(StreamConsumerGroups, "stream_consumer_groups.9", _receives),
    "ack": Kind(StreamConsumerGroups, "stream_consumer_groups.6", _acks),
    "ack of one member": Kind(StreamConsumerGroups, "stream_consumer_groups.6", _acks_of_one),
    "nack": Kind(StreamConsumerGroups, "stream_consumer_groups.7", _nacks),
}
_OF_GROUPS = {name: kind for name, kind in _KINDS.items() if "groups" in kind.promise}
_OF_STREAMS = {name: kind for name, kind in _KINDS.items() if "basic" in kind.promise}


@check(*dict.fromkeys(kind.promise for kind in _OF_GROUPS.values()))
@each_of(_OF_GROUPS)
async def of_two_calls_at_once_each_does_its_own(stream: StreamConsumerGroups, case: Case, kind: str, turned: bool) -> None:
    """Two calls of one kind are under way in one client, of two groups, with other arguments: neither has what is the other's."""
    await each_does_its_own(case, _KINDS, kind, turned)


@check(*dict.fromkeys(kind.promise for kind in _OF_STREAMS.values()))
@each_of(_OF_STREAMS)
async def of_two_calls_of_streams_each_does_its_own(stream: StreamBasic, case: Case, kind: str, turned: bool) -> None:
    """So of two streams."""
    await each_does_its_own(case, _KINDS, kind, turned)
