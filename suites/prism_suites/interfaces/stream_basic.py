"""stream_basic: what is appended is read, whole, in order and again; offsets increase; bounds of a read are exact."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._buffers import lengthened
from prism_suites._judging import broken, refused, same
from prism_suites._queue_shared import headers_gauntlet
from prism_suites._stream_shared import (
    ADJUSTED_MS,
    FOREIGN_MS,
    PAGE_PART,
    PAGE_PARTS,
    Put,
    append,
    chunks,
    fill,
    increase,
    is_record,
    numbered,
    read,
    reads,
    timed,
)
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import StreamBasic
from prism_testkit.outcomes import law
from prism_testkit.strategies import counts, patterned, payload_pools
from prism_testkit.strategies.hypothesis_strategies import payloads as any_payload

_KEYS = (None, "k", "K", "k ", "None", "null", "0", "é", "e\u0301", "\x00", "a\x00b", "🍣", "\ufeffk", "k=v", "'", "*", "n" * 64)
_MEGABYTES = 24_000_000
_FAR = (10**6, 2**31 - 1, 2**31, 2**32, 2**53 - 1, 2**53 + 1, 2**63, 2**64)
_ALL_OF_THEM = (1000, 2**31, 2**32, 2**63 - 1, 2**63, 2**64)
"""Limits that no stream reaches, and numbers of so many bits turn over at."""
_REAL_WAITS, _REAL_WAIT_S = (1, 2), 0.15
"""Before which appends a real clock moves: of three instants so far apart whole seconds tell two alike."""
_STEPS_S = (0.0, 0.001, 0.4995, 1.0, 59.0, 3600.0, 0.0, 86_400.0, 4_294_968.0)
"""The last one is more milliseconds than 32 bits hold."""


@check("stream_basic.2", "stream_basic.1", "stream_basic.3")
@gauntlet(chunks)
@given(payloads=payload_pools(min_size=1, max_size=8))
async def payloads_are_read_as_they_were_appended(stream: StreamBasic, payloads: tuple[bytes, ...]) -> None:
    """Every payload, the empty one too, is read byte for byte, in order, at the offset of its append (ST-02, ST-30)."""
    puts = await fill(stream, "s", payloads)
    await reads(stream, "s", puts)


@check("stream_basic.2", "stream_basic.4")
@gauntlet(lambda limits: [{"size": size} for size in (1, 64, 1025, 4097, 70_000) if size <= limits.max_payload])
async def payloads_that_differ_in_one_place_are_apart(stream: StreamBasic, case: Case, size: int) -> None:
    """Of one length, and alike but for one byte at either end or between: each is read as it was appended (ST-30)."""
    base = patterned(size)
    places = dict.fromkeys((0, size // 5, size // 3, size // 2, size - size // 5 - 1, size - 1))
    payloads = [base, *(base[:place] + bytes([base[place] ^ 1]) + base[place + 1 :] for place in places), base]
    puts = await fill(stream, "s", payloads)
    other = await case.client()
    puts += await fill(other, "s", payloads[1::2])
    for slot in (stream, other):
        await reads(slot, "s", puts)


@check("stream_basic.2")
@gauntlet(headers_gauntlet)
@given(
    headers=st.dictionaries(st.text("aAé :=\x00\n🍣", min_size=1, max_size=6), st.text("aAé \x00\r\n🍣", max_size=6), max_size=6)
)
async def headers_are_read_as_they_were_appended(stream: StreamBasic, headers: dict[str, str]) -> None:
    """Names and values of headers are kept code point by code point, also where there are none (ST-30)."""
    puts = await fill(stream, "s", [b"plain"])
    puts += await fill(stream, "s", [b"", b"with headers"], None, headers)
    puts += await fill(stream, "s", [b"with both"], "key", headers)
    puts += await fill(stream, "s", [b"", b"plain again"])
    await reads(stream, "s", puts)


@check("stream_basic.2", "stream_basic.8")
async def keys_are_read_as_they_were_appended(stream: StreamBasic, case: Case) -> None:
    """Every key is given back, None stays None, and records with one key do not replace each other (ST-24)."""
    keys = [*_KEYS, "n" * case.limits.max_name]
    puts = [await append(stream, "s", b"%d" % number, key) for number, key in enumerate(keys * 2)]
    puts += [await append(stream, "s", b"", key, {"key": "header"}) for key in keys]
    increase(puts)
    await reads(stream, "s", puts)


@check("stream_basic.2")
@given(payload=any_payload(), key=st.none() | st.text("aAé:\x00🍣", min_size=1, max_size=5), value=st.text("a \x00é", max_size=4))
async def payload_key_and_headers_do_not_mix(stream: StreamBasic, payload: bytes, key: str | None, value: str) -> None:
    """What looks like another part, or like the store's own form, stays what it is."""
    names = ("key", "payload", "offset", "headers", "é")
    puts = [await append(stream, "s", payload, key, dict.fromkeys(names[:count], value)) for count in range(len(names))]
    puts += await fill(stream, "s", [b"", lengthened(payload), payload], None)
    await reads(stream, "s", puts)


@check("stream_basic.3", "stream_basic.1")
@gauntlet(
    lambda limits: [{"payload": payload, "count": 12} for payload in (b"", b"same", patterned(min(5000, limits.max_payload)))]
)
async def equal_records_are_records_of_their_own(stream: StreamBasic, case: Case, payload: bytes, count: int) -> None:
    """A record appended so many times is there so many times, each at an offset of its own: none is a repeat (ST-01)."""
    other, puts = await case.client(), list[Put]()
    for number in range(count):  # by turns, so that what each client counts by itself is equal too
        puts += await fill((stream, other)[number % 2], "s", [payload], "key", {"same": "headers"})
    await reads(stream, "s", puts, story="equal records")


@check("stream_basic.1", "stream_basic.3", "stream_basic.5", "stream_basic.6")
@gauntlet(lambda limits: [{"count": count} for count in counts(130) if count])
async def so_many_records_are_read_in_order(stream: StreamBasic, case: Case, count: int) -> None:
    """Whatever their number, records are read in order, none missing, none twice, from any of them on (ST-01, ST-04)."""
    if case.server and count not in (1, 2, 9, 10, 11, 100, 101):
        return  # each record is a round trip
    puts = await fill(stream, "s", numbered(count))
    await reads(stream, "s", puts, story=f"{count} records")
    middle = count // 2
    await reads(stream, "s", puts[middle:], start=puts[middle].offset, story="from one of them")
    await reads(stream, "s", puts[:count], limit=count + 1, story="with a limit above their number")
    await reads(stream, "s", puts[: count - 1], limit=count - 1, story="with a limit below their number", loss="stream_basic.5")
    same("stream_basic.6", await stream.latest_offset("s"), puts[-1].offset, "latest_offset is not that of the last record")


@check("stream_basic.1", "stream_basic.3", "stream_basic.5")
async def a_long_stream_is_read_whole(stream: StreamBasic, case: Case) -> None:
    """No page, cap or number of digits ends a read: over a thousand records are read, in order (ST-01, ST-07)."""
    puts = await fill(stream, "s", numbered(1100 if not case.server else 1050))
    await reads(stream, "s", puts, story="a long stream")
    for limit in (99, 100, 101, 500, 999, 1000, 1001):
        await reads(stream, "s", puts[7 : 7 + limit], start=puts[7].offset, limit=limit, story="a part", loss="stream_basic.5")


@check("stream_basic.2", "stream_basic.9", "stream_basic.1")
@gauntlet(lambda limits: [{"size": limits.max_payload}, {"size": min(PAGE_PART, limits.max_payload)}])
async def many_large_records_are_kept(stream: StreamBasic, case: Case, size: int) -> None:
    """The largest payload is the limit of one record, not of a stream or a read, and no page of many bytes ends one (ST-30)."""
    count = PAGE_PARTS if size == PAGE_PART else min(8, max(2, (_MEGABYTES // 3 if case.server else _MEGABYTES) // size))
    with law("stream_basic.9"):
        puts = await fill(stream, "s", [patterned(size, seed=number) for number in range(count)], "k", {"n": "v" * 8000})
    await reads(stream, "s", puts, story="large records")


@check("stream_basic.5", "stream_basic.1")
@gauntlet(lambda limits: [{"count": count} for count in (0, 1, 2, 7)])
async def starts_and_limits_are_exact(stream: StreamBasic, case: Case, count: int) -> None:
    """Every start, on a record, between two and beyond the end, with every limit, gives just what it says (ST-04, ST-23)."""
    other = await case.client()
    puts = await fill(stream, "s", numbered(count), "k")
    offsets = [put.offset for put in puts]
    last = offsets[-1] if offsets else 0
    starts = {0, *offsets, *(max(0, offset - 1) for offset in offsets), *(offset + 1 for offset in offsets)}
    for start in sorted(starts | {last + far for far in _FAR}):
        there = [put for put in puts if put.offset >= start]
        for limit in (None, 0, 1, 2, len(there), len(there) + 1, *(_ALL_OF_THEM if start == 0 else _ALL_OF_THEM[-2:])):
            wanted = there if limit is None else there[:limit]
            slot = other if (limit or 0) % 2 else stream
            await reads(slot, "s", wanted, start=start, limit=limit, story=f"from {start}, limit {limit}", loss="stream_basic.5")


@check("stream_basic.5")
@gauntlet(
    lambda limits: [
        {"start": start, "limit": limit} for start, limit in ((-1, None), (-(2**31), 5), (-1, 0), (0, -1), (0, -10), (-1, -1))
    ]
)
async def negative_bounds_are_refused(stream: StreamBasic, start: int, limit: int | None) -> None:
    """A negative start or limit raises ``ValueError``, at the latest at the first step, also of a stream that is empty."""
    puts = await fill(stream, "s", numbered(3))
    for name in ("s", "never used"):
        await refused("stream_basic.5", read(stream, name, start, limit), ValueError, "a negative bound of a read is not refused")
    await reads(stream, "s", puts, story="after refused reads")


@check("stream_basic.6", "stream_basic.1", "stream_basic.7")
async def an_unused_stream_is_empty(stream: StreamBasic, case: Case) -> None:
    """A stream that was never used has no records and no latest offset; looking makes none (ST-23)."""
    other = await case.client()
    for slot in (stream, other):
        for _ in range(2):
            same("stream_basic.1", await read(slot, "s"), [], "a stream that was never used gives records")
            same("stream_basic.1", await read(slot, "s", 5, 3), [], "a stream that was never used gives records")
            same("stream_basic.6", await slot.latest_offset("s"), None, "a stream that was never used has a latest offset")
    put = await append(other, "s", b"")
    for slot in (stream, other):
        await reads(slot, "s", [put], story="the first record")
        same("stream_basic.6", await slot.latest_offset("s"), put.offset, "latest_offset is not that of the only record")


@check("stream_basic.6", "stream_basic.12", "stream_basic.3")
@gauntlet(lambda limits: [{"script": script} for script in ("abab", "aabb", "abba" * 5, "aaaaabbbbbabababab")])
@given(script=st.text("ab", min_size=1, max_size=12))
async def every_append_is_seen_by_all_at_once(stream: StreamBasic, case: Case, script: str) -> None:
    """After each append both clients are told its offset as the latest, and read it and all before it (ST-02, ST-03)."""
    slots = {"a": stream, "b": await case.client()}
    puts: list[Put] = []
    for number, letter in enumerate(script):
        puts.append(await append(slots[letter], "s", b"%d" % number, letter, {"by": letter}))
        increase(puts[-2:])
        for slot in slots.values():
            same("stream_basic.6", await slot.latest_offset("s"), puts[-1].offset, "latest_offset is not that of the last record")
            tail = puts[-3:]
            await reads(slot, "s", tail, start=tail[0].offset, story="just appended", loss="stream_basic.12")
    for slot in slots.values():
        await reads(slot, "s", puts, loss="stream_basic.12")


@check("stream_basic.4", "stream_basic.1")
async def readers_do_not_use_anything_up(stream: StreamBasic, case: Case) -> None:
    """However often, by whomever and in whatever steps it is read, a stream gives the same records (ST-02, ST-03, ST-33)."""
    other = await case.client()
    puts = await fill(stream, "s", numbered(9), "k", {"h": "v"})
    for slot in (stream, other, stream):
        await reads(slot, "s", puts, story="read again")
        for put in puts:
            await reads(slot, "s", [put], start=put.offset, limit=1, story="one alone", loss="stream_basic.4")
    position, found = 0, []
    while part := await read(other, "s", position, 2):
        found += part
        position = part[-1].offset + 1
    same("stream_basic.4", [record.offset for record in found], [put.offset for put in puts], "reads in parts give something else")


@check("stream_basic.1", "stream_basic.4", "stream_basic.5")
@gauntlet(
    lambda limits: (
        [{"bounds": bounds, "count": 12} for bounds in ((None,) * 4, (3, 4, 5, 2), (None, 6, 2, None), (4, 1, None, 3))]
        + [{"bounds": (None, 130, 257, None), "count": 300}]
    )
)
async def reads_beside_each_other_do_not_meet(stream: StreamBasic, case: Case, bounds: tuple[int | None, ...], count: int) -> None:
    """Reads that take their steps by turns, over one client and two, each give everything up to their limit, also where a
    read is more than one page of the store (ST-03).
    """
    other = await case.client()
    puts = await fill(stream, "s", numbered(min(count, 150) if case.server else count))
    begins = (0, 0, 5, 7)
    readers: list[Any] = [
        slot.read("s", puts[begin].offset, limit)
        for slot, begin, limit in zip((stream, other, stream, other), begins, bounds, strict=True)
    ]
    found: list[list[Any]] = [[] for _ in readers]
    for _ in range(len(puts) + 1):
        for number, reader in enumerate(readers):
            async for record in reader:
                found[number].append(record)
                break
    for got, begin, limit in zip(found, begins, bounds, strict=True):
        wanted = [put.offset for put in puts[begin:]][:limit]
        promise = "stream_basic.1" if limit is None else "stream_basic.5"
        same(promise, [record.offset for record in got], wanted, "reads beside each other disturb each other")
    for reader in readers:
        await reader.aclose()


@check("stream_basic.1", "stream_basic.12")
@gauntlet(lambda limits: [{"before": before, "during": during} for before in (1, 3, 120) for during in (1, 3, 130)])
async def an_append_during_a_read_makes_no_hole(stream: StreamBasic, case: Case, before: int, during: int) -> None:
    """A read that is under way gives all that was there at its first step; what comes then follows without a hole (ST-07)."""
    if case.server and during > 3:
        during = 20
    other = await case.client()
    puts = await fill(stream, "s", numbered(before))
    found: list[Any] = []
    async for record in stream.read("s"):
        found.append(record)
        if len(found) == max(1, before // 2):
            puts += await fill(other, "s", numbered(during, "during"))
        if len(found) > len(puts):
            break
    offsets, given = [record.offset for record in found], [put.offset for put in puts]
    if offsets[:before] != given[:before]:
        broken("stream_basic.1", "a read leaves out what was there at its first step", expected=given[:before], got=offsets)
    if offsets != given[: len(offsets)]:
        broken("stream_basic.1", "a read has a hole where records came during it", expected=given, got=offsets)
    rest = [put for put in puts if not found or put.offset > found[-1].offset]
    await reads(other, "s", rest, start=found[-1].offset + 1 if found else 0, story="from where a read ended")


@check("stream_basic.13")
@gauntlet(lambda limits: [{"clients": clients} for clients in (1, 2)])
async def the_instant_of_an_append_is_told(stream: StreamBasic, case: Case, clients: int) -> None:
    """``appended_ms`` lies between the call and the return of the append, and never decreases (ST-05)."""
    slots = [stream, await case.client()][:clients]
    told: list[tuple[Put, int, int]] = []
    for number, seconds in enumerate(_STEPS_S * 2):
        if case.clock.virtual:
            await case.advance(seconds)
        elif number in _REAL_WAITS and clients == 2:
            await case.clock.sleep(_REAL_WAIT_S)
        told.append(await timed(case, slots[number % clients], "s", b"%d" % number))
    if case.clock.virtual:
        await case.advance(1e6)
    for _ in range(2):  # the instant is the append's, not that of a read
        got = await reads(stream, "s", [put for put, _, _ in told])
        for record, (_, least, most) in zip(got, told, strict=True):
            if not isinstance(record.appended_ms, int) or not least <= record.appended_ms <= most:
                sentence = "appended_ms does not lie between the call and the return of the append"
                broken("stream_basic.13", sentence, expected=f"{least} to {most}", got=record.appended_ms)
        instants = [record.appended_ms for record in got]
        same("stream_basic.13", instants, sorted(instants), "appended_ms decreases with the offset")
        if case.server:
            _as_far_apart(told, instants)


def _as_far_apart(told: "list[tuple[Put, int, int]]", instants: list[int]) -> None:
    """Judge the time between two appends: what a server's clock says of one alone cannot be judged, for it may be any other."""
    for (_, least, most), (_, next_least, next_most), one, other in zip(told, told[1:], instants, instants[1:], strict=False):
        middle = ((next_least + next_most) - (least + most)) / 2
        doubt = ((most - least) + (next_most - next_least)) / 2 - 2 * (FOREIGN_MS - ADJUSTED_MS)
        if abs((other - one) - middle) > doubt:
            sentence = "between two appends more time, or less, passed than appended_ms tells"
            broken("stream_basic.13", sentence, expected=f"{middle:.0f} ms, within {doubt:.0f}", got=other - one)


@check("stream_basic.2", "stream_basic.5", "stream_basic.7")
async def arguments_may_be_given_by_name(stream: StreamBasic) -> None:
    """Every method takes its arguments by keyword too, as the interface names them."""
    with law("stream_basic.2"):
        first = await stream.append(stream="s", payload=b"x", key="k", headers={"a": "b"})
        second = await stream.append(payload=b"y", stream="s")
        third = await stream.append("s", b"z", headers=None, key=None)
        got = [record async for record in stream.read(stream="s", start=first, limit=None)]
        wanted = [Put(first, b"x", "k", {"a": "b"}), Put(second, b"y", None, {}), Put(third, b"z", None, {})]
        for record, put in zip(got, wanted, strict=True):
            is_record("stream_basic.2", record, put, "a call with named arguments does something else")
        same("stream_basic.6", await stream.latest_offset(stream="s"), third, "a call with named arguments does something else")
        await stream.trim(stream="s", before=second)
        await reads(stream, "s", wanted[1:], story="after a trim with named arguments", loss="stream_basic.7")
