"""pubsub_persistent: several delays at once, each from its own nack on; and deliveries that were copied."""

import copy
from dataclasses import replace

from prism_suites._judging import broken, same
from prism_suites._keyvalue_deadlines import Times
from prism_suites._keyvalue_model import Window
from prism_suites._pubsub_members import gets, nothing, received
from prism_suites._pubsub_taking import PERSISTENT, numbered, send
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Delivery, PubSubPersistent

_DELAYS_S = ((10, 2), (2, 10), (30, 20, 10, 1), (5, 5, 5), (600, 1, 60, 2))
_LATE_S = 3600.0
"""So much virtual time may pass where none has to: a driver may look now and then."""
_SCALE = 0.01
"""Of a second of virtual time, where time is real."""
_LONG_S = 30
"""Longer ones are for virtual time."""


@check("pubsub_persistent.8", "pubsub_persistent.9", "pubsub_persistent.4")
@gauntlet(lambda limits: [{"delays": delays, "held_s": held_s} for delays in _DELAYS_S for held_s in (0, 3)])
async def each_delay_is_its_own(pubsub: PubSubPersistent, case: Case, delays: tuple[int, ...], held_s: int) -> None:
    """Of messages with delays of their own each comes when its own is over, counted from its nack, to a receive that waits.

    Then they are given back once more, each with the delay of another.
    """
    times = Times(case)
    if not times.virtual and (held_s or max(delays) > _LONG_S):
        return
    scale = 1.0 if times.virtual else _SCALE
    async with pubsub.subscribe_durable("t", "s", "earliest") as member:
        held = await gets(case, member, await send(pubsub, "t", numbered(len(delays)), PERSISTENT), batch=len(delays))
        for turned in (delays, (*delays[1:], delays[0])):
            if times.virtual:
                await case.clock.sleep(held_s)
            due: dict[str, Window] = {}
            for delivery, delay in zip(held, turned, strict=True):
                _, now = await times.during(member.nack(delivery, delay_s=delay * scale))
                due[delivery.message.id] = now.after(delay * scale)
            held = await _each_in_its_time(case, times, member, due)
            held.sort(key=lambda delivery: delivery.message.payload)


async def _each_in_its_time(case: Case, times: Times, member: object, due: dict[str, Window]) -> list[Delivery]:
    held: list[Delivery] = []
    while due:
        began = times.now_ns()
        got, now = await times.during(received(case, member, 1, 1e6 if times.virtual else 15.0))
        if not got:
            broken("pubsub_persistent.8", "a nacked message does not come after its delay", expected=sorted(due), got=[])
        first = max(began, min(window.end for window in due.values())) + times.slack_ns
        if times.virtual and times.now_ns() > first + _LATE_S * 1e9:
            late_s = (times.now_ns() - first) / 1e9
            sentence = "a receive that waits is not given the message that is due first, but one at the end of its time"
            broken("pubsub_persistent.9", sentence, expected="at once", got=f"{late_s:g} s late")
        for delivery in got:
            window = due.pop(delivery.message.id, None)
            if window is None:
                broken("pubsub_persistent.7", "a message that is held comes again", expected="once", got=delivery)
            if times.is_present(window, now):
                early = f"{(window.start - now.end) / 1e9:g} s early"
                broken("pubsub_persistent.8", "a nacked message comes before its delay is over", expected="not before", got=early)
        held += got
    return held


@check("pubsub_persistent.5")
@gauntlet(lambda limits: [{"how": how} for how in ("copied", "copied deeply", "made anew")])
async def a_delivery_that_was_copied_is_as_good(pubsub: PubSubPersistent, case: Case, how: str) -> None:
    """A delivery is what it says: one that is equal confirms the same."""
    sents = await send(pubsub, "t", numbered(2), PERSISTENT)
    async with pubsub.subscribe_durable("t", "s", "earliest") as member:
        (delivery,) = await gets(case, member, sents[:1])
        again = {"copied": copy.copy(delivery), "copied deeply": copy.deepcopy(delivery), "made anew": replace(delivery)}[how]
        await member.ack(again)
    async with pubsub.subscribe_durable("t", "s") as member:
        got = await received(case, member, 5)
        found = [each.message.id for each in got]
        same("pubsub_persistent.5", found, [sents[1].id], f"a message whose delivery was {how}, and acked, comes again")
        await member.ack(*got)
        await nothing(case, member, "pubsub_persistent.5", "an acked message comes again")
