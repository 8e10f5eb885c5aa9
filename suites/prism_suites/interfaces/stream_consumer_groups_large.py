"""stream_consumer_groups: records that are large together come each once, however many bytes a store brings at a time."""

from prism_suites._stream_shared import GROUPS, PAGE_PART, PAGE_PARTS, fill
from prism_suites._stream_taking import gets
from prism_testkit.case import Case
from prism_testkit.checks import check
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
