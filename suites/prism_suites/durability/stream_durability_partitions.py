"""Partitions and their records survive SIGKILL of the process that made them, and of the server; a key goes on in its own."""

from collections.abc import Sequence
from typing import Annotated, Any

from prism_suites._judging import broken, same
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import StreamPartitioning
from prism_testkit.killing import Step, Survivors, Target
from prism_testkit.returned import TELL, Returned
from prism_testkit.traits import Traits

_LAW = "stream_partitioning.13"
_AHEAD = 400
"""Steps behind the planned kill: more than a writer gets ahead before it is stopped."""
_KEYS = ("c", "a", "b")
_LIFE = 11
"""Steps of one stream."""
_N = 3
_MOST = 256
"""Of the first stream of a life: one more than a byte holds."""
Durable = Annotated[StreamPartitioning, Traits(durability="process")]


def _partitions(case: Case, name: str) -> int:
    return _MOST if name.endswith("-0") and not case.server else _N  # which are many calls, and many files of a server


def _steps(case: Case, seed: int, length: int) -> list[Step]:
    """Return lives of streams: partitions, a record in some, two of each of some keys; and what offsets those had is told."""
    steps: list[Step] = []
    while len(steps) < length:
        name, first = f"{seed}-{len(steps)}", len(steps) + 1
        steps += [("create_partitioned", (name, _partitions(case, name)))]
        steps += [("append_to_partition", (name, place, b"%d" % place)) for place in range(_N)]
        steps += [("append", (name, b"%s.%d" % (key.encode(), turn), key)) for turn in range(2) for key in _KEYS]
        steps += [(TELL, tuple(Returned(first + number) for number in range(_LIFE - 2)))]
    return steps


async def _killed(case: Case, kills: Sequence[int], target: Target) -> None:
    survivors: Survivors | None = None
    middle = False
    for seed, count in enumerate(kills):
        with case.law(_LAW):  # a store that does not open again has lost everything
            survivors = await case.kill(_steps(case, seed, count + _AHEAD), count, target, after=survivors)
        middle = middle or not survivors.finished
        for start in range(0, survivors.acknowledged, _LIFE):
            done = min(_LIFE, survivors.acknowledged - start)
            await _judged(case, survivors.slot, f"{seed}-{start}", done, survivors.told.get(start + _LIFE - 1))
    if not middle:
        case.inconclusive("the writer had finished before it was killed")


async def _judged(case: Case, slot: Any, name: str, done: int, told: Sequence[int] | None) -> None:
    """Judge a stream of which so many steps were acknowledged; the next one may have happened too."""
    n = _partitions(case, name)
    same(_LAW, await slot.partitions(name), n, "after the kill a stream has another number of partitions")
    after = {f"{key}.after".encode(): await slot.append(name, f"{key}.after".encode(), key) for key in reversed(_KEYS)}
    found: dict[bytes, tuple[int, int]] = {}
    for place in range(n):
        offsets = []
        async for record in slot.read_partition(name, place):
            found[record.payload] = (place, record.offset)
            offsets.append(record.offset)
        if offsets != sorted(set(offsets)):
            broken(_LAW, "after the kill an offset is given again", expected="new ones", got=offsets)
    same(_LAW, {payload: found[payload][1] for payload in after}, after, "after the kill an append returns another offset")
    appended = [*(b"%d" % place for place in range(_N)), *(b"%s.%d" % (key.encode(), turn) for turn in range(2) for key in _KEYS)]
    wanted = appended[: max(0, done - 1)]
    same(_LAW, {*wanted} & {*found}, {*wanted}, "after the kill an acknowledged record of a partition is lost")
    moved = [place for place in range(_N) if b"%d" % place in found and found[b"%d" % place][0] != place]
    same(_LAW, moved, [], "after the kill a record is in another partition")
    if told is not None:
        same(_LAW, [found[payload][1] for payload in appended], list(told), "after the kill records have other offsets")
    for key in _KEYS:
        places = {place for payload, (place, _) in found.items() if payload.startswith(key.encode() + b".")}
        same(_LAW, len(places), 1, f"after the kill the key {key!r} is in several partitions")


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
