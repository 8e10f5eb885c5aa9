"""Draining: that it takes nothing new, waits no longer than it may, and tells the truth about what was in hand."""

import asyncio
import math
from typing import Any

from prism_suites._judging import broken, refused, same
from prism_suites._lifecycle import Living, Waiting, cancelled_at, expect_closed, in_vain, outcomes, turns
from prism_suites._lifecycle_worlds import BEGINS_S, HOUR_S, World, waiting_in, world_of
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Closed, Drained

_MOST_WAITS = 60
_LONG_S = 60.0
"""Of virtual time: long enough for whatever is to end by itself, and shorter than an hour."""
_LATE_S = 45.0
"""What is aborted may take its time to end."""
_SHORT_S = 0.05
"""On a real clock: what is to end by itself may not come to its end, and then it must be counted so."""


@check("lifecycle.3")
@gauntlet(
    lambda limits: [{"timeout_s": timeout_s, "opened": opened} for timeout_s in (0, 0.0, 5, -1.0, 1e6) for opened in (True, False)]
)
async def with_nothing_in_hand_it_is_nothing(slot: Living, case: Case, timeout_s: float, opened: bool) -> None:
    """With nothing in hand it returns at once, with 0 and 0, and so does a repeat; then every call raises Closed."""
    living = await (case.whole() if opened else case.unopened())
    began_s = asyncio.get_running_loop().time()
    for time in ("first", "second", "third"):
        drained = await in_vain("lifecycle.3", living.drain(timeout_s), f"a {time} drain raises an error")
        same("lifecycle.3", drained, Drained(0, 0), f"a {time} drain with nothing in hand counts calls")
    if case.clock.virtual and asyncio.get_running_loop().time() - began_s > HOUR_S:
        broken("lifecycle.3", "a drain with nothing in hand waits", expected="an answer at once", got="it waited")
    await _takes_nothing(living, "after a drain")


@check("lifecycle.3")
@gauntlet(lambda limits: [{"timeout_s": timeout_s} for timeout_s in (math.nan, math.inf, -math.inf)])
async def what_is_no_number_of_seconds_drains_nothing(slot: Living, case: Case, timeout_s: float) -> None:
    """NaN and infinities raise ValueError, and the driver goes on taking work."""
    async with world_of(case, slot) as world:
        await refused("lifecycle.3", world.living.drain(timeout_s), ValueError, f"a drain of {timeout_s} s is not refused")
        await in_vain("lifecycle.3", world.write(world.living, 0), "after a drain that was refused it takes no work")


@check("lifecycle.3")
@gauntlet(lambda limits: [{"calls": calls, "refused_": number} for calls in (0, 1, 3) for number in (1, 5)])
async def what_is_refused_was_never_in_hand(slot: Waiting, case: Case, calls: int, refused_: int) -> None:
    """Calls that a drain refuses while others are in hand are no part of its counts."""
    async with world_of(case, slot, calls=calls) as world:
        waiting = await waiting_in(world, calls)
        draining = asyncio.ensure_future(world.living.drain(_LONG_S if case.clock.virtual else _SHORT_S))
        await turns(3)
        for number in range(refused_):
            sentence = "a draining driver takes new work"
            await refused("lifecycle.3", world.write(world.living, number), Closed, sentence)
        await _judge(waiting, await draining, "by a drain that refused others")


@check("lifecycle.2", "lifecycle.3")
@gauntlet(lambda limits: [{"calls": calls, "turns_": number} for calls in (1, 3) for number in (1, 5)])
async def a_close_ends_a_drain(slot: Waiting, case: Case, calls: int, turns_: int) -> None:
    """A close waits neither for the calls in hand nor for a drain that waits for them: both end."""
    if not case.clock.virtual:
        case.note("that nothing waits for an hour is judged where time is virtual")
        return
    async with world_of(case, slot, calls=calls) as world:
        waiting = await waiting_in(world, calls)
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        draining = asyncio.ensure_future(world.living.drain(HOUR_S / 2))
        await turns(turns_)
        await world.living.close()
        waited_s = loop.time() - began_s
        await asyncio.gather(draining, *waiting, return_exceptions=True)
        if waiting and waited_s > HOUR_S / 4:
            broken("lifecycle.2", "a close waits for a drain", expected="bounded time", got=f"{waited_s:g} s")


@check("lifecycle.3", "lifecycle.2")
@gauntlet(
    lambda limits: [
        {"calls": calls, "timeout_s": timeout_s}
        for calls, timeout_s in ((1, _LONG_S), (2, _LONG_S), (7, _LONG_S), (3, 0.0), (3, -5.0))
    ]
)
async def calls_that_wait_are_aborted_and_counted(slot: Waiting, case: Case, calls: int, timeout_s: float) -> None:
    """Calls that would wait for an hour are aborted when the time is over, not before, and are counted."""
    timeout_s = timeout_s if case.clock.virtual else min(timeout_s, _SHORT_S)
    async with world_of(case, slot, calls=calls) as world:
        waiting = await waiting_in(world, calls)
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        drained = await world.living.drain(timeout_s)
        waited_s = loop.time() - began_s
        await _judge(waiting, drained, "by a drain")
        if waited_s < timeout_s - 0.02:
            broken(
                "lifecycle.3", "a drain aborts calls before its time is over", expected=f"{timeout_s:g} s", got=f"{waited_s:g} s"
            )
        if case.clock.virtual and waited_s > timeout_s + _LATE_S:
            broken("lifecycle.3", "a drain waits longer than it may", expected=f"{timeout_s:g} s", got=f"{waited_s:g} s")
        same("lifecycle.3", await world.living.drain(timeout_s), Drained(0, 0), "a second drain counts calls again")
        await world.living.close()
        await _accounted(world, waiting, range(len(waiting)))


@check("lifecycle.3")
@gauntlet(lambda limits: [{"calls": calls} for calls in (1, 3, 12)])
async def calls_that_can_end_are_waited_for(slot: Waiting, case: Case, calls: int) -> None:
    """Calls that get what they wait for during the drain return it, and are counted as completed; then it waits no longer."""
    async with world_of(case, slot, calls=calls) as world:
        waiting = await waiting_in(world, calls)
        began_s = asyncio.get_running_loop().time()
        draining = asyncio.ensure_future(world.living.drain(_LONG_S if case.clock.virtual else 20.0))
        await turns(3)
        if draining.done():
            broken("lifecycle.3", "a drain does not wait for the calls in hand", expected="it waits", got=await draining)
        await asyncio.gather(*[world.feed(number) for number in range(calls)])
        drained = await draining
        await _judge(waiting, drained, "by a drain that let them end", at_least=len(waiting))
        if case.clock.virtual and asyncio.get_running_loop().time() - began_s >= _LONG_S:
            broken("lifecycle.3", "a drain waits on when all calls have ended", expected="it returns", got="it waited")
        await world.living.close()
        await _accounted(world, waiting, ())


@check("lifecycle.3", "lifecycle.2")
@gauntlet(lambda limits: [{"calls": calls, "before_s": before_s} for calls in (1, 3) for before_s in (0.0, 0.001, 0.05, 1.0)])
async def what_comes_as_the_time_is_over_is_not_lost(slot: Waiting, case: Case, calls: int, before_s: float) -> None:
    """What comes right before a drain aborts who waits for it is returned, or still there."""
    if not case.clock.virtual:
        return
    async with world_of(case, slot, calls=calls) as world:
        waiting = await waiting_in(world, calls)
        draining = asyncio.ensure_future(world.living.drain(_LONG_S))
        await case.clock.sleep(_LONG_S - before_s)
        await asyncio.gather(*[world.feed(number) for number in range(calls)])
        await _judge(waiting, await draining, "by a drain whose time was over as something came")
        await world.living.close()
        await _accounted(world, waiting, ())


@check("lifecycle.3", "lifecycle.2")
@gauntlet(
    lambda limits: [{"fed": fed, "over": over, "stuck": stuck} for fed, over, stuck in ((1, 1, 1), (2, 0, 3), (0, 3, 2), (5, 2, 1))]
)
async def each_call_counts_as_what_became_of_it(slot: Waiting, case: Case, fed: int, over: int, stuck: int) -> None:
    """Of calls of which some get what they wait for, some give up by themselves, and some do neither, each is counted right."""
    if not case.clock.virtual:
        over = 0  # what ends at about the same time as the drain does may be either
    calls = fed + over + stuck
    async with world_of(case, slot, calls=calls) as world:
        seconds = [HOUR_S] * fed + [BEGINS_S + _LONG_S / 2] * over + [HOUR_S] * stuck
        waiting = await waiting_in(world, calls, lambda number: seconds[number])
        draining = asyncio.ensure_future(world.living.drain(_LONG_S if case.clock.virtual else 0.3))
        await turns(3)
        await asyncio.gather(*[world.feed(number) for number in range(fed)])
        drained = await draining
        await _judge(waiting, drained, "by a drain", at_least=fed + over if case.clock.virtual else 0)
        await world.living.close()
        await _accounted(world, waiting, range(fed + over, len(waiting)), none=range(fed, fed + over))


@check("lifecycle.3")
@gauntlet(lambda limits: [{"writes": writes, "after": after} for writes in (1, 5, 30) for after in (0, 1, 2, 5)])
async def writes_in_hand_are_counted(slot: Living, case: Case, writes: int, after: int) -> None:
    """Of writes that were begun those in hand are counted, what returned is there, once, and what did not is whole or absent."""
    async with world_of(case, slot) as world:
        tasks = [asyncio.ensure_future(world.write(world.living, number)) for number in range(writes)]
        await turns(after)
        before = {number for number, task in enumerate(tasks) if task.done()}
        drained = await world.living.drain(_LONG_S if case.clock.virtual else 20.0)
        returned, ended = await outcomes("lifecycle.3", tasks, "at a drain")
        if after and not any(tap.settle for tap in case.taps):  # by then all have begun, so those that have not ended are in hand
            said = Drained(len(set(returned) - before), len(set(ended) - before))
            same("lifecycle.3", drained, said, "of writes in hand a drain counts another number than there were")
            same("lifecycle.3", drained.aborted, 0, "a drain aborts writes that would have ended")
        found = await world.written(writes)
        if not set(returned) <= set(found) or len(set(found)) < len(found):
            broken("lifecycle.3", "of drained writes one that returned is lost, or one is doubled", expected=returned, got=found)


@check("lifecycle.3")
@gauntlet(lambda limits: [{"calls": calls} for calls in (1, 4)])
async def while_it_waits_it_takes_nothing(slot: Waiting, case: Case, calls: int) -> None:
    """What is called during a drain is refused with Closed, without effect; what is in hand is not touched by it."""
    async with world_of(case, slot, calls=calls) as world:
        waiting = await waiting_in(world, calls)
        draining = asyncio.ensure_future(world.living.drain(_LONG_S if case.clock.virtual else 20.0))
        await turns(1)
        for _ in range(2):
            await refused("lifecycle.3", world.write(world.living, 0), Closed, "a write during a drain is not refused with Closed")
        await expect_closed("lifecycle.3", world.living, "during a drain", finishing=False)
        same("lifecycle.3", await world.written(1), [], "a write that was refused during a drain took effect")
        same("lifecycle.3", sum(task.done() for task in waiting), 0, "a call in hand ends because another one was refused")
        await asyncio.gather(*[world.feed(number) for number in range(calls)])
        await _judge(waiting, await draining, "by a drain", at_least=len(waiting))


@check("lifecycle.3")
@gauntlet(lambda limits: [{"how": how} for how in ("two", "closed meanwhile", "after a cancelled one")])
async def drains_and_closes_together_end(slot: Waiting, case: Case, how: str) -> None:
    """Two drains at once, a close during a drain, and a drain after one that was cancelled: each returns, and counts right."""
    timeout_s = _LONG_S if case.clock.virtual else 0.3
    async with world_of(case, slot, calls=3) as world:
        waiting = await waiting_in(world, 3)
        first = asyncio.ensure_future(world.living.drain(timeout_s))
        await turns(2)
        if how == "closed meanwhile":
            await world.living.close()
        elif how == "two":
            await _judge(waiting, await world.living.drain(timeout_s), "by the second of two drains")
        else:
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            await _takes_nothing(world.living, "after a drain that was cancelled")
            in_hand = [task for task in waiting if not task.done()]
            await _judge(in_hand, await world.living.drain(timeout_s), "by a drain after one that was cancelled")
        if how != "after a cancelled one":
            await _judge(waiting, await first, "by the first of two that end it")


@check("lifecycle.3")
@gauntlet(lambda limits: [{"overlap": overlap} for overlap in (False, True)])
async def draining_is_cancelled_at_every_wait(slot: Waiting, case: Case, overlap: bool) -> None:
    """Cancelled wherever it waits, a drain has begun; another one ends it, and nothing hangs."""
    for point in range(1, _MOST_WAITS):
        async with world_of(case, slot, calls=2) as world:
            waiting = await waiting_in(world, 2)
            if overlap:
                case.overlap()
            ended = await cancelled_at(world.living.drain(0.01), point)
            when = f"after a drain that was cancelled at its wait {point}"
            await in_vain("lifecycle.3", world.living.drain(0.01), f"{when} another one fails")
            await expect_closed("lifecycle.3", world.living, when, finishing=False)
            await turns(10)
            hanging = sum(not task.done() for task in waiting)
            same("lifecycle.3", hanging, 0, f"{when} and another one calls are still in hand")
            await world.living.close()
        if ended:
            return


@check("lifecycle.3")
@gauntlet(lambda limits: [{"calls": calls} for calls in (1, 4)])
async def draining_while_short_calls_end_is_cancelled_at_every_wait(slot: Living, case: Case, calls: int) -> None:
    """Where no call waits for long, a drain waits for a few turns only: cancelled at any of them it has begun, too."""
    for point in range(1, _MOST_WAITS):
        async with world_of(case, slot) as world:
            writing = [asyncio.ensure_future(world.write(world.living, number)) for number in range(calls)]
            await turns(1)
            ended = await cancelled_at(world.living.drain(_SHORT_S), point)
            await expect_closed(
                "lifecycle.3", world.living, f"after a drain that was cancelled at its wait {point}", finishing=False
            )
            await asyncio.gather(*writing, return_exceptions=True)
        if ended:
            return


async def _judge(waiting: "list[asyncio.Task[Any]]", drained: Drained, how: str, at_least: int = 0) -> None:
    """Judge the counts of a drain by what became of the calls that were in hand."""
    await turns(10)
    hanging = sum(not task.done() for task in waiting)
    same("lifecycle.3", hanging, 0, f"calls in hand were not ended {how}")
    returned, ended = await outcomes("lifecycle.3", waiting, f"ended {how}")
    if len(returned) < at_least:
        sentence = f"a call that would have ended was aborted {how}"
        broken("lifecycle.3", sentence, expected=f"{at_least} completed", got=f"{len(returned)} completed")
    same("lifecycle.3", drained, Drained(len(returned), len(ended)), f"calls ended {how}, and it counts them otherwise")


async def _takes_nothing(living: Any, when: str) -> None:
    await expect_closed("lifecycle.3", living, when, finishing=False)
    try:
        await living.open()
    except Closed:
        return
    await expect_closed("lifecycle.3", living, f"{when}, and an open", finishing=False)


async def _accounted(
    world: World, waiting: "list[asyncio.Task[Any]]", unfed: "range | tuple[()]", none: "range | tuple[()]" = ()
) -> None:
    """Judge where each thing is that a call waited for, after the driver was closed. Those ``none`` were told that none came."""
    for number, task in enumerate(waiting):
        returned = not task.cancelled() and task.exception() is None
        if number in none:
            continue
        if returned and task.result() is None:
            broken("lifecycle.3", "a drained call says that nothing came before its time was over", expected="Closed", got=None)
        if number in unfed:
            await world.feed(number)
        if not await world.accounted(number, returned):
            told = "completed" if returned else "aborted"
            sentence = f"a call that a drain {told} took what it did not return, or left what it did"
            broken("lifecycle.3", sentence, expected="what came, once", got="it is lost, or doubled")
