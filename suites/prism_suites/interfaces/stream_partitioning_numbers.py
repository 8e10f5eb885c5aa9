"""stream_partitioning: how many partitions there are, who may still be given some, and who knows of it."""

from typing import Any

from prism_suites._judging import refused, same
from prism_suites._stream_parting import Parted, put_in, read_part
from prism_suites._stream_taking import take
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import AlreadyExists, GroupNotFound, InvalidName, StreamReplay, StreamRetention
from prism_testkit.tap import offers


@check("stream_partitioning.2", "stream_partitioning.3", "stream_partitioning.4", "stream_partitioning.10")
@gauntlet(lambda limits: [{"n": n} for n in (1, 2, 7, 8, 9, 16, 17, 64, 100, 127, 128, 129, 255, 256)])
async def any_number_may_be_given(stream: Parted, case: Case, n: int) -> None:
    """Every partition of however many takes a record, gives it back, and is covered by a group (ST-08)."""
    if case.server and n not in (1, 9, 17, 129):
        return  # where partitions are files, hundreds of them take long
    slots = [stream, await case.client()]
    for slot in slots:
        with case.law("stream_partitioning.3"):
            same("stream_partitioning.3", await slot.partitions("s"), 1, "a stream that was never used")
    with case.law("stream_partitioning.2"):
        await stream.create_partitioned("s", n)
    for slot in slots:
        same("stream_partitioning.3", await slot.partitions("s"), n, "a stream has another number of partitions")
    places = sorted(
        {place for place in (0, 1, 2, 7, 8, 9, 15, 16, 63, 64, 99, 126, 127, 128, 129, 200, 254, 255, n - 1) if place < n}
    )
    for place in places:
        with case.law("stream_partitioning.4"):
            await put_in(slots[place % 2], "s", place, b"%d" % place)
    same("stream_partitioning.3", await slots[1].partitions("s"), n, "a stream has another number of partitions")
    for place in places:
        found = [(record.partition, record.payload) for record in await read_part(slots[1 - place % 2], "s", place)]
        same("stream_partitioning.4", found, [(place, b"%d" % place)], f"partition {place} of {n} has not what was put there")
    await stream.create_group("s", "g")
    async with slots[1].join("s", "g", "c") as member:
        got = await take(case, member, len(places))
        found = sorted((delivery.record.partition, delivery.record.payload) for delivery in got)
        wanted = [(place, b"%d" % place) for place in places]
        same("stream_partitioning.10", found, wanted, f"a group does not get every record of {n} partitions once")


_USES = ("records", "records that were trimmed", "records that went", "a group", "bounds", "own records", "a group and own records")
_FREE = ("one partition", "looks", "refused calls", "calls that found nothing")


@check("stream_partitioning.1", "stream_partitioning.3", "stream_partitioning.6")
@gauntlet(lambda limits: [{"use": use} for use in (*_USES, *_FREE)])
async def a_used_stream_stays_as_it_is(stream: Parted, case: Case, use: str) -> None:
    """Whatever it was used for, also if nothing of it is left, it gets no partitions, and has what it had; else it gets some."""
    slot, other = await case.whole(), await case.client(whole=True)
    if use in ("records that went", "bounds") and not offers(slot, StreamRetention):
        case.note("the backend has no bounds")
        return
    own = "own" in use
    with case.law("stream_partitioning.1"):
        await _use(stream, slot, use)
    before = await _all(stream, 3 if own else 1)
    for who in (other, slot):
        for n in (2, 3, 4, 256):
            if use in _FREE or (own and n == 3):
                with case.law("stream_partitioning.1"):
                    await who.create_partitioned("s", n if own else 2)
                continue
            call = who.create_partitioned("s", n)
            await refused("stream_partitioning.1", call, AlreadyExists, f"a stream with {use} gets {n} partitions")
    n = 2 if use in _FREE else 3 if own else 1
    for who in (slot, other):
        same("stream_partitioning.3", await who.partitions("s"), n, f"partitions of a stream with {use}")
    after = await _all(other, 3 if own else 1)
    same("stream_partitioning.1", after, before, f"a call that changes nothing changed a stream with {use}")
    if "group" in use:
        info = await other.group_info("s", "g")
        same("stream_partitioning.1", info.members, 0, "a group is another")


async def _all(slot: Any, n: int) -> list[Any]:
    return [await read_part(slot, "s", place) for place in range(n)]


async def _use(stream: Any, slot: Any, use: str) -> None:
    if use.startswith("records"):
        offset = await stream.append("s", b"x", "k")
        if use == "records that were trimmed":
            await stream.trim("s", offset + 1)
        if use == "records that went":
            await slot.set_retention("s", max_records=1)
            await slot.append("s", b"y", "k")
            await slot.enforce_retention("s")
            await slot.set_retention("s")
            await stream.trim("s", offset + 10**9)
    elif use == "bounds":
        await slot.set_retention("s", 1e6, 10)
    elif use == "a group":
        await stream.create_group("s", "g")
    elif "own" in use:
        await stream.create_partitioned("s", 3)
        for place in range(6):
            await put_in(stream, "s", place % 3, b"%d" % place)
        if "group" in use:
            await stream.create_group("s", "g")
    elif use == "one partition":
        await stream.create_partitioned("s", 1)
        await stream.create_partitioned("s", 1)
    elif use == "looks":
        await read_part(stream, "s", 0)
        await stream.partitions("s")
    elif use == "calls that found nothing":
        await _find_nothing(stream, slot)
    else:
        await refused("stream_partitioning.8", stream.create_partitioned("s", 0), ValueError, "0 partitions")
        await refused("stream_partitioning.8", stream.append_to_partition("s", 1, b"x"), ValueError, "partition 1 of 1")
        await refused("stream_basic.8", stream.append("s", b"x", ""), InvalidName, "an empty key")
        await refused("stream_basic.9", stream.append("s", b"x", None, {"": "x"}), InvalidName, "an empty name of a header")
        await refused("stream_basic.7", stream.trim("s", -1), ValueError, "a trim below 0")
        for start in (-1, "middle"):
            await refused("stream_consumer_groups.2", stream.create_group("s", "g", start), ValueError, f"a start of {start}")
        await refused(
            "stream_consumer_groups.2", stream.join("s", "g", "c").__aenter__(), GroupNotFound, "a group that is not there"
        )


async def _find_nothing(stream: Any, slot: Any) -> None:
    """Make every call that changes what is there, where nothing is: none of them uses the stream."""
    same("stream_basic.7", await stream.trim("s", 0), await stream.trim("s", 0), "a repeat of a trim of nothing")
    same("stream_basic.6", await stream.latest_offset("s"), None, "the last offset of a stream that was never used")
    await refused("stream_consumer_groups.2", stream.group_info("s", "g"), GroupNotFound, "a group that was not made is there")
    if offers(slot, StreamRetention):
        await slot.retention("s")
        await slot.enforce_retention("s")
        await slot.compact("s")
        await refused("stream_retention.5", slot.set_retention("s", 0.0), ValueError, "an age of 0")
    if offers(slot, StreamReplay):
        same("stream_replay.7", [record async for record in slot.replay("s", 0, 9)], [], "a replay of nothing gives something")
        await refused("stream_replay.5", slot.seek("s", "g", 0), GroupNotFound, "a group that was not made is moved")


@check("stream_partitioning.1", "stream_partitioning.2", "stream_partitioning.10")
@gauntlet(lambda limits: [{"n": n} for n in (1, 2, 3)])
async def all_of_it_stays_as_it_is(stream: Parted, case: Case, n: int) -> None:
    """Who gives a stream the partitions that it has, or others, changes neither its bounds nor its groups, nor what they hold."""
    slots: list[Any] = [await case.whole(), await case.client(whole=True)]
    bounded = offers(slots[0], StreamRetention)
    await stream.create_partitioned("s", n)
    if bounded:
        await slots[0].set_retention("s", 1e6, 1000)
    await stream.create_group("s", "g")
    puts = [(number % n, await put_in(stream, "s", number % n, b"%d" % number, "k")) for number in range(3 * n)]

    async def seen() -> Any:
        info = await slots[1].group_info("s", "g")
        return await _all(stream, n), (info.members, info.pending), await slots[1].retention("s") if bounded else None

    async with stream.join("s", "g", "c") as member:
        acked, back, *held = await take(case, member, 2 * n + 1)
        await member.ack(acked)
        await member.nack(back)
        before = await seen()
        for who in slots:
            await who.create_partitioned("s", n)
            call = who.create_partitioned("s", n + 1)
            await refused("stream_partitioning.1", call, AlreadyExists, f"a stream of {n} partitions gets {n + 1}")
        sentence = f"a stream, its group or its bounds are others when {n} was given again, and {n + 1} refused"
        same("stream_partitioning.1", await seen(), before, sentence)
        settled = [(delivery.record.partition, delivery.record.offset) for delivery in (acked, *held)]
        wanted = sorted((place, put.offset) for place, put in puts if (place, put.offset) not in settled)
        again = await take(case, member, len(wanted))
        again += await member.receive(10)
        found = sorted((delivery.record.partition, delivery.record.offset) for delivery in again)
        same("stream_partitioning.1", found, wanted, f"a group does not go on where it was when {n} partitions were given again")
        await member.ack(*held, *again)
        left = (await slots[1].group_info("s", "g")).pending
        same("stream_partitioning.10", left, 0, "all was acked, and something is pending")
