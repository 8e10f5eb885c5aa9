"""stream_consumer_groups: nothing is forgotten because nobody touched it for long: records, groups, what is acked, counts."""

from prism_suites._judging import same
from prism_suites._stream_shared import GROUPS, Put, fill, numbered, reads
from prism_suites._stream_taking import BasicAndGroups, gets, nothing_comes, take, told_of
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet

_SPANS_S = (3_700.0, 90_000.0, 3e6, 4e8)
"""Just over an hour and a day, five weeks, twelve years."""


@check(*(f"stream_consumer_groups.{number}" for number in (1, 5, 6, 11)), "stream_basic.1", "stream_basic.6")
@gauntlet(lambda limits: [{"span_s": span_s, "stays": stays} for span_s in _SPANS_S for stays in (False, True)])
async def what_nobody_touches_is_kept(stream: BasicAndGroups, case: Case, span_s: float, stays: bool) -> None:
    """A stream and its groups rest for long, with a member that holds something or without any: what was acked stays acked, what
    was not comes again, counted on, a group that nobody had joined gets all, and readers find every record."""
    if not case.clock.virtual:
        case.note("time moves on embedded backends only")
        return
    await stream.create_group("s", "g")
    await stream.create_group("s", "unused")
    puts: list[Put] = await fill(stream, "s", numbered(4), "k", {"h": "v"}, laws=GROUPS)
    told = f"{span_s:g} s later"
    async with stream.join("s", "g", "a") as member:
        held = await gets(case, member, puts)
        await member.ack(held[1])
        if stays:
            await case.advance(span_s)
            async with stream.join("s", "g", "b") as other:
                sentence = f"what a member holds goes to another one, {told}"
                await nothing_comes(case, other, "stream_consumer_groups.4", sentence)
    await case.advance(span_s)
    same("stream_basic.6", await stream.latest_offset("s"), puts[3].offset, f"{told} the latest offset is another")
    await reads(stream, "s", puts, story=told)
    again = [puts[0], *puts[2:]]
    found = await told_of(stream, "s", "g", puts)
    same("stream_consumer_groups.11", found, (0, len(again), []), f"{told} group_info tells of another state")
    async with stream.join("s", "g", "a") as member:
        await gets(case, member, again, promise="stream_consumer_groups.5", times=2, story=told)
        await nothing_comes(case, member, "stream_consumer_groups.6", f"an acked record comes again {told}", wait_s=0)
    async with stream.join("s", "unused", "a") as member:
        await gets(case, member, puts, story=f"to a group that nobody had joined, {told}")
        await fill(stream, "s", [b"late"], laws=GROUPS)
        same("stream_consumer_groups.1", len(await take(case, member, 1)), 1, f"what is appended {told} does not come")
