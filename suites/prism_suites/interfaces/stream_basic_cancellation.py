"""stream_basic: a call that is cancelled at any point did all of it or nothing, disturbs nobody, and the driver goes on."""

import asyncio
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._queue_cancelling import cancelled, points
from prism_suites._stream_shared import Put, fill, goes_on, is_record, numbered, read, reads
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import StreamBasic


@check("stream_basic.14", "stream_basic.12")
@gauntlet(points(("small", "large", "of another client"), few=("of another client",)))
async def a_cancelled_append_is_whole_or_absent(stream: StreamBasic, case: Case, kind: str, point: int) -> None:
    """An append that is cancelled at any point leaves its record whole, once, or not at all; others stay (ST-19)."""
    payload = b"new;" * (min(case.limits.max_payload, 100_000) // 4) if kind == "large" else b"new"
    headers = {"a": "b", "c": "d"}
    writer = await case.client() if kind == "of another client" else stream
    before = await fill(stream, "s", [b"before"])
    case.overlap()
    ended, told = await cancelled(writer.append("s", payload, "k", headers), point)
    if isinstance(point, int) and point % 2 == 0:  # the next call of its kind takes whatever the cancelled one has let go
        await writer.append("beside", b"else" * (len(payload) // 4), "other", {"c": "other"})
    # Before anything else is appended, and hides it: the last offset is that of the last record.
    first = [record.offset for record in await read(stream, "s")]
    last = await stream.latest_offset("s")
    after = await fill(stream, "s", [b"after"])
    seen: list[int] = []
    for _ in range(2):
        got = await read(stream, "s")
        found = [record.payload for record in got]
        allowed = [[b"before", payload, b"after"]]
        if not ended:
            allowed += [[b"before", b"after"], [b"before", b"after", payload]]
        if found not in allowed:
            sentence = "a cancelled append left something else than its record, once, or nothing"
            broken("stream_basic.14", sentence, expected=allowed, got=found)
        offsets = [record.offset for record in got]
        if offsets[: len(seen)] != seen:
            broken("stream_basic.4", "a record appears below one that was read, or goes", expected=seen, got=offsets)
        seen = offsets
        for record in got:
            if record.payload == payload:
                put = Put(told if ended else record.offset, payload, "k", headers)
                is_record("stream_basic.14", record, put, "a cancelled append left a part of its record")
        await asyncio.sleep(0)
    if last not in [offset for offset in seen if offset >= first[-1] and offset != after[0].offset]:
        sentence = "latest_offset and read do not agree after a cancelled append"
        broken("stream_basic.14", sentence, expected=first[-1], got=last)
    same(
        "stream_basic.14",
        [offset for offset in seen if offset in (before[0].offset, after[0].offset)],
        [before[0].offset, after[0].offset],
        "records move",
    )
    same(
        "stream_basic.6",
        await stream.latest_offset("s"),
        (await read(stream, "s"))[-1].offset,
        "latest_offset is wrong after a cancelled append",
    )
    await goes_on(writer, "stream_basic.14")


@check("stream_basic.14")
@gauntlet(points(("read", "latest_offset", "trim", "trim of all")))
async def a_cancelled_call_leaves_the_stream_whole(stream: StreamBasic, case: Case, kind: str, point: int) -> None:
    """A cancelled read or look changes nothing; a cancelled trim removed all that it was to remove, or nothing (ST-36)."""
    puts = await fill(stream, "s", numbered(7), "k", {"h": "v"})
    bound = puts[3].offset if kind == "trim" else puts[-1].offset + 1
    calls: dict[str, Any] = {
        "read": lambda: read(stream, "s"),
        "latest_offset": lambda: stream.latest_offset("s"),
        "trim": lambda: stream.trim("s", bound),
        "trim of all": lambda: stream.trim("s", bound),
    }
    case.overlap()
    ended, _ = await cancelled(calls[kind](), point)
    gone = [put for put in puts if put.offset >= bound]
    trims = kind.startswith("trim")
    for _ in range(2):
        found = [record.offset for record in await read(stream, "s")]
        allowed = [[put.offset for put in puts]] if not (trims and ended) else []
        if trims:
            allowed.append([put.offset for put in gone])
        if found not in allowed:
            broken(
                "stream_basic.14", f"a cancelled {kind} left something else than all of it or nothing", expected=allowed, got=found
            )
    same("stream_basic.6", await stream.latest_offset("s"), puts[-1].offset, "after a cancelled call latest_offset is another")
    after = await fill(stream, "s", [b"after"])
    await reads(stream, "s", after, start=puts[-1].offset + 1, story="after a cancelled call", loss="stream_basic.14")
    with case.law("stream_basic.14"):
        for call in calls.values():  # the same one, and the others, once more
            await call()
    await goes_on(stream, "stream_basic.14")


@check("stream_basic.14", "stream_basic.1")
@gauntlet(lambda limits: [{"taken": taken, "close": close} for taken in (0, 1, 2, 5) for close in (True, False)])
async def a_read_that_is_left_changes_nothing(stream: StreamBasic, case: Case, taken: int, close: bool) -> None:
    """A read may be left after any record, closed or not, as often as one likes; what is there is read as before (ST-36)."""
    other = await case.client()
    puts = await fill(stream, "s", numbered(6))
    left = []
    for turn in range(25):
        reader: Any = (other if turn % 2 else stream).read("s")
        for _ in range(taken):
            await anext(reader)
        if close:
            await reader.aclose()
        else:
            left.append(reader)
    puts += await fill(stream, "s", [b"after"])
    for slot in (stream, other):
        await reads(slot, "s", puts, story="after reads that were left", loss="stream_basic.14")
        await goes_on(slot, "stream_basic.14", f"next-{slot is other}")
    for reader in left:
        await reader.aclose()


@check("stream_basic.14")
@gauntlet(lambda limits: [{"times": 100}])
async def many_cancelled_calls_use_nothing_up(stream: StreamBasic, case: Case, times: int) -> None:
    """After many cancelled calls connections, cursors and locks are all there again (ST-36)."""
    puts = await fill(stream, "s", numbered(5))
    for number in range(times):
        calls: tuple[Any, ...] = (
            lambda: read(stream, "s"),
            lambda: stream.latest_offset("s"),
            lambda: stream.append("other", b"x"),
            lambda: stream.trim("other", 0),
        )
        call = calls[number % 4]()
        await cancelled(call, 1 + number % 5)
    await reads(stream, "s", puts, story=f"after {times} cancelled calls", loss="stream_basic.14")
    await goes_on(stream, "stream_basic.14")
