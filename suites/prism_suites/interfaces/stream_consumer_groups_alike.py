"""stream_consumer_groups: records that are equal, and groups that give back the same one, have fates of their own."""

from contextlib import AsyncExitStack

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._answers import Answers
from prism_suites._judging import same
from prism_suites._stream_shared import GROUPS, Put, fill, numbered
from prism_suites._stream_taking import gets, nothing_comes, patience_s, receive, take
from prism_suites._texts import SAMPLES, TEXTS
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import StreamConsumerGroups
from prism_testkit.outcomes import law


@check("stream_consumer_groups.13", "stream_consumer_groups.3")
@gauntlet(lambda limits: [{"how": how, "name": name} for how in TEXTS for name in SAMPLES])
async def a_name_may_be_any_kind_of_str(stream: StreamConsumerGroups, case: Case, how: str, name: str) -> None:
    """A stream, a group, a consumer, a key, and headers, given as instances of subclasses of ``str`` are their text."""
    text = TEXTS[how](name)
    with law("stream_consumer_groups.13"):
        await stream.create_group(text, text, "earliest")
        puts = [Put(await stream.append(text, b"1", text, {text: text}), b"1", name, {name: name})]
        async with stream.join(name, name, text) as member:
            await member.ack(*await gets(case, member, puts, promise="stream_consumer_groups.13"))
        puts.append(Put(await stream.append(name, b"2", name), b"2", name, {}))
        async with stream.join(text, text, name) as member:
            await member.ack(*await gets(case, member, puts[1:], promise="stream_consumer_groups.13"))
        same("stream_consumer_groups.13", (await stream.group_info(text, text)).pending, 0, f"a group given as {how}")


@check("stream_consumer_groups.6", "stream_consumer_groups.5")
@gauntlet(lambda limits: [{"fates": fates} for fates in ("an", "na", "anh", "aann", "nhan", "hhna")])
@given(fates=st.text("anh", min_size=2, max_size=6))
async def equal_records_have_fates_of_their_own(stream: StreamConsumerGroups, case: Case, fates: str) -> None:
    """Of records with one key, payload and headers some are acked, others nacked, or held until their member leaves: each alone."""
    await stream.create_group("s", "g", "earliest")
    puts = await fill(stream, "s", [b"alike"] * len(fates), "key", {"h": "v"}, laws=GROUPS)
    async with stream.join("s", "g", "c") as member:
        held = await gets(case, member, puts)
        for fate, delivery in zip(fates, held, strict=True):
            if fate != "h":
                await (member.ack(delivery) if fate == "a" else member.nack(delivery))
        nacked = [put for fate, put in zip(fates, puts, strict=True) if fate == "n"]
        again = await gets(case, member, nacked, promise="stream_consumer_groups.5", times=2, story="of equal records")
        await member.ack(*again)
    left = [put for fate, put in zip(fates, puts, strict=True) if fate == "h"]
    async with stream.join("s", "g", "c") as member:
        await gets(case, member, left, promise="stream_consumer_groups.5", times=2, story="of equal records")
        await nothing_comes(case, member, "stream_consumer_groups.6", "an acked record comes again, among equal ones")


_DELAYS = ((0.0, 200.0), (200.0, 0.0), (5.0, 200.0), (200.0, 5.0))


@check("stream_consumer_groups.7", "stream_consumer_groups.9", "stream_consumer_groups.5")
@gauntlet(lambda limits: [{"delays": delays, "count": count} for delays in _DELAYS for count in (1, 3)])
async def a_delay_is_of_its_group(stream: StreamConsumerGroups, case: Case, delays: tuple[float, float], count: int) -> None:
    """Two groups give back the same records, each with a delay of its own, of several at a time: neither waits for the other."""
    if not case.clock.virtual:
        case.note("delays are told apart where time is virtual")
        return
    puts = await fill(stream, "s", numbered(count), laws=GROUPS)
    async with AsyncExitStack() as stack:
        members = []
        for name in ("g", "h"):
            await stream.create_group("s", name, "earliest")
            members.append(await stack.enter_async_context(stream.join("s", name, "c")))
        for member, delay_s in zip(members, delays, strict=True):
            await member.nack(*await gets(case, member, puts), delay_s=delay_s)
        for member, delay_s in sorted(zip(members, delays, strict=True), key=lambda pair: pair[1]):
            began_s = case.clock.now_s()
            again = await take(case, member, count)
            found = sorted(each.record.offset for each in again)
            same("stream_consumer_groups.5", found, [put.offset for put in puts], "a nacked record does not come again")
            passed_s, bound_s = case.clock.now_s() - began_s, delay_s + 150.0
            sentence = "nacked records come long after their delay, which another group, or another record, has lengthened"
            same("stream_consumer_groups.7", passed_s <= bound_s, True, f"{sentence}: {passed_s:g} s")


@check("stream_consumer_groups.3")
async def answers_stay_as_they_were_given(stream: StreamConsumerGroups, case: Case) -> None:
    """What a receive gave does not change with a later call."""
    answers = Answers("stream_consumer_groups.3")
    await stream.create_group("s", "g", "earliest")
    await fill(stream, "s", numbered(5), "key", {"h": "v"}, laws=GROUPS)
    async with stream.join("s", "g", "c") as member:
        first = answers.keep("receive", await receive(member, 2, patience_s(case)))
        second = answers.keep("receive", await receive(member, 2, patience_s(case)))
        await member.nack(*second)
        answers.keep("receive", await receive(member, 3, patience_s(case)))
        answers.judge()
        await member.ack(*first)
        answers.keep("receive", await receive(member, 3))
        answers.keep("receive", await receive(member, 3))
    answers.judge()


@check("stream_consumer_groups.11", "stream_consumer_groups.9")
async def a_group_is_told_apart_from_all_others(stream: StreamConsumerGroups, case: Case) -> None:
    """Members, pending records and position are those of one group, whatever happens in others of its stream and elsewhere."""
    other, shares = await case.client(), case.traits.group_parallelism == "record"
    places = {("s", "g"): 2, ("s", "g2"): 1, ("s2", "g"): 1, ("s2", "idle"): 0}
    puts = {name: await fill(stream, name, numbered(4), laws=GROUPS) for name in ("s", "s2")}
    async with AsyncExitStack() as stack:
        for (name, group), joined in places.items():
            await stream.create_group(name, group)
            for number in range(joined):
                member = await stack.enter_async_context((stream, other)[number % 2].join(name, group, f"c{number}"))
            if joined and shares:  # else an idle member is given nothing
                await take(case, member, joined)
        for (name, group), joined in places.items():
            got = await other.group_info(name, group)
            told = (got.members, got.pending, sum(put.offset < got.position for put in puts[name]))
            sentence = f"of {name} {group} group_info tells what is of others, too: members, pending, how many were delivered"
            taken = joined if shares else 0
            same("stream_consumer_groups.11", told, (joined, taken, taken), sentence)
