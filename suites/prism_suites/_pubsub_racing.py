"""Plays scripts of several clients against each other, and judges what plain subscriptions and members were given meanwhile."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from prism_suites._judging import broken
from prism_suites._pubsub_members import HELD_S, received
from prism_suites._pubsub_taking import Sent, is_message, patience, quiet
from prism_suites._racing import together
from prism_testkit.case import Case
from prism_testkit.checkers import conservation
from prism_testkit.checkers.groups import Gone, Received, Settled, check_group
from prism_testkit.checkers.violations import explain
from prism_testkit.histories import Outcome
from prism_testkit.interfaces import Delivery

__all__ = ["Durables", "Plain"]


@dataclass(slots=True)
class _Put:
    sent: Sent
    by: int
    call: int
    ret: int


@dataclass(slots=True, eq=False)
class _Ear:
    """A plain subscription: when it was entered and left, and what it was given."""

    manager: Any
    inner: Any
    entered: tuple[int, int]
    left: int | None = None
    given: list[conservation.Delivery] = field(default_factory=list)


class Plain:
    """Scripts over one topic: ``p`` publishes, ``s`` enters, ``r`` looks, ``w`` waits, ``l`` leaves, ``-`` yields."""

    def __init__(self, case: Case, slots: Sequence[Any], on: Sequence[int]) -> None:
        self.case = case
        self.slots = slots
        self.on = on
        self.puts: list[_Put] = []
        self.ears: list[_Ear] = []
        self._tick = itertools.count()

    async def play(self, scripts: Sequence[str]) -> None:
        """Run each script in a task of its own, then receive what is still to come."""
        await together(*(self._perform(number, script) for number, script in enumerate(scripts)))
        self.case.unschedule()
        for ear in self.ears:
            if ear.left is None:
                await self._drain(ear)
                await ear.manager.__aexit__(None, None, None)

    async def _perform(self, number: int, script: str) -> None:
        slot, ear = self.slots[number], None
        for place, step in enumerate(script):
            if step == "p":
                await self.publish(slot, self.on[number], b"%d.%d" % (number, place))
            elif step == "s" and ear is None:
                ear = await self._enter(slot)
            elif step in "rw" and ear is not None:
                await self._receive(ear, 0 if step == "r" else 3.0 if self.case.clock.virtual else 0.03)
            elif step == "l" and ear is not None:
                ear.left = next(self._tick)
                await ear.manager.__aexit__(None, None, None)
                ear = None
            else:
                await asyncio.sleep(0)

    async def publish(self, slot: Any, by: int, payload: bytes) -> None:
        """Publish, and remember when."""
        call = next(self._tick)
        identity = await slot.publish("t", payload, {"by": str(by)})
        self.puts.append(_Put(Sent(identity, "t", payload, {"by": str(by)}), by, call, next(self._tick)))

    async def _enter(self, slot: Any) -> _Ear:
        call, manager = next(self._tick), slot.subscribe("t")
        inner = await manager.__aenter__()
        ear = _Ear(manager, inner, (call, next(self._tick)))
        self.ears.append(ear)
        return ear

    async def _receive(self, ear: _Ear, timeout_s: float) -> bool:
        call = next(self._tick)
        got = await ear.inner.receive(timeout_s)
        if got is not None:
            ear.given.append(conservation.Delivery(got.payload, call, next(self._tick)))
            sent = next((put.sent for put in self.puts if put.sent.id == got.id), None)
            if sent is not None:  # its publish has returned
                is_message("pubsub_basic.1", got, sent, "a message is not received as it was published")
        return got is not None

    async def _drain(self, ear: _Ear) -> None:
        missing = len(self._due(ear)) - sum(self._is_due(ear, each.value) for each in ear.given)
        while missing > 0 and await self._receive(ear, patience(self.case)):
            missing -= self._is_due(ear, ear.given[-1].value)
        while await self._receive(ear, quiet(self.case)):
            pass

    def _due(self, ear: _Ear) -> list[_Put]:
        return [put for put in self.puts if put.call > ear.entered[1]]

    def _is_due(self, ear: _Ear, value: object) -> bool:
        return any(put.sent.payload == value for put in self._due(ear))

    def judge(self) -> None:
        """Judge each subscription: nothing from before it, nothing twice, nothing lost, each publisher in order."""
        ids = Counter(put.sent.id for put in self.puts)
        if len(ids) < len(self.puts):
            broken("pubsub_basic.1", "two messages of one topic have the same id", expected="an id each", got=ids.most_common(1))
        for ear in self.ears:
            early = {put.sent.payload for put in self.puts if put.ret < ear.entered[0]}
            for delivery in ear.given:
                if delivery.value in early:
                    sentence = "a message is received whose publish returned before the subscription was entered"
                    broken("pubsub_basic.2", sentence, expected="later ones", got=delivery.value)
            self._conserved(ear)
            for by in {put.by for put in self.puts}:
                if self.on.count(by) == 1:  # who publishes two at once has no order
                    self._in_order(ear, [put for put in self.puts if put.by == by])

    def _conserved(self, ear: _Ear) -> None:
        events: list[conservation.Put | conservation.Delivery] = [*ear.given]
        for put in self.puts:
            certain = put.call > ear.entered[1]
            outcome = Outcome.OK if certain else Outcome.UNKNOWN
            events.append(conservation.Put(put.sent.payload, put.call, put.ret if certain else None, outcome))
        wrong = conservation.check_conservation(events, drained=ear.left is None)
        if wrong is not None:
            promise = "pubsub_basic.1" if wrong.rule == "lost" else "pubsub_basic.2"
            broken(promise, f"of calls at once {wrong.sentence}", expected="each message once", got=explain(wrong))

    def _in_order(self, ear: _Ear, puts: Sequence[_Put]) -> None:
        given = [delivery.value for delivery in ear.given]
        found = [put.sent.payload for put in puts if put.sent.payload in given]
        came = [value for value in given if value in found]
        if came != found:
            broken("pubsub_basic.3", "messages of one publisher are not received in order", expected=found, got=came)
        last = max((number for number, put in enumerate(puts) if put.sent.payload in given), default=-1)
        for put in puts[: last + 1]:
            if put.call > ear.entered[1] and put.sent.payload not in given:
                broken("pubsub_basic.1", "a message is missing, though a later one came", expected=put.sent.payload, got=given)


@dataclass(slots=True, eq=False)
class _Member:
    manager: Any
    inner: Any
    number: int
    held: list[tuple[int, Delivery]] = field(default_factory=list)


class Durables:
    """Scripts over one durable subscription: ``p`` publishes, ``j`` joins, ``r`` and ``w`` receive up to two, ``a`` acks and
    ``n`` nacks the oldest that is held, ``l`` leaves, ``-`` yields."""

    def __init__(self, case: Case, slots: Sequence[Any]) -> None:
        self.case = case
        self.slots = slots
        self.events: list[Received | Settled | Gone] = []
        self.sents: dict[str, Sent] = {}
        self._tick = itertools.count()
        self._tokens = itertools.count()
        self._members = itertools.count()
        self._began_s = case.clock.now_s()

    async def play(self, scripts: Sequence[str]) -> None:
        """Make the subscription, run each script in a task of its own, then receive and ack what is left."""
        async with self.slots[0].subscribe_durable("t", "s", "earliest"):
            pass
        self._began_s = self.case.clock.now_s()
        members = await together(*(self._perform(number, script) for number, script in enumerate(scripts)))
        self.case.unschedule()
        for member in members:
            if member is not None:
                await self._leave(member)
        last = await self._join(self.slots[-1])
        records = {event.token: event.record for event in self.events if isinstance(event, Received)}
        acked = {records[event.token] for event in self.events if isinstance(event, Settled) and event.delay_s is None}
        while await self._receive(last, 5, quiet(self.case) if acked >= set(self.sents) else patience(self.case)):
            acked |= {delivery.message.id for _, delivery in last.held}
            while last.held:
                await self._settle(last, None)
        await self._leave(last)

    async def _perform(self, number: int, script: str) -> _Member | None:
        slot = self.slots[number]
        member: _Member | None = None
        for place, step in enumerate(script):
            if step == "p":
                payload = b"%d.%d" % (number, place)
                identity = await slot.publish_persistent("t", payload, {"by": str(number)})
                self.sents[identity] = Sent(identity, "t", payload, {"by": str(number)})
            elif step == "j" and member is None:
                member = await self._join(slot)
            elif step in "rw" and member is not None:
                await self._receive(member, 2, 0 if step == "r" else 0.2 if self.case.clock.virtual else 0.02)
            elif step in "an" and member is not None and member.held:
                await self._settle(member, None if step == "a" else 0.0)
            elif step == "l" and member is not None:
                await self._leave(member)
                member = None
            else:
                await asyncio.sleep(0)
        return member

    async def _join(self, slot: Any) -> _Member:
        manager = slot.subscribe_durable("t", "s", "new")
        return _Member(manager, await manager.__aenter__(), next(self._members))

    async def _receive(self, member: _Member, most: int, timeout_s: float) -> bool:
        call = next(self._tick)
        got = await received(self.case, member.inner, most, timeout_s)
        ret = next(self._tick)
        for delivery in got:
            token = next(self._tokens)
            identity = delivery.message.id
            self.events.append(Received(identity, member.number, token, delivery.delivery_count, call, ret))
            member.held.append((token, delivery))
            if identity in self.sents:
                is_message("pubsub_persistent.2", delivery.message, self.sents[identity], "a message is not received as published")
        return bool(got)

    async def _settle(self, member: _Member, delay_s: float | None) -> None:
        token, delivery = member.held.pop(0)
        call = next(self._tick)
        await (member.inner.ack(delivery) if delay_s is None else member.inner.nack(delivery, delay_s=delay_s))
        self.events.append(Settled(token, delay_s, call, next(self._tick)))

    async def _leave(self, member: _Member) -> None:
        self.events.append(Gone(member.number, next(self._tick)))
        await member.manager.__aexit__(None, None, None)

    def judge(self) -> None:
        """Judge that members shared: one holder at a time, nothing lost, nothing after its ack, counts that rise."""
        strange = {event.record for event in self.events if isinstance(event, Received)} - set(self.sents)
        if strange:
            broken("pubsub_persistent.1", "a message is received that was not published", expected=sorted(self.sents), got=strange)
        counts = self.case.traits.delivery_count
        wrong = check_group(self.events, list(self.sents), drained=True, counts=counts)
        if wrong is None:
            return
        if self.case.clock.now_s() - self._began_s >= HELD_S and wrong.rule not in ("skipped", "count"):
            return  # an acknowledgement deadline may have been over, and then all of this is legal
        promise = {"early": 7, "acked": 5, "count": 4, "skipped": 13, "abandoned": 4}.get(wrong.rule, 15)
        sentence = f"of members that share a subscription {wrong.sentence}"
        broken(f"pubsub_persistent.{promise}", sentence, expected="one holder at a time, until its ack", got=explain(wrong))
