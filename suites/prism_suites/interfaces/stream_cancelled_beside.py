"""stream_consumer_groups: a receive that is cancelled undoes what it did itself, and nothing of what others hold."""

from contextlib import AsyncExitStack
from typing import Annotated, Any

from prism_suites._judging import broken
from prism_suites._queue_cancelling import cancelled, points
from prism_suites._stream_shared import GROUPS, fill, numbered
from prism_suites._stream_taking import gets, nothing_comes, take
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import StreamConsumerGroups
from prism_testkit.traits import Traits

_KEPT = "stream_consumer_groups.4"
Shared = Annotated[StreamConsumerGroups, Traits(group_parallelism="record")]


@check(_KEPT, "stream_consumer_groups.14", "stream_consumer_groups.9")
@gauntlet(points(("the first", "a later one"), few=True))
async def what_others_hold_stays_theirs(stream: Shared, case: Case, kind: str, point: int) -> None:
    """Beside it others hold what their receive of the same turn gave them, in this group and in like ones."""
    other = await case.client()
    for name, group in (("s", "g"), ("s", "h"), ("u", "g")):
        await stream.create_group(name, group)
    puts = await fill(stream, "s", numbered(8), laws=GROUPS)
    elsewhere = await fill(stream, "u", numbered(2), laws=GROUPS)
    async with AsyncExitStack() as stack:

        async def join(slot: Any, name: str, group: str) -> Any:
            return await stack.enter_async_context(slot.join(name, group, "c"))

        holders = [await join(stream, "s", "g"), await join(other, "s", "g")]
        strangers = [(await join(stream, "s", "h"), puts), (await join(other, "u", "g"), elsewhere)]
        held = [(await gets(case, member, [put], most=1))[0] for member, put in zip(holders, puts, strict=False)]
        alone = [(await gets(case, member, theirs[:1], most=1))[0] for member, theirs in strangers]
        member, left = await join(stream, "s", "g"), puts[2:]
        if kind == "a later one":
            held += await gets(case, member, left[:1], most=1)
            holders, left = [*holders, member], left[1:]
        ended, got = await cancelled(member.receive(1), point)
        taken = list(got) if ended else []
        taken += await take(case, member, len(left) - len(taken), 3)
        offsets = [delivery.record.offset for delivery in taken]
        if again := [delivery for delivery in held if delivery.record.offset in offsets]:
            broken(_KEPT, "after a cancelled receive of one member it is given what another holds", expected=left, got=again)
        if sorted(offsets) != [put.offset for put in left]:
            sentence = "after a cancelled receive a record is missing, or comes twice"
            broken("stream_consumer_groups.14", sentence, expected=left, got=offsets)
        await nothing_comes(case, member, _KEPT, "after a cancelled receive of one member it is given what another holds")
        for (stranger, theirs), delivery in zip(strangers, alone, strict=True):
            story = "a member of another group holds one, and a receive elsewhere was cancelled"
            await stranger.ack(delivery, *await gets(case, stranger, theirs[1:2], most=1, promise=_KEPT, story=story))
        for holder, delivery in zip(holders, held, strict=True):
            await holder.ack(delivery)
        await member.ack(*taken)
