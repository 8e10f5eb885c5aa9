"""stream_replay: a group that was moved gets exactly what is there from that place on, once more, as if for the first time."""

from collections.abc import Sequence
from typing import Any

from prism_suites._judging import refused, same
from prism_suites._racing import together
from prism_suites._stream_replaying import Replayed, comes_after, from_on, quiet_group
from prism_suites._stream_shared import GROUPS, Put, fill, numbered, read
from prism_suites._stream_taking import take, told_of
from prism_suites.interfaces.keyvalue_basic_limits import bad_names
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Conflict, GroupNotFound, InvalidName
from prism_testkit.strategies import name_groups

_AT_ONCE = 24
_FAR = (1, 5, 2**31, 2**53 + 1, 2**63, 2**64, 10**30)
_PLACES = ("zero", "first", "after first", "middle", "last", "end", *range(len(_FAR)))


def _place(puts: Sequence[Put], place: str | int) -> int:
    last = puts[-1].offset if puts else -1
    if isinstance(place, int):
        return last + _FAR[place]
    places = {"zero": 0, "end": last + 1, "last": max(0, last)}
    if puts:
        places |= {"first": puts[0].offset, "after first": puts[0].offset + 1, "middle": puts[len(puts) // 2].offset}
    return places.get(place, 0)


@check("stream_replay.1", "stream_replay.3", "stream_replay.6")
@gauntlet(
    lambda limits: [
        {"place": place, "count": count, "done": done} for place in _PLACES for count, done in ((0, 0), (1, 1), (5, 5), (5, 2))
    ]
)
async def a_group_goes_on_where_it_was_moved(stream: Replayed, case: Case, place: str | int, count: int, done: int) -> None:
    """Whatever was acked before, it gets what is there from the offset on, and then what is appended (ST-04, ST-15)."""
    other = await case.client()
    puts = await fill(stream, "s", numbered(count), "k", {"h": "v"}, laws=GROUPS)
    for group in ("g", "beside"):
        await stream.create_group("s", group)
        async with stream.join("s", group, "c") as member:
            await member.ack(*await take(case, member, done))
    before, last = await told_of(stream, "s", "beside", puts), await stream.latest_offset("s")
    offset = _place(puts, place)
    for _ in range(2):  # a repeat moves it to the same place
        await other.seek("s", "g", offset)
    left = from_on(puts, offset)
    await quiet_group(case, stream, left, "stream_replay.1", f"a seek to {place}")
    same("stream_replay.6", await stream.latest_offset("s"), last, "a seek changes the last offset")
    same("stream_replay.6", await told_of(stream, "s", "beside", puts), before, "a seek of one group changes another")
    later = await fill(other, "s", numbered(2, "later"), laws=GROUPS)
    await comes_after(case, stream, [*left, *later], "stream_replay.1", f"a seek to {place}")
    async with stream.join("s", "beside", "c") as member:
        found = [delivery.record.offset for delivery in await take(case, member, count - done + 2)]
        same("stream_replay.6", found, [put.offset for put in (*puts[done:], *later)], "a seek of one group moves another")


@check("stream_replay.1", "stream_replay.3")
async def each_of_many_records_can_be_sought(stream: Replayed, case: Case) -> None:
    """However near each other, and to the end, records were appended: the one that is sought comes first (ST-04)."""
    await stream.create_group("s", "g")
    await together(*(stream.append("s", b"%d" % number) for number in range(_AT_ONCE)))
    offsets = [record.offset for record in await read(stream, "s")]
    for offset in offsets:
        await stream.seek("s", "g", offset)
        info = await stream.group_info("s", "g")
        between = [each for each in offsets if info.position <= each < offset]
        if between or info.position > offset:
            async with stream.join("s", "g", "c") as member:
                got = [delivery.record.offset for delivery in await take(case, member, 1)]
            same("stream_replay.1", got, [offset], "a group that was moved to a record does not get it first")
            sentence = "a group that was moved to a record is not told to be there"
            same("stream_replay.3", info.position, offset, sentence)


@check("stream_replay.3", "stream_replay.1", "stream_replay.5")
@gauntlet(lambda limits: [{"to": to} for to in ("front", "behind", "end")])
async def what_was_delivered_is_forgotten(stream: Replayed, case: Case, to: str) -> None:
    """What was held, given back or delayed before is pending no more; it comes only if it is from the place on (ST-11)."""
    puts = await fill(stream, "s", numbered(6), laws=GROUPS)
    await stream.create_group("s", "g")
    async with stream.join("s", "g", "c") as member:
        first, second, third, fourth = await take(case, member, 4)
        await member.nack(second, delay_s=1e6)
        await member.nack(third)
        again = await take(case, member, 3)  # what was given back may come before or behind what is new
        told = [delivery.record.offset for delivery in again]
        same("stream_replay.3", third.record.offset in told, True, "what was given back does not come")
        await member.ack(fourth)
        del first
    offset = {"front": puts[0].offset, "behind": puts[3].offset, "end": puts[-1].offset + 1}[to]
    left = from_on(puts, offset)
    for story, promise in ((f"a seek to the {to}", "stream_replay.3"), (f"another seek to the {to}", "stream_replay.5")):
        await stream.seek("s", "g", offset)
        await quiet_group(case, stream, left, promise, story)
        await comes_after(case, stream, left, promise, story)


@check("stream_replay.1", "stream_replay.3")
@gauntlet(
    lambda limits: [
        {"trimmed": trimmed, "place": place} for trimmed in (1, 3, 5) for place in ("zero", "first", "middle", "last", "end")
    ]
)
async def a_seek_to_what_was_trimmed_goes_to_the_oldest(stream: Replayed, case: Case, trimmed: int, place: str) -> None:
    """An offset before the oldest record kept moves a group there, also where nothing is kept (ST-23)."""
    puts = await fill(stream, "s", numbered(5), laws=GROUPS)
    await stream.create_group("s", "g", "latest")
    await stream.trim("s", puts[trimmed - 1].offset + 1)
    offset = _place(puts, place)
    await stream.seek("s", "g", offset)
    later = await fill(stream, "s", numbered(1, "later"), laws=GROUPS)
    await comes_after(
        case, stream, [*from_on(puts[trimmed:], offset), *later], "stream_replay.1", f"a seek to {place} of a trimmed stream"
    )


@check("stream_replay.2", "stream_replay.3")
@gauntlet(
    lambda limits: [{"gaps": gaps} for gaps in ((0.0, 0.0, 0.0), (5.0, 0.0, 5.0), (3600.0, 7.5, 86_400.0), (2.0, 4_294_968.0, 2.0))]
)
async def a_group_is_moved_to_an_instant(stream: Replayed, case: Case, gaps: tuple[float, ...]) -> None:
    """It goes on with the first record appended at that instant or later, by what is told of the records, be they minutes apart
    or more milliseconds than 32 bits hold (ST-05).
    """
    await stream.create_group("s", "g")
    puts: list[Put] = []
    for gap in (*gaps, 0.0):
        puts += await fill(stream, "s", numbered(2, f"{len(puts)}"), laws=GROUPS)
        if case.clock.virtual:
            await case.advance(gap)
    instants = [record.appended_ms async for record in stream.read("s")]
    units = {instants[0] // 1000, instants[-1] // 1000 + 1, instants[-1] * 1000, 1, 10**9, 2**31}  # other units than milliseconds
    for at_ms in sorted({0, 10**30, 2**63, *units, *(ms + more for ms in instants for more in (-1, 0, 1))}):
        await stream.seek_to_time("s", "g", at_ms)
        left = [put for put, ms in zip(puts, instants, strict=True) if ms >= at_ms]
        await quiet_group(case, stream, left, "stream_replay.2", f"a seek to {at_ms} ms")
        await comes_after(case, stream, left, "stream_replay.2", f"a seek to {at_ms} ms", acks=at_ms % 2 == 0)
    await stream.seek_to_time("s", "g", instants[-1] + 86_400_000)
    later = await fill(stream, "s", numbered(2, "later"), laws=GROUPS)
    await comes_after(case, stream, later, "stream_replay.2", "a seek to what is yet to come")


@check("stream_replay.4", "stream_replay.5")
@gauntlet(lambda limits: [{"way": way, "by": by} for way in ("seek", "seek_to_time") for by in ("the same client", "another")])
async def a_group_with_a_member_stays(stream: Replayed, case: Case, way: str, by: str) -> None:
    """With a member joined both raise `Conflict` and change nothing; when it left they succeed (ST-13)."""
    slot = stream if by == "the same client" else await case.client()
    puts = await fill(stream, "s", numbered(4), laws=GROUPS)
    await stream.create_group("s", "g")
    async with stream.join("s", "g", "c") as member:
        held = await take(case, member, 1)
        for place in (0, 10**6):
            call = getattr(slot, way)("s", "g", place)
            await refused("stream_replay.4", call, Conflict, f"{way} of a group with a member is not refused")
        await member.ack(*held)
        got = await take(case, member, 1)
        same("stream_replay.4", [d.record.offset for d in got], [puts[1].offset], f"a {way} that was refused moved the group")
    await refused("stream_replay.5", getattr(slot, way)("s", "other", 0), GroupNotFound, f"{way} of a missing group is not refused")
    await getattr(slot, way)("s", "g", 0)
    await comes_after(case, stream, puts, "stream_replay.4", f"a {way} when the members had left")


@check("stream_replay.5", "stream_replay.9")
async def arguments_are_checked_before_any_effect(stream: Replayed, case: Case) -> None:
    """Negative places, what is no int, illegal names: each is refused, and the group stays where it is."""
    puts = await fill(stream, "s", numbered(3), laws=GROUPS)
    await stream.create_group("s", "g", puts[1].offset)
    for way in (stream.seek, stream.seek_to_time):
        for bad in (-1, -(2**63)):
            await refused("stream_replay.5", way("s", "g", bad), ValueError, f"{bad} is not refused as a place")
        values: tuple[Any, ...] = ("0", None, 1.0, b"1", [1])
        for value in values:
            await refused("stream_replay.5", way("s", "g", value), TypeError, f"{value!r} is not refused as a place")
        for name, _ in bad_names(case.limits.max_name):
            for call in (way(name, "g", 0), way("s", name, 0)):
                await refused("stream_replay.9", call, InvalidName, "a bad name is not refused")
        for other in (b"s", None, 1):
            for call in (way(other, "g", 0), way("s", other, 0)):  # type: ignore[arg-type]
                await refused("stream_replay.9", call, TypeError, "what is no text is not refused as a name")
        await refused("stream_replay.5", way("never used", "g", 0), GroupNotFound, "a missing group is not refused")
    await comes_after(case, stream, puts[1:], "stream_replay.5", "refused seeks")


@check("stream_replay.9")
@gauntlet(lambda limits: [{"names": names} for names in _look_alikes(limits.max_name)])
async def one_group_is_moved_and_no_look_alike(stream: Replayed, case: Case, names: tuple[str, ...]) -> None:
    """Streams and groups that differ in any code point are each moved to a place of its own, and stay there (PS-05)."""
    sibling = await case.sibling(whole=True)
    some = names[:: 6 if case.server else 1]
    places = list(dict.fromkeys([*(("s", name) for name in some), *((name, "g") for name in some[::3]), ("s", "g")]))
    puts = {name: await fill(stream, name, numbered(3), laws=GROUPS) for name in dict.fromkeys(name for name, _ in places)}
    theirs = await fill(sibling, "s", numbered(3), laws=GROUPS)
    await sibling.create_group("s", "g", "latest")
    told = await told_of(sibling, "s", "g", theirs)
    for name, group in places:
        await stream.create_group(name, group, "latest")
    for number, (name, group) in enumerate(places):
        await stream.seek(name, group, puts[name][number % 3].offset)
    for number, (name, group) in enumerate(places):
        info = await stream.group_info(name, group)
        left = [put.offset for put in from_on(puts[name], info.position)]
        story = f"the group {group!a} of {name!a} is not where it was moved"
        same("stream_replay.9", left, [put.offset for put in puts[name][number % 3 :]], story)
    for number, (name, group) in list(enumerate(places))[:: max(1, len(places) // 5)]:
        wanted = puts[name][number % 3 :]
        await comes_after(
            case, stream, wanted, "stream_replay.9", f"seeks of look-alikes of {name!a}, {group!a}", stream=name, group=group
        )
    same("stream_replay.9", await told_of(sibling, "s", "g", theirs), told, "a group of another namespace was moved")
    await comes_after(case, sibling, [], "stream_replay.9", "seeks in another namespace")


def _look_alikes(longest: int) -> list[tuple[str, ...]]:
    """Return the first and the last of each group of confusable names, several groups at a time."""
    groups = [(*group[:3], group[-1]) for group in name_groups(longest)]
    return [tuple(dict.fromkeys(name for group in groups[start::4] for name in group)) for start in range(4)]
