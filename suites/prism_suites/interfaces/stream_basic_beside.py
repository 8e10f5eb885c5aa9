"""stream_basic: a look is its own, whatever older ones are under way; and a read begins at its first step."""

from prism_suites._beside import BESIDE, is_its_own
from prism_suites._judging import same
from prism_suites._stream_shared import fill, numbered, read
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import StreamBasic


@check("stream_basic.12", "stream_basic.14")
@gauntlet(lambda limits: [{**each, "call": call} for each in BESIDE for call in ("latest_offset", "read")])
async def a_look_is_its_own(stream: StreamBasic, case: Case, turns: int, ending: str, call: str) -> None:
    """`read` and `latest_offset` give what was appended before they began, and are not cancelled with another one."""
    promise = "stream_basic.12" if ending == "answered" else "stream_basic.14"
    offsets = [await stream.append("s", b"first")]

    async def look() -> int | None:
        if call == "latest_offset":
            return await stream.latest_offset("s")
        return [int(record.offset) for record in await read(stream, "s")][-1]

    async def change() -> None:
        offsets.append(await stream.append("s", b"x"))

    await is_its_own(promise, turns, ending, look, change, lambda: offsets[-1])
    await is_its_own(promise, turns, ending, look, change, lambda: offsets[-1])


@check("stream_basic.1", "stream_basic.12")
@gauntlet(lambda limits: [{"before": before, "start": start} for before in (0, 3) for start in (0, 1)])
async def a_read_begins_at_its_first_step(stream: StreamBasic, case: Case, before: int, start: int) -> None:
    """What was appended after the call of `read`, and before its first step, is given too (ST-04)."""
    puts = await fill(stream, "s", numbered(before))
    records = stream.read("s", start if not puts else puts[0].offset + start)
    puts += await fill(await case.client(), "s", numbered(3, "later"))
    got = [record.offset async for record in records]
    wanted = [put.offset for put in puts if not before or put.offset >= puts[0].offset + start]
    if not before:
        wanted = [offset for offset in wanted if offset >= start]
    same("stream_basic.1", got, wanted, "a read does not give everything up to the end as of its first step")
