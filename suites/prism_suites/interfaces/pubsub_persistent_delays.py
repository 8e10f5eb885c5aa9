"""pubsub_persistent: several delays at once, each from its own nack on; and deliveries that were copied."""

import copy
from dataclasses import replace
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._keyvalue_deadlines import Times
from prism_suites._keyvalue_model import Window
from prism_suites._pubsub_members import nothing, received
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


async def _all(case: Case, member: Any, count: int) -> list[Delivery]:
    """Receive so many, in whatever order they come."""
    held: list[Delivery] = []
    while len(held) < count and (got := await received(case, member, count - len(held))):
        held += got
    return held


@check("pubsub_persistent.8", "pubsub_persistent.9", "pubsub_persistent.4")
@gauntlet(lambda limits: [{"delays": delays, "held_s": held_s} for delays in _DELAYS_S for held_s in (0.0, 0.75)])
async def each_delay_is_its_own(pubsub: PubSubPersistent, case: Case, delays: tuple[int, ...], held_s: float) -> None:
    """Of messages with delays of their own each comes when its own is over, counted from its nack, to a receive that waits.

    Each is given back once more at once, with the delay of another; who holds messages for a second may lose them (PS-14).
    """
    times = Times(case)
    if not times.virtual and (held_s or max(delays) > _LONG_S):
        return
    scale = 1.0 if times.virtual else _SCALE
    async with pubsub.subscribe_durable("t", "s", "earliest") as member:
        sents = await send(pubsub, "t", numbered(len(delays)), PERSISTENT)
        again = {sent.id: (*delays[1:], delays[0])[number] * scale for number, sent in enumerate(sents)}
        due: dict[str, Window] = {}

        async def back(delivery: Delivery, delay_s: float) -> None:
            _, now = await times.during(member.nack(delivery, delay_s=delay_s))
            due[delivery.message.id] = now.after(delay_s)

        held = await _all(case, member, len(delays))
        if times.virtual:
            await case.clock.sleep(held_s)
        for delivery, delay in zip(held, delays, strict=True):
            await back(delivery, delay * scale)
        while due:
            for delivery in await _next(case, times, member, due):
                identity = delivery.message.id
                if identity in again:
                    await back(delivery, again.pop(identity))
                else:
                    await member.ack(delivery)


async def _next(case: Case, times: Times, member: Any, due: dict[str, Window]) -> list[Delivery]:
    """Wait for what is due first; judge when it comes."""
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
            broken("pubsub_persistent.5", "a message that was acked comes again", expected="once", got=delivery)
        if times.is_present(window, now):
            early = f"{(window.start - now.end) / 1e9:g} s early"
            broken("pubsub_persistent.8", "a nacked message comes before its delay is over", expected="not before", got=early)
    return got


@check("pubsub_persistent.5")
@gauntlet(lambda limits: [{"how": how} for how in ("copied", "made anew")])
async def a_delivery_that_was_copied_is_as_good(pubsub: PubSubPersistent, case: Case, how: str) -> None:
    """A delivery is what it says: one that is equal confirms the same."""
    sents = await send(pubsub, "t", numbered(2), PERSISTENT)
    async with pubsub.subscribe_durable("t", "s", "earliest") as member:
        held = await _all(case, member, 2)
        found = sorted(each.message.id for each in held)
        same("pubsub_persistent.1", found, sorted(sent.id for sent in sents), "receives do not give every message once")
        await member.ack({"copied": copy.copy(held[0]), "made anew": replace(held[0])}[how])
    async with pubsub.subscribe_durable("t", "s") as member:
        got = await received(case, member, 5)
        ids = [each.message.id for each in got]
        same("pubsub_persistent.5", ids, [held[1].message.id], f"a message whose delivery was {how}, and acked, comes again")
        await member.ack(*got)
        await nothing(case, member, "pubsub_persistent.5", "an acked message comes again")
