"""stream: the first records of a store that nobody has used: what is counted from the beginning, and passes 9, 10, 99 and 100."""

from prism_suites._judging import same
from prism_suites._moments import fresh_client, keeps_files
from prism_suites._stream_taking import receive, take
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import StreamBasic, StreamConsumerGroups
from prism_testkit.tap import offers

_COUNT = 130
"""More than a hundred, so that what is a text of digits has one, two and three of them."""


@check("stream_basic.6", "stream_basic.3", "stream_basic.1")
@gauntlet(lambda limits: [{"streams": streams} for streams in (1, 2)])
async def the_first_records_are_told_in_their_order(stream: StreamBasic, case: Case, streams: int) -> None:
    """From the very first one on the last offset is that of the last append, and reads give all in their order (ST-04)."""
    if not keeps_files(case):
        return  # a server is not new for each check
    slot = await fresh_client(case)
    offsets: dict[str, list[int]] = {"s": [], "other": []}
    for number in range(_COUNT):
        name = ("s", "other")[number % streams]
        offsets[name].append(await slot.append(name, b"%d" % number))
        last = await slot.latest_offset(name)
        same("stream_basic.6", last, offsets[name][-1], f"behind record {number + 1} of a store latest_offset is not its offset")
    for name in ("s", "other"):
        found = [record.offset async for record in slot.read(name)]
        same("stream_basic.1", found, offsets[name], f"the first {_COUNT} records of a store are not read in their order")
        same("stream_basic.3", found, sorted(set(found)), "offsets do not increase")


@check("stream_consumer_groups.3", "stream_consumer_groups.1", "stream_consumer_groups.6")
@gauntlet(lambda limits: [{"acked": acked} for acked in (False, True)])
async def the_first_records_come_in_their_order(stream: StreamConsumerGroups, case: Case, acked: bool) -> None:
    """A group gets the first records of a store in their order, and what is given back again, all of it (ST-11)."""
    if not keeps_files(case):
        return
    slot = await fresh_client(case)
    basic = offers(slot, StreamBasic)
    offsets = [await slot.append("s", b"%d" % number) for number in range(_COUNT)]
    await slot.create_group("s", "g")
    async with slot.join("s", "g", "c") as member:
        got = await take(case, member, _COUNT, 7)
        found = [delivery.record.offset for delivery in got]
        same("stream_consumer_groups.3", found, offsets, f"the first {_COUNT} records of a store do not come in their order")
        await (member.ack(*got) if acked else member.nack(*got))
        again = [] if acked else await take(case, member, _COUNT, 7)
        again += await receive(member, 10)
        left = sorted(delivery.record.offset for delivery in again)
        promise = "stream_consumer_groups.6" if acked else "stream_consumer_groups.5"
        same(promise, left, [] if acked else offsets, f"of the first {_COUNT} records of a store not those come again that have to")
    if basic:
        same("stream_basic.6", await slot.latest_offset("s"), offsets[-1], "latest_offset is not that of the last append")
