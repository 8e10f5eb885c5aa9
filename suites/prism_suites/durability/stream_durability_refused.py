"""What came to nothing is nothing behind a kill, too: it was never written down."""

from typing import Annotated, Any

from prism_suites._behind import comes_to_nothing, named
from prism_suites._judging import refused as is_refused
from prism_suites._judging import same
from prism_suites._moments import Entered, keeps_files
from prism_suites._stream_refusals import REFUSALS
from prism_suites._stream_shared import GROUPS, fill, numbered, read
from prism_suites._stream_taking import receive, take
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import GroupNotFound, StreamConsumerGroups, StreamRetention
from prism_testkit.tap import offers
from prism_testkit.traits import Traits

_P = "stream_consumer_groups.16"


async def _records(slot: Any) -> list[Any]:
    return [(record.offset, record.payload, record.key, dict(record.headers)) for record in await read(slot, "scene")]


@check(_P, "stream_consumer_groups.2")
@gauntlet(named(REFUSALS))
async def what_came_to_nothing_is_nothing_behind_a_kill(
    stream: Annotated[StreamConsumerGroups, Traits(durability="process", ack_survives_kill="yes")], case: Case, refused: str
) -> None:
    """A call is refused, or is of what is not held, everybody is killed, and what is there is what was there (ST-33). Of files."""
    if not keeps_files(case) or case.traits.member_timeout_s is None:
        return
    place, entered = case.mortal(), Entered()
    namespace = place.new_namespace()
    slot = await place.client(0, namespace)
    await slot.create_group("scene", "g")
    await fill(slot, "scene", numbered(2), laws=GROUPS)
    if offers(slot, StreamRetention):
        await slot.set_retention("kept", None, 7)
    member = await entered.enter(slot.join("scene", "g", "a"))
    ended, valid = await take(case, member, 2)
    await member.ack(ended)
    other = await entered.enter(slot.join("scene", "g", "b"))
    held = {"member": member, "other": other, "ended": ended, "valid": valid}
    if not await comes_to_nothing(slot, held, REFUSALS[refused]):
        return
    before = await _records(slot)
    await place.kill()
    after, told = await place.client(1, namespace), f"killed behind a call that came to nothing ({refused}), "
    same(_P, await _records(after), before, f"{told}a stream holds other records than it did")
    if offers(after, StreamRetention):
        same(_P, (await after.retention("kept")).max_records, 7, f"{told}the bounds of a stream are others")
    for missing in ("h", "missing"):
        told_of = after.group_info("scene", missing)
        await is_refused(
            "stream_consumer_groups.2", told_of, GroupNotFound, f"{told}info of a group that nobody made is not refused"
        )
    await case.advance(2 * case.traits.member_timeout_s + 100.0)
    (late,) = await fill(after, "scene", [b"late"], laws=GROUPS)
    async with after.join("scene", "g", "c") as last:
        found: list[int] = []
        while got := await receive(last, 10, 100.0):
            found += [delivery.record.offset for delivery in got]
            await last.ack(*got)
    same(_P, sorted(found), sorted([valid.record.offset, late.offset]), f"{told}a group is given other records than it has to be")
