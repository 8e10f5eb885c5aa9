"""queue_basic and queue_dead_letter: what a driver keeps for itself is in nobody's way, and is put back with what was taken."""

from typing import Any

from prism_suites._judging import broken, same
from prism_suites._queue_cancelling import cancelled, points
from prism_suites._queue_dying import VisibilityAndDeadLetter, die
from prism_suites._queue_taking import HELD_S, empty, fill, is_message, numbered, take
from prism_suites._queue_times import Times
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Lease, QueueBasic, QueueDeadLetter, QueueDelayed, QueueMessage, QueuePriority, QueueVisibility
from prism_testkit.outcomes import law
from prism_testkit.tap import offers

_TEXT = (
    "counter count id ids next seq sequence number due delayed delays scheduled leased leases inflight processing ready available "
    "pending messages message m queue queues names dead dlq policies policy config meta index lock changed notify 0 1 -1 m:1 q:1 "
    "r: d: s: :due due: counter: __meta__"
)
_WORDS = tuple(_TEXT.split())
"""What a driver may call what it keeps beside its queues: a name of theirs that is not marked as one would be the same."""

_LOOKS = 20
"""What a cancelled take gives back may take a moment."""


@check("queue_basic.6")
async def names_of_what_a_driver_keeps_are_queues(queue: QueueBasic, case: Case) -> None:
    """Words that may be names of a driver's own, as that of a counter or an index, are queues like any other (Q-27)."""
    whole: Any = await case.whole()
    with law("queue_basic.6"):
        if offers(whole, QueueDeadLetter):
            await whole.configure_dead_letter("q", "another", 3)
        if offers(whole, QueueDelayed):
            await whole.enqueue_delayed("q", b"later", delay_s=1e6)
        if offers(whole, QueuePriority):
            await whole.enqueue_with_priority("q", b"high", priority=9)
        if offers(whole, QueueVisibility):
            await fill(whole, "q", numbered(2))
            await whole.release(await whole.receive("q", HELD_S))
            await whole.receive("q", HELD_S)
        puts = {word: (await fill(queue, word, [word.encode()]))[0] for word in _WORDS}
        for word, put in puts.items():
            is_message("queue_basic.6", await take(queue, word), put, f"a queue of the name {word!r} does not give its message")
            await empty(queue, word, "queue_basic.6", f"a queue of the name {word!r} gives what was not put into it")
        if offers(whole, QueueDelayed):
            same("queue_basic.6", await whole.scheduled_count("q"), 1, "queues of other names changed what is delayed")


@check("queue_dead_letter.9", "queue_dead_letter.4", "queue_dead_letter.5")
@gauntlet(points(("dequeue", "receive")))
async def a_cancelled_take_of_the_dead_leaves_them_dead(queue: VisibilityAndDeadLetter, case: Case, kind: str, point: int) -> None:
    """Of a dead message of which a take was cancelled it is still known in which queue it died, and when (Q-16, Q-29)."""
    whole: Any = await case.whole()
    if kind == "dequeue" and not offers(whole, QueueBasic):
        return
    await queue.configure_dead_letter("q", "dead", 1)
    puts = await die(Times(case), queue, "q", await fill(queue, "q", numbered(3)), 1)
    _, got = await cancelled(whole.dequeue("dead") if kind == "dequeue" else queue.receive("dead", HELD_S), point)
    with law("queue_dead_letter.9"):
        if isinstance(got, QueueMessage):
            puts = [put for put in puts if put.id != got.id]
        elif isinstance(got, Lease):
            await queue.release(got)
        again = await queue.receive("dead", HELD_S, 100.0 if case.clock.virtual else 10.0)  # it may take a moment
        if again is None:
            broken("queue_dead_letter.9", f"a cancelled {kind} lost a dead message", expected=puts, got=None)
        await queue.release(again)
        found: list[str] = []
        for _ in range(_LOOKS):
            found = [message.id for message in await queue.dead_letters("q")]
            if len(found) == len(puts):
                break
            await case.clock.sleep(5.0 if case.clock.virtual else 0.05)
        sentence = f"after a cancelled {kind} dead_letters does not list what is there, in the order in which it died"
        same("queue_dead_letter.9", found, [put.id for put in puts], sentence)
        same("queue_dead_letter.9", await queue.redrive("q"), len(puts), f"after a cancelled {kind} redrive leaves some behind")
