"""What came to nothing is nothing behind a kill, too: it was never written down."""

from typing import Annotated

from prism_suites._behind import comes_to_nothing, named
from prism_suites._judging import same
from prism_suites._moments import Entered, keeps_files
from prism_suites._pubsub_members import received
from prism_suites._pubsub_refusals import REFUSALS
from prism_suites._pubsub_taking import PERSISTENT, numbered, quiet, send
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import PubSubOrdering, PubSubPersistent
from prism_testkit.traits import Traits

_P = "pubsub_persistent.16"
_OF_MEMBERS = {name: refusal for name, refusal in REFUSALS.items() if refusal.interface in (PubSubPersistent, PubSubOrdering)}


@check(_P)
@gauntlet(named(_OF_MEMBERS))
async def what_came_to_nothing_is_nothing_behind_a_kill(
    pubsub: Annotated[PubSubPersistent, Traits(durability="process", ack_survives_kill="yes")], case: Case, refused: str
) -> None:
    """A call is refused, or is of what is not held, everybody is killed, and what is there is what was there (PS-17). Of files."""
    if not keeps_files(case) or case.traits.member_timeout_s is None:
        return
    place, entered = case.mortal(), Entered()
    namespace = place.new_namespace()
    slot = await place.client(0, namespace)
    member = await entered.enter(slot.subscribe_durable("scene", "s", "earliest"))
    other = await entered.enter(slot.subscribe_durable("scene", "s"))
    sents = await send(slot, "scene", numbered(2), PERSISTENT)
    ended, valid = [each for _ in sents for each in await received(case, member, 1)]
    await member.ack(ended)
    held = {"member": member, "other": other, "ended": ended, "valid": valid}
    if not await comes_to_nothing(slot, held, REFUSALS[refused]):
        return
    await place.kill()
    after, told = await place.client(1, namespace), f"killed behind a call that came to nothing ({refused}), "
    same(_P, await after.last_message_id("scene"), sents[-1].id, f"{told}last_message_id is another")
    await case.advance(2 * case.traits.member_timeout_s + 100.0)
    (late,) = await send(after, "scene", [b"late"], PERSISTENT)
    async with after.subscribe_durable("scene", "s") as last:
        found: list[str] = []
        while got := await received(case, last, 10, 100.0 if len(found) < 2 else quiet(case)):
            found += [delivery.message.id for delivery in got]
            await last.ack(*got)
    same(_P, sorted(found), sorted([valid.message.id, late.id]), f"{told}a subscription is given other messages than it has to be")
    async with after.subscribe_durable("scene", "s2", "earliest") as fresh:
        got = [each for _ in range(3) for each in await received(case, fresh, 1)]
        ids = [delivery.message.id for delivery in got]
        same(_P, sorted(ids), sorted([*(sent.id for sent in sents), late.id]), f"{told}a topic holds other messages than it did")
