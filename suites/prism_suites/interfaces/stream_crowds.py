"""Many of a kind: records in one read, waits that are woken for nothing, and headers of the same names."""

import asyncio
import time
from typing import Protocol

from prism_suites._judging import broken, same
from prism_suites._racing import together
from prism_suites._stream_shared import GROUPS, fill, numbered
from prism_suites._stream_taking import gets, patience_s, receive
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import StreamBasic, StreamConsumerGroups, StreamPartitioning, StreamReplay

_MANY = 1100
_THOUSANDS = 10_001
_LONG_S = 3.0
_EVENTS = 150
"""So often a wait is woken for nothing: more rounds than one makes that counts them."""
_LATER_S = 40_000.0


class BasicAndReplay(StreamBasic, StreamReplay, Protocol):
    """Records read from where one likes."""


class MovedGroups(StreamBasic, StreamConsumerGroups, StreamReplay, Protocol):
    """Groups that are moved."""


async def _append(stream: StreamBasic, count: int) -> list[int]:
    """Append so many; of a store that takes long for them fewer, but more than a page or two."""
    offsets: list[int] = []
    until_s = time.monotonic() + _LONG_S
    while len(offsets) < count and (len(offsets) < _MANY or time.monotonic() < until_s):
        offsets += await together(*(stream.append("s", b"x") for _ in range(min(20, count - len(offsets)))))
    return sorted(offsets)


@check("stream_basic.1", "stream_basic.7")
async def a_log_of_thousands_is_read_whole(stream: StreamBasic, case: Case) -> None:
    """However many records a stream holds, a read gives all, from its beginning and from its middle. Of embedded ones only."""
    if case.server:
        return
    offsets = await _append(stream, _THOUSANDS)
    later = offsets[-min(2100, len(offsets)) :]
    for start, wanted in ((0, offsets), (later[0], later)):
        found = [record.offset async for record in stream.read("s", start)]
        sentence = f"a read of {len(wanted)} of {len(offsets)} records does not give them"
        same("stream_basic.1", len(found), len(wanted), sentence)
        same("stream_basic.1", found, wanted, sentence)


@check("stream_replay.2")
async def an_instant_is_found_before_thousands_of_records(stream: MovedGroups, case: Case) -> None:
    """However many records came since an instant, a group is moved to the first of them. On virtual time only."""
    if case.server or not case.clock.virtual:
        return
    await _append(stream, 40)
    await case.advance(20.0)
    since_ms = case.clock.now_ms()
    await case.advance(20.0)
    offsets = await _append(stream, _THOUSANDS)
    await stream.create_group("s", "g")
    await stream.seek_to_time("s", "g", since_ms)
    async with stream.join("s", "g", "c") as member:
        found = [delivery.record.offset for delivery in await receive(member, 1, patience_s(case))]
    same("stream_replay.2", found, offsets[:1], f"a group is not moved to the first of {len(offsets)} records since an instant")


@check("stream_partitioning.6", "stream_partitioning.7")
@gauntlet(lambda limits: [{"limit": limit} for limit in (None, _MANY - 1, _MANY, 10**6)])
async def a_read_of_a_partition_is_as_long_as_asked(stream: StreamPartitioning, case: Case, limit: int | None) -> None:
    """A read of a partition ends where it does, or at its limit, and not after a page."""
    await stream.create_partitioned("s", 2)
    offsets: list[int] = []
    for _ in range(_MANY // 20):
        offsets += await together(*(stream.append_to_partition("s", 1, b"x") for _ in range(20)))
    found = [record.offset async for record in stream.read_partition("s", 1, 0, limit)]
    sentence = f"a read of a partition of {_MANY} records with a limit of {limit} does not give them"
    same("stream_partitioning.6", len(found), len(offsets[:limit]), sentence)
    same("stream_partitioning.6", found, sorted(offsets)[:limit], sentence)


@check("stream_replay.7", "stream_basic.7")
async def a_replay_is_as_long_as_its_range(stream: BasicAndReplay) -> None:
    """A replay gives all records of its range, and not a page."""
    offsets: list[int] = []
    for _ in range(_MANY // 20):
        offsets += await together(*(stream.append("s", b"x") for _ in range(20)))
    offsets.sort()
    found = [record.offset async for record in stream.replay("s", offsets[0], offsets[-1])]
    same("stream_replay.7", len(found), len(offsets) - 1, f"a replay of {_MANY - 1} records does not give them")
    same("stream_replay.7", found, offsets[:-1], f"a replay of {_MANY - 1} records does not give them")
    await stream.trim("s", offsets[-1])
    found = [record.offset async for record in stream.read("s")]
    same("stream_basic.7", found, offsets[-1:], f"a trim of {_MANY - 1} records leaves some")


@check("stream_consumer_groups.10", "stream_consumer_groups.5")
async def however_much_another_settles_a_receive_waits_on(stream: StreamConsumerGroups, case: Case) -> None:
    """What another member acks, or gives back for later, neither ends a wait nor makes it deaf."""
    other = await case.client()
    await stream.create_group("s", "g")
    joining = stream.join("s", "g", "first")
    member = await joining.__aenter__()
    held = await gets(case, member, await fill(stream, "s", numbered(_EVENTS), laws=GROUPS))
    async with other.join("s", "g", "second") as second:
        waiting = asyncio.ensure_future(receive(second, 1, 1e4 if case.clock.virtual else 15.0))
        for number, delivery in enumerate(held):
            await case.clock.sleep(0.001 if case.clock.virtual else 0)
            await (member.ack(delivery) if number % 3 == 0 else member.nack(delivery, delay_s=_LATER_S))
        if waiting.done() and not waiting.result():
            sentence = f"a receive that waits returned before its timeout, while another member settled {_EVENTS} records"
            broken("stream_consumer_groups.10", sentence, expected="it waits on", got=[])
        await fill(stream, "s", [b"comes"], laws=GROUPS)
        await joining.__aexit__(None, None, None)
        if not await waiting:
            sentence = "a receive that waits is not given what comes in the end"
            broken("stream_consumer_groups.10", sentence, expected="a record", got=[])


@check("stream_basic.1")
@gauntlet(lambda limits: [{"names": names} for names in (1, 3, 12)])
async def headers_of_the_same_names_are_their_own(stream: StreamBasic, names: int) -> None:
    """Records that differ in nothing but the values of their headers are read each with its own."""
    wanted = [{f"h{place}": f"{number}-{place}" for place in range(names)} for number in range(3)]
    for headers in wanted:
        await stream.append("s", b"same", "key", headers)
    found = [dict(record.headers) async for record in stream.read("s")]
    same("stream_basic.1", found, wanted, "records with headers of the same names are not read with the values of their own")


@check("stream_basic.1", "stream_basic.3")
async def a_stream_stays_however_many_others_come(stream: StreamBasic, case: Case) -> None:
    """What was appended is there, whatever was appended to hundreds of other streams, and offsets go on."""
    count = 12 if case.server else 1100
    offsets = [await stream.append("s", b"before")]
    for number in range(count):
        await stream.append(f"other {number}", b"x")
    same("stream_basic.1", await stream.latest_offset("s"), offsets[0], f"behind {count} streams, the latest offset of the first")
    offsets.append(await stream.append("s", b"behind"))
    found = [(record.offset, record.payload) async for record in stream.read("s")]
    wanted = list(zip(offsets, (b"before", b"behind"), strict=True))
    same("stream_basic.1", found, wanted, f"behind {count} streams, the records of the first")
    same("stream_basic.3", offsets[0] < offsets[1], True, "offsets of a stream increase")


@check("stream_consumer_groups.10", "stream_consumer_groups.7")
async def what_was_due_once_ends_no_wait(stream: StreamConsumerGroups, case: Case) -> None:
    """A record that was given back for later, and is acked by then, neither ends a wait at its instant nor comes."""
    later_s, wait_s = (50.0, 1000.0) if case.clock.virtual else (0.1, 0.3)
    await stream.create_group("s", "g")
    joining = stream.join("s", "g", "c")
    member = await joining.__aenter__()
    held = await gets(case, member, await fill(stream, "s", numbered(1), laws=GROUPS))
    await member.nack(*held, delay_s=later_s)
    await joining.__aexit__(None, None, None)
    async with stream.join("s", "g", "c") as second:
        await second.ack(*await receive(second, 1, wait_s * 10))
        began_s = case.clock.now_s()
        got = await receive(second, 1, wait_s)
        passed_s = case.clock.now_s() - began_s
        if not got and passed_s < wait_s * (0.999 if case.clock.virtual else 0.8):
            sentence = "a receive of nothing returned before its timeout, where a delay would have ended of what was acked since"
            broken("stream_consumer_groups.10", sentence, expected=f"{wait_s:g} s", got=f"{passed_s:g} s")
        same("stream_consumer_groups.6", got, [], "what was acked comes again")
