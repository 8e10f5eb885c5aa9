"""stream_consumer_groups: members of many groups of one client wait at once."""

from contextlib import AsyncExitStack
from functools import partial

from prism_suites._judging import same
from prism_suites._waiters import WAITS_S, how_many, the_last_is_served
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import StreamConsumerGroups


@check("stream_consumer_groups.10", "stream_consumer_groups.9")
async def of_many_members_that_wait_the_last_is_served(stream: StreamConsumerGroups, case: Case) -> None:
    """Members of one client wait, each for a stream of its own; what is appended for the last comes at once."""
    other, count = await case.client(), how_many(case)
    async with AsyncExitStack() as stack:
        members = []
        for number in range(count):
            await stream.create_group(f"s{number}", "g")
            members.append(await stack.enter_async_context(stream.join(f"s{number}", "g", "c")))
        waits = [partial(each.receive, 1, WAITS_S) for each in members]
        got = await the_last_is_served(case, "stream_consumer_groups.10", waits, lambda: other.append(f"s{count - 1}", b"its own"))
        same("stream_consumer_groups.1", [each.record.payload for each in got], [b"its own"], "a receive gives another record")
