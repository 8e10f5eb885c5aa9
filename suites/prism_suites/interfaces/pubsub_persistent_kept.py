"""pubsub_persistent: nothing is forgotten because nobody touched it for long: messages, subscriptions, what is acked, counts."""

from prism_suites._judging import same
from prism_suites._pubsub_members import comes_again, gets, nothing
from prism_suites._pubsub_taking import PERSISTENT, numbered, send
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import PubSubPersistent

_SPANS_S = (3_700.0, 90_000.0, 3e6, 4e8)
"""Just over an hour and a day, five weeks, twelve years."""


@check(*(f"pubsub_persistent.{number}" for number in (13, 4, 5, 6, 10)))
@gauntlet(lambda limits: [{"span_s": span_s, "given_back": given_back} for span_s in _SPANS_S for given_back in (False, True)])
async def what_nobody_touches_is_kept(pubsub: PubSubPersistent, case: Case, span_s: float, given_back: bool) -> None:
    """A topic and its subscriptions rest for long: what was acked stays acked, what was not comes again, counted on, to a member
    that waits or joins anew, and a subscription that was entered but once gets all."""
    if not case.clock.virtual:
        case.note("time moves on embedded backends only")
        return
    async with pubsub.subscribe_durable("t", "unused", "new"):
        pass
    manager = pubsub.subscribe_durable("t", "s", "earliest")
    member, told = await manager.__aenter__(), f"{span_s:g} s later"
    sents = await send(pubsub, "t", numbered(4), PERSISTENT, {"h": "v"})
    held = await gets(case, member, sents[:3], batch=3)
    await member.ack(held[1])
    if given_back:
        await member.nack(held[0], held[2])
    else:
        await manager.__aexit__(None, None, None)
    await case.advance(span_s)
    same("pubsub_persistent.10", await pubsub.last_message_id("t"), sents[3].id, f"{told} last_message_id is another")
    if not given_back:
        manager = pubsub.subscribe_durable("t", "s", "earliest")
        member = await manager.__aenter__()
    counts = {held[0].message.id: held[0].delivery_count, held[2].message.id: held[2].delivery_count}
    again = await comes_again(case, member, [sents[0], *sents[2:]], counts, story=told, batch=1)
    await nothing(case, member, "pubsub_persistent.5", f"an acked message comes again {told}")
    await member.ack(*again)
    await manager.__aexit__(None, None, None)
    async with pubsub.subscribe_durable("t", "unused", "new") as member:
        await gets(case, member, sents, story=f"on a subscription that nobody had received from, {told}")
        await gets(case, member, await send(pubsub, "t", [b"late"], PERSISTENT), story=f"published {told}")
