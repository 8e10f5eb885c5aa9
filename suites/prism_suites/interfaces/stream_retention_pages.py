"""stream_retention: a compaction of more than a store brings at a time, be it in records or in bytes."""

from prism_suites._stream_bounds import everything, holds
from prism_suites._stream_shared import PAGE_PART, PAGE_PARTS, append
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import StreamRetention

_SIZES = ((1010, 1, 3), (PAGE_PARTS, PAGE_PART, 3), (1010, 1, 1010), (130, 1, 130), (130, 1, 20))
"""How many keys, of records of which size, and how many of the first of them come again, behind all others."""


@check("stream_retention.6", "stream_retention.7")
@gauntlet(lambda limits: [{"count": count, "size": size, "again": again} for count, size, again in _SIZES])
async def keys_that_come_again_far_behind_are_superseded(
    stream: StreamRetention, case: Case, count: int, size: int, again: int
) -> None:
    """However much stands between two records of a key, the last one is kept, the other gone, and all others are there (ST-24)."""
    count, payload = min(count, 510) if case.server else count, bytes(min(size, case.limits.max_payload))
    again = min(again, count)
    for number in range(count + again):
        await append(stream, "s", payload, f"k{number % count}")
    before = await everything(stream.read("s"))
    await (await case.client()).compact("s")
    if case.traits.compaction != "immediate":
        case.note("when compaction is done is not promised")
        return
    story = f"when {count} different keys were compacted, of which {again} came again"
    holds(await everything(stream.read("s")), before[again:], "stream_retention.6", "stream_retention.7", story)
