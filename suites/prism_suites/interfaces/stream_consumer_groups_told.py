"""stream_consumer_groups: what `group_info` says is to come again does come, also where some of it was trimmed meanwhile, here or
elsewhere."""

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
    again = await _again(other, case, "s", pending)
    sentence = f"group_info tells how many of the records that were {how} are to come again, and not so many come"
    same("stream_consumer_groups.11", pending, len(again), f"{sentence} ({keep} of 5 were kept by a trim)")


@check("stream_consumer_groups.11", "stream_consumer_groups.12")
@gauntlet(
    lambda limits: [
        {"how": how, "keep": keep, "together": together}
        for how in ("acked", "nacked")
        for keep in (0, 1, 3)
        for together in (True, False)
    ]
)
async def what_is_settled_when_it_is_gone_is_not_pending(
    stream: BasicAndGroups, case: Case, how: str, keep: int, together: bool
) -> None:
    """Held records of which some were trimmed are settled, while their member stays: what is told is pending comes, and no more."""
    await stream.create_group("s", "g")
    puts = await fill(stream, "s", numbered(4), laws=GROUPS)
    async with stream.join("s", "g", "c") as member:
        held = await take(case, member, 4)
        await stream.trim("s", puts[-keep].offset if keep else puts[-1].offset + 1)
        settle = member.ack if how == "acked" else member.nack
        with case.law("stream_consumer_groups.12"):
            for some in [held] if together else [[delivery] for delivery in held]:
                await settle(*some)
        pending = (await stream.group_info("s", "g")).pending
        again: list[RecordDelivery] = []
        while got := await receive(member, 10, patience_s(case) if len(again) < pending else 0):
            again += got
            await member.ack(*got)
        story = f"{keep} of 4 records, which a member held, were kept by a trim, and all {how}"
        same("stream_consumer_groups.11", len(again), pending, f"{story}: not as many come again as are told to be pending")
        offsets = [delivery.record.offset for delivery in again]
        kept = [put.offset for put in puts[4 - keep :]] if how == "nacked" else []
        missing = [offset for offset in kept if offset not in offsets]
        same("stream_consumer_groups.5", missing, [], f"{story}: what is kept does not come again")
        if how == "acked":
            same("stream_consumer_groups.6", offsets, [], f"{story}: what was acked comes again")
        left = (await stream.group_info("s", "g")).pending
        same("stream_consumer_groups.11", left, 0, f"{story}, also what came again: something is told to be pending")


async def _again(stream: BasicAndGroups, case: Case, name: str, pending: int) -> list[RecordDelivery]:
    """Have a new member take and ack whatever comes; return what was delivered before."""
    again: list[RecordDelivery] = []
    async with stream.join(name, "g", "c") as member:
        while got := await receive(member, 10, patience_s(case) if len(again) < pending else 0):
            again += [delivery for delivery in got if delivery.delivery_count > 1]
            await member.ack(*got)
    return again


_NEIGHBOURS = ("a", "s", "z", "s elsewhere")
"""Streams of one namespace, and the second of them in another."""


@check("stream_consumer_groups.11", "stream_consumer_groups.12", "stream_consumer_groups.13")
@gauntlet(
    lambda limits: [
        {"trimmed": trimmed, "how": how}
        for trimmed in (("s",), ("a", "z", "s elsewhere"))
        for how in ("nacked", "nacked before", "left")
    ]
)
async def a_trim_is_of_its_stream(stream: BasicAndGroups, case: Case, trimmed: tuple[str, ...], how: str) -> None:
    """Of streams that were used alike some are trimmed: their groups lose what is gone, those of the others nothing (ST-15)."""
    sibling = await case.sibling()
    slots = {each: sibling if each.endswith("elsewhere") else stream for each in _NEIGHBOURS}
    puts, taken = {}, 3
    for each, slot in slots.items():
        name = each[0]
        await slot.create_group(name, "g")
        puts[each] = await fill(slot, name, numbered(5), laws=GROUPS)
        async with slot.join(name, "g", "c") as member:
            held = await take(case, member, taken)
            if how == "nacked before":
                await member.nack(*held)
            if each in trimmed:
                await slot.trim(name, puts[each][-1].offset + 1)
            if how == "nacked":
                await member.nack(*held)
    for each, slot in slots.items():
        with case.law("stream_consumer_groups.12"):
            info = await slot.group_info(each[0], "g")
            again = await _again(slot, case, each[0], info.pending)
        told = f"{each}, of {', '.join(_NEIGHBOURS)}, where {', '.join(trimmed)} lost all records"
        sentence = f"group_info tells how many of the records that were {how} are to come again, and not so many come"
        same("stream_consumer_groups.11", info.pending, len(again), f"{sentence}: of {told}")
        if each not in trimmed:
            found = sorted(delivery.record.offset for delivery in again)
            same("stream_consumer_groups.13", found, [put.offset for put in puts[each][:taken]], f"what comes again of {told}")
            delivered = sum(put.offset < info.position for put in puts[each])
            same("stream_consumer_groups.11", delivered, taken, f"group_info tells of a position behind so many records of {told}")
