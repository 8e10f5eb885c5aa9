"""stream_partitioning: each partition is a stream of its own, keys stay in theirs, and a group covers all."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import broken, refused, same
from prism_suites._queue_cancelling import cancelled, points
from prism_suites._racing import clients, together
from prism_suites._stream_parting import Parted, put_in, read_part
from prism_suites._stream_shared import Put, fill, is_record, numbered
from prism_suites._stream_taking import patience_s, receive, told_of
from prism_suites.interfaces.keyvalue_basic_limits import bad_names
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import (
    AlreadyExists,
    ConfigError,
    GroupNotFound,
    InvalidName,
    PayloadTooLarge,
    StreamPartitioning,
)
from prism_testkit.strategies import name_groups


async def _holds(slot: Any, name: str, partition: int, puts: Sequence[Put], story: str = "") -> list[Any]:
    """Judge that a partition holds exactly these records, in order."""
    got = await read_part(slot, name, partition)
    offsets = [put.offset for put in puts]
    same("stream_partitioning.6", [r.offset for r in got], offsets, f"a partition does not hold its records{story}")
    for record, put in zip(got, puts, strict=True):
        is_record("stream_partitioning.6", record, put, f"a record is not what was appended{story}")
        same("stream_partitioning.6", record.partition, partition, f"a record tells another partition{story}")
    if any(second.offset <= first.offset or second.appended_ms < first.appended_ms for first, second in pairwise(got)):
        broken("stream_partitioning.7", "offsets or instants of a partition do not increase", expected="in order", got=got)
    return got


_USES = ("append", "append there", "group", "pending")


@check("stream_partitioning.1", "stream_partitioning.2", "stream_partitioning.3")
@gauntlet(lambda limits: [{"n": n, "used": used} for n in (1, 2, 3, 16, 256) for used in ("never", *_USES, "own")])
async def partitions_are_given_once(stream: Parted, case: Case, n: int, used: str) -> None:
    """A stream that was not used gets so many, once; one that was used stays as it is, whatever is asked for (ST-08)."""
    other = await case.client()
    puts: list[Put] = []
    same("stream_partitioning.3", await stream.partitions("s"), 1, "a stream that was never used has partitions")
    if used == "append":
        await stream.append("s", b"x")
    elif used == "append there":
        await stream.append_to_partition("s", 0, b"x")
    elif used == "group":
        await stream.create_group("s", "g")
    elif used == "pending":
        puts = await fill(stream, "s", [b"x"])
        await stream.create_group("s", "g")
        async with stream.join("s", "g", "c") as member:
            await receive(member, 1, patience_s(case))
    before = await told_of(stream, "s", "g", puts) if used == "pending" else None
    has = n
    if used in _USES and n > 1:
        await refused("stream_partitioning.1", stream.create_partitioned("s", n), AlreadyExists, "a used stream gets partitions")
        has = 1
    else:
        await stream.create_partitioned("s", n)
    if used == "own" and n > 1:
        await other.append_to_partition("s", n - 1, b"x")
    for slot in (stream, other):
        same("stream_partitioning.3", await slot.partitions("s"), has, "a stream has another number of partitions")
        await slot.create_partitioned("s", has)
        for another in {1, 2, 5, 256} - {has} if has > 1 or used in _USES else ():
            await refused("stream_partitioning.1", slot.create_partitioned("s", another), AlreadyExists, "another number is taken")
    same("stream_partitioning.3", await other.partitions("s"), has, "a refused call changed the partitions")
    if before is not None:
        same("stream_partitioning.1", await told_of(other, "s", "g", puts), before, "a call that was refused changed a group")
    if n == 1 and used == "never":
        with case.law("stream_partitioning.2"):
            await other.create_partitioned("s", 2)
        same("stream_partitioning.2", await stream.partitions("s"), 2, "to give one partition is a use")


@check("stream_partitioning.2", "stream_partitioning.8", "stream_partitioning.11")
async def arguments_are_checked_before_any_effect(stream: StreamPartitioning, case: Case) -> None:
    """Numbers out of range, what is no int, illegal names, keys and payloads: each is refused, and nothing is appended."""
    for n in (0, -1, 257, 2**40):
        await refused("stream_partitioning.2", stream.create_partitioned("s", n), ValueError, f"{n} partitions are not refused")
    values: tuple[Any, ...] = ("2", None, 2.0, [2])
    for value in values:
        await refused("stream_partitioning.2", stream.create_partitioned("s", value), TypeError, f"{value!r} is not refused")
    await stream.create_partitioned("s", 3)
    for name, places in (("s", (-1, 3, 2**40)), ("ordinary", (-1, 1))):
        for place in places:
            for call in (stream.append_to_partition(name, place, b"x"), read_part(stream, name, place)):
                await refused("stream_partitioning.8", call, ValueError, f"partition {place} is not refused")
    for value in values:
        for call in (stream.append_to_partition("s", value, b"x"), read_part(stream, "s", value)):
            await refused("stream_partitioning.8", call, TypeError, f"{value!r} is not refused as a partition")
    await refused("stream_partitioning.8", read_part(stream, "s", 0, -1), ValueError, "a negative start is not refused")
    await refused("stream_partitioning.8", read_part(stream, "s", 0, 0, -1), ValueError, "a negative limit is not refused")
    too_large = bytes(case.limits.max_payload + 1)
    await refused("stream_partitioning.8", stream.append_to_partition("s", 0, too_large), PayloadTooLarge, "too much is taken")
    for name, _ in bad_names(case.limits.max_name):
        calls: list[Any] = [stream.create_partitioned(name, 2), stream.partitions(name), stream.append_to_partition(name, 0, b"x")]
        for call in (*calls, read_part(stream, name, 0), stream.append_to_partition("s", 0, b"x", name)):
            await refused("stream_partitioning.8", call, InvalidName, "a bad name is not refused")
    for partition in range(3):
        same("stream_partitioning.8", await read_part(stream, "s", partition), [], "a refused append left a record")
    same("stream_partitioning.8", await read_part(stream, "ordinary", 0), [], "a refused append left a record")


@check("stream_partitioning.6", "stream_partitioning.7", "stream_partitioning.4")
@gauntlet(lambda limits: [{"n": n, "count": count} for n, count in ((1, 5), (2, 1), (3, 20), (7, 40), (2, 260))])
@given(n=st.integers(1, 5), count=st.integers(0, 25))
async def each_partition_holds_what_was_put_there(stream: StreamPartitioning, case: Case, n: int, count: int) -> None:
    """Whoever appends, and with whatever key: records are in their partition, in order, and reads are bounded as any (ST-01)."""
    slots = [stream, await case.client()]
    count = min(count, 60) if case.server else count
    await stream.create_partitioned("s", n)
    puts: list[list[Put]] = [[] for _ in range(n)]
    for number in range(count):
        place = (number * 7 + number // 3) % n
        key = (None, "a", "b")[number % 3]
        puts[place].append(await put_in(slots[number % 2], "s", place, b"%d" % number, key))
    for place, mine in enumerate(puts):
        for slot in slots:
            everything = await _holds(slot, "s", place, mine)
        far = {2**31, 2**53 + 1, 2**63, 2**64} if place == n - 1 and count in (5, 20) else set[int]()
        for start in sorted({0, *(put.offset + more for put in mine[:4] for more in (0, 1)), *far}):
            for limit in (None, 0, 1, 2, 100, *(far if start == 0 else ())):
                wanted = [record for record in everything if record.offset >= start][:limit]
                got = await read_part(stream, "s", place, start, limit)
                same("stream_partitioning.6", got, wanted, f"a read from {start}, at most {limit}, is not bounded so")


_CONTENTS: tuple[tuple[bytes, dict[str, str] | None], ...] = ((b"0", None), (b"", {"a": "b"}), (b"2" * 999, {"a": "c", "b": ""}))
"""What records of one key hold otherwise."""


@check("stream_partitioning.5", "stream_partitioning.4")
@gauntlet(lambda limits: [{"n": n} for n in (2, 16)])
async def a_key_stays_in_its_partition(stream: StreamPartitioning, case: Case, n: int) -> None:
    """Equal keys are together, whichever client appends and whatever comes between; many keys are not all together (ST-08)."""
    slots = [stream, await case.client(), await case.client()]
    for slot in slots:  # who looked before knows of it too
        same("stream_partitioning.3", await slot.partitions("s"), 1, "a stream that was never used has partitions")
    await stream.create_partitioned("s", n)
    early = [f"early {number}" for number in range(8)]
    for key in early:
        await stream.append("s", b"early", key)
    keys = [*(f"key {number}" for number in range(100)), "k" * case.limits.max_name]
    families = [keys[:100]]
    if n == 2 and not case.server:  # alike in length, in how they begin, in how they end
        families += [[f"{number:03}" for number in range(100)], [f"{number:03}-end-{'x' * 40}" for number in range(100)]]
        most = case.limits.max_name
        families += [[f"{'x' * width}{number:03}" for number in range(100)] for width in sorted({min(40, most - 3), most - 3})]
        families += [[f"{'x' * (most // 2)}{number:03}{'y' * (most // 2 - 3)}" for number in range(100)]]
        keys += [key for family in families[1:] for key in family]
    keys += [name for group in name_groups(case.limits.max_name)[::15] for name in group[:2]]
    if n == 16 and not case.server:  # more than anybody remembers who gives each new key a partition, one after the other
        keys += [f"one of many {number}" for number in range(1100)]
    keys = list(dict.fromkeys(keys))
    appended, elsewhere = 2 * len(early), 0
    for turn, slot in enumerate(slots):
        keys = keys[:100] if turn == 2 else keys
        for key in keys if turn % 2 else reversed(keys):
            await slot.append("s", _CONTENTS[turn][0][: case.limits.max_payload], key, _CONTENTS[turn][1])
            if turn and key in families[0][::20]:  # also somewhere else
                elsewhere += 1
                await slot.append_to_partition("s", (elsewhere + turn) % n, b"elsewhere", key)
        await slot.append("s", b"no key")
        appended += len(keys) + 1
        if not turn:  # all those keys later
            for key in early:
                await slot.append("s", b"early", key)
    where: dict[str | None, set[int]] = {}
    total = 0
    for place in range(n):
        for record in await read_part(stream, "s", place):
            total += 1
            if record.payload == b"elsewhere":
                continue
            where.setdefault(record.key, set()).add(place)
    same("stream_partitioning.4", total, appended + elsewhere, "records with and without keys are lost, or doubled")
    apart = {key: places for key, places in where.items() if key is not None and len(places) > 1}
    same("stream_partitioning.5", apart, {}, "equal keys are in several partitions")
    for family in families:
        if len({next(iter(where[key])) for key in family}) < 2:
            sentence = f"100 different keys like {family[0]!r} are all in one partition"
            broken("stream_partitioning.5", sentence, expected="two or more", got=where[family[0]])


@check("stream_partitioning.9", "stream_partitioning.2")
async def what_needs_one_order_is_refused(stream: Parted, case: Case) -> None:
    """Reads, trims, last offsets and seeks by offset raise `ConfigError` on several partitions, and work on one."""
    slot = await case.whole()
    await stream.create_partitioned("s", 2)
    await stream.create_partitioned("one", 1)
    await stream.create_group("s", "g")
    offset = (await put_in(stream, "s", 1, b"x")).offset
    await stream.create_group("s", "behind")
    async with stream.join("s", "behind", "c") as member:
        await receive(member, 1, patience_s(case))
    before = await stream.group_info("s", "behind")

    async def read_all(records: Any) -> list[Any]:
        return [record async for record in records]

    calls: list[Any] = [
        *(
            lambda start=start, limit=limit: read_all(stream.read("s", start, limit))
            for start in (0, offset)
            for limit in (None, 0, 1)
        ),
        lambda: stream.trim("s", 1),
        lambda: stream.latest_offset("s"),
        *(lambda start=start: stream.create_group("s", "h", start) for start in (0, offset, 2**63)),
    ]
    if hasattr(slot, "seek"):
        calls += [
            *(lambda to=to: slot.seek("s", "g", to) for to in (0, offset, 2**63)),
            lambda: slot.seek("s", "behind", 0),
            lambda: read_all(slot.replay("s", 0, 10)),
            lambda: read_all(slot.replay("s", 0, 0)),
        ]
    for call in calls:
        await refused("stream_partitioning.9", call(), ConfigError, "what needs one order of offsets is not refused")
        same("stream_partitioning.9", await stream.group_info("s", "behind"), before, "a refused call changed a group")
        left = "a create_group that was refused left its group behind"
        await refused("stream_partitioning.9", stream.group_info("s", "h"), GroupNotFound, left)
    async with stream.join("s", "behind", "c") as member:
        again = [delivery.record.payload for delivery in await receive(member, 1, patience_s(case))]
    same("stream_partitioning.9", again, [b"x"], "after refused calls what is pending does not come again")
    (put,) = await fill(stream, "one", [b"y"])
    got = await read_part(stream, "one", 0)
    same("stream_partitioning.2", [r.offset for r in got], [put.offset], "an ordinary stream is not its partition 0")
    more = await put_in(stream, "one", 0, b"z")
    same("stream_partitioning.2", await stream.latest_offset("one"), more.offset, "an ordinary stream is not its partition 0")
    same("stream_partitioning.9", [r.payload for r in await read_part(stream, "s", 1)], [b"x"], "a refused call changed something")


@check("stream_partitioning.10", "stream_partitioning.7")
@gauntlet(
    lambda limits: [{"n": n, "start": start, "most": most} for n in (2, 5) for start in ("earliest", "latest") for most in (1, 7)]
)
async def a_group_covers_all_partitions(stream: Parted, case: Case, n: int, start: Any, most: int) -> None:
    """Every record of each partition comes once, in the order of its partition, with its number (ST-10, ST-12)."""
    await stream.create_partitioned("s", n)
    early = [await put_in(stream, "s", number % n, b"early %d" % number) for number in range(2 * n)]
    await stream.create_group("s", "g", start)
    later = [await put_in(stream, "s", number % n, b"%d" % number) for number in range(5 * n)]
    wanted = [[b"early %d" % m for m in range(2 * n) if m % n == p and start == "earliest"] for p in range(n)]
    wanted = [each + [b"%d" % m for m in range(5 * n) if m % n == p] for p, each in enumerate(wanted)]
    found: list[list[bytes]] = [[] for _ in range(n)]
    async with stream.join("s", "g", "c") as member:
        left = sum(map(len, wanted))
        while left > 0 and (got := await receive(member, most, patience_s(case))):
            for delivery in got:
                same("stream_partitioning.10", 0 <= delivery.record.partition < n, True, "a delivery tells no partition")
                found[delivery.record.partition].append(delivery.record.payload)
            await member.ack(*got)
            left -= len(got)
        story = f"a group does not get all records, those of each partition in their order ({len(early)}, {len(later)})"
        same("stream_partitioning.10", found, wanted, story)
        same("stream_partitioning.10", await receive(member, 10), [], "a group gets a record again")
        info = await stream.group_info("s", "g")
        same(
            "stream_partitioning.10",
            (info.members, info.pending, info.position),
            (1, 0, 0),
            "members, pending and position in group_info",
        )
        await put_in(stream, "s", 0, b"held")
        (held,) = await receive(member, 1, patience_s(case))
        await put_in(stream, "s", n - 1, b"beside")
        got = await receive(member, 1, patience_s(case))
        same("stream_partitioning.10", [d.record.payload for d in got], [b"beside"], "what is held of one partition stops another")
        same("stream_partitioning.10", (await stream.group_info("s", "g")).pending, 2, "group_info does not count over all")
    async with stream.join("s", "g", "c") as member:
        again: set[bytes] = set()
        while len(again) < 2 and (got := await receive(member, 5, patience_s(case))):
            again |= {delivery.record.payload for delivery in got}
        same("stream_partitioning.10", again, {held.record.payload, b"beside"}, "what was held does not come again")


@check("stream_partitioning.6", "stream_partitioning.7")
@gauntlet(lambda limits: [{"count": count} for count in (3, 130)])
async def open_reads_are_apart(stream: StreamPartitioning, case: Case, count: int) -> None:
    """Reads of several partitions, and of one, by one client in turns give each its own, up to the end as of their first step,
    also where a read is more than one page of the store.
    """
    count = min(count, 40) if case.server else count
    await stream.create_partitioned("s", 3)
    puts = [
        [await put_in(stream, "s", place, b"%d.%d" % (place, number)) for number in range(count + 2 * place)] for place in range(3)
    ]
    opened = [
        (place, start, stream.read_partition("s", place, puts[place][start].offset)) for place in range(3) for start in (0, 2)
    ]
    found: list[list[int]] = [[] for _ in opened]
    for _ in range(count + 6):
        for number, (_, _, records) in enumerate(opened):
            if (record := await anext(records, None)) is not None:
                found[number].append(record.offset)
    wanted = [[put.offset for put in puts[place][start:]] for place, start, _ in opened]
    same("stream_partitioning.6", found, wanted, "reads of partitions that are open at once mix")


@check("stream_partitioning.7", "stream_partitioning.1", "stream_partitioning.5")
@gauntlet(lambda limits: [{"count": count, "same_n": same_n} for count in (2, 4) for same_n in (True, False)])
async def clients_at_once_lose_nothing(stream: StreamPartitioning, case: Case, count: int, same_n: bool) -> None:
    """Who gives partitions at once agree on one number; what they append at once is there, once each (PS-08)."""
    slots = await clients(stream, case, range(count))
    case.overlap()

    async def make(slot: Any, n: int) -> int | None:
        try:
            await slot.create_partitioned("s", n)
        except AlreadyExists:
            return None
        return n

    told = await together(*(make(slot, 3 if same_n else 3 + number) for number, slot in enumerate(slots)))
    n = await stream.partitions("s")
    won = {each for each in told if each is not None}
    same("stream_partitioning.1", won, {n}, "calls that give partitions at once do not agree")
    if same_n:
        same("stream_partitioning.1", told, [3] * count, "a call that gives the same number is refused")

    async def run(slot: Any, number: int) -> list[Put]:
        return [await put_in(slot, "s", place % n, b"%d-%d" % (number, place)) for place in range(2 * n)]

    batches = await together(*(run(slot, number) for number, slot in enumerate(slots)))
    for place in range(n):
        puts = [put for batch in batches for at, put in enumerate(batch) if at % n == place]
        await _holds(stream, "s", place, sorted(puts, key=lambda put: put.offset), " after appends at once")


@check("stream_partitioning.12")
@gauntlet(points(("create", "append")))
async def a_cancelled_call_did_all_or_nothing(stream: StreamPartitioning, case: Case, kind: str, point: int) -> None:
    """A cancelled call gave all partitions or none, and left its record whole or absent; the driver works (ST-36)."""
    if kind == "create":
        ended, _ = await cancelled(stream.create_partitioned("s", 16), point)
        n = await stream.partitions("s")
        if n not in (1, 16) or (ended and n != 16):
            broken("stream_partitioning.12", "a cancelled create_partitioned gave a part", expected="1 or 16", got=n)
    await stream.create_partitioned("s", 16)
    found: list[bytes] = []
    if kind == "append":
        await cancelled(stream.append_to_partition("s", 2, b"in doubt"), point)
        found = [record.payload for record in await read_part(stream, "s", 2)]
        if found not in ([], [b"in doubt"]):
            broken("stream_partitioning.12", "a cancelled append left a part", expected="whole or absent", got=found)
    for place in range(4):
        for payload in numbered(2):
            await put_in(stream, "s", place, payload)
        got = [record.payload for record in await read_part(stream, "s", place)]
        more = [payload for payload in got if payload != b"in doubt"]
        same("stream_partitioning.12", more, numbered(2), f"after a cancelled {kind} a partition does not go on")
