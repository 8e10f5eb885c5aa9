"""queue_priority: what comes again stands between what is one priority below it, and what is one above."""

from typing import Protocol

from prism_suites._judging import same
from prism_suites._queue_taking import HELD_S
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import QueuePriority, QueueVisibility


class PriorityAndVisibility(QueuePriority, QueueVisibility, Protocol):
    """Priorities, and leases."""


@check("queue_priority.3", "queue_priority.1")
@gauntlet(
    lambda limits: [
        {"priority": priority, "how": how}
        for priority in range(1, 10)
        for how in ("release", "second release", "deadline", "extension")
    ]
)
async def what_comes_again_stands_where_it_stood(queue: PriorityAndVisibility, case: Case, priority: int, how: str) -> None:
    """What is given back is before one of the next lower priority that was there before it, and behind a higher (Q-19)."""
    if how in ("deadline", "extension") and not case.clock.virtual:
        return
    ids = {
        "lower": await queue.enqueue_with_priority("q", b"lower", priority=priority - 1),
        "mine": await queue.enqueue_with_priority("q", b"mine", priority=priority),
    }
    for _ in range(2 if how == "second release" else 1):
        held = await queue.receive("q", 1e4 if how == "deadline" else HELD_S)
        same("queue_priority.1", held and held.message.id, ids["mine"], "a take does not give the highest priority")
        assert held is not None
        if how.endswith("release"):
            await queue.release(held)
        elif how == "extension":
            await queue.extend(held, 1e4)
    if how in ("deadline", "extension"):
        await case.advance(2e4)
    if priority < 9:
        ids["higher"] = await queue.enqueue_with_priority("q", b"higher", priority=priority + 1)
    names = {identity: name for name, identity in ids.items()}
    found = []
    while (got := await queue.receive("q", HELD_S)) is not None:
        found.append(names.get(got.message.id, got.message.id))
        await queue.ack(got)
    wanted = [name for name in ("higher", "mine", "lower") if name in ids]
    same("queue_priority.3", found, wanted, f"a message of priority {priority} that came again by {how} has another place")
