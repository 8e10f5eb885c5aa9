"""Opening: what it makes usable, what a repeat does, and what is left of one that was cancelled."""

import asyncio

from prism_suites._judging import broken, same
from prism_suites._lifecycle import Living, cancelled_at, expect_closed, in_vain, quiet, turns
from prism_suites._lifecycle_worlds import waiting_in, world_of
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet

_MOST_WAITS = 60


@check("lifecycle.1")
async def opened_it_is_used(slot: Living, case: Case) -> None:
    """A driver whose open returned serves its calls, and says that it is healthy."""
    living = await case.unopened()
    await living.open()
    async with world_of(case, slot, living=living) as world:
        await world.write(living, 0)
        same("lifecycle.1", await world.written(1), [0], "what an opened driver wrote is not there")
        same("lifecycle.4", (await living.health()).status, "healthy", "an opened driver says it is not healthy")
    await living.close()


@check("lifecycle.1")
@gauntlet(lambda limits: [{"times": times, "together": together} for times in (1, 2, 10) for together in (False, True)])
async def opening_again_does_nothing(slot: Living, case: Case, times: int, together: bool) -> None:
    """Whoever opens what is open, once or often, changes nothing: what waits goes on, and what was written is there."""
    async with world_of(case, slot, calls=1) as world:
        await world.write(world.living, 0)
        waiting = await waiting_in(world, 1)
        if together:
            await asyncio.gather(*[world.living.open() for _ in range(times)])
        else:
            for _ in range(times):
                await world.living.open()
        await world.write(world.living, 1)
        if waiting:
            await world.feed(0)
            if await waiting[0] is None:
                broken("lifecycle.1", "a call that waited through another open was given nothing", expected="what came", got=None)
        same("lifecycle.1", await world.written(2), [0, 1], "what was written before and after another open is not there")


@check("lifecycle.1")
async def opening_is_cancelled_at_every_wait(slot: Living, case: Case) -> None:
    """Cancelled wherever it waits, an open leaves nothing running, and the next one opens.

    Calls do not overlap here: one that is cancelled behind its effect, by the harness, is open to nobody's fault.
    """
    await _warm(case)
    for point in range(1, _MOST_WAITS):
        before = asyncio.all_tasks()
        living = await case.unopened()
        ended = await cancelled_at(living.open(), point)
        if not ended:
            left = await quiet(case, before)
            same("lifecycle.1", [task.get_name() for task in left], [], f"an open cancelled at its wait {point} left tasks running")
        await _opens(slot, case, living, f"after an open that was cancelled at its wait {point}")
        if ended:
            return


@check("lifecycle.1")
@gauntlet(lambda limits: [{"after": number} for number in range(12)])
async def opening_is_cancelled_at_every_turn(slot: Living, case: Case, after: int) -> None:
    """Cancelled after so many turns of the loop, an open leaves nothing running, and the next one opens."""
    await _warm(case)
    before = asyncio.all_tasks()
    living = await case.unopened()
    opening = asyncio.ensure_future(living.open())
    await turns(after)
    cancelled = opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
    if cancelled:
        left = await quiet(case, before)
        same("lifecycle.1", [task.get_name() for task in left], [], f"an open cancelled after {after} turns left tasks running")
    await _opens(slot, case, living, f"after an open that was cancelled after {after} turns")


@check("lifecycle.1")
@gauntlet(lambda limits: [{"after": number, "which": which} for number in (0, 1, 2, 4) for which in (0, 1)])
async def of_two_openings_one_is_cancelled(slot: Living, case: Case, after: int, which: int) -> None:
    """Of two that open at once one may give up: the other is opened all the same."""
    living = await case.unopened()
    openings = [asyncio.ensure_future(living.open()) for _ in range(2)]
    await turns(after)
    openings[which].cancel()
    await asyncio.gather(openings[which], return_exceptions=True)
    await in_vain("lifecycle.1", openings[1 - which], "an open fails because another one was cancelled")
    await _opens(slot, case, living, "after one of two opens was cancelled")


@check("lifecycle.1")
@gauntlet(lambda limits: [{"after": number} for number in (0, 1, 2, 3, 5, 8)])
async def each_of_two_openings_makes_it_usable(slot: Living, case: Case, after: int) -> None:
    """Who opens while another one does is told that it is open when it is: calls behind it are served (KV-58)."""
    living = await case.unopened()
    first = asyncio.ensure_future(living.open())
    await turns(after)
    await in_vain("lifecycle.1", living.open(), "an open while another one is under way fails")
    async with world_of(case, slot, living=living) as world:
        await in_vain("lifecycle.1", world.write(living, 0), "behind an open, while another one was under way, a call is refused")
        await in_vain("lifecycle.1", first, "an open fails while another one is under way")
        same("lifecycle.1", set(await world.written(1)), {0}, "what was written behind the second of two opens is not there")
        await living.close()


@check("lifecycle.2", "lifecycle.1")
@gauntlet(lambda limits: [{"after": number} for number in (0, 1, 2, 3, 5, 8)])
async def closed_while_it_opens(slot: Living, case: Case, after: int) -> None:
    """A driver that is closed while it opens is closed: whatever the open says, nothing of it runs, and calls raise Closed."""
    await _warm(case)
    before = asyncio.all_tasks()
    living = await case.unopened()
    opening = asyncio.ensure_future(living.open())
    await turns(after)
    await in_vain("lifecycle.2", living.close(), "a close while it opens fails")
    await asyncio.gather(opening, return_exceptions=True)
    await expect_closed("lifecycle.2", living, "closed while it opened")
    left = await quiet(case, before)
    same("lifecycle.2", [task.get_name() for task in left], [], "what is closed while it opens leaves tasks running")
    await in_vain("lifecycle.2", living.close(), "a close after one while it opened fails")
    await expect_closed("lifecycle.2", living, "closed again")


async def _warm(case: Case) -> None:
    """Let the connection start whatever it starts for its first driver."""
    first = await case.unopened()
    await first.open()
    await first.close()


async def _opens(slot: Living, case: Case, living: Living, when: str) -> None:
    await in_vain("lifecycle.1", living.open(), f"{when} it does not open")
    async with world_of(case, slot, living=living) as world:
        await in_vain("lifecycle.1", world.write(living, 0), f"{when} it cannot be used")
        same("lifecycle.1", set(await world.written(1)), {0}, f"{when} what it writes is not there")
        await living.close()
