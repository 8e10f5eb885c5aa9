"""Partitions and their records survive SIGKILL of the process that made them, and of the server; a key goes on in its own."""

from collections.abc import Sequence
from typing import Annotated, Any

from prism_suites._judging import broken, same
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import StreamPartitioning
from prism_testkit.killing import Step, Survivors, Target
from prism_testkit.traits import Traits

_LAW = "stream_partitioning.13"
_AHEAD = 400
"""Steps behind the planned kill: more than a writer gets ahead before it is stopped."""
_LIFE = 6
"""Steps of one stream."""
_N = 3
Durable = Annotated[StreamPartitioning, Traits(durability="process")]


def _steps(seed: int, length: int) -> list[Step]:
    """Return lives of streams: partitions, a record in each, two of one key."""
    steps: list[Step] = []
    while len(steps) < length:
        name = f"{seed}-{len(steps)}"
        steps += [("create_partitioned", (name, _N))]
        steps += [("append_to_partition", (name, place, b"%d" % place)) for place in range(_N)]
        steps += [("append", (name, b"first", f"key {name}")), ("append", (name, b"second", f"key {name}"))]
    return steps


async def _killed(case: Case, kills: Sequence[int], target: Target) -> None:
    survivors: Survivors | None = None
    middle = False
    for seed, count in enumerate(kills):
        with case.law(_LAW):  # a store that does not open again has lost everything
            survivors = await case.kill(_steps(seed, count + _AHEAD), count, target, after=survivors)
        middle = middle or not survivors.finished
        for start in range(0, survivors.acknowledged, _LIFE):
            await _judged(survivors.slot, f"{seed}-{start}", min(_LIFE, survivors.acknowledged - start))
    if not middle:
        case.inconclusive("the writer had finished before it was killed")


async def _judged(slot: Any, name: str, done: int) -> None:
    """Judge a stream of which so many steps were acknowledged; the next one may have happened too."""
    same(_LAW, await slot.partitions(name), _N, "after the kill a stream has another number of partitions")
    offset = await slot.append(name, b"after", f"key {name}")
    found: dict[bytes, int] = {}
    for place in range(_N):
        records = [record async for record in slot.read_partition(name, place)]
        found |= {record.payload: place for record in records}
        if any(record.offset == offset and record is not records[-1] for record in records if found.get(b"after") == place):
            broken(_LAW, "after the kill an offset is given again", expected="a new one", got=offset)
    wanted = [b"%d" % place for place in range(min(done - 1, _N))] + [b"first", b"second"][: max(0, done - 1 - _N)]
    missing = [payload for payload in wanted if payload not in found]
    same(_LAW, missing, [], "after the kill a record of a partition is lost")
    moved = [place for place in range(min(done - 1, _N)) if found[b"%d" % place] != place]
    same(_LAW, moved, [], "after the kill a record is in another partition")
    same(
        _LAW, len({found[p] for p in (b"first", b"second", b"after") if p in found}), 1, "after the kill a key is in two partitions"
    )


@check("stream_partitioning.13")
@gauntlet(lambda limits: [{"kills": [60, 31]}])
async def partitions_survive_the_writer(stream: Durable, case: Case, kills: list[int]) -> None:
    """After SIGKILL of who made them partitions and records are there, and each key goes on in its own (ST-25, ST-29)."""
    await _killed(case, kills, "writer")


@check("stream_partitioning.13", needs_server=True)
@gauntlet(lambda limits: [{"kills": [60]}])
async def partitions_survive_the_server(stream: Durable, case: Case, kills: list[int]) -> None:
    """The same after SIGKILL of the server and its restart (ST-25, ST-29)."""
    await _killed(case, kills, "server")
