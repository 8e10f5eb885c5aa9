"""Whichever call was the last one before a process that keeps streams in files is killed: the next one finds what was there."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from prism_suites._judging import refused, same
from prism_suites._moments import keeps_files
from prism_suites._mortal import sizes
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import AlreadyExists, StreamBasic, StreamPartitioning, StreamReplay, StreamRetention
from prism_testkit.strategies import patterned
from prism_testkit.tap import offers
from prism_testkit.traits import Limits, Traits

_LOG, _BOUNDS, _PARTS, _MOVES = "stream_basic.15", "stream_retention.14", "stream_partitioning.13", "stream_replay.11"
_Act = Callable[[Any], Awaitable[Any]]
Kept = Annotated[StreamRetention, Traits(durability="process")]


def _appends(*keys: str | None) -> list[tuple[str, str, _Act]]:
    def act(number: int, key: str | None) -> _Act:
        headers = {"h": str(number)} if number % 2 else None
        return lambda slot: slot.append("s", b"%d" % number, key, headers)

    return [(_LOG, "append", act(number, key)) for number, key in enumerate(keys)]


def _large(limits: Limits, parted: bool) -> list[tuple[str, str, _Act]]:
    def act(size: int) -> _Act:
        payload = patterned(size, seed=size)
        return lambda slot: slot.append_to_partition("p", 1, payload, "k") if parted else slot.append("s", payload, "large")

    return [(_PARTS if parted else _LOG, f"append of {size} bytes", act(size)) for size in sizes(limits.max_payload)]


async def _bound(slot: Any) -> None:
    await slot.set_retention("s", max_records=3)
    await slot.enforce_retention("s")


async def _trim(slot: Any, keep: int) -> None:
    records = [record async for record in slot.read("s")]
    await slot.trim("s", records[-keep].offset if keep else records[-1].offset + 1)


async def _records(source: Any) -> list[tuple[Any, ...]]:
    return [(r.offset, r.key, r.payload, dict(r.headers), r.appended_ms) async for r in source]


async def _seen(case: Case, slot: Any) -> dict[str, Any]:
    """Return all that a client is told of the streams."""
    told: dict[str, Any] = {"records": await _records(slot.read("s")), "bounds": await slot.retention("s")}
    if offers(slot, StreamBasic):
        told["the last offset"] = await slot.latest_offset("s")
    if offers(slot, StreamReplay) and case.traits.ack_survives_kill == "yes":
        position = (await slot.group_info("s", "g")).position
        told["what was not delivered to a group"] = [record for record in told["records"] if record[0] >= position]
    if offers(slot, StreamPartitioning):
        told["the number of partitions"] = count = await slot.partitions("p")
        told["the partitions"] = [await _records(slot.read_partition("p", number)) for number in range(count)]
    return told


@check(_BOUNDS, _LOG, _PARTS, _MOVES, "stream_partitioning.1")
async def whatever_was_the_last_call_is_there(stream: Kept, case: Case) -> None:
    """Killed behind each call of a life: records, bounds, partitions and positions are those that were told before (ST-25).

    Of files only: servers have other checks.
    """
    if not keeps_files(case):
        return
    place = case.mortal()
    namespace = place.new_namespace()
    slot = await place.client(0, namespace)
    compact: list[tuple[str, str, _Act]] = [(_BOUNDS, "compact", lambda slot: slot.compact("s"))]
    steps = [*_appends("a", "b", "a", None, "b", "c"), (_BOUNDS, "set_retention", lambda slot: slot.set_retention("s", 1e6, 100))]
    steps += compact if case.traits.compaction == "immediate" else []
    if offers(slot, StreamReplay):
        await slot.create_group("s", "g")
        steps += [(_MOVES, "seek", lambda slot: slot.seek("s", "g", 10**6)), (_MOVES, "seek", lambda slot: slot.seek("s", "g", 0))]
    if offers(slot, StreamPartitioning):
        steps += [(_PARTS, "create_partitioned", lambda slot: slot.create_partitioned("p", 3))]
        steps += [(_PARTS, "append_to_partition", lambda slot: slot.append_to_partition("p", 1, b"p", "k"))]
        steps += _large(case.limits, True)
    steps += _large(case.limits, False)
    steps += [(_BOUNDS, "enforce_retention", _bound), (_BOUNDS, "set_retention", lambda slot: slot.set_retention("s"))]
    if offers(slot, StreamBasic):
        steps += [(_LOG, "trim", lambda slot: _trim(slot, 2)), *_appends("d")]
        steps += [(_LOG, "trim", lambda slot: _trim(slot, 0)), *_appends("d")]
    for promise, call, act in steps:
        with case.law(promise):
            await act(slot)
            before = await _seen(case, slot)
            await place.kill()
            slot = await place.client(0, namespace)
            after = await _seen(case, slot)
        if offers(slot, StreamPartitioning):  # a stream that was used is known to be so
            told = f"killed behind {call}: a stream that was used is made one of partitions"
            await refused("stream_partitioning.1", slot.create_partitioned("s", 2), AlreadyExists, told)
            after = await _seen(case, slot)
        for what, told in before.items():
            same(promise, after[what], told, f"killed behind {call}: what is told of the {what} is not what was told before")
