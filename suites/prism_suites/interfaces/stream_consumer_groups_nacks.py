"""stream_consumer_groups: what is nacked comes again, not before its delay, and holds up nothing else."""

import math
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import broken, refused, same
from prism_suites._keyvalue_deadlines import Times
from prism_suites._keyvalue_model import Window
from prism_suites._racing import together
from prism_suites._stream_shared import GROUPS, fill, numbered
from prism_suites._stream_taking import FAR_S, counted, gets, nothing_comes, patience_s, receive, take
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Member, RecordDelivery, StreamConsumerGroups
from prism_testkit.outcomes import Words

_DELAYS_S = (
    *(0.001, 0.0015, 0.01, 0.25, 0.5, 0.999, 1.0, 1.5, 2.0, 2.5, 10.0, 59.0, 60.5, 301.0, 3600.0, 86_401.0, 1e6, 2_592_001.0),
    *FAR_S,
)
_PARTS = (0.0, 0.5, 0.9, 0.999)
_MILLISECOND_NS = 1_000_000


async def _early(
    times: Times, members: Sequence[Member], due: dict[int, Window], story: str, most: int = 10
) -> list[RecordDelivery]:
    """Receive from everybody; what comes before it is due breaks the promise. Return what came."""
    slack_ns = _MILLISECOND_NS if times.virtual else 20 * _MILLISECOND_NS
    found: list[RecordDelivery] = []
    for member in members:
        for delivery in await receive(member, most):
            deadline = due.get(delivery.record.offset)
            if deadline is None:
                broken("stream_consumer_groups.4", f"a record that is held comes again ({story})", expected=[], got=delivery)
            if times.now_ns() < deadline.start - slack_ns:
                ahead_s = (deadline.start - times.now_ns()) / 1e9
                sentence = f"a nacked record comes before its delay is over ({story})"
                broken("stream_consumer_groups.7", sentence, expected=f"not for another {ahead_s:g} s", got=delivery)
            found.append(delivery)
    return found


@check("stream_consumer_groups.7", "stream_consumer_groups.5")
@gauntlet(lambda limits: [{"delay_s": delay_s, "members": members} for delay_s in _DELAYS_S for members in (1, 2, 3)])
async def a_nacked_record_waits_for_its_delay(stream: StreamConsumerGroups, case: Case, delay_s: float, members: int) -> None:
    """Before its delay has passed it comes to nobody, then it comes, its count one higher; it holds up no other record,
    new or given back behind it.

    Of three members the last one leaves while it is put off. Behind one of the delays many are held.
    """
    times = Times(case)
    if not times.virtual and delay_s not in (59.0, 3600.0, 1e6):
        return  # nothing waits on a real clock but the ladder below
    other = await case.client()
    await stream.create_group("s", "g")
    count = 43 if delay_s == 60.5 else 3
    puts = await fill(stream, "s", numbered(count + 1), laws=GROUPS)
    async with AsyncExitStack() as stack:
        member = await stack.enter_async_context(stream.join("s", "g", "c"))
        held = await gets(case, member, puts[:count])
        everyone = [member]
        if members >= 2:
            everyone.append(await stack.enter_async_context(other.join("s", "g", "d")))
        async with AsyncExitStack() as left:
            if members == 3:
                await left.enter_async_context(other.join("s", "g", "e"))
            _, now = await times.during(member.nack(held[0], delay_s=delay_s))
        deadline = now.after(delay_s)
        due = {puts[0].offset: deadline}
        await member.nack(held[-1])
        fresh = await fill(other, "s", [b"fresh"], laws=GROUPS)
        others = {puts[count - 1].offset, puts[count].offset, fresh[0].offset}
        due |= dict.fromkeys(others, Window(0, 0))
        seen: set[int] = set()
        for _ in range(100):
            seen |= {delivery.record.offset for delivery in await _early(times, everyone, due, f"delay {delay_s:g} s", 1)}
            if others <= seen:
                break
        same("stream_consumer_groups.7", sorted(others - seen), [], "a delayed record holds up others")
        if puts[0].offset in seen:
            return
        for part in _PARTS if times.virtual else (0.0,):
            await times.to(now.start + round(delay_s * 1e9 * part))
            if any(d.record.offset == puts[0].offset for d in await _early(times, everyone, due, f"delay {delay_s:g} s")):
                return
        if not times.virtual:
            return
        await times.before(deadline)
        found = await _early(times, everyone, due, f"just before the end of a delay of {delay_s:g} s")
        await times.past(deadline)
        for _ in range(int(patience_s(case))):
            found += await _early(times, everyone, due, "after its delay")
            if again := [d for d in found if d.record.offset == puts[0].offset]:
                counted(case, again[0], 2, held[0].delivery_count)
                return
            await case.advance(1.0)
        sentence = "a nacked record does not come again after its delay"
        broken("stream_consumer_groups.5", sentence, expected=puts[0], got=None)


@check("stream_consumer_groups.7", "stream_consumer_groups.5", "stream_consumer_groups.4")
@gauntlet(
    lambda limits: [
        {"delays": delays, "at_once": at_once}
        for delays, at_once in (
            *(([30, 20, 10, 0], False), ([5, 5, 5], False), ([0.5, 3600, 0, 60, 0.25, 1], False), ([1e6, 0.001, 7, 1e5], False)),
            *(([5, 5, 5], True), ([30, 0, 30, 7, 0, 7], True), ([1e6] * 12, True)),
        )
    ]
)
@given(delays=st.lists(st.sampled_from([0, 0.25, 1, 5, 30.5, 600, -1]), min_size=1, max_size=6), at_once=st.booleans())
async def each_delay_is_its_own(stream: StreamConsumerGroups, case: Case, delays: list[float], at_once: bool) -> None:
    """Of records with delays of their own each comes when its own is over, none with another's, none twice.

    Those of one delay are given back one by one, or by one call; then all are given back again, each with the delay of another.
    """
    times = Times(case)
    if not times.virtual:
        delays = [0.0 if delay_s <= 0 else delay_s + 3600 for delay_s in delays]
    await stream.create_group("s", "g")
    puts = await fill(stream, "s", numbered(len(delays)), laws=GROUPS)
    async with stream.join("s", "g", "c") as member:
        held = await _each_in_its_time(case, member, await gets(case, member, puts), delays, at_once)
        if times.virtual:  # what had a long delay may have none now
            held.sort(key=lambda delivery: delivery.record.offset)
            await _each_in_its_time(case, member, held, [*delays[1:], delays[0]], at_once)


async def _each_in_its_time(
    case: Case, member: Member, deliveries: Sequence[RecordDelivery], delays: Sequence[float], at_once: bool
) -> list[RecordDelivery]:
    """Give these back, each with its delay; return them as they came again."""
    times = Times(case)
    held = list(zip(deliveries, delays, strict=True))
    parts = [([delivery], delay_s) for delivery, delay_s in held]
    if at_once:
        parts = [([delivery for delivery, of in held if of == delay_s], delay_s) for delay_s in dict.fromkeys(delays)]
    due: dict[int, Window] = {}
    if times.virtual:  # a delay counts from the nack, however long something was held
        await case.clock.sleep(0.75)
    for part, delay_s in parts:
        _, now = await times.during(member.nack(*part, delay_s=delay_s))
        due |= {delivery.record.offset: now.after(max(0.0, delay_s)) for delivery in part}
    seen: dict[int, RecordDelivery] = {}
    for deadline in sorted(set(due.values()), key=lambda window: window.start):
        if not times.virtual and deadline.start > times.now_ns():
            break
        await times.before(deadline)
        seen |= {delivery.record.offset: delivery for delivery in await _early(times, [member], due, "one of several")}
        await times.past(deadline)
        wanted = {offset for offset, window in due.items() if window.end <= deadline.end}
        for _ in range(int(patience_s(case)) if times.virtual else 100):
            if wanted <= seen.keys():
                break
            for delivery in await _early(times, [member], due, "one of several"):
                if delivery.record.offset in seen:
                    broken("stream_consumer_groups.4", "a record that is held comes again", expected="once", got=delivery)
                seen[delivery.record.offset] = delivery
            await case.clock.sleep(0.5 if times.virtual else 0.005)
        same("stream_consumer_groups.5", sorted(wanted - seen.keys()), [], "nacked records do not come again after their delays")
    return list(seen.values())


@check("stream_consumer_groups.5", "stream_consumer_groups.7")
@gauntlet(lambda limits: [{"delay_s": delay_s, "count": count} for delay_s in (0, 0.0, -0.0, -1, -1e9, None) for count in (1, 3)])
async def a_nack_without_delay_gives_back_at_once(stream: StreamConsumerGroups, case: Case, delay_s: Any, count: int) -> None:
    """Without a delay, or with a negative one, records come again with the next receives, one nack for several or for each."""
    await stream.create_group("s", "g")
    puts = await fill(stream, "s", numbered(count), laws=GROUPS)
    async with stream.join("s", "g", "c") as member:
        for times in (1, 2, 3):
            got = await gets(case, member, puts, promise="stream_consumer_groups.5", times=times)
            if delay_s is None:
                await member.nack(*got)
            elif count == 1 or times == 2:
                for delivery in got:
                    await member.nack(delivery, delay_s=delay_s)
            else:
                await member.nack(*got, delay_s=delay_s)
        puts += await fill(stream, "s", [b"fresh"], laws=GROUPS)
        again = await take(case, member, count + 1)
        found = sorted(delivery.record.offset for delivery in again)
        same("stream_consumer_groups.5", found, [put.offset for put in puts], "after nacks not every record comes")
        await member.ack(*again)
        await nothing_comes(case, member, "stream_consumer_groups.6", "a record comes again after its ack")


@check("stream_consumer_groups.7")
@gauntlet(lambda limits: [{"delay_s": bad} for bad in (math.nan, math.inf, -math.inf, "1", None)])
async def a_delay_that_is_no_number_is_refused(stream: StreamConsumerGroups, case: Case, delay_s: Any) -> None:
    """NaN and infinite delays raise ``ValueError``, what is no number ``TypeError``, also to give nothing back: it stays held."""
    await stream.create_group("s", "g")
    puts = await fill(stream, "s", numbered(1), laws=GROUPS)
    async with stream.join("s", "g", "c") as member:
        got = await gets(case, member, puts)
        error = ValueError if isinstance(delay_s, float) else TypeError
        for some in (got, []):
            await refused("stream_consumer_groups.7", member.nack(*some, delay_s=delay_s), error, "a bad delay is not refused")
        if error is TypeError:
            for bad in ((delay_s,), (1, delay_s)):
                await refused("stream_consumer_groups.10", member.receive(*bad), error, "a bad receive is not refused")
        await nothing_comes(case, member, "stream_consumer_groups.7", "a refused nack gave its record back")
        await member.ack(*got)
    async with stream.join("s", "g", "c") as member:
        await nothing_comes(case, member, "stream_consumer_groups.6", "a record comes again after its ack")


@check("stream_consumer_groups.7", "stream_consumer_groups.10")
@gauntlet(
    lambda limits: [
        {"delay_s": delay_s, "by": by, "beside": beside}
        for delay_s in (0.5, 5.0, 90.0)
        for by in ("its member", "another")
        for beside in (0, 2)
    ]
)
async def a_waiting_receive_is_given_what_is_due(
    stream: StreamConsumerGroups, case: Case, delay_s: float, by: str, beside: int
) -> None:
    """A receive that waits longer than the delay is given the record, and not before the delay is over, whatever is put off for
    longer, earlier or later, and whatever comes to other streams meanwhile.
    """
    times = Times(case)
    if not times.virtual:
        delay_s /= 500
    other = await case.client()
    await stream.create_group("s", "g")
    puts = await fill(stream, "s", numbered(1 + beside), laws=GROUPS)
    async with AsyncExitStack() as stack:
        member = await stack.enter_async_context(stream.join("s", "g", "c"))
        held = await gets(case, member, puts)
        everyone = [member]
        if by == "another":
            everyone.append(await stack.enter_async_context(other.join("s", "g", "d")))
        for number, delivery in enumerate(held[2:]):
            await member.nack(delivery, delay_s=(1e300, 1e6)[number % 2])
        _, now = await times.during(member.nack(held[0], delay_s=delay_s))
        for delivery in held[1:2]:
            await member.nack(delivery, delay_s=1e5)
        wait_s = delay_s + (10 * patience_s(case) if times.virtual else 2.0 if by == "another" else 10.0)
        shortly_s = 1.0 if times.virtual else 0.05
        given: list[tuple[int, RecordDelivery]] = []

        async def wait(waiter: Member) -> None:
            while not given and times.now_ns() < now.end + round(wait_s * 1e9):
                for delivery in await waiter.receive(1, shortly_s if by == "another" else wait_s):
                    given.append((times.now_ns(), delivery))

        async def elsewhere() -> None:
            for _ in range(beside):
                await case.clock.sleep(delay_s / 4)
                await other.append("elsewhere", b"x")

        await together(elsewhere(), *map(wait, everyone))
        same("stream_consumer_groups.5", len(given), 1, "of waiting receives so many are given a record whose delay is over")
        if given[0][0] < now.start + round(delay_s * 1e9) - (_MILLISECOND_NS if times.virtual else 5 * _MILLISECOND_NS):
            broken("stream_consumer_groups.7", "a nacked record comes before its delay is over", expected=delay_s, got=given)
        if times.virtual and given[0][0] > now.end + round((delay_s + patience_s(case)) * 1e9):
            sentence = "a waiting receive does not return as soon as a delay is over"
            after_s = (given[0][0] - now.end) / 1e9
            broken("stream_consumer_groups.10", sentence, expected=Words(f"after {delay_s:g} s"), got=Words(f"after {after_s:g} s"))


@check("stream_consumer_groups.5", "stream_consumer_groups.7")
@gauntlet(
    lambda limits: [
        {"delay_s": delay_s, "extra": extra} for delay_s in (0.0, 40.0, 1e5) for extra in ("leave", "repeat", "left with another")
    ]
)
async def what_is_delayed_is_not_lost(stream: StreamConsumerGroups, case: Case, delay_s: float, extra: str) -> None:
    """When its member leaves, or nacks it anew, a delayed record still comes again, whole, at the latest after its delay."""
    await stream.create_group("s", "g")
    puts = await fill(stream, "s", numbered(2), laws=GROUPS)
    async with AsyncExitStack() as stack:
        member = await stack.enter_async_context(stream.join("s", "g", "c"))
        held = await gets(case, member, puts)
        await member.nack(held[0], delay_s=delay_s if case.clock.virtual else 0.0)
        if extra == "repeat":
            await member.nack(held[0], delay_s=1e9 if not delay_s else 0.0)
            wanted, reader = puts[:1], member
            if delay_s and case.clock.virtual:
                sentence = "a repeated nack took the delay of the first away"
                await nothing_comes(case, member, "stream_consumer_groups.7", sentence, wait_s=0)
        else:
            if extra == "leave":
                await member.ack(held[1])
            wanted = puts[:1] if extra == "leave" else puts
            await stack.aclose()
            reader = await stack.enter_async_context(stream.join("s", "g", "d"))
        if case.clock.virtual:
            await case.advance(delay_s + 1.0)
        await gets(case, reader, wanted, promise="stream_consumer_groups.5", times=2, story=f"delayed, then {extra}")


_REAL_S = (0.05, 0.2, 0.5, 0.8, 1.0)


@check("stream_consumer_groups.7", "stream_consumer_groups.5")
async def delays_hold_on_a_clock_that_cannot_be_moved(stream: StreamConsumerGroups, case: Case) -> None:
    """The whole ladder at once, each delay in a group of its own: nothing comes early, everything comes."""
    if case.clock.virtual:
        case.note("on virtual time every delay is judged by itself")
        return
    times = Times(case)
    puts = await fill(stream, "s", numbered(1), laws=GROUPS)
    async with AsyncExitStack() as stack:
        waiting: dict[str, tuple[Member, Window]] = {}
        for delay_s in _REAL_S:
            name = f"g{delay_s}"
            await stream.create_group("s", name)
            member = await stack.enter_async_context(stream.join("s", name, "c"))
            held = await gets(case, member, puts)
            _, now = await times.during(member.nack(*held, delay_s=delay_s))
            waiting[name] = (member, now.after(delay_s))
        late = times.now_ns() + round((max(_REAL_S) + patience_s(case)) * 1e9)
        while waiting:
            for name, (member, deadline) in list(waiting.items()):
                if await _early(times, [member], {puts[0].offset: deadline}, name):
                    del waiting[name]
            if times.now_ns() > late:
                broken(
                    "stream_consumer_groups.5",
                    "nacked records do not come again after their delays",
                    expected=[],
                    got=list(waiting),
                )
            await case.clock.sleep(0.02)
