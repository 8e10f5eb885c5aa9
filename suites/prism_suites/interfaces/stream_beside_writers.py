"""Streams that are read while many append at once, what is large beside what is small: none of it is passed over."""

from typing import Any

from prism_suites._beside_writers import beside_writers
from prism_suites._judging import same
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import StreamBasic, StreamConsumerGroups

_MOST = 10


def _append(slot: Any, number: int, payload: bytes) -> Any:
    return slot.append("s", payload, f"k{number}")


@check("stream_basic.4", "stream_basic.1", "stream_basic.12")
async def a_reader_passes_nothing_over(stream: StreamBasic, case: Case) -> None:
    """Who reads on from behind the last record while many append at once sees every record, however many of them overlap."""
    seen: list[int] = []

    async def look() -> None:
        async for record in stream.read("s", seen[-1] + 1 if seen else 0):
            seen.append(record.offset)

    told = await beside_writers(case, stream, _append, look)
    await look()
    sentence = "of what many append at once, a record appears behind the reader's back, below an offset that it read"
    same("stream_basic.4", seen, sorted(told), sentence)


@check("stream_consumer_groups.1", "stream_consumer_groups.10")
async def a_member_passes_nothing_over(stream: StreamConsumerGroups, case: Case) -> None:
    """Who receives and acks while many append at once gets every record, however many of them overlap."""
    await stream.create_group("s", "g")
    async with stream.join("s", "g", "c") as member:
        seen: list[int] = []

        async def look(timeout_s: float = 0) -> bool:
            deliveries = await member.receive(_MOST, timeout_s)
            seen.extend(delivery.record.offset for delivery in deliveries)
            await member.ack(*deliveries)
            return bool(deliveries)

        told = await beside_writers(case, stream, _append, look)
        while len(seen) < len(told) and await look(500.0 if case.clock.virtual else 10.0):
            pass
        sentence = "of what many append at once, a record is passed over by a member that receives meanwhile"
        same("stream_consumer_groups.1", sorted(seen), sorted(told), sentence)
