"""stream_basic under concurrency: what several clients are told, whatever overlaps, is told of one log."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import broken, same
from prism_suites._racing import PLANS, clients, rounds, together
from prism_suites._stream_racing import Recorder
from prism_suites._stream_shared import Put, fill, numbered, read
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import StreamBasic
from prism_testkit.plan import Plan
from prism_testkit.traits import Limits

_LAWS = ("stream_basic.12", "stream_basic.1", "stream_basic.3", "stream_basic.4", "stream_basic.6")
_SCRIPTS: tuple[tuple[str, ...], ...] = (
    ("a", "a"),
    ("a", "r"),
    ("aa", "rr"),
    ("aaa", "aaa", "rrr"),
    ("aaaa", "aaaa", "aaaa", "ffff"),
    ("a-a-a-a", "f-f-f-f", "-f-f-f-f"),
    ("aaaa", "r-b-r-b", "llll"),
    ("aaaa", "rlrl", "tata"),
    ("aaat", "aaat", "rrrr"),
    ("ata", "tat", "rar", "lrl"),
    ("aaaaaaaaaa", "ffffffffff", "f-f-f-f-f-"),
)


_SIZES = (0, 6000, 300, 70_000)
"""Bytes: a small append is done while a large one is under way."""


def _sized(case: Case, number: int, place: int) -> bytes:
    """Return a payload of its own, of one size after another: what is begun later may be done sooner."""
    return (b"%d.%d" % (number, place) + b"." * (0, 3000, 150)[(number + place) % 3])[: case.limits.max_payload]


async def _play(case: Case, slots: Sequence[Any], scripts: Sequence[str], before: int, plan: Plan) -> Recorder:
    """Run each script: append, read all, follow, break off a read, trim, ask for the latest, or let the others run."""
    recorder = Recorder()
    for payload in numbered(before, "before"):
        await recorder.append(slots[0], payload)
    case.schedule(plan)

    async def perform(slot: Any, number: int, script: str) -> None:
        position = 0
        for place, step in enumerate(script):
            if step == "a":
                await recorder.append(slot, _sized(case, number, place), f"k{number}{place}")
            elif step == "r":
                await recorder.read(slot)
            elif step == "f":
                found = await recorder.read(slot, position, 3 if place % 2 else None)
                position = found[-1][0] + 1 if found else position
            elif step == "b":
                await recorder.read(slot, 0, None, 1 + place % 3)
            elif step == "t":
                await recorder.trim(slot, recorder.known[len(recorder.known) // 2] if recorder.known else 0)
            elif step == "l":
                await recorder.latest(slot)
            else:
                await asyncio.sleep(0)

    await together(*(perform(slot, number, script) for number, (slot, script) in enumerate(zip(slots, scripts, strict=True))))
    case.unschedule()
    await recorder.look((slots[0], slots[-1]))
    return recorder


def _on(how: str, count: int) -> list[int]:
    return [0 if how == "one" else number if how == "each" else number % 2 for number in range(count)]


def _cases(limits: Limits) -> Iterator[dict[str, Any]]:
    for number, scripts in enumerate(_SCRIPTS):
        for on in ("one", "each"):
            yield {"scripts": scripts, "on": on, "before": 2 * ((number + (on == "one")) % 2), "plan": Plan()}


@check(*_LAWS, "stream_basic.7")
@gauntlet(_cases)
@given(
    scripts=st.lists(st.text("arfblt-", min_size=1, max_size=7), min_size=2, max_size=4).map(tuple),
    on=st.sampled_from(["one", "each", "two"]),
    before=st.integers(0, 3),
    plan=PLANS,
)
async def histories_are_those_of_one_log(
    stream: StreamBasic, case: Case, scripts: tuple[str, ...], on: str, before: int, plan: Plan
) -> None:
    """However calls of several clients overlap, no record is lost, doubled, late or out of order (ST-01, ST-03, ST-07)."""
    slots = await clients(stream, case, _on(on, len(scripts)))
    (await _play(case, slots, scripts, before, plan)).judge()


@check("stream_basic.12", "stream_basic.3", "stream_basic.13", "stream_basic.6")
@gauntlet(
    lambda limits: [
        {"writers": writers, "each": each, "on": on, "plan": Plan()}
        for writers, each in ((2, 1), (8, 4), (24, 1))
        for on in ("one", "each")
    ]
)
@given(writers=st.integers(2, 4), each=st.integers(1, 3), on=st.sampled_from(["one", "each"]), plan=PLANS)
async def concurrent_appends_lose_and_share_nothing(
    stream: StreamBasic, case: Case, writers: int, each: int, on: str, plan: Plan
) -> None:
    """Every append of many at once has an offset of its own, and its record is there, in the order of its writer (ST-09)."""
    slots = await clients(stream, case, [min(number, 7) for number in _on(on, writers)])
    case.schedule(plan)

    def payload(number: int, place: int) -> bytes:
        """Payloads of many sizes, for appends that take different times."""
        size = _SIZES[(number + place) % len(_SIZES)] + number * 7 + place * 5
        return (b"%d.%d" % (number, place) + b"." * size)[: case.limits.max_payload]

    async def write(slot: Any, number: int) -> list[int]:
        return [await slot.append("s", payload(number, place)) for place in range(each)]

    told = await together(*(write(slot, number) for number, slot in enumerate(slots)))
    case.unschedule()
    offsets = [offset for line in told for offset in line]
    if len(set(offsets)) < len(offsets):
        broken("stream_basic.12", "concurrent appends are given one offset", expected="each its own", got=sorted(offsets))
    for line in told:
        same("stream_basic.3", line, sorted(line), "appends of one writer are not in order")
    wanted = {offset: payload(number, place) for number, line in enumerate(told) for place, offset in enumerate(line)}
    for slot in (slots[0], slots[-1]):
        got = await read(slot, "s")
        instants = [record.appended_ms for record in got]
        same("stream_basic.13", instants, sorted(instants), "appended_ms decreases with the offset after concurrent appends")
        found = {record.offset: record.payload for record in got}
        same("stream_basic.12", found, wanted, "after concurrent appends the stream does not hold what was appended")
        latest = await slot.latest_offset("s")
        same("stream_basic.6", latest, max(offsets), "after concurrent appends latest_offset is not that of the last record")


@check("stream_basic.4", "stream_basic.1", "stream_basic.12")
@gauntlet(
    lambda limits: [
        {"writers": writers, "turns": turns, "page": page, "plan": Plan()}
        for writers in (1, 2, 3)
        for turns in (0, 1, 3)
        for page in (None, 2)
    ]
)
@given(writers=st.integers(1, 3), turns=st.integers(0, 3), page=st.sampled_from([None, 1, 2]), plan=PLANS)
async def a_follower_misses_nothing(
    stream: StreamBasic, case: Case, writers: int, turns: int, page: int | None, plan: Plan
) -> None:
    """Who reads on from behind the last record it saw sees every record once, however late its append came (ST-07, ST-21)."""
    slots = await clients(stream, case, [0, *(number % 3 for number in range(writers))])
    recorder = Recorder()
    seen: list[int] = []
    done = 0
    case.schedule(plan)

    async def write(slot: Any, number: int) -> None:
        nonlocal done
        for place in range(4):
            for _ in range(turns * number):
                await asyncio.sleep(0)
            await recorder.append(slot, _sized(case, number, place), f"k{number}{place}")
        done += 1

    async def follow(slot: Any) -> None:
        while done < writers:
            found = await recorder.read(slot, seen[-1] + 1 if seen else 0, page)
            seen.extend(offset for offset, _ in found)
            await asyncio.sleep(0)

    await together(follow(slots[0]), *(write(slot, number) for number, slot in enumerate(slots[1:])))
    case.unschedule()
    while found := await recorder.read(slots[0], seen[-1] + 1 if seen else 0, page):
        seen.extend(offset for offset, _ in found)
    same("stream_basic.4", seen, sorted(recorder.known), "who follows a stream misses a record, or sees it twice")
    await recorder.look((slots[-1],))
    recorder.judge()


@check("stream_basic.12")
@gauntlet(lambda limits: [{"count": 100}])
async def answers_go_to_the_callers_that_asked(stream: StreamBasic, case: Case, count: int) -> None:
    """Of many calls at once on one client, over many streams, each is given its own answer (G-12)."""
    case.overlap()
    names = [f"n{number}" for number in range(count)]
    told = await together(*(stream.append(name, name.encode(), name) for name in names))
    looks = await together(*(stream.latest_offset(name) if number % 2 else read(stream, name) for number, name in enumerate(names)))
    for number, (name, offset, look) in enumerate(zip(names, told, looks, strict=True)):
        got = look if number % 2 else [(record.offset, record.payload) for record in look]
        wanted = offset if number % 2 else [(offset, name.encode())]
        same("stream_basic.12", got, wanted, f"among {count} calls at once one was given another answer than its own")


@check("stream_basic.7", "stream_basic.12")
@gauntlet(
    lambda limits: [
        {"trimmers": trimmers, "turns": turns, "falling": falling}
        for falling, most in ((False, (1, 2, 3)), (True, (2, 3, 5)))
        for trimmers in most
        for turns in range(4)
    ]
)
async def trims_and_appends_at_once_lose_nothing(stream: StreamBasic, case: Case, trimmers: int, turns: int, falling: bool) -> None:
    """While others trim, appends go on: what lies at or above the highest bound is there, at offsets of its own, and a lower trim
    that ends behind a higher one takes nothing back (ST-23).

    Over a real server the calls meet there, if at all, once each has a connection: so it is done with one stream after another.
    """
    slots = await clients(stream, case, [0, *(1 + number % 2 for number in range(trimmers))])
    case.overlap()

    async def trim(slot: Any, name: str, number: int, before: Sequence[Put]) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        await slot.trim(name, before[trimmers - number if falling else 1 + number].offset)

    async def write(slot: Any, name: str) -> list[int]:
        return [await slot.append(name, payload) for payload in numbered(4, "during")]

    for name in rounds(case):
        before = await fill(stream, name, numbered(6))
        told, *_ = await together(
            write(slots[0], name), *(trim(slot, name, number, before) for number, slot in enumerate(slots[1:]))
        )
        wanted = [put.offset for put in before[trimmers:]] + told
        for slot in (slots[0], slots[-1]):
            found = [record.offset for record in await read(slot, name)]
            same("stream_basic.7", found, wanted, "trims and appends at once do not leave what is above the highest bound")
            lowest = await slot.trim(name, 0)
            sentence = "after trims at once the lowest offset told is not that of the first record kept"
            same("stream_basic.7", lowest, wanted[0], sentence)


@check("stream_basic.12")
async def ten_clients_open_an_empty_namespace_at_once(stream: StreamBasic, case: Case) -> None:
    """They all succeed, and what each appends all read."""
    with case.law("stream_basic.12"):
        slots = [*await asyncio.gather(*(case.client() for _ in range(9))), stream]
        case.overlap()
        told = await together(*(slot.append("s", b"%d" % number) for number, slot in enumerate(slots)))
        looks = await together(*(read(slot, "s") for slot in slots))
    for look in looks:
        same("stream_basic.12", [record.offset for record in look], sorted(told), "ten clients do not see one stream")
