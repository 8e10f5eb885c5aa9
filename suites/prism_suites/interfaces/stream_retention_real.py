"""stream_retention: ages on a clock that cannot be moved: one wait for all ways to look at what has become too old."""

from collections.abc import Awaitable, Callable

from prism_suites._judging import broken, same
from prism_suites._stream_bounds import Retained, everything, slack_s
from prism_suites._stream_shared import append, fill, numbered
from prism_suites._stream_taking import receive
from prism_testkit.case import Case
from prism_testkit.checks import check

_AGE_S, _LONG_S = 0.2, 1000.0
_MOST_LAG_S = 0.5

Look = Callable[[str], Awaitable[int]]
"""How many of a stream's records are there."""


@check("stream_retention.2", "stream_retention.3", "stream_retention.4", "stream_retention.1")
async def what_is_too_old_is_gone_however_one_looks(stream: Retained, case: Case) -> None:
    """Enforced or in time by itself, for reads and for groups, under other bounds and none, while what is young stays (ST-24)."""
    if case.clock.virtual:
        case.note("on virtual time every age is judged by itself")
        return
    other = await case.client()
    lag_s = case.traits.retention_lag_s
    by_itself = lag_s is not None and lag_s <= _MOST_LAG_S

    async def read(name: str) -> int:
        return len(await everything(other.read(name)))

    async def deliver(name: str) -> int:
        async with other.join(name, "g", "c") as member:
            return len(await receive(member, 10))

    def enforced(look: Look) -> Look:
        async def after(name: str) -> int:
            await stream.enforce_retention(name)
            return await look(name)

        return after

    def bounded(age_s: float | None) -> Look:
        async def after(name: str) -> int:
            await stream.set_retention(name, age_s)
            return await read(name)

        return after

    looks: dict[str, tuple[str, Look]] = {
        "a read after enforce_retention": ("stream_retention.2", enforced(read)),
        "a group after enforce_retention": ("stream_retention.2", enforced(deliver)),
    }
    if by_itself:
        looks |= {
            "a read": ("stream_retention.3", read),
            "a group": ("stream_retention.3", deliver),
            "a read after the bound was taken away": ("stream_retention.4", bounded(None)),
            "a read after a wider bound was set": ("stream_retention.4", bounded(_LONG_S)),
        }
    for name in looks:
        await other.create_group(name, "g")
        await stream.set_retention(name, _AGE_S)
        await fill(stream, name, numbered(2))
    await stream.set_retention("young", _LONG_S)
    young = await fill(stream, "young", numbered(2))
    await case.clock.sleep(_AGE_S + 2 * slack_s(case) + (lag_s or 0.0 if by_itself else 0.0))
    for name, (promise, look) in looks.items():
        found = await look(name)
        same(promise, found, 0, f"{name} gives records that are older than max_age_s={_AGE_S:g}")
        last = await append(stream, name, b"later")
        if "bound" in name and await read(name) != 1:
            broken(
                "stream_retention.4", f"what was too old came back ({name}, and an append)", expected=[last], got=await read(name)
            )
    await stream.enforce_retention("young")
    same("stream_retention.1", await read("young"), len(young), f"a record is gone that is younger than max_age_s={_LONG_S:g}")
