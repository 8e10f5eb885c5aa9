"""stream_partitioning: a partition is a log as any: its buffers, its instants, its reads."""

import contextlib
from itertools import pairwise
from typing import Any

from prism_suites._buffers import ANY_BUFFERS, payloads_are_their_bytes
from prism_suites._full_headers import FULL_HEADERS
from prism_suites._judging import broken, refused, same
from prism_suites._keyvalue_deadlines import Times
from prism_suites._queue_shared import BAD_HEADERS
from prism_suites._racing import together
from prism_suites._stream_histories import STORIES, behind, edges, history
from prism_suites._stream_parting import Parted, put_in, read_part
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import StreamPartitioning


@check("stream_partitioning.6")
@gauntlet(lambda limits: [{"before": before} for before in (0, 3)])
async def a_read_begins_at_its_first_step(stream: StreamPartitioning, case: Case, before: int) -> None:
    """What was appended after the call of `read_partition`, and before its first step, is given too (ST-04)."""
    other = await case.client()
    await stream.create_partitioned("s", 2)
    puts = [await put_in(stream, "s", 1, b"%d" % number) for number in range(before)]
    records = stream.read_partition("s", 1)
    puts += [await put_in(other, "s", 1, b"later %d" % number) for number in range(3)]
    got = [record.offset async for record in records]
    told = "a read of a partition does not give everything up to the end as of its first step"
    same("stream_partitioning.6", got, [put.offset for put in puts], told)


@check("stream_partitioning.4", "stream_partitioning.6")
@gauntlet(lambda limits: [{"form": form} for form in FULL_HEADERS])
async def everything_at_its_limit_is_accepted(stream: StreamPartitioning, case: Case, form: str) -> None:
    """The largest payload, the longest key, and headers of 8 KiB, whatever a store makes of them, are a record of a partition."""
    size = case.limits.max_payload if form == next(iter(FULL_HEADERS)) else 1
    key, headers = "k" * case.limits.max_name, FULL_HEADERS[form]
    with case.law("stream_partitioning.4"):
        await stream.create_partitioned("s", 2)
        await stream.append_to_partition("s", 1, bytes(size), key, headers)
        await stream.append("s", bytes(size), key, headers)
    found = [record for place in range(2) for record in await read_part(stream, "s", place)]
    same("stream_partitioning.6", len(found), 2, "records at the limit are not in their partitions")
    for record in found:
        told = (len(record.payload), record.key, dict(record.headers))
        same("stream_partitioning.6", told, (size, key, dict(headers)), "a record at the limit is not given as it was appended")


@check("stream_partitioning.7", "stream_partitioning.8")
@gauntlet(lambda limits: [{"kind": kind} for kind in ANY_BUFFERS])
async def a_payload_may_be_any_buffer(stream: StreamPartitioning, case: Case, kind: str) -> None:
    """What is read is the bytes of the buffer as they were at the append, though it and the headers are changed later (ST-30)."""
    await stream.create_partitioned("s", 2)
    offsets: list[int] = []

    async def give(data: Any) -> None:
        offsets.append(await stream.append_to_partition("s", 1, data))

    async def taken() -> Any:
        records = await read_part(stream, "s", 1, offsets[-1], 1)
        return records[0].payload if records else None

    await payloads_are_their_bytes(kind, case.limits, give, taken, "stream_partitioning.7", "stream_partitioning.8")
    buffer, headers = bytearray(b"before"), {"h": "before"}
    offset = await stream.append_to_partition("s", 0, memoryview(buffer) if "view" in kind else buffer, "k", headers)
    buffer[:], headers["h"] = b"behind", "behind"
    for _ in range(2):
        (record,) = await read_part(stream, "s", 0, offset)
        same("stream_partitioning.7", (record.payload, dict(record.headers)), (b"before", {"h": "before"}), "a record was changed")
        with contextlib.suppress(TypeError, AttributeError):  # what was given is the reader's
            record.headers["h"] = "changed"  # type: ignore[index]


@check("stream_partitioning.7")
@gauntlet(lambda limits: [{"n": n, "at_once": at_once} for n in (2, 3) for at_once in (False, True)])
async def instants_are_those_of_the_appends(stream: StreamPartitioning, case: Case, n: int, at_once: bool) -> None:
    """``appended_ms`` lies between call and return, in each partition, and never decreases, also for appends at once (ST-05)."""
    slots, times = [stream, await case.client()], Times(case)
    await stream.create_partitioned("s", n)
    slack_ms = 1 + round(case.limits.clock_resolution_s * 1000) + (0 if times.virtual else 10_000 if case.server else 20)
    told: dict[tuple[int, int], tuple[float, float]] = {}

    async def one(number: int) -> None:
        if at_once and case.clock.virtual:
            await case.clock.sleep(0.004 * (number % 6))  # while others are under way
        began_s = case.clock.now_s()
        payload = bytes((0, 1, 2, 200, 4000)[number % 5] % (case.limits.max_payload + 1))
        put = await put_in(slots[number % 2], "s", number % n, payload)
        told[number % n, put.offset] = (began_s * 1000 - slack_ms, case.clock.now_s() * 1000 + slack_ms)

    for turn in range(3):
        numbers = range(turn * 6, turn * 6 + 6)
        if at_once:
            await together(*(one(number) for number in numbers))
        else:
            for number in numbers:
                await one(number)
        if case.clock.virtual:
            await case.advance((1.75, 4_294_968.0)[turn % 2])  # the latter is more milliseconds than 32 bits hold
    for place in range(n):
        records = await read_part(stream, "s", place)
        for record in records:
            first_ms, last_ms = told[place, record.offset]
            if not first_ms <= record.appended_ms <= last_ms:
                broken(
                    "stream_partitioning.7", "a record was appended at another instant", expected=(first_ms, last_ms), got=record
                )
        if any(second.appended_ms < first.appended_ms for first, second in pairwise(records)):
            broken("stream_partitioning.7", "instants of a partition decrease", expected="never", got=records)


@check("stream_partitioning.4", "stream_partitioning.6")
@gauntlet(lambda limits: [{"story": story} for story in STORIES[::2]])
async def an_ordinary_stream_is_its_only_partition(stream: Parted, case: Case, story: str) -> None:
    """After every step partition 0 of a stream without partitions gives what is kept of it, and takes records (ST-04)."""
    async for state in history(case, story):
        for turn, start in enumerate(edges(state)):
            for limit in (None, 2):
                got = await read_part(state.slots[turn % 2], "s", 0, start, limit)
                same(
                    "stream_partitioning.6",
                    got,
                    behind(state, start)[:limit],
                    f"partition 0 from {start} on does not give what is kept, {state.told}",
                )
    with case.law("stream_partitioning.4"):
        put = await put_in(stream, "s", 0, b"last")
    (record,) = await read_part(stream, "s", 0, put.offset)
    same("stream_partitioning.4", record.payload, b"last", "partition 0 of an ordinary stream takes no records")


@check("stream_partitioning.8")
@gauntlet(lambda limits: [{"number": number} for number in range(len(BAD_HEADERS))])
async def bad_headers_are_refused_by_a_partition(stream: StreamPartitioning, case: Case, number: int) -> None:
    """Headers that are illegal or over their limit are refused, whichever partition they are for, before any effect (ST-30)."""
    headers, errors = BAD_HEADERS[number]
    await stream.create_partitioned("s", 2)
    for place, key in ((0, "k"), (1, None)):
        call = stream.append_to_partition("s", place, b"x", key, headers)
        await refused("stream_partitioning.8", call, errors, "illegal headers are not refused by append_to_partition")
        same("stream_partitioning.8", await read_part(stream, "s", place), [], "a refused append left a record")
