"""stream_replay: who counts as a member, and whom a seek or a replay beside him does not concern."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from prism_suites._judging import refused, same
from prism_suites._stream_replaying import Replayed, comes_after, from_on
from prism_suites._stream_shared import GROUPS, fill, numbered
from prism_suites._stream_taking import take, told_of
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Conflict, Member, StreamBasic, StreamReplay
from prism_testkit.tap import offers

_Enter = Callable[..., Awaitable[Member]]
_THERE = ("idle", "of another client", "waits", "the second of a label", "beside one of another group", "acked all")
_GONE = (
    "left",
    "left by an error",
    "left holding",
    "left a delay",
    "of another group",
    "of another stream",
    "of another namespace",
)


async def _is_there(kind: str, case: Case, slots: list[Any], sibling: Any, enter: _Enter) -> "asyncio.Task[Any] | None":
    """Let somebody join, so that the group has a member, or so that it has none."""
    stream, other = slots
    if kind in ("idle", "of another client", "beside one of another group"):
        await enter(other if kind == "of another client" else stream, "s", "g")
    if kind in ("of another group", "beside one of another group"):
        await enter(stream, "s", "h")
    if kind == "of another stream":
        await enter(stream, "t", "g")
    if kind == "of another namespace":
        await enter(sibling, "s", "g")
    if kind == "the second of a label":
        await enter(stream, "s", "g")
        async with stream.join("s", "g", "c"):
            pass
    if kind == "acked all":
        member = await enter(stream, "s", "g")
        await member.ack(*await take(case, member, 3))
    if kind == "waits":
        member = await enter(stream, "s", "g")
        await member.ack(*await take(case, member, 3))
        task = asyncio.ensure_future(member.receive(1, 1000.0))
        for _ in range(5):
            await asyncio.sleep(0)
        return task
    if kind.startswith("left"):
        await _comes_and_goes(kind, case, stream)
    return None


async def _comes_and_goes(kind: str, case: Case, stream: Any) -> None:
    with contextlib.suppress(ZeroDivisionError):
        async with stream.join("s", "g", "c") as member:
            if kind == "left by an error":
                raise ZeroDivisionError
            got = await take(case, member, 2)
            if kind == "left a delay":
                await member.nack(*got, delay_s=1e6)
            elif kind == "left":
                await member.ack(*got)


@check("stream_replay.4", "stream_replay.3")
@gauntlet(lambda limits: [{"kind": kind, "way": way} for kind in (*_THERE, *_GONE) for way in ("seek", "seek_to_time")])
async def whoever_is_joined_counts(stream: Replayed, case: Case, kind: str, way: str) -> None:
    """A group has a member while somebody is joined, whatever he does; others, and who has left, are none of it (ST-13)."""
    slots, sibling = [stream, await case.client()], await case.sibling(whole=True)
    puts = await fill(stream, "s", numbered(3), laws=GROUPS)
    for slot, name, group in ((stream, "s", "g"), (stream, "s", "h"), (stream, "t", "g"), (sibling, "s", "g")):
        await slot.create_group(name, group)
    async with contextlib.AsyncExitStack() as stack:

        async def enter(slot: Any, name: str, group: str) -> Member:
            member: Member = await stack.enter_async_context(slot.join(name, group, "c"))
            return member

        task = await _is_there(kind, case, slots, sibling, enter)
        if kind in _THERE:
            before = await told_of(stream, "s", "g", puts)
            for slot in slots:
                call = getattr(slot, way)("s", "g", 0)
                await refused(
                    "stream_replay.4", call, Conflict, f"{way} of a group is not refused while there is a member ({kind})"
                )
            same(
                "stream_replay.4",
                await told_of(stream, "s", "g", puts),
                before,
                f"a {way} that was refused changed something ({kind})",
            )
        else:
            with case.law("stream_replay.4"):
                await getattr(slots[1], way)("s", "g", 0)
            await comes_after(case, stream, puts, "stream_replay.4", f"a {way} beside a member ({kind})")
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
    with case.law("stream_replay.4"):
        await getattr(slots[1], way)("s", "g", 0)
    await comes_after(case, stream, puts, "stream_replay.4", f"a {way} when everybody had left ({kind})")


_BESIDE = ("seek to the front", "seek over all", "seek to an instant", "replay", "replay that is left", "replay that is cancelled")


@check("stream_replay.6", "stream_replay.8")
@gauntlet(lambda limits: [{"what": what} for what in _BESIDE])
async def bystanders_keep_what_they_have(stream: Replayed, case: Case, what: str) -> None:
    """A group beside, whose member holds, acked, gave back and put off records, has all of it afterwards (ST-11, ST-13)."""
    promise = "stream_replay.8" if what.startswith("replay") else "stream_replay.6"
    other = await case.client(whole=True)
    puts = await fill(stream, "s", numbered(8), laws=GROUPS)
    for group in ("g", "h", "left"):
        await stream.create_group("s", group)
    async with stream.join("s", "left", "c") as member:
        await member.ack((await take(case, member, 3))[1])
    async with stream.join("s", "h", "c") as member:
        acked, held, late, back = await take(case, member, 4)
        await member.ack(acked)
        await member.nack(late, delay_s=1e6)
        await member.nack(back)
        infos = [await told_of(stream, "s", group, puts) for group in ("h", "left")]
        got = await _beside(other, what, puts[-1].offset + 1, (await _instants(stream))[-1])
        if got is not None:
            same("stream_replay.7", got, [put.offset for put in puts], "a replay does not give all beside a group")
        after = [await told_of(other, "s", group, puts) for group in ("h", "left")]
        same(promise, after, infos, f"a {what} changed another group")
        await member.ack(held)
        more = await take(case, member, 5)
        wanted = [back.record.offset, *(put.offset for put in puts[4:])]
        same(promise, sorted(d.record.offset for d in more), wanted, f"after a {what} another group does not get what it should")
        await member.ack(*more)
    async with stream.join("s", "left", "c") as member:
        wanted = [put.offset for number, put in enumerate(puts) if number != 1]
        found = sorted(d.record.offset for d in await take(case, member, len(wanted)))
        same(promise, found, wanted, f"after a {what} another group does not get what it should")


async def _instants(stream: Any) -> list[int]:
    return [record.appended_ms async for record in stream.read("s")]


async def _beside(slot: Any, what: str, end: int, at_ms: int) -> list[int] | None:
    """Do it; return the offsets of a replay of everything."""
    if what == "seek to an instant":
        await slot.seek_to_time("s", "g", at_ms)
    elif what.startswith("seek"):
        await slot.seek("s", "g", 0 if what == "seek to the front" else end)
    elif what == "replay":
        return [record.offset async for record in slot.replay("s", 0, end)]
    elif what == "replay that is left":
        async for _ in slot.replay("s", 0, end):
            break
    else:
        await _cancelled_replay(slot, end)
    return None


async def _cancelled_replay(slot: Any, end: int) -> None:
    async def run() -> None:
        async for _ in slot.replay("s", 0, end):
            await asyncio.sleep(0)

    task = asyncio.ensure_future(run())
    for _ in range(4):
        await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@check("stream_replay.8", "stream_replay.7")
@gauntlet(lambda limits: [{"left": left, "times": times} for left, times in ((False, 1), (True, 1), (False, 35))])
async def open_replays_are_apart(stream: Replayed, case: Case, left: bool, times: int) -> None:
    """Replays and reads of one client, in turns, give each its own; beside them, and once they are left, all goes on."""
    times = min(times, 15) if case.server else times
    puts = await fill(stream, "s", numbered(8 * times), laws=GROUPS)
    await stream.create_group("s", "g")
    spans = [(start * times, stop * times) for start, stop in ((0, 8), (2, 7), (5, 6), (0, 3), (4, 4))]
    offsets = [*(put.offset for put in puts), puts[-1].offset + 1]
    opened: list[Any] = [stream.replay("s", offsets[start], offsets[stop]) for start, stop in spans]
    opened.append(stream.read("s", offsets[3]))
    found: list[list[int]] = [[] for _ in opened]
    turns = 2 if left else 8 * times + 2
    for turn in range(turns):
        for number, records in enumerate(opened):
            if (record := await anext(records, None)) is not None:
                found[number].append(record.offset)
        if turn == 1:  # while they are open
            with case.law("stream_replay.8"):
                await stream.seek("s", "g", offsets[2])
            await comes_after(case, stream, from_on(puts, offsets[2]), "stream_replay.8", "a seek while a replay is open")
    wanted = [*(offsets[start:stop] for start, stop in spans), offsets[3 : 8 * times]]
    same("stream_replay.8", found, [each[:turns] for each in wanted], "replays that are open at once mix")
    for records in opened:
        await records.aclose()
    with case.law("stream_replay.8"):
        await stream.seek("s", "g", 0)
    await comes_after(case, stream, puts, "stream_replay.8", "replays that were left")
    slot: StreamReplay = await case.whole()
    if offers(slot, StreamBasic):
        with case.law("stream_replay.8"):
            await stream.trim("s", offsets[4])
        got = [record.offset async for record in slot.replay("s", 0, offsets[-1])]
        same("stream_replay.7", got, offsets[4:-1], "a replay of a stream that was trimmed")
