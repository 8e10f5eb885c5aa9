"""stream_replay: seeks and replays over what compaction, bounds and trims have removed."""

from collections.abc import Sequence
from typing import Any

from prism_suites._judging import same
from prism_suites._stream_replaying import Replayed, comes_after, quiet_group
from prism_suites._stream_shared import GROUPS, Put, fill, read
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import StreamRetention
from prism_testkit.tap import offers

_KEYS = (None, "a", "b", "a", None, "b", "c", "a", "c", "b")
"""Of these compaction removes those at 1, 2, 3, 5 and 6: holes of several, and of one."""
_STEP_S = 2.0
_HOW = ("compacted", "compacted again", "bounded and compacted", "compacted and trimmed")


async def _with_holes(case: Case, slot: Any, how: str) -> tuple[list[Put], list[Put], dict[int, int]]:
    """Return all records that were appended, those that are kept, and the instants of all by offset."""
    puts: list[Put] = []
    instants: dict[int, int] = {}
    for number, key in enumerate(_KEYS):
        puts += await fill(slot, "s", [b"%d" % number], key, laws=GROUPS)
        instants |= {record.offset: record.appended_ms for record in await read(slot, "s", puts[-1].offset)}
        if case.clock.virtual:
            await case.advance(_STEP_S)
        if how == "compacted again" and number == len(_KEYS) // 2:
            await slot.compact("s")
    if how == "bounded and compacted":
        await slot.set_retention("s", max_records=8)
        await slot.enforce_retention("s")
    await slot.compact("s")
    first = puts[0].offset
    if how == "compacted and trimmed":
        first = puts[3].offset
        await slot.trim("s", first)
    elif how == "bounded and compacted":
        first = puts[2].offset
    last = {put.key: put.offset for put in puts}
    return puts, [put for put in puts if put.offset >= first and (put.key is None or last[put.key] == put.offset)], instants


@check("stream_replay.1", "stream_replay.2", "stream_replay.3")
@gauntlet(lambda limits: [{"how": how, "by": by} for how in _HOW for by in ("offset", "time")])
async def a_seek_goes_over_holes(stream: Replayed, case: Case, how: str, by: str) -> None:
    """Moved to whatever was appended, kept or not, a group goes on with the next that is kept (ST-05, ST-24)."""
    slot = await case.whole()
    if not offers(slot, StreamRetention) or case.traits.compaction != "immediate":
        return
    await stream.create_group("s", "g")
    if by == "time" and not case.clock.virtual:
        return  # many records have one instant there
    puts, kept, instants = await _with_holes(case, slot, how)
    for put in puts:
        wanted = [other for other in kept if other.offset >= put.offset]
        story = f"a seek by {by} to record {put.payload.decode()} of a stream that was {how}"
        if by == "time":
            await slot.seek_to_time("s", "g", instants[put.offset])
        else:
            await slot.seek("s", "g", put.offset)
        await quiet_group(case, slot, wanted, "stream_replay.2" if by == "time" else "stream_replay.1", story)
        await comes_after(case, slot, wanted, "stream_replay.2" if by == "time" else "stream_replay.1", story)


@check("stream_replay.7")
@gauntlet(lambda limits: [{"how": how} for how in _HOW])
async def a_replay_goes_over_holes(stream: Replayed, case: Case, how: str) -> None:
    """From whatever to whatever was appended, it gives what is kept between (ST-05)."""
    slot = await case.whole()
    if not offers(slot, StreamRetention) or case.traits.compaction != "immediate":
        return
    puts, kept, _ = await _with_holes(case, slot, how)
    bounds: Sequence[int] = [0, *(put.offset for put in puts), puts[-1].offset + 1]
    for start in bounds:
        for stop in bounds:
            found = [record.offset async for record in slot.replay("s", start, stop)]
            wanted = [put.offset for put in kept if start <= put.offset < stop]
            same("stream_replay.7", found, wanted, f"a replay from {start} to {stop} of a stream that was {how}")
