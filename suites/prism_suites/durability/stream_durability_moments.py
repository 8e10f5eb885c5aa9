"""A process that keeps streams in files dies in the middle of a call, behind each write that the call makes to them."""

from collections.abc import Iterator
from typing import Annotated, Any

from prism_suites._judging import broken, same
from prism_suites._moments import MANY, Entered, at_every_write, keeps_files, when_power_is_lost
from prism_suites._stream_taking import receive
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import NotFound, Record, StreamBasic, StreamConsumerGroups
from prism_testkit.traits import Limits, Traits

_LOG, _GROUPS = "stream_basic.15", "stream_consumer_groups.16"
_HEADERS = {"h": "v"}
_RECORDS = tuple((b"%d" % number, "k" if number % 2 else None) for number in range(4))
_KEPT, _POWERFUL = Traits(durability="process"), Traits(durability="power")
_MUCH = "much in another stream"
_PAGES = "records of some pages"
_LONGEST = 250 * 16 * 3
_CALLS = ("append", "create_group", "join", "receive", "ack", "ack of two", "nack", "leave")
_GIVEN = ("receive", "ack", "ack of two", "nack", "leave")


async def _fill(slot: Any) -> list[int]:
    return [await slot.append("s", payload, key, _HEADERS) for payload, key in _RECORDS]


async def _log(slot: Any) -> list[tuple[int, bytes, str | None, dict[str, str]]]:
    records: list[Record] = [record async for record in slot.read("s")]
    latest = records[-1].offset if records else None
    if records and await slot.latest_offset("s") != latest:
        broken(_LOG, "after the kill the latest offset is that of no record", expected=latest, got=await slot.latest_offset("s"))
    return [(record.offset, record.payload, record.key, dict(record.headers)) for record in records]


def _appends(limits: Limits) -> Iterator[dict[str, str]]:
    for call in ("append", "append with a key", "the first append", "trim", "trim of all", _MUCH, _PAGES):
        if call != _PAGES or limits.max_payload >= _LONGEST:
            yield {"call": call}


def _of_groups(limits: Limits) -> Iterator[dict[str, Any]]:
    for call in ("append", "create_group", "join", *_GIVEN):
        for before in (False, True) if call in _GIVEN else (False,):
            yield {"call": call, "before": before}


@check(_LOG)
@gauntlet(_appends)
async def a_call_that_dies_between_its_writes_is_whole_or_absent(
    stream: Annotated[StreamBasic, _KEPT], case: Case, call: str
) -> None:
    """Whatever an append or a trim had written to files when its process was killed, it has its effect or none, and the next
    record stands behind all others; of a trim it may have a part. Of files only: servers have other checks (ST-33).
    """
    if keeps_files(case):
        await _dies(case, call, power=False)


@check(_LOG)
@gauntlet(_appends)
async def what_was_acknowledged_is_there_when_power_was_lost(
    stream: Annotated[StreamBasic, _POWERFUL], case: Case, call: str
) -> None:
    """With ``durability="power"`` so it is of a loss of power, of which files keep what was synced (ST-33)."""
    await _dies(case, call, power=True)


async def _dies(case: Case, call: str, *, power: bool) -> None:
    logs: list[Any] = []

    async def prepare(slot: Any) -> None:
        offsets = await _fill(slot) if call != "the first append" else []
        logs.append((await _log(slot), offsets))

    async def act(slot: Any) -> None:
        offsets = logs[0][1]
        match call:
            case "trim":
                await slot.trim("s", offsets[2])
            case _ if call == _MUCH:
                for _ in range(MANY):
                    await slot.append("elsewhere", b"new")
                await slot.append("s", b"new", None, _HEADERS)
            case "trim of all":
                await slot.trim("s", offsets[-1] + 1)
            case _ if call == _PAGES:
                for pages in (2, 3):
                    await slot.append("s", bytes(range(250)) * 16 * pages, None, _HEADERS)
            case _:
                await slot.append("s", b"new" * 20, "k" if call == "append with a key" else None, _HEADERS)

    async def done(slot: Any) -> None:
        logs.append((await _log(slot), []))

    async def judged(slot: Any, told: str) -> None:
        found, (before, after) = await _log(slot), [log for log, _ in logs]
        part = call.startswith("trim") and len(found) >= len(after) and found == before[len(before) - len(found) :]
        part |= call == _PAGES and len(found) >= len(before) and found == after[: len(found)]
        if found not in (before, after) and not part:
            sentence = f"killed {told}, the stream is neither what it was nor what it was to be"
            broken(_LOG, sentence, expected=[before, after], got=found)
        offset = await slot.append("s", b"again", None, _HEADERS)
        last = max([entry[0] for entry in found], default=-1)
        if offset <= last:
            broken(_LOG, f"killed {told}, the next record does not stand behind all others", expected=f"over {last}", got=offset)
        same(_LOG, await _log(slot), [*found, (offset, b"again", None, _HEADERS)], f"killed {told}, an append changes more")

    turns = call == _MUCH
    if power:
        await when_power_is_lost(case, _LOG, call, act, judged, prepare=prepare, seen=_log, done=done, only_turns=turns)
    else:
        await at_every_write(case, _LOG, call, act, judged, prepare=prepare, done=done, only_turns=turns, again=_log)


@check(_GROUPS, _LOG)
@gauntlet(_of_groups)
async def what_dies_with_a_group_loses_nothing(
    stream: Annotated[StreamConsumerGroups, _KEPT], case: Case, call: str, before: bool
) -> None:
    """Whatever a call of a group had written when its process was killed: each record that was not acked comes to the next member,
    whole; if it was given ``before``, to somebody who gave it back, too. Of files only: servers have other checks (ST-34).
    """
    if keeps_files(case):
        await _dies_with_a_group(case, call, before, power=False)


@check(_GROUPS, _LOG)
@gauntlet(_of_groups)
async def groups_lose_nothing_when_power_is_lost(
    stream: Annotated[StreamConsumerGroups, _POWERFUL], case: Case, call: str, before: bool
) -> None:
    """With ``durability="power"`` so it is of a loss of power, of which files keep what was synced (ST-34)."""
    await _dies_with_a_group(case, call, before, power=True)


async def _dies_with_a_group(case: Case, call: str, before: bool, *, power: bool) -> None:
    timeout_s = case.traits.member_timeout_s
    if timeout_s is None:
        return
    given: list[Any] = []
    acked = {"ack": 1, "ack of two": 2}.get(call, 0)
    entered = Entered()

    async def prepare(slot: Any) -> None:
        await slot.create_group("s", "g")
        await _fill(slot)
        if call not in ("create_group", "append", "join"):
            member = await entered.enter(slot.join("s", "g", "c"))
            if before:
                await member.nack(*await receive(member, 2))
            given.extend([member, await receive(member, 2) if call != "receive" else []])

    async def act(slot: Any) -> None:
        match call:
            case "append":
                await slot.append("s", b"new", None, _HEADERS)
            case "create_group":
                await slot.create_group("s", "another")
            case "join":
                await entered.enter(slot.join("s", "g", "c"))
            case "receive":
                await given[0].receive(2)
            case "nack":
                await given[0].nack(*given[1], delay_s=10.0)
            case "leave":
                await entered.leave()
            case _:
                await given[0].ack(*given[1][:acked])

    async def left(slot: Any, group: str = "g") -> dict[bytes, dict[str, str]]:
        found: dict[bytes, dict[str, str]] = {}
        async with slot.join("s", group, "d") as member:
            while got := await receive(member, 10, 100.0):
                found |= {delivery.record.payload: dict(delivery.record.headers) for delivery in got}
                await member.ack(*got)
        return found

    async def frees(slot: Any) -> bool:
        await case.advance(2 * timeout_s + 100.0)
        found = await left(slot)
        return len(found) != len(_RECORDS) - 2

    async def judged(slot: Any, told: str) -> None:
        await case.advance(2 * timeout_s + 100.0)
        for group in ("g", "another") if call == "create_group" else ("g",):
            gone = {delivery.record.payload for delivery in given[1][:acked]} if group == "g" and acked else set()
            needed = {payload for payload, _ in _RECORDS} - gone
            try:
                found = await left(slot, group)
            except NotFound:
                same(_GROUPS, group, "another", f"killed {told}, a group is gone")
                continue
            allowed = {payload for payload, _ in _RECORDS} | {b"new"}
            if not needed <= found.keys() <= allowed:
                broken(
                    _GROUPS, f"killed {told}, records do not come to the next member", expected=sorted(needed), got=sorted(found)
                )
            if wrong := [headers for headers in found.values() if headers != _HEADERS]:
                broken(_GROUPS, f"killed {told}, a record has lost its headers", expected=_HEADERS, got=wrong[0])

    async def seen(slot: Any) -> list[bytes]:
        await case.advance(2 * timeout_s + 100.0)
        found = await left(slot, "another" if call == "create_group" else "g")
        return sorted({*found, *(delivery.record.payload for delivery in (given[1][:acked] if acked else ()))})

    if power:
        await when_power_is_lost(case, _GROUPS, call, act, judged, prepare=prepare, seen=seen, done=entered.leave)
        return
    held = call not in ("create_group", "append", "join") and case.traits.sharing == "processes"
    await at_every_write(case, _GROUPS, call, act, judged, prepare=prepare, done=entered.leave, frees=frees if held else None)
