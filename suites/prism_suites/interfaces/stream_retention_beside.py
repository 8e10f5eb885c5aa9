"""stream_retention: what goes goes, whoever holds, awaits or reads it; and what stays stays with whoever holds it."""

import asyncio
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._stream_bounds import Bounded, Retained, everything
from prism_suites._stream_shared import append
from prism_suites._stream_taking import take
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import StreamReplay
from prism_testkit.tap import offers

_HOW = ("most", "compact", "age")
_MUCH = 1100
"""Above a thousand, and 1024."""


@check("stream_retention.2", "stream_retention.7", "stream_retention.10", "stream_retention.1")
@gauntlet(lambda limits: [{"how": how, "reading": reading} for how in _HOW for reading in (False, True)])
async def removal_minds_nobody_but_the_bounds(stream: Retained, case: Case, how: str, reading: bool) -> None:
    """Held, put off, given back, not given yet, or being read: what is outside goes, and what is inside is held on (ST-24)."""
    if (how == "age" and not case.clock.virtual) or (how == "compact" and case.traits.compaction != "immediate"):
        case.note("not everything is removed at once")
        return
    slot, other = await case.whole(), await case.client(whole=True)
    for group in ("g", "behind"):
        await stream.create_group("s", group)
    puts = [await append(stream, "s", b"%d" % number, None if key == "." else key) for number, key in enumerate("kk.k.k")]
    async with other.join("s", "behind", "c") as member:
        await member.ack(*await take(case, member, 1))
    if how == "age":
        await case.advance(1e6)
    kept = [await append(stream, "s", b"kept %d" % number, str(number)) for number in range(6)]
    gone = [put for put in puts[:-1] if put.key] if how == "compact" else puts
    left = [put.offset for put in (*puts, *kept) if put not in gone]
    async with stream.join("s", "g", "c") as member:
        got = await take(case, member, 9)  # all that goes, and three that stay
        first, second, third, *_ = got
        await member.nack(first, delay_s=1000.0)
        await member.nack(second, third)
        begun: list[Any] = []
        if reading:
            begun = [slot.read("s"), *([slot.replay("s", 0, 10**30)] if offers(slot, StreamReplay) else [])]
            for records in begun:
                await anext(records)
        await _remove(other, how)
        over = "stream_retention.7" if how == "compact" else "stream_retention.2"
        for each in (slot, other):
            found = [record.offset for record in await everything(each.read("s"))]
            same("stream_retention.1", [o for o in left if o not in found], [], "what is inside is gone")
            same(over, [o for o in found if o not in left], [], "what should be gone is there, and held, awaited or read")
        for records in begun:
            await records.aclose()
        inside = [delivery for delivery in got[3:] if delivery.record.offset in left]
        await member.ack(inside[0])
    async with other.join("s", "g", "d") as member:
        wanted = sorted(set(left) - {inside[0].record.offset})
        again = sorted(delivery.record.offset for delivery in await take(case, member, len(wanted)))
        missing = [offset for offset in wanted if offset not in again]
        same("stream_retention.10", missing, [], "what is inside and was held, or to come, does not come")
        same("stream_retention.10", inside[0].record.offset in again, False, "what was acked comes again")
    async with other.join("s", "behind", "c") as member:
        found = [delivery.record.offset for delivery in await take(case, member, len(left))]
        same("stream_retention.10", found, left, "a group that is behind does not go on with what is kept")


async def _remove(slot: Any, how: str) -> None:
    if how == "compact":
        await slot.compact("s")
        return
    await slot.set_retention("s", 5e5 if how == "age" else None, None if how == "age" else 6)
    await slot.enforce_retention("s")


@check("stream_retention.2", "stream_retention.1", "stream_retention.8")
@gauntlet(lambda limits: [{"order": order, "turns": turns} for order in range(4) for turns in (0, 1, 2)])
async def removers_at_once_keep_what_is_inside(stream: Bounded, case: Case, order: int, turns: int) -> None:
    """Several that enforce, compact and trim at once, beside an append: what is inside for all of them is kept (PS-08)."""
    slots: list[Any] = [stream, *[await case.client() for _ in range(3)]]
    puts = [await append(stream, "s", b"%d" % number, "k" if number < 3 else None) for number in range(10)]
    await stream.set_retention("s", max_records=4)
    case.overlap()
    later: list[Any] = []

    async def run(place: int) -> None:
        number = (place + order) % 4
        for _ in range(turns * place):
            await asyncio.sleep(0)
        if number == 0:
            later.append(await append(slots[0], "s", b"later"))
        elif number == 1:
            await slots[1].compact("s")
        elif number == 2 and turns != 1:
            await slots[2].trim("s", puts[2].offset)
        else:
            await slots[number].enforce_retention("s")

    await asyncio.gather(*(run(place) for place in range(4)))
    found = [record.offset for record in await everything(stream.read("s"))]
    inside = [put.offset for put in (*puts[-3:], *later)]
    same("stream_retention.1", [o for o in inside if o not in found], [], "what is inside is gone after several removed at once")
    extra = [put.offset for put in puts[:-4] if put.offset in found]
    same("stream_retention.2", extra, [], "what was outside is there after several removed at once")


@check("stream_retention.2", "stream_retention.7", "stream_retention.1", "stream_retention.10", "stream_basic.1", "stream_replay.1")
@gauntlet(lambda limits: [{"how": how} for how in _HOW])
async def much_goes_in_one_call(stream: Retained, case: Case, how: str) -> None:
    """However much is outside, or superseded, one call removes it all, and nothing that stays (ST-24).

    What stays on both sides of the hole is read from anywhere, also by who had read all of it, and comes to a group.
    """
    if (how == "age" and not case.clock.virtual) or (how == "compact" and case.traits.compaction != "immediate"):
        case.note("not everything is removed at once")
        return
    gone = 300 if case.server else _MUCH
    slot, other = await case.whole(), await case.client(whole=True)
    kept = [await append(stream, "s", b"in front", None)] if how == "compact" else []
    await stream.create_group("s", "g")
    first = await append(stream, "s", b"first", "k")
    for number in range(1, gone):
        await stream.append("s", b"%d" % number, "k")
    if how == "age":
        await case.advance(1e6)
    kept += [await append(stream, "s", b"kept %d" % number, "k" if number == 5 else None) for number in range(6)]
    for each in (slot, other):
        for start in (0, first.offset, kept[-2].offset):
            same("stream_retention.8", (await everything(each.read("s", start)))[-1].offset, kept[-1].offset, "a read ends early")
    await _remove(other, how)
    promise = "stream_retention.7" if how == "compact" else "stream_retention.2"
    offsets = [put.offset for put in kept]
    for each in (slot, other):
        for start in (0, first.offset, first.offset + gone // 2, kept[-2].offset):
            wanted = [offset for offset in offsets if offset >= start]
            readings = [each.read("s", start), each.read("s", start, len(wanted))]
            readings += [each.replay("s", start, offsets[-1] + 1)] if offers(each, StreamReplay) else []
            for reading in readings:
                found = [record.offset for record in await everything(reading)]
                missing = [offset for offset in wanted if offset not in found]
                if missing and await everything(each.read("s", missing[0], 1)):
                    told = f"a read from {start} on leaves out records that a read from the first of them gives"
                    broken("stream_basic.1", told, expected=wanted, got=found)
                same("stream_retention.1", missing, [], "what is inside is gone")
                over = sum(offset not in wanted for offset in found)
                same(promise, over, 0, f"of {gone} records that should be gone by one call some are there")
    async with other.join("s", "g", "c") as member:
        got = [delivery.record.offset for delivery in await take(case, member, len(offsets))]
        same("stream_retention.10", got, offsets, "a group does not go on behind many records that were removed")
    for number, start in enumerate((0, first.offset, first.offset + gone // 2)):  # before, at either end of, and in the hole
        wanted = [offset for offset in offsets if offset >= start]
        if moves := offers(slot, StreamReplay):
            await slot.seek("s", "g", start)
        await slot.create_group("s", f"from-{number}", start)
        for group, law in (("g", "stream_replay.1"), (f"from-{number}", "stream_consumer_groups.1"))[not moves :]:
            async with other.join("s", group, "c") as member:
                got = [delivery.record.offset for delivery in await take(case, member, len(wanted))]
                same(law, got, wanted, f"a group that is to go on from {start} does not get what is kept from there on")
