"""stream_consumer_groups: a group gets every record, whole, each to one member at a time; acks are individual and final."""

import contextlib
import math
from functools import partial
from itertools import product
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import broken, refused, same
from prism_suites._queue_shared import headers_gauntlet
from prism_suites._racing import together
from prism_suites._stream_shared import GROUPS, append, chunks, fill, numbered, read
from prism_suites._stream_taking import counted, gets, nothing_comes, patience_s, receive, shared_out, take
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Closed, StreamConsumerGroups
from prism_testkit.strategies import counts, payload_pools

_LIVES_S = (0.001, 1.0, 10.0, 31.0, 61.0, 301.0, 3600.0, 86_401.0)


@check("stream_consumer_groups.3", "stream_consumer_groups.1")
@gauntlet(chunks)
@given(payloads=payload_pools(min_size=1, max_size=8))
async def payloads_come_as_they_were_appended(stream: StreamConsumerGroups, case: Case, payloads: tuple[bytes, ...]) -> None:
    """Every payload, the empty one too, comes byte for byte, in order, with its offset, and is not changed by it (ST-02)."""
    puts = await fill(stream, "s", payloads[:: 4 if case.server and len(payloads) > 8 else 1], laws=GROUPS)
    await stream.create_group("s", "g")
    async with stream.join("s", "g", "c") as member:
        got = await gets(case, member, puts)
        await member.ack(*got[:3])
        await member.ack(*got[3:])
        await nothing_comes(case, member, "stream_consumer_groups.6", "a record comes again after its ack")


@check("stream_consumer_groups.3")
@gauntlet(headers_gauntlet)
async def headers_and_keys_come_as_they_were_appended(stream: StreamConsumerGroups, case: Case, headers: dict[str, str]) -> None:
    """Keys and headers come code point by code point, and where there are none, none come."""
    puts = [
        await append(stream, "s", payload, key, given)
        for payload, key, given in (
            (b"", None, None),
            (b"", "k", headers),
            (b"x", None, headers),
            (b"y", "é\x00k", None),
            (b"z", "k", {}),
        )
    ]
    await stream.create_group("s", "g")
    async with stream.join("s", "g", "c") as member:
        first = await gets(case, member, puts)
        await member.nack(*first)
        await gets(case, member, puts, promise="stream_consumer_groups.5", times=2, story="after a nack")
    wanted = {record.offset: record.appended_ms async for record in stream.read("s")}
    told = {delivery.record.offset: delivery.record.appended_ms for delivery in first}
    same("stream_consumer_groups.3", told, wanted, "a delivery and a read tell different instants of one append")


@check("stream_consumer_groups.1", "stream_consumer_groups.3", "stream_consumer_groups.10", "stream_consumer_groups.6")
@gauntlet(lambda limits: [{"count": count, "most": most} for count in (*counts(20), 99, 100, 101) for most in (1, 3, 100) if count])
async def so_many_records_come_in_order(stream: StreamConsumerGroups, case: Case, count: int, most: int) -> None:
    """Whatever their number and that of each receive, the records come in order, none missing, none twice (ST-09)."""
    if case.server and (count not in (1, 2, 10, 100) or (most == 1 and count == 100)):
        return  # each record is a round trip
    await stream.create_group("s", "g")
    puts = await fill(stream, "s", numbered(count), laws=GROUPS)
    async with stream.join("s", "g", "c") as member:
        got = await gets(case, member, puts, most=most)
        await nothing_comes(case, member, "stream_consumer_groups.4", "a record that is held comes again")
        await member.ack(*got)
        await nothing_comes(case, member, "stream_consumer_groups.6", "a record comes again after its ack")
    async with stream.join("s", "g", "c") as member:
        await nothing_comes(case, member, "stream_consumer_groups.6", "a record comes again after its ack")


@check("stream_consumer_groups.1", "stream_consumer_groups.3", "stream_consumer_groups.5")
async def a_long_stream_comes_whole(stream: StreamConsumerGroups, case: Case) -> None:
    """No page, cap or number of digits ends what a group gets, acked in time or not at all (ST-07, ST-16)."""
    if case.server:  # at once, for each is a round trip
        many = await together(*(append(stream, "s", payload, laws=GROUPS) for payload in numbered(1100)))
        puts = sorted(many, key=lambda put: put.offset)
    else:
        puts = await fill(stream, "s", numbered(1100), laws=GROUPS)
    for group, acking in (("acked", True), ("held", False)):
        await stream.create_group("s", group)
        async with stream.join("s", group, "c") as member:
            found: list[int] = []
            while len(found) < len(puts) and (got := await receive(member, 100)):
                found += [delivery.record.offset for delivery in got]
                if acking:
                    await member.ack(*got)
        same("stream_consumer_groups.1", found, [put.offset for put in puts], "a long stream does not come whole and in order")
    async with stream.join("s", "held", "c") as member:
        again = await take(case, member, len(puts), 100)
        same("stream_consumer_groups.5", len(again), len(puts), "of many records that were held so many come again")


@check("stream_consumer_groups.10")
@gauntlet(lambda limits: [{"most": most} for most in (1, 2, 3, 6, 7, 8, 100, 10**6, 2**31, 2**32, 2**63, 2**64)])
async def a_receive_gives_at_most_what_was_asked(stream: StreamConsumerGroups, case: Case, most: int) -> None:
    """A receive gives one record at least while there are any, and never more than ``max_records``; the default is one."""
    puts = await fill(stream, "s", numbered(7), laws=GROUPS)
    for group in ("given", "default", "again", "late"):
        await stream.create_group("s", group)
        if group in ("again", "late"):  # what comes again is bounded as well
            async with stream.join("s", group, "before") as before:
                await take(case, before, len(puts) if group == "again" else 3)
        async with stream.join("s", group, "c") as member:
            left = len(puts)
            while left:
                got = await (member.receive() if group == "default" else member.receive(most, patience_s(case)))
                if not got or len(got) > (1 if group == "default" else most):
                    broken("stream_consumer_groups.10", "receive gives too many or none", expected=f"1 to {most}", got=len(got))
                left -= len(got)
            same("stream_consumer_groups.10", left, 0, "receive gives more than there is")


@check("stream_consumer_groups.10")
@gauntlet(
    lambda limits: [
        {"most": most, "timeout_s": t}
        for most, t in ((0, 0), (-1, 0), (-(2**31), 5.0), (1, math.nan), (1, math.inf), (5, -math.inf), (1.5, 0), (2.0, 0))
    ]
)
async def bad_receives_are_refused(stream: StreamConsumerGroups, case: Case, most: Any, timeout_s: float) -> None:
    """``max_records`` below 1, NaN and infinite timeouts raise ``ValueError`` and take nothing, of a full or an empty group;
    ``max_records`` that is no ``int`` raises ``TypeError`` (or ``ValueError``)."""
    error = ValueError if isinstance(most, int) else (TypeError, ValueError)
    await stream.create_group("s", "g")
    async with stream.join("s", "g", "c") as member:
        await refused("stream_consumer_groups.10", member.receive(most, timeout_s), error, "a bad receive is not refused")
        puts = await fill(stream, "s", numbered(3), laws=GROUPS)
        await refused("stream_consumer_groups.10", member.receive(most, timeout_s), error, "a bad receive is not refused")
        await gets(case, member, puts, story="after a refused receive")


@check("stream_consumer_groups.10")
@gauntlet(
    lambda limits: [
        {"timeout_s": t, "idle": idle}
        for t, idle in (*((t, 0) for t in (0, -1, -0.0, -1e9, 0.02, 0.25, 0.999, 1, 10.0)), (0, 2), (0.25, 2), (10.0, 2))
    ]
)
async def an_empty_receive_waits_for_its_timeout(stream: StreamConsumerGroups, case: Case, timeout_s: float, idle: int) -> None:
    """An empty list comes not before ``timeout_s`` have passed, whoever else is a member; a negative timeout is none (ST-06)."""
    if not case.clock.virtual:
        timeout_s = min(timeout_s, 0.05)
    await stream.create_group("s", "g")
    async with contextlib.AsyncExitStack() as stack:
        members = [await stack.enter_async_context(stream.join("s", "g", f"c{number}")) for number in range(1 + idle)]
        for count in (0, 1):
            puts = await fill(stream, "s", numbered(count), laws=GROUPS)
            if idle:
                await shared_out(case, members, [put.offset for put in puts])
            else:
                await gets(case, members[0], puts)
            for member in members:
                began_s = case.clock.now_s()
                got = await member.receive(3, timeout_s)
                passed_s = case.clock.now_s() - began_s
                sentence = f"a member is given something although {'the only record is held' if count else 'there is no record'}"
                same("stream_consumer_groups.10", got, [], sentence)
                if passed_s < (timeout_s - 1e-4 if case.clock.virtual else timeout_s * 0.8 - 0.01):
                    sentence = "a receive of nothing returned before its timeout had passed"
                    broken("stream_consumer_groups.10", sentence, expected=f"{timeout_s:g} s", got=f"{passed_s:g} s")


@check("stream_consumer_groups.10", "stream_consumer_groups.1")
@gauntlet(lambda limits: [{"how": how, "pause": pause} for how in ("append", "two", "nack", "leave") for pause in (0.0, 7.0)])
async def a_waiting_receive_is_given_what_comes(stream: StreamConsumerGroups, case: Case, how: str, pause: float) -> None:
    """A receive that waits returns as soon as there is something: an append, a nack, or what a member left (ST-06, ST-17)."""
    other, pause_s = await case.client(), pause if case.clock.virtual else pause / 500
    await stream.create_group("s", "g")
    puts = await fill(stream, "s", numbered(1), laws=GROUPS) if how in ("nack", "leave") else []
    if case.traits.group_parallelism == "partition" and how == "nack":
        case.note("with partitions a waiting member may stay idle while another is there")
        return
    stay = other.join("s", "g", "holds")
    if puts:
        holding = await stay.__aenter__()
        held = await take(case, holding, 1)
    async with stream.join("s", "g", "waits") as waiter:
        if pause:  # what an earlier receive waited for in vain is the next one's
            await receive(waiter, 5, 1.0 if case.clock.virtual else 0.01)

        async def give() -> None:
            if not puts:
                await case.clock.sleep(pause_s)
                await fill(other, "s", numbered(2 if how == "two" else 1), laws=GROUPS)
                return
            await holding.nack(*held) if how == "nack" else await stay.__aexit__(None, None, None)

        began_s, wait_s = case.clock.now_s(), patience_s(case) * (10 if case.clock.virtual else 1)
        got, _ = await together(waiter.receive(5, wait_s), give())
        if case.clock.virtual and case.clock.now_s() - began_s > patience_s(case):
            sentence = f"a waiting receive does not return as soon as there is something ({how})"
            broken("stream_consumer_groups.10", sentence, expected=f"long before {wait_s:g} s", got=got)
        if not got:
            broken("stream_consumer_groups.10", f"a waiting receive is not given what comes ({how})", expected="one", got=got)
        if how == "nack":
            await stay.__aexit__(None, None, None)


@check("stream_consumer_groups.1", "stream_consumer_groups.4", "stream_consumer_groups.15")
@gauntlet(lambda limits: [{"members": members, "count": count} for members, count in (*product((2, 3, 5), (1, 4, 11)), (50, 100))])
async def members_share_the_records(stream: StreamConsumerGroups, case: Case, members: int, count: int) -> None:
    """Several members, over two clients, get every record once, and what one holds no other gets, however slow it is (ST-13)."""
    slots = [stream, await case.client()]
    await stream.create_group("s", "g")
    puts = await fill(stream, "s", numbered(count), laws=GROUPS)
    offsets = [put.offset for put in puts]
    stays = [slots[number % 2].join("s", "g", f"c{number % 3}") for number in range(members)]
    everyone = [await stay.__aenter__() for stay in stays]
    given = await shared_out(case, everyone, offsets)
    for seconds in _LIVES_S if case.clock.virtual else ():
        await case.advance(seconds)
        await nothing_comes(
            case, everyone, "stream_consumer_groups.4", "a record that a slow member holds goes to another", wait_s=0
        )
    for number, delivery in given:
        await everyone[number].ack(delivery)
    await nothing_comes(case, everyone, "stream_consumer_groups.6", "a record comes again after its ack")
    more = await fill(slots[1], "s", numbered(count, "more"), laws=GROUPS)
    for number, delivery in await shared_out(case, everyone, [put.offset for put in more]):
        await everyone[number].ack(delivery)
    for stay in stays:
        await stay.__aexit__(None, None, None)
    async with stream.join("s", "g", "c") as last:
        await nothing_comes(case, last, "stream_consumer_groups.6", "a record comes again after its ack")


@check("stream_consumer_groups.15", "stream_consumer_groups.10")
@gauntlet(lambda limits: [{"members": members, "rounds": rounds} for members in (2, 3, 8) for rounds in (1, 2)])
async def every_member_gets_records_where_claimed(stream: StreamConsumerGroups, case: Case, members: int, rounds: int) -> None:
    """With parallelism by record each member gets one while there are any; by partition at least one member does (ST-13)."""
    await stream.create_group("s", "g")
    puts = await fill(stream, "s", numbered(members * rounds), laws=GROUPS)
    stays = [stream.join("s", "g", f"c{number}") for number in range(members)]
    everyone = [await stay.__aenter__() for stay in stays]
    if case.traits.group_parallelism == "record":
        for _ in range(rounds):  # to the last record: none is kept back by a member that was not given it
            got = [await receive(member) for member in everyone]
            idle = [number for number, given in enumerate(got) if not given]
            same("stream_consumer_groups.15", idle, [], "members are given nothing, though there are records")
    else:
        await shared_out(case, everyone, [put.offset for put in puts], promise="stream_consumer_groups.15")
    for stay in stays:
        await stay.__aexit__(None, None, None)


_ACKS = ((), (0,), (4,), (2,), (1, 3), (4, 3, 2), (0, 1, 2, 3, 4), (4, 0), (3, 3, 3))


@check("stream_consumer_groups.6", "stream_consumer_groups.5")
@gauntlet(lambda limits: [{"acked": acked, "together": as_one} for acked in _ACKS for as_one in (True, False)])
@given(acked=st.lists(st.integers(0, 4), max_size=6).map(tuple), together=st.booleans())
async def acks_are_individual(stream: StreamConsumerGroups, case: Case, acked: tuple[int, ...], together: bool) -> None:
    """In whatever order and however often records are acked, exactly the others come again when the member has left (ST-16)."""
    other = await case.client()
    await stream.create_group("s", "g")
    puts = await fill(stream, "s", numbered(5), laws=GROUPS)
    async with stream.join("s", "g", "c") as member:
        got = await gets(case, member, puts)
        if together:
            await member.ack(*(got[number] for number in acked))
        else:
            for number in acked:
                await member.ack(got[number])
        await member.ack(*(got[number] for number in acked))
        await nothing_comes(case, member, "stream_consumer_groups.4", "a record that is held comes again")
    left = [put for number, put in enumerate(puts) if number not in acked]
    async with other.join("s", "g", "c") as member:
        again = await take(case, member, len(left))
        found = sorted(delivery.record.offset for delivery in again)
        if found != [put.offset for put in left]:
            lost = any(put.offset not in found for put in left)
            promise = "stream_consumer_groups.5" if lost else "stream_consumer_groups.6"
            what = "what was held and not acked does not come again" if lost else "an acked record comes again"
            broken(promise, what, expected=[put.offset for put in left], got=found)
        for delivery in again:
            counted(case, delivery, 2, 1)
            await member.ack(delivery)
        await nothing_comes(case, member, "stream_consumer_groups.6", "an acked record comes again")


@check("stream_consumer_groups.6", "stream_consumer_groups.3")
async def an_ack_changes_nothing_in_the_stream(stream: StreamConsumerGroups, case: Case) -> None:
    """Records that a group is done with are read as before, at their offsets (ST-03)."""
    puts = await fill(stream, "s", numbered(4), "k", laws=GROUPS)
    before = await read(stream, "s")
    await stream.create_group("s", "g")
    async with stream.join("s", "g", "c") as member:
        got = await gets(case, member, puts)
        await member.ack(*got[:2])
        await member.nack(*got[2:3])
        same("stream_consumer_groups.3", await read(stream, "s"), before, "what a group does changes the stream")
    same("stream_consumer_groups.3", await read(stream, "s"), before, "what a group does changes the stream")


@check("stream_consumer_groups.3", "stream_consumer_groups.5")
async def what_came_is_a_copy(stream: StreamConsumerGroups, case: Case) -> None:
    """Changing the headers of a delivery, or what was appended, changes neither the next delivery nor the stream."""
    buffer, headers = bytearray(b"payload"), {"a": "b"}
    put = await append(stream, "s", buffer, "k", headers, laws=GROUPS)
    buffer[:] = b"changed"
    headers["a"] = "changed"
    for group in ("g", "h"):
        await stream.create_group("s", group)
        async with stream.join("s", group, "c") as member:
            for times in (1, 2):
                got = await gets(case, member, [put], times=times, promise="stream_consumer_groups.5")
                kept: Any = got[0].record.headers
                with contextlib.suppress(AttributeError, TypeError):  # what cannot be changed is as good as a copy
                    kept.clear()
                    kept["spoiled"] = "by whoever had it before"
                await member.nack(*got)


@check("stream_consumer_groups.14", "stream_consumer_groups.5")
@gauntlet(lambda limits: [{"how": how} for how in ("end", "error", "held", "acked")])
async def a_member_that_was_left_is_closed(stream: StreamConsumerGroups, case: Case, how: str) -> None:
    """Left by the end of its block or by an error, a member raises `Closed` and what it held comes again (ST-11)."""
    await stream.create_group("s", "g")
    puts = await fill(stream, "s", numbered(2), laws=GROUPS)
    stay = stream.join("s", "g", "c")
    member = await stay.__aenter__()
    got = await gets(case, member, puts)
    if how == "acked":
        await member.ack(got[0])
    if how == "error":
        error = ValueError("the body's own")
        swallowed = await stay.__aexit__(ValueError, error, None)
        same("stream_consumer_groups.14", bool(swallowed), False, "leaving a member swallows an error of its block")
    else:
        await stay.__aexit__(None, None, None)
    for call in (
        partial(member.receive),
        partial(member.receive, 1, 5.0),
        partial(member.ack, *got),
        partial(member.ack),
        partial(member.nack, *got),
        partial(member.nack, got[0], delay_s=5),
    ):
        await refused("stream_consumer_groups.14", call(), Closed, "a call of a member that was left does not raise Closed")
    async with stream.join("s", "g", "c") as again:
        await gets(case, again, puts[how == "acked" :], promise="stream_consumer_groups.5", times=2, story=f"left by {how}")
