"""stream_replay: a seek that meets somebody who joins, receives, acks and leaves is before or behind him, or is refused."""

import asyncio
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import broken, same
from prism_suites._racing import PLANS, rounds, together
from prism_suites._stream_replaying import Replayed
from prism_suites._stream_shared import GROUPS, Put, fill, numbered
from prism_suites._stream_taking import receive, take
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Conflict
from prism_testkit.plan import Plan

_LAW = "stream_replay.4"
_SHORTLY_S = 1.0


class _Visit:
    """Somebody who joins, receives, acks the first of what came, and leaves."""

    def __init__(self, wait_s: float) -> None:
        self.wait_s = wait_s
        self.got: list[int] = []
        self.acked: list[int] = []

    async def make(self, stream: Replayed, name: str, turns: int, stays: int) -> None:
        await _turns(turns)
        async with stream.join(name, "g", "c") as member:
            await _turns(stays)
            held = await receive(member, 10, self.wait_s)
            self.got = [delivery.record.offset for delivery in held]
            await member.ack(*held[:1])
            self.acked = self.got[:1]
            await _turns(stays)


async def _turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@check(_LAW, "stream_replay.1", "stream_replay.3", "stream_replay.10")
@gauntlet(
    lambda limits: [
        {"way": way, "back": back, "turns": turns, "stays": stays, "plan": Plan()}
        for way in ("seek", "seek_to_time")
        for back in (True, False)
        for turns in range(-6, 13, 2)
        for stays in (0, 3)
    ]
)
@given(
    way=st.sampled_from(["seek", "seek_to_time"]),
    back=st.booleans(),
    turns=st.integers(-8, 20),
    stays=st.integers(0, 4),
    plan=PLANS,
)
async def a_seek_and_a_member_are_one_behind_the_other(
    stream: Replayed, case: Case, way: str, back: bool, turns: int, stays: int, plan: Plan
) -> None:
    """A seek that was refused moved nothing. One that was not was before the member, who gets what comes from there on, or
    behind him, and then it does not matter what he got (ST-13).

    ``back``: to the front, or to the end. Behind so many ``turns`` the seek begins, if they are negative the member.
    """
    if case.server and (stays or turns % 4):
        return  # there the turns of this loop matter little
    other = await case.client(whole=True)
    for name in rounds(case, 2):
        puts = await fill(stream, name, numbered(6), laws=GROUPS)
        await stream.create_group(name, "g")
        async with stream.join(name, "g", "before") as member:
            await member.ack(*await take(case, member, 3))
        to = (0 if back else puts[-1].offset + 1) if way == "seek" else (0 if back else 10**15)
        visit = _Visit(_SHORTLY_S if case.clock.virtual else _SHORTLY_S / 20)
        case.schedule(plan)
        moved, _ = await together(_seek(other, way, name, to, max(0, turns)), visit.make(stream, name, max(0, -turns), stays))
        case.unschedule()
        old, new = puts[3:], (puts if back else [])
        told = "was refused" if not moved else "returned"
        before = moved and not set(visit.got) <= {put.offset for put in old[: len(visit.got)]}
        _came(visit, new if before else old, f"a member beside a {way} that {told}")
        wanted = [put for put in (new if moved else old) if put.offset not in visit.acked]
        if moved and not before and visit.got:  # the seek was behind him: it forgets what he acked
            wanted = new
        async with other.join(name, "g", "after") as member:
            got = [delivery.record.offset for delivery in await take(case, member, len(wanted))]
            more = [delivery.record.offset for delivery in await receive(member, 10)]
        found = sorted([*got, *more])
        if found != [put.offset for put in wanted]:
            where = "before" if before else "behind"
            sentence = f"a {way} that {'was refused moved' if not moved else f'was {where} a member did not move'} the group"
            broken(_LAW, sentence, expected=[put.offset for put in wanted], got=found)


async def _seek(slot: Replayed, way: str, name: str, to: int, turns: int) -> bool:
    await _turns(turns)
    try:
        await getattr(slot, way)(name, "g", to)
    except Conflict:
        return False
    return True


def _came(visit: _Visit, puts: Sequence[Put], who: str) -> None:
    wanted = [put.offset for put in puts[: len(visit.got)]]
    same(_LAW, visit.got, wanted, f"{who} gets neither what came before the seek nor what comes behind it")
