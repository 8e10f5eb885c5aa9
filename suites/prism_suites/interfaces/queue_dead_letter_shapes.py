"""queue_dead_letter: queues that are targets of each other, of several, and in turn; and messages of every kind that die."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from prism_suites._full_headers import FULL_HEADERS
from prism_suites._judging import broken, same
from prism_suites._names_together import chunks, of_chunk
from prism_suites._queue_dying import VisibilityAndDeadLetter, die, listed
from prism_suites._queue_leases import lease
from prism_suites._queue_taking import HELD_S, Put, drained, fill, is_message, numbered
from prism_suites._queue_times import Times
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import QueueDelayed, QueuePriority, QueueVisibility
from prism_testkit.strategies import patterned
from prism_testkit.tap import offers

_DEATH_LOOKS = ("dead_letters", "receive", "target")

_SHAPES = {
    "cycle of two": ("ab", "ba"),
    "cycle of three": ("ab", "bc", "ca"),
    "chain": ("ab", "bc", "cd"),
    "star": ("ad", "bd", "cd"),
    "lasso": ("ab", "bc", "cb"),
}


@check("queue_dead_letter.6", "queue_dead_letter.2", "queue_dead_letter.1")
@gauntlet(lambda limits: [{"shape": shape, "most": most} for shape in _SHAPES for most in (1, 2)])
async def a_target_may_have_a_target(queue: VisibilityAndDeadLetter, case: Case, shape: str, most: int) -> None:
    """Only a queue is no target of itself: a message goes from each to its target, with attempts from 0, as often as it dies."""
    times = Times(case)
    targets: dict[str, str] = {arrow[0]: arrow[1] for arrow in _SHAPES[shape]}
    for source, target in targets.items():
        await queue.configure_dead_letter(source, target, most)
    puts = await fill(queue, "a", numbered(2), {"h": "v"})
    at, steps = "a", 0
    while at in targets and steps < 4:
        await die(times, queue, at, puts, most)
        await listed(queue, at, puts)
        at, steps = targets[at], steps + 1
    for put in puts:
        held = await lease(times, queue, at, put, promise="queue_dead_letter.3")
        same("queue_dead_letter.2", held.lease.attempt, 1, "the attempts of a dead message do not begin at 0")
        await queue.ack(held.lease)
    for name in sorted({*targets, *targets.values()}):
        same("queue_dead_letter.3", await queue.receive(name, HELD_S), None, f"a message is in {name} too ({shape})")


@check("queue_dead_letter.2", "queue_dead_letter.1", "queue_dead_letter.5")
@gauntlet(
    lambda limits: [
        {"kind": kind, "back": back} for kind in ("priority 9", "priority 1", "delayed", "largest") for back in (False, True)
    ]
)
async def whatever_it_was_it_dies(queue: VisibilityAndDeadLetter, case: Case, kind: str, back: bool) -> None:
    """A message that was delayed, has a priority, or is as large as can be, dies as any, whole, and is in the target at once; so
    it is redriven (Q-14, Q-19)."""
    whole, times = await case.whole(), Times(case)
    payload, headers = b"x", dict[str, str]()
    if kind == "largest":
        payload, headers = patterned(case.limits.max_payload), dict(FULL_HEADERS["many"])
    calls: dict[str, tuple[type, Callable[[], Awaitable[str]]]] = {
        "priority 9": (QueuePriority, lambda: whole.enqueue_with_priority("q", b"x", priority=9)),
        "priority 1": (QueuePriority, lambda: whole.enqueue_with_priority("q", b"x", priority=1)),
        "largest": (QueueVisibility, lambda: queue.enqueue("q", payload, headers)),
        "delayed": (QueueDelayed, lambda: whole.enqueue_delayed("q", b"x", delay_s=50.0)),
    }
    interface, call = calls[kind]
    if not offers(whole, interface) or (kind == "delayed" and not case.clock.virtual):
        case.note(f"{kind}: not offered, or not without waiting")
        return
    await queue.configure_dead_letter("q", "dead", 1)
    put = Put(await call(), payload, headers)
    if kind == "delayed":
        await case.advance(50.0 + case.limits.clock_resolution_s + case.traits.ttl_late_s + 1.0)
    await die(times, queue, "q", [put], 1)
    await listed(queue, "q", [put])
    if back:
        same("queue_dead_letter.5", await queue.redrive("q"), 1, "redrive does not move what died")
    if offers(whole, QueueDelayed):
        counts = [await whole.scheduled_count(name) for name in ("q", "dead")]
        sentence = "a dead message whose delay was over waits for it again: `scheduled_count` of the queue, and of its target"
        same("queue_dead_letter.2", counts, [0, 0], sentence)
    await lease(times, queue, "q" if back else "dead", put, promise="queue_dead_letter.2")


class DyingByPriority(VisibilityAndDeadLetter, QueuePriority, Protocol):
    """Messages of several priorities, and dead ones."""


@check("queue_dead_letter.4", "queue_dead_letter.2")
@gauntlet(lambda limits: [{"priorities": priorities} for priorities in ((1, 9), (0, 5, 0, 9), (3, 3, 7, 2, 7, 0))])
async def the_dead_have_one_order_whatever_their_priorities(
    queue: DyingByPriority, case: Case, priorities: tuple[int, ...]
) -> None:
    """`dead_letters` lists in the order of death, also where one of a higher priority died later (Q-15, Q-19)."""
    times = Times(case)
    await queue.configure_dead_letter("q", "dead", 1)
    dead = []
    for number, priority in enumerate(priorities):
        put = Put(await queue.enqueue_with_priority("q", b"%d" % number, priority=priority), b"%d" % number, {})
        dead += await die(times, queue, "q", [put], 1)
        await listed(queue, "q", dead)


@check("queue_dead_letter.4", "queue_dead_letter.3", "queue_dead_letter.6")
@gauntlet(lambda limits: [{"back": back} for back in (False, True)])
async def the_dead_are_where_they_died_to(queue: VisibilityAndDeadLetter, case: Case, back: bool) -> None:
    """When a queue is given another target, and perhaps the first again, its dead are in one of both, and listed if they are in
    the one that it has now (Q-15)."""
    times = Times(case)
    await queue.configure_dead_letter("q", "old", 1)
    puts = await fill(queue, "q", numbered(2))
    await die(times, queue, "q", puts, 1)
    await listed(queue, "q", puts)
    await queue.configure_dead_letter("q", "new", 1)
    if back:
        await queue.configure_dead_letter("q", "old", 1)
    told = [message.id for message in await queue.dead_letters("q")]
    there: dict[str, Any] = {name: [message.id for message in await drained(queue, name)] for name in ("old", "new")}
    found = sorted(there["old"] + there["new"])
    same("queue_dead_letter.3", found, sorted(put.id for put in puts), "a new target doubled or lost dead messages")
    now = there["old" if back else "new"]
    if told != now:
        broken("queue_dead_letter.4", "dead_letters is not what died and is in the target", expected=now, got=told)


@check("queue_dead_letter.10", "queue_dead_letter.4", "queue_dead_letter.5")
@gauntlet(chunks)
async def the_dead_of_look_alikes_are_told_apart(queue: VisibilityAndDeadLetter, case: Case, names: tuple[str, ...]) -> None:
    """Of queues with one target each lists, and brings back, what died in it, whatever the others are called (Q-27).

    Every other lets a message fail twice, so the configurations of two that are taken for each other differ.
    """
    names = of_chunk(case, names)
    puts: dict[str, Put] = {}
    for number, name in enumerate(names):
        await queue.configure_dead_letter(name, "the target", 1 + number % 2)
    for number, name in enumerate(names):
        puts[name] = (await fill(queue, name, [b"%d" % number]))[0]
        await queue.release((await lease(Times(case), queue, name, puts[name])).lease)
        if number % 2:
            again = await lease(Times(case), queue, name, puts[name], attempt=2, promise="queue_dead_letter.10")
            await queue.release(again.lease)
    story = "of queues with one target one"
    for number, name in enumerate(names):
        found = [message.id for message in await queue.dead_letters(name)]
        same("queue_dead_letter.10", found, [puts[name].id], f"{story} lists what died in another, or not what died in it")
        if number % 2:
            same("queue_dead_letter.5", await queue.redrive(name), 1, f"{story} brings back what died in another")
    for number, name in enumerate(names):
        if number % 2:
            got = [message.id for message in await drained(queue, name, 2)]
            same("queue_dead_letter.10", got, [puts[name].id], f"{story} is given back what did not die in it")
        elif number % 8 == 0:
            found = [message.id for message in await queue.dead_letters(name)]
            same("queue_dead_letter.10", found, [puts[name].id], f"{story} has its dead brought back with another's")


@check("queue_dead_letter.2", "queue_dead_letter.3", "queue_dead_letter.4")
@gauntlet(
    lambda limits: [{"count": count, "look": look} for count in (2, 3, 12, 130) for look in ("dead_letters", "receive", "target")]
)
async def those_that_die_together_die_whole(queue: VisibilityAndDeadLetter, case: Case, count: int, look: str) -> None:
    """Several whose last leases ended since the last look die at one look: each with its own payload, headers and priority."""
    if not case.clock.virtual:
        return  # nothing else looks meanwhile where time is moved
    slot, times = await case.whole(), Times(case)
    ranked = offers(slot, QueuePriority)
    await queue.configure_dead_letter("q", "dead", 1)
    puts: list[Put] = []
    for number in range(count):
        payload, headers = b"%d" % number, {"number": f"{number}", "h": "v"} if number % 3 < 2 else {}
        if ranked and number % 2:
            identity = await slot.enqueue_with_priority("q", payload, headers, priority=number % 10)
        else:
            identity = await slot.enqueue("q", payload, headers)
        puts.append(Put(identity, payload, headers))
    held = [await queue.receive("q", 10_000.0) for _ in puts]
    same("queue_dead_letter.1", sorted(lease.message.id for lease in held if lease), sorted(put.id for put in puts), "not all come")
    await times.move(20_000.0)
    if look == "receive":
        same("queue_dead_letter.1", await queue.receive("q", HELD_S), None, "a message is given after its last attempt")
    elif look == "target":
        await queue.dead_letters("q")
        taken = [await queue.receive("dead", HELD_S) for _ in puts]
        got = [lease.message for lease in taken if lease]
    if look != "target":
        got = await queue.dead_letters("q")
    by_id = {message.id: message for message in got}
    same("queue_dead_letter.3", sorted(by_id), sorted(put.id for put in puts), f"not all of {count} that died together are dead")
    for put in puts:
        sentence = f"one of {count} messages that died together is not as it was enqueued"
        is_message("queue_dead_letter.2", by_id[put.id], put, sentence)
