"""stream: a member that waits is woken behind whatever else happened to its stream; open reads have limits of their own."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from prism_suites._judging import same
from prism_suites._stream_shared import GROUPS, append, fill, numbered
from prism_suites._stream_taking import gets, receive
from prism_suites._waiters import WAITS_S, gives_up, the_last_is_served
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import StreamBasic, StreamConsumerGroups, StreamPartitioning, StreamReplay, StreamRetention
from prism_testkit.tap import offers


async def _short_wait(slot: Any, case: Case) -> None:
    async with slot.join("s", "other", "c") as member:
        await member.receive(1, 1.0 if case.clock.virtual else 0.01)


async def _cancelled_wait(slot: Any, case: Case) -> None:
    async with slot.join("s", "other", "c") as member:
        await gives_up(case, member.receive(1, WAITS_S))


async def _fast_receive(slot: Any, case: Case) -> None:
    async with slot.join("s", "behind", "c") as member:
        for delivery in await receive(member, 1, 5.0):
            await member.ack(delivery)


async def _kept_receive(slot: Any, case: Case) -> None:
    async with slot.join("s", "behind", "c") as member:
        await receive(member, 1, 5.0)


async def _read(slot: Any, case: Case) -> None:
    async for _ in slot.read("s"):
        break


_MEANWHILE: dict[str, tuple[type, Callable[[Any, Case], Awaitable[Any]]]] = {
    "nothing": (StreamConsumerGroups, lambda slot, case: asyncio.sleep(0)),
    "create_group": (StreamConsumerGroups, lambda slot, case: slot.create_group("s", "new")),
    "group_info": (StreamConsumerGroups, lambda slot, case: slot.group_info("s", "other")),
    "a wait that ends in vain": (StreamConsumerGroups, _short_wait),
    "a wait that is cancelled": (StreamConsumerGroups, _cancelled_wait),
    "a receive that is given something": (StreamConsumerGroups, _fast_receive),
    "a member that leaves with something in hand": (StreamConsumerGroups, _kept_receive),
    "append to another": (StreamConsumerGroups, lambda slot, case: slot.append("another", b"x")),
    "read": (StreamBasic, _read),
    "trim": (StreamBasic, lambda slot, case: slot.trim("s", 1)),
    "latest_offset": (StreamBasic, lambda slot, case: slot.latest_offset("s")),
    "compact": (StreamRetention, lambda slot, case: slot.compact("s")),
    "set_retention": (StreamRetention, lambda slot, case: slot.set_retention("s", 1e6, 1000)),
    "enforce_retention": (StreamRetention, lambda slot, case: slot.enforce_retention("s")),
    "seek": (StreamReplay, lambda slot, case: slot.seek("s", "other", 0)),
    "seek_to_time": (StreamReplay, lambda slot, case: slot.seek_to_time("s", "other", 0)),
    "partitions": (StreamPartitioning, lambda slot, case: slot.partitions("s")),
}


@check("stream_consumer_groups.10")
@gauntlet(lambda limits: [{"meanwhile": what, "own": own} for what in _MEANWHILE for own in (True, False)])
async def whatever_happens_meanwhile_a_wait_is_woken(stream: StreamConsumerGroups, case: Case, meanwhile: str, own: bool) -> None:
    """While a member waits something else is done to its stream; then a record comes, and the member is given it at once."""
    if case.server and own:
        return  # each wait takes its time there
    slot, other = await case.whole(), await case.client(whole=True)
    interface, call = _MEANWHILE[meanwhile]
    if not offers(slot, interface):
        return
    await fill(slot, "s", numbered(2), laws=GROUPS)
    await slot.create_group("s", "behind")
    for group in ("mine", "other"):
        await slot.create_group("s", group, "latest")

    async def write() -> None:
        await call(slot if own else other, case)
        await append(other, "s", b"mine", laws=GROUPS)

    async with slot.join("s", "mine", "c") as member:
        got = await the_last_is_served(case, "stream_consumer_groups.10", [partial(member.receive, 1, WAITS_S)], write)
        same("stream_consumer_groups.1", [each.record.payload for each in got], [b"mine"], f"a receive behind {meanwhile}")


@check("stream_basic.5", "stream_basic.1")
@gauntlet(lambda limits: [{"limits": limits} for limits in ((3, 12), (12, 3), (None, 4), (4, None), (7, 7, 7), (1, None, 2))])
async def open_reads_have_limits_of_their_own(stream: StreamBasic, case: Case, limits: tuple[int | None, ...]) -> None:
    """Reads of one client that are open at once go on by turns, each from its own start to its own limit (ST-07)."""
    count = 20
    puts = await fill(stream, "s", numbered(count))
    iterators = [stream.read("s", puts[n].offset, limit) for n, limit in enumerate(limits)]
    found: list[list[int]] = [[] for _ in limits]
    going = set(range(len(limits)))
    while going:
        for number in sorted(going):
            try:
                found[number].append((await anext(iterators[number])).offset)
            except StopAsyncIteration:
                going.discard(number)
    for number, limit in enumerate(limits):
        wanted = [put.offset for put in puts[number:]][:limit]
        same("stream_basic.5", found[number], wanted, f"read {number + 1} of {len(limits)} that are open at once, limit {limit}")


@check("stream_consumer_groups.5")
@gauntlet(lambda limits: [{"times": times} for times in (1, 2, 3, 4, 6)])
async def whatever_its_count_it_comes_again_at_once(stream: StreamConsumerGroups, case: Case, times: int) -> None:
    """However often a record came before, it comes again as soon as its member was left, or has given it back."""
    puts = await fill(stream, "s", numbered(3), laws=GROUPS)
    await stream.create_group("s", "g")
    for turn in range(1, times + 1):
        async with stream.join("s", "g", "c") as member:
            got = await gets(case, member, puts, promise="stream_consumer_groups.5", times=turn)
            if turn % 2:
                await member.nack(*got[:2])
    async with stream.join("s", "g", "c") as member:
        again: list[Any] = []
        for _ in range(60):  # a driver may need a few looks, but no time
            again += await receive(member, 3)
            await asyncio.sleep(0)
            if len(again) == 3 or not case.clock.virtual:
                break
        if case.clock.virtual and case.traits.member_timeout_s == 0:
            same("stream_consumer_groups.5", len(again), 3, f"records that came {times} times and were given back, at once")


@check("stream_consumer_groups.1")
@gauntlet(lambda limits: [{"groups": groups} for groups in (1, 2, 3, 5, 12)])
async def each_of_many_groups_begins_where_it_was_told(stream: StreamConsumerGroups, case: Case, groups: int) -> None:
    """Of many groups each one begins at the end as of its own making, or at the beginning (ST-11)."""
    puts = await fill(stream, "s", numbered(2), laws=GROUPS)
    starts: list[int] = []
    for number in range(groups):
        await stream.create_group("s", f"g{number}", "latest" if number % 3 != 1 else "earliest")
        starts.append(len(puts) if number % 3 != 1 else 0)
        puts += await fill(stream, "s", numbered(1, f"behind {number}"), laws=GROUPS)
    for number, start in enumerate(starts):
        async with stream.join("s", f"g{number}", "c") as member:
            await gets(case, member, puts[start:], story=f"group {number + 1} of {groups}")
