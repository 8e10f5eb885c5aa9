"""What was acknowledged in streams survives SIGKILL, with its offsets: of the process that wrote it, and of the server."""

from typing import Annotated, Any

from prism_suites._judging import broken, same
from prism_suites._stream_durable import HEADERS, Left, Story, logs
from prism_suites._stream_shared import fill, read
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Record, StreamBasic
from prism_testkit.killing import Survivors, Target
from prism_testkit.traits import Traits

_P = "stream_basic.15"
_DOWN_S = 3600.0
_CALL_S = 600.0
"""Longer than any call takes."""
Basic = Annotated[StreamBasic, Traits(durability="process")]


@check("stream_basic.15")
@gauntlet(lambda limits: [{"kills": [300, 61, 38]}])
async def records_survive_the_writer(stream: Basic, case: Case, kills: list[int]) -> None:
    """Acknowledged appends and trims are there after SIGKILL of the writer, each at its offset and whole (ST-25, ST-29)."""
    await _logs(case, kills, "writer")


@check("stream_basic.15", needs_server=True)
@gauntlet(lambda limits: [{"kills": [250]}])
async def records_survive_the_server(stream: Basic, case: Case, kills: list[int]) -> None:
    """The same after SIGKILL of the server and its restart (ST-25, ST-29)."""
    await _logs(case, kills, "server")


async def _logs(case: Case, kills: list[int], target: Target) -> None:
    survivors: Survivors | None = None
    seen: dict[str, list[Record]] = {}
    middle = False
    for number, count in enumerate(kills):
        story = logs(case.limits, count, number)
        with case.law(_P):  # a store that does not open again has lost everything
            survivors = await case.kill(story.steps, count, target, after=survivors, down_s=_DOWN_S if case.clock.virtual else 0.0)
        middle = middle or not survivors.finished
        await _left(case, survivors.slot, story, survivors, seen)
    if not middle:
        case.inconclusive("the writer had finished before it was killed")


async def _left(case: Case, slot: Any, story: Story, survivors: Survivors, seen: dict[str, list[Record]]) -> None:
    """Compare each stream with what was acknowledged, the call in flight taken either way, and with what was seen before."""
    left = story.left(survivors.acknowledged)
    pending = () if survivors.finished else story.marks[survivors.acknowledged]
    for stream in dict.fromkeys([*left.records, *seen, *(pending[1:2])]):
        before = _kept(left, stream)
        ways = [before]
        part = False  # of a trim that was not acknowledged; JetStream removes the last record before the others
        if pending[1:2] == (stream,):
            after = _kept(story.left(survivors.acknowledged + 1), stream)
            ways.append(after)
            part = pending[0] == "trim"
        got = await read(slot, stream)
        old = seen.get(stream, [])
        fresh = [record for record in got if not old or record.offset > old[-1].offset]
        kept = [record for record in got if record not in fresh]
        trimmed = any(mark[:2] == ("trim", stream) for mark in story.marks[: survivors.acknowledged + 1])
        if kept != (old if not trimmed else kept):
            broken(_P, "what was read before a kill is changed, or elsewhere, after it", expected=old, got=kept)
        found = [(record.payload, record.key) for record in fresh]
        if found not in ways and not (part and part_of_a_trim(found, before, ways[-1])):
            told = f"after the kill a stream does not hold what was acknowledged, after {survivors.acknowledged} calls"
            broken(_P, f"{told}: {_difference(found, ways[-1])}", expected=len(ways[-1]), got=len(found))
        for record in fresh:
            wanted = HEADERS if record.key else {}
            same(_P, dict(record.headers), wanted, "the headers of a record are changed after the kill")
            if not isinstance(record.payload, bytes):
                broken(_P, "a payload is no bytes after the kill", expected="bytes", got=record.payload)
            if case.clock.virtual and not record.appended_ms <= survivors.instants_ns[-1] / 1e6 + 1000 * _CALL_S:
                broken(_P, "appended_ms is another after the kill", expected="before the kill", got=record.appended_ms)
        await _goes_on(slot, stream, got, any(left.records.get(stream, ())), part=part)
        seen[stream] = await read(slot, stream)


def _kept(left: Left, stream: str) -> list[tuple[bytes, str | None]]:
    return left.records.get(stream, [])[left.trimmed.get(stream, 0) :]


def part_of_a_trim(found: list[Any], before: list[Any], after: list[Any]) -> bool:
    """Return whether records are those of before, in their order, less some that the trim removes."""
    removed = before[: len(before) - len(after)]
    rest = iter(removed)
    split = len(found) - len(after)
    return split >= 0 and found[split:] == after and all(record in rest for record in found[:split])


def _difference(found: list[Any], expected: list[Any]) -> str:
    lost = [record for record in expected if record not in found]
    strange = [record for record in found if record not in expected]
    return (
        f"{lost[0]!r:.60} is lost"
        if lost
        else f"{strange[0]!r:.60} is there"
        if strange
        else "the order is another, or one is doubled"
    )


async def _goes_on(slot: Any, stream: str, got: list[Record], used: bool, *, part: bool) -> None:
    """Judge that new offsets lie above all earlier ones; where the last record may be trimmed alone, it was the highest."""
    told = await slot.latest_offset(stream)
    if told is None and used:
        broken(_P, "after the kill latest_offset is None, though there were records", expected="an offset", got=told)
    if got and not (part and told is not None and told > got[-1].offset):
        same(_P, told, got[-1].offset, "after the kill latest_offset is not that of the last record")
    new = await fill(slot, stream, [b"after the kill"])
    if told is not None and new[0].offset <= told:
        broken(_P, "after the kill an offset is used again", expected=f"above {told}", got=new[0].offset)
    again = [record.payload for record in await read(slot, stream, new[0].offset)]
    same(_P, again, [b"after the kill"], "after the kill a record is appended wrongly")
