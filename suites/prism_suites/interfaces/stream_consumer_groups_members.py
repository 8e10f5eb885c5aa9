"""stream_consumer_groups: members under any label are their own; what one held when it left comes again; trims block nothing."""

from contextlib import AsyncExitStack
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import broken, same
from prism_suites._stream_shared import GROUPS, fill, numbered
from prism_suites._stream_taking import (
    BasicAndGroups,
    comes,
    gets,
    is_delivery,
    nothing_comes,
    patience_s,
    receive,
    shared_out,
    take,
    waits,
)
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import PrismError, StreamConsumerGroups

_PASSING = 260
"""More members than a byte counts."""


@check("stream_consumer_groups.4", "stream_consumer_groups.5", "stream_consumer_groups.11")
@gauntlet(
    lambda limits: [{"labels": labels, "shared": shared} for labels in ("aa", "ab", "aaa", "aba") for shared in (True, False)]
)
async def every_join_is_a_new_member(stream: StreamConsumerGroups, case: Case, labels: str, shared: bool) -> None:
    """Also under a label in use: it is given nothing that the other holds, and leaving it takes nothing from the other.

    Where clients differ hundreds came and went before, while the first stayed.
    """
    other = stream if shared else await case.client()
    slots = [stream, other, stream]
    await stream.create_group("s", "g")
    puts = await fill(stream, "s", numbered(2), laws=GROUPS)
    async with AsyncExitStack() as stack:
        holder = await stack.enter_async_context(stream.join("s", "g", labels[0]))
        held = await gets(case, holder, puts)
        for _ in range(0 if shared or case.server or labels != "ab" else _PASSING):
            async with other.join("s", "g", "b"):
                pass
        stays = [slots[number].join("s", "g", label) for number, label in enumerate(labels[1:], 1)]
        others = [await stay.__aenter__() for stay in stays]
        await stays[0].__aexit__(None, None, None)  # and another in its place, behind those who stay
        stays = [*stays[1:], slots[1].join("s", "g", labels[1])]
        others = [*others[1:], await stays[-1].__aenter__()]
        sentence = "a record that a member holds goes to another that joined later"
        await nothing_comes(case, others, "stream_consumer_groups.4", sentence, wait_s=4000.0)
        same(
            "stream_consumer_groups.11",
            (await other.group_info("s", "g")).members,
            len(labels),
            "a join under some label is no new member",
        )
        for stay in stays:
            await stay.__aexit__(None, None, None)
        same("stream_consumer_groups.11", (await other.group_info("s", "g")).members, 1, "leaving one member left another, too")
        await nothing_comes(
            case, holder, "stream_consumer_groups.4", "a record that is held comes again when another member is left"
        )
        with case.law("stream_consumer_groups.4"):
            await holder.ack(held[0])
    async with other.join("s", "g", labels[-1]) as last:
        await gets(case, last, puts[1:], promise="stream_consumer_groups.5", times=2, story="after its holder was left")


@check("stream_consumer_groups.5", "stream_consumer_groups.4")
@gauntlet(lambda limits: [{"leaving": leaving, "acked": acked} for leaving in (0, 1) for acked in (0, 1, 2)])
async def only_what_the_left_member_held_comes_again(stream: StreamConsumerGroups, case: Case, leaving: int, acked: int) -> None:
    """Of two members the one that stays keeps what it holds; what the other held and did not ack comes to it (ST-11, ST-13)."""
    slots = [stream, await case.client()]
    await stream.create_group("s", "g")
    puts = await fill(stream, "s", numbered(8), laws=GROUPS)
    stays = [slot.join("s", "g", "c") for slot in slots]
    members = [await stay.__aenter__() for stay in stays]
    given = await shared_out(case, members, [put.offset for put in puts])
    gone = [delivery for number, delivery in given if number == leaving]
    kept = [delivery for number, delivery in given if number != leaving]
    await members[leaving].ack(*gone[:acked])
    await stays[leaving].__aexit__(None, None, None)
    stayer = members[1 - leaving]
    wanted = [delivery.record.offset for delivery in gone[acked:]]
    again = await shared_out(case, [stayer], wanted, promise="stream_consumer_groups.5")
    for _, delivery in again:
        if delivery.delivery_count < 2:
            broken(
                "stream_consumer_groups.5",
                "delivery_count of a later delivery is not higher",
                expected=2,
                got=delivery.delivery_count,
            )
    await nothing_comes(case, stayer, "stream_consumer_groups.4", "a record that is held comes again when another member is left")
    await stayer.ack(*kept, *(delivery for _, delivery in again))
    await stays[1 - leaving].__aexit__(None, None, None)
    async with stream.join("s", "g", "d") as last:
        await nothing_comes(case, last, "stream_consumer_groups.6", "a record comes again after its ack")


@check("stream_consumer_groups.5")
@gauntlet(lambda limits: [{"rounds": rounds, "how": how} for rounds in (3, 12, 258) for how in ("leave", "nack", "turns")])
async def counts_go_up_with_every_delivery(stream: StreamConsumerGroups, case: Case, rounds: int, how: str) -> None:
    """However often a record comes again it is whole, and its count is higher, where exact by one (ST-11)."""
    if rounds > 255 and (case.server or how == "leave"):
        return  # each is several round trips, and no counter is in a byte there alone
    slots = [stream, await case.client()]
    await stream.create_group("s", "g")
    put, *_ = await fill(stream, "s", [b"again and again"], "k", {"h": "v"}, laws=GROUPS)
    times, last = 0, 0
    while times < rounds:
        async with slots[times % 2].join("s", "g", "c") as member:
            for _ in range(1 if how == "leave" else 2):
                times += 1
                exact = case.traits.delivery_count == "exact"
                got = await receive(member, 3, patience_s(case))
                if len(got) != 1 or got[0].record.offset != put.offset:
                    broken("stream_consumer_groups.5", "a record does not come again", expected=put, got=got)
                count = got[0].delivery_count
                if count <= last or (exact and count != times):
                    broken("stream_consumer_groups.5", "delivery_count does not go up as it should", expected=times, got=count)
                last = count
                if how != "leave":
                    await member.nack(*got)
    async with stream.join("s", "g", "c") as member:
        got = await receive(member, 1, patience_s(case))
        await member.ack(*got)
        await nothing_comes(case, member, "stream_consumer_groups.6", "a record comes again after its ack")


@check("stream_consumer_groups.8", "stream_consumer_groups.4", "stream_consumer_groups.5")
@gauntlet(lambda limits: [{"use": use, "shared": shared} for use in ("ack", "nack", "ack of both") for shared in (True, False)])
async def an_old_delivery_touches_nothing(stream: StreamConsumerGroups, case: Case, use: str, shared: bool) -> None:
    """What was given back and went to another is the other's: the old delivery settles nothing of it (ST-09, ST-14)."""
    other = stream if shared else await case.client()
    await stream.create_group("s", "g")
    puts = await fill(stream, "s", numbered(2), laws=GROUPS)
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(stream.join("s", "g", "c"))
        old = await gets(case, first, puts)
        await first.nack(old[0])
        stay = other.join("s", "g", "c")
        second = await stay.__aenter__()
        members = [first, second]
        number, new = (await shared_out(case, members, [puts[0].offset], promise="stream_consumer_groups.5"))[0]
        holder, idle = members[number], members[1 - number]
        if number == 0 and case.traits.group_parallelism == "record":  # it came first to the one that had given it back
            await first.nack(new)
            got = await receive(second, 1, patience_s(case))
            same("stream_consumer_groups.5", len(got), 1, "a record that was nacked does not come to another member")
            holder, idle, new = second, first, got[0]
        if holder is first:
            return  # it holds the record itself, by whichever delivery
        try:
            await (first.nack(old[0]) if use == "nack" else first.ack(*old) if use == "ack of both" else first.ack(old[0]))
        except PrismError as error:
            case.note(f"{type(error).__name__} for a delivery that was given back")
        sentence = "a delivery that was given back takes the record from the member that holds it now"
        await nothing_comes(case, idle, "stream_consumer_groups.4", sentence)
        await stay.__aexit__(None, None, None)
        sentence = "an old delivery acked a record that another member held: it is lost"
        await _comes_again(case, first, new.record.offset, sentence)
        if use == "ack of both":
            await nothing_comes(case, first, "stream_consumer_groups.4", "a record that is held comes again")
    async with other.join("s", "g", "d") as last:
        left = await take(case, last, 1 if use == "ack of both" else 2)
        wanted = [put.offset for put in (puts[:1] if use == "ack of both" else puts)]
        found = sorted(delivery.record.offset for delivery in left)
        if found != wanted:
            promise = "stream_consumer_groups.8" if len(found) > len(wanted) else "stream_consumer_groups.5"
            broken(promise, "after an ack of several, of which one is no more valid, the rest is wrong", expected=wanted, got=found)


async def _comes_again(case: Case, member: Any, offset: int, sentence: str) -> None:
    """Judge that a record comes, whichever time it is."""
    got = await receive(member, 1, patience_s(case))
    found = [is_delivery("stream_consumer_groups.5", delivery, sentence).record.offset for delivery in got]
    if found != [offset]:
        broken("stream_consumer_groups.5", sentence, expected=[offset], got=found)


@check("stream_consumer_groups.6", "stream_consumer_groups.5", "stream_consumer_groups.11")
@gauntlet(lambda limits: [{"script": script} for script in ("aa", "na", "nn", "an", "aan", "A", "N", "Na", "")])
@given(script=st.text("anAN", max_size=5))
async def a_repeat_does_nothing(stream: StreamConsumerGroups, case: Case, script: str) -> None:
    """Acks and nacks of what was settled already are harmless, also within one call (capitals): the first of them counts, and the
    record comes once at most.
    """
    await stream.create_group("s", "g")
    puts = await fill(stream, "s", numbered(2), laws=GROUPS)
    async with stream.join("s", "g", "c") as member:
        got = await gets(case, member, puts)
        for letter in script:
            with case.law("stream_consumer_groups.6"):
                given = [got[0]] * (2 if letter.isupper() else 1)
                await (member.ack(*given) if letter in "aA" else member.nack(*given))
        script = script.lower()
        await member.ack()
        await member.nack()
        if script[:1] != "n":
            await nothing_comes(case, member, "stream_consumer_groups.6", "a record comes that is acked, or held")
            with case.law("stream_consumer_groups.6"):
                await member.ack(got[0], *got)
        elif "a" not in script:
            await comes(case, member, puts[0], "stream_consumer_groups.5", "a record does not come again after its nack", 2)
            await nothing_comes(case, member, "stream_consumer_groups.4", "after two nacks a record comes twice")
    if script[:1] != "n":
        async with stream.join("s", "g", "c") as member:
            await nothing_comes(case, member, "stream_consumer_groups.6", "a record acked beside one settled before comes again")
        pending = (await stream.group_info("s", "g")).pending
        same("stream_consumer_groups.11", pending, 0, "all was acked, some of it twice, and not nothing is pending")


_TRIMS = ("undelivered", "held", "held by another", "nacked", "delayed", "left", "all")


@check("stream_consumer_groups.12", "stream_consumer_groups.10", "stream_consumer_groups.11")
@gauntlet(
    lambda limits: (
        [{"where": where, "keep": keep, "count": 6, "most": 5} for where in _TRIMS for keep in (0, 2)]
        + [{"where": where, "keep": 2, "count": 6, "most": 1} for where in ("all", "all nacked", "all left")]
        + [{"where": where, "keep": 2, "count": 300, "most": 5} for where in ("undelivered", "nacked", "left")]
    )
)
async def what_was_trimmed_blocks_nothing(stream: BasicAndGroups, case: Case, where: str, keep: int, count: int, most: int) -> None:
    """Whatever state a trimmed record was in, its ack is harmless and what is behind it comes (ST-15).

    A receive of one that finds a trimmed record first, in the line of what comes again, goes on to the next one.
    """
    other = await case.client()
    await stream.create_group("s", "g")
    count = min(count, 60) if case.server else count
    puts = await fill(stream, "s", numbered(count), laws=GROUPS)
    bound = puts[-keep].offset if keep else puts[-1].offset + 1
    async with AsyncExitStack() as stack:
        member = await stack.enter_async_context(stream.join("s", "g", "c"))
        some = 0 if where == "undelivered" else 6 if where.startswith("all") else count // 2
        held = await take(case, member, some, max(3, count // 6))
        again = {delivery.record.offset for delivery in held if delivery.record.offset >= bound}
        if where in ("nacked", "delayed", "all nacked"):
            await member.nack(*held, delay_s=5 if where == "delayed" else 0)
            held = []
        if where == "left":
            await stack.aclose()
            member, held = await stack.enter_async_context(other.join("s", "g", "d")), []
        await other.trim("s", bound)
        if case.clock.virtual:
            await case.advance(60.0)
        if case.clock.virtual and not keep and where != "all":
            await waits(case, member, 5.0, "of a stream that was trimmed to nothing")
        with case.law("stream_consumer_groups.12"):
            if where != "all left":
                await member.ack(*held[:2])
                await member.nack(*held[2:])
            puts += await fill(stream, "s", numbered(2, "new"), laws=GROUPS)
            wanted = {put.offset for put in puts if put.offset >= bound}
            if where == "all":
                wanted = {put.offset for put in puts[count:]} | (again - {delivery.record.offset for delivery in held[:2]})
            found = await _receive_all(case, member, wanted - again if where == "all left" else wanted, most)
            if where == "all left":
                found |= again
        same(
            "stream_consumer_groups.12", sorted(wanted & found), sorted(wanted), "after a trim a record that is kept does not come"
        )
        with case.law("stream_consumer_groups.12"):
            await stream.group_info("s", "g")
    async with stream.join("s", "g", "e") as last:
        found = await _receive_all(case, last, wanted, most)
        same(
            "stream_consumer_groups.5",
            sorted(wanted & found),
            sorted(wanted),
            "after a trim and leaving a record that is kept does not come again",
        )
    if case.clock.virtual and count == 6:
        async with stream.join("s", "g", "f") as last:
            while got := await receive(last, 10, 5.0):
                await last.ack(*got)
        pending = (await stream.group_info("s", "g")).pending
        same("stream_consumer_groups.11", pending, 0, "nothing comes any more, nobody holds anything, and something is pending")


async def _receive_all(case: Case, member: Any, wanted: set[int], most: int) -> set[int]:
    """Receive until these have come, whatever else comes: what was trimmed may."""
    found: set[int] = set()
    while wanted - found and (got := await receive(member, most, patience_s(case))):
        found |= {delivery.record.offset for delivery in got}
    return found


@check("stream_consumer_groups.12", "stream_consumer_groups.1")
@gauntlet(lambda limits: [{"turns": turns} for turns in (4, 12)])
async def a_group_keeps_up_behind_trims(stream: BasicAndGroups, case: Case, turns: int) -> None:
    """Appends, receives and trims of what is done, turn by turn, keep every record coming (ST-07, ST-23)."""
    trimmer = await case.client()
    await stream.create_group("s", "g", "latest")
    async with stream.join("s", "g", "c") as member:
        for turn in range(turns):
            puts = await fill(trimmer, "s", numbered(3, f"turn-{turn}"), laws=GROUPS)
            got = await gets(case, member, puts, story=f"turn {turn}, everything before it trimmed")
            await member.ack(*got)
            await trimmer.trim("s", puts[-1].offset + 1 if turn % 3 else puts[-1].offset)
        await nothing_comes(case, member, "stream_consumer_groups.6", "a record comes again after its ack")
