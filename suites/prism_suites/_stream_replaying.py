"""Groups that are moved, and what comes to them afterwards."""

from collections.abc import Sequence
from typing import Any, Protocol

from prism_suites._judging import broken, same
from prism_suites._stream_shared import Put, is_record
from prism_suites._stream_taking import receive, take
from prism_testkit.case import Case
from prism_testkit.interfaces import RecordDelivery, StreamBasic, StreamConsumerGroups, StreamReplay

__all__ = ["Replayed", "comes_after", "from_on", "quiet_group"]


class Replayed(StreamBasic, StreamConsumerGroups, StreamReplay, Protocol):
    """A stream that can be trimmed, its groups, and the moving of these."""


async def comes_after(
    case: Case, slot: Any, puts: Sequence[Put], promise: str, story: str, *, stream: str = "s", group: str = "g", acks: bool = True
) -> list[RecordDelivery]:
    """Join as the only member, and judge that exactly these records come, for the first time since the group was moved."""
    async with slot.join(stream, group, "c") as member:
        got = await take(case, member, len(puts))
        found, wanted = [delivery.record.offset for delivery in got], [put.offset for put in puts]
        if found != wanted:
            broken(promise, f"after {story} a group does not get what it should", expected=wanted, got=found)
        for delivery, put in zip(got, puts, strict=True):
            is_record("stream_replay.1", delivery.record, put, f"after {story} a record does not come whole")
            if case.traits.delivery_count == "exact":
                same("stream_replay.3", delivery.delivery_count, 1, f"after {story} deliveries are not counted from 1")
        if acks:
            await member.ack(*got)
            more = await receive(member, 10)
            same(promise, [delivery.record.offset for delivery in more], [], f"after {story} a group gets more than it should")
    return got


async def quiet_group(
    case: Case, slot: Any, puts: Sequence[Put], promise: str, story: str, *, stream: str = "s", group: str = "g"
) -> None:
    """Judge what is told of a group that was moved in front of these, all of what is kept from there on.

    If it is told otherwise, what comes tells whether the group was moved elsewhere (``promise``) or only tells so.
    """
    info = await slot.group_info(stream, group)
    same("stream_replay.3", (info.members, info.pending), (0, 0), f"after {story} something of the group is still pending")
    between = [record.offset async for record in slot.read(stream, info.position)]
    if between != [put.offset for put in puts]:
        await comes_after(case, slot, puts, promise, story, stream=stream, group=group)
        sentence = f"after {story} there are records between the position and the next, or it is behind that"
        broken("stream_replay.3", sentence, expected=[put.offset for put in puts][:1], got=info.position)


def from_on(puts: Sequence[Put], offset: int) -> list[Put]:
    """Return the records from an offset on."""
    return [put for put in puts if put.offset >= offset]
