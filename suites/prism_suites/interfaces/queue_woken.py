"""A take that waits, on any clock, is woken by whichever call makes a message available for it, and each by its own message."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._noticing import ends_soon
from prism_suites._queue_dying import VisibilityAndDeadLetter
from prism_suites._queue_taking import HELD_S
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import QueueBasic, QueueMessage, QueueVisibility
from prism_testkit.tap import offers

_PATIENCE_S = 20_000.0
"""So long every take would wait."""
_SOON_S = 30.0
"""So much virtual time, and the slack, may pass until a take is given what is there. On a real clock a number of looks may."""
_SLACK_S = 5.0
"""A backend that claims to be later than this is not waited for on a real clock."""

_DEATHS = ("dead_letters", "receive", "peek", "configure", "deadline")
_RELEASES = {"release": 1, "second release": 2, "fifth release": 5}
_EVENTS = ("enqueue", "elsewhere", "release", "second release", "fifth release", "redrive", *_DEATHS)


def _take(slot: Any, name: str, by: str) -> "asyncio.Task[Any]":
    """Begin to wait."""
    return asyncio.ensure_future(
        slot.dequeue(name, _PATIENCE_S) if by == "dequeue" else slot.receive(name, HELD_S, _PATIENCE_S),
    )


def _slack_s(case: Case) -> float:
    return case.limits.clock_resolution_s + case.traits.ttl_late_s


async def _they_wait(case: Case) -> None:
    """Let takes come to where they do nothing but wait."""
    await case.clock.sleep(1.0 if case.clock.virtual else 0.2)


async def _woken(case: Case, promise: str, waiting: Sequence["asyncio.Task[Any]"], story: str) -> Any:
    """Judge that one of these waits ends, now that there is a message for it, and soon; return the message."""
    began_s = case.clock.now_s()
    first = asyncio.ensure_future(asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED))
    try:
        ended = await ends_soon(case, first)
    finally:
        await _over(first)
    passed_s = case.clock.now_s() - began_s
    if not ended or (case.clock.virtual and passed_s > _SOON_S + _slack_s(case)):
        got = f"after {passed_s:g} s" if ended else "it still waits"
        broken(promise, f"a take that waits is not given what is there ({story})", expected="as soon as it is there", got=got)
    told = next(task for task in waiting if task.done()).result()
    if told is None:
        broken(promise, f"a take that waits ends with nothing, though there is a message ({story})", expected="it", got=None)
    return told if isinstance(told, QueueMessage) else told.message


async def _over(*tasks: "asyncio.Future[Any]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _happening(queue: Any, whole: Any, case: Case, event: str) -> tuple[str, str, Callable[[], Awaitable[Any]]]:
    """Set the scene; return the queue in which a message will be, its id where that is known, and how it comes to be there."""
    if event in ("enqueue", "elsewhere"):

        async def enqueued() -> None:
            for name in ("other", "q") if event == "elsewhere" else ():
                await queue.enqueue(name, b"not for it")
            await queue.enqueue("dead", b"x")

        return "dead", "", enqueued
    await queue.configure_dead_letter("q", "dead", 9 if event == "configure" or event in _RELEASES else 1)
    short_s = 10.0 if case.clock.virtual else 0.5
    name = await queue.enqueue("q", b"x", {"h": "v"})
    held = await queue.receive("q", short_s if event == "deadline" else HELD_S)
    for _ in range(_RELEASES.get(event, 1) - 1):
        await queue.release(held)
        held = await queue.receive("q", HELD_S)
    if event in _RELEASES:
        return "q", name, lambda: queue.release(held)
    if event == "redrive":
        await queue.release(held)
        await queue.dead_letters("q")
        return "q", name, lambda: queue.redrive("q")

    async def dies() -> None:
        if event == "deadline":
            await case.clock.sleep(short_s * 1.2 + _slack_s(case))
        else:
            await queue.release(held)
        if event == "configure":
            await queue.configure_dead_letter("q", "dead", 1)
        elif event == "receive":
            same("queue_dead_letter.1", await queue.receive("q", HELD_S), None, "a message is given after its last attempt")
        elif event == "peek" and offers(whole, QueueBasic):
            await whole.peek("q")
        if event in ("deadline", "dead_letters", "configure") or not offers(whole, QueueBasic):
            await queue.dead_letters("q")

    return "dead", name, dies


@check("queue_visibility.9", "queue_basic.4", "queue_dead_letter.2", "queue_dead_letter.5")
@gauntlet(
    lambda limits: [
        {"event": event, "by": by, "other": other} for event in _EVENTS for by, other in (("receive", False), ("dequeue", True))
    ]
)
async def it_is_woken_by_whatever_brings_a_message(
    queue: VisibilityAndDeadLetter, case: Case, event: str, by: str, other: bool
) -> None:
    """Who waits at the target of a dead-letter queue is given what dies meanwhile, once a look or a configuration has seen to it,
    and what is enqueued there; who waits at the queue what is redriven or released (Q-11, Q-15, Q-16)."""
    whole = await case.whole()
    if (by == "dequeue" and not offers(whole, QueueBasic)) or (not case.clock.virtual and _slack_s(case) > _SLACK_S):
        return
    taker = await case.client(whole=True) if other else whole
    name, identity, happen = await _happening(queue, whole, case, event)
    waiting = _take(taker, name, by)
    try:
        await _they_wait(case)
        await happen()
        promise = "queue_visibility.9" if by == "receive" else "queue_basic.4"
        got = await _woken(case, promise, [waiting], f"{event}, {by}")
    finally:
        await _over(waiting)
    if identity:
        same("queue_dead_letter.2", got.id, identity, "a take that waits is given another message than the one that came")


_PLACES = (("a", "b"), ("a", "a"), ("a", "b", "c"))
"""Where takes wait."""
_ORDERS = ((0, 1), (1, 0), (0, 1, 2), (1, 2, 0), (2, 0, 1))
"""In which messages come to them."""
_TIMES = 3
"""So many times they wait: who is woken once may not be the next time."""
_TURNS = [{"places": places, "order": order} for places in _PLACES for order in _ORDERS if len(places) == len(order)]


async def _each_its_own(
    slot: Any, case: Case, promise: str, by: str, places: tuple[str, ...], order: tuple[int, ...], apart: bool
) -> None:
    """Let takes of one client wait, and a message come to one after the other; judge that each is woken by its own, and again."""
    if apart and len(places) > 2 and not case.clock.virtual:
        return
    other = await case.client()
    for turn in range(_TIMES if case.clock.virtual or order == _ORDERS[1] else 1):
        await _each_once(slot, other if apart else slot, case, promise, by, places, order, f", the {turn + 1}. time")


async def _each_once(
    slot: Any, sender: Any, case: Case, promise: str, by: str, places: tuple[str, ...], order: tuple[int, ...], told: str
) -> None:
    waiting = [_take(slot, name, by) for name in places]
    try:
        await _they_wait(case)
        for number in order:
            name = places[number]
            mine = [task for task, place in zip(waiting, places, strict=True) if place == name and not task.done()]
            story = f"{by}; they wait at {', '.join(places)}, and messages come for {', '.join(places[n] for n in order)}{told}"
            identity = await sender.enqueue(name, name.encode())
            got = await _woken(case, promise, mine, story)
            same(promise, got.id, identity, f"a take that waits is given another message than its own ({story})")
    finally:
        await _over(*waiting)


@check("queue_basic.4")
@gauntlet(lambda limits: [{**turns, "apart": apart} for turns in _TURNS for apart in (False, True)])
async def each_dequeue_is_woken_by_its_own(
    queue: QueueBasic, case: Case, places: tuple[str, ...], order: tuple[int, ...], apart: bool
) -> None:
    """Of several takes of one client, at the same queue or at different ones, none is woken in place of another (Q-11)."""
    await _each_its_own(queue, case, "queue_basic.4", "dequeue", places, order, apart)


@check("queue_visibility.9")
@gauntlet(lambda limits: [{**turns, "apart": apart} for turns in _TURNS for apart in (False, True)])
async def each_receive_is_woken_by_its_own(
    queue: QueueVisibility, case: Case, places: tuple[str, ...], order: tuple[int, ...], apart: bool
) -> None:
    """So of receives (Q-11)."""
    await _each_its_own(queue, case, "queue_visibility.9", "receive", places, order, apart)
