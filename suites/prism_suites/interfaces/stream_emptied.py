"""stream: what was emptied has an end all the same, whatever is asked of it then."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._stream_bounds import everything
from prism_suites._stream_shared import append, fill, numbered, read
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import (
    StreamBasic,
    StreamConsumerGroups,
    StreamPartitioning,
    StreamReplay,
    StreamRetention,
)
from prism_testkit.tap import offers

_THEN: dict[str, tuple[type, Callable[[Any], Any]]] = {
    "trim": (StreamBasic, lambda slot: slot.trim("s", 0)),
    "trim to the end": (StreamBasic, lambda slot: slot.trim("s", 10**9)),
    "read": (StreamBasic, lambda slot: read(slot, "s")),
    "compact": (StreamRetention, lambda slot: slot.compact("s")),
    "enforce_retention": (StreamRetention, lambda slot: slot.enforce_retention("s")),
    "set_retention": (StreamRetention, lambda slot: slot.set_retention("s", 1e6, 5)),
    "retention": (StreamRetention, lambda slot: slot.retention("s")),
    "create_group": (StreamConsumerGroups, lambda slot: slot.create_group("s", "g")),
    "group_info": (StreamConsumerGroups, lambda slot: slot.group_info("s", "before")),
    "join": (StreamConsumerGroups, lambda slot: _joined(slot)),
    "seek": (StreamReplay, lambda slot: slot.seek("s", "before", 0)),
    "seek_to_time": (StreamReplay, lambda slot: slot.seek_to_time("s", "before", 0)),
    "replay": (StreamReplay, lambda slot: everything(slot.replay("s", 0, 10**9))),
    "partitions": (StreamPartitioning, lambda slot: slot.partitions("s")),
    "create_partitioned": (StreamPartitioning, lambda slot: _parted(slot)),
}


async def _joined(slot: Any) -> None:
    async with slot.join("s", "before", "c") as member:
        same("stream_consumer_groups.10", await member.receive(3), [], "a member of a stream that is empty is given something")


async def _parted(slot: Any) -> None:
    with suppress(Exception):  # the stream was used, and what that raises is judged elsewhere
        await slot.create_partitioned("s", 3)


@check("stream_basic.6", "stream_basic.3", "stream_basic.1", "stream_retention.9")
@gauntlet(lambda limits: [{"then": then, "by": by} for then in _THEN for by in ("trim", "age")])
async def what_is_emptied_keeps_its_end(stream: StreamBasic, case: Case, then: str, by: str) -> None:
    """Emptied by a trim or by its bounds, and then asked for this or that, a stream tells its last offset, and gives none again."""
    slot = await case.whole()
    interface, call = _THEN[then]
    if not offers(slot, interface) or (by == "age" and not (offers(slot, StreamRetention) and case.clock.virtual)):
        return
    if offers(slot, StreamConsumerGroups):
        await slot.create_group("s", "before")
    puts = await fill(stream, "s", numbered(5), "k")
    if by == "trim":
        await stream.trim("s", puts[-1].offset + 1)
    else:
        await slot.set_retention("s", 1.0)
        await case.advance(10.0)
        await slot.enforce_retention("s")
        await slot.set_retention("s")
    same("stream_basic.7", await read(stream, "s"), [], "a stream that was emptied gives something")
    other = await case.client()
    promise = "stream_retention.9" if interface is StreamRetention or by == "age" else "stream_basic.6"
    for turn in ("", ", again"):
        await call(slot)
        for client in (stream, other):
            told = f"latest_offset of a stream that was emptied by {by}, behind {then}{turn}"
            same(promise, await client.latest_offset("s"), puts[-1].offset, told)
        if then == "create_group":
            break
    put = await append(other, "s", b"next", "k")
    if put.offset <= puts[-1].offset:
        sentence = f"an offset is given again, behind {then} of a stream that was emptied"
        broken("stream_basic.3", sentence, expected=f"above {puts[-1].offset}", got=put.offset)
    same("stream_basic.1", [record.offset for record in await read(stream, "s")], [put.offset], f"a read behind {then}")
