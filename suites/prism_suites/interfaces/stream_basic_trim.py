"""stream_basic: `trim` removes what lies below its bound and nothing else; offsets are never used again."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import broken, refused, same
from prism_suites._stream_model import Trimmed
from prism_suites._stream_shared import BASIC, Put, append, fill, increase, mixed, numbered, read, reads
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import StreamBasic

_LARGE = 800_000
"""Bytes of a record: of a dozen not all are brought in one answer, so that what was not yet is trimmed in between."""
_FAR = (2, 1000, 2**31, 2**32, 2**53 + 1, 2**63, 2**64)


async def _judge(slot: Any, state: Trimmed, story: str) -> None:
    await reads(slot, "s", state.kept, story=story, loss="stream_basic.7")
    offsets = [put.offset for put in state.kept]
    for start in {1, max(1, state.gone), *(offset + step for offset in offsets[len(offsets) // 2 :][:1] for step in (-1, 0, 1))}:
        behind = [put for put in state.kept if put.offset >= start]
        await reads(slot, "s", behind, story=f"{story}, from {start}", start=max(0, start), loss="stream_basic.5")
    same("stream_basic.6", await slot.latest_offset("s"), state.last, "trim changed latest_offset")


def _before(state: Trimmed, where: int) -> int:
    """Return a bound: low, on a record, just beside one, at the end, or far beyond it."""
    offsets = [put.offset for put in state.kept]
    last = state.last or 0
    ladder = [
        0,
        *(offset + step for offset in offsets for step in (0, 1)),
        last + 1,
        *(last + far for far in _FAR),
        max(0, state.gone),
    ]
    return ladder[where % len(ladder)]


@check("stream_basic.7", "stream_basic.6", "stream_basic.3", "stream_basic.5")
@gauntlet(lambda limits: [{"count": count, "where": where} for count in (0, 1, 2, 5) for where in range(2 * count + 3 + len(_FAR))])
async def a_trim_removes_what_is_below(stream: StreamBasic, case: Case, count: int, where: int) -> None:
    """At every bound exactly the records below it go, for every client; a repeat removes nothing; appends go on (ST-23)."""
    if case.server and where % 3 != count % 3:
        return  # each case is dozens of round trips
    other = await case.client()
    beside = await fill(stream, "t", numbered(3))
    state = Trimmed(await mixed(stream, "s", numbered(count)))
    before = _before(state, where)
    state.trim(before, await stream.trim("s", before))
    for slot in (stream, other):
        await _judge(slot, state, f"after a trim before {before}")
    state.trim(before, await other.trim("s", before))
    await _judge(stream, state, "after a repeat of a trim")
    lower = before // 2
    state.trim(lower, await stream.trim("s", lower))
    await _judge(other, state, "after a trim with a lower bound")
    for put in await fill(other, "s", numbered(2, "after")):
        state.add(put)
    await _judge(stream, state, "after appends behind a trim")
    await reads(stream, "t", beside, story="beside a trimmed stream", loss="stream_basic.7")


@check("stream_basic.7", "stream_basic.3", "stream_basic.6", "stream_basic.4", "stream_basic.5")
@gauntlet(lambda limits: [{"steps": [8, 2, 9, 1, 8, 3, 0, 8, 5, 9, 8, 7]}, {"steps": [7, 7, 8, 9, 7, 9, 9, 7]}])
@given(steps=st.lists(st.integers(0, 12), min_size=1, max_size=16))
async def trims_among_appends_keep_the_rest(stream: StreamBasic, case: Case, steps: list[int]) -> None:
    """However appends and trims follow each other, over two clients, what is kept is read and no offset comes again (ST-29)."""
    slots = [stream, await case.client()]
    state = Trimmed(await fill(stream, "s", numbered(2)))
    for number, step in enumerate(steps):
        slot = slots[number % 2]
        if step >= 8:
            state.add(await append(slot, "s", b"%d" % number, "k"))
        else:
            before = _before(state, step)
            state.trim(before, await slot.trim("s", before))
        await _judge(slots[1 - number % 2], state, f"after step {number}")


@check("stream_basic.3", "stream_basic.6", "stream_basic.7")
@gauntlet(lambda limits: [{"rounds": rounds} for rounds in (1, 5)])
async def a_stream_trimmed_to_nothing_goes_on(stream: StreamBasic, case: Case, rounds: int) -> None:
    """After everything was trimmed the last offset is told as before, and new records stand above all old ones (ST-29, ST-34)."""
    other = await case.client()
    puts: list[Put] = []
    for turn in range(rounds):
        puts += await fill(other if turn % 2 else stream, "s", numbered(3, f"round-{turn}"))
        increase(puts)
        await stream.trim("s", puts[-1].offset + 1 if turn % 2 else puts[-1].offset + 10**6)
        for slot in (stream, other):
            await reads(slot, "s", [], story="after everything was trimmed")
            await reads(slot, "s", [], start=puts[0].offset, limit=5, story="after everything was trimmed")
            sentence = "latest_offset of a stream that was trimmed to nothing is another"
            same("stream_basic.6", await slot.latest_offset("s"), puts[-1].offset, sentence)
    puts += await fill(other, "s", [b"new"])
    increase(puts)
    await reads(stream, "s", puts[-1:], story="behind a trim", loss="stream_basic.7")
    fresh = await case.client()
    await reads(fresh, "s", puts[-1:], story="behind a trim, by a client that came later", loss="stream_basic.7")


@check("stream_basic.7", "stream_basic.6")
@gauntlet(lambda limits: [{"before": before} for before in (0, 1, 5, 10**9, 2**53)])
async def a_trim_of_an_absent_stream_makes_none(stream: StreamBasic, case: Case, before: int) -> None:
    """A trim of a stream that was never used removes nothing, now or later: what is appended then is kept."""
    state = Trimmed([])
    state.trim(before, await stream.trim("s", before))
    same("stream_basic.6", await stream.latest_offset("s"), None, "a trim of an absent stream gives it a latest offset")
    await reads(stream, "s", [], story="after a trim of an absent stream")
    for put in await fill(await case.client(), "s", numbered(2)):
        state.add(put)
    await _judge(stream, state, "after a trim of an absent stream and appends")


@check("stream_basic.7")
@gauntlet(lambda limits: [{"before": before} for before in (-1, -2, -(10**6), -(2**63))])
async def a_negative_bound_is_refused(stream: StreamBasic, before: int) -> None:
    """A negative bound raises ``ValueError`` and removes nothing; it does not count from the end."""
    puts = await fill(stream, "s", numbered(3))
    for name in ("s", "never used"):
        await refused("stream_basic.7", stream.trim(name, before), ValueError, "a negative bound of a trim is not refused")
    await reads(stream, "s", puts, story="after a refused trim", loss="stream_basic.7")


@check("stream_basic.1", "stream_basic.7")
@gauntlet(
    lambda limits: [
        {"count": count, "taken": taken, "keep": keep, "size": size}
        for count, taken, keep, size in (
            *((8, taken, keep, 0) for taken in (1, 2, 5) for keep in (3, 7)),
            (120, 1, 5, 0),
            (120, 50, 40, 0),
            (12, 1, 9, _LARGE),
        )
    ]
)
async def a_trim_during_a_read_takes_no_more_than_it_says(
    stream: StreamBasic, case: Case, count: int, taken: int, keep: int, size: int
) -> None:
    """A read under way gives every record that the trim kept, in order, each once, however many are before and behind, and
    however large they are (ST-23)."""
    other = await case.client()
    puts = await fill(stream, "s", [text + bytes(max(0, min(size, case.limits.max_payload - 20))) for text in numbered(count)])
    found: list[int] = []
    async for record in stream.read("s"):
        found.append(record.offset)
        if len(found) == taken:
            await other.trim("s", puts[keep].offset)
    offsets = [put.offset for put in puts]
    if found != sorted(set(found)) or not set(found) <= set(offsets):
        broken("stream_basic.1", "a read during a trim gives records twice or out of order", expected=offsets, got=found)
    missing = [offset for offset in offsets[keep:] if offset not in found]
    if missing or found[:taken] != offsets[:taken]:
        broken("stream_basic.7", "a read during a trim leaves out what the trim kept", expected=offsets[keep:], got=found)
    await reads(stream, "s", puts[keep:], story="after a trim during a read", loss="stream_basic.7")


@check("stream_basic.7", "stream_basic.1")
@gauntlet(lambda limits: [{"count": 260, "before": before} for before in (1, 99, 100, 101, 128, 255, 259)])
async def a_trim_is_exact_in_a_long_stream(stream: StreamBasic, case: Case, count: int, before: int) -> None:
    """No block or page is the unit of a trim (ST-23)."""
    if case.server and before not in (1, 101):
        count = before + 5
    other = await case.client()
    puts = await fill(stream, "s", numbered(count))
    places = (0, puts[0].offset, puts[before].offset)
    for slot in (stream, other):  # what was read once may be remembered
        for start in places:
            await read(slot, "s", start)
    told = await stream.trim("s", puts[before].offset)
    if not puts[before - 1].offset < told <= puts[before].offset:
        broken("stream_basic.7", "trim does not return the first record kept", expected=puts[before].offset, got=told)
    sentence = "a trim of a long stream does not remove exactly what is below"
    for slot in (stream, other):
        for start in places:
            got = await read(slot, "s", start)
            if [record.offset for record in got] != [put.offset for put in puts[before:]]:
                told_of = f"from {start}, by {'the client that trimmed' if slot is stream else 'another that had read before'}"
                broken("stream_basic.7", f"{sentence} ({told_of})", expected=f"{count - before} records", got=f"{len(got)} records")


@check("stream_basic.7", "stream_basic.11", "stream_basic.8")
async def a_trim_minds_its_own_stream(stream: StreamBasic, case: Case) -> None:
    """Neither other streams nor those of another namespace lose a record, whatever their offsets (ST-23)."""
    sibling = await case.sibling()
    names = ("s", "S", "s2", "s:", "t")
    puts = {name: await fill(stream, name, numbered(4, name)) for name in names}
    there = await fill(sibling, "s", numbered(4, "there"))
    await stream.trim("s", puts["s"][-1].offset + 10**6)
    for name in names[1:]:
        await reads(stream, name, puts[name], BASIC, f"after a trim of another stream, {name!r}", loss="stream_basic.8")
    await reads(sibling, "s", there, story="after a trim in another namespace", loss="stream_basic.11")
    await reads(stream, "s", [], story="after it was trimmed")
