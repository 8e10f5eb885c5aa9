"""Plain and durable subscriptions of one topic: whether what is published for one kind reaches the other is the backend's."""

from typing import Any

from prism_suites._pubsub_members import received
from prism_suites._pubsub_taking import patience
from prism_testkit.case import Case

__all__ = ["mixes"]


async def mixes(case: Case, slot: Any) -> bool:
    """Say whether one of two subscriptions, a plain and a durable one, is given what was published for the other."""
    topic, ends = "a topic of its own", (b"persistent", b"plain")
    async with slot.subscribe(topic) as plain, slot.subscribe_durable(topic, "s", "earliest") as member:
        for _ in range(2):  # the last of each kind ends what is looked at; it stands behind the first of the other kind
            await slot.publish_persistent(topic, ends[0])
            await slot.publish(topic, ends[1])
        heard: list[bytes] = []
        while heard.count(ends[1]) < 2 and (message := await plain.receive(patience(case))) is not None:
            heard.append(message.payload)
        kept: list[bytes] = []
        while kept.count(ends[0]) < 2 and (got := await received(case, member)):
            await member.ack(*got)
            kept += [delivery.message.payload for delivery in got]
    return ends[0] in heard or ends[1] in kept
