"""stream_replay: a group that was moved lives on as any, however much it holds, and whatever numbers it was moved by."""

import contextlib

from prism_suites._judging import same
from prism_suites._stream_group_life import lives_as_any
from prism_suites._stream_replaying import Replayed, comes_after, from_on, quiet_group
from prism_suites._stream_shared import GROUPS, append, fill, numbered
from prism_suites._stream_taking import take
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import StreamReplay

_POWERS = (7, 8, 15, 16, 24, 31, 32, 33, 48, 53, 62, 63, 64, 128)


@check("stream_replay.1", "stream_replay.2", "stream_replay.3")
@gauntlet(lambda limits: [{"to": to, "had": had} for to in ("end", "instant", "front") for had in ("acked", "nacked", "held")])
async def a_moved_group_lives_as_any(stream: Replayed, case: Case, to: str, had: str) -> None:
    """Members of it wait and are woken, give back, put off and leave, and deliveries are counted, as if it were new (ST-11)."""
    other = await case.client(whole=True)
    puts = await fill(stream, "s", numbered(4), laws=GROUPS)
    await stream.create_group("s", "g")
    async with stream.join("s", "g", "c") as member:
        got = await take(case, member, 4)
        if had == "acked":
            await member.ack(*got[1:])  # and one before these is not
        for _ in range(2 if had == "nacked" else 0):
            await member.nack(*got)
            got = await take(case, member, 4)
    if to == "instant":
        await other.seek_to_time("s", "g", 10**15)
    else:
        await other.seek("s", "g", puts[-1].offset + 1 if to == "end" else 0)
    if to == "front":
        async with stream.join("s", "g", "c") as member:
            got = await take(case, member, 4)
            counts = [delivery.delivery_count for delivery in got]
            if case.traits.delivery_count == "exact":
                same("stream_replay.3", counts, [1] * 4, "deliveries of a group that was moved are not counted from 1")
            await member.nack(*got)
            again = await take(case, member, 4)
            if case.traits.delivery_count == "exact":
                counts = [delivery.delivery_count for delivery in again]
                same("stream_replay.3", counts, [2] * 4, "deliveries of a group that was moved are not counted from 1")
            await member.ack(*again)
    promise = "stream_replay.3" if had == "nacked" else "stream_replay.2" if to == "instant" else "stream_replay.1"
    await lives_as_any(
        case, (stream, other), lambda number, data: append(other, "s", data, laws=GROUPS), promise, f"moved to the {to}", "s", "g"
    )


@check("stream_replay.2", "stream_replay.3")
@gauntlet(lambda limits: [{"before": before, "alike": alike} for before, alike in ((0, 260), (5, 260), (95, 10), (250, 12))])
async def of_many_records_of_one_instant_the_first_is_sought(stream: Replayed, case: Case, before: int, alike: int) -> None:
    """Where hundreds were appended at one instant, or some on both sides of a page, a group is moved to the first of them."""
    if not case.clock.virtual:
        return
    puts = await fill(stream, "s", numbered(before, "before"), laws=GROUPS)
    await case.advance(10.0)
    puts += await fill(stream, "s", numbered(alike, "alike"), laws=GROUPS)
    await case.advance(10.0)
    puts += await fill(stream, "s", numbered(3, "behind"), laws=GROUPS)
    instants = [record.appended_ms async for record in stream.read("s")]
    await stream.create_group("s", "g")
    for place in (before, before + alike - 1, len(puts) - 1, before):
        await stream.seek_to_time("s", "g", instants[place])
        left = from_on(puts, puts[instants.index(instants[place])].offset)
        await quiet_group(case, stream, left, "stream_replay.2", "a seek to an instant at which many records were appended")


@check("stream_replay.3", "stream_replay.2", "stream_replay.1")
@gauntlet(lambda limits: [{"count": count, "way": way} for count in (300,) for way in ("seek", "seek_to_time")])
async def a_large_group_is_moved_whole(stream: Replayed, case: Case, count: int, way: str) -> None:
    """Hundreds of records that are pending are forgotten, and hundreds are looked through for an instant (ST-11)."""
    count = count // 2 if case.server else count
    puts = []
    for part in range(5):
        puts += await fill(stream, "s", numbered(count // 5, str(part)), laws=GROUPS)
        if case.clock.virtual:
            await case.advance(1.0)
    instants = [record.appended_ms async for record in stream.read("s")]
    await stream.create_group("s", "g")
    left = count
    for place in (0, count // 2 + 1, count - 1):
        async with stream.join("s", "g", "c") as member:
            await take(case, member, left, 100)
        offset = puts[place].offset
        if way == "seek":
            await stream.seek("s", "g", offset)
        else:
            await stream.seek_to_time("s", "g", instants[place])
            offset = puts[instants.index(instants[place])].offset
        left = len(from_on(puts, offset))
        told, promise = f"a {way} over hundreds", "stream_replay.1" if way == "seek" else "stream_replay.2"
        await quiet_group(case, stream, from_on(puts, offset), promise, told)
        await comes_after(case, stream, from_on(puts, offset), promise, told, acks=False)
        if place == 0:
            left = 0  # all were acked, and nothing comes before the next move


@check("stream_replay.7")
@gauntlet(lambda limits: [{"first": first} for first in (0, 3)])
async def bounds_of_a_replay_are_any_numbers(stream: StreamReplay, case: Case, first: int) -> None:
    """Around every power of two, as ``start`` and as ``stop``: what lies between is given (ST-02)."""
    puts = await fill(stream, "s", numbered(4), laws=GROUPS)
    offsets = [put.offset for put in puts]
    for number in sorted({(1 << power) + more for power in _POWERS for more in (-1, 0, 1, 2)}):
        for start, stop in ((offsets[first], number), (number, number + 5), (number, 1 << 200)):
            got = [record.offset async for record in stream.replay("s", start, stop)]
            wanted = [offset for offset in offsets if start <= offset < stop]
            same("stream_replay.7", got, wanted, f"a replay from {start} to {stop} does not give what lies between")


@check("stream_replay.7", "stream_replay.8")
async def what_a_replay_gave_is_the_readers(stream: Replayed, case: Case) -> None:
    """A reader that changes the headers it was given changes nothing that others are given (ST-30)."""
    puts = [await append(stream, "s", b"%d" % number, "k", {"a": "b"}, laws=GROUPS) for number in range(3)]
    for _ in range(2):
        found = [record async for record in stream.replay("s", 0, puts[-1].offset + 1)]
        for record in found:
            same("stream_replay.7", dict(record.headers), {"a": "b"}, "headers are what another reader made of them")
            with contextlib.suppress(TypeError, AttributeError):
                record.headers["a"] = "changed"  # type: ignore[index]
        async for record in stream.read("s"):
            same("stream_replay.8", dict(record.headers), {"a": "b"}, "headers are what a replay's reader made of them")
