"""pubsub_persistent: messages that are equal but for their ids have fates of their own, and answers are nobody else's."""

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._answers import Answers
from prism_suites._pubsub_members import comes_again, gets, nothing, received
from prism_suites._pubsub_taking import PERSISTENT, Sent, hears, listening, numbered, send
from prism_suites._texts import SAMPLES, TEXTS
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import PubSubPersistent
from prism_testkit.outcomes import law


@check("pubsub_persistent.11", "pubsub_persistent.2")
@gauntlet(lambda limits: [{"how": how, "name": name} for how in TEXTS for name in SAMPLES])
async def a_name_may_be_any_kind_of_str(pubsub: PubSubPersistent, case: Case, how: str, name: str) -> None:
    """A topic, a subscription, and headers, given as instances of subclasses of ``str`` are their text."""
    text = TEXTS[how](name)
    with law("pubsub_persistent.11"):
        async with pubsub.subscribe_durable(text, text, "earliest"):
            pass
        sents = [Sent(await pubsub.publish_persistent(text, b"1", {text: text}), name, b"1", {name: name})]
        sents.append(Sent(await pubsub.publish_persistent(name, b"2"), name, b"2", {}))
        async with listening(case, pubsub, name, PERSISTENT, name) as ear:
            await hears(ear, sents, f"names given as {how}", lost="pubsub_persistent.11")


@check("pubsub_persistent.5", "pubsub_persistent.4", "pubsub_persistent.7")
@gauntlet(lambda limits: [{"fates": fates} for fates in ("an", "na", "hal", "anh", "aann", "nhan", "aaan", "laha")])
@given(fates=st.text("anhl", min_size=2, max_size=6))
async def equal_messages_have_fates_of_their_own(pubsub: PubSubPersistent, case: Case, fates: str) -> None:
    """Of messages with one payload and headers some are acked, others nacked, held, or left behind: each alone (PS-14)."""
    sents = await send(pubsub, "t", [b"alike"] * len(fates), PERSISTENT, {"h": "v"})
    async with pubsub.subscribe_durable("t", "s", "earliest") as member:
        held = await gets(case, member, sents, batch=len(sents))
        for fate, delivery in zip(fates, held, strict=True):
            if fate == "a":
                await member.ack(delivery)
            elif fate == "n":
                await member.nack(delivery)
        nacked = [sent for fate, sent in zip(fates, sents, strict=True) if fate == "n"]
        counts = {each.message.id: each.delivery_count for each in held}
        again = await comes_again(case, member, nacked, counts, story="of equal messages")
        await member.ack(*again)
        await member.ack(*(each for fate, each in zip(fates, held, strict=True) if fate == "h"))
    left = [sent for fate, sent in zip(fates, sents, strict=True) if fate == "l"]
    async with pubsub.subscribe_durable("t", "s") as member:
        await comes_again(case, member, left, counts, story="of equal messages")
        await nothing(case, member, "pubsub_persistent.5", "an acked message comes again, among equal ones")


@check("pubsub_persistent.2")
async def answers_stay_as_they_were_given(pubsub: PubSubPersistent, case: Case) -> None:
    """What a receive gave does not change with a later call (PS-12)."""
    answers = Answers("pubsub_persistent.2")
    await send(pubsub, "t", numbered(5), PERSISTENT, {"h": "v"})
    async with pubsub.subscribe_durable("t", "s", "earliest") as member:
        first = answers.keep("receive", await received(case, member, 2))
        second = answers.keep("receive", await received(case, member, 2))
        await member.nack(*second)
        answers.keep("receive", await received(case, member, 3))
        answers.judge()
        await member.ack(*first)
        await send(pubsub, "t", [b"other"], PERSISTENT, {"other": "x"})
        answers.keep("receive", await received(case, member, 3))
        answers.keep("receive", await received(case, member, 3, 0.0))
    answers.judge()
