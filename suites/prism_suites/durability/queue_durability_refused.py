"""What came to nothing is nothing behind a kill, too: it was never written down."""

from typing import Annotated, Any

from prism_suites._behind import comes_to_nothing, named
from prism_suites._judging import same
from prism_suites._moments import keeps_files
from prism_suites._queue_refusals import REFUSALS
from prism_suites._queue_taking import HELD_S
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import QueueDeadLetter, QueueDelayed, QueueVisibility
from prism_testkit.tap import offers
from prism_testkit.traits import Traits

_P = "queue_visibility.13"


async def _received(slot: Any, name: str) -> list[str]:
    found = []
    while (lease := await slot.receive(name, HELD_S)) is not None:
        found.append(lease.message.id)
    return found


@check(_P, "queue_dead_letter.8", "queue_delayed.6")
@gauntlet(named(REFUSALS))
async def what_came_to_nothing_is_nothing_behind_a_kill(
    queue: Annotated[QueueVisibility, Traits(durability="process")], case: Case, refused: str
) -> None:
    """A call is refused, or comes too late, everybody is killed, and what is there is what was there (Q-28). Of files only."""
    if not keeps_files(case):
        return
    place = case.mortal()
    namespace = place.new_namespace()
    slot = await place.client(0, namespace)
    held = {}
    for name in ("ended", "valid"):
        await slot.enqueue("scene", name.encode())
        held[name] = await slot.receive("scene", HELD_S)
    await slot.release(held["ended"])
    if offers(slot, QueueDeadLetter):
        await slot.configure_dead_letter("dying", "dead", 2)
    if not await comes_to_nothing(slot, held, REFUSALS[refused]):
        return
    await place.kill()
    other, told = await place.client(1, namespace), f"killed behind a call that came to nothing ({refused}), "
    if offers(other, QueueDelayed):
        same("queue_delayed.6", await other.scheduled_count("scene"), 0, f"{told}something is delayed")
    await case.advance(2 * HELD_S)
    wanted = sorted(lease.message.id for lease in held.values())
    same(_P, sorted(await _received(other, "scene")), wanted, f"{told}other messages are there than were")
    if offers(other, QueueDeadLetter):
        name = await other.enqueue("dying", b"dies")
        for _ in range(2):
            lease = await other.receive("dying", HELD_S)
            same("queue_dead_letter.8", lease and lease.message.id, name, f"{told}a message does not have its two attempts")
            await other.release(lease)
        dead = [message.id for message in await other.dead_letters("dying")]
        same("queue_dead_letter.8", dead, [name], f"{told}a message does not die after its two attempts")
        same("queue_dead_letter.8", await _received(other, "dead"), [name], f"{told}what died is not in its target")
