"""Bounds of streams survive SIGKILL of the process that set them, and of the server; what was removed does not come back."""

from collections.abc import Sequence
from typing import Annotated, Any

from prism_suites._judging import broken, same
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Retention, StreamRetention
from prism_testkit.killing import Step, Survivors, Target
from prism_testkit.traits import Traits

_LAW = "stream_retention.14"
_AHEAD = 400
"""Steps behind the planned kill: more than a writer gets ahead before it is stopped."""
_LIFE = 9
"""Steps of one stream. Of the writer's kills one is behind the bounds and before the next change, one behind the enforcement."""
_INSIDE: tuple[set[int], ...] = (set(), {0}, {0, 1}, {0, 1, 2}, {1, 2, 3}, {2, 3}, {2, 3}, {2, 3}, {3}, {3, 4})
"""By the number of steps acknowledged: the records that must be there, whether the next step happened or not."""
Durable = Annotated[StreamRetention, Traits(durability="process")]


def _steps(seed: int, length: int) -> list[Step]:
    """Return lives of streams: four records, a compaction, bounds that are asked for, and enforced, one more record."""
    steps: list[Step] = []
    while len(steps) < length:
        name = f"{seed}-{len(steps)}"
        steps += [("append", (name, b"%d" % number, "k" if number < 2 else None)) for number in range(4)]
        steps += [("compact", (name,)), ("set_retention", (name, 1e6, 2)), ("retention", (name,))]
        steps += [("enforce_retention", (name,)), ("append", (name, b"4"))]
    return steps


async def _killed(case: Case, kills: Sequence[int], target: Target) -> None:
    survivors: Survivors | None = None
    middle = False
    for seed, count in enumerate(kills):
        with case.law(_LAW):  # a store that does not open again has lost everything
            survivors = await case.kill(_steps(seed, count + _AHEAD), count, target, after=survivors)
        middle = middle or not survivors.finished
        for start in range(0, survivors.acknowledged, _LIFE):
            await _judged(case, survivors.slot, f"{seed}-{start}", min(_LIFE, survivors.acknowledged - start))
    if not middle:
        case.inconclusive("the writer had finished before it was killed")


async def _judged(case: Case, slot: Any, name: str, done: int) -> None:
    """Judge a stream of which so many steps were acknowledged; the next one may have happened too."""
    found = [int(record.payload) async for record in slot.read(name)]
    if found != sorted(set(found)):
        broken(_LAW, "after the kill records come twice, or not in order", expected=sorted(set(found)), got=found)
    inside = _INSIDE[done]
    if not inside <= set(found):
        broken(_LAW, "after the kill a record is lost that was inside the bounds", expected=sorted(inside), got=found)
    if done >= 5 and case.traits.compaction == "immediate" and 0 in found:
        broken(_LAW, "after the kill a record comes back that compaction removed", expected=sorted(inside), got=found)
    if done >= 6:
        same(_LAW, await slot.retention(name), Retention(1e6, 2), "after the kill bounds are not what was set")
    if done >= 8 and {0, 1} & set(found):
        broken(_LAW, "after the kill a record comes back that was outside the bounds", expected=sorted(inside), got=found)
    await slot.enforce_retention(name)


@check("stream_retention.14")
@gauntlet(lambda limits: [{"kills": [59, 33]}])
async def bounds_survive_the_writer(stream: Durable, case: Case, kills: list[int]) -> None:
    """After SIGKILL of who set them bounds are there, and what was gone stays gone (ST-25)."""
    await _killed(case, kills, "writer")


@check("stream_retention.14", needs_server=True)
@gauntlet(lambda limits: [{"kills": [60]}])
async def bounds_survive_the_server(stream: Durable, case: Case, kills: list[int]) -> None:
    """The same after SIGKILL of the server and its restart (ST-25)."""
    await _killed(case, kills, "server")
