"""Closing a driver behind calls that were cancelled: nothing of them is left, whatever they had begun."""

import asyncio

from prism_suites._judging import same
from prism_suites._lifecycle import Living, every_call, quiet, turns
from prism_suites._lifecycle_worlds import world_of
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet

_AFTER = (0, 1, 2, 3, 4, 5, 6, 8, 10, 13, 17, 22, 30)


@check("lifecycle.2")
@gauntlet(lambda limits: [{"after": after} for after in _AFTER])
async def calls_that_were_cancelled_leave_nothing(slot: Living, case: Case, after: int) -> None:
    """Each call of each kind is cancelled so many turns after it began, then its driver is used and closed (ST-36, PS-36)."""
    for _ in range(2):  # its connection begins what it begins for the first one
        async with world_of(case, slot) as world:
            for make in every_call(world.living).values():
                call = asyncio.ensure_future(make())
                await turns(after)
                call.cancel()
                await asyncio.gather(call, return_exceptions=True)
            await world.write(world.living, 0)
            await world.living.close()
            left = [task.get_name() for task in await quiet(case, world.before)]
    same("lifecycle.2", left, [], f"calls were cancelled {after} turns after they began, and behind a close tasks run on")
