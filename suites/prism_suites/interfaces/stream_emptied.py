"""stream: what was emptied has an end all the same, whatever is asked of it then; long reads meet more than a page of appends."""

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

from prism_suites._judging import broken, refused, same
from prism_suites._queue_shared import BAD_HEADERS
from prism_suites._stream_shared import append, fill, numbered, read
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import (
    Record,
    StreamBasic,
    StreamConsumerGroups,
    StreamPartitioning,
    StreamReplay,
    StreamRetention,
)
from prism_testkit.tap import offers

_THEN: dict[str, tuple[type, Callable[[Any], Any]]] = {
    "trim": (StreamBasic, lambda slot: slot.trim("s", 0)),
    "trim to the end": (StreamBasic, lambda slot: slot.trim("s", 10**9)),
    "read": (StreamBasic, lambda slot: read(slot, "s")),
    "compact": (StreamRetention, lambda slot: slot.compact("s")),
    "enforce_retention": (StreamRetention, lambda slot: slot.enforce_retention("s")),
    "set_retention": (StreamRetention, lambda slot: slot.set_retention("s", 1e6, 5)),
    "retention": (StreamRetention, lambda slot: slot.retention("s")),
    "create_group": (StreamConsumerGroups, lambda slot: slot.create_group("s", "g")),
    "group_info": (StreamConsumerGroups, lambda slot: slot.group_info("s", "before")),
    "join": (StreamConsumerGroups, lambda slot: _joined(slot)),
    "seek": (StreamReplay, lambda slot: slot.seek("s", "before", 0)),
    "seek_to_time": (StreamReplay, lambda slot: slot.seek_to_time("s", "before", 0)),
    "replay": (StreamReplay, lambda slot: _all(slot.replay("s", 0, 10**9))),
    "partitions": (StreamPartitioning, lambda slot: slot.partitions("s")),
    "create_partitioned": (StreamPartitioning, lambda slot: _parted(slot)),
}


async def _joined(slot: Any) -> None:
    async with slot.join("s", "before", "c") as member:
        same("stream_consumer_groups.10", await member.receive(3), [], "a member of a stream that is empty is given something")


async def _parted(slot: Any) -> None:
    with suppress(Exception):  # the stream was used, and what that raises is judged elsewhere
        await slot.create_partitioned("s", 3)


async def _all(iterator: AsyncIterator[Record]) -> list[Record]:
    return [record async for record in iterator]


@check("stream_basic.6", "stream_basic.3", "stream_basic.1", "stream_retention.9")
@gauntlet(lambda limits: [{"then": then, "by": by} for then in _THEN for by in ("trim", "age")])
async def what_is_emptied_keeps_its_end(stream: StreamBasic, case: Case, then: str, by: str) -> None:
    """Emptied by a trim or by its bounds, and then asked for this or that, a stream tells its last offset, and gives none again."""
    slot = await case.whole()
    interface, call = _THEN[then]
    if not offers(slot, interface) or (by == "age" and not (offers(slot, StreamRetention) and case.clock.virtual)):
        return
    if offers(slot, StreamConsumerGroups):
        await slot.create_group("s", "before")
    puts = await fill(stream, "s", numbered(5), "k")
    if by == "trim":
        await stream.trim("s", puts[-1].offset + 1)
    else:
        await slot.set_retention("s", 1.0)
        await case.advance(10.0)
        await slot.enforce_retention("s")
        await slot.set_retention("s")
    same("stream_basic.7", await read(stream, "s"), [], "a stream that was emptied gives something")
    other = await case.client()
    promise = "stream_retention.9" if interface is StreamRetention or by == "age" else "stream_basic.6"
    for turn in ("", ", again"):
        await call(slot)
        for client in (stream, other):
            told = f"latest_offset of a stream that was emptied by {by}, behind {then}{turn}"
            same(promise, await client.latest_offset("s"), puts[-1].offset, told)
        if then == "create_group":
            break
    put = await append(other, "s", b"next", "k")
    if put.offset <= puts[-1].offset:
        sentence = f"an offset is given again, behind {then} of a stream that was emptied"
        broken("stream_basic.3", sentence, expected=f"above {puts[-1].offset}", got=put.offset)
    same("stream_basic.1", [record.offset for record in await read(stream, "s")], [put.offset], f"a read behind {then}")


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


@check("stream_partitioning.8")
@gauntlet(lambda limits: [{"number": number} for number in range(len(BAD_HEADERS))])
async def bad_headers_are_refused_by_a_partition(stream: StreamPartitioning, case: Case, number: int) -> None:
    """Headers that are illegal or over their limit are refused, whichever partition they are for, before any effect (ST-30)."""
    headers, errors = BAD_HEADERS[number]
    await stream.create_partitioned("s", 2)
    for place, key in ((0, "k"), (1, None)):
        call = stream.append_to_partition("s", place, b"x", key, headers)
        await refused("stream_partitioning.8", call, errors, "illegal headers are not refused by append_to_partition")
        same("stream_partitioning.8", await _all(stream.read_partition("s", place)), [], "a refused append left a record")
