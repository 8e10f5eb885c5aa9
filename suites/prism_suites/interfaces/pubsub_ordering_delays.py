"""pubsub_ordering: while one key is delayed nothing of it comes, and everything else does."""

from collections.abc import Sequence
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._pubsub_lines import HEADERS, OrderingAndPersistent, ordered
from prism_suites._pubsub_members import lenient, received
from prism_suites._pubsub_taking import Sent, numbered, quiet
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import PubSubOrdering


async def _published(slot: Any, key: str | None, payloads: Sequence[bytes]) -> list[Sent]:
    """Publish payloads of one key, or of none, one after another."""
    if key is not None:
        return await ordered(slot, key, payloads)
    return [Sent(await slot.publish_persistent("t", data, HEADERS), "t", data, HEADERS) for data in payloads]


@check("pubsub_ordering.4", "pubsub_ordering.6")
@gauntlet(
    lambda limits: [
        {"delay_s": delay_s, "times": times, "key": key}
        for delay_s, times in ((0.25, 0), (1.0, 1), (60.0, 3), (3600.0, 12))
        for key in ("other", None)
    ]
)
async def a_delay_holds_its_key_and_no_other(
    pubsub: OrderingAndPersistent, case: Case, delay_s: float, times: int, key: str | None
) -> None:
    """Until the delay of a nack is over nothing of its key comes, others do; then the same message is the first (PS-16).

    Before that it was given back so many times without a delay.
    """
    delay_s = delay_s if case.clock.virtual else 3600.0
    async with pubsub.subscribe_durable("t", "s") as member, (await case.client()).subscribe_durable("t", "s") as second:
        first, following = await ordered(pubsub, "k", numbered(2))
        held = await received(case, member)
        same("pubsub_ordering.2", [d.message.id for d in held], [first.id], "the first message of a key does not come first")
        early = await received(case, second, 10, 0)
        same("pubsub_ordering.3", early, [], "a message comes before an earlier one of its key was acked")
        for _ in range(times):
            await member.nack(*held)
            held = await received(case, member)
            same("pubsub_ordering.4", [d.message.id for d in held], [first.id], "what was given back is not the first of its key")
        began_s, what = case.clock.now_s(), "another" if key else "what has none"
        await member.nack(*held, delay_s=delay_s)
        others = [*await _published(pubsub, key, numbered(2, "o")), *await ordered(pubsub, "k", [b"late"])]
        left = [others[0].id, others[1].id]
        for each in (member, second):
            got = await received(case, each, 10 if key else 1)
            if case.clock.now_s() - began_s >= delay_s:
                return
            if {d.message.id for d in got} & {first.id, following.id, others[2].id}:
                broken("pubsub_ordering.4", "a message of a delayed key comes", expected=left, got=got)
            found = [d.message.id for d in got]
            if found != left[:1] and (key or len(found) != 1 or found[0] not in left):  # without a key two members have no order
                broken("pubsub_ordering.6", f"while a key is delayed {what} does not go on", expected=left[:1], got=found)
            left.remove(found[0])
            await each.ack(*got)
        for each, most in ((member, 10), (second, 1), (member, 1), (second, 10)):
            got = await received(case, each, most, quiet(case))
            if got and case.clock.now_s() - began_s < delay_s:
                broken("pubsub_ordering.4", "a message of a delayed key comes", expected=[], got=got)
            if got:
                return
        if not case.clock.virtual:
            return
        await case.advance(
            max(0.0, delay_s - (case.clock.now_s() - began_s)) + case.limits.clock_resolution_s + case.traits.ttl_late_s
        )
        for sent in (first, following, others[2]):
            got = await received(case, member, 10)
            same("pubsub_ordering.4", [d.message.id for d in got], [sent.id], "after a delay a key does not go on in its order")
            await member.ack(*got)


@check("pubsub_ordering.4", "pubsub_ordering.6")
@gauntlet(lambda limits: [{"keys": keys} for keys in (2, 3, 9)])
async def a_delay_of_several_holds_each(pubsub: PubSubOrdering, case: Case, keys: int) -> None:
    """Messages of several keys, given back in one call with a delay, come when it is over, each before what is behind it."""
    delay_s = 100.0 if case.clock.virtual else 3600.0
    async with pubsub.subscribe_durable("t", "s") as member:
        sents = [await ordered(pubsub, f"k{key}", numbered(2, f"{key}")) for key in range(keys)]
        held: list[Any] = []
        while len(held) < keys:
            got = await received(case, member, keys)
            if not got:
                broken("pubsub_ordering.6", "the first of a key is held up by another key", expected=sents, got=held)
            held += got
        began_s = case.clock.now_s()
        await lenient(member.nack(*held, delay_s=delay_s))
        got = await received(case, member, 10, quiet(case))
        if got and case.clock.now_s() - began_s < delay_s:
            broken("pubsub_ordering.4", "a message of a delayed key comes", expected=[], got=got)
        if not case.clock.virtual or got:
            return
        await case.advance(delay_s + case.limits.clock_resolution_s + case.traits.ttl_late_s)
        for place in (0, 1):
            found: list[Any] = []
            while len(found) < keys and (got := await received(case, member, keys)):
                found += got
            ids = sorted(delivery.message.id for delivery in found)
            same(
                "pubsub_ordering.4", ids, sorted(sent[place].id for sent in sents), "after a delay keys do not go on in their order"
            )
            await member.ack(*found)
