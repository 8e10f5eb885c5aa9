"""What a member acked last of all before SIGKILL, while it was still a member, does not come again where that is claimed."""

from typing import Annotated

from prism_suites._judging import same
from prism_suites._moments import Entered, keeps_files
from prism_suites._stream_shared import GROUPS, fill, numbered
from prism_suites._stream_taking import receive, take
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import StreamConsumerGroups
from prism_testkit.traits import Traits

_HELD = 4
_HOW = ("at once", "one by one", "given again")


@check("stream_consumer_groups.6")
@gauntlet(
    lambda limits: [
        {"acked": acked, "how": how, "kills": kills}
        for acked in (1, 2, _HELD)
        for how in _HOW
        for kills in (1, *((4,) * (acked == 2)))
    ]
)
async def an_ack_may_be_the_last_call(
    stream: Annotated[StreamConsumerGroups, Traits(durability="process", ack_survives_kill="yes")],
    case: Case,
    acked: int,
    how: str,
    kills: int,
) -> None:
    """Nothing is called behind it, and nobody leaves: it is kept when it returned, and when more are killed behind it, each of
    which has appended something (ST-34). Of files only: servers have other checks."""
    if not keeps_files(case):
        return
    place, entered = case.mortal(), Entered()
    namespace = place.new_namespace()
    slot = await place.client(0, namespace)
    puts = await fill(slot, "s", numbered(_HELD + 1), laws=GROUPS)
    await slot.create_group("s", "g")
    member = await entered.enter(slot.join("s", "g", "c"))
    held = await take(case, member, _HELD)
    if how == "given again":
        await member.nack(*held)
        held = await take(case, member, _HELD)
    done = [delivery.record.offset for delivery in held[:acked]]
    for some in [held[:acked]] if how != "one by one" else [[delivery] for delivery in held[:acked]]:
        await member.ack(*some)
    await place.kill()
    for number in range(1, kills):
        puts += await fill(await place.client(number, namespace), "s", [b"between"], laws=GROUPS)
        await place.kill()
    other = await place.client(kills, namespace)
    await case.advance(2 * (case.traits.member_timeout_s or 0.0) + 100.0)
    async with other.join("s", "g", "d") as second:
        found: list[int] = []
        while got := await receive(second, 10, 100.0):
            found += [delivery.record.offset for delivery in got]
            await second.ack(*got)
    again = [offset for offset in done if offset in found]
    same("stream_consumer_groups.6", again, [], "killed when an ack had returned, what was acked comes again")
    missing = [put.offset for put in puts if put.offset not in done and put.offset not in found]
    same("stream_consumer_groups.16", missing, [], "killed when an ack had returned, records do not come that were not acked")
