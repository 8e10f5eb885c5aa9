"""stream: a member that waits is woken, whatever other groups have not taken yet, or hold."""

from contextlib import AsyncExitStack
from functools import partial

from prism_suites._judging import same
from prism_suites._stream_shared import GROUPS, append, fill, numbered
from prism_suites._stream_taking import receive
from prism_suites._waiters import WAITS_S, the_last_is_served
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import StreamConsumerGroups


@check("stream_consumer_groups.10", "stream_consumer_groups.9")
@gauntlet(
    lambda limits: [{"backlog": backlog, "held": held} for backlog in (1, 2, 12, 101) for held in (0, 1, 12) if held <= backlog]
)
async def a_backlog_of_another_group_keeps_nobody_waiting(
    stream: StreamConsumerGroups, case: Case, backlog: int, held: int
) -> None:
    """A member is given what comes at once, though members of other groups hold records, or have not received them."""
    if held > backlog or (case.server and (backlog, held) != (12, 1)):
        return  # each wait takes its time on a server
    other = await case.client()
    await stream.create_group("s", "slow")
    await stream.create_group("s", "slower")
    async with AsyncExitStack() as stack:
        slow = await stack.enter_async_context(other.join("s", "slow", "c"))
        await stack.enter_async_context(stream.join("s", "slower", "c"))
        await fill(other, "s", numbered(backlog), laws=GROUPS)
        for _ in range(held):
            await receive(slow, 1, WAITS_S if not case.clock.virtual else 10.0)
        await stream.create_group("s", "mine", "latest")
        member = await stack.enter_async_context(stream.join("s", "mine", "c"))
        wait = partial(member.receive, 1, WAITS_S)
        for number, client in enumerate((other, stream)):
            write = partial(append, client, "s", b"mine %d" % number, laws=GROUPS)
            got = await the_last_is_served(case, "stream_consumer_groups.10", [wait], write)
            story = f"a receive beside {backlog} records that others have not acked gives another"
            same("stream_consumer_groups.1", [each.record.payload for each in got], [b"mine %d" % number], story)
            await member.ack(*got)
