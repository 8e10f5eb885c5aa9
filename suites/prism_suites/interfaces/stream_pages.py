"""stream: whatever its place in a page, everything about a record is its own: key, headers, instant, number and count.

A driver that brings records by the hundred has code that runs only from the second page on, and another for what comes first.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Protocol

from prism_suites._judging import broken, same
from prism_suites._pages import item
from prism_suites._stream_bounds import everything
from prism_suites._stream_shared import BASIC, GROUPS, Laws, Put, append, increase, is_record, timed
from prism_suites._stream_taking import gets, nothing_comes
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Record, StreamBasic, StreamConsumerGroups, StreamPartitioning, StreamReplay
from prism_testkit.tap import offers


class BasicAndReplay(StreamBasic, StreamReplay, Protocol):
    """A stream that is read in both ways."""


def _count(case: Case) -> int:
    """Return how many records there are: more than a page of a thousand, where an append costs no round trip."""
    return 270 if case.server else 1100


def _kind(number: int) -> tuple[bytes, str | None, dict[str, str]]:
    """Return payload, key and headers of a record."""
    payload, headers = item(number)
    return payload, None if number % 5 == 0 else f"k{number}", headers


async def _fill(slot: Any, stream: str, count: int, laws: Laws = BASIC) -> list[Put]:
    puts = [await append(slot, stream, *_kind(number), laws=laws) for number in range(count)]
    increase(puts, laws)
    return puts


def _each(promise: str, got: Sequence[Any], puts: Sequence[Put], story: str, *, whole: str = "") -> None:
    """Judge that these are exactly the records, each as it was appended; say at which place one is not."""
    found = [record.offset for record in got if isinstance(record, Record)]
    if found != (wanted := [put.offset for put in puts]):
        missing = [offset for offset in wanted if offset not in found][:5]
        sentence = f"{story} does not give each of {len(puts)} records once, in their order"
        broken(whole or promise, sentence, expected=f"{len(wanted)}, also {missing}" if missing else len(wanted), got=len(found))
    for place, (record, put) in enumerate(zip(got, puts, strict=True), 1):
        is_record(promise, record, put, f"record {place} of {story} is not as it was appended")


@check("stream_basic.2", "stream_basic.1", "stream_basic.13", "stream_basic.5")
async def every_record_of_a_read_is_its_own(stream: StreamBasic, case: Case) -> None:
    """Of many records each is read with its own key, headers and instant, from the beginning and from the middle (ST-01, ST-07)."""
    puts, windows = list[Put](), list[tuple[int, int]]()
    for number in range(1030 if case.server else 1100):
        if number % 7 == 0 and case.clock.virtual:
            await case.clock.sleep(0.01)
        payload, key, headers = _kind(number)
        if number % 7 == 3:
            put, start, end = await timed(case, stream, "s", payload)
        else:
            put, start, end = await append(stream, "s", payload, key, headers), 0, 0
        puts.append(put)
        windows.append((start, end))
    middle = len(puts) // 3
    whole = await everything(stream.read("s"))
    _each("stream_basic.2", whole, puts, "a read", whole="stream_basic.1")
    for record, (start, end) in zip(whole, windows, strict=True):
        if end and not start <= record.appended_ms <= end:
            sentence = "appended_ms of a record is not when it was appended"
            broken("stream_basic.13", sentence, expected=f"{start} to {end}", got=record.appended_ms)
    story = "a read from the middle on"
    _each("stream_basic.2", await everything(stream.read("s", puts[middle].offset)), puts[middle:], story, whole="stream_basic.1")
    for limit in (101, 257, len(puts) - 1):
        story = f"a read of at most {limit}"
        _each("stream_basic.2", await everything(stream.read("s", 0, limit)), puts[:limit], story, whole="stream_basic.5")
    looks = {record.offset: record.appended_ms for record in whole}
    again = [(record.offset, record.appended_ms) async for record in stream.read("s", puts[middle].offset)]
    same("stream_basic.13", again, [(o, looks[o]) for o, _ in again], "two reads tell different instants of one record")


@check("stream_replay.7")
async def every_record_of_a_replay_is_its_own(stream: BasicAndReplay, case: Case) -> None:
    """The same of a replay (ST-18)."""
    puts = await _fill(stream, "s", _count(case))
    behind = puts[-1].offset + 1
    _each("stream_replay.7", await everything(stream.replay("s", 0, behind)), puts, "a replay")
    _each(
        "stream_replay.7", await everything(stream.replay("s", puts[9].offset, puts[-9].offset)), puts[9:-9], "a replay of a part"
    )


@check("stream_partitioning.6")
async def every_record_of_a_partition_is_its_own(stream: StreamPartitioning, case: Case) -> None:
    """The same of each of three partitions, the records of which were appended by turns (ST-13)."""
    await stream.create_partitioned("s", 3)
    puts: list[list[Put]] = [[], [], []]
    for number in range(3 * (_count(case) // 2)):
        payload, key, headers = _kind(number)
        offset = await stream.append_to_partition("s", number % 3, payload, key, headers)
        puts[number % 3].append(Put(offset, payload, key, headers))
    for number, wanted in enumerate(puts):
        got = await everything(stream.read_partition("s", number))
        _each("stream_partitioning.6", got, wanted, f"a read of partition {number}")
        numbers = {record.partition for record in got}
        same("stream_partitioning.6", numbers, {number}, "a read of a partition gives records of another number")
        got = await everything(stream.read_partition("s", number, wanted[5].offset, 105))
        _each("stream_partitioning.6", got, wanted[5:110], f"a read of 105 records of partition {number}")


@check(*(f"stream_consumer_groups.{number}" for number in (3, 1, 5, 6, 11)))
@gauntlet(lambda limits: [{"most": most} for most in (2, 11, 101, 1100)])
async def every_record_of_a_receive_is_its_own(stream: StreamConsumerGroups, case: Case, most: int) -> None:
    """Each record of a receive of many has its own key, headers, count and token: what is given back comes again, what is acked
    does not (ST-11, ST-26)."""
    count = 40 if most == 2 else min(_count(case), 3 * most)
    puts = await _fill(stream, "s", count, GROUPS)
    await stream.create_group("s", "g")
    async with stream.join("s", "g", "c") as member:
        story = f"a receive of at most {most}"
        got = await gets(case, member, puts, most=most, story=story)
        given, kept = got[: count // 2], got[count // 2 :]
        await member.ack(*kept)
        sentence = f"a record that was acked with {len(kept) - 1} others, or is held, comes again"
        await nothing_comes(case, member, "stream_consumer_groups.6", sentence)
        await member.nack(*given)
        again = await gets(
            case, member, puts[: count // 2], promise="stream_consumer_groups.5", most=most, story=f"{story}, again", times=2
        )
        await member.ack(*again)
        await nothing_comes(case, member, "stream_consumer_groups.6", sentence)
        info = await stream.group_info("s", "g")
        same("stream_consumer_groups.11", info.pending, 0, "group_info tells of something pending, though all was acked")


_LONG, _MORE = 450, 230
"""More than a few pages, and more than two that come while they are read."""


async def _meets(case: Case, promise: str, iterator: AsyncIterator[Record], write: Callable[[int], Any], at: int) -> None:
    """Iterate, let more than a page be written in the midst, and judge that what is given has no hole."""
    offsets = [await write(number) for number in range(_LONG)]
    found = []
    async for record in iterator:
        found.append(record.offset)
        if len(found) == at:
            offsets += [await write(number) for number in range(_LONG, _LONG + _MORE)]
    same(promise, len(found) >= _LONG, True, f"a read of {_LONG}, beside which {_MORE} are appended, gives {len(found)}")
    sentence = f"a read of {_LONG} records, behind {at} of which {_MORE} are appended, leaves a hole"
    same(promise, found, offsets[: len(found)], sentence)


_AT = (1, 101, _LONG - 1, _LONG)


@check("stream_basic.1", "stream_basic.4", "stream_replay.7")
@gauntlet(lambda limits: [{"at": at, "how": how} for at in _AT for how in ("read", "replay")])
async def a_long_read_meets_more_than_a_page(stream: StreamBasic, case: Case, at: int, how: str) -> None:
    """What is appended while a long stream is read or replayed follows or not, without a hole (ST-04, ST-18)."""
    if case.server and at != _LONG - 1:
        return  # each append is a round trip
    slot = await case.whole()
    if how == "replay" and not offers(slot, StreamReplay):
        return
    iterator = stream.read("s") if how == "read" else slot.replay("s", 0, 2**63 - 1)
    promise = "stream_basic.1" if how == "read" else "stream_replay.7"
    await _meets(case, promise, iterator, lambda number: stream.append("s", b"%d" % number), at)


@check("stream_partitioning.6", "stream_partitioning.7")
@gauntlet(lambda limits: [{"at": at} for at in _AT])
async def a_long_read_of_a_partition_meets_more_than_a_page(stream: StreamPartitioning, case: Case, at: int) -> None:
    """The same of one of several partitions."""
    if case.server and at != _LONG - 1:
        return
    await stream.create_partitioned("s", 3)
    write = stream.append_to_partition
    await _meets(case, "stream_partitioning.6", stream.read_partition("s", 1), lambda n: write("s", 1, b"%d" % n), at)
