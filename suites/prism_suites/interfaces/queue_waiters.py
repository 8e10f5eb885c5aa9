"""queue: many takes of one client wait at once, each on a queue of its own."""

import asyncio
from functools import partial

from prism_suites._judging import same
from prism_suites._queue_taking import HELD_S
from prism_suites._waiters import WAITS_S, each_ends_in_its_time, how_many, the_last_is_served
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import QueueBasic, QueueVisibility


@check("queue_basic.4", "queue_basic.10")
async def of_many_takes_that_wait_the_last_is_served(queue: QueueBasic, case: Case) -> None:
    """Many takes of one client wait, each for a queue of its own; what is enqueued for the last comes at once."""
    other, count = await case.client(), how_many(case)
    waits = [partial(queue.dequeue, f"q{number}", WAITS_S) for number in range(count)]
    got = await the_last_is_served(case, "queue_basic.4", waits, lambda: other.enqueue(f"q{count - 1}", b"its own"))
    same("queue_basic.1", got and got.payload, b"its own", "a take beside others gives another message")


@check("queue_visibility.9", "queue_visibility.8")
async def of_many_receives_that_wait_the_last_is_served(queue: QueueVisibility, case: Case) -> None:
    """So do receives of a queue that leases."""
    other, count = await case.client(), how_many(case)
    waits = [partial(queue.receive, f"q{number}", HELD_S, WAITS_S) for number in range(count)]
    got = await the_last_is_served(case, "queue_visibility.9", waits, lambda: other.enqueue(f"q{count - 1}", b"its own"))
    same("queue_visibility.1", got and got.message.payload, b"its own", "a receive beside others gives another message")


@check("queue_basic.4")
async def takes_that_wait_in_vain_end_in_their_times(queue: QueueBasic, case: Case) -> None:
    """Takes of one client wait for times of their own, at queues of their own and at one."""
    await each_ends_in_its_time(case, "queue_basic.4", lambda number, wait_s: queue.dequeue(f"q{number % 6}", wait_s), 8)


@check("queue_visibility.9")
async def receives_that_wait_in_vain_end_in_their_times(queue: QueueVisibility, case: Case) -> None:
    """So do receives."""

    def wait(number: int, wait_s: float) -> "asyncio.Future[object]":
        return asyncio.ensure_future(queue.receive(f"q{number % 6}", HELD_S, wait_s))

    await each_ends_in_its_time(case, "queue_visibility.9", wait, 8)


@check("queue_visibility.3", "queue_visibility.2", "queue_visibility.9")
@gauntlet(lambda limits: [{"first": first, "written": written} for first in (0, 1) for written in (0, 1)])
async def receives_that_wait_lease_for_their_own_times(queue: QueueVisibility, case: Case, first: int, written: int) -> None:
    """Two receives of one client wait, one to lease for a minute, the other for hours: each lease is as long as was asked for."""
    if not case.clock.virtual:
        case.note("when a lease ends is judged where time is virtual")
        return
    names, seconds = ("short", "long"), (60.0, HELD_S)
    waits: dict[str, asyncio.Future[object]] = {}
    for number in (first, 1 - first):
        waits[names[number]] = asyncio.ensure_future(queue.receive(names[number], seconds[number], WAITS_S))
        await case.clock.sleep(0.1)
    for number in (written, 1 - written):
        await queue.enqueue(names[number], names[number].encode())
    leases = {name: await task for name, task in waits.items()}
    same("queue_visibility.9", [name for name, lease in leases.items() if lease is None], [], "a receive that waits gives nothing")
    await case.advance(120.0 + case.limits.clock_resolution_s + case.traits.ttl_late_s)
    early = await queue.receive("long", HELD_S)
    same("queue_visibility.2", early, None, "of two receives that waited one leased for the time of the other: it ended too early")
    late = await queue.receive("short", HELD_S)
    sentence = "of two receives that waited one leased for the time of the other: it did not end"
    same("queue_visibility.3", late and late.attempt, 2, sentence)
