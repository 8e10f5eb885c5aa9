"""Whole numbers and seconds may be of a class of their own: what inherits from ``int`` or ``float`` is one."""

from prism_suites._judging import same
from prism_suites._own_numbers import Amount, Seconds, own
from prism_suites._pubsub_members import comes_again
from prism_suites._pubsub_taking import PERSISTENT, numbered, patience, send
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import PubSubBasic, PubSubPersistent
from prism_testkit.outcomes import law


@check("pubsub_basic.9")
async def seconds_may_be_of_a_class(pubsub: PubSubBasic, case: Case) -> None:
    """A timeout is a number of seconds, whole or not, of whatever class."""
    async with pubsub.subscribe("t") as inner:
        for timeout_s in (Seconds(patience(case)), own(round(patience(case)))):
            await pubsub.publish("t", b"x")
            with law("pubsub_basic.9"):
                got = await inner.receive(timeout_s)
            same("pubsub_basic.9", got and got.payload, b"x", f"a receive with a timeout of {timeout_s!r} gives nothing")


@check("pubsub_persistent.9", "pubsub_persistent.8")
async def numbers_may_have_names(pubsub: PubSubPersistent, case: Case) -> None:
    """So is how many are asked for, and how long a delay lasts."""
    sents = await send(pubsub, "t", numbered(3), PERSISTENT)
    async with pubsub.subscribe_durable("t", "s", "earliest") as member:
        with law("pubsub_persistent.9"):
            got = await member.receive(Amount.TWO, Seconds(patience(case)))
        same("pubsub_persistent.9", 0 < len(got) <= 2, True, "a receive of a number with a name gives none, or more")
        with law("pubsub_persistent.8"):
            await member.nack(got[0], delay_s=Seconds(0.0))
        before = {each.message.id: each.delivery_count for each in got[:1]}
        await member.ack(*got[1:])
        rest = [sent for sent in sents if sent.id not in {each.message.id for each in got[1:]}]
        await comes_again(case, member, rest, before, promise="pubsub_persistent.4")
