"""Whole numbers and seconds may be of a class of their own: what inherits from ``int`` or ``float`` is one."""

from prism_suites._judging import same
from prism_suites._own_numbers import Amount, Seconds, own
from prism_suites._stream_bounds import Bounded
from prism_suites._stream_parting import Parted, put_in, read_part
from prism_suites._stream_replaying import Replayed
from prism_suites._stream_shared import GROUPS, fill, numbered, read
from prism_suites._stream_taking import gets, patience_s
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import Retention, StreamBasic, StreamConsumerGroups
from prism_testkit.outcomes import law


@check("stream_basic.5", "stream_basic.7")
async def numbers_may_have_names(stream: StreamBasic) -> None:
    """An offset and a limit are what they are equal to, as constants of an application too."""
    puts = await fill(stream, "s", numbered(4))
    with law("stream_basic.5"):
        for start, limit in ((Amount.NONE, Amount.TWO), (own(puts[1].offset), own(1)), (Amount.NONE, Amount.NONE)):
            got = [record.offset for record in await read(stream, "s", start, limit)]
            wanted = [put.offset for put in puts if put.offset >= start][: int(limit)]
            same("stream_basic.5", got, wanted, f"a read from {start!r} on, of {limit!r}, gives something else")
    with law("stream_basic.7"):
        await stream.trim("s", own(puts[2].offset))
        kept = [record.offset for record in await read(stream, "s")]
        same("stream_basic.7", kept, [put.offset for put in puts[2:]], "a trim before a number with a name keeps something else")


@check("stream_consumer_groups.1", "stream_consumer_groups.10", "stream_consumer_groups.7")
async def groups_take_numbers_with_names(stream: StreamConsumerGroups, case: Case) -> None:
    """So is where a group begins, how many are asked for, and how long is waited, or a delay lasts."""
    puts = await fill(stream, "s", numbered(4), laws=GROUPS)
    with law("stream_consumer_groups.1"):
        await stream.create_group("s", "g", own(puts[1].offset))
    async with stream.join("s", "g", "c") as member:
        with law("stream_consumer_groups.10"):
            got = await member.receive(Amount.TWO, Seconds(patience_s(case)))
        same("stream_consumer_groups.10", 0 < len(got) <= 2, True, "a receive of a number with a name gives none, or more")
        with law("stream_consumer_groups.7"):
            await member.nack(*got[1:], delay_s=Seconds(0.0))
        await member.ack(got[0])
        same("stream_consumer_groups.1", got[0].record.offset, puts[1].offset, "a group begins elsewhere than it was told")


@check("stream_replay.1", "stream_replay.2", "stream_replay.7")
async def replays_take_numbers_with_names(stream: Replayed, case: Case) -> None:
    """So is where a group is moved to, and from where to where is replayed."""
    puts = await fill(stream, "s", numbered(4), laws=GROUPS)
    await stream.create_group("s", "g", "latest")
    with law("stream_replay.1"):
        await stream.seek("s", "g", own(puts[2].offset))
        async with stream.join("s", "g", "c") as member:
            await member.ack(*await gets(case, member, puts[2:], promise="stream_replay.1"))
    with law("stream_replay.2"):
        await stream.seek_to_time("s", "g", Amount.NONE)
        async with stream.join("s", "g", "c") as member:
            await gets(case, member, puts, promise="stream_replay.2")
    with law("stream_replay.7"):
        got = [record.offset async for record in stream.replay("s", Amount.NONE, own(puts[3].offset))]
        same("stream_replay.7", got, [put.offset for put in puts[:3]], "a replay between numbers with names gives something else")


@check("stream_retention.2", "stream_retention.4", "stream_retention.5")
async def bounds_may_have_names(stream: Bounded) -> None:
    """So are bounds, and `retention` tells what they are equal to."""
    puts = await fill(stream, "s", numbered(4))
    with law("stream_retention.5"):
        await stream.set_retention("s", Seconds(1e6), Amount.TWO)
    with law("stream_retention.4"):
        same("stream_retention.4", await stream.retention("s"), Retention(1e6, 2), "retention tells other bounds than were set")
    await stream.enforce_retention("s")
    kept = [record.offset for record in await read(stream, "s")]
    same("stream_retention.2", kept, [put.offset for put in puts[2:]], "a bound with a name keeps something else")


@check("stream_partitioning.2", "stream_partitioning.6", "stream_partitioning.8")
async def partitions_may_have_names(stream: Parted) -> None:
    """So are how many partitions there are, and which."""
    with law("stream_partitioning.2"):
        await stream.create_partitioned("s", Amount.THREE)
    same("stream_partitioning.2", await stream.partitions("s"), 3, "as many partitions as a number with a name says")
    with law("stream_partitioning.8"):
        put = await put_in(stream, "s", Amount.ONE, b"x")
        for start, limit in ((Amount.NONE, None), (own(put.offset), own(1))):
            got = [record.payload for record in await read_part(stream, "s", Amount.ONE, start, limit)]
            same("stream_partitioning.6", got, [b"x"], f"a partition with a name, from {start!r} on, gives something else")
