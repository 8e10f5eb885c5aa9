"""After a kill: large messages, ids, redrives and deaths that were under way, and the exact ends of leases and delays."""

from typing import Annotated, Any

from prism_suites._judging import broken, same
from prism_suites._queue_durable import AHEAD, HEADERS
from prism_suites._queue_dying import VisibilityAndDeadLetter
from prism_suites._queue_taking import HELD_S, drained
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import QueueBasic, QueueDelayed, QueueVisibility
from prism_testkit.killing import Step, Survivors
from prism_testkit.returned import Returned
from prism_testkit.strategies import patterned
from prism_testkit.tap import offers
from prism_testkit.traits import Traits

_DURABLE = Traits(durability="process")
Basic = Annotated[QueueBasic, _DURABLE]
Visibility = Annotated[QueueVisibility, _DURABLE]
Dead = Annotated[VisibilityAndDeadLetter, _DURABLE]
Delayed = Annotated[QueueDelayed, _DURABLE]


async def _kill(case: Case, promise: str, steps: list[Step], count: int, down_s: float = 0.0) -> Survivors:
    with case.law(promise):
        return await case.kill(steps, count, "writer", down_s=down_s)


def _fillers() -> list[Step]:
    return [("enqueue", ("filler", b"%d" % number, None)) for number in range(AHEAD)]


def _looks() -> list[Step]:
    """Return steps that find nothing and write nothing: what was kept back by the call before them is lost with the process."""
    return [("receive", ("never used", HELD_S)) for _ in range(AHEAD)]


@check("queue_basic.12", "queue_basic.2")
async def large_messages_survive_and_ids_go_on(queue: Basic, case: Case) -> None:
    """Messages that are all large are there up to the kill, and what is enqueued after it gets ids of its own (Q-21)."""
    size = min(9000, case.limits.max_payload - 10)
    payloads = [b"%d;" % number + patterned(size, seed=number) for number in range(AHEAD)]
    survivors = await _kill(case, "queue_basic.12", [("enqueue", ("q", payload, HEADERS)) for payload in payloads], 40)
    slot = survivors.slot
    new = [await slot.enqueue("q", b"new %d" % number) for number in range(10)]
    found = await drained(slot, "q", AHEAD + 20)
    old = [message.payload for message in found[: -len(new)]]
    if old not in (payloads[: survivors.acknowledged], payloads[: survivors.acknowledged + 1]):
        told = "after the kill acknowledged messages are not there, whole and in order, before new ones"
        broken("queue_basic.12", told, expected=survivors.acknowledged, got=[payload[:8] for payload in old])
    same("queue_basic.12", [message.id for message in found[-len(new) :]], new, "after the kill new messages are not last")
    ids = [message.id for message in found]
    if len(set(ids)) < len(ids):
        broken("queue_basic.2", "after the kill an id is given to a second message", expected="ids that differ", got=ids)


@check("queue_dead_letter.8", "queue_dead_letter.3")
async def what_dies_as_the_process_is_killed_is_in_one_queue(queue: Dead, case: Case) -> None:
    """Of messages that die one after another each is in one of both queues, wherever the kill comes (Q-15)."""
    count = 120
    steps: list[Step] = [("configure_dead_letter", ("q", "dead", 1))]
    steps += [("enqueue", ("q", b"%d" % number, HEADERS)) for number in range(count)]
    first = len(steps)
    steps += [("receive", ("q", HELD_S)) for _ in range(count)]
    for number in range(count):
        steps += [("release", (Returned(first + number),)), ("dead_letters", ("q",))]
    survivors = await _kill(case, "queue_dead_letter.8", steps, len(steps) - 2 * count + 20)
    if case.clock.virtual:
        await case.advance(HELD_S + case.limits.clock_resolution_s + case.traits.ttl_late_s)
    await _in_one_queue(case, survivors.slot, count)


async def _in_one_queue(case: Case, slot: Any, count: int) -> None:
    found = [int(message.payload) for message in await slot.dead_letters("q")]
    while case.clock.virtual and (got := await slot.receive("q", HELD_S)) is not None:
        found.append(int(got.message.payload))
        await slot.ack(got)
    lost = [number for number in range(count) if number not in found] if case.clock.virtual else []
    if lost or len(set(found)) < len(found):
        broken("queue_dead_letter.8", "what died as the process was killed is lost or doubled", expected=count, got=sorted(found))


@check("queue_dead_letter.8", "queue_dead_letter.5")
async def a_redrive_survives_the_writer(queue: Dead, case: Case) -> None:
    """What was brought back before the kill is in its queue, in order, and no longer dead (Q-16, Q-21)."""
    count = 16
    order = [number * 7 % count for number in range(count)]
    steps: list[Step] = [("configure_dead_letter", ("q", "dead", 1))]
    steps += [("enqueue", ("q", b"%d" % number, HEADERS)) for number in range(count)]
    steps += [("receive", ("q", HELD_S)) for _ in range(count)]
    for number in order:
        steps += [("release", (Returned(1 + count + number),)), ("dead_letters", ("q",))]
    steps += [("redrive", ("q",))]
    done = len(steps)
    survivors = await _kill(case, "queue_dead_letter.8", [*steps, *_looks()], done + 20)
    slot = survivors.slot
    same("queue_dead_letter.8", await slot.dead_letters("q"), [], "what was brought back is dead again after the kill")
    for number in order:
        got = await slot.receive("q", HELD_S)
        same(
            "queue_dead_letter.8",
            got and got.message.payload,
            b"%d" % number,
            "after the kill a redrive is undone, or not in order",
        )


@check("queue_visibility.13", "queue_visibility.6")
async def an_extended_lease_survives_the_writer(queue: Visibility, case: Case) -> None:
    """Where leases survive, one that was extended holds after the kill until its new deadline, and then ends (Q-20)."""
    if case.traits.lease_survives_kill != "yes" or not case.clock.virtual:
        return
    steps: list[Step] = []
    for name, seconds in (("longer", 40_000.0), ("shorter", 700.0)):
        steps += [("enqueue", (name, name.encode(), HEADERS)), ("receive", (name, 2000.0))]
        steps += [("extend", (Returned(len(steps) - 1), seconds))]
    done = len(steps)
    survivors = await _kill(case, "queue_visibility.13", [*steps, *_looks()], done + 20, down_s=1000.0)
    slot = survivors.slot
    for wait_s, there in ((0.0, ("shorter",)), (10_000.0, ()), (50_000.0, ("longer",))):
        await case.advance(wait_s)
        for name in ("longer", "shorter"):
            got = await slot.receive(name, HELD_S)
            states = ("still leased", "available")
            ended = states[got is not None]
            same("queue_visibility.13", ended, states[name in there], f"after the kill the lease of {name!r} has another end")
            if got is not None:
                await slot.ack(got)


@check("queue_delayed.6", "queue_delayed.1")
async def a_delay_ends_at_its_instant_after_a_kill(queue: Delayed, case: Case) -> None:
    """A delay is not over a moment before its instant, and over right after it, with the process killed in between (Q-14)."""
    if not case.clock.virtual:
        return
    delays = [5000.0 + number * 100.0 + fraction for number, fraction in enumerate((0.0, 0.25, 0.5, 0.75, 0.9))]
    steps: list[Step] = [("enqueue_delayed", (f"q{n}", b"x", HEADERS, {"delay_s": delay_s})) for n, delay_s in enumerate(delays)]
    survivors = await _kill(case, "queue_delayed.6", [*steps, *_fillers()], len(steps) + 20)
    slack_s = case.limits.clock_resolution_s + case.traits.ttl_late_s
    for number, delay_s in enumerate(delays):
        earliest, latest = (instant / 1e9 + delay_s for instant in survivors.window_ns(number))
        await case.advance(max(0.0, earliest - 0.002 - case.clock.now_s()))
        await _is_there(survivors.slot, f"q{number}", 1 if case.clock.now_s() < earliest else None, "before its instant")
        await case.advance(max(0.0, latest + slack_s + 0.002 - case.clock.now_s()))
        await _is_there(survivors.slot, f"q{number}", 0, "after its instant")


async def _is_there(slot: Any, name: str, scheduled: int | None, story: str) -> None:
    if scheduled is None:
        return
    got = await slot.scheduled_count(name)
    same("queue_delayed.6", got, scheduled, f"after the kill scheduled_count is wrong {story}")
    if offers(slot, QueueBasic):
        shown = await slot.peek(name)
        same("queue_delayed.6", shown is None, scheduled == 1, f"after the kill a delayed message is shown or not {story}")
