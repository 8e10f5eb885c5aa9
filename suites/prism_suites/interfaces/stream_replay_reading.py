"""stream_replay: what a replay gives, which is what a read does between two offsets."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import refused, same
from prism_suites._stream_replaying import Replayed, comes_after
from prism_suites._stream_shared import GROUPS, fill, is_record, numbered, read
from prism_suites.interfaces.keyvalue_basic_limits import bad_names
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import InvalidName, StreamReplay
from prism_testkit.strategies import payload_pools


async def _replay(slot: Any, name: str, start: Any, stop: Any) -> list[Any]:
    return [record async for record in slot.replay(name, start, stop)]


@check("stream_replay.7")
@gauntlet(lambda limits: [{"count": count} for count in (0, 1, 3, 12)])
async def a_replay_gives_what_lies_between(stream: StreamReplay, case: Case, count: int) -> None:
    """Every record from ``start`` on and below ``stop``, whole, in order, and no other, to every client (ST-02, ST-03, ST-33)."""
    puts = await fill(stream, "s", numbered(count), "k", {"h": "v"}, laws=GROUPS)
    edges = sorted({0, 10**30, *(put.offset + more for put in puts for more in (0, 1))})
    for slot in (stream, await case.client()):
        for start in edges:
            for stop in edges:
                got = await _replay(slot, "s", start, stop)
                wanted = [put for put in puts if start <= put.offset < stop]
                story = f"a replay from {start} to {stop} does not give what lies between"
                same("stream_replay.7", [record.offset for record in got], [put.offset for put in wanted], story)
                for record, put in zip(got, wanted, strict=True):
                    is_record("stream_replay.7", record, put, "a replay gives a record otherwise than it was appended")
    same(
        "stream_replay.7",
        await _replay(stream, "never used", 0, 10),
        [],
        "a replay of a stream that was never used gives something",
    )


@check("stream_replay.7", "stream_replay.8")
@given(payloads=payload_pools(min_size=1, max_size=8), start=st.integers(0, 8), stop=st.integers(0, 8))
async def a_replay_is_a_read(stream: StreamReplay, case: Case, payloads: tuple[bytes, ...], start: int, stop: int) -> None:
    """Payloads of every kind come as `read` gives them, with the same instants (ST-03)."""
    puts = await fill(stream, "s", payloads, laws=GROUPS)
    low, high = puts[min(start, len(puts) - 1)].offset, puts[min(stop, len(puts) - 1)].offset
    everything = await read(stream, "s")
    wanted = [record for record in everything if low <= record.offset < high]
    same("stream_replay.7", await _replay(stream, "s", low, high), wanted, "a replay gives something else than a read")
    same("stream_replay.8", await read(stream, "s"), everything, "a replay changed the stream")


@check("stream_replay.7", "stream_replay.8")
@gauntlet(lambda limits: [{"count": count, "size": size} for count, size in ((1100, 1), (12, min(300_000, limits.max_payload)))])
async def a_long_replay_gives_all_and_ends(stream: StreamReplay, case: Case, count: int, size: int) -> None:
    """However many records, and however large, it gives each once, and nothing that was appended after it began (ST-06, ST-35)."""
    count = min(count, 300) if case.server else count
    puts = await fill(stream, "s", [b"%d" % number + bytes(max(0, size - 8)) for number in range(count)], laws=GROUPS)
    offsets: list[int] = []
    async for record in stream.replay("s", 0, puts[-1].offset + 10**18):
        if not offsets:
            await fill(stream, "s", numbered(3, "later"), laws=GROUPS)
        offsets.append(record.offset)
    same(
        "stream_replay.7",
        offsets,
        [put.offset for put in puts],
        "a long replay does not give each record once, up to where the stream ended as it began",
    )


@check("stream_replay.7")
@gauntlet(lambda limits: [{"before": before} for before in (0, 3)])
async def a_replay_begins_at_its_first_step(stream: StreamReplay, case: Case, before: int) -> None:
    """What was appended after the call of `replay`, and before its first step, is given too (ST-04)."""
    puts = await fill(stream, "s", numbered(before), laws=GROUPS)
    records = stream.replay("s", 0, 10**30)
    puts += await fill(await case.client(), "s", numbered(3, "later"), laws=GROUPS)
    got = [record.offset async for record in records]
    told = "a replay does not give everything up to the end as of its first step"
    same("stream_replay.7", got, [put.offset for put in puts], told)


@check("stream_replay.8", "stream_replay.7")
async def a_replay_that_is_left_changes_nothing(stream: Replayed, case: Case) -> None:
    """Left early, by break, again and again, beside a group with a member: nothing is taken from anybody (ST-36)."""
    puts = await fill(stream, "s", numbered(6), laws=GROUPS)
    await stream.create_group("s", "g")
    await _replay(stream, "s", 0, puts[3].offset)
    async for _ in stream.replay("s", 0, puts[-1].offset + 1):
        break
    async with stream.join("s", "g", "c"):
        for number in range(20):
            async for record in stream.replay("s", puts[1].offset, puts[5].offset):
                if record.offset >= puts[1 + number % 4].offset:
                    break
        got = [record.offset for record in await _replay(stream, "s", 0, puts[-1].offset + 1)]
        same("stream_replay.8", got, [put.offset for put in puts], "replays that were left changed something")
    await comes_after(case, stream, puts, "stream_replay.8", "replays that were left")
    await stream.trim("s", puts[3].offset)
    got = [record.offset for record in await _replay(stream, "s", 0, puts[5].offset)]
    same("stream_replay.7", got, [put.offset for put in puts[3:5]], "a replay of a trimmed stream does not begin with the oldest")


@check("stream_replay.7", "stream_replay.9")
async def arguments_of_a_replay_are_checked(stream: StreamReplay, case: Case) -> None:
    """Negative offsets raise ``ValueError``, illegal names `InvalidName`, at the latest at the first step."""
    await fill(stream, "s", numbered(2), laws=GROUPS)
    for start, stop in ((-1, 1), (0, -1), (-5, -1), (-(2**63), 10)):
        await refused("stream_replay.7", _replay(stream, "s", start, stop), ValueError, "a negative offset is not refused")
    values: tuple[tuple[Any, Any], ...] = (("0", 1), (0, "1"), (None, 1), (0, None), (0.0, 1))
    for start, stop in values:
        await refused("stream_replay.7", _replay(stream, "s", start, stop), TypeError, "what is no int is not refused")
    for name, _ in bad_names(case.limits.max_name):
        await refused("stream_replay.9", _replay(stream, name, 0, 1), InvalidName, "a bad name is not refused")


@check("stream_replay.9")
async def namespaces_are_apart(stream: StreamReplay, case: Case) -> None:
    """A replay gives nothing of another namespace."""
    sibling = await case.sibling()
    puts = await fill(stream, "s", numbered(3), laws=GROUPS)
    same("stream_replay.9", await _replay(sibling, "s", 0, puts[-1].offset + 1), [], "a replay gives records of another namespace")
