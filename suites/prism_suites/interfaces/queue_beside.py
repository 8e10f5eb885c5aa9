"""queue: a look is its own, whatever older ones of its queue are under way."""

from prism_suites._beside import BESIDE, is_its_own
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import QueueBasic


@check("queue_basic.5", "queue_basic.10", "queue_basic.11")
@gauntlet(lambda limits: BESIDE)
async def a_look_is_its_own(queue: QueueBasic, case: Case, turns: int, ending: str) -> None:
    """A peek shows what was enqueued, or taken, before it began, and is not cancelled with another one (Q-27, Q-29)."""
    promise = "queue_basic.5" if ending == "answered" else "queue_basic.11"
    put: list[str] = []

    async def enqueue() -> None:
        put.append(await queue.enqueue("q", b"x"))

    async def look() -> str | None:
        found = await queue.peek("q")
        return None if found is None else found.id

    await is_its_own(promise, turns, ending, look, enqueue, lambda: put[0])
    await is_its_own(promise, turns, ending, look, lambda: queue.dequeue("q"), lambda: None)
