"""stream_consumer_groups: a receive that waits notices what comes at any turn, and takes nothing once its member was left."""

import asyncio
import contextlib
from contextlib import AsyncExitStack
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._keyvalue_deadlines import Times
from prism_suites._keyvalue_model import Window
from prism_suites._left_out import takes_as_long
from prism_suites._noticing import TURNS, ends_soon, is_noticed
from prism_suites._racing import together
from prism_suites._stream_shared import GROUPS, fill, numbered
from prism_suites._stream_taking import FAR_S, gets, nothing_comes, patience_s, receive, shared_out, take
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Closed, Member, RecordDelivery, StreamConsumerGroups


@check("stream_consumer_groups.10")
@gauntlet(lambda limits: [{"turns": turns, "other": other} for turns in TURNS for other in (False, True)])
async def what_is_appended_at_any_turn_is_noticed(stream: StreamConsumerGroups, case: Case, turns: int, other: bool) -> None:
    """An append of this client or another ends the wait, also when the member has looked and does not wait yet (ST-06)."""
    by = await case.client() if other else stream
    await stream.create_group("s", "g")
    async with stream.join("s", "g", "c") as member:
        wait = lambda s: member.receive(1, s)  # noqa: E731
        await is_noticed(case, "stream_consumer_groups.10", turns, wait, lambda: by.append("s", b"x"), "an append", at_once=True)


@check("stream_consumer_groups.10", "stream_consumer_groups.7")
async def a_member_that_names_no_time_means_none(stream: StreamConsumerGroups, case: Case) -> None:
    """`receive()` is `receive(1, 0)`, and `nack(delivery)` is `nack(delivery, delay_s=0)`: the record is there as soon."""
    await stream.create_group("s", "g")
    async with stream.join("s", "g", "c") as member:
        what = "receive() and receive(1, 0)"
        await takes_as_long(case, "stream_consumer_groups.10", lambda: member.receive(1, 0), member.receive, what)
        puts = await fill(stream, "s", numbered(3), laws=GROUPS)
        held = await member.receive(timeout_s=500.0)
        same("stream_consumer_groups.10", len(held), 1, "a receive that does not say how many gives not one record of three")
        await gets(case, member, puts[1:])  # what is held is not in its way

        async def comes_back(**delay: Any) -> None:
            await member.nack(*held, **delay)
            held[:] = await member.receive(1, 500.0)

        what = "nack(delivery) and nack(delivery, delay_s=0), until a record comes,"
        await takes_as_long(case, "stream_consumer_groups.7", lambda: comes_back(delay_s=0), comes_back, what)


@check("stream_consumer_groups.10", "stream_consumer_groups.9")
@gauntlet(lambda limits: [{"groups": groups, "beside": beside} for groups, beside in ((2, 0), (2, 3), (5, 75))])
async def everyone_who_waits_is_woken(stream: StreamConsumerGroups, case: Case, groups: int, beside: int) -> None:
    """A record that comes while members of several groups wait comes to each at once, whoever waits for other streams (ST-06)."""
    if not case.clock.virtual and beside > 9:
        return  # each of them keeps a server busy
    other, wait_s = await case.client(), 20_000.0
    async with AsyncExitStack() as stack:
        members: list[Member] = []
        for number in range(beside + groups):
            name = f"g{number}"
            slot, of = (other, stream)[number % 2], "other" if number < beside else "s"
            await slot.create_group(of, name)
            members.append(await stack.enter_async_context(slot.join(of, name, "c")))
        waiting = [asyncio.ensure_future(member.receive(1, wait_s)) for member in members]
        await case.clock.sleep(5.0 if case.clock.virtual else 0.02)
        began_s = case.clock.now_s()
        puts = await fill(other, "s", numbered(1), laws=GROUPS)
        soon = [await ends_soon(case, task) for task in waiting[beside:]]
        passed_s = case.clock.now_s() - began_s
        for task in waiting[:beside]:
            task.cancel()
        for task, ended in zip(waiting[beside:], soon, strict=True):
            task.cancel() if not ended else None
        await asyncio.gather(*waiting, return_exceptions=True)
        told = "a receive that waits is not given what is appended"
        same("stream_consumer_groups.10", soon, [True] * groups, f"{told}, but waits on")
        for task in waiting[beside:]:
            same("stream_consumer_groups.10", [delivery.record.offset for delivery in task.result()], [puts[0].offset], told)
        if passed_s > wait_s / 2:
            sentence = "of several groups one is given what was appended only when its time is nearly over"
            broken("stream_consumer_groups.10", sentence, expected="as soon as it comes", got=f"after {passed_s:g} s")


@check("stream_consumer_groups.10", "stream_consumer_groups.5", "stream_consumer_groups.7")
@gauntlet(lambda limits: [{"how": how} for how in ("nacked", "delayed", "left", "behind a longer delay", "beside a longer delay")])
async def what_comes_back_wakes_who_waits(stream: StreamConsumerGroups, case: Case, how: str) -> None:
    """A member that waits is given what another gives back as soon as it is there, whatever else is put off for longer."""
    other, wait_s, unit_s = await case.client(), 20_000.0, 1.0 if case.clock.virtual else 0.01
    await stream.create_group("s", "g")
    puts = await fill(stream, "s", numbered(2), laws=GROUPS)
    manager = stream.join("s", "g", "c")
    member = await manager.__aenter__()
    far, near = await gets(case, member, puts)
    if how == "behind a longer delay":
        await member.nack(far, delay_s=wait_s)

    async def give_back() -> float:
        await case.clock.sleep(5.0 * unit_s)
        if how == "left":
            await manager.__aexit__(None, None, None)
        elif how == "nacked":
            await member.nack(near)
        else:
            await member.nack(near, delay_s=9.0 * unit_s)
        return case.clock.now_s()

    async def puts_off() -> None:
        await case.clock.sleep(1.0 * unit_s)
        if how == "beside a longer delay":
            await member.nack(far, delay_s=wait_s)

    async with AsyncExitStack() as stack:
        second = member  # where partitions are shared out another member may be idle, until this one is left
        if how == "left" or case.traits.group_parallelism == "record":
            second = await stack.enter_async_context(other.join("s", "g", "d"))
        waiting = asyncio.ensure_future(receive(second, 1, wait_s / 2))
        given_s, _ = await together(give_back(), puts_off())
        got = await waiting if await ends_soon(case, waiting) else None
        if got is None:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            sentence = f"who waits is not given what another gives back, but waits on ({how})"
            broken("stream_consumer_groups.10", sentence, expected=[puts[1].offset], got="it still waits")
        passed_s = case.clock.now_s() - given_s
        found = [delivery.record.offset for delivery in got]
        if not found or (how != "left" and found != [puts[1].offset]):
            sentence = f"who waits is not given what another gives back ({how})"
            broken("stream_consumer_groups.10", sentence, expected=[puts[1].offset], got=found)
        if passed_s > wait_s / 20:
            sentence = f"who waits is given what comes back only when its own timeout is nearly over ({how})"
            broken("stream_consumer_groups.10", sentence, expected="as soon as it is there", got=f"after {passed_s:g} s")
    if how != "left":
        await manager.__aexit__(None, None, None)


_WAITS_S = ((50.0, 5.0, 20.0), (5.0, 50.0), (20.0, 20.0, 5.0, 5.0))


@check("stream_consumer_groups.10", "stream_consumer_groups.4")
@gauntlet(lambda limits: [{"waits_s": waits_s, "turns": turns} for waits_s in _WAITS_S for turns in (0, 3)])
async def receives_of_one_member_wait_each_for_itself(
    stream: StreamConsumerGroups, case: Case, waits_s: tuple[float, ...], turns: int
) -> None:
    """Of several receives of a member at once none ends empty before its own time is up, whatever comes to other streams, and who
    comes and goes; then each gets records of its own.
    """
    times = Times(case)
    if turns and not times.virtual:
        return  # these wait in earnest
    part = 1.0 if times.virtual else 0.01
    await stream.create_group("s", "g")
    held: list[RecordDelivery] = []
    async with AsyncExitStack() as stack:
        if times.virtual and case.traits.group_parallelism == "record":
            await fill(stream, "s", numbered(3, "held"), laws=GROUPS)
            holder = await stack.enter_async_context(stream.join("s", "g", "d"))
            held += await take(case, holder, 3)
        member = await stack.enter_async_context(stream.join("s", "g", "c"))

        async def wait(number: int, wait_s: float) -> tuple[Window, int, list[RecordDelivery]]:
            for _ in range(number * turns):
                await asyncio.sleep(0)
            got, now = await times.during(receive(member, 1, wait_s))
            return now, round(wait_s * 1e9), got

        async def elsewhere() -> None:
            while True:
                await case.clock.sleep(3.0 * part)
                await stream.append("other", b"x")
                if times.virtual:  # others come and go, and ack
                    async with stream.join("s", "g", "d"):
                        await case.clock.sleep(1.0)
                    if held:
                        await holder.ack(held.pop())

        beside = asyncio.ensure_future(elsewhere())
        try:
            ended = await together(*(wait(number, wait_s * part) for number, wait_s in enumerate(waits_s)))
        finally:
            beside.cancel()
            await asyncio.wait([beside])
        for now, wait_ns, got in ended:
            same("stream_consumer_groups.10", got, [], "a receive of nothing gives something")
            if now.end < now.start + wait_ns - (1_000_000 if times.virtual else 20_000_000):
                broken(
                    "stream_consumer_groups.10",
                    "a receive ends before its time is up, beside others of its member",
                    expected=f"{wait_ns / 1e9:g} s",
                    got=f"{(now.end - now.start) / 1e9:g} s",
                )
        waiting = [asyncio.ensure_future(receive(member, 1, patience_s(case))) for _ in waits_s]
        await asyncio.sleep(0)
        puts = await fill(stream, "s", numbered(len(waits_s)), laws=GROUPS)
        found = sorted(delivery.record.offset for got in await together(*waiting) for delivery in got)
        same("stream_consumer_groups.4", found, [put.offset for put in puts], "receives of a member at once do not share records")


@check("stream_consumer_groups.10")
@gauntlet(lambda limits: [{"other": other} for other in (False, True)])
async def however_long_a_wait_is_it_goes_on(stream: StreamConsumerGroups, case: Case, other: bool) -> None:
    """Waits of months and of decades do not end empty after a moment, but with what comes (ST-06)."""
    by = await case.client() if other else stream
    async with AsyncExitStack() as stack:
        waiting: list[asyncio.Task[list[RecordDelivery]]] = []
        for number in range(len(FAR_S)):
            await stream.create_group("s", f"g{number}")
            members = [await stack.enter_async_context(stream.join("s", f"g{number}", "c"))]
            waiting.append(asyncio.ensure_future(receive(members[0], 1, FAR_S[number])))
        try:
            await case.clock.sleep(3.0 if case.clock.virtual else 0.75)
            for wait_s, task in zip(FAR_S, waiting, strict=True):
                if task.done():
                    told = "a receive of nothing returned before its timeout had passed"
                    broken("stream_consumer_groups.10", told, expected=f"{wait_s:g} s", got=task.result())
            put, *_ = await fill(by, "s", numbered(1), laws=GROUPS)
            for got in await together(*waiting):
                found = [delivery.record.offset for delivery in got]
                same("stream_consumer_groups.10", found, [put.offset], "a receive that waits is not given what is appended")
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)


_LEFT = ("plainly", "by an error", "by a cancellation", "beside another")


@check("stream_consumer_groups.14", "stream_consumer_groups.5")
@gauntlet(lambda limits: [{"how": how, "turns": turns} for how in _LEFT for turns in (0, 1, None)])
async def a_member_that_left_is_given_nothing_more(stream: StreamConsumerGroups, case: Case, how: str, turns: int | None) -> None:
    """A receive that waits as its member is left ends; what it held, and what is appended then, comes to the next member, or to
    the one of the same label that stays (ST-11, ST-36).
    """
    other = await case.client()
    await stream.create_group("s", "g")
    manager = stream.join("s", "g", "c")
    member = await manager.__aenter__()
    held = await fill(stream, "s", numbered(0 if how == "plainly" else 2, "held"), laws=GROUPS)
    await gets(case, member, held)
    waiting = asyncio.ensure_future(member.receive(5, 1e6 if case.clock.virtual else 10.0))
    for _ in range(turns or 0):
        await asyncio.sleep(0)
    if turns is None:
        await case.clock.sleep(1.0 if case.clock.virtual else 0.02)
    errors: dict[str, BaseException] = {"by an error": ValueError("the body's own"), "by a cancellation": asyncio.CancelledError()}
    error = errors.get(how)
    last = other.join("s", "g", "c" if how == "beside another" else "d")
    member = await last.__aenter__() if how == "beside another" else member
    with contextlib.suppress(ValueError, asyncio.CancelledError):
        await manager.__aexit__(type(error) if error else None, error, None)
    if turns and held:
        await asyncio.wait([waiting], timeout=1.0)
    member = member if how == "beside another" else await last.__aenter__()
    await gets(case, member, held, promise="stream_consumer_groups.5", story="held by a member that waited and was left", times=2)
    puts = await fill(other, "s", numbered(2), laws=GROUPS)
    await gets(case, member, puts, promise="stream_consumer_groups.14", story="appended after a member that waited was left")
    done, _ = await asyncio.wait([waiting], timeout=1000.0 if case.clock.virtual else 5.0)
    if not done:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        broken("stream_consumer_groups.14", "a receive goes on waiting after its member was left", expected=Closed, got="it waits")
    _ended(waiting)
    await last.__aexit__(None, None, None)


_KEPT = ((0,), (0, 150), (299,), (7, 149, 298), (0, 299))


@check("stream_consumer_groups.6", "stream_consumer_groups.5")
@gauntlet(lambda limits: [{"kept": kept, "backwards": number % 2 == 0} for number, kept in enumerate(_KEPT)])
async def acks_of_many_are_individual(stream: StreamConsumerGroups, case: Case, kept: tuple[int, ...], backwards: bool) -> None:
    """Of hundreds that are held all but a few are acked, however far from each other: those few come again alone (ST-16)."""
    count = 60 if case.server else 300
    kept = tuple(number * count // 300 for number in kept)
    await stream.create_group("s", "g")
    puts = await fill(stream, "s", numbered(count), laws=GROUPS)
    async with stream.join("s", "g", "c") as member:
        got = {delivery.record.offset: delivery for delivery in await take(case, member, count, 100)}
        done = [put.offset for number, put in enumerate(puts) if number not in kept]
        for offset in reversed(done) if backwards else done:
            await member.ack(got[offset])
    left = [puts[number] for number in kept]
    async with stream.join("s", "g", "d") as last:
        await gets(
            case, last, left, promise="stream_consumer_groups.6", times=2, story="of many that were held a few were not acked"
        )
        await nothing_comes(case, last, "stream_consumer_groups.6", "an acked record comes again")


@check("stream_consumer_groups.9", "stream_consumer_groups.1", "stream_consumer_groups.15")
@gauntlet(lambda limits: [{"groups": groups, "members": members} for groups, members in ((130, 1), (1, 70), (12, 3))])
async def there_may_be_many(stream: StreamConsumerGroups, case: Case, groups: int, members: int) -> None:
    """However many groups a stream has, and members a group: each group gets every record (ST-10, ST-13)."""
    if case.server:
        groups, members = min(groups, 20), min(members, 10)
    names = [f"g{number}" for number in range(groups)]
    for name in names:
        await stream.create_group("s", name)
    puts = await fill(stream, "s", numbered(members), laws=GROUPS)
    for name in names:
        async with AsyncExitStack() as stack:
            everyone = [await stack.enter_async_context(stream.join("s", name, f"c{number}")) for number in range(members)]
            wanted = [put.offset for put in puts]
            await shared_out(case, everyone, wanted, promise="stream_consumer_groups.9")


def _ended(waiting: "asyncio.Future[Any]") -> None:
    """Judge how a receive ended that was under way: told so, or empty."""
    error = waiting.exception()
    if error is not None and not isinstance(error, Closed):
        raise error
    if error is None and waiting.result():
        told = "a receive gives records after its member was left"
        broken("stream_consumer_groups.14", told, expected=Closed, got=waiting.result())
