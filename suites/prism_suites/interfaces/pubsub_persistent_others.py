"""pubsub_persistent: what is done to one subscription is nothing to another, wherever it is and whatever it is called."""

from collections.abc import Iterator
from typing import Any

from prism_suites._judging import broken
from prism_suites._pubsub_members import comes_again, gets, nothing, received
from prism_suites._pubsub_taking import PERSISTENT, numbered, quiet, send
from prism_suites._queue_cancelling import cancelled, points
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import PubSubPersistent
from prism_testkit.strategies import joined_pairs
from prism_testkit.traits import Limits

_STATES = ("untouched", "held", "acked", "nacked with a delay")
_USES = ("ack", "nack", "nack with a delay", "leave", "leave what is acked")


@check("pubsub_persistent.6", "pubsub_persistent.5", "pubsub_persistent.4")
@gauntlet(lambda limits: [{"state": state, "use": use, "on": on} for state in _STATES for use in _USES for on in (0, 1)])
async def what_one_does_another_does_not_notice(pubsub: PubSubPersistent, case: Case, state: str, use: str, on: int) -> None:
    """A message is where it was in one subscription, whatever another does with it."""
    slot: Any = await case.client() if on else pubsub
    sents = await send(pubsub, "t", numbered(1), PERSISTENT)
    async with pubsub.subscribe_durable("t", "s", "earliest") as member, pubsub.subscribe_durable("t", "s") as second:
        since_s = case.clock.now_s()
        held = await gets(case, member, sents) if state != "untouched" else []
        if state == "acked":
            await member.ack(*held)
        elif state == "nacked with a delay":
            await member.nack(*held, delay_s=1e6)
        async with slot.subscribe_durable("t", "other", "earliest") as other:
            theirs = await gets(case, other, sents, story=f"{state} in another subscription", lost="pubsub_persistent.6")
            if use in ("ack", "leave what is acked"):
                await other.ack(*theirs)
            elif use.startswith("nack"):
                await other.nack(*theirs, delay_s=5.0 if use != "nack" else 0)
            if not use.startswith("leave"):
                await _is_there(case, second, sents, state, use, since_s)
        if use.startswith("leave"):
            await _is_there(case, second, sents, state, use, since_s)


async def _is_there(case: Case, second: Any, sents: Any, state: str, use: str, since_s: float) -> None:
    if state == "untouched":
        again = await comes_again(case, second, sents, {}, promise="pubsub_persistent.6", story=f"{use} in another subscription")
        await second.ack(*again)
    else:
        since = since_s if state == "held" else None
        sentence = f"what is {state} comes again, as another subscription did: {use}"
        await nothing(case, second, "pubsub_persistent.6", sentence, held_since_s=since)


def _beside(limits: Limits) -> Iterator[dict[str, Any]]:
    """Yield a subscription, and one that comes after it and is another: in a sibling, or by its topic or name."""
    one = ("t", "s")
    pairs = [(one, ("t", "s2")), (one, ("t2", "s")), (one, ("s", "t")), *joined_pairs("t", "s", "u", limits.max_name)]
    for first in ("new", "earliest"):
        yield {"one": one, "other": one, "sibling": True, "first": first}
        for number, pair in enumerate(pairs):
            mine, other = pair if number % 2 else reversed(pair)
            yield {"one": mine, "other": other, "sibling": False, "first": first}


@check("pubsub_persistent.1", "pubsub_persistent.11", "pubsub_persistent.12", "pubsub_persistent.6")
@gauntlet(_beside)
async def each_begins_where_it_was_made(
    pubsub: PubSubPersistent, case: Case, one: tuple[str, str], other: tuple[str, str], sibling: bool, first: Any
) -> None:
    """Where a subscription begins is its own affair, though one with nearly the same name was there before."""
    promise = "pubsub_persistent.12" if sibling else "pubsub_persistent.11"
    slot: Any = await case.sibling() if sibling else pubsub
    async with pubsub.subscribe_durable(*one, first):
        pass
    early = await send(slot, other[0], numbered(3, "early"), PERSISTENT)
    async with slot.subscribe_durable(*other, "new") as member:
        await nothing(case, member, promise, "a subscription begins where another one did")
        later = await send(slot, other[0], numbered(2, "later"), PERSISTENT)
        await gets(case, member, later, story="after its entry", lost=promise)
    async with slot.subscribe_durable(other[0], "a third one", "earliest") as member:
        await gets(case, member, [*early, *later], batch=5, story="from the beginning", lost=promise)
    async with pubsub.subscribe_durable(*one) as member:
        mine = [] if sibling or one[0] != other[0] else [*early, *later]
        await comes_again(case, member, mine, {}, promise=promise, story="made before")
        await nothing(case, member, promise, "a subscription gets what is another one's", held_since_s=case.clock.now_s())


@check("pubsub_persistent.14", "pubsub_persistent.10")
@gauntlet(points(("first", "second"), few=True))
async def a_cancelled_publish_leaves_a_true_last_id(pubsub: PubSubPersistent, case: Case, kind: str, point: int) -> None:
    """After a publish that was cancelled `last_message_id` names what a new subscription gets last, or none if it gets nothing."""
    before = await send(pubsub, "t", [b"before"] if kind == "second" else [], PERSISTENT)
    case.overlap()
    await cancelled(pubsub.publish_persistent("t", b"new", {"a": "b"}), point)
    await case.clock.sleep(quiet(case))
    last = await pubsub.last_message_id("t")
    found: list[str] = []
    async with pubsub.subscribe_durable("t", "s", "earliest") as member:
        while got := await received(case, member, 5, quiet(case)):
            found += [delivery.message.id for delivery in got]
            await member.ack(*got)
    if found[: len(before)] != [sent.id for sent in before] or len(found) > len(before) + 1:
        broken("pubsub_persistent.14", "a cancelled publish lost another message, or came twice", expected=before, got=found)
    again = await pubsub.last_message_id("t")
    if again in found and again != found[-1]:
        sentence = "last_message_id is not that of a publish which was cancelled, but is received"
        broken("pubsub_persistent.10", sentence, expected=found[-1], got=again)
    if last is None and not before:
        if found and again is None:
            sentence = "last_message_id knows nothing of a publish which was cancelled, but is received"
            broken("pubsub_persistent.10", sentence, expected=found[-1], got=again)
        return
    if last not in found:
        broken("pubsub_persistent.14", "last_message_id names a message that there is not", expected=found, got=last)
