"""Calls of a stream that come to nothing, as a table: what stands behind them is as if they had not been."""

import math
from typing import Any

from prism_suites._behind import Refusal
from prism_suites._using_up import left_early
from prism_testkit.interfaces import StreamBasic, StreamConsumerGroups, StreamPartitioning, StreamRetention

__all__ = ["REFUSALS", "joins"]

_TOO_MANY = {"h": "v" * 9000}


async def joins(slot: Any, stream: str, group: str, consumer: str) -> None:
    """Join and leave."""
    async with slot.join(stream, group, consumer):
        pass


REFUSALS: dict[str, Refusal] = {
    "append under no name": Refusal(StreamBasic, "stream_basic.9", lambda s, held: s.append("", b"refused", "key", {"r": "1"})),
    "append under no key": Refusal(StreamBasic, "stream_basic.9", lambda s, held: s.append("scene", b"refused", "", {"r": "1"})),
    "append with too many headers": Refusal(
        StreamBasic, "stream_basic.9", lambda s, held: s.append("scene", b"refused", "key", _TOO_MANY)
    ),
    "read from -1": Refusal(StreamBasic, "stream_basic.9", lambda s, held: left_early(s.read("scene", -1))),
    "read of -1": Refusal(StreamBasic, "stream_basic.5", lambda s, held: left_early(s.read("scene", 0, -1))),
    "trim before -1": Refusal(StreamBasic, "stream_basic.9", lambda s, held: s.trim("scene", -1)),
    "create_group again": Refusal(
        StreamConsumerGroups, "stream_consumer_groups.2", lambda s, held: s.create_group("scene", "g", "latest")
    ),
    "create_group at -1": Refusal(
        StreamConsumerGroups, "stream_consumer_groups.2", lambda s, held: s.create_group("scene", "h", -1)
    ),
    "join of what is missing": Refusal(
        StreamConsumerGroups, "stream_consumer_groups.2", lambda s, held: joins(s, "scene", "missing", "c")
    ),
    "join under no name": Refusal(StreamConsumerGroups, "stream_consumer_groups.13", lambda s, held: joins(s, "scene", "g", "")),
    "receive of none": Refusal(StreamConsumerGroups, "stream_consumer_groups.10", lambda s, held: held["member"].receive(0)),
    "receive without an end": Refusal(
        StreamConsumerGroups, "stream_consumer_groups.10", lambda s, held: held["member"].receive(1, math.nan)
    ),
    "nack for NaN": Refusal(
        StreamConsumerGroups, "stream_consumer_groups.7", lambda s, held: held["member"].nack(held["valid"], delay_s=math.nan)
    ),
    "ack of another's": Refusal(StreamConsumerGroups, "stream_consumer_groups.8", lambda s, held: held["other"].ack(held["valid"])),
    "ack of what ended": Refusal(
        StreamConsumerGroups, "stream_consumer_groups.8", lambda s, held: held["member"].ack(held["ended"])
    ),
    "set_retention of -1": Refusal(StreamRetention, "stream_retention.5", lambda s, held: s.set_retention("kept", None, -1)),
    "partitions of none": Refusal(StreamPartitioning, "stream_partitioning.2", lambda s, held: s.create_partitioned("new", 0)),
}
