"""stream_basic and stream_consumer_groups: what ``clean`` removes, and what it leaves."""

from typing import Any

from prism_suites._judging import broken, same
from prism_suites._stream_shared import fill, numbered, read
from prism_suites._stream_taking import take
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import GroupNotFound, StreamBasic, StreamConsumerGroups
from prism_testkit.tap import offers

_NAMES = ("a", "b", "a:b", "*", "é", "prism")


async def _furnish(case: Case, slot: Any, mark: str) -> None:
    """Leave everything behind that a driver may keep: records, a trimmed stream, groups, and records held and given back."""
    for name in _NAMES:
        await fill(slot, name, numbered(2, mark), "k", {"h": "v"})
    puts = await fill(slot, "trimmed", numbered(3, mark))
    await slot.trim("trimmed", puts[-1].offset + 1)
    if offers(slot, StreamConsumerGroups):
        await slot.create_group("a", "g")
        await slot.create_group("b", "g", "latest")
        async with slot.join("a", "g", "c") as member:
            await member.ack(*await take(case, member, 1))
            await take(case, member, 1)


async def _left(case: Case, slot: Any, mark: str) -> None:
    told = "cleaning one namespace removed from another, or left something to it"
    for name in _NAMES:
        found = [record.payload for record in await read(slot, name)]
        same("stream_basic.11", found, numbered(2, mark), told)
    same("stream_basic.11", await slot.latest_offset("trimmed") is None, False, told)
    if offers(slot, StreamConsumerGroups):
        same("stream_basic.11", (await slot.group_info("a", "g")).pending, 1, told)
        async with slot.join("a", "g", "c") as member:
            found = [delivery.record.payload for delivery in await take(case, member, 1)]
        same("stream_basic.11", found, numbered(2, mark)[1:], told)


@check("stream_basic.11", "stream_basic.6")
async def cleaning_a_namespace_leaves_every_other(stream: StreamBasic, case: Case) -> None:
    """A backend's ``clean`` removes all of one namespace, groups and ends of streams too, and nothing of another (X-08)."""
    mine, sibling, other = await case.whole(), await case.sibling(whole=True), await case.sibling(whole=True)
    for slot, mark in ((mine, "mine"), (sibling, "cleaned"), (other, "theirs")):
        await _furnish(case, slot, mark)
    cleaned = await case.clean(sibling)
    if cleaned is None:
        return
    for slot, mark in ((mine, "mine"), (other, "theirs")):
        with case.law("stream_basic.11"):
            await _left(case, slot, mark)
    for name in (*_NAMES, "trimmed"):
        same("stream_basic.11", await read(cleaned, name), [], "cleaning a namespace left a record in it")
        same("stream_basic.11", await cleaned.latest_offset(name), None, "cleaning a namespace left the end of a stream in it")
    if offers(cleaned, StreamConsumerGroups):
        await _no_group(cleaned)
    puts = await fill(cleaned, "a", [b"again"])
    again = [(record.offset, record.payload) for record in await read(cleaned, "a")]
    same("stream_basic.11", again, [(puts[0].offset, b"again")], "a cleaned namespace cannot be used again")


async def _no_group(slot: Any) -> None:
    try:
        told = await slot.group_info("a", "g")
    except GroupNotFound:
        with_start = await slot.create_group("a", "g")
        same("stream_basic.11", with_start, None, "a group of a cleaned namespace cannot be made again")
    else:
        broken("stream_basic.11", "cleaning a namespace left a group in it", expected="GroupNotFound", got=told)
