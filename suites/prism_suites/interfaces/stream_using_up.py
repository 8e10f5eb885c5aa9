"""stream: refused, failed and unfinished calls use nothing up, however many there were."""

from collections.abc import Awaitable, Callable
from typing import Any

from prism_suites._judging import same
from prism_suites._queue_cancelling import cancelled
from prism_suites._stream_shared import GROUPS, fill, numbered, read
from prism_suites._stream_taking import take
from prism_suites._using_up import left_early, never_begun, never_entered, uses_nothing_up
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import (
    AlreadyExists,
    GroupNotFound,
    InvalidName,
    Retention,
    StreamBasic,
    StreamConsumerGroups,
    StreamPartitioning,
    StreamRetention,
)

_FAILURES = (InvalidName, ValueError, TypeError, GroupNotFound, AlreadyExists, ZeroDivisionError)


@check("stream_basic.14", "stream_basic.9", "stream_basic.5")
@gauntlet(lambda limits: [{"kind": kind} for kind in ("left", "not begun", "start", "limit", "name", "key", "trim", "empty")])
async def what_fails_uses_nothing_up(stream: StreamBasic, case: Case, kind: str) -> None:
    """After many reads that were left early, and calls that were refused, the driver goes on (ST-36)."""
    puts = await fill(stream, "s", numbered(3))
    calls: dict[str, Any] = {
        "left": lambda: left_early(stream.read("s")),
        "not begun": lambda: never_begun(stream.read("s")),
        "start": lambda: left_early(stream.read("s", -1)),
        "limit": lambda: left_early(stream.read("s", 0, -1)),
        "name": lambda: stream.append("", b"x"),
        "key": lambda: stream.append("s", b"x", ""),
        "trim": lambda: stream.trim("s", -1),
        "empty": lambda: left_early(stream.read("nothing")),
    }
    promise = {"left": "stream_basic.14", "not begun": "stream_basic.14", "empty": "stream_basic.14"}.get(
        kind, "stream_basic.5" if kind in ("start", "limit") else "stream_basic.9"
    )

    async def goes_on() -> None:
        after = await fill(stream, "s", [b"after"])
        found = [record.offset for record in await read(stream, "s")]
        same(promise, found, [put.offset for put in [*puts, *after]], "after many calls that failed a read gives something else")

    await uses_nothing_up(promise, f"a call that fails ({kind})", calls[kind], _FAILURES, goes_on)


@check("stream_consumer_groups.14", "stream_consumer_groups.2", "stream_consumer_groups.10")
@gauntlet(
    lambda limits: [
        {"kind": kind} for kind in ("body raises", "no group", "made twice", "no number", "empty", "come and go", "not entered")
    ]
)
async def members_that_fail_use_nothing_up(stream: StreamConsumerGroups, case: Case, kind: str) -> None:
    """So do groups go on, after many members that were left by an error, and receives that were refused or empty (ST-36)."""
    await stream.create_group("s", "g")

    async def serve() -> None:
        if kind == "not entered":
            await never_entered(stream.join("s", "g", "c"))
            return
        async with stream.join("s", "missing" if kind == "no group" else "g", "c") as member:
            if kind == "body raises":
                raise ZeroDivisionError
            if kind == "no number":
                await member.receive(0)
            if kind == "empty":
                await member.receive(1, 0.0)

    promise = {"no group": "stream_consumer_groups.2", "made twice": "stream_consumer_groups.2"}.get(
        kind, "stream_consumer_groups.10" if kind in ("no number", "empty") else "stream_consumer_groups.14"
    )

    async def goes_on() -> None:
        puts = await fill(stream, "s", numbered(2), laws=GROUPS)
        async with stream.join("s", "g", "c") as member:
            got = await take(case, member, len(puts))
            found = [delivery.record.offset for delivery in got]
            same(promise, found, [put.offset for put in puts], "after many members that failed one is given something else")
            await member.ack(*got)

    call: Any = (lambda: stream.create_group("s", "g")) if kind == "made twice" else serve
    await uses_nothing_up(promise, f"a member that fails ({kind})", call, _FAILURES, goes_on)


async def _cancelled_looks(case: Case, promise: str, look: Callable[[], Awaitable[Any]], wanted: Any) -> None:
    """Cancel a look at every point; each is made again, and tells what it told before."""
    case.overlap()
    for point in range(1, 6):
        await cancelled(look(), point)
        with case.law(promise):
            same(promise, await look(), wanted, "a look tells something else after one that was cancelled")


@check("stream_consumer_groups.14", "stream_consumer_groups.11")
async def a_look_at_a_group_may_be_cancelled(stream: StreamConsumerGroups, case: Case) -> None:
    """Behind a `group_info` that was cancelled the next one, and all else, goes on (ST-36)."""
    await stream.create_group("s", "g")

    async def told() -> tuple[int, int]:
        info = await stream.group_info("s", "g")
        return info.members, info.pending

    await _cancelled_looks(case, "stream_consumer_groups.14", told, (0, 0))


@check("stream_retention.13", "stream_retention.4")
async def a_look_at_bounds_may_be_cancelled(stream: StreamRetention, case: Case) -> None:
    """Behind a `retention` that was cancelled the next one tells the bounds (ST-36)."""
    await stream.set_retention("s", None, 3)
    await _cancelled_looks(case, "stream_retention.13", lambda: stream.retention("s"), Retention(None, 3))


@check("stream_partitioning.12", "stream_partitioning.3")
async def a_look_at_partitions_may_be_cancelled(stream: StreamPartitioning, case: Case) -> None:
    """Behind a `partitions` that was cancelled the next one tells how many there are (ST-36)."""
    await stream.create_partitioned("s", 3)
    await _cancelled_looks(case, "stream_partitioning.12", lambda: stream.partitions("s"), 3)
