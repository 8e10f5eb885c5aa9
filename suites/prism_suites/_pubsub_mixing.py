"""Plain and durable subscriptions of one topic: whether what is published for one kind reaches the other is the backend's."""

from collections.abc import Sequence
from typing import Any

from prism_suites._judging import broken
from prism_suites._pubsub_members import received
from prism_suites._pubsub_taking import Ear, Sent, is_message, patience, quiet
from prism_testkit.case import Case
from prism_testkit.interfaces import Message

__all__ = ["hears_its_own", "mixes"]


async def hears_its_own(ear: Ear, own: Sequence[Sent], others: Sequence[Sent], story: str, lost: str = "") -> None:
    """Receive what was published for it, in order and once; what was published for the other kind may come, whole and once."""
    laws, pending, besides = ear.laws, list(own), {(sent.id, sent.payload): sent for sent in others}
    while True:
        got = await ear.next(None if pending else quiet(ear.case))
        if got is None:
            break
        known = besides.pop((got.id, got.payload), None) if isinstance(got, Message) else None
        if known is not None:
            is_message(laws.content, got, known, f"a message is not received as it was published ({story})", laws.headers)
        elif pending and isinstance(got, Message) and (got.id, got.payload) == (pending[0].id, pending[0].payload):
            is_message(laws.content, got, pending.pop(0), f"a message is not received as it was published ({story})", laws.headers)
        elif isinstance(got, Message) and got.id in [sent.id for sent in pending]:
            broken(laws.order, f"a message comes before one that was published earlier ({story})", expected=pending[0], got=got)
        else:
            sentence = f"a subscription gives what was not published to its topic, or gives it twice ({story})"
            broken(laws.once, sentence, expected=pending[0] if pending else None, got=got)
    if pending:
        broken(lost or laws.lost, f"a message that was published is not received ({story})", expected=pending[0], got=None)


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
