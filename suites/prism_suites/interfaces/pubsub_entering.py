"""pubsub: a subscription begins when it is entered, not when it is asked for."""

from prism_suites._pubsub_members import gets, nothing
from prism_suites._pubsub_taking import BASIC, PERSISTENT, Ear, hears, numbered, send
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import PubSubBasic, PubSubPersistent


@check("pubsub_basic.2")
@gauntlet(lambda limits: [{"others": others} for others in (0, 1)])
async def it_begins_at_its_entry(pubsub: PubSubBasic, case: Case, others: int) -> None:
    """What was published between the call and the entry is not received (PS-01)."""
    manager = pubsub.subscribe("t")
    for _ in range(others):
        async with pubsub.subscribe("t"):
            pass
    await send(await case.client(), "t", numbered(2, "before"), BASIC)
    async with manager as inner:
        await hears(Ear(case, inner, BASIC), await send(pubsub, "t", numbered(2, "after"), BASIC), "after the entry")


@check("pubsub_persistent.1")
@gauntlet(lambda limits: [{"others": others} for others in (0, 1)])
async def new_is_from_its_entry_on(pubsub: PubSubPersistent, case: Case, others: int) -> None:
    """What was published between the call and the entry is not received by one that begins with ``"new"`` (PS-13)."""
    manager = pubsub.subscribe_durable("t", "s", "new")
    for number in range(others):
        async with pubsub.subscribe_durable("t", f"other {number}", "new"):
            pass
    await send(await case.client(), "t", numbered(2, "before"), PERSISTENT)
    async with manager as member:
        sents = await send(pubsub, "t", numbered(2, "after"), PERSISTENT)
        await member.ack(*await gets(case, member, sents, story="after the entry", lost="pubsub_persistent.1"))
        await nothing(case, member, "pubsub_persistent.1", "a new subscription gives what was published before its entry")
