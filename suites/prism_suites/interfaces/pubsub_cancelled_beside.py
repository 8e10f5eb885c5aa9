"""pubsub_persistent: a receive that is cancelled undoes what it did itself, and nothing of what others hold."""

from contextlib import AsyncExitStack
from typing import Any

from prism_suites._judging import broken
from prism_suites._pubsub_members import gets, received
from prism_suites._pubsub_taking import PERSISTENT, numbered, send
from prism_suites._queue_cancelling import cancelled, points
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import PubSubPersistent

_KEPT = "pubsub_persistent.7"


@check(_KEPT, "pubsub_persistent.14", "pubsub_persistent.6")
@gauntlet(points(("the first", "a later one"), few=True))
async def what_others_hold_stays_theirs(pubsub: PubSubPersistent, case: Case, kind: str, point: int) -> None:
    """Beside it others hold what their receive of the same turn gave them, in this subscription and in like ones."""
    other = await case.client()
    sents = await send(pubsub, "t", numbered(8), PERSISTENT)
    elsewhere = await send(other, "u", numbered(2), PERSISTENT)
    async with AsyncExitStack() as stack:

        async def join(slot: Any, topic: str, name: str) -> Any:
            return await stack.enter_async_context(slot.subscribe_durable(topic, name, "earliest"))

        holders = [await join(pubsub, "t", "s"), await join(other, "t", "s")]
        strangers = [(await join(pubsub, "t", "another"), sents), (await join(other, "u", "s"), elsewhere)]
        held = [(await gets(case, member, [sent]))[0] for member, sent in zip(holders, sents, strict=False)]
        alone = [(await gets(case, member, theirs[:1]))[0] for member, theirs in strangers]
        member, left = await join(pubsub, "t", "s"), sents[2:]
        if kind == "a later one":
            held += await gets(case, member, left[:1])
            holders, left = [*holders, member], left[1:]
        ended, got = await cancelled(member.receive(1), point)
        taken = list(got) if ended else []
        while len(taken) < len(left) and (more := await received(case, member, 3)):
            taken += more
        taken += await received(case, member, 3, 0)
        ids = [delivery.message.id for delivery in taken]
        if again := [delivery for delivery in held if delivery.message.id in ids]:
            broken(_KEPT, "after a cancelled receive of one member it is given what another holds", expected=left, got=again)
        if sorted(ids) != sorted(sent.id for sent in left):
            broken("pubsub_persistent.14", "after a cancelled receive a message is missing, or comes twice", expected=left, got=ids)
        for (stranger, theirs), delivery in zip(strangers, alone, strict=True):
            story = "a member of another subscription is given what it holds, after a receive elsewhere was cancelled"
            first = await gets(case, stranger, theirs[1:2], story=story, lost=_KEPT)
            await stranger.ack(delivery, *first)
        for holder, delivery in zip(holders, held, strict=True):
            await holder.ack(delivery)
        await member.ack(*taken)
    async with pubsub.subscribe_durable("t", "s") as last:
        if again := await received(case, last, 3, 0):
            broken("pubsub_persistent.6", "what was acked beside a cancelled receive comes again", expected=[], got=again)
