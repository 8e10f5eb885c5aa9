"""A receive that waits for what does not come ends, however often something happens meanwhile that is not for it."""

from prism_suites._noticing import is_not_prolonged
from prism_suites._pubsub_members import gets, lenient
from prism_suites._pubsub_taking import PERSISTENT, numbered, send
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import PubSubBasic, PubSubOrdering, PubSubPersistent
from prism_testkit.tap import offers

_MANY = 70
"""More than happens while one waits."""
_EVENTS = ("elsewhere", "an ack", "a delay", "a member", "another name", "another name acks", "a held key")


@check("pubsub_basic.9")
@gauntlet(lambda limits: [{"event": event} for event in ("elsewhere", "a subscription", "before it entered")])
async def what_gives_nothing_prolongs_no_wait(pubsub: PubSubBasic, case: Case, event: str) -> None:
    """A receive ends when its time is over, whatever is published elsewhere, and whoever comes and goes (PS-09)."""
    other = await case.client()

    async def happen(number: int) -> None:
        if event == "elsewhere":
            await other.publish("elsewhere", b"x")
        elif event == "a subscription":
            async with other.subscribe("t"):
                pass
        else:
            async with other.subscribe(f"t{number}") as beside:
                await other.publish(f"t{number}", b"x")
                await beside.receive(500.0)

    async with pubsub.subscribe("t") as inner:
        await is_not_prolonged(case, "pubsub_basic.9", inner.receive, happen, event)


@check("pubsub_persistent.9")
@gauntlet(
    lambda limits: [
        {"event": event}
        for event in ("elsewhere", "an ack", "a delay", "a member", "another name", "another name acks", "a held key")
    ]
)
async def what_gives_a_member_nothing_prolongs_no_wait(pubsub: PubSubPersistent, case: Case, event: str) -> None:
    """A receive ends when its time is over, whatever others publish elsewhere, ack, delay, or hold (PS-09)."""
    other = await case.whole()
    if event == "a held key" and not offers(other, PubSubOrdering):
        return
    theirs = "another" if event.startswith("another") else "s"
    async with pubsub.subscribe_durable("t", "s") as member, other.subscribe_durable("t", theirs) as beside:
        held = []
        if event in ("an ack", "a delay", "another name acks"):
            sents = await send(pubsub, "t", numbered(_MANY), PERSISTENT)
            held = await gets(case, beside, sents, batch=_MANY)
            if event == "another name acks":
                await member.ack(*await gets(case, member, sents, batch=_MANY))
        if event == "a held key":
            await other.publish_ordered("t", "k", b"held")
            held = await beside.receive(1, 500.0)

        async def happen(number: int) -> None:
            if event == "elsewhere":
                await other.publish_persistent("elsewhere", b"x")
            elif event in ("an ack", "another name acks"):
                await lenient(beside.ack(held[number]))  # their deadline, of which nothing is said, may be over
            elif event == "a delay":
                await lenient(beside.nack(held[number], delay_s=1e8))
            elif event == "a held key":
                await other.publish_ordered("t", "k", b"waits")
            else:
                async with other.subscribe_durable("t", "s" if event == "a member" else f"name {number}"):
                    pass

        # What others hold may come to it, where that has a deadline: that ends the wait, too.
        await is_not_prolonged(case, "pubsub_persistent.9", lambda s: member.receive(1, s), happen, event)
