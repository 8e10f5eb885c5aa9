"""stream: calls of one client that are under way at once, each with a stream, a group and numbers of its own, do not meet."""

from typing import Any

from prism_suites._judging import same
from prism_suites._racing import together
from prism_suites._stream_bounds import Bounded, everything
from prism_suites._stream_parting import Parted, put_in, read_part
from prism_suites._stream_replaying import Replayed, comes_after, from_on
from prism_suites._stream_shared import GROUPS, Put, append, fill, numbered, read
from prism_suites._stream_taking import take
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Retention, StreamBasic, StreamConsumerGroups

_STREAMS = ("a", "b", "c", "d")
_TURNS = tuple({"first": first} for first in range(2))
"""Which end of the streams is called first."""


def _turned(calls: list[Any], first: int) -> list[Any]:
    return calls[::-1] if first else calls


async def _filled(stream: Any) -> dict[str, list[Put]]:
    """Fill streams with numbers of records of their own."""
    return {name: await fill(stream, name, numbered(6 + 2 * number)) for number, name in enumerate(_STREAMS)}


@check("stream_basic.7", "stream_basic.12")
@gauntlet(lambda limits: _TURNS)
async def trims_at_once_keep_to_their_streams(stream: StreamBasic, case: Case, first: int) -> None:
    """Of several streams that are trimmed at once each loses what is below its own bound, and the trims of one do not add up."""
    puts = await _filled(stream)
    case.overlap()
    bounds = [(name, 1 + 2 * number + more) for number, name in enumerate(_STREAMS) for more in (0, 1)]
    await together(*_turned([stream.trim(name, puts[name][place].offset) for name, place in bounds], first))
    for number, name in enumerate(_STREAMS):
        wanted = [put.offset for put in puts[name][2 + 2 * number :]]
        same("stream_basic.7", [record.offset for record in await read(stream, name)], wanted, "trims at once meet each other")


@check("stream_consumer_groups.1", "stream_consumer_groups.9")
@gauntlet(lambda limits: _TURNS)
async def groups_made_at_once_begin_each_at_its_own(stream: StreamConsumerGroups, case: Case, first: int) -> None:
    """Of groups that are made at once, of one stream and of several, each begins where it was to."""
    puts = await _filled(stream)
    case.overlap()
    starts: dict[tuple[str, str], int] = {(name, f"g{number}"): number for number in (0, 3, 5) for name in _STREAMS}
    calls = [stream.create_group(name, group, puts[name][place].offset) for (name, group), place in starts.items()]
    await together(*_turned(calls, first))
    for (name, group), place in starts.items():
        wanted = [put.offset for put in puts[name][place:]]
        async with stream.join(name, group, "c") as member:
            got = [delivery.record.offset for delivery in await take(case, member, len(wanted))]
        same("stream_consumer_groups.1", got, wanted, "of groups made at once one begins elsewhere")


@check("stream_replay.6", "stream_replay.1", "stream_replay.2")
@gauntlet(lambda limits: _TURNS)
async def groups_moved_at_once_go_each_to_its_own(stream: Replayed, case: Case, first: int) -> None:
    """Of groups that are moved at once, of one stream and of several, each goes to its own place, by offset or by instant."""
    puts: dict[str, list[Put]] = {}
    for number, name in enumerate(_STREAMS):
        puts[name] = []
        for payload in numbered(4 + 2 * number):
            puts[name].append(await append(stream, name, payload, laws=GROUPS))
            await case.clock.sleep(2.0 if case.clock.virtual else 0.002)
    places = {(name, f"g{number}"): number for number in (0, 2, 3) for name in _STREAMS}
    instants = {name: [record.appended_ms async for record in stream.read(name)] for name in _STREAMS}
    for name, group in places:
        await stream.create_group(name, group, "latest")
    case.overlap()
    wanted: dict[tuple[str, str], list[Put]] = {}
    calls: list[Any] = []
    for turn, ((name, group), place) in enumerate(places.items()):
        offset, at_ms = puts[name][place].offset, instants[name][place]
        by_instant = turn % 3 == 1
        calls.append(stream.seek_to_time(name, group, at_ms) if by_instant else stream.seek(name, group, offset))
        # Several may be of one instant, where the clock is coarse.
        wanted[name, group] = from_on(puts[name], puts[name][instants[name].index(at_ms) if by_instant else place].offset)
    await together(*_turned(calls, first))
    for (name, group), behind in wanted.items():
        await comes_after(case, stream, behind, "stream_replay.6", "seeks of other groups at once", stream=name, group=group)


@check("stream_retention.6", "stream_retention.2", "stream_retention.1", "stream_retention.4", "stream_retention.7")
@gauntlet(lambda limits: [{"how": how, **turn} for how in ("bounds", "most", "compact") for turn in _TURNS])
async def removals_at_once_keep_to_their_streams(stream: Bounded, case: Case, how: str, first: int) -> None:
    """Streams that are bounded, enforced or compacted at once keep each what is inside its own bounds, or last of its keys."""
    puts = {
        name: [await append(stream, name, b"%d" % at, f"k{at % (2 + number)}" if at else None) for at in range(8 + 3 * number)]
        for number, name in enumerate(_STREAMS)
    }
    most = {name: 1 + 2 * number for number, name in enumerate(_STREAMS)}
    if how == "most":
        for name in _STREAMS:
            await stream.set_retention(name, None, most[name])
    case.overlap()
    calls: dict[str, Any] = {
        "bounds": lambda name: stream.set_retention(name, None, most[name]),
        "most": lambda name: stream.enforce_retention(name),
        "compact": lambda name: stream.compact(name),
    }
    await together(*_turned([calls[how](name) for name in _STREAMS], first))
    for name in _STREAMS:
        if how == "compact":
            last = {put.key: put.offset for put in puts[name]}
            kept = [put.offset for put in puts[name] if put.key is None or last[put.key] == put.offset]
        else:
            kept = [put.offset for put in puts[name][-most[name] :]]
            told = await stream.retention(name)
            same("stream_retention.4", told, Retention(None, most[name]), f"bounds of several streams at once meet ({how})")
        found = [record.offset for record in await everything(stream.read(name))]
        lost = [offset for offset in kept if offset not in found]
        same("stream_retention.6" if how == "compact" else "stream_retention.1", lost, [], f"{how} of several at once removes more")
        over = [offset for offset in found if offset not in kept]
        if how == "most":
            same("stream_retention.2", over, [], "of several streams that are enforced at once one keeps too much")
        elif how == "compact" and case.traits.compaction == "immediate":
            same("stream_retention.7", over, [], "of several streams that are compacted at once one keeps too much")


@check("stream_partitioning.1", "stream_partitioning.3", "stream_partitioning.6")
@gauntlet(lambda limits: _TURNS)
async def partitions_given_at_once_are_each_its_own(stream: Parted, case: Case, first: int) -> None:
    """Streams that are given partitions at once have each its own number, and appends to all of them go where they should."""
    numbers = {name: 2 + number for number, name in enumerate(_STREAMS)}
    case.overlap()
    await together(*_turned([stream.create_partitioned(name, n) for name, n in numbers.items()], first))
    for name, n in numbers.items():
        same(
            "stream_partitioning.3", await stream.partitions(name), n, "of streams that are given partitions at once one has others"
        )
    parts = [(name, place) for name, n in numbers.items() for place in range(n)]
    with case.law("stream_partitioning.6"):
        await together(*_turned([put_in(stream, name, place, f"{name}{place}".encode()) for name, place in parts], first))
    for name, place in parts:
        found = [record.payload for record in await read_part(stream, name, place)]
        same("stream_partitioning.6", found, [f"{name}{place}".encode()], "appends to several partitions at once meet")
