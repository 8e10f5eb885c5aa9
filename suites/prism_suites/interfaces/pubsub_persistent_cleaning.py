"""pubsub_persistent: what ``clean`` removes, and what it leaves."""

from contextlib import AsyncExitStack
from typing import Any

from prism_suites._judging import same
from prism_suites._pubsub_members import gets, nothing, received
from prism_suites._pubsub_taking import BASIC, PERSISTENT, Sent, hears, listening, numbered, send
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import PubSubBasic, PubSubOrdering, PubSubPersistent
from prism_testkit.tap import offers

_TOPICS = ("a", "a:s", "é*")
_TOLD = "cleaning one namespace removed from another, or left something to it"


async def _furnish(case: Case, slot: Any, mark: str) -> dict[str, list[Sent]]:
    """Leave everything behind that a driver may keep: messages, some acked, some keyed, and subscriptions that are behind."""
    found: dict[str, list[Sent]] = {}
    for topic in _TOPICS:
        found[topic] = sents = await send(slot, topic, numbered(3, mark), PERSISTENT, {"h": "v"})
        async with slot.subscribe_durable(topic, "s", "earliest") as member:
            await member.ack(*await gets(case, member, sents[:1]))
        if offers(slot, PubSubOrdering):
            sents.append(Sent(await slot.publish_ordered(topic, "k", mark.encode(), {"k": "v"}), topic, mark.encode(), {"k": "v"}))
        same(
            "pubsub_persistent.10",
            await slot.last_message_id(topic),
            sents[-1].id,
            "last_message_id is not that of the last publish",
        )
    return found


@check("pubsub_persistent.12", "pubsub_persistent.13", "pubsub_persistent.10")
async def cleaning_a_namespace_leaves_every_other(pubsub: PubSubPersistent, case: Case) -> None:
    """A backend's ``clean`` removes all of one namespace, subscriptions and last ids too, and nothing of another (X-08)."""
    mine, sibling, other = await case.whole(), await case.sibling(whole=True), await case.sibling(whole=True)
    sents = [await _furnish(case, slot, mark) for slot, mark in ((mine, "mine"), (sibling, "cleaned"), (other, "theirs"))]
    async with AsyncExitStack() as stack:
        ears = []
        for slot in (mine, other):
            if offers(slot, PubSubBasic):
                ears.append((slot, await stack.enter_async_context(listening(case, slot, "heard", BASIC))))
        cleaned = await case.clean(sibling)
        if cleaned is None:
            return
        with case.law("pubsub_persistent.12"):
            for slot, ear in ears:
                await hears(
                    ear, await send(slot, "heard", numbered(1), BASIC), "another namespace was cleaned", lost="pubsub_basic.8"
                )
    for slot, theirs in ((mine, sents[0]), (other, sents[2])):
        for topic, all_of_it in theirs.items():
            with case.law("pubsub_persistent.12"):
                same("pubsub_persistent.12", await slot.last_message_id(topic), all_of_it[-1].id, _TOLD)
                for name, left in (("s", all_of_it[1:]), ("later", all_of_it)):
                    async with slot.subscribe_durable(topic, name, "earliest") as member:
                        found: set[str] = set()  # between messages of a key and of none no order is promised
                        while len(found) < len(left) and (got := await received(case, member, 10)):
                            found |= {delivery.message.id for delivery in got}
                        same("pubsub_persistent.12", found, {sent.id for sent in left}, _TOLD)
    for topic in _TOPICS:
        same("pubsub_persistent.12", await cleaned.last_message_id(topic), None, "cleaning a namespace left the last id of a topic")
        async with cleaned.subscribe_durable(topic, "s", "earliest") as member:
            await nothing(case, member, "pubsub_persistent.12", "cleaning a namespace left a message in it")
            again = await send(cleaned, topic, [b"again"], PERSISTENT)
            await gets(case, member, again, story="its namespace was cleaned")
