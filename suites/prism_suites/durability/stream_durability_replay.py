"""Where a group was moved to survives SIGKILL of the process that moved it, and of the server."""

from collections.abc import Sequence
from typing import Annotated, Any, Protocol

from prism_suites._judging import broken
from prism_suites._stream_taking import patience_s, receive
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import StreamConsumerGroups, StreamReplay
from prism_testkit.killing import Step, Survivors, Target
from prism_testkit.returned import Returned
from prism_testkit.traits import Traits

_LAW = "stream_replay.11"
_AHEAD = 400
"""Steps behind the planned kill: more than a writer gets ahead before it is stopped."""
_LIFE = 15
"""Steps of one stream."""
_WAIT_S = 20.0
_BEYOND = 10**30
"""An offset beyond the end, also where offsets are not dense, and hold an instant."""


class _Moved(StreamReplay, StreamConsumerGroups, Protocol):
    """Groups that can be moved."""


Durable = Annotated[_Moved, Traits(durability="process")]


def _steps(seed: int, length: int) -> list[Step]:
    """Return lives of streams: three records, groups that are moved back to the first, one that is moved over all, one more.

    What groups that are moved over all, or back, hold is left pending before.
    """
    steps: list[Step] = []
    while len(steps) < length:
        name = f"{seed}-{len(steps)}"
        steps += [("append", (name, b"%d" % number)) for number in range(3)]
        steps += [("create_group", (name, "back", "latest")), ("create_group", (name, "over", "earliest"))]
        member = len(steps)
        steps += [
            ("join", (name, "over", "c")),
            ("join.receive", (Returned(member), 2, _WAIT_S)),
            ("join.exit", (Returned(member),)),
        ]
        steps += [("seek", (name, "back", 0)), ("seek", (name, "over", _BEYOND)), ("append", (name, b"3"))]
        steps += [("create_group", (name, "time", "latest")), ("seek_to_time", (name, "time", 0))]
        steps += [("create_group", (name, "late", "earliest")), ("seek_to_time", (name, "late", _BEYOND))]
    return steps


async def _killed(case: Case, kills: Sequence[int], target: Target) -> None:
    survivors: Survivors | None = None
    middle = False
    for seed, count in enumerate(kills):
        steps = _steps(seed, count + _AHEAD)
        with case.law(_LAW):  # a store that does not open again has lost everything
            survivors = await case.kill(steps, count, target, after=survivors)
        middle = middle or not survivors.finished
        for start in range(0, survivors.acknowledged, _LIFE):
            await _judged(case, survivors.slot, f"{seed}-{start}", min(_LIFE, survivors.acknowledged - start))
    if not middle:
        case.inconclusive("the writer had finished before it was killed")


async def _judged(case: Case, slot: Any, name: str, done: int) -> None:
    """Judge a stream of which so many steps were acknowledged; the next one may have happened too."""
    everything = {b"0", b"1", b"2", b"3"}
    over = case.traits.ack_survives_kill == "yes"
    last = {b"3"} if done >= 11 else set()
    if done >= 9:
        await _gets(case, slot, name, "back", {b"0", b"1", b"2"} | last, everything)
    if done >= 10:
        await _gets(case, slot, name, "over", last, {b"3"} if over else everything)
    if done >= 13:
        await _gets(case, slot, name, "time", everything, everything)
    if done >= 15:
        await _gets(case, slot, name, "late", set(), set() if over else everything)


async def _gets(case: Case, slot: Any, name: str, group: str, wanted: set[bytes], allowed: set[bytes]) -> None:
    found: set[bytes] = set()
    async with slot.join(name, group, "after") as member:
        while got := await receive(member, 10, patience_s(case) if wanted - found else 0):
            found |= {delivery.record.payload for delivery in got}
            await member.ack(*got)
    if wanted - found or found - allowed:
        sentence = f"after the kill a group that was moved {group} does not go on from there"
        broken(_LAW, sentence, expected=sorted(wanted), got=sorted(found))


@check("stream_replay.11")
@gauntlet(lambda limits: [{"kills": [70, 39, 43]}])
async def moves_survive_the_writer(stream: Durable, case: Case, kills: list[int]) -> None:
    """What a group was moved back to comes after SIGKILL of who moved it; what it was moved over does not (ST-29)."""
    await _killed(case, kills, "writer")


@check("stream_replay.11", needs_server=True)
@gauntlet(lambda limits: [{"kills": [75]}])
async def moves_survive_the_server(stream: Durable, case: Case, kills: list[int]) -> None:
    """The same after SIGKILL of the server and its restart (ST-29)."""
    await _killed(case, kills, "server")
