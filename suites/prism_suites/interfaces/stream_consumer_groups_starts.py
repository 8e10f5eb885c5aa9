"""stream_consumer_groups: where groups begin, that they are made once, that they are independent, and what is told of them."""

from collections.abc import Sequence
from typing import Any

from prism_suites._judging import broken, refused, same
from prism_suites._racing import rounds, together
from prism_suites._stream_shared import GROUPS, Put, fill, increase, numbered
from prism_suites._stream_taking import BasicAndGroups, gets, nothing_comes, shared_out, take, told_of
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import AlreadyExists, GroupInfo, GroupNotFound, StreamConsumerGroups

_FAR = (5, 1000, 2**31, 2**32, 2**53 + 1, 2**63, 2**64)


async def _info(
    slot: Any, stream: str, group: str, *, members: int, pending: int, done: Sequence[Put], left: Sequence[Put], story: str = ""
) -> None:
    """Judge what `group_info` tells of a quiet group that was given ``done`` and not yet ``left``; offsets may be sparse."""
    told = f" ({story})" if story else ""
    got = await slot.group_info(stream, group)
    if not isinstance(got, GroupInfo):
        broken("stream_consumer_groups.11", f"group_info gives no GroupInfo{told}", expected="a GroupInfo", got=got)
    same("stream_consumer_groups.11", got.members, members, f"group_info does not tell how many members there are{told}")
    same(
        "stream_consumer_groups.11",
        got.pending,
        pending,
        f"group_info does not tell how many records are held or to come again{told}",
    )
    least = max((put.offset for put in done), default=-1) + 1
    most = min((put.offset for put in left), default=None)
    if not isinstance(got.position, int) or got.position < least or (most is not None and got.position > most):
        wanted = f"{least} to {'the end' if most is None else most}"
        broken("stream_consumer_groups.11", f"group_info does not tell the position{told}", expected=wanted, got=got.position)


_STARTS = ("earliest", "latest", "zero", "first", "second", "between", "last", "end", *range(len(_FAR)))


def _from(puts: Sequence[Put], start: str | int) -> Any:
    """Return the argument, and from which offset on records are to come; None: what is appended later."""
    last = puts[-1].offset if puts else -1
    if start in ("earliest", "latest"):
        return start, None if start == "latest" else 0
    if isinstance(start, int):
        return last + _FAR[start], last + _FAR[start]
    places = {"zero": 0, "first": puts[0].offset if puts else 0, "second": puts[1 % len(puts)].offset if puts else 1}
    places |= {"between": places["first"] + 1, "last": max(0, last), "end": last + 1}
    return places[start], places[start]


@check("stream_consumer_groups.1", "stream_consumer_groups.11")
@gauntlet(lambda limits: [{"start": start, "count": count} for start in _STARTS for count in (0, 1, 4)])
async def a_group_begins_where_it_is_told(stream: StreamConsumerGroups, case: Case, start: str | int, count: int) -> None:
    """Earliest, latest and any offset, of a stream that is empty or not, begin with just the right record (ST-04, ST-10)."""
    other = await case.client()
    puts = await fill(stream, "s", numbered(count), laws=GROUPS)
    argument, least = _from(puts, start)
    await (stream.create_group("s", "g") if start == "earliest" and count == 1 else stream.create_group("s", "g", argument))
    later = await fill(other, "s", numbered(3, "later"), laws=GROUPS)
    increase([*puts, *later])
    there = later if least is None else [put for put in [*puts, *later] if put.offset >= least]
    away = [put for put in puts if put not in there]
    await _info(other, "s", "g", members=0, pending=0, done=away, left=there, story=f"from {start}")
    async with other.join("s", "g", "c") as member:
        await gets(case, member, there, story=f"from {start}")
        await nothing_comes(case, member, "stream_consumer_groups.1", "a group is given what lies before its start", wait_s=5.0)


@check("stream_consumer_groups.1")
@gauntlet(lambda limits: [{"count": count, "keep": keep} for count, keep in ((5, 2), (5, 4), (3, 0))])
async def the_earliest_is_the_oldest_that_is_kept(stream: BasicAndGroups, case: Case, count: int, keep: int) -> None:
    """After a trim a group begins with the first record kept, from earliest, from zero and from what was trimmed (ST-23)."""
    puts = await fill(stream, "s", numbered(count), laws=GROUPS)
    await stream.trim("s", puts[-keep].offset if keep else puts[-1].offset + 1)
    starts: dict[str, Any] = {"earliest": "earliest", "zero": 0, "trimmed": puts[0].offset}
    for group, start in starts.items():
        await stream.create_group("s", group, start)
    puts += await fill(stream, "s", numbered(2, "later"), laws=GROUPS)
    for group in starts:
        async with stream.join("s", group, "c") as member:
            await gets(case, member, puts[-keep - 2 :], story=f"from {group}, after a trim")


@check("stream_consumer_groups.2")
@gauntlet(
    lambda limits: [
        {"start": start, "first": first} for start in ("earliest", "latest", 0, 10**6) for first in ("earliest", "latest")
    ]
)
async def a_group_is_made_once(stream: StreamConsumerGroups, case: Case, start: Any, first: Any) -> None:
    """A second `create_group` raises `AlreadyExists`, from any client, and changes neither position nor what is held."""
    other = await case.client()
    puts = await fill(stream, "s", numbered(4), laws=GROUPS)
    await stream.create_group("s", "g", first)
    puts = (puts if first == "earliest" else []) + await fill(stream, "s", numbered(4, "later"), laws=GROUPS)
    for slot in (stream, other):
        await refused("stream_consumer_groups.2", slot.create_group("s", "g", start), AlreadyExists, "a group is made twice")
    async with stream.join("s", "g", "c") as member:
        got = await gets(case, member, puts[:3], promise="stream_consumer_groups.2")
        await member.ack(got[0])
        before = await told_of(other, "s", "g", puts)
        for slot in (stream, other):
            await refused("stream_consumer_groups.2", slot.create_group("s", "g", start), AlreadyExists, "a group is made twice")
        same("stream_consumer_groups.2", await told_of(other, "s", "g", puts), before, "a refused create_group changes the group")
        await _info(other, "s", "g", members=1, pending=2, done=puts[:3], left=puts[3:], story="after a refused create_group")
        await gets(case, member, puts[3:], promise="stream_consumer_groups.2", story="after a refused create_group")
        await member.ack(*got[1:])
    async with other.join("s", "g", "c") as member:
        await gets(case, member, puts[3:], promise="stream_consumer_groups.2", times=2, story="after a refused create_group")


@check("stream_consumer_groups.2")
@gauntlet(lambda limits: [{"creators": creators, "shared": shared} for creators in (2, 3, 6) for shared in (True, False)])
async def of_racing_creators_one_succeeds(stream: StreamConsumerGroups, case: Case, creators: int, shared: bool) -> None:
    """Of several that make one group at once one succeeds, all others are told `AlreadyExists`."""
    slots = [stream if shared or not number else await case.client() for number in range(creators)]
    case.overlap()

    async def create(slot: Any, name: str) -> bool:
        try:
            await slot.create_group(name, "g")
        except AlreadyExists:
            return False
        return True

    for name in rounds(case, 10):
        made = await together(*(create(slot, name) for slot in slots))
        same("stream_consumer_groups.2", sum(made), 1, "of racing calls that make one group so many succeed")
    puts = await fill(stream, name, numbered(2), laws=GROUPS)
    async with stream.join(name, "g", "c") as member:
        await gets(case, member, puts, story="after a race of its creators")


@check("stream_consumer_groups.2")
@gauntlet(
    lambda limits: [
        {"start": start}
        for start in (
            *(-1, -(2**31), "Earliest", "LATEST", "", "0", "$", "first", "beginning", "earliest ", "end"),
            *(0.5, 1.5, 2.0, b"earliest", ("earliest",)),
        )
    ]
)
async def a_bad_start_is_refused(stream: StreamConsumerGroups, case: Case, start: Any) -> None:
    """A negative offset or another text raises ``ValueError``, what is neither ``TypeError`` (or ``ValueError``), and no group is
    there afterwards."""
    await fill(stream, "s", numbered(2), laws=GROUPS)
    error = ValueError if isinstance(start, int | str) else (TypeError, ValueError)
    await refused("stream_consumer_groups.2", stream.create_group("s", "g", start), error, "a bad start of a group is not refused")
    await refused("stream_consumer_groups.2", stream.group_info("s", "g"), GroupNotFound, "a refused create_group made a group")
    with case.law("stream_consumer_groups.2"):
        await stream.create_group("s", "g")


@check("stream_consumer_groups.2")
@gauntlet(lambda limits: [{"name": name} for name in ("s", "never used")])
async def a_missing_group_is_not_found(stream: StreamConsumerGroups, case: Case, name: str) -> None:
    """`join`, at its entry, and `group_info` raise `GroupNotFound`, and make no group; those of other streams do not count."""
    puts = await fill(stream, "s", numbered(2), laws=GROUPS)
    await stream.create_group("t", "g")
    await stream.create_group("s", "other")
    for _ in range(2):
        stay = stream.join(name, "g", "c")
        await refused(
            "stream_consumer_groups.2", stay.__aenter__(), GroupNotFound, "join of a missing group does not raise GroupNotFound"
        )
        await refused(
            "stream_consumer_groups.2", stream.group_info(name, "g"), GroupNotFound, "group_info of a missing group tells something"
        )
    await _info(stream, "t", "g", members=0, pending=0, done=[], left=[], story="beside a missing group")
    with case.law("stream_consumer_groups.2"):
        await stream.create_group(name, "g")
    async with stream.join(name, "g", "c") as member:
        await gets(case, member, puts if name == "s" else [], story="made after it had been missing")


@check("stream_consumer_groups.9", "stream_consumer_groups.1")
@gauntlet(lambda limits: [{"groups": groups} for groups in (2, 3, 12)])
async def groups_are_independent(stream: StreamConsumerGroups, case: Case, groups: int) -> None:
    """Each group gets every record; acks, nacks, positions and members of one are none of another (ST-12)."""
    slots = [stream, await case.client()]
    names = [f"g{number}" for number in range(groups)]
    puts = await fill(stream, "s", numbered(4), laws=GROUPS)
    for name in names:
        await stream.create_group("s", name)
    async with stream.join("s", names[0], "c") as first:
        got = await gets(case, first, puts)
        await first.ack(*got[:2])
        for number, name in enumerate(names[1:], 1):
            slot = slots[number % 2]
            await _info(slot, "s", name, members=0, pending=0, done=[], left=puts, story="another group was served")
            async with slot.join("s", name, "c") as member:
                given = await gets(case, member, puts, promise="stream_consumer_groups.9", story="another group was served")
                await member.ack(*given[1:])
            await _info(slot, "s", name, members=0, pending=1, done=puts, left=[], story="after its member was left")
        await _info(stream, "s", names[0], members=1, pending=2, done=puts, left=[], story="beside other groups")
    for number, name in enumerate(names):
        async with slots[number % 2].join("s", name, "c") as member:
            back = puts[2:] if number == 0 else puts[:1]
            await gets(case, member, back, promise="stream_consumer_groups.9", times=2, story="beside other groups")


@check("stream_consumer_groups.11")
@gauntlet(lambda limits: [{"shared": shared} for shared in (True, False)])
async def group_info_follows_what_happens(stream: StreamConsumerGroups, case: Case, shared: bool) -> None:
    """Members, pending records and the position are told as they are after every call of a quiet group (ST-31)."""
    other = stream if shared else await case.client()
    await stream.create_group("s", "g")
    await _info(other, "s", "g", members=0, pending=0, done=[], left=[], story="of an empty stream")
    puts = await fill(stream, "s", numbered(6), laws=GROUPS)
    await _info(other, "s", "g", members=0, pending=0, done=[], left=puts, story="after appends")
    async with stream.join("s", "g", "c") as member:
        await _info(other, "s", "g", members=1, pending=0, done=[], left=puts, story="after a join")
        got = await take(case, member, 4)
        await _info(other, "s", "g", members=1, pending=4, done=puts[:4], left=puts[4:], story="after receives")
        await member.ack(got[1])
        await member.ack(got[1])
        await _info(other, "s", "g", members=1, pending=3, done=puts[:4], left=puts[4:], story="after an ack")
        await member.nack(got[2], delay_s=3600)
        await _info(other, "s", "g", members=1, pending=3, done=puts[:4], left=puts[4:], story="after a nack")
        async with other.join("s", "g", "c"):
            await _info(stream, "s", "g", members=2, pending=3, done=puts[:4], left=puts[4:], story="after a second join")
        await _info(stream, "s", "g", members=1, pending=3, done=puts[:4], left=puts[4:], story="after one of two was left")
    await _info(other, "s", "g", members=0, pending=3, done=puts[:4], left=puts[4:], story="after both were left")
    async with other.join("s", "g", "d") as member:
        # Its delay held while the member stayed that gave it back. Now it may come, and counts as pending either way.
        rest = await shared_out(case, [member], [put.offset for put in (puts[0], *puts[3:])], perhaps=[puts[2].offset])
        await member.ack(*[delivery for _, delivery in rest if delivery.record.offset != puts[2].offset])
        await _info(stream, "s", "g", members=1, pending=1, done=puts, left=[], story="one is to come again")
