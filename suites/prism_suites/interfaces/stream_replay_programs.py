"""stream_replay: seeks that race joins, that are cancelled, and programs of them against a model."""

import asyncio
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import broken, same
from prism_suites._queue_cancelling import cancelled, points
from prism_suites._racing import together
from prism_suites._stream_replaying import Replayed, comes_after, from_on
from prism_suites._stream_shared import GROUPS, Put, fill, numbered
from prism_suites._stream_taking import receive, take
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Conflict


@check("stream_replay.4", "stream_replay.1")
@gauntlet(
    lambda limits: [
        {"joiners": joiners, "turns": turns}
        for joiners, turns in ((1, 0), (3, 0), *((1, turns) for turns in (*range(-12, 0), *range(1, 8))))
    ]
)
async def a_seek_races_joins(stream: Replayed, case: Case, joiners: int, turns: int) -> None:
    """Of a seek and joins either is first: it moved the group before any delivery, or raised `Conflict`; members take at once.

    Joins begin so many turns after the seek, or before it.
    """
    if case.server and turns < -3:
        return  # there a turn is next to nothing
    puts = await fill(stream, "s", numbered(5), laws=GROUPS)
    slots = [await case.client(whole=True) for _ in range(joiners)]
    await stream.create_group("s", "g")
    async with stream.join("s", "g", "first") as first:
        await first.ack(*await take(case, first, 3))
    case.overlap()
    given: list[int] = []

    async def seek() -> bool:
        for _ in range(-turns):
            await asyncio.sleep(0)
        try:
            await stream.seek("s", "g", puts[1].offset)
        except Conflict:
            return False
        return True

    async def join(slot: Any) -> Any:
        for _ in range(turns):
            await asyncio.sleep(0)
        manager = slot.join("s", "g", "c")
        member = await manager.__aenter__()
        for _ in range(3):  # before the seek has returned, it may be
            given.extend(delivery.record.offset for delivery in await receive(member, 1))
        return manager, member

    moved, *members = await together(seek(), *(join(slot) for slot in slots))
    expected = [put.offset for put in puts[1 if moved else 3 :]]
    for _ in range(60):
        for _, member in members:
            given += [delivery.record.offset for delivery in await receive(member, 10)]
        if set(given) >= set(expected):
            break
        await case.clock.sleep(1.0 if case.clock.virtual else 0.02)
    for manager, _ in members:
        await manager.__aexit__(None, None, None)
    story = f"a seek that {'succeeded' if moved else 'raised Conflict'} beside joins"
    same("stream_replay.4", sorted(given), expected, story)
    if joiners == 1:
        same("stream_replay.4", given, expected, story)


@check("stream_replay.10")
@gauntlet(points(("seek", "seek_to_time")))
async def a_cancelled_seek_moved_the_group_or_not(stream: Replayed, case: Case, kind: str, point: int) -> None:
    """A seek that is cancelled at any point moved the group whole or not at all; the driver works (ST-36)."""
    puts = await fill(stream, "s", numbered(4), laws=GROUPS)
    await stream.create_group("s", "g")
    await stream.create_group("s", "beside", "latest")
    async with stream.join("s", "g", "c") as member:
        got = await take(case, member, 2)
        await member.ack(got[0])
    ended, _ = await cancelled(getattr(stream, kind)("s", "g", 0), point)
    with case.law("stream_replay.10"):  # it is not in its own way
        await getattr(stream, kind)("s", "beside", 0)
    async with stream.join("s", "g", "c") as member:
        found = await take(case, member, 4 if ended else 3)
        for _ in range(2):
            await asyncio.sleep(0)
        found += await receive(member, 10)
        offsets = sorted(delivery.record.offset for delivery in found)
    everything = [put.offset for put in puts]
    if offsets != everything and (ended or offsets != everything[1:]):
        broken("stream_replay.10", f"a cancelled {kind} did a part", expected=f"{everything} or all but the first", got=offsets)
    with case.law("stream_replay.10"):
        await getattr(stream, kind)("s", "g", 0)
    await comes_after(case, stream, puts, "stream_replay.10", f"a {kind} behind one that was cancelled")


@check("stream_replay.1", "stream_replay.2", "stream_replay.3", "stream_replay.6")
@given(
    script=st.lists(
        st.tuples(
            st.sampled_from(("append", "seek", "take", "time", "append", "trim", "take", "ahead", "wait")),
            st.integers(0, 9),
            st.sampled_from(("g", "h")),
        ),
        min_size=5,
        max_size=30,
    ).map(tuple)
)
async def programs_match_the_model(stream: Replayed, case: Case, script: tuple[tuple[str, int, str], ...]) -> None:
    """Two groups of one stream are moved, given records, and trimmed under; each gets what is its own (ST-04, ST-12)."""
    slots = [stream, await case.client()]
    puts: list[Put] = []
    instants: dict[int, int] = {}
    places = {"g": 0, "h": 0}
    first = 0
    for group in places:
        await stream.create_group("s", group)
    for number, (step, value, group) in enumerate(script):
        slot: Any = slots[value % 2]
        if step == "append":
            puts += await fill(slot, "s", [b"%d" % number], laws=GROUPS)
            instants = {record.offset: record.appended_ms async for record in stream.read("s")} | instants
        elif step == "wait" and case.clock.virtual:
            await case.advance((0.25, 1.0, 5.0)[value % 3])
        elif step == "trim" and puts:
            first = max(first, puts[value % len(puts)].offset)
            await slot.trim("s", first)
        elif step == "seek" and puts:
            places[group] = puts[value % len(puts)].offset
            await slot.seek("s", group, places[group])
        elif step == "ahead":
            await slot.seek("s", group, 10**30 + value)
            places[group] = puts[-1].offset + 1 if puts else 0
        elif step == "time" and puts:
            at_ms = instants[puts[value % len(puts)].offset] + value % 2
            await slot.seek_to_time("s", group, at_ms)
            kept = [put.offset for put in puts if put.offset >= first and instants[put.offset] >= at_ms]
            places[group] = kept[0] if kept else puts[-1].offset + 1
        elif step == "take":
            await _takes(case, slot, group, from_on(from_on(puts, first), places[group])[: 1 + value % 4])
            taken = from_on(from_on(puts, first), places[group])[: 1 + value % 4]
            places[group] = taken[-1].offset + 1 if taken else places[group]


async def _takes(case: Case, slot: Any, group: str, puts: Sequence[Put]) -> None:
    async with slot.join("s", group, "c") as member:
        got = await take(case, member, len(puts))
        same(
            "stream_replay.1",
            [d.record.offset for d in got],
            [put.offset for put in puts],
            "a group does not go on where it was moved",
        )
        await member.ack(*got)
