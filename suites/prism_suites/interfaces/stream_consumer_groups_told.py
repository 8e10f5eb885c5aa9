"""stream_consumer_groups: what `group_info` says is to come again does come, also where some of it was trimmed meanwhile."""

from prism_suites._judging import same
from prism_suites._stream_shared import GROUPS, fill, numbered
from prism_suites._stream_taking import BasicAndGroups, patience_s, receive, take
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import RecordDelivery


@check("stream_consumer_groups.11", "stream_consumer_groups.12")
@gauntlet(lambda limits: [{"how": how, "keep": keep} for how in ("nacked", "left") for keep in (0, 1, 3, 5)])
async def what_is_told_to_come_again_comes(stream: BasicAndGroups, case: Case, how: str, keep: int) -> None:
    """Whether a trimmed record comes again is the driver's; but as many come again as were told to be pending (ST-15)."""
    other = await case.client()
    await stream.create_group("s", "g")
    puts = await fill(stream, "s", numbered(5), laws=GROUPS)
    async with stream.join("s", "g", "c") as member:
        held = await take(case, member, 4)
        if how == "nacked":
            await member.nack(*held)
    await other.trim("s", puts[-keep].offset if keep else puts[-1].offset + 1)
    pending = (await other.group_info("s", "g")).pending
    again: list[RecordDelivery] = []
    async with other.join("s", "g", "c") as member:
        while got := await receive(member, 10, patience_s(case) if len(again) < pending else 0):
            again += [delivery for delivery in got if delivery.delivery_count > 1]
            await member.ack(*got)
    sentence = f"group_info tells how many of the records that were {how} are to come again, and not so many come"
    same("stream_consumer_groups.11", pending, len(again), f"{sentence} ({keep} of 5 were kept by a trim)")
