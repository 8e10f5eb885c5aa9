"""A take that waits is given what comes when it comes, not when its time is over: by whichever event, and beside other takes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._noticing import TURNS, is_not_prolonged, is_noticed
from prism_suites._queue_dying import VisibilityAndDeadLetter
from prism_suites._queue_leases import one_leased
from prism_suites._queue_taking import drained, fill, take
from prism_suites._queue_times import Times
from prism_suites.interfaces.queue_delayed import Delayed
from prism_suites.interfaces.queue_priority import Prioritised
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import QueueBasic, QueueDelayed, QueueVisibility
from prism_testkit.tap import offers

_PATIENCE_S = 20_000.0
"""So long every take would wait, in virtual time; every lease here is shorter, or far longer."""

_LEASING = ("a lease", "an extension")

_BESIDE = ((0, 3), (1, 1), (9, 2))
"""Takes that wait for other queues, and were there first, so that what is for this one must not be spent on them; and takes that
wait for this one, by turns of two clients: each is given one of as many messages that come at once."""


async def _promptly(
    slot: Any,
    case: Case,
    promise: str,
    story: str,
    happen: Callable[[], Awaitable[Any]],
    beside: int = 0,
    takers: int = 1,
    take: Callable[[Any, str, float], Awaitable[Any]] = take,
) -> None:
    """Let takes wait, let something happen, and judge that each was given a message in the first half of its time.

    Before them others wait for the same queue, which are cancelled: whatever they watched for all must be watched on.
    How soon is not promised beyond "as soon as there is one": a driver may look now and then, and calls may be slow.
    """
    other = await case.client(whole=True)
    strangers = [asyncio.ensure_future(take(other, f"other {number}", _PATIENCE_S * 2)) for number in range(beside)]
    await case.clock.sleep(1.0)
    gone = [asyncio.ensure_future(take(client, "q", _PATIENCE_S)) for client in (slot, other)]
    await case.clock.sleep(1.0)
    began_s = case.clock.now_s()
    clients, waiting = (other, slot), list[asyncio.Task[Any]]()
    try:
        for number in range(takers):
            waiting.append(asyncio.ensure_future(take(clients[number % 2], "q", _PATIENCE_S)))
            await case.clock.sleep(1.0)
        await _cancel(gone)
        await happen()
        await asyncio.wait([*waiting])
        passed_s = case.clock.now_s() - began_s
    finally:
        await _cancel([*gone, *strangers])
    got = [task.result() for task in waiting]
    if None in got:
        broken(promise, f"a take that waits is not given what comes ({story})", expected="a message", got=got)
    if passed_s > _PATIENCE_S / 2:
        broken(
            promise,
            f"a take that waits is given what came only when its time is nearly over ({story})",
            expected="as soon as there is a message",
            got=f"after {passed_s:g} of {_PATIENCE_S:g} s",
        )


async def _cancel(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@check("queue_basic.4")
@gauntlet(lambda limits: [{"beside": beside, "takers": takers} for beside, takers in _BESIDE])
async def what_is_enqueued_ends_the_wait(queue: QueueBasic, case: Case, beside: int, takers: int) -> None:
    """An enqueue of any client is noticed by a take that waits, whoever else waits (Q-11)."""
    if case.clock.virtual:
        await _promptly(queue, case, "queue_basic.4", "an enqueue", lambda: fill(queue, "q", [b"x"] * takers), beside, takers)


@check("queue_priority.4")
@gauntlet(lambda limits: [{"beside": beside, "priority": priority} for beside, _ in _BESIDE for priority in (0, 1, 9)])
async def what_has_a_priority_ends_the_wait(queue: Prioritised, case: Case, beside: int, priority: int) -> None:
    """So is an enqueue with a priority (Q-11, Q-19)."""
    if case.clock.virtual:
        call = lambda: queue.enqueue_with_priority("q", b"x", priority=priority)  # noqa: E731
        await _promptly(queue, case, "queue_priority.4", f"priority {priority}", call, beside)


@check("queue_delayed.5")
@gauntlet(
    lambda limits: [
        {"before": before, "during": during, "takers": takers}
        for takers in (1, 3)
        for before, during in (((50.0,), ()), ((), (50.0,)), ((90_000.0,), (50.0,)), ((90_000.0, 50.0), (7.0,)), ((), (0.0,)))
    ]
)
async def the_end_of_a_delay_ends_the_wait(
    queue: Delayed, case: Case, before: tuple[float, ...], during: tuple[float, ...], takers: int
) -> None:
    """So is the end of a delay, be it the only one, or shorter than those that were known when the wait began (Q-11, Q-14)."""
    if not case.clock.virtual:
        return
    for delay_s in before * takers:
        await queue.enqueue_delayed("q", b"before", delay_s=delay_s)

    async def happen() -> None:
        for delay_s in during * takers:
            await queue.enqueue_delayed("q", b"during", delay_s=delay_s)

    await _promptly(queue, case, "queue_delayed.5", f"delays {before}, then {during}", happen, takers=takers)


@check("queue_visibility.9", "queue_basic.4")
@gauntlet(
    lambda limits: [
        {"event": event, "beside": beside, "takers": takers, "by": by}
        for by in ("receive", "dequeue")
        for event in ("enqueue", "release", "deadline", "shortened")
        for beside, takers in _BESIDE
    ]
)
async def what_becomes_available_ends_the_wait(
    queue: QueueVisibility, case: Case, event: str, beside: int, takers: int, by: str
) -> None:
    """So are a release, a deadline, and one that an extend brought nearer, by each kind of take (Q-11)."""
    whole = await case.whole()
    if not case.clock.virtual or (by == "dequeue" and not offers(whole, QueueBasic)):
        return

    async def waits(slot: Any, name: str, timeout_s: float) -> Any:
        return await (slot.dequeue(name, timeout_s) if by == "dequeue" else slot.receive(name, 43_200.0, timeout_s))

    seconds = {"deadline": 100.0}.get(event, 43_200.0)
    times, name = Times(case), "other" if event == "enqueue" else "q"
    held = [await one_leased(times, queue, name, seconds) for _ in range(takers)]

    async def happen() -> None:
        if event == "enqueue":
            await fill(queue, "q", [b"x"] * takers)
        for item in held:
            if event == "release":
                await queue.release(item.lease)
            elif event == "shortened":
                await queue.extend(item.lease, 100.0)

    promise = "queue_visibility.9" if by == "receive" else "queue_basic.4"
    await _promptly(whole, case, promise, f"{event}, {by}", happen, beside, takers, waits)


@check("queue_dead_letter.5", "queue_dead_letter.2")
@gauntlet(
    lambda limits: [
        {"event": event, "beside": beside, "takers": takers}
        for event in ("redrive", "release", "peek", "dead_letters", "configure")
        for beside, takers in (_BESIDE[0], _BESIDE[2])
    ]
)
async def what_moves_ends_the_wait(queue: VisibilityAndDeadLetter, case: Case, event: str, beside: int, takers: int) -> None:
    """So are a redrive, at the queue, and a death that a look at the queue has noticed, at the target (Q-11, Q-15)."""
    if not case.clock.virtual:
        return
    whole, times = await case.whole(), Times(case)
    here, target = ("dead", "q") if event != "redrive" else ("q", "dead")
    await queue.configure_dead_letter(here, target, 2 if event == "configure" else 1)
    seconds = 43_200.0 if event in ("release", "redrive", "configure") else 10.0
    held = [await one_leased(times, queue, here, seconds) for _ in range(takers)]
    for item in held if event in ("redrive", "configure") else ():
        await queue.release(item.lease)
    await queue.dead_letters(here)

    async def happen() -> None:
        for item in held if event == "release" else ():
            await queue.release(item.lease)
        if event == "redrive":
            same("queue_dead_letter.5", await queue.redrive(here), takers, "redrive does not move what died")
        elif event == "configure":
            await queue.configure_dead_letter(here, target, 1)
        elif event in ("peek", "dead_letters"):
            await times.past(held[-1].deadline)
        if event == "peek" and offers(whole, QueueBasic):
            await whole.peek(here)
        await queue.dead_letters(here)

    promise = "queue_dead_letter.5" if event == "redrive" else "queue_dead_letter.2"
    await _promptly(queue, case, promise, event, happen, beside, takers)


@check("queue_basic.4")
@gauntlet(lambda limits: [{"turns": turns, "other": other} for turns in TURNS for other in (False, True)])
async def what_is_enqueued_at_any_turn_is_noticed(queue: QueueBasic, case: Case, turns: int, other: bool) -> None:
    """Also what comes when a take has looked and does not wait yet (Q-11)."""
    by = await case.client() if other else queue
    await is_noticed(case, "queue_basic.4", turns, lambda s: queue.dequeue("q", s), lambda: by.enqueue("q", b"x"), "an enqueue")


@check("queue_visibility.9")
@gauntlet(lambda limits: [{"turns": turns, "event": event} for turns in TURNS for event in ("enqueue", "release", "shortened")])
async def what_becomes_available_at_any_turn_is_noticed(queue: QueueVisibility, case: Case, turns: int, event: str) -> None:
    """So is what is released, or leased for less, just then (Q-11)."""
    by = await case.client()
    held = await one_leased(Times(case), by, "other" if event == "enqueue" else "q", 43_200.0)
    calls: dict[str, Callable[[], Awaitable[Any]]] = {
        "enqueue": lambda: by.enqueue("q", b"x"),
        "release": lambda: by.release(held.lease),
        "shortened": lambda: by.extend(held.lease, 100.0),
    }
    await is_noticed(case, "queue_visibility.9", turns, lambda s: queue.receive("q", 60.0, s), calls[event], event)


@check("queue_basic.4", "queue_basic.2", "queue_basic.11")
@gauntlet(
    lambda limits: [{"timeout_s": timeout_s, "later_s": later_s} for timeout_s in (0.5, 20.0) for later_s in (0.0, 0.25, 5.0)]
)
async def a_take_whose_time_is_over_takes_nothing(queue: QueueBasic, case: Case, timeout_s: float, later_s: float) -> None:
    """A take that returned None is given nothing that comes afterwards, however soon (Q-11, Q-29)."""
    if not case.clock.virtual:
        return
    other = await case.client()
    for number in range(3):
        if (got := await other.dequeue("q", timeout_s)) is not None:
            broken("queue_basic.2", "a take gives a message that nobody enqueued", expected=None, got=got)
        await case.clock.sleep(later_s)
        await queue.enqueue("q", b"%d" % number)
        await case.clock.sleep(number % 2)
        found = [message.payload for message in await drained(other if number else queue, "q", 3)]
        if found != [b"%d" % number]:
            broken("queue_basic.11", "what came after a take had timed out is lost", expected=b"%d" % number, got=found)


@check("queue_basic.4")
@gauntlet(lambda limits: [{"event": event} for event in ("elsewhere", "a delay", "a lease", "a look", "an extension")])
async def what_gives_nothing_prolongs_no_wait(queue: QueueBasic, case: Case, event: str) -> None:
    """A take that waits ends when its time is over, however often something happens meanwhile that is not for it (Q-11)."""
    whole, other = await case.whole(), await case.client(whole=True)
    if (event == "a delay" and not offers(whole, QueueDelayed)) or (event in _LEASING and not offers(whole, QueueVisibility)):
        return
    held = await one_leased(Times(case), other, "q", 43_200.0) if event == "an extension" else None

    async def happen(number: int) -> None:
        if event == "elsewhere":
            await other.enqueue("elsewhere", b"x")
        elif event == "a delay":
            await other.enqueue_delayed("q", b"x", delay_s=1e8)
        elif event == "a lease":
            await one_leased(Times(case), other, "elsewhere", 43_200.0)
        elif event == "a look":
            await other.peek("q")
        elif held is not None:
            await other.extend(held.lease, 43_200.0)

    got = await is_not_prolonged(case, "queue_basic.4", lambda s: queue.dequeue("q", s), happen, event)
    same("queue_basic.4", got, None, "a take of an empty queue gives a message")
