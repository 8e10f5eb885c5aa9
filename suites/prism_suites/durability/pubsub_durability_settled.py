"""What a member acked last of all before SIGKILL, while it was still a member, does not come again where that is claimed."""

from typing import Annotated

from prism_suites._judging import same
from prism_suites._moments import Entered, keeps_files
from prism_suites._pubsub_members import received
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Delivery, PubSubPersistent
from prism_testkit.traits import Traits

_HELD = 4
_HOW = ("at once", "one by one", "given again")


@check("pubsub_persistent.5")
@gauntlet(
    lambda limits: [{"acked": acked, "how": how} for acked in (1, 2, _HELD) for how in ("at once", "one by one", "given again")]
)
async def an_ack_may_be_the_last_call(
    pubsub: Annotated[PubSubPersistent, Traits(durability="process", ack_survives_kill="yes")],
    case: Case,
    acked: int,
    how: str,
) -> None:
    """Nothing is called behind it, and nobody leaves: it is kept when it returned (PS-17). Of files only: servers have other
    checks."""
    if not keeps_files(case):
        return
    place, entered = case.mortal(), Entered()
    namespace = place.new_namespace()
    slot = await place.client(0, namespace)
    member = await entered.enter(slot.subscribe_durable("t", "s", "earliest"))
    sent = [await slot.publish_persistent("t", b"%d" % number) for number in range(_HELD + 1)]
    held = await _take(case, member)
    if how == "given again":
        await member.nack(*held)
        held = await _take(case, member)
    done = [delivery.message.id for delivery in held[:acked]]
    for some in [held[:acked]] if how != "one by one" else [[delivery] for delivery in held[:acked]]:
        await member.ack(*some)
    await place.kill()
    other = await place.client(1, namespace)
    await case.advance(2 * (case.traits.member_timeout_s or 0.0) + 100.0)
    async with other.subscribe_durable("t", "s") as second:
        found: list[str] = []
        while got := await received(case, second, 10, 100.0):
            found += [delivery.message.id for delivery in got]
            await second.ack(*got)
    again = [each for each in done if each in found]
    same("pubsub_persistent.5", again, [], "killed when an ack had returned, what was acked comes again")
    missing = [each for each in sent if each not in done and each not in found]
    same("pubsub_persistent.16", missing, [], "killed when an ack had returned, messages do not come that were not acked")


async def _take(case: Case, member: object) -> list[Delivery]:
    found: list[Delivery] = []
    while len(found) < _HELD and (got := await received(case, member, _HELD - len(found), 100.0)):
        found += got
    return found
