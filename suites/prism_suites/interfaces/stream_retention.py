"""stream_retention: what is inside the bounds is kept, what is outside is gone when it is enforced, and never comes back."""

import math
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import broken, refused, same
from prism_suites._racing import together
from prism_suites._stream_bounds import Bounded, Retained
from prism_suites._stream_shared import Put, append, fill, is_record, numbered, read
from prism_suites._stream_taking import patience_s, receive, take, waits
from prism_suites.interfaces.keyvalue_basic_limits import bad_names
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import InvalidName, Retention, StreamRetention
from prism_testkit.strategies import name_groups


def _slack_s(case: Case) -> float:
    return max(0.001, case.limits.clock_resolution_s)


async def _keeps(slot: Any, puts: Sequence[Put], promise: str, story: str, stream: str = "s") -> None:
    """Judge that a stream holds exactly these records, whole."""
    got = await read(slot, stream)
    same(promise, [record.offset for record in got], [put.offset for put in puts], f"{story} a stream does not hold what it should")
    for record, put in zip(got, puts, strict=True):
        is_record("stream_retention.6", record, put, f"{story} a record is not what was appended")


async def _keeps_at_least(slot: Any, all_puts: Sequence[Put], inside: Sequence[Put], story: str) -> None:
    """Judge that everything inside is there, and nothing that was never appended."""
    offsets = [record.offset for record in await read(slot, "s")]
    missing = [put.offset for put in inside if put.offset not in offsets]
    same("stream_retention.1", missing, [], f"{story} a record inside the bounds is gone")
    same("stream_retention.8", [o for o in offsets if o not in [put.offset for put in all_puts]], [], f"{story} a record is new")


@check("stream_retention.4")
@gauntlet(
    lambda limits: [
        {"age_s": age_s, "most": most}
        for age_s in (None, 0.001, 0.0015, 0.5, 1.0, 59.9994, 86_400.0, 16_777_217.0, 987_654_321.123, 1e9)
        for most in (None, 1, 2, 10**9)
    ]
)
async def bounds_are_told_to_everybody(stream: StreamRetention, case: Case, age_s: float | None, most: int | None) -> None:
    """What was set last is returned, to every client, an age rounded up by less than the clock tells; None is no bound."""
    other = await case.client()
    same("stream_retention.4", await stream.retention("s"), Retention(None, None), "a stream for which nothing was set has bounds")
    await other.set_retention("s", 77.0, 7)
    await stream.set_retention("s", max_age_s=age_s, max_records=most)
    for slot in (stream, other):
        got = await slot.retention("s")
        same("stream_retention.4", (type(got), got.max_records), (Retention, most), "bounds are not what was set last")
        late_s = 0.0 if age_s is None or got.max_age_s is None else got.max_age_s - age_s
        if (got.max_age_s is None) != (age_s is None) or not 0 <= late_s < _slack_s(case):
            broken("stream_retention.4", "bounds are not what was set last", expected=age_s, got=got.max_age_s)
    await stream.set_retention("s")
    same("stream_retention.4", await other.retention("s"), Retention(None, None), "bounds that were taken away are still there")


@check("stream_retention.5", "stream_retention.12")
async def bad_bounds_are_refused(stream: StreamRetention, case: Case) -> None:
    """0, negative, NaN and infinite raise ``ValueError``, what is no number ``TypeError``, bad names `InvalidName`: no effect."""
    puts = await fill(stream, "s", numbered(4))
    await stream.set_retention("s", 1e6, 3)
    for age_s in (0, 0.0, -1, -0.001, math.nan, math.inf, -math.inf):
        await refused("stream_retention.5", stream.set_retention("s", age_s), ValueError, f"an age of {age_s} is not refused")
    for most in (0, -1, -(2**40)):
        call = stream.set_retention("s", max_records=most)
        await refused("stream_retention.5", call, ValueError, f"{most} records are not refused")
    values: tuple[Any, ...] = ("3", 1.5, [3], b"3")
    for value in values:
        call = stream.set_retention("s", max_records=value)
        await refused("stream_retention.5", call, TypeError, f"{value!r} records are not refused")
    methods = (stream.set_retention, stream.retention, stream.enforce_retention, stream.compact)
    for name, _ in bad_names(case.limits.max_name):
        for method in methods:
            await refused("stream_retention.12", method(name), InvalidName, "a bad name is not refused")
    for method in methods:
        await refused("stream_retention.12", method(None), TypeError, "what is no text is not refused as a name")  # type: ignore[arg-type]
    same("stream_retention.5", await stream.retention("s"), Retention(1e6, 3), "a refused bound was set")
    await stream.enforce_retention("s")
    await _keeps(stream, puts[1:], "stream_retention.5", "after refused bounds")


@check("stream_retention.2", "stream_retention.1", "stream_retention.9")
@gauntlet(lambda limits: [{"count": count, "most": most} for count in (0, 1, 2, 5, 130) for most in (1, 2, 4, 5, 6, 129, 10**9)])
async def so_many_are_kept(stream: Bounded, case: Case, count: int, most: int) -> None:
    """Of however many records the last ``max_records`` are kept, and the others gone when it is enforced (ST-24)."""
    other = await case.client()
    puts = await fill(stream, "s", numbered(count), "k", {"h": "v"})
    last = await stream.latest_offset("s")
    await stream.set_retention("s", max_records=most)
    await _keeps_at_least(other, puts, puts[-most:], f"with {most} records inside")
    await other.enforce_retention("s")
    await _keeps(stream, puts[-most:], "stream_retention.2", f"with {most} of {count} records inside")
    same("stream_retention.9", await other.latest_offset("s"), last, "retention changed the last offset")
    puts += await fill(other, "s", numbered(2, "later"))
    for _ in range(2):
        await stream.enforce_retention("s")
    await _keeps(other, puts[-most:] if count else puts[-min(2, most) :], "stream_retention.2", "with two more records")
    kept = puts[-most:]
    await stream.set_retention("s", max_records=most + 10)
    await stream.enforce_retention("s")
    await _keeps(other, kept, "stream_retention.4", "with wider bounds")
    before = await stream.trim("s", 0)
    same("stream_retention.9", [put.offset for put in kept if put.offset < before], [], "trim tells of a bound above what is kept")


@check("stream_retention.1", "stream_retention.2", "stream_retention.3", "stream_retention.9")
@gauntlet(lambda limits: [{"age_s": age_s, "lazy": lazy} for age_s in (2.0, 10.0, 3600.0, 86_400.0) for lazy in (False, True)])
async def so_old_is_gone_and_no_younger(stream: Bounded, case: Case, age_s: float, lazy: bool) -> None:
    """Up to ``max_age_s`` a record is kept, whatever is called; past it it is gone when enforced, or by itself in time."""
    other = await case.client()
    if not case.clock.virtual:
        puts = await fill(stream, "s", numbered(3))
        await stream.set_retention("s", max_age_s=max(age_s, 60.0))
        await stream.enforce_retention("s")
        await _keeps(other, puts, "stream_retention.1", "while all are young")
        return
    step_s = age_s / 4
    await stream.set_retention("s", max_age_s=age_s)
    puts, appended_s = [], []
    for number in range(5):
        puts.append(await append(stream, "s", b"%d" % number))
        appended_s.append(case.clock.now_s())
        if number < 4:
            await case.advance(step_s)
    last = await stream.latest_offset("s")
    for number, put in enumerate(puts):
        ahead_s = appended_s[number] + age_s - case.clock.now_s() - 2 * _slack_s(case)
        if ahead_s > 0:
            await case.advance(ahead_s)
            began_s = case.clock.now_s()
            if not lazy:
                await stream.enforce_retention("s")
            inside = [p for p, at_s in zip(puts, appended_s, strict=True) if case.clock.now_s() - at_s < age_s - _slack_s(case)]
            await _keeps_at_least(other, puts, inside if case.clock.now_s() == began_s else [], f"up to an age of {age_s:g} s")
        lag_s = (case.traits.retention_lag_s or 0.0) if lazy else 0.0
        await case.advance(max(0.0, appended_s[number] + age_s - case.clock.now_s()) + 2 * _slack_s(case) + lag_s)
        if lazy and case.traits.retention_lag_s is None:
            return
        if not lazy:
            await other.enforce_retention("s")
        offsets = [record.offset for record in await read(stream, "s")]
        promise = "stream_retention.3" if lazy else "stream_retention.2"
        same(promise, put.offset in offsets, False, f"a record is there that is older than {age_s:g} s")
    same("stream_retention.9", await other.latest_offset("s"), last, "retention changed the last offset")
    later = await append(other, "s", b"later")
    if last is not None and later.offset <= last:
        broken("stream_retention.9", "an offset is given again when all is gone", expected=f"above {last}", got=later.offset)
    await _keeps(stream, [later], "stream_retention.1", "when all others were too old")


_SEQUENCES = (
    "",
    "a",
    "aa",
    "aba",
    "aabbab",
    ".a.a.",
    "........",
    "abcabc",
    "aaaaaaaaaa",
    "a.b.a.c",
    "cab.cab.cab.",
    "ab" * 40,
    "abc" * 100,
)


@check("stream_retention.6", "stream_retention.7", "stream_retention.9", "stream_retention.11")
@gauntlet(lambda limits: [{"keys": keys, "empty": empty} for keys in _SEQUENCES for empty in (False, True)])
@given(keys=st.text("ab.c", max_size=14), empty=st.booleans())
async def the_last_of_each_key_is_kept(stream: Bounded, case: Case, keys: str, empty: bool) -> None:
    """Compaction keeps the last record of each key and all without one, with offset, order and instant (ST-24)."""
    other = await case.client()
    keys = keys[:60] if case.server else keys
    puts: list[Put] = []
    for number, key in enumerate(keys):
        payload = b"" if empty and number % 2 else b"%d" % number
        headers = {name: str(number // 8) for name in "nm"[: number % 3]}  # equal ones, too: they supersede nothing
        puts.append(await append((stream, other)[number % 2], "s", payload, None if key == "." else key, headers))
    before, last = await read(stream, "s"), await stream.latest_offset("s")
    if case.clock.virtual:
        await case.advance(1.5)
    kept = [put for number, put in enumerate(puts) if put.key is None or put.key not in list(keys[number + 1 :])]
    for _ in range(2):
        await other.compact("s")
        await _compacted(case, stream, puts, kept)
    after = await read(other, "s")
    same("stream_retention.6", after, [record for record in before if record in after], "a record that is kept is another now")
    same("stream_retention.9", await stream.latest_offset("s"), last, "compaction changed the last offset")
    later = await append(stream, "s", b"later", "z")
    await _keeps_at_least(other, [*puts, later], [*kept, later], "after compaction")


@check("stream_retention.6", "stream_retention.1", "stream_retention.2")
@gauntlet(
    lambda limits: [
        {"keys": keys, "less": less}
        for keys in ("-aaaaaa", "cbaaaaaab", "-b-aaaa-aa", "abab", "aaaaaaaaab")
        for less in (-1, 0, 1, 10)
    ]
)
async def bounds_count_what_compaction_kept(stream: Bounded, case: Case, keys: str, less: int) -> None:
    """Of a stream that was compacted so many of the records that are kept stay, however far apart their offsets are."""
    puts = [await append(stream, "s", b"%d" % number, None if key == "-" else key) for number, key in enumerate(keys)]
    await stream.compact("s")
    if case.traits.compaction != "immediate":
        case.note("when compaction is done is not promised")
        return
    kept = [put for number, put in enumerate(puts) if put.key is None or keys[number] not in keys[number + 1 :]]
    most = max(1, len(kept) - less)
    await stream.set_retention("s", max_records=most)
    await _keeps_at_least(stream, puts, kept[-most:], f"compacted, and bounded to {most},")
    await stream.enforce_retention("s")
    await _keeps(stream, kept[-most:], "stream_retention.1", f"compacted, and bounded to {most},")


async def _compacted(case: Case, slot: Any, puts: Sequence[Put], kept: Sequence[Put]) -> None:
    compaction = case.traits.compaction
    if isinstance(compaction, float | int) and case.clock.virtual:
        await case.advance(compaction + _slack_s(case))
    if compaction == "immediate" or (compaction is not None and case.clock.virtual):
        offsets = [record.offset for record in await read(slot, "s")]
        lost = [put.offset for put in kept if put.offset not in offsets]
        same("stream_retention.6", lost, [], "compaction removed what is to be kept, or it has another offset")
        await _keeps(slot, kept, "stream_retention.7", "after compaction")
    else:
        offsets = [record.offset for record in await read(slot, "s")]
        same("stream_retention.6", [put.offset for put in kept if put.offset not in offsets], [], "compaction removed too much")
        same("stream_retention.6", [o for o in offsets if o not in [put.offset for put in puts]], [], "compaction made a record")


@check("stream_retention.12", "stream_retention.6")
@gauntlet(lambda limits: [{"keys": keys} for keys in _look_alikes(limits.max_name)])
async def look_alikes_are_keys_and_streams_of_their_own(stream: StreamRetention, case: Case, keys: tuple[str, ...]) -> None:
    """Keys that differ in any code point do not supersede each other; bounds of one stream are none of another (PS-05)."""
    keys = keys[::3] if case.server else keys
    puts = [await append(stream, "s", key.encode()[:60], key) for key in keys]
    await stream.compact("s")
    await _keeps(stream, puts, "stream_retention.12", "after compaction of look-alikes")
    some = keys[::2]
    for number, name in enumerate(some):
        await fill(stream, name, numbered(3))
        await stream.set_retention(name, max_records=1 + number)
    for number, name in enumerate(some):
        got = await stream.retention(name)
        same("stream_retention.12", got, Retention(None, 1 + number), "bounds of one stream are those of another")
        await stream.enforce_retention(name)
        found = [record.payload for record in await read(stream, name)]
        same("stream_retention.12", found, numbered(3)[-1 - number :], "a stream is bounded as another")


_LIKE_NOTHING = ("None", "none", "null", "NULL", "nil", "undefined", "NaN", "False", "0", "-1", "-", "()", "b''", "''", " ", "\x00")
"""Texts that a key of None may become where everything is made a text."""


@check("stream_retention.6", "stream_retention.12")
@gauntlet(lambda limits: [{"keyed_last": keyed_last} for keyed_last in (False, True)])
async def no_key_is_none_of_them(stream: StreamRetention, case: Case, keyed_last: bool) -> None:
    """Records without a key supersede nothing and are superseded by nothing, whatever texts others have as their keys (ST-24)."""
    puts: list[Put] = []
    for number, key in enumerate(_LIKE_NOTHING):
        for kind in (None, key) if keyed_last else (key, None):
            puts.append(await append(stream, "s", b"%d" % number, kind))
    await stream.compact("s")
    await _compacted(case, stream, puts, puts)
    plain = [put for put in puts if put.key is None]
    again = [await append(stream, "s", b"again", key) for key in _LIKE_NOTHING]
    await stream.compact("s")
    await _compacted(case, stream, [*puts, *again], [*plain, *again])


def _look_alikes(longest: int) -> list[tuple[str, ...]]:
    """Return the first and the last of each group of confusable names, several groups at a time."""
    groups = [(*group[:3], group[-1]) for group in name_groups(longest)]
    return [tuple(dict.fromkeys(name for group in groups[start::6] for name in group)) for start in range(6)]


@check("stream_retention.11", "stream_retention.12")
async def unused_streams_and_other_namespaces_stay(stream: Bounded, case: Case) -> None:
    """A stream never used is bounded, enforced and compacted without an error; nothing reaches into another namespace."""
    sibling = await case.sibling(whole=True)
    puts = await fill(sibling, "s", numbered(4), "k")
    for _ in range(2):
        await stream.enforce_retention("s")
        await stream.compact("s")
        same(
            "stream_retention.11",
            (await read(stream, "s"), await stream.latest_offset("s")),
            ([], None),
            "an unused stream is used",
        )
    await stream.set_retention("s", 1e6, 2)
    await stream.enforce_retention("s")
    same("stream_retention.11", (await read(stream, "s"), await stream.latest_offset("s")), ([], None), "an unused stream is used")
    same("stream_retention.12", await sibling.retention("s"), Retention(None, None), "bounds are those of another namespace")
    await _keeps(sibling, puts, "stream_retention.12", "beside another namespace")
    mine = await fill(stream, "s", numbered(3))
    await stream.enforce_retention("s")
    await _keeps(stream, mine[1:], "stream_retention.2", "with bounds from before its first record")


_AGED = {"all": (1.0, None), "all, of both": (1.0, 1000)}
_REMOVED = {"most": (None, 1), "most, of both": (1e6, 1), **_AGED}
"""Bounds, of which one or the other removes."""


@check("stream_retention.10", "stream_consumer_groups.10")
@gauntlet(lambda limits: [{"how": how, "answer": answer} for how in (*_REMOVED, "compact") for answer in ("ack", "nack", "leave")])
async def what_is_removed_blocks_no_group(stream: Retained, case: Case, how: str, answer: str) -> None:
    """Records that are removed while they are held, delayed or to come: their acks are harmless, and the group goes on; where
    nothing is left it waits.
    """
    if how in _AGED and not case.clock.virtual:
        return  # what is too old has to grow so
    await stream.create_group("s", "g")
    puts = [await append(stream, "s", b"%d" % number, "k") for number in range(5)]
    manager = stream.join("s", "g", "c")
    member = await manager.__aenter__()
    first, second, third = await take(case, member, 3)
    await member.nack(first, delay_s=5.0)
    if how == "compact":
        await stream.compact("s")
    else:
        await stream.set_retention("s", *_REMOVED[how])
        if how in _AGED:
            await case.advance(2.0)
        await stream.enforce_retention("s")
    if answer != "leave":
        with case.law("stream_retention.10"):
            await (member.ack if answer == "ack" else member.nack)(second, third)
    await manager.__aexit__(None, None, None)
    if case.clock.virtual:
        await case.advance(6.0)
    if how in _AGED:
        async with stream.join("s", "g", "c") as member:
            await waits(case, member, 5.0, "of a stream that its bounds emptied")
        await stream.set_retention("s")
    later = await append(stream, "s", b"later", "other")
    wanted = {later.offset, *([puts[-1].offset] if how == "compact" else [])}
    async with stream.join("s", "g", "c") as after:
        found: set[int] = set()
        while got := await receive(after, 1, patience_s(case) if wanted - found else 0):
            found |= {delivery.record.offset for delivery in got}
            await after.ack(*got)
        same("stream_retention.10", sorted(wanted - found), [], "a group does not go on with what is kept")


@check("stream_retention.8", "stream_retention.1", "stream_retention.6")
@gauntlet(lambda limits: [{"what": what} for what in ("enforce_retention", "compact", "set_retention", "read")])
async def appends_meanwhile_are_neither_lost_nor_doubled(stream: StreamRetention, case: Case, what: str) -> None:
    """Records inside that are appended while others enforce, compact, bound and read are there afterwards, each once (PS-08)."""
    slots = [stream, *[await case.client() for _ in range(2)]]
    puts = await fill(stream, "s", numbered(3))
    await stream.set_retention("s", max_records=40)
    case.overlap()

    async def disturb(slot: Any) -> None:
        for _ in range(6):
            if what == "read":
                await read(slot, "s")
            else:
                await (slot.set_retention("s", max_records=40) if what == "set_retention" else getattr(slot, what)("s"))

    more = await together(fill(slots[0], "s", numbered(6, "a")), fill(slots[1], "s", numbered(6, "b"), "k"), disturb(slots[2]))
    expected = sorted([*puts, *more[0], *more[1]], key=lambda put: put.offset)
    if what == "compact":
        await stream.compact("s")
        expected = [put for put in expected if put.key is None or put is more[1][-1]]
        if case.traits.compaction != "immediate":
            return
    await _keeps(stream, expected, "stream_retention.8", f"after appends beside {what}")
