"""stream_retention: ages to the millisecond, bounds that follow each other, and bounds beside compaction and partitions."""

from itertools import product
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._stream_bounds import Bounded, BoundedAndParted, everything, holds, slack_s
from prism_suites._stream_shared import append, fill, numbered
from prism_suites._stream_taking import take
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Record, Retention, StreamRetention

_EXACT = (0.125, 0.25, 1.0, 1.5, 2.0, 3600.5, 86_400.0, 4_320_000.5, 31_536_001.25)
"""Sums of halves of seconds, and instants so far apart, are no fractions of what floats can tell: "exactly" can be judged."""
_OTHERS = (0.001, 0.05, 0.999, 1.001, 2.675, 59.9, 5_000_000.001)
_LONG_S = 400 * 86_400.0


@check("stream_retention.1", "stream_retention.2")
@gauntlet(lambda limits: [{"ages": _EXACT[::2]}, {"ages": _EXACT[1::2]}, {"ages": _OTHERS}])
async def exactly_at_its_age_a_record_is_inside(stream: StreamRetention, case: Case, ages: tuple[float, ...]) -> None:
    """However short or long the bound, and for ever where there is none: by what is told of both, to the millisecond (ST-24)."""
    if not case.clock.virtual:
        case.note("ages are judged to the millisecond where time is virtual")
        return
    puts = await fill(stream, "unbounded", numbered(2))
    for age_s in ages:
        await _aged(stream, case, age_s)
    await case.advance(_LONG_S)
    await stream.enforce_retention("unbounded")
    found = [record.offset for record in await everything(stream.read("unbounded"))]
    same("stream_retention.1", found, [put.offset for put in puts], "a stream without bounds lost what is very old")


async def _aged(stream: Any, case: Case, age_s: float) -> None:
    """Enforce a record before, at, and behind its bound."""
    name = f"{age_s}"
    await stream.set_retention(name, age_s)
    bound_ms = ((await stream.retention(name)).max_age_s or 0.0) * 1000
    appending_s = case.clock.now_s()
    offset = await stream.append(name, b"x")
    found = await everything(stream.read(name, offset))
    if not found and (case.clock.now_s() - appending_s) * 1000 > bound_ms:
        return  # by the driver's own time it was too old when the append was over
    if not found:
        broken("stream_retention.1", "a record is gone that was just appended", expected=f"up to {bound_ms:g} ms", got=None)
    record = found[0]
    exact = bound_ms % 125 == 0
    step_s = 0.125 if exact else 0.002
    for over_s in (-step_s, 0.0, max(step_s, 2 * slack_s(case))):
        await case.advance(max(0.0, record.appended_ms / 1000 + bound_ms / 1000 + over_s - case.clock.now_s()))
        begun_ms = case.clock.now_s() * 1000
        await stream.enforce_retention(name)
        there = bool(await everything(stream.read(name)))
        age_ms = case.clock.now_s() * 1000 - record.appended_ms
        if not there and age_ms <= bound_ms - (0.0 if exact else 0.5):
            broken("stream_retention.1", f"a record is gone that is {age_ms:g} ms old", expected=f"up to {bound_ms:g} ms", got=None)
        if there and begun_ms - record.appended_ms > bound_ms + slack_s(case) * 1000 + 1e-3:
            broken(
                "stream_retention.2", f"a record is there that is {age_ms:g} ms old", expected=f"up to {bound_ms:g} ms", got=record
            )


_BOUNDS: tuple[tuple[float | None, int | None], ...] = (
    (None, None),
    (5.0, None),
    (None, 3),
    (5.0, 3),
    (11.0, 2),
    (11.0, None),
    (20.0, 7),
)
_GAP_S = 2.0
_KINDS: tuple[tuple[bytes, str | None, dict[str, str] | None], ...] = (
    *((b"x", None, None), (b"", None, None), (b"", "k", {"h": ""}), (b"x", "k", None), (b"0", "0", {"h": "v"})),
)
"""A bound counts records, whatever they hold."""


@check("stream_retention.2", "stream_retention.1", "stream_retention.4", "stream_retention.3")
@gauntlet(
    lambda limits: [
        {"first": first, "second": second, "enforced": enforced}
        for number, (first, second) in enumerate(product(_BOUNDS, _BOUNDS))
        for enforced in (number % 2 == 0, True)[: 2 if first == second else 1]
    ]
)
async def bounds_replace_each_other(
    stream: Bounded, case: Case, first: tuple[float | None, int | None], second: tuple[float | None, int | None], enforced: bool
) -> None:
    """Whatever was set before, and enforced or not, what is kept is what is inside the bounds set last, and no more comes back."""
    if case.server and first[0] is not None and second[0] is not None:
        return  # where time is real ages remove nothing
    other = await case.client()
    await _append(case, stream, 8)
    sure = await everything(stream.read("s"))
    for turn, (age_s, most) in enumerate((first, second)):
        who, beside = ((stream, other), (other, stream))[turn]
        age_s = age_s if age_s is None or case.clock.virtual else age_s * 1000
        await who.set_retention("s", age_s, most)
        told = await beside.retention("s")
        late_s = (told.max_age_s or 0.0) - (age_s or 0.0)
        if told.max_records != most or (told.max_age_s is None) != (age_s is None) or not 0 <= late_s < slack_s(case):
            broken("stream_retention.4", "bounds are not those that were set last", expected=Retention(age_s, most), got=told)
        offsets = await _append(case, stream, 4)
        there = await everything(beside.read("s"))
        sure += [record for record in there if record.offset in offsets]
        lazy = not enforced and case.traits.retention_lag_s is not None and case.clock.virtual
        if lazy:
            await case.advance((case.traits.retention_lag_s or 0.0) + slack_s(case))
            there = await everything(beside.read("s"))
        begun_ms = case.clock.now_s() * 1000
        if enforced or turn:
            await beside.enforce_retention("s")
            there = await everything(who.read("s"))
            _gone(case, told, there, begun_ms, "stream_retention.2")
        elif lazy:
            _gone(case, told, there, begun_ms - slack_s(case) * 1000, "stream_retention.3")
        # What is outside may go at once, and so not be there under wider bounds.
        sure = [record for place, record in enumerate(sure) if _inside(told, record, len(sure) - place, case.clock.now_s() * 1000)]
        lost = [record.offset for record in sure if record not in there]
        same("stream_retention.1", lost, [], f"records inside of {told} are gone")
    kept = await everything(other.read("s"))
    await stream.set_retention("s")
    await stream.enforce_retention("s")
    holds(await everything(other.read("s")), kept, "stream_retention.1", "stream_retention.4", "when the bounds were taken away")


async def _append(case: Case, slot: Any, count: int) -> list[int]:
    offsets = []
    for number in range(count):
        payload, key, headers = _KINDS[number % len(_KINDS)]
        offsets.append((await append(slot, "s", payload, key, headers)).offset)
        if case.clock.virtual:
            await case.advance(_GAP_S)
    return offsets


def _inside(bounds: Retention, record: Record, from_end: int, now_ms: float) -> bool:
    young = bounds.max_age_s is None or now_ms - record.appended_ms <= bounds.max_age_s * 1000
    return young and (bounds.max_records is None or from_end <= bounds.max_records)


def _gone(case: Case, bounds: Retention, there: list[Record], now_ms: float, promise: str) -> None:
    """Judge that nothing is there that was outside at an instant."""
    slack_ms = slack_s(case) * 1000 if case.clock.virtual else 20_000.0
    outside = [r.offset for place, r in enumerate(there) if not _inside(bounds, r, len(there) - place, now_ms - slack_ms - 1e-3)]
    same(promise, outside, [], f"records outside of {bounds} are there")


@check("stream_retention.6", "stream_retention.7", "stream_retention.4", "stream_retention.2")
@gauntlet(lambda limits: [{"most": most} for most in (2, 5, 9)])
async def bounds_and_compaction_are_apart(stream: Bounded, case: Case, most: int) -> None:
    """Compaction of a bounded stream does what it does of any; its bounds are those that were set, and are enforced (ST-24)."""
    other = await case.client()
    keys = "aabbab.c"
    puts = [await append(stream, "s", b"%d" % number, None if key == "." else key) for number, key in enumerate(keys)]
    await stream.set_retention("s", 1e6, most)
    await other.compact("s")
    same("stream_retention.6", await stream.retention("s"), Retention(1e6, most), "compaction changed the bounds")
    last = {put.key: put.offset for put in puts}
    kept = [put.offset for put in puts if put.key is None or last[put.key] == put.offset]
    found = [record.offset for record in await everything(stream.read("s"))]
    missing = [offset for offset in kept[-most:] if offset not in found]
    same("stream_retention.6", missing, [], "compaction of a bounded stream removed a last record")
    if case.traits.compaction == "immediate":
        extra = [offset for offset in found if offset not in kept]
        same("stream_retention.7", extra, [], "what is superseded is there after compaction of a bounded stream")
        await other.enforce_retention("s")
        found = [record.offset for record in await everything(stream.read("s"))]
        same("stream_retention.2", found, kept[-most:], "bounds of a stream that was compacted")


@check(*(f"stream_retention.{number}" for number in (1, 2, 4, 6, 7, 9, 10)))
@gauntlet(lambda limits: [{"n": n, "most": most} for n, most in ((2, 1), (2, 3), (5, 1), (5, 3), (20, 2))])
async def each_partition_is_bounded_by_itself(stream: BoundedAndParted, case: Case, n: int, most: int) -> None:
    """Bounds and compaction count in each partition, a key that is in several has a last record in each, and offsets go on.

    Of five partitions the first and the third are empty at first.
    """
    other = await case.client()
    await stream.create_partitioned("s", n)
    await stream.create_group("s", "behind")
    for number in range(20 if case.server else 120):  # what goes from the last is more than a receive or a page
        await stream.append_to_partition("s", n - 1, b"in front %d" % number, "a")
    for number in range(7 * n):  # partition p has 4 + p records
        place = min(number // 7, n - 1) if number % 7 < 4 + number // 7 else number % n
        if n == 5 and place in (0, 2):
            continue
        await stream.append_to_partition("s", place, b"%d" % number, (None, "a", "b", "a")[number % 4])
    lanes = [await everything(stream.read_partition("s", place)) for place in range(n)]
    if case.traits.compaction == "immediate" and most == 3:
        await other.compact("s")
        for place, lane in enumerate(lanes):
            last = {record.key: record.offset for record in lane}
            lane[:] = [record for record in lane if record.key is None or last[record.key] == record.offset]
            found = await everything(stream.read_partition("s", place))
            holds(found, lane, "stream_retention.6", "stream_retention.7", f"in partition {place}, compacted")
    await stream.set_retention("s", None, most)
    same("stream_retention.4", await other.retention("s"), Retention(None, most), "bounds of a partitioned stream")
    await other.enforce_retention("s")
    for place, lane in enumerate(lanes):
        found = await everything(stream.read_partition("s", place))
        holds(found, lane[-most:], "stream_retention.1", "stream_retention.2", f"in partition {place} with {most} inside")
    for again in range(n):  # what is new in one partition alone
        for number in range(2):
            await stream.append_to_partition("s", again, b"again %d" % number, "a")
        lanes[again] = await everything(stream.read_partition("s", again))
        if case.traits.compaction == "immediate" and most == 3:
            await (stream, other)[again % 2].compact("s")
            newest = lanes[again][-1]
            lanes[again] = [record for record in lanes[again] if record.key != "a" or record is newest]
            found = await everything(stream.read_partition("s", again))
            holds(found, lanes[again], "stream_retention.6", "stream_retention.7", f"in partition {again}, compacted again")
        await (other, stream)[again % 2].enforce_retention("s")
        for place, lane in enumerate(lanes):
            found = await everything(stream.read_partition("s", place))
            told = f"in partition {place} with {most} inside, after more came to partition {again}"
            holds(found, lane[-most:], "stream_retention.1", "stream_retention.2", told)
    kept = sorted((record.partition, record.offset) for lane in lanes for record in lane[-most:])
    async with other.join("s", "behind", "c") as member:
        got = sorted((d.record.partition, d.record.offset) for d in await take(case, member, len(kept)))
    same("stream_retention.10", got, kept, "a group that is behind does not go on with what is kept of each partition")
    await _emptied(case, stream, n, [max(record.offset for record in lane) for lane in lanes])


async def _emptied(case: Case, stream: Any, n: int, ends: list[int]) -> None:
    """Judge that offsets go on where everything is too old."""
    if not case.clock.virtual:
        return
    await stream.set_retention("s", 1.0)
    await case.advance(3.0 + slack_s(case))
    await stream.enforce_retention("s")
    for place in range(n):
        same("stream_retention.2", await everything(stream.read_partition("s", place)), [], f"partition {place}, too old")
        offset = await stream.append_to_partition("s", place, b"new")
        if offset <= ends[place]:
            broken("stream_retention.9", "an offset of a partition is given again", expected=f"above {ends[place]}", got=offset)
