"""A look changes nothing: also while others take what it looks at."""

from typing import Any

from prism_suites._judging import same
from prism_suites._queue_dying import VisibilityAndDeadLetter, die
from prism_suites._queue_taking import HELD_S, drained, fill, numbered
from prism_suites._queue_times import Times
from prism_suites._racing import together
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import QueueBasic, QueueDelayed
from prism_testkit.tap import offers

_TURNS = range(4)


async def _looks(whole: Any) -> None:
    """Look at both queues in every way that there is."""
    await whole.dead_letters("q")
    for name in ("dead", "q"):
        if offers(whole, QueueBasic):
            await whole.peek(name)
        if offers(whole, QueueDelayed):
            await whole.scheduled_count(name)


@check("queue_dead_letter.3", "queue_dead_letter.4")
@gauntlet(
    lambda limits: [{"turns": turns, "change": change} for turns in _TURNS for change in ("take", "dequeue", "redrive", "die")]
)
async def looks_bring_nothing_back(queue: VisibilityAndDeadLetter, case: Case, turns: int, change: str) -> None:
    """Beside looks of two clients messages are taken from the target, redriven, or die: each stays once, where it went (Q-15)."""
    times, slots = Times(case), (await case.whole(), await case.client(whole=True))
    await queue.configure_dead_letter("q", "dead", 1)
    puts = await fill(queue, "q", numbered(3), {"h": "v"})
    taken: list[str] = []
    if change != "die":
        await die(times, queue, "q", puts, 1)
    leases: list[Any] = [await queue.receive("q", HELD_S) for _ in puts] if change == "die" else []

    async def act() -> None:
        for _ in range(turns):
            await case.clock.sleep(0)
        for number in range(len(puts)):
            if change == "redrive":
                await queue.redrive("q")
            elif change == "die":
                await queue.release(leases[number])
            elif change == "dequeue" and offers(slots[1], QueueBasic):
                taken.append((await slots[1].dequeue("dead")).id)
            else:
                got: Any = await queue.receive("dead", HELD_S)
                await queue.ack(got)
                taken.append(got.message.id)

    case.overlap()
    await together(_looks(slots[0]), act(), _looks(slots[1]), _looks(slots[0]))
    if case.clock.virtual:
        await case.advance(HELD_S + 10)
    await queue.dead_letters("q")
    found = [message.id for name in ("dead", "q") for message in await drained(queue, name)]
    same("queue_dead_letter.3", sorted(found + taken), sorted(put.id for put in puts), "beside looks messages are doubled or lost")
