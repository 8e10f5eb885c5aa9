"""pubsub: whatever its place in a receive or a buffer, everything about a message is its own: headers, topic, id, count and token.

What brings messages by the hundred, or keeps them until somebody asks, has code that runs only from some message on.
"""

from collections.abc import Mapping
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._pages import item
from prism_suites._pubsub_members import HELD_S, counted, lenient, received
from prism_suites._pubsub_selecting import FILTERING, WILDCARDS
from prism_suites._pubsub_taking import BASIC, Ear, Sent, hears, is_message, numbered, quiet
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import PubSubBasic, PubSubFiltering, PubSubOrdering, PubSubPersistent, PubSubWildcards

_WAITING = 16
"""So many messages wait for certain: no bounded buffer is smaller."""


async def _twice(case: Case, member: Any, sents: Mapping[str, Sent], most: int) -> None:
    """Receive everything twice, each receive given back as a whole the first time and acked as a whole the second time.

    Legally a message comes more often: an acknowledgement deadline may have passed, and then its ack is void.
    """
    counts, again, acked, done = dict[str, int](), set[str](), set[str](), set[str]()
    story = f"a receive of at most {most}"
    while len(acked) < len(sents):
        got = await received(case, member, most)
        began_s = case.clock.now_s()
        if not got:
            left = [sent for identity, sent in sents.items() if identity not in acked][:3]
            promise = "pubsub_persistent.4" if left and left[0].id in counts else "pubsub_persistent.13"
            broken(promise, f"{len(sents) - len(acked)} messages do not come ({story})", expected=left, got=[])
        for place, delivery in enumerate(got, 1):
            sent = sents.get(delivery.message.id)
            if sent is None:
                sentence = f"message {place} of {story} is none of those that were published"
                broken("pubsub_persistent.2", sentence, expected="an id that publish returned", got=delivery)
            if sent.id in done:
                broken("pubsub_persistent.5", f"a message that was acked comes again ({story})", expected=None, got=delivery)
            is_message("pubsub_persistent.2", delivery.message, sent, f"message {place} of {story} is not as it was published")
            counted(case, delivery, counts.get(sent.id, 0))
            counts[sent.id] = delivery.delivery_count
        first = [delivery for delivery in got if delivery.message.id not in again]
        second = [delivery for delivery in got if delivery.message.id in again]
        again |= {delivery.message.id for delivery in first}
        await lenient(member.nack(*first))
        await lenient(member.ack(*second))
        acked |= {delivery.message.id for delivery in second}
        if case.clock.now_s() - began_s < HELD_S:
            done |= {delivery.message.id for delivery in second}
    got = await received(case, member, most, quiet(case))
    if late := [delivery for delivery in got if delivery.message.id in done]:
        broken("pubsub_persistent.5", f"a message that was acked comes again ({story})", expected=None, got=late[0])


@check(*(f"pubsub_persistent.{number}" for number in (2, 4, 5, 13)))
@gauntlet(lambda limits: [{"most": most} for most in (2, 11, 101, 1100)])
async def every_message_of_a_receive_is_its_own(pubsub: PubSubPersistent, case: Case, most: int) -> None:
    """Each message of a receive of many has its own headers, id, count and token (PS-30, PS-31)."""
    count = 40 if most == 2 else min(270 if case.server else 1100, 2 * most + 30)
    sents = {}
    async with pubsub.subscribe_durable("t", "s", "earliest") as member:
        for number in range(count):
            payload, headers = item(number)
            identity = await pubsub.publish_persistent("t", payload, headers)
            sents[identity] = Sent(identity, "t", payload, headers)
        same("pubsub_persistent.2", len(sents), count, "two messages have the same id")
        await _twice(case, member, sents, most)


@check(*(f"pubsub_persistent.{number}" for number in (2, 4, 5, 13)))
@gauntlet(lambda limits: [{"most": most} for most in (2, 11, 101)])
async def every_message_of_many_keys_is_its_own(pubsub: PubSubOrdering, case: Case, most: int) -> None:
    """The same of messages of as many keys, so that none waits for another."""
    count, sents = 40 if most == 2 else 2 * most, {}
    async with pubsub.subscribe_durable("t", "s", "earliest") as member:
        for number in range(count):
            payload, headers = item(number)
            identity = await pubsub.publish_ordered("t", f"key {number}", payload, headers)
            sents[identity] = Sent(identity, "t", payload, headers)
        await _twice(case, member, sents, most)


@check("pubsub_basic.1")
async def every_message_that_waits_is_its_own(pubsub: PubSubBasic, case: Case) -> None:
    """As many as any buffer holds wait, each with headers of its own, and are received so (PS-01)."""
    async with pubsub.subscribe("t") as inner:
        sents = []
        for number in range(_WAITING):
            payload, headers = item(number)
            sents.append(Sent(await pubsub.publish("t", payload, headers), "t", payload, headers))
        await hears(Ear(case, inner, BASIC), sents, f"{_WAITING} wait")


@check("pubsub_wildcards.1")
@gauntlet(lambda limits: [{"pattern": pattern} for pattern in ("t.*", "t.>", ">", "*.*")])
async def every_message_that_waits_for_a_pattern_is_its_own(pubsub: PubSubWildcards, case: Case, pattern: str) -> None:
    """As many as any buffer holds wait, each of a topic of its own, and are received so (PS-07)."""
    async with pubsub.subscribe_pattern(pattern) as inner:
        sents = []
        for number in range(_WAITING):
            payload, headers = item(number)
            topic = f"t.{number}"
            sents.append(Sent(await pubsub.publish(topic, payload, headers), topic, payload, headers))
        await hears(Ear(case, inner, WILDCARDS), sents, f"{_WAITING} wait")


@check("pubsub_filtering.3", "pubsub_filtering.1")
async def every_message_that_waits_for_a_filter_is_its_own(pubsub: PubSubFiltering, case: Case) -> None:
    """As many as any buffer holds wait, each with more headers than were asked for, and are received so (PS-05)."""
    async with pubsub.subscribe_filtered("t", {"a": "b"}) as inner:
        sents = []
        for number in range(_WAITING):
            payload, headers = item(number)
            headers = {**headers, "a": "b", "own": f"{number}"}
            sents.append(Sent(await pubsub.publish("t", payload, headers), "t", payload, headers))
        await hears(Ear(case, inner, FILTERING), sents, f"{_WAITING} wait")


@check("pubsub_filtering.2", "pubsub_filtering.1")
@gauntlet(lambda limits: [{"count": count, "turned": turned} for count in (3, 11, 17, 40) for turned in (False, True)])
async def every_attribute_is_compared(pubsub: PubSubFiltering, case: Case, count: int, turned: bool) -> None:
    """Of so many attributes each one matters, wherever it stands, and so does each header of a message (PS-05)."""
    attributes = {f"a{number}": f"{number}" for number in range(count)}
    others = {f"b{number}": f"{number}" for number in range(count)}
    asked = dict(reversed(attributes.items())) if turned else attributes
    async with pubsub.subscribe_filtered("t", asked) as inner:
        ear = Ear(case, inner, FILTERING)
        for number in range(0, count, 1 if not case.server else 5):
            other = {**others, **attributes, f"a{number}": "another"}
            less = {name: value for name, value in attributes.items() if name != f"a{number}"}
            for headers in (other, less):
                await pubsub.publish("t", b"does not match", headers)
            headers = {**others, **attributes} if number % 2 else {**attributes, **others}
            (payload,) = numbered(1, f"matches {number}")
            sent = Sent(await pubsub.publish("t", payload, headers), "t", payload, headers)
            await hears(ear, [sent], f"attribute {number} of {count}", more=True, lost="pubsub_filtering.1")
