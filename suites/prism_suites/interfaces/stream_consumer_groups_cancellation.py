"""stream_consumer_groups: what is cancelled takes nothing and loses nothing, at every point, and the driver goes on."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._noticing import is_handed_on
from prism_suites._queue_cancelling import cancelled, points
from prism_suites._stream_shared import GROUPS, Put, fill, numbered
from prism_suites._stream_taking import gets, nothing_comes, patience_s, take
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import AlreadyExists, RecordDelivery, StreamConsumerGroups

_P = "stream_consumer_groups.14"


def _handover_s(case: Case) -> float:
    """Return how long what a member held may be away that was never told to have left."""
    return (case.traits.member_timeout_s or 0.0) + patience_s(case)


async def _comes(case: Case, member: Any, puts: Sequence[Put], sentence: str, *, also: Sequence[Put] = ()) -> list[RecordDelivery]:
    """Judge that these come, whichever time it is, and none but these and ``also``."""
    wanted, found = {put.offset for put in puts}, list[RecordDelivery]()
    while wanted - {delivery.record.offset for delivery in found} and (got := await member.receive(3, _handover_s(case))):
        found += got
    offsets = [delivery.record.offset for delivery in found]
    if not wanted <= set(offsets) or len(set(offsets)) < len(offsets) or not set(offsets) <= wanted | {put.offset for put in also}:
        broken(_P, sentence, expected=sorted(wanted), got=offsets)
    return found


async def _goes_on(case: Case, slot: Any) -> None:
    with case.law(_P):
        await slot.create_group("next", "g")
        puts = await fill(slot, "next", numbered(2), laws=GROUPS)
        async with slot.join("next", "g", "c") as member:
            await member.ack(*await gets(case, member, puts, promise=_P, story="after a cancelled call"))


@check("stream_consumer_groups.14", "stream_consumer_groups.1")
@gauntlet(points(("one", "several", "of many", "with a timeout", "given back before", "beside another")))
async def a_cancelled_receive_takes_nothing(stream: StreamConsumerGroups, case: Case, kind: str, point: int) -> None:
    """A receive that is cancelled at any point takes nothing: every record comes with the next ones, also with those of another
    member (ST-36).
    """
    await stream.create_group("s", "g")
    most = {"one": 1, "of many": 20}.get(kind, 3)
    puts = await fill(stream, "s", numbered(most + 1), "k", {"h": "v"}, laws=GROUPS)
    async with stream.join("s", "g", "c") as member, AsyncExitStack() as stack:
        if kind == "given back before":
            await member.nack(*await take(case, member, most + 1))
        # Not overlapped: a cancellation between the driver's return and ours would be ours.
        call = member.receive(most, patience_s(case) if kind == "with a timeout" else 0)
        ended, got = await cancelled(call, point)
        given = [delivery.record.offset for delivery in got] if ended else []
        left = [put for put in puts if put.offset not in given]
        following = member
        if kind == "beside another" and case.traits.group_parallelism == "record":
            following = await stack.enter_async_context((await case.client()).join("s", "g", "d"))
        again = await _comes(case, following, left, f"a cancelled receive lost, or kept, a record ({kind})")
        if case.traits.delivery_count == "exact" and ended and any(d.delivery_count > 2 for d in again):
            broken("stream_consumer_groups.5", "a delivery counts more than there were", expected="2 at most", got=again)
        await nothing_comes(case, member, "stream_consumer_groups.4", "a record that is held comes again", wait_s=5.0)
        await following.ack(*again)
        await member.ack(*(got if ended else ()))
    async with stream.join("s", "g", "c") as member:
        await nothing_comes(case, member, "stream_consumer_groups.6", "a record comes again after its ack", wait_s=5.0)
    await _goes_on(case, stream)


@check("stream_consumer_groups.14", "stream_consumer_groups.10")
@gauntlet(lambda limits: [{"how": how, "point": point} for how in ("cancel", "timeout", "its own") for point in (0, 1, 2, 5)])
async def a_receive_that_gave_up_waiting_takes_nothing(stream: StreamConsumerGroups, case: Case, how: str, point: int) -> None:
    """A receive that waits and is cancelled, or whose time is up, is given nothing that comes later (ST-36)."""
    await stream.create_group("s", "g")
    pause_s = 7.0 if case.clock.virtual else 0.02
    async with stream.join("s", "g", "c") as member:
        waiting = asyncio.ensure_future(member.receive(5, pause_s if how == "its own" else 3600.0))
        await case.clock.sleep(pause_s)
        if how == "cancel":
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        elif how == "its own":
            same("stream_consumer_groups.10", await waiting, [], "a receive of nothing gives something")
        else:
            try:
                async with asyncio.timeout(pause_s):
                    await waiting
            except TimeoutError:
                pass
            else:
                broken(
                    "stream_consumer_groups.10",
                    "a receive of nothing ended before its timeout",
                    expected="it waits",
                    got="it returned",
                )
        for _ in range(point):
            await asyncio.sleep(0)
        puts = await fill(stream, "s", numbered(3), laws=GROUPS)
        await case.clock.sleep(pause_s)
        await _comes(case, member, puts, "a receive that gave up waiting took a record")
    await _goes_on(case, stream)


@check("stream_consumer_groups.14", "stream_consumer_groups.10")
@gauntlet(
    lambda limits: [
        {"point": point, "beside": beside}
        for point in range(1, 12)
        for beside in ("nobody", *(("itself", "another") if point < 6 else ()))
    ]
)
async def a_receive_cancelled_as_a_record_comes_loses_nothing(
    stream: StreamConsumerGroups, case: Case, point: int, beside: str
) -> None:
    """Of a record that comes while a waiting receive is cancelled either it was told, or the next receive is, also one that waits
    already (ST-36).
    """
    other = await case.client()
    for group in ("g", "h"):
        await stream.create_group("s", group)
    async with stream.join("s", "g", "c") as member, other.join("s", "h" if beside != "another" else "g", "c") as second:
        if beside != "nobody":
            if case.clock.virtual and (beside == "itself" or case.traits.group_parallelism == "record"):
                waits = [lambda seconds, each=each: each.receive(1, seconds) for each in (member, second)]
                happen = lambda: fill(other, "s", [b"comes"], laws=GROUPS)  # noqa: E731
                await is_handed_on(case, "stream_consumer_groups.10", point, (waits[0], waits[beside == "another"]), happen)
            return
        waiting = asyncio.ensure_future(member.receive(1, 3600.0))
        await case.clock.sleep(1.0 if case.clock.virtual else 0.02)
        putting = asyncio.ensure_future(fill(other, "s", [b"comes"], laws=GROUPS))
        for _ in range(point):
            await asyncio.sleep(0)
        waiting.cancel()
        told: Any = (await asyncio.gather(waiting, return_exceptions=True))[0]
        puts = await putting
        if isinstance(told, list) and told:
            await nothing_comes(case, member, "stream_consumer_groups.4", "a record that is held comes again", wait_s=5.0)
        else:
            await _comes(case, member, puts, "a record that came as a receive was cancelled is lost")


_RARER = ("nack of several", "nack with a delay")


@check("stream_consumer_groups.14", "stream_consumer_groups.6", "stream_consumer_groups.5")
@gauntlet(points(("ack", "ack of several", "nack", *_RARER), few=_RARER))
async def a_cancelled_answer_is_whole_or_absent(stream: StreamConsumerGroups, case: Case, kind: str, point: int) -> None:
    """A cancelled ack or nack took effect on a record or did not; none is lost, others stay held, and it may be repeated."""
    await stream.create_group("s", "g")
    puts = await fill(stream, "s", numbered(4), laws=GROUPS)
    async with stream.join("s", "g", "c") as member:
        held = await gets(case, member, puts)
        chosen = held[1:3] if "several" in kind else held[1:2]
        case.overlap()
        delay_s = 30.0 if "delay" in kind and case.clock.virtual else 0.0
        ended, _ = await cancelled(member.ack(*chosen) if kind.startswith("ack") else member.nack(*chosen, delay_s=delay_s), point)
        may = puts[1 : 1 + len(chosen)]
        if kind.startswith("ack"):
            await nothing_comes(case, member, "stream_consumer_groups.14", "a cancelled ack gave its record back", wait_s=5.0)
        else:
            if case.clock.virtual:
                await case.advance(delay_s + 5.0)
            got = await take(case, member, len(may)) if ended else await member.receive(10)
            strange = {delivery.record.offset for delivery in got} - {put.offset for put in may}
            if strange or (ended and len(got) < len(may)):
                broken(_P, "a cancelled nack gave back something else than its records", expected=may, got=got)
        again = kind.startswith("ack") and not ended
        if again:
            with case.law(_P):
                await member.ack(*chosen)
    kept = [put for put in puts if put not in may or not kind.startswith("ack")]
    async with (await case.client()).join("s", "g", "d") as last:
        await _comes(case, last, kept, f"after a cancelled {kind} what is not acked does not come, or an acked record does")
        info = await stream.group_info("s", "g")
        same("stream_consumer_groups.11", info.pending, len(kept), f"after a cancelled {kind} group_info tells another number")
        await nothing_comes(case, last, "stream_consumer_groups.6", "a record comes again after its ack", wait_s=5.0)
    await _goes_on(case, stream)


@check("stream_consumer_groups.14", "stream_consumer_groups.11")
@gauntlet(points(("join",)))
async def a_cancelled_join_leaves_no_member(stream: StreamConsumerGroups, case: Case, kind: str, point: int) -> None:
    """A join that is cancelled at any point leaves nobody in the group who could keep a record from others (ST-13)."""
    await stream.create_group("s", "g")
    puts = await fill(stream, "s", numbered(2), laws=GROUPS)
    stay = stream.join("s", "g", "c")
    ended, _ = await cancelled(stay.__aenter__(), point)
    if ended:
        await stay.__aexit__(None, None, None)
    until_s = case.clock.now_s() + _handover_s(case)
    while (told := (await stream.group_info("s", "g")).members) and case.clock.now_s() < until_s:
        await case.clock.sleep(1.0 if case.clock.virtual else 0.02)
    same("stream_consumer_groups.11", told, 0, "a cancelled join left a member")
    async with stream.join("s", "g", "c") as member:
        await gets(case, member, puts, promise=_P, story="after a cancelled join")
    await _goes_on(case, stream)


@check("stream_consumer_groups.14", "stream_consumer_groups.5")
@gauntlet(points(("leave", "body")))
async def a_member_that_is_cancelled_gives_back(stream: StreamConsumerGroups, case: Case, kind: str, point: int) -> None:
    """Whoever is cancelled while it is a member, or as it leaves, keeps nothing from others (ST-11, ST-36)."""
    other = await case.client()
    await stream.create_group("s", "g")
    puts = await fill(stream, "s", numbered(3), laws=GROUPS)
    if kind == "leave":
        stay = stream.join("s", "g", "c")
        await gets(case, await stay.__aenter__(), puts)
        await cancelled(stay.__aexit__(None, None, None), point)
    else:

        async def serve() -> None:
            async with stream.join("s", "g", "c") as member:
                while not went_on:
                    await member.receive(1, 3600.0)
                    if task.cancelling():  # each receive that returns is followed by another one, as in a service
                        went_on.append(True)

        went_on: list[bool] = []
        task = asyncio.ensure_future(serve())
        for _ in range(point * 3):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if went_on:
            sentence = "a task was cancelled while it joined or received, no call told it so, and it goes on for ever"
            broken(_P, sentence, expected="CancelledError", got="an answer")
    async with other.join("s", "g", "d") as member:
        await _comes(case, member, puts, "what a cancelled member held does not come again")
    await _goes_on(case, stream)


@check("stream_consumer_groups.14", "stream_consumer_groups.2")
@gauntlet(points(("earliest", "latest")))
async def a_cancelled_creation_is_whole_or_absent(stream: StreamConsumerGroups, case: Case, kind: str, point: int) -> None:
    """A cancelled `create_group` made the group, with its start, or did not; then it can be made."""
    puts = await fill(stream, "s", numbered(2), laws=GROUPS)
    case.overlap()
    start: Any = kind
    ended, _ = await cancelled(stream.create_group("s", "g", start), point)
    made = True
    try:
        await stream.create_group("s", "g", start)
    except AlreadyExists:
        made = False
    if ended:
        same(_P, made, False, "a group that was made is not there")
    after = await fill(stream, "s", [b"after"], laws=GROUPS)
    async with stream.join("s", "g", "c") as member:
        await gets(
            case, member, [*(puts if kind == "earliest" else []), *after], promise=_P, story="after a cancelled create_group"
        )
    await _goes_on(case, stream)


@check("stream_consumer_groups.14")
@gauntlet(lambda limits: [{"times": 60}])
async def many_cancelled_calls_use_nothing_up(stream: StreamConsumerGroups, case: Case, times: int) -> None:
    """After many cancelled calls connections and locks are all there again, and so is every record (ST-36)."""
    await stream.create_group("s", "g")
    puts = await fill(stream, "s", numbered(5), laws=GROUPS)
    async with stream.join("s", "g", "c") as member:
        for number in range(times):
            if number % 3 == 2:
                await cancelled(stream.group_info("s", "g"), 1 + number % 5)
                continue
            ended, got = await cancelled(member.receive(2), 1 + number % 5)
            if ended and got:
                await member.nack(*got)
        await _comes(case, member, puts, f"after {times} cancelled calls records are lost")
    await _goes_on(case, stream)
