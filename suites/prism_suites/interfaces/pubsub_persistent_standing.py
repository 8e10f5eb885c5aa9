"""pubsub_persistent: what is put off stays so, and what is held, whatever is done to the messages beside it."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._pubsub_members import received
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Delivery, PubSubPersistent

_LATER_S = 1e6
_COUNT = 7
_HELD, _LATE = 2, 4
"""Which of the messages stays held, and which one is put off: both have neighbours on either side."""


@dataclass
class _Subscription:
    """A subscription of which one member was given all messages; what is neither held nor late is free to be used."""

    case: Case
    pubsub: Any
    other: Any
    member: Any
    given: Sequence[Delivery]

    @property
    def free(self) -> list[Delivery]:
        return [delivery for number, delivery in enumerate(self.given) if number not in (_HELD, _LATE)]

    def but_held(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Leave out what is held: it may be past a deadline, and come again."""
        return [delivery for delivery in deliveries if delivery.message.id != self.given[_HELD].message.id]

    async def come_back(self, *, count: int = _COUNT - 2) -> None:
        """Take what was given back, or is new, and ack it."""
        found: dict[str, Delivery] = {}
        while len(found) < count and (got := await received(self.case, self.member, count - len(found))):
            found |= {delivery.message.id: delivery for delivery in self.but_held(got)}
        early = self.given[_LATE].message.id in found
        same("pubsub_persistent.8", early, False, "what is put off comes, and not what was given back or is new")
        same("pubsub_persistent.4", len(found), count, "what was given back, or is new, does not come")
        await self.member.ack(*found.values())


async def _one_by_one(on: _Subscription) -> None:
    for delivery in on.free:
        await on.member.ack(delivery)


async def _backwards(on: _Subscription) -> None:
    for delivery in reversed(on.free):
        await on.member.ack(delivery)


async def _together(on: _Subscription) -> None:
    await on.member.ack(*on.free)


async def _given_back(on: _Subscription) -> None:
    await on.member.nack(*on.free)
    await on.come_back()


async def _put_off(on: _Subscription) -> None:
    """Put the others off, for less and for no time."""
    for delivery in on.free[1:]:
        await on.member.nack(delivery, delay_s=0.5 if on.case.clock.virtual else 0.05)
    await on.member.nack(on.free[0], delay_s=0)
    await on.come_back()


async def _beside(on: _Subscription) -> None:
    """Let another subscription of the topic receive, give back and ack all of it."""
    await on.member.ack(*on.free)
    async with on.other.subscribe_durable("t", "beside", "earliest") as member:
        found: list[Delivery] = []
        while len(found) < _COUNT and (got := await received(on.case, member, _COUNT)):
            found += got
        await member.nack(*found[:2], delay_s=0)
        await member.ack(*found[2:], *await received(on.case, member, 2))


async def _joins_and_leaves(on: _Subscription) -> None:
    await on.member.ack(*on.free)
    async with on.other.subscribe_durable("t", "s") as second:
        got = on.but_held(await second.receive(10, 0))
        same("pubsub_persistent.8", got, [], "a second member is given what is put off, or was acked")


async def _more(on: _Subscription) -> None:
    await on.member.ack(*on.free)
    for number in range(40):
        await on.other.publish_persistent("t", b"more %d" % number)
    await on.come_back(count=40)


async def _in_vain(on: _Subscription) -> None:
    await on.member.ack(*on.free)
    for _ in range(5):
        got = on.but_held(await on.member.receive(10, 0.01))
        same("pubsub_persistent.8", got, [], "something comes that is put off, or was acked")


async def _elsewhere(on: _Subscription) -> None:
    await on.member.ack(*on.free)
    for number in range(5):
        await on.other.publish_persistent("elsewhere", b"%d" % number)
    await on.other.last_message_id("t")


_EVENTS: dict[str, Callable[[_Subscription], Awaitable[None]]] = {
    "acks one by one": _one_by_one,
    "acks from the last to the first": _backwards,
    "one ack of all others": _together,
    "nacks of all others": _given_back,
    "shorter delays of all others": _put_off,
    "a subscription beside it": _beside,
    "a member that joins and leaves": _joins_and_leaves,
    "many messages more": _more,
    "receives in vain": _in_vain,
    "another topic": _elsewhere,
}


@check("pubsub_persistent.8", "pubsub_persistent.7", "pubsub_persistent.4")
@gauntlet(lambda limits: [{"event": event} for event in _EVENTS])
async def it_stays_whatever_happens_beside_it(pubsub: PubSubPersistent, case: Case, event: str) -> None:
    """A message that is put off comes when its delay is over, and not before, whatever is done to those beside it meanwhile; and
    what was held comes when its member is left (PS-16, PS-24).
    """
    other = await case.client()
    async with AsyncExitStack() as stack:
        member = await stack.enter_async_context(pubsub.subscribe_durable("t", "s", "earliest"))
        sent = [await pubsub.publish_persistent("t", b"%d" % number) for number in range(_COUNT)]
        given: list[Delivery] = []
        while len(given) < _COUNT and (got := await received(case, member, _COUNT - len(given))):
            given += got
        same("pubsub_persistent.1", sorted(d.message.id for d in given), sorted(sent), "not all that was published is received")
        given.sort(key=lambda delivery: sent.index(delivery.message.id))
        await member.nack(given[_LATE], delay_s=_LATER_S)
        await _EVENTS[event](_Subscription(case, pubsub, other, member, given))
        for delivery in await member.receive(10, 0):
            if delivery.message.id == sent[_LATE]:
                broken("pubsub_persistent.8", f"beside {event} a message comes before its delay is over", expected=[], got=delivery)
            if delivery.message.id != sent[_HELD]:  # that one may be past a deadline
                broken("pubsub_persistent.5", f"beside {event} a message comes that was acked", expected=[], got=delivery)
        if not case.clock.virtual:
            return
        await case.advance(_LATER_S + 10.0)
        found = set[str]()
        for wait_s in (100.0, 0.0, 0.0):
            found |= {delivery.message.id for delivery in await received(case, member, 10, wait_s)}
        same("pubsub_persistent.4", sent[_LATE] in found, True, f"beside {event}: what was put off does not come after its delay")
    async with other.subscribe_durable("t", "s") as last:
        found = set()
        while got := await received(case, last, 10, 100.0 if not found else 0):
            found |= {delivery.message.id for delivery in got}
        same(
            "pubsub_persistent.4", found, {sent[_HELD], sent[_LATE]}, f"beside {event}: what comes in the end is not what was left"
        )
