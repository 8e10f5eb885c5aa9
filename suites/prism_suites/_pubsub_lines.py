"""Messages with ordering keys on durable subscriptions: what may be delivered when, whoever acks, gives back and leaves.

Of each subscription an independent model remembers every message in the order of publishing. One may be delivered if each earlier
one of its key was acked. As an acknowledgement deadline is legal, what was held for longer than a moment may come again.
"""

import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from hypothesis import strategies as st

from prism_suites._judging import broken
from prism_suites._pubsub_members import HELD_S, counted, received
from prism_suites._pubsub_taking import Sent, is_message, patience, quiet
from prism_testkit.case import Case
from prism_testkit.interfaces import Conflict, Delivery, PubSubOrdering, PubSubPersistent

__all__ = ["HEADERS", "Lines", "OrderingAndPersistent", "Step", "drained", "ordered", "playing", "steps"]

Step = tuple[str, int, int]
"""What is done, by which member or client, and with which of several things."""

HEADERS = {"a": "b", "é": ""}
_SIZES = (70_000, 0, 5000, 0, 0, 300, 0)
_HEADERS: tuple[dict[str, str] | None, ...] = (HEADERS, None, {}, None, {"n": "v" * 600})
_MOST = (1, 2, 10, 3)
_MOST_MEMBERS = 4


class OrderingAndPersistent(PubSubOrdering, PubSubPersistent, Protocol):
    """Messages with and without a key."""


def steps(most: int = 40, often: Sequence[str] = ()) -> "st.SearchStrategy[tuple[Step, ...]]":
    """Return a strategy for what is done, one after the other; ``often``: what else, or more often."""
    usual = ("publish", "take", "ack", "publish", "take", "nack", "join", "leave", "stale", "ack all", "nack all")
    names = st.sampled_from((*usual, *often))
    one = st.tuples(names, st.integers(0, 3), st.integers(0, 11))
    return st.lists(one, min_size=4, max_size=most).map(tuple)


async def ordered(slot: Any, key: str, payloads: Sequence[bytes], topic: str = "t") -> list[Sent]:
    """Publish payloads of one key one after another."""
    return [Sent(await slot.publish_ordered(topic, key, data, HEADERS), topic, data, HEADERS) for data in payloads]


async def drained(case: Case, slot: Any, topic: str, name: str, count: int) -> list[Sent]:
    """Receive and ack everything of a subscription, a few at a time; return what came."""
    found: list[Sent] = []
    async with slot.subscribe_durable(topic, name, "earliest") as member:
        while got := await received(case, member, 4, patience(case) if len(found) < count else quiet(case)):
            await member.ack(*got)
            found += [Sent(d.message.id, d.message.topic, d.message.payload, dict(d.message.headers)) for d in got]
            if len(found) > count * 3:
                break
    return found


@dataclass(slots=True, eq=False)
class _Item:
    """A message in one subscription."""

    sent: Sent
    key: str | None
    state: Literal["ready", "held", "acked", "unsure"] = "ready"
    count: int = 0
    since_s: float = 0.0
    holder: "_Joined | None" = None
    delivery: Delivery | None = None
    stale: bool = False
    """An ack or a nack came of who did not hold it, which changes nothing."""
    forgotten: bool = False
    """How often it was delivered need not be known any more."""


@dataclass(slots=True, eq=False)
class _Line:
    """A durable subscription, and what it gets, in the order of publishing."""

    topic: str
    name: str
    items: list[_Item] = field(default_factory=list)

    def before(self, item: _Item) -> list[_Item]:
        """Return what is before a message of its key, and was certainly not acked."""
        if item.key is None:
            return []
        earlier = self.items[: self.items.index(item)]
        return [other for other in earlier if other.key == item.key and other.state in ("ready", "held")]

    def free(self) -> list[_Item]:
        """Return what must come if somebody receives: it is nobody's, and all before it was acked for certain."""
        busy: set[str | None] = {item.key for item in self.items if item.key is not None and item.state in ("held", "unsure")}
        found: list[_Item] = []
        for item in self.items:
            if item.state == "ready" and item.key not in busy:
                found.append(item)
                if item.key is not None:
                    busy.add(item.key)
        return found


@dataclass(slots=True, eq=False)
class _Joined:
    manager: Any
    inner: Any
    line: _Line


class Lines:
    """Clients of one namespace, the subscriptions of its topics, and their members."""

    def __init__(self, case: Case, slots: Sequence[Any], keys: Sequence[str | None]) -> None:
        self.case, self.slots, self.keys = case, slots, keys
        self.lines: dict[tuple[str, str], _Line] = {}
        self.logs: dict[str, list[tuple[Sent, str | None]]] = {}
        self.members: list[_Joined] = []
        self._number = 0

    async def play(self, script: Sequence[Step], topics: Sequence[str] = ("t",), names: Sequence[str] = ("s",)) -> None:
        """Do one thing after the other."""
        for step, who, number in script:
            if step == "publish":
                await self.publish(self.slots[who % len(self.slots)], topics[who % len(topics)], self.keys[number % len(self.keys)])
            elif step == "join" and len(self.members) < _MOST_MEMBERS:
                start = "earliest" if number % 3 else "new"
                slot = self.slots[who % len(self.slots)]
                await self.join(slot, topics[number % len(topics)], names[who % len(names)], start)
            elif self.members:
                member = self.members[who % len(self.members)]
                await self._with(member, step, number)

    async def _with(self, member: _Joined, step: str, number: int) -> None:
        held = [item for item in member.line.items if item.holder is member and item.state == "held"]
        if step == "take":
            await self.take(member, _MOST[number % 4])
        elif step == "leave":
            await self.leave(member)
        elif step in ("ack", "nack") and held:
            await self.settle([held[number % len(held)]], step)
        elif step in ("ack all", "nack all") and held:
            await self.settle(held[:: -1 if number % 2 else 1], step.split()[0])
        elif step == "stale":
            old = [item for item in member.line.items if item.delivery is not None and item not in held]
            if old:  # what it does not hold (any more): that changes nothing, least of all what may come next
                old[number % len(old)].stale = True
                call = member.inner.nack if number % 2 else member.inner.ack
                with contextlib.suppress(Conflict):
                    await call(old[number % len(old)].delivery)

    async def publish(self, slot: Any, topic: str, key: str | None) -> None:
        """Publish a message that is like no other."""
        # Sizes and headers take turns: nothing that a message is may change its place.
        room = self.case.limits.max_payload
        size = min(_SIZES[self._number % len(_SIZES)], room // (64 if self.case.server else 8))
        payload = (b"%d " % self._number).ljust(size, b".")
        headers = _HEADERS[self._number % len(_HEADERS)]
        self._number += 1
        if key is None:
            identity = await slot.publish_persistent(topic, payload, headers)
        else:
            identity = await slot.publish_ordered(topic, key, payload, headers)
        sent = Sent(identity, topic, payload, headers or {})
        self.logs.setdefault(topic, []).append((sent, key))
        for line in self.lines.values():
            if line.topic == topic:
                line.items.append(_Item(sent, key))

    async def join(self, slot: Any, topic: str, name: str, start: str) -> _Joined:
        manager = slot.subscribe_durable(topic, name, start)
        inner = await manager.__aenter__()
        if (topic, name) not in self.lines:
            log = self.logs.get(topic, []) if start == "earliest" else []
            self.lines[topic, name] = _Line(topic, name, [_Item(sent, key) for sent, key in log])
        member = _Joined(manager, inner, self.lines[topic, name])
        self.members.append(member)
        return member

    async def leave(self, member: _Joined) -> None:
        self.members.remove(member)
        await member.manager.__aexit__(None, None, None)
        for item in member.line.items:
            if item.holder is member:
                item.holder = None
                item.state = "ready" if item.state == "held" else item.state

    async def take(self, member: _Joined, most: int) -> int:
        """Receive once, and judge each delivery, and that there was one if there had to be; return how many there were."""
        start_s, free = self.case.clock.now_s(), member.line.free()
        got = await received(self.case, member.inner, most, patience(self.case) if free else 0)
        if free and not got:
            behind = any(item.state == "held" for item in member.line.items)
            sentence = "a message is not delivered, though every earlier one of its key was acked"
            promise = "pubsub_ordering.6" if behind else "pubsub_ordering.1"
            if any(item.key == free[0].key and item.state == "acked" for item in member.line.items):
                promise = "pubsub_ordering.5"
            if any(item.key == free[0].key and item.stale for item in member.line.items):
                promise = "pubsub_ordering.9"
            broken(promise, sentence, expected=[(item.key, item.sent) for item in free], got=[])
        for delivery in got:
            self._given(member, delivery, start_s)
        return len(got)

    def _given(self, member: _Joined, delivery: Delivery, start_s: float) -> None:
        message, line = delivery.message, member.line
        item = next((item for item in line.items if item.sent.payload == message.payload), None)
        if item is None:
            broken("pubsub_ordering.1", "a message is delivered that is not for this subscription", expected=None, got=delivery)
        is_message("pubsub_ordering.7", message, item.sent, "a message is not delivered as it was published")
        before = line.before(item)
        if before:
            came = any(other.count for other in before)
            promise = (
                "pubsub_ordering.2" if not came else "pubsub_ordering.3" if before[-1].state == "held" else "pubsub_ordering.4"
            )
            sentence = f"a message is delivered before an earlier one of its key {item.key!a} was acked"
            promise = "pubsub_ordering.9" if any(other.stale for other in before) else promise
            broken(promise, sentence, expected=[other.sent for other in before], got=delivery)
        if item.state == "acked":
            broken("pubsub_ordering.1", "a message that was acked is delivered again", expected=None, got=delivery)
        if item.state == "held" and self.case.clock.now_s() - item.since_s < HELD_S:
            broken("pubsub_ordering.3", "a message that is held is delivered again", expected=None, got=delivery)
        if item.state != "unsure" and not item.forgotten:
            counted(self.case, delivery, item.count)
        item.forgotten = False
        item.state, item.count, item.since_s = "held", delivery.delivery_count, start_s
        item.holder, item.delivery = member, delivery

    async def settle(self, items: Sequence[_Item], step: str) -> None:
        """Ack or give back what one member holds, in one call."""
        holder = items[0].holder
        assert holder is not None, "it is held"
        call = holder.inner.ack if step == "ack" else holder.inner.nack
        since_s = min(item.since_s for item in items)
        try:
            await call(*(item.delivery for item in items))
        except Conflict:
            if self.case.clock.now_s() - since_s < HELD_S:
                broken("pubsub_ordering.1", f"{step} of what is held raises Conflict", expected="success", got="Conflict")
            for item in items:
                item.state = "unsure"
            return
        certain = self.case.clock.now_s() - since_s < HELD_S
        for item in items:
            item.state = ("acked" if certain else "unsure") if step == "ack" else "ready"

    def die(self, *, noticed: bool, acks: bool, counts: bool) -> None:
        """All clients are dead, and ``noticed``: all who live know; ``acks``, ``counts``: these are claimed to survive."""
        self.members.clear()
        for item in (item for line in self.lines.values() for item in line.items):
            if item.state == "held":
                item.state = "ready" if noticed else "unsure"
            elif item.state == "acked" and not acks:
                item.state = "unsure"
            item.holder, item.delivery, item.forgotten = None, None, item.forgotten or not counts

    async def finish(self) -> None:
        """Leave everything, then receive and ack what is left, in its order."""
        for member in list(self.members):
            await self.leave(member)
        for line in list(self.lines.values()):
            member = await self.join(self.slots[0], line.topic, line.name, "new")
            while await self.take(member, 3):
                if held := [item for item in line.items if item.holder is member and item.state == "held"]:
                    await self.settle(held, "ack")
            await self.leave(member)

    async def leave_all(self) -> None:
        """Leave what is still entered, whatever happened."""
        for member in self.members:
            with contextlib.suppress(Exception):  # what went wrong first is the story
                await member.manager.__aexit__(None, None, None)


@asynccontextmanager
async def playing(case: Case, slot: Any, keys: Sequence[str | None]) -> AsyncIterator[Lines]:
    """Yield the lines of two clients; in the end everything is received that is left, and every member is left."""
    lines = Lines(case, [slot, await case.client()], keys)
    try:
        yield lines
        await lines.finish()
    finally:
        await lines.leave_all()
