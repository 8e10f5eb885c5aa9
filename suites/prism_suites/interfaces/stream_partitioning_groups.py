"""stream_partitioning: groups over partitions of different lengths, whose records come back and are moved to, each by itself."""

from collections.abc import Sequence
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._stream_group_life import lives_as_any
from prism_suites._stream_parting import Parted, put_in, read_part
from prism_suites._stream_shared import Put
from prism_suites._stream_taking import patience_s, receive, take
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Record, RecordDelivery, StreamReplay
from prism_testkit.tap import offers

_Lane = list[Put]


async def _uneven(slot: Any, n: int, mark: str, count: int = 2) -> list[_Lane]:
    """Append to each partition one more than to the one before; offsets of several are equal, as a rule."""
    return [
        [await put_in(slot, "s", place, f"{mark}{place}.{at}".encode()) for at in range(count + place % 4)] for place in range(n)
    ]


def _placed(deliveries: Sequence[RecordDelivery]) -> list[tuple[int, int]]:
    return sorted((delivery.record.partition, delivery.record.offset) for delivery in deliveries)


def _records(deliveries: Sequence[RecordDelivery]) -> list[Record]:
    return sorted((delivery.record for delivery in deliveries), key=lambda record: (record.partition, record.offset))


def _places(lanes: Sequence[Sequence[Put]]) -> list[tuple[int, int]]:
    return sorted((place, put.offset) for place, lane in enumerate(lanes) for put in lane)


def _in_order(promise: str, deliveries: Sequence[RecordDelivery], told: str) -> None:
    """Judge that first deliveries are in the order of offsets in each partition."""
    seen: dict[int, int] = {}
    for delivery in deliveries:
        record = delivery.record
        if record.offset <= seen.get(record.partition, -1):
            broken(
                promise, f"first deliveries of a partition are not in order, {told}", expected="in order", got=_placed(deliveries)
            )
        seen[record.partition] = record.offset


@check("stream_partitioning.10")
@gauntlet(
    lambda limits: [
        {"n": n, "start": start, "most": most, "count": 12 if n == 12 else 2}
        for n, most in ((2, 1), (3, 10), (3, 2), (20, 10), (12, 100))
        for start in ("earliest", "latest")
        if (n, start) != (12, "latest")
    ]
)
async def each_record_has_a_fate_of_its_own(stream: Parted, case: Case, n: int, start: Any, most: int, count: int) -> None:
    """Of records with equal offsets some are acked, given back, put off and held: exactly what is not acked comes again (ST-11)."""
    other = await case.client()
    await stream.create_partitioned("s", n)
    early = await _uneven(stream, n, "early ", min(count, 2) if case.server else count)
    for group in ("g", "beside"):
        await stream.create_group("s", group, start)
    later = await _uneven(other, n, "later ", 1)
    lanes = [[*(first if start == "earliest" else ()), *second] for first, second in zip(early, later, strict=True)]
    wanted = _places(lanes)
    async with stream.join("s", "g", "c") as member:
        got = await take(case, member, len(wanted), most)
        same("stream_partitioning.10", _placed(got), wanted, f"a group does not get every record of {n} partitions once")
        _in_order("stream_partitioning.10", got, f"of {n} partitions")
        fates: dict[str, list[RecordDelivery]] = {"acked": [], "back": [], "held": [], "late": []}
        for delivery in got:
            # By partition and offset, so that of equal offsets, and in one partition, there is one of each; and otherwise where
            # the two change places (1 and 11, 11 and 1), or are the same digits (1 and 10, 11 and 0).
            place = delivery.record.partition
            fates[list(fates)[(place + place // 4 + delivery.record.offset) % len(fates)]].append(delivery)
        await member.ack(*fates["acked"])
        await member.nack(*fates["late"], delay_s=1e6)
        await member.nack(*fates["back"])
        pending = len(got) - len(fates["acked"])
        same("stream_partitioning.10", (await other.group_info("s", "g")).pending, pending, "group_info does not count over all")
        again = await take(case, member, len(fates["back"]), most) if fates["back"] else []
        same("stream_partitioning.10", _placed(again), _placed(fates["back"]), "not exactly what was given back comes again")
        for times in (2, 3, 4) if fates["back"] else ():
            if case.traits.delivery_count == "exact":
                counts = [delivery.delivery_count for delivery in again]
                same("stream_partitioning.10", counts, [times] * len(again), "deliveries are not counted")
            sentence = f"in delivery {times} records are not what they were in the first one"
            same("stream_partitioning.10", _records(again), _records(fates["back"]), sentence)
            if times < 4:
                await member.nack(*again)
                again = await take(case, member, len(fates["back"]), most)
        await member.ack(*again)
    left = _placed([*fates["held"], *fates["late"]])
    if case.clock.virtual:
        await case.advance(1e6 + 10.0)
    async with other.join("s", "g", "d") as member:
        found = await take(case, member, len(left) if case.clock.virtual else len(fates["held"]), most)
        missing = [place for place in _placed(fates["held"]) if place not in _placed(found)]
        same("stream_partitioning.10", missing, [], "what was held does not come after its member left")
        if case.clock.virtual:
            same("stream_partitioning.10", _placed(found), left, "not exactly what was not acked comes again")
        await member.ack(*found)
        more = _placed(await receive(member, 10))
        extra = [place for place in more if place not in left]
        same("stream_partitioning.10", extra, [], "what was acked comes again")
    async with stream.join("s", "beside", "c") as member:
        got = await take(case, member, len(wanted), most)
        same("stream_partitioning.10", _placed(got), wanted, "a second group does not get what the first one got, each once")


@check("stream_partitioning.10")
@gauntlet(lambda limits: [{"n": n, "place": place, "count": count} for n, place, count in ((2, 1, 40), (3, 1, 300), (3, 2, 300))])
async def any_number_of_one_partition_is_held(stream: Parted, case: Case, n: int, place: int, count: int) -> None:
    """However many of one partition are held, the next comes, all are counted, and all wait for the delay that they are given."""
    count = min(count, 40) if case.server else count
    await stream.create_partitioned("s", n)
    await stream.create_group("s", "g")
    puts = [await put_in(stream, "s", place, b"%d" % number) for number in range(count)]
    async with stream.join("s", "g", "c") as member:
        held = await take(case, member, count, 7)
        same("stream_partitioning.10", _placed(held), _places([*[[]] * place, puts]), f"{count} of one partition do not come")
        pending = (await stream.group_info("s", "g")).pending
        same("stream_partitioning.10", pending, count, "group_info does not count what is held of one partition")
        await member.nack(*held, delay_s=1e6)
        early = _placed(await receive(member, 10))
        same("stream_partitioning.10", early, [], "what was given back for later, many in one call, comes at once")
        if case.clock.virtual:
            await case.advance(1e6 + 10.0)
            again = await take(case, member, count, 50)
            same(
                "stream_partitioning.10",
                _placed(again),
                _placed(held),
                "what was given back for later does not come, all of it",
            )


@check("stream_partitioning.10")
@gauntlet(lambda limits: [{"n": n, "start": start} for n in (2, 3) for start in ("earliest", "latest")])
async def a_group_over_partitions_lives_as_any(stream: Parted, case: Case, n: int, start: Any) -> None:
    """Members wait and are woken by a record in any partition, give back, put off and leave, as in any group (ST-11)."""
    other = await case.client()
    await stream.create_partitioned("s", n)
    await stream.create_group("s", "g", start)
    await lives_as_any(
        case,
        (stream, other),
        lambda number, data: put_in(other, "s", (n - 1 + number) % n, data),
        "stream_partitioning.10",
        "over partitions",
        "s",
        "g",
    )


@check("stream_partitioning.9")
@gauntlet(lambda limits: [{"n": n, "pending": pending} for n in (2, 4) for pending in (False, True)])
async def a_seek_to_an_instant_is_one_in_each(stream: Parted, case: Case, n: int, pending: bool) -> None:
    """In each partition a group is moved to the first record of that instant or later, to the end if there is none (ST-05)."""
    slot = await case.whole()
    if not offers(slot, StreamReplay):
        case.note("groups of the backend cannot be moved")
        return
    await stream.create_partitioned("s", n)
    await stream.create_group("s", "g")
    for turn in range(4):
        for place in range(n):
            for _ in range((turn + place) % 3):
                await put_in(stream, "s", place, b"%d" % turn)
        if case.clock.virtual:
            await case.advance(2.0)
    lanes = [await read_part(stream, "s", place) for place in range(n)]
    instants = sorted({record.appended_ms for lane in lanes for record in lane})
    for at_ms in (0, *(ms + more for ms in instants for more in (0, 1)), instants[-1] + 10**9):
        await slot.seek_to_time("s", "g", at_ms)
        wanted = sorted((record.partition, record.offset) for lane in lanes for record in lane if record.appended_ms >= at_ms)
        info = await stream.group_info("s", "g")
        same("stream_partitioning.9", (info.members, info.pending), (0, 0), f"a group that was moved to {at_ms} ms is not quiet")
        async with stream.join("s", "g", "c") as member:
            got = await take(case, member, len(wanted))
            same("stream_partitioning.9", _placed(got), wanted, f"a group moved to {at_ms} ms goes on elsewhere")
            _in_order("stream_partitioning.9", got, f"after a seek to {at_ms} ms")
            if not pending:
                await member.ack(*got)
            same("stream_partitioning.9", _placed(await receive(member, 10)), [], f"a group moved to {at_ms} ms gets more")
    new = [await put_in(stream, "s", place, b"new") for place in range(n)]
    await slot.seek_to_time("s", "g", instants[-1] + 10**9)
    newer = [await put_in(stream, "s", place, b"newer") for place in range(n)]
    async with stream.join("s", "g", "c") as member:
        got = await take(case, member, len(newer))
        wanted = [(place, put.offset) for place, put in enumerate(newer)]
        same("stream_partitioning.9", _placed(got), wanted, f"a group moved to the end goes on elsewhere ({len(new)} before)")
        await receive(member, 1, patience_s(case) if not got else 0)
