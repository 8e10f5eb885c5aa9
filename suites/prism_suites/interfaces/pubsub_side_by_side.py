"""pubsub: two calls of one kind, by one client, at once: each has its own arguments, its own effect and its own answer."""

from contextlib import AsyncExitStack
from typing import Any

from prism_suites._at_once import Kind, Sides, each_does_its_own, each_of
from prism_suites._pubsub_members import received
from prism_suites._pubsub_taking import PERSISTENT, numbered, patience, quiet, send
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import PubSubBasic, PubSubFiltering, PubSubOrdering, PubSubPersistent, PubSubWildcards


def _told(message: Any) -> Any:
    return message and (message.topic, message.payload, dict(message.headers))


_MESSAGES = [("a", b"of a", {"a": "1"}), ("b", b"of b", {})]


async def _publishes(sides: Sides) -> None:
    p = sides.slot
    async with p.subscribe("a") as first, p.subscribe("b") as second:
        ids = await sides.both(p.publish("a", b"of a", {"a": "1"}), p.publish("b", b"of b"))
        found = [await each.receive(patience(sides.case)) for each in (first, second)]
        sides.same([_told(each) for each in found], _MESSAGES, "one publishes what is the other's")
        sides.same([each and each.id for each in found], list(ids), "one returns the id of the other")
        more = [await each.receive(quiet(sides.case)) for each in (first, second)]
        sides.same(more, [None, None], "more is received than was published")


async def _enters(sides: Sides) -> None:
    p = sides.slot
    async with AsyncExitStack() as stack:
        managers = p.subscribe("a"), p.subscribe("b")
        ears = await sides.both(*(stack.enter_async_context(manager) for manager in managers))
        await p.publish("a", b"of a", {"a": "1"})
        await p.publish("b", b"of b")
        found = await sides.both(*(ear.receive(patience(sides.case)) for ear in ears))
        sides.same([_told(each) for each in found], _MESSAGES, "one is given what is the other's")


async def _patterns(sides: Sides) -> None:
    p = sides.slot
    async with AsyncExitStack() as stack:
        managers = p.subscribe_pattern("a.*"), p.subscribe_pattern("b.>")
        ears = await sides.both(*(stack.enter_async_context(manager) for manager in managers))
        await sides.both(p.publish("a.x", b"of a"), p.publish("b.x.y", b"of b"))
        found = await sides.both(*(ear.receive(patience(sides.case)) for ear in ears))
        sides.same([_told(each) for each in found], [("a.x", b"of a", {}), ("b.x.y", b"of b", {})], "one has the other's pattern")


async def _filters(sides: Sides) -> None:
    p = sides.slot
    async with AsyncExitStack() as stack:
        managers = p.subscribe_filtered("t", {"of": "a"}), p.subscribe_filtered("t", {"of": "b"})
        ears = await sides.both(*(stack.enter_async_context(manager) for manager in managers))
        await sides.both(p.publish("t", b"of a", {"of": "a"}), p.publish("t", b"of b", {"of": "b"}))
        found = await sides.both(*(ear.receive(patience(sides.case)) for ear in ears))
        wanted = [("t", b"of a", {"of": "a"}), ("t", b"of b", {"of": "b"})]
        sides.same([_told(each) for each in found], wanted, "one has the other's filter, or its headers")
        more = [await each.receive(quiet(sides.case)) for each in ears]
        sides.same(more, [None, None], "more comes than passes its filter")


async def _publishes_persistently(sides: Sides) -> None:
    p = sides.slot
    ids = await sides.both(p.publish_persistent("a", b"of a", {"a": "1"}), p.publish_persistent("b", b"of b"))
    told = await sides.both(p.last_message_id("a"), p.last_message_id("b"))
    sides.same(told, ids, "one returns the id of the other, or last_message_id does")
    async with AsyncExitStack() as stack:
        managers = p.subscribe_durable("a", "s", "earliest"), p.subscribe_durable("b", "s", "new")
        members = await sides.both(*(stack.enter_async_context(manager) for manager in managers))
        found = [await received(sides.case, members[0], 3), await received(sides.case, members[1], 3, quiet(sides.case))]
        sides.same(
            [[_told(each.message) for each in some] for some in found], [_MESSAGES[:1], []], "one is, or begins, as the other"
        )


class _Held:
    """A member, and what it holds."""

    def __init__(self, member: Any, held: list[Any]) -> None:
        self.member, self.held = member, held

    @property
    def ids(self) -> list[str]:
        return [delivery.message.id for delivery in self.held]


async def _holding(sides: Sides, what: Any) -> None:
    """Let two members of one client hold three messages each, of topics of their own."""
    p = sides.slot
    async with p.subscribe_durable("a", "s", "earliest") as first, p.subscribe_durable("b", "s", "earliest") as second:
        both = []
        for topic, member in (("a", first), ("b", second)):
            await send(p, topic, numbered(3, topic), PERSISTENT)
            both.append(_Held(member, [each for _ in range(3) for each in await received(sides.case, member, 1)]))
        await what(*both)


async def _comes(sides: Sides, held: _Held, count: int) -> list[str]:
    """Return what comes again to a member: so many are waited for, and then looked for once more."""
    found: list[str] = []
    while len(found) < count and (got := await received(sides.case, held.member, 5)):
        found += [delivery.message.id for delivery in got]
    found += [delivery.message.id for delivery in await received(sides.case, held.member, 5, quiet(sides.case))]
    return sorted(found)


async def _receives(sides: Sides) -> None:
    p = sides.slot
    async with p.subscribe_durable("a", "s", "earliest") as first, p.subscribe_durable("b", "s", "earliest") as second:
        for topic in ("a", "b"):
            await send(p, topic, numbered(3, topic), PERSISTENT)
        found = await sides.both(received(sides.case, first, 1), received(sides.case, second, 3))
        sides.same([{each.message.topic for each in some} for some in found], [{"a"}, {"b"}], "one is given what is the other's")


async def _acks(sides: Sides) -> None:
    async def acks(first: _Held, second: _Held) -> None:
        await sides.both(first.member.ack(first.held[0]), second.member.ack(*second.held[1:]))
        await first.member.nack(*first.held[1:])
        await second.member.nack(second.held[0])
        found = [await _comes(sides, first, 2), await _comes(sides, second, 1)]
        sides.same(found, [sorted(first.ids[1:]), second.ids[:1]], "one acks what is the other's")

    await _holding(sides, acks)


async def _acks_of_one(sides: Sides) -> None:
    async with sides.slot.subscribe_durable("a", "s", "earliest") as member:
        await send(sides.slot, "a", numbered(3), PERSISTENT)
        held = _Held(member, [each for _ in range(3) for each in await received(sides.case, member, 1)])
        await sides.both(member.ack(held.held[0]), member.ack(held.held[2]))
    async with sides.slot.subscribe_durable("a", "s") as member:
        sides.same(await _comes(sides, _Held(member, []), 1), held.ids[1:2], "of two acks of one member one is lost")


async def _nacks(sides: Sides) -> None:
    if not sides.case.clock.virtual:
        return

    async def nacks(first: _Held, second: _Held) -> None:
        calls = first.member.nack(*first.held, delay_s=100.0), second.member.nack(*second.held, delay_s=1e5)
        await sides.both(*calls)
        await sides.case.advance(1000.0)
        found = [await _comes(sides, first, 3), await _comes(sides, second, 0)]
        sides.same(found, [sorted(first.ids), []], "one delays for the time of the other")

    await _holding(sides, nacks)


async def _orders(sides: Sides) -> None:
    p = sides.slot
    async with p.subscribe_durable("t", "s", "earliest") as member:
        ids = await sides.both(p.publish_ordered("t", "k", b"of k"), p.publish_ordered("t", "l", b"of l"))
        later = await sides.both(p.publish_ordered("t", "k", b"of k again"), p.publish_ordered("t", "l", b"of l again"))
        got = [each for _ in range(2) for each in await received(sides.case, member, 1)]
        found = sorted(each.message.id for each in got)
        sides.same(found, sorted(ids), "one has the key of the other: not the first of each key comes")
        await member.ack(*got)
        got = [each for _ in range(2) for each in await received(sides.case, member, 1)]
        sides.same(
            sorted(each.message.id for each in got), sorted(later), "one has the key of the other: not the next of each comes"
        )


_KINDS: dict[str, Kind] = {
    "publish": Kind(PubSubBasic, "pubsub_basic.1", _publishes),
    "subscribe": Kind(PubSubBasic, "pubsub_basic.4", _enters),
    "subscribe_pattern": Kind(PubSubWildcards, "pubsub_wildcards.1", _patterns),
    "subscribe_filtered": Kind(PubSubFiltering, "pubsub_filtering.1", _filters),
    "publish_persistent": Kind(PubSubPersistent, "pubsub_persistent.13", _publishes_persistently),
    "receive": Kind(PubSubPersistent, "pubsub_persistent.6", _receives),
    "ack": Kind(PubSubPersistent, "pubsub_persistent.5", _acks),
    "ack of one member": Kind(PubSubPersistent, "pubsub_persistent.5", _acks_of_one),
    "nack": Kind(PubSubPersistent, "pubsub_persistent.8", _nacks),
    "publish_ordered": Kind(PubSubOrdering, "pubsub_ordering.3", _orders),
}
_OF_MEMBERS = {name: kind for name, kind in _KINDS.items() if "persistent" in kind.promise or "ordering" in kind.promise}
_OF_LISTENERS = {name: kind for name, kind in _KINDS.items() if name not in _OF_MEMBERS}


@check(*dict.fromkeys(kind.promise for kind in _OF_LISTENERS.values()))
@each_of(_OF_LISTENERS)
async def of_two_calls_at_once_each_does_its_own(pubsub: PubSubBasic, case: Case, kind: str, turned: bool) -> None:
    """Two calls of one kind are under way in one client, of two topics, with other arguments: neither has what is the other's."""
    await each_does_its_own(case, _KINDS, kind, turned)


@check(*dict.fromkeys(kind.promise for kind in _OF_MEMBERS.values()))
@each_of(_OF_MEMBERS)
async def of_two_calls_of_members_each_does_its_own(pubsub: PubSubPersistent, case: Case, kind: str, turned: bool) -> None:
    """So of durable subscriptions and their members."""
    await each_does_its_own(case, _KINDS, kind, turned)
