"""stream_consumer_groups: large records, and many of them, come each once, however many bytes a store brings at a time."""

from prism_suites._judging import same
from prism_suites._stream_shared import GROUPS, PAGE_PART, PAGE_PARTS, fill, numbered
from prism_suites._stream_taking import gets
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import StreamConsumerGroups
from prism_testkit.strategies import patterned


@check("stream_consumer_groups.1", "stream_consumer_groups.3")
async def large_records_come_each_once(stream: StreamConsumerGroups, case: Case) -> None:
    """More than fits into one answer comes with the receives that follow, in order and none left out."""
    size = min(PAGE_PART, case.limits.max_payload)
    puts = await fill(stream, "s", [patterned(size, seed=number) for number in range(PAGE_PARTS)], laws=GROUPS)
    await stream.create_group("s", "g")
    async with stream.join("s", "g", "c") as member:
        await gets(case, member, puts, most=100, story="large records")


@check("stream_consumer_groups.11", "stream_consumer_groups.10", "stream_consumer_groups.5")
@gauntlet(lambda limits: [{"count": count} for count in (40, 300, 1100)])
async def any_number_is_held_at_once(stream: StreamConsumerGroups, case: Case, count: int) -> None:
    """However many records a member holds, the next comes, all of them are counted, and all come again when it is left."""
    if case.server and count > 40:
        return
    puts = await fill(stream, "s", numbered(count), laws=GROUPS)
    await stream.create_group("s", "g")
    async with stream.join("s", "g", "c") as member:
        await gets(case, member, puts, most=7, story=f"{count} are held")
        pending = (await stream.group_info("s", "g")).pending
        same("stream_consumer_groups.11", pending, count, "group_info does not count all that is held")
    async with stream.join("s", "g", "c") as member:
        again = await gets(case, member, puts, promise="stream_consumer_groups.5", most=50, times=2, story=f"{count} were held")
        await member.ack(*again)
        pending = (await stream.group_info("s", "g")).pending
        same("stream_consumer_groups.11", pending, 0, "group_info counts what was acked, all in one call")
