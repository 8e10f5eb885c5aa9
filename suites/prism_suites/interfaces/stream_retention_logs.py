"""stream_retention: what is kept is the same for reads, replays and groups; and reads go on while records go."""

import asyncio
from collections.abc import Sequence
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._stream_bounds import Bounded, everything, holds
from prism_suites._stream_histories import STORIES, State, behind, edges, history
from prism_suites._stream_shared import append, fill, numbered
from prism_suites._stream_taking import receive, take
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import StreamBasic, StreamConsumerGroups, StreamPartitioning, StreamReplay
from prism_testkit.tap import offers

_LAWS = {"!": ("stream_retention.6", "stream_retention.7"), "=": ("stream_retention.1", "stream_retention.2")}
"""By what was done last: the promises of a record that is missing, and of one that should be gone."""
_TRIM = ("stream_retention.9", "stream_retention.9")


@check(*(f"stream_retention.{number}" for number in (6, 2, 1, 9, 7, 10, 4)))
@gauntlet(lambda limits: [{"story": story} for story in STORIES])
async def what_is_kept_is_the_same_for_all(stream: Bounded, case: Case, story: str) -> None:
    """After every step reads from anywhere, of any number, replays, and groups of both clients find what is kept (ST-24)."""
    lost, over = _TRIM
    async for state in history(case, story, trims="stream_retention.9"):
        lost, over = _LAWS.get(state.word[0], _TRIM if state.word[0] == "<" else (lost, over))
        if case.server and state.word[0] not in "!=<":
            continue
        for slot in state.slots:
            holds(await everything(slot.read("s")), state.kept, lost, over, state.told)
            same("stream_retention.9", await slot.latest_offset("s"), state.end - 1, f"the last offset changed, {state.told}")
            told = await slot.retention("s")
            same("stream_retention.4", told, state.bounds, f"bounds are not those that were set last, {state.told}")
            lowest = await slot.trim("s", 0)
            below = [record.offset for record in state.kept if record.offset < lowest]
            same("stream_retention.9", below, [], f"trim tells {lowest}, and a record below is kept, {state.told}")
        for turn, start in enumerate(edges(state)):
            wanted = behind(state, start)
            for limit in (1, 2, len(wanted)):
                got = await everything(state.slots[turn % 2].read("s", start, limit))
                same("stream_retention.6", got, wanted[:limit], f"a read from {start}, at most {limit}, {state.told}")
        if offers(state.slots[0], StreamReplay):
            holds(await everything(state.slots[1].replay("s", 0, 10**30)), state.kept, lost, over, f"in a replay, {state.told}")
        if offers(state.slots[0], StreamConsumerGroups):
            await _new_group(case, state, over)


async def _new_group(case: Case, state: State, over: str) -> None:
    """A group that begins in front of all, or at an edge, gets what is kept from there on, one at a time and in numbers."""
    slot, other = state.slots
    places: Sequence[Any] = (*edges(state), "earliest")
    start = places[state.number % len(places)]
    await slot.create_group("s", f"g{state.number}", start)
    wanted = list(state.kept) if start == "earliest" else behind(state, start)
    async with other.join("s", f"g{state.number}", "c") as member:
        got = await take(case, member, len(wanted), 1 + 9 * (state.number % 2))
        more = await receive(member, 10)
    found = [delivery.record for delivery in got]
    told = f"{state.told}, in a group from {start} on"
    same("stream_retention.10", found, wanted, f"a group does not get what is kept, {told}")
    same(over, [delivery.record.offset for delivery in more], [], f"a group gets more than is kept, {told}")


_AFTER = ((0, 1), (2, 1), (5, 1), (5, 8), (5, 30), (120, 30))
"""How many records a read has given when others go, and of how many times so many."""


@check("stream_retention.8", "stream_retention.6", "stream_retention.1")
@gauntlet(
    lambda limits: [
        {"how": how, "by": by, "given": given, "times": times}
        for how in ("most", "compact", "trim")
        for by in ("read", "replay", "read_partition")
        for given, times in _AFTER
    ]
)
async def a_read_goes_on_while_records_go(stream: Bounded, case: Case, how: str, by: str, given: int, times: int) -> None:
    """What a read was to give and is kept it gives, once, in order; what goes meanwhile it may leave out (ST-06)."""
    slot, other = await case.whole(), await case.client(whole=True)
    needed: dict[str, type] = {"replay": StreamReplay, "read_partition": StreamPartitioning}
    if not offers(slot, needed.get(by, StreamBasic)) or (case.server and times > 8):
        return
    puts = [await append(stream, "s", b"%d" % number, key) for number, key in enumerate("aab.abacca" * times)]
    begun = {
        "read": lambda: slot.read("s"),
        "replay": lambda: slot.replay("s", 0, puts[-1].offset + 1),
        "read_partition": lambda: slot.read_partition("s", 0),
    }[by]()
    found = [(await anext(begun)).offset for _ in range(given)]
    if how == "most":
        await other.set_retention("s", max_records=4)
        await other.enforce_retention("s")
    elif how == "compact":
        await other.compact("s")
    else:
        await other.trim("s", puts[4].offset)
    await fill(other, "s", numbered(2, "later"))
    with case.law("stream_retention.8"):
        async for record in begun:
            found.append(record.offset)
            if len(found) == given + 2 and how == "most":  # and once more
                await other.set_retention("s", max_records=2)
                await other.enforce_retention("s")
    if found != sorted(set(found)):
        broken(
            "stream_retention.8",
            f"a {by} gives records twice or not in order while others go ({how})",
            expected="in order",
            got=found,
        )
    last = {put.key: put.offset for put in puts}
    inside = {"most": [], "compact": [put for put in puts if last[put.key] == put.offset], "trim": puts[4:]}
    wanted = [put.offset for put in inside[how]]
    missing = [offset for offset in wanted if offset not in found]
    same("stream_retention.8", missing, [], f"a {by} leaves out what is kept while others go ({how})")


@check("stream_retention.6", "stream_retention.8")
@gauntlet(lambda limits: [{"readers": readers, "turns": turns} for readers in (1, 2) for turns in (0, 1, 3)])
async def no_key_is_ever_without_its_last(stream: Bounded, case: Case, readers: int, turns: int) -> None:
    """Whoever reads while a stream is compacted finds a record of each key, and those without one (ST-24)."""
    puts = [await append(stream, "s", b"%d" % number, None if key == "." else key) for number, key in enumerate("ab.abcab.c")]
    slots = [await case.client() for _ in range(readers)]
    case.overlap()
    task = asyncio.ensure_future(stream.compact("s"))
    for _ in range(turns):
        await asyncio.sleep(0)
    last = {put.key: put.offset for put in puts}
    wanted = [put.offset for put in puts if put.key is None or last[put.key] == put.offset]
    done = False
    while not done:
        done = task.done()
        for slot in slots:
            found = [record.offset for record in await everything(slot.read("s"))]
            keys = {put.key for put in puts if put.offset in found}
            same("stream_retention.6", keys, {put.key for put in puts}, "a key is without a record while a stream is compacted")
            missing = [offset for offset in wanted if offset not in found]
            same("stream_retention.6", missing, [], "a last record is not there while a stream is compacted")
        await asyncio.sleep(0)
    await task
