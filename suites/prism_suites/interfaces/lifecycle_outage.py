"""A driver whose server goes away: opened, asked, drained and closed all the same."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._lifecycle import ENDED, Living, Waiting, asked, expect_closed, in_vain, quiet, turns
from prism_suites._lifecycle_worlds import waiting_in, world_of
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import BackendUnavailable, OperationTimeout

_AWAY = (BackendUnavailable, OperationTimeout)
_TRIES = 200
_BETWEEN_S = 0.05


@check("lifecycle.4", needs_server=True)
async def a_server_that_is_away_is_noticed(slot: Living, case: Case) -> None:
    """While the server is away it answers, and not that it is healthy; once it is back it says that again."""
    async with case.private_server() as private:
        living = await private.client()
        same("lifecycle.4", (await asked(living.health())).status, "healthy", "it is not healthy, though the server is there")
        await private.kill()
        for health in await asyncio.gather(*[asked(living.health()) for _ in range(5)]):
            if health.status == "healthy" or not health.detail:
                broken("lifecycle.4", "it does not say that the server is away", expected="unhealthy, and why", got=health)
        await private.restart()

        async def healthy() -> bool:
            return (await asked(living.health())).status == "healthy"

        await _in_time("lifecycle.4", healthy, "the server is back, and it does not say so")


@check("lifecycle.1", needs_server=True)
async def an_open_that_fails_is_repeated(slot: Living, case: Case) -> None:
    """While the server is away an open opens, or says so and leaves nothing running; once it is back the driver is opened."""
    async with case.private_server() as private:
        other, living = await private.client(), await private.client(opened=False)
        await private.kill()
        left: list[int] = []
        for _ in range(3):
            before = asyncio.all_tasks()
            if await _away("lifecycle.1", living.open(), "an open while the server is away"):
                left.append(len(await quiet(case, before)))
        if any(left[1:]):  # what the first one leaves may be what its connection does about the outage
            broken("lifecycle.1", "an open that failed leaves tasks running", expected=[*left[:1], 0, 0], got=left)
        await private.restart()

        async def opened() -> bool:
            return not await _away("lifecycle.1", living.open(), "an open after the server came back")

        await _in_time("lifecycle.1", opened, "the server is back, and an open that failed before fails again")
        async with world_of(case, other, living=living) as world:

            async def written() -> bool:
                return not await _away("lifecycle.1", world.write(living, 0), "a write after an open that failed before")

            await _in_time("lifecycle.1", written, "the server is back, and what was opened cannot be used")


@check("lifecycle.2", "lifecycle.3", needs_server=True)
async def it_ends_while_the_server_is_away(slot: Waiting, case: Case) -> None:
    """A drain counts all that is in hand, and a close ends it, though the server is away; nothing hangs, and nothing is left."""
    async with case.private_server() as private:
        other, living = await private.client(), await private.client()
        async with world_of(case, other, calls=3, living=living) as world:
            waiting = await waiting_in(world, 3)
            await private.kill()
            # Those that waited may have learned of it by now; these begin, and then they are in hand.
            waiting += [asyncio.ensure_future(world.wait(number)) for number in range(3)]
            await turns(1)
            in_hand = sum(not task.done() for task in waiting)
            drained = await in_vain("lifecycle.3", living.drain(0.1), "a drain fails because the server is away")
            same("lifecycle.3", drained.completed + drained.aborted, in_hand, "while the server is away a drain counts wrongly")
            await turns(10)
            same("lifecycle.3", sum(not task.done() for task in waiting), 0, "a drained call is in hand while the server is away")
            for error in await asyncio.gather(*waiting, return_exceptions=True):
                if isinstance(error, BaseException) and not isinstance(error, (*ENDED, *_AWAY)):
                    broken("lifecycle.3", "a drained call raised another error", expected="Closed, or that it is away", got=error)
            await _away("lifecycle.2", living.close(), "a close while the server is away")
            await in_vain("lifecycle.2", living.close(), "a second close while the server is away fails")
            await expect_closed("lifecycle.2", living, "closed while the server was away")
            await private.restart()


async def _away(promise: str, call: Awaitable[Any], what: str) -> bool:
    """Await a call that may say that the server is away; return whether it did."""
    try:
        await call
    except _AWAY:
        return True
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
        broken(promise, f"{what} raises an error that does not say so", expected="BackendUnavailable", got=told)
    return False


async def _in_time(promise: str, condition: Callable[[], Awaitable[bool]], sentence: str) -> None:
    for _ in range(_TRIES):
        if await condition():
            return
        await asyncio.sleep(_BETWEEN_S)
    broken(promise, sentence, expected=f"within {_TRIES} tries", got="it is not")
