"""queue: the first messages of a store that nobody has used: what is counted from the beginning, and passes 9, 10, 99 and 100."""

from prism_suites._judging import same
from prism_suites._moments import fresh_client, keeps_files
from prism_suites._queue_taking import HELD_S
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import QueueBasic, QueueDeadLetter, QueuePriority, QueueVisibility
from prism_testkit.tap import offers

_COUNT = 130
"""More than a hundred, so that what is a text of digits has one, two and three of them."""


@check("queue_basic.3", "queue_basic.2", "queue_visibility.1")
@gauntlet(lambda limits: [{"how": how} for how in ("dequeue", "receive", "receive behind a release", "priority")])
async def the_first_messages_come_in_their_order(queue: QueueBasic | QueueVisibility, case: Case, how: str) -> None:
    """From the very first one on messages have ids of their own, and come in the order of their enqueues (Q-08)."""
    if not keeps_files(case):
        return  # a server is not new for each check
    slot = await fresh_client(case)
    needs = {"dequeue": QueueBasic, "priority": QueuePriority}.get(how, QueueVisibility)
    if not offers(slot, needs) or (how == "priority" and not offers(slot, QueueVisibility)):
        return
    ids = []
    for number in range(_COUNT):
        if how == "priority":
            ids.append(await slot.enqueue_with_priority("q", b"%d" % number, priority=5))
        else:
            ids.append(await slot.enqueue("q", b"%d" % number))
        if how == "receive behind a release" and number == 0:
            await slot.release(await slot.receive("q", HELD_S))
            await slot.ack(await slot.receive("q", HELD_S))
    same("queue_basic.2", len(set(ids)), _COUNT, f"of the first {_COUNT} messages of a store two have the same id")
    wanted = ids[1:] if how == "receive behind a release" else ids
    found = []
    for _ in wanted:
        if how == "dequeue":
            message = await slot.dequeue("q")
            found.append(message and message.id)
        else:
            lease = await slot.receive("q", HELD_S)
            found.append(lease and lease.message.id)
    promise = {"dequeue": "queue_basic.3", "priority": "queue_priority.1"}.get(how, "queue_visibility.1")
    same(promise, found, wanted, f"the first {_COUNT} messages of a store do not come in their order")


@check("queue_dead_letter.4", "queue_dead_letter.5")
@gauntlet(lambda limits: [{"count": count} for count in (12, _COUNT)])
async def the_first_deaths_have_their_order(queue: QueueDeadLetter, case: Case, count: int) -> None:
    """The first that die in a store are listed as they died, and redriven so (Q-15, Q-16)."""
    if not keeps_files(case):
        return
    slot = await fresh_client(case)
    if not offers(slot, QueueVisibility):
        return
    await slot.configure_dead_letter("q", "dead", 1)
    ids = []
    for number in range(count):
        await slot.enqueue("q", b"%d" % number)
        lease = await slot.receive("q", HELD_S)
        ids.append(lease.message.id)
        await slot.release(lease)
        await slot.dead_letters("q")
    same("queue_dead_letter.4", [each.id for each in await slot.dead_letters("q")], ids, f"the first {count} deaths of a store")
    same("queue_dead_letter.5", await slot.redrive("q"), count, f"a redrive of the first {count} that died in a store")
    found = []
    while (lease := await slot.receive("q", HELD_S)) is not None:
        found.append(lease.message.id)
        await slot.ack(lease)
    same("queue_dead_letter.5", found, ids, f"the first {count} that died in a store do not come back in the order of death")
