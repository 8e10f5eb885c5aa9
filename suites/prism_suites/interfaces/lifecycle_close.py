"""Closing: that it is final, what becomes of calls in hand and of what was written, and that nothing of it stays behind."""

import asyncio
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

from prism_suites._judging import broken, refused, same
from prism_suites._lifecycle import (
    ENDED,
    ENDINGS,
    Living,
    Waiting,
    cancelled_at,
    end,
    expect_closed,
    in_vain,
    outcomes,
    quiet,
    turns,
)
from prism_suites._lifecycle_worlds import HOUR_S, World, waiting_in, world_of
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Closed, Drained

_MOST_WAITS = 60
_TURNS, _TURNS_OF_CLIENTS = 3, 10
"""Between the end of a call and that of the task which made it; client libraries of servers have tasks of their own in between."""
_FILES = Path("/proc/self/fd")


@check("lifecycle.2", "lifecycle.3", "lifecycle.4")
@gauntlet(lambda limits: [{"used": used, "opened": opened} for used in (False, True) for opened in (False, True)])
async def closed_it_stays_closed(slot: Living, case: Case, used: bool, opened: bool) -> None:
    """A second close does nothing; after the first every other call raises Closed, but for health and drain (KV-58, PS-36)."""
    living = await (case.whole() if opened else case.unopened())
    if opened and used:
        async with world_of(case, slot, living=living) as world:
            await world.write(living, 0)
    for time in ("first", "second", "third"):
        await in_vain("lifecycle.2", living.close(), f"the {time} close raises an error")
        await expect_closed("lifecycle.2", living, f"after the {time} close")
        await refused("lifecycle.2", living.open(), Closed, f"an open after the {time} close is not refused with Closed")
        drained = await in_vain("lifecycle.3", living.drain(1.0), "a drain of what is closed raises an error")
        same("lifecycle.3", drained, Drained(0, 0), "a drain of what is closed finds calls in hand")
        await in_vain("lifecycle.4", living.health(), "health of what is closed raises an error")
    await expect_closed("lifecycle.2", living, "after a drain of what is closed")


@check("lifecycle.2")
@gauntlet(lambda limits: [{"closers": closers, "calls": calls} for closers in (2, 5) for calls in (0, 2)])
async def many_may_close_at_once(slot: Living, case: Case, closers: int, calls: int) -> None:
    """Of several that close at once each returns, when the driver is closed."""
    async with world_of(case, slot, calls=calls) as world:
        waiting = await waiting_in(world, calls)
        ends = await asyncio.gather(*[world.living.close() for _ in range(closers)], return_exceptions=True)
        same("lifecycle.2", [end for end in ends if end is not None], [], "one of several that close at once is given an error")
        await expect_closed("lifecycle.2", world.living, "after several closes at once")
        await _all_ended(case, waiting, "closed by several")


@check("lifecycle.2", "lifecycle.3")
@gauntlet(
    lambda limits: [
        {"calls": calls, "fed": fed, "begun": begun}
        for calls, fed, begun in (
            *((1, False, 1), (1, True, None), (2, False, 3), (2, True, 2)),
            *((7, False, None), (7, True, 1), (7, True, None)),
        )
    ]
)
async def calls_in_hand_end_with_it(slot: Waiting, case: Case, calls: int, fed: bool, begun: int | None) -> None:
    """Calls that would wait for an hour end when their driver is closed, within bounded time; takes take nothing (Q-29, ST-36).

    ``begun``: it is closed so many turns after they began, when they do not wait yet, and what they wait for is there before;
    None: when they have got as far as they can.
    """
    async with world_of(case, slot, calls=calls) as world:
        for number in range(calls if fed and begun is not None and world.waits else 0):
            await world.feed(number)
        waiting = await waiting_in(world, calls, begun=begun)
        began_s = asyncio.get_running_loop().time()
        if fed and begun is None:  # as it is closed
            closing = asyncio.ensure_future(world.living.close())
            await asyncio.gather(*[world.feed(number) for number in range(len(waiting))])
            await closing
        else:
            await world.living.close()
        await _all_ended(case, waiting, "when it was closed")
        if case.clock.virtual and asyncio.get_running_loop().time() - began_s > HOUR_S / 2:
            broken("lifecycle.2", "close waits for what calls in hand wait for", expected="it ends them", got="it waited")
        returned, _ = await outcomes("lifecycle.2", waiting, "when it was closed")
        for number in returned:
            if await waiting[number] is None:
                broken("lifecycle.2", "a call that close ended says that nothing came", expected="Closed", got=None)
        await _accounted(world, len(waiting), returned, fed)
        drained = await in_vain("lifecycle.3", world.living.drain(1.0), "a drain of what is closed raises an error")
        same("lifecycle.3", drained, Drained(0, 0), "a drain counts calls that a close before it has ended")


@check("lifecycle.2")
@gauntlet(lambda limits: [{"writes": writes, "after": after} for writes in (1, 8, 40) for after in (0, 1, 3)])
async def what_was_acknowledged_is_there(slot: Living, case: Case, writes: int, after: int) -> None:
    """Of writes at the time of a close those that returned are there, once, and the others whole or absent (PS-38)."""
    async with world_of(case, slot) as world:
        tasks = [asyncio.ensure_future(world.write(world.living, number)) for number in range(writes)]
        await turns(after)
        await world.living.close()
        returned, _ = await outcomes("lifecycle.2", tasks, "when it was closed")
        found = await world.written(writes)
        if not set(returned) <= set(found) or len(set(found)) < len(found):
            sentence = "of writes at the time of a close one that returned is lost, or one is doubled"
            broken("lifecycle.2", sentence, expected=returned, got=found)


@check("lifecycle.2")
@gauntlet(lambda limits: [{"how": how} for how in ENDINGS])
async def nothing_of_it_stays_behind(slot: Living, case: Case, how: str) -> None:
    """Drivers that are used in every way and closed leave no task, thread or open file, however many come and go.

    What the first one leaves may be its connection's, for the next. The later ones leave nothing more.
    """
    left: list[int] = []
    held: list[int] = []
    for _ in range(5):
        async with world_of(case, slot, calls=2) as world:
            await world.write(world.living, 0)
            waiting = await waiting_in(world, 2)
            await end(world.living, how)
            await asyncio.gather(*waiting, return_exceptions=True)
            left.append(len(await quiet(case, world.before)))
        held.append(_held())
    if any(left[1:]):
        broken("lifecycle.2", f"what is {how} leaves tasks running", expected=[left[0], 0, 0, 0, 0], got=left)
    if all(later > earlier for earlier, later in pairwise(held[1:])):
        broken(
            "lifecycle.2", "each driver that is closed leaves a thread, a connection or an open file", expected="as many", got=held
        )


@check("lifecycle.2")
@gauntlet(lambda limits: [{"where": where} for where in ("a sibling", "a client", "the same connection")])
async def others_go_on(slot: Living, case: Case, where: str) -> None:
    """A driver of the same connection, of another namespace, or of another connection, is not closed with it; its calls go on."""
    opened = {
        "a sibling": lambda: case.sibling(whole=True),
        "a client": lambda: case.client(whole=True),
        "the same connection": case.whole,
    }
    other = await opened[where]()
    async with world_of(case, slot if where != "a sibling" else other, calls=2, living=other) as world:
        waiting = await waiting_in(world, 2)
        await _end_two(slot, case, busy=where == "the same connection")
        await turns(10)
        same("lifecycle.2", sum(task.done() for task in waiting), 0, f"calls in hand of {where} end when another driver is closed")
        await in_vain("lifecycle.2", world.write(other, 0), f"{where} can no longer be used when another driver is closed")
        for number in range(len(waiting)):
            await world.feed(number)
            await in_vain("lifecycle.2", waiting[number], f"a call in hand of {where} fails when another driver is closed")
        same("lifecycle.2", await world.written(1), [0], f"what {where} writes is not there when another driver is closed")
        await in_vain("lifecycle.2", other.open(), f"{where} is closed when another driver is")


async def _end_two(slot: Living, case: Case, busy: bool) -> None:
    """Drain one driver and close another, each with a call in hand if they are busy."""
    drained, closed = await case.whole(), await case.whole()
    calls = int(busy)
    async with (
        world_of(case, slot, calls=calls, living=drained, first=10) as first,
        world_of(case, slot, calls=calls, living=closed, first=20) as second,
    ):
        theirs = [*await waiting_in(first, calls), *await waiting_in(second, calls)] if busy else []
        await drained.drain(0)
        await closed.close()
        await asyncio.gather(*theirs, return_exceptions=True)


@check("lifecycle.2")
@gauntlet(lambda limits: [{"overlap": overlap} for overlap in (False, True)])
async def closing_is_cancelled_at_every_wait(slot: Living, case: Case, overlap: bool) -> None:
    """Cancelled wherever it waits, a close has happened, or happens at the next one; then nothing is left."""
    await _cancelled_everywhere(slot, case, 0, overlap)


@check("lifecycle.2")
@gauntlet(lambda limits: [{"overlap": overlap} for overlap in (False, True)])
async def closing_with_calls_in_hand_is_cancelled_at_every_wait(slot: Waiting, case: Case, overlap: bool) -> None:
    """Cancelled while it ends calls in hand, a close has happened, or happens at the next one; they end."""
    await _cancelled_everywhere(slot, case, 2, overlap)


async def _cancelled_everywhere(slot: Any, case: Case, calls: int, overlap: bool) -> None:
    if overlap:
        case.overlap()
    for point in range(1, _MOST_WAITS):
        async with world_of(case, slot, calls=calls) as world:
            waiting = await waiting_in(world, calls)
            ended = await cancelled_at(world.living.close(), point)
            when = f"after a close that was cancelled at its wait {point} another one"
            await in_vain("lifecycle.2", world.living.close(), f"{when} fails")
            await expect_closed("lifecycle.2", world.living, when)
            await _all_ended(case, waiting, "by a close after one that was cancelled")
            left = await quiet(case, world.before) if point > 1 else []  # the first one may make its connection begin something
            same("lifecycle.2", [task.get_name() for task in left], [], f"{when} leaves tasks running")
        if ended:
            return


def _held() -> int:
    """Return how many threads and open files there are, as far as the system tells, but for threads of a loop's own pool."""
    threads = sum(not thread.name.startswith("asyncio_") for thread in threading.enumerate())
    return threads + (sum(1 for _ in _FILES.iterdir()) if _FILES.is_dir() else 0)


async def _all_ended(case: Case, waiting: "list[asyncio.Task[Any]]", when: str) -> None:
    await turns(_TURNS if case.clock.virtual else _TURNS_OF_CLIENTS)
    hanging = sum(not task.done() for task in waiting)
    same("lifecycle.2", hanging, 0, f"a call in hand did not end {when}")
    for task in waiting:
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, ENDED):
            broken("lifecycle.2", f"a call that ended {when} raised another error", expected="Closed", got=repr(error))


async def _accounted(world: World, calls: int, returned: list[int], fed: bool) -> None:
    for number in range(calls):
        if not fed:
            await world.feed(number)
        # An upload whose source was let go on after it had ended is no upload any more.
        if not await world.accounted(number, number in returned):
            told = "returned" if number in returned else "ended"
            sentence = f"a call that {told} when its driver was closed took what it did not return, or left what it did"
            broken("lifecycle.2", sentence, expected="what came, once", got="it is lost, or doubled")
