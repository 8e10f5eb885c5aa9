"""stream_consumer_groups: members of many groups of one client wait at once."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial

from prism_suites._judging import same
from prism_suites._stream_shared import GROUPS, fill, numbered
from prism_suites._stream_taking import receive, take
from prism_suites._waiters import WAITS_S, each_ends_in_its_time, how_many, the_last_is_served
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
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


@check("stream_consumer_groups.10")
async def members_that_wait_in_vain_end_in_their_times(stream: StreamConsumerGroups, case: Case) -> None:
    """Members of groups of one client wait for times of their own."""
    async with AsyncExitStack() as stack:
        members = []
        for number in range(6):
            await stream.create_group("s", f"g{number}")
            members.append(await stack.enter_async_context(stream.join("s", f"g{number}", "c")))
        await each_ends_in_its_time(
            case, "stream_consumer_groups.10", lambda n, wait_s: members[n].receive(1, wait_s), len(members)
        )


@check("stream_consumer_groups.10", "stream_consumer_groups.1")
@gauntlet(lambda limits: [{"most": most, "beside": beside} for most, beside in ((1, 10), (2, 10), (10, 1))])
async def members_that_wait_are_given_their_own_number(stream: StreamConsumerGroups, case: Case, most: int, beside: int) -> None:
    """Two members of one client wait, of two groups, for different numbers of records: three come at once for the first, which are
    given back to its group together, and it is given no more than it asked for."""
    for group in ("g", "h"):
        await stream.create_group("s", group)
    async with stream.join("s", "g", "holder") as holder:
        puts = await fill(stream, "s", numbered(3), laws=GROUPS)
        held = await take(case, holder, len(puts))
        async with stream.join("s", "h", "a") as other, stream.join("s", "g", "b") as member:
            await other.ack(*await take(case, other, len(puts)))
            waits_s = WAITS_S if case.clock.virtual else 2.0
            waiting = asyncio.ensure_future(receive(member, most, waits_s))
            await case.clock.sleep(0.1 if case.clock.virtual else 0.05)
            beside_it = asyncio.ensure_future(receive(other, beside, waits_s))
            await case.clock.sleep(0.1 if case.clock.virtual else 0.05)
            await holder.nack(*held)
            await waiting  # no more than were asked for is judged by each receive
            await fill(stream, "s", [b"for both"], laws=GROUPS)
            await beside_it
