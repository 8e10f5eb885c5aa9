"""stream_consumer_groups under concurrency: members that receive, settle, leave and join at once share every record."""

import asyncio
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import broken, same
from prism_suites._racing import PLANS, clients, together
from prism_suites._stream_ledger import Ledger, Stay
from prism_suites._stream_shared import Put, fill, numbered
from prism_suites._stream_taking import patience_s
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import StreamConsumerGroups
from prism_testkit.plan import Plan
from prism_testkit.traits import Limits

_SOON = 3
"""On a real clock members are judged who would have waited so many times as long as it took until everything was there."""
_LAWS = tuple(f"stream_consumer_groups.{number}" for number in (1, 4, 5, 6, 7, 3))
_SCRIPTS: tuple[tuple[str, ...], ...] = (
    ("r", "r"),
    ("rrr", "rrr"),
    ("RkRk", "RkRk", "RkRk"),
    ("rlrlr", "rlrlr"),
    ("Rl", "rrrr", "rrrr"),
    ("rnrnrk", "rkrkrk"),
    ("RnkRnk", "rkrkrk", "lRlRl"),
    ("aaaa", "rkrkrk", "rkrkrk"),
    ("a-a-a-a", "rk-rk-rk", "lr-lr-lr"),
    ("aaaa", "aaaa", "RlRl", "RkRk"),
    ("rrnnkk", "RNkl", "arar"),
    ("llll", "rrrr", "RKRK"),
    ("rl", "rl", "rl", "rl"),
    ("Rdrd", "rkrk", "drdr"),
)


class Race:
    """One group whose members run scripts; records are appended before and meanwhile."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.ledger = Ledger(case)
        self.puts: dict[int, Put] = {}
        self._numbers = count(1)

    async def append(self, slot: Any, payload: bytes) -> None:
        offset = await slot.append("s", payload, "k")
        if offset in self.puts:
            broken("stream_consumer_groups.1", "two records are told one offset", expected="each its own", got=offset)
        self.puts[offset] = Put(offset, payload, "k", {})

    def stay(self, slot: Any) -> Stay:
        return Stay(self.ledger, f"m{next(self._numbers)}", slot.join("s", "g", "c"))

    async def perform(self, slot: Any, number: int, script: str) -> None:
        """Receive one or several, ack or nack the first or all that is held, join anew, append, or let the others run."""
        member = await self.stay(slot).enter()
        for place, step in enumerate(script):
            if step in "rR":
                await member.receive(1 if step == "r" else 3)
            elif step == "k" and member.held:
                await member.ack(member.held[0])
            elif step == "K":
                await member.ack(*member.held)
            elif step in "nd" and member.held:
                await member.nack(member.held[0], delay_s=5.0 if step == "d" and self.case.clock.virtual else 0)
            elif step == "N":
                await member.nack(*member.held)
            elif step == "l":
                await member.leave()
                member = await self.stay(slot).enter()
            elif step == "a":
                await self.append(slot, b"%d.%d" % (number, place))
            else:
                await asyncio.sleep(0)
        await member.leave()

    async def end(self, slot: Any, expected: Sequence[int] | None = None) -> None:
        """Take what is left by one more member, then judge."""
        wanted = sorted(self.puts) if expected is None else expected
        last = await self.stay(slot).enter()
        await self.ledger.drain(last, wanted)
        self.ledger.judge(self.puts, wanted)
        told = (await slot.group_info("s", "g")).pending
        if not self.ledger.doubtful:
            same("stream_consumer_groups.11", told, 0, "when every record is acked group_info tells of some to come again")
        await last.leave()


def _on(how: str, number: int) -> list[int]:
    return [0 if how == "one" else actor if how == "each" else actor % 2 for actor in range(number)]


def _cases(limits: Limits) -> Iterator[dict[str, Any]]:
    for scripts in _SCRIPTS:
        for on in ("one", "each"):
            for before in (1, 5):
                yield {"scripts": scripts, "on": on, "before": before, "plan": Plan()}


@check(*_LAWS)
@gauntlet(_cases)
@given(
    scripts=st.lists(st.text("rRkKnNdla-", min_size=1, max_size=7), min_size=2, max_size=4).map(tuple),
    on=st.sampled_from(["one", "each", "two"]),
    before=st.integers(0, 5),
    plan=PLANS,
)
async def members_at_once_share_every_record(
    stream: StreamConsumerGroups, case: Case, scripts: tuple[str, ...], on: str, before: int, plan: Plan
) -> None:
    """Nothing goes to two at a time, nothing acked comes again, nothing is skipped or lost, whoever leaves when (ST-11, ST-13)."""
    slots = await clients(stream, case, _on(on, len(scripts)))
    race = Race(case)
    await stream.create_group("s", "g")
    for payload in numbered(before, "before"):
        await race.append(stream, payload)
    case.schedule(plan)
    await together(*(race.perform(slot, number, script) for number, (slot, script) in enumerate(zip(slots, scripts, strict=True))))
    case.unschedule()
    await race.end(slots[-1])


@check("stream_consumer_groups.1", "stream_consumer_groups.4", "stream_consumer_groups.3", "stream_consumer_groups.6")
@gauntlet(
    lambda limits: [
        {"writers": writers, "readers": readers, "turns": turns, "plan": Plan()}
        for writers, readers in ((1, 1), (2, 1), (3, 2))
        for turns in range(4)
    ]
)
@given(writers=st.integers(1, 3), readers=st.integers(1, 2), turns=st.integers(0, 3), plan=PLANS)
async def a_position_passes_no_record(
    stream: StreamConsumerGroups, case: Case, writers: int, readers: int, turns: int, plan: Plan
) -> None:
    """Members that receive while others append get every record, also one whose append took long (ST-07, ST-21)."""
    slots = await clients(stream, case, [0, 1, 2, 0, 1][: writers + readers])
    race = Race(case)
    await stream.create_group("s", "g")
    case.schedule(plan)

    async def write(slot: Any, number: int) -> None:
        for place in range(4):
            for _ in range(turns * number):
                await asyncio.sleep(0)
            size = (0, 3000, 150)[(number + place) % 3]  # what is begun later may be done sooner
            await race.append(slot, (b"%d.%d" % (number, place) + b"." * size)[: case.limits.max_payload])

    actors = [write(slot, number) for number, slot in enumerate(slots[readers:])]
    await together(*(race.perform(slot, 9, "rKRK-RK-rKRKRKRKRK") for slot in slots[:readers]), *actors)
    case.unschedule()
    await race.end(slots[0])


@check("stream_consumer_groups.1")
@gauntlet(lambda limits: [{"turns": turns, "plan": Plan()} for turns in range(8)])
@given(turns=st.integers(0, 6), plan=PLANS)
async def the_latest_is_what_comes_after_its_creation(stream: StreamConsumerGroups, case: Case, turns: int, plan: Plan) -> None:
    """What is appended after `create_group` returned comes; what was there before it was called does not (ST-04, ST-17)."""
    other = await case.client()
    before = await fill(stream, "s", numbered(2, "before"))
    race = Race(case)
    state = "before"
    after: list[int] = []
    case.schedule(plan)

    async def create() -> None:
        nonlocal state
        for _ in range(turns):
            await asyncio.sleep(0)
        await stream.create_group("s", "g", "latest")
        state = "made"

    async def write() -> None:
        for payload in numbered(6, "during"):
            made = state == "made"
            known = set(race.puts)
            await race.append(other, payload)
            after.extend(set(race.puts) - known if made else ())

    await together(create(), write())
    case.unschedule()
    await race.append(other, b"last")
    after.append(max(race.puts))
    race.puts |= {put.offset: put for put in before}
    last = await race.stay(stream).enter()
    await race.ledger.drain(last, after)
    await last.leave()
    old = [holding for holding in race.ledger.holdings if holding.offset <= before[-1].offset]
    if old:
        broken("stream_consumer_groups.1", "a group from latest on is given what was there before it", expected=after, got=old)
    race.ledger.judge(race.puts, after)


@check("stream_consumer_groups.4", "stream_consumer_groups.1", "stream_consumer_groups.10")
@gauntlet(
    lambda limits: [
        {"waiters": waiters, "records": records, "on": on}
        for waiters, records in ((1, 1), (2, 1), (3, 3), (5, 3), (2, 6))
        for on in ("one", "each")
    ]
)
async def waiting_members_are_given_what_comes(
    stream: StreamConsumerGroups, case: Case, waiters: int, records: int, on: str
) -> None:
    """Records that come while members wait are given to them, each to one; nothing is lost to one that gave up (ST-06)."""
    slots = await clients(stream, case, _on(on, waiters))
    producer = await case.client()
    race = Race(case)
    await stream.create_group("s", "g")
    stays = [await race.stay(slot).enter() for slot in slots]
    case.overlap()
    wait_s = 60.0 if case.clock.virtual else 0.15 if waiters > records else 5.0

    began_s = case.clock.now_s()

    async def produce() -> float:
        for number in range(records):
            await case.clock.sleep(3.0 if case.clock.virtual else 0.01)
            await race.append(producer, b"%d" % number)
        return case.clock.now_s() - began_s

    *got, took_s = await together(*(stay.receive(1, wait_s) for stay in stays), produce())
    served = sum(map(bool, got))
    least = min(waiters, records) if case.traits.group_parallelism == "record" else 1
    if _SOON * took_s > wait_s:
        case.note("the records came so late that members may have given up: who was given what was not judged")
    elif served < least:
        broken("stream_consumer_groups.10", "members that wait are not given what comes", expected=least, got=served)
    for stay in stays:
        await stay.ack(*stay.held)
        await stay.leave()
    await race.end(producer)


@check("stream_consumer_groups.6", "stream_consumer_groups.4")
@gauntlet(
    lambda limits: [
        {"kinds": kinds, "turns": turns}
        for kinds in ("kk", "kn", "nn", "kl", "nl", "rl", "kr", "nr", "Rk", "Rl")
        for turns in range(4)
    ]
)
async def calls_of_one_member_at_once_agree(stream: StreamConsumerGroups, case: Case, kinds: str, turns: int) -> None:
    """Two calls on one member at once, one of them leaving it, perhaps, do what one after the other would (ST-13)."""
    race = Race(case)
    await stream.create_group("s", "g")
    for payload in numbered(3):
        await race.append(stream, payload)
    member = await race.stay(stream).enter()
    held = await member.receive(1, patience_s(case))
    case.overlap()

    async def act(kind: str, wait: int) -> None:
        for _ in range(wait):
            await asyncio.sleep(0)
        if kind == "l":
            await member.leave()
        elif kind in "kn":
            await (member.ack(*held) if kind == "k" else member.nack(*held))
        else:
            await member.receive(2 if kind == "R" else 1)

    left = "l" in kinds
    told = await asyncio.gather(act(kinds[0], 0), act(kinds[1], turns), return_exceptions=True)
    for error in told:
        # What is open while its member is left may be told so; `Closed` is the promise of 14.
        if isinstance(error, BaseException) and not (left and type(error).__name__ in ("Closed", "Conflict")):
            raise error
    if not left:
        await member.leave()
    await race.end(await case.client())
