"""Calls of pub/sub that come to nothing, as a table: what stands behind them is as if they had not been."""

import math
from typing import Any

from prism_suites._behind import Refusal
from prism_testkit.interfaces import PubSubBasic, PubSubOrdering, PubSubPersistent, PubSubWildcards

__all__ = ["REFUSALS", "entered"]

_TOO_MANY = {"h": "v" * 9000}


async def entered(manager: Any) -> None:
    """Enter and leave."""
    async with manager:
        pass


REFUSALS: dict[str, Refusal] = {
    "publish under no name": Refusal(PubSubBasic, "pubsub_basic.6", lambda p, held: p.publish("", b"refused", {"r": "1"})),
    "publish with too many headers": Refusal(PubSubBasic, "pubsub_basic.6", lambda p, held: p.publish("scene", b"r", _TOO_MANY)),
    "subscribe under no name": Refusal(PubSubBasic, "pubsub_basic.6", lambda p, held: entered(p.subscribe(""))),
    "receive without an end": Refusal(PubSubBasic, "pubsub_basic.9", lambda p, held: held["ear"].receive(math.nan)),
    "subscribe to a pattern that is none": Refusal(
        PubSubWildcards, "pubsub_wildcards.7", lambda p, held: entered(p.subscribe_pattern(""))
    ),
    "publish_persistent under no name": Refusal(
        PubSubPersistent, "pubsub_persistent.11", lambda p, held: p.publish_persistent("", b"refused", {"r": "1"})
    ),
    "publish_persistent with too many headers": Refusal(
        PubSubPersistent, "pubsub_persistent.11", lambda p, held: p.publish_persistent("scene", b"refused", _TOO_MANY)
    ),
    "subscribe_durable under no name": Refusal(
        PubSubPersistent, "pubsub_persistent.11", lambda p, held: entered(p.subscribe_durable("scene", ""))
    ),
    "subscribe_durable from nowhere": Refusal(
        PubSubPersistent, "pubsub_persistent.11", lambda p, held: entered(p.subscribe_durable("scene", "s2", "middle"))
    ),
    "receive of none": Refusal(PubSubPersistent, "pubsub_persistent.9", lambda p, held: held["member"].receive(0)),
    "nack for NaN": Refusal(
        PubSubPersistent, "pubsub_persistent.8", lambda p, held: held["member"].nack(held["valid"], delay_s=math.nan)
    ),
    "ack of another's": Refusal(PubSubPersistent, "pubsub_persistent.15", lambda p, held: held["other"].ack(held["valid"])),
    "ack of what ended": Refusal(PubSubPersistent, "pubsub_persistent.15", lambda p, held: held["member"].ack(held["ended"])),
    "nack of what ended": Refusal(
        PubSubPersistent, "pubsub_persistent.15", lambda p, held: held["member"].nack(held["ended"], delay_s=60.0)
    ),
    "publish_ordered under no key": Refusal(
        PubSubOrdering, "pubsub_ordering.7", lambda p, held: p.publish_ordered("scene", "", b"refused", {"r": "1"})
    ),
}
