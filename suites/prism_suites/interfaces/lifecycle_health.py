"""Health: asked at any time, of whatever state, it answers, and waits for nothing that it reports on."""

import asyncio
from contextlib import suppress
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._lifecycle import Living, Waiting, asked, every_call
from prism_suites._lifecycle_worlds import HOUR_S, waiting_in, world_of
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import PrismError


@check("lifecycle.4")
@gauntlet(lambda limits: [{"times": 1}, {"times": 50}])
async def it_is_healthy_while_all_is_well(slot: Living, case: Case, times: int) -> None:
    """It says "healthy", without a word; however many ask at once, before its open too."""
    unopened = await case.unopened()
    for health in await asyncio.gather(*[asked(slot.health()) for _ in range(times)]):
        same("lifecycle.4", (health.status, health.detail), ("healthy", ""), "it is not healthy, though all is well")
    await asked(unopened.health())
    await unopened.open()
    same("lifecycle.4", (await asked(unopened.health())).status, "healthy", "it is not healthy, though it was opened")


@check("lifecycle.4")
@gauntlet(lambda limits: [{"times": 0}, {"times": 1}, {"times": 3}])
async def closed_or_drained_it_is_not_healthy(slot: Living, case: Case, times: int) -> None:
    """Drained it is not healthy, and closed it is not, and says why, whatever it said before. Others stay healthy."""
    living, closed = await case.whole(), await case.whole()
    for _ in range(times):
        for each in (living, closed, slot):
            await asked(each.health())
    await living.drain(0)
    await _not_healthy(living, "drained")
    await living.close()
    await _not_healthy(living, "drained and closed")
    await closed.close()
    await _not_healthy(closed, "closed")
    await closed.drain(0)
    await _not_healthy(closed, "closed and drained")
    same("lifecycle.4", (await asked(slot.health())).status, "healthy", "because another driver was closed it is not healthy")


@check("lifecycle.4")
async def what_callers_do_wrong_is_no_illness(slot: Living, case: Case) -> None:
    """After calls that were refused, or cancelled, it is as healthy as before."""
    async with world_of(case, slot, calls=1) as world:
        for make in every_call(world.living, name="").values():
            with suppress(PrismError, ValueError):
                await make()
        for task in await waiting_in(world, 1):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        health = await asked(world.living.health())
        same("lifecycle.4", health.status, "healthy", "after calls that were refused it is not healthy")


@check("lifecycle.4")
@gauntlet(lambda limits: [{"during": during} for during in ("calls", "drain", "close")])
async def asking_does_not_wait_for_calls(slot: Waiting, case: Case, during: str) -> None:
    """While calls wait for an hour, and while they are waited for, it answers."""
    async with world_of(case, slot, calls=3) as world:
        waiting = await waiting_in(world, 3)
        began_s = asyncio.get_running_loop().time()
        ending = {"drain": world.living.drain, "close": lambda _: world.living.close(), "calls": asyncio.sleep}[during]
        task = asyncio.ensure_future(ending(HOUR_S if case.clock.virtual else 0.1))
        await asyncio.sleep(0)
        for _ in range(3):
            health = await asked(world.living.health())
        if during != "calls" and health.status == "healthy":
            broken("lifecycle.4", f"it says it is healthy during a {during}", expected="degraded or unhealthy", got=health)
        waited_s = asyncio.get_running_loop().time() - began_s
        if case.clock.virtual and waited_s > HOUR_S / 2:
            broken("lifecycle.4", "health waits for calls in hand", expected="an answer at once", got=f"after {waited_s:g} s")
        await world.living.close()
        await asyncio.gather(task, *waiting, return_exceptions=True)


async def _not_healthy(living: Any, what: str) -> None:
    health = await asked(living.health())
    if health.status == "healthy" or not health.detail:
        broken("lifecycle.4", f"{what}, it does not say what is wrong with it", expected="a status, and why", got=health)
