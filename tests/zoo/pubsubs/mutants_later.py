"""Mutants that are right the first time: a second wait, a third delivery, a subscription that is entered again."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from prism_testkit.interfaces import Bytes, Deliveries, Delivery, Message
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Listener, Member, PubSub
from .stores import Mark, Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)
_LATE_S = 600.0


def _time(driver: PubSub, *what: Any) -> int:
    """Return how often this was called, with this time."""
    counts = driver.store.notes.setdefault(("later", driver.namespace), {})
    counts[what] = counts.get(what, 0) + 1
    return int(counts[what])


@mutant("basic.9", "lost wakeup", trap="a second wait of one subscription", also="basic.1")
class ASecondWaitIsNotWoken(Listener):
    async def receive(self, timeout_s: float = 0) -> Message | None:
        found = await super().receive(0)
        if found is not None or timeout_s <= 0:
            return found
        if _time(self.driver, "wait", id(self)) % 2 == 0:
            await self.driver.store.clock.sleep(min(timeout_s, _LATE_S))
            return await super().receive(0)
        return await super().receive(timeout_s)


@mutant("persistent.9", "lost wakeup", trap="a second wait of one member", also="persistent.4 persistent.13")
class ASecondWaitOfAMemberIsNotWoken(Member):
    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        found = await super().receive(max_messages, 0)
        if found or timeout_s <= 0:
            return found
        if _time(self.driver, "wait", id(self)) % 2 == 0:
            await self.driver.store.clock.sleep(min(timeout_s, _LATE_S))
            return await super().receive(max_messages, 0)
        return await super().receive(max_messages, timeout_s)


@mutant("persistent.8", "forgotten", trap="a second nack with a delay", also="persistent.4")
class ASecondDelayIsNone(Member):
    def give_back(self, identifiers: list[str], delay_s: float) -> None:
        again = [each for each in identifiers if self.mark(each).count > 1]
        super().give_back([each for each in identifiers if each not in again], delay_s)
        super().give_back(again, 0)


@mutant("persistent.4", "counter", trap="a fourth delivery", also="persistent.2")
class CountsToThree(Member):
    def counted(self, mark: Mark) -> Mark:
        return replace(mark, count=min(3, mark.count + 1))


@mutant("persistent.2", "lost on the way", trap="the headers of a third delivery", also="persistent.4 persistent.12")
class HeadersLastForTwoDeliveries(Member):
    def delivery(self, row: Row, count: int, token: str) -> Delivery:
        found = super().delivery(row, count, token)
        return replace(found, message=replace(found.message, headers={})) if count > 2 else found


@mutant("persistent.5", "forgotten", trap="an ack of a third delivery", also="persistent.4")
class AcksOfThirdDeliveriesAreForgottenAtTheNextJoin(PubSub):
    @asynccontextmanager
    async def joining(self, topic: str, name: str, start: str) -> AsyncIterator[Deliveries]:
        marks = self.space().marks.get((topic, name), {})
        late = {(topic, name, each): replace(mark, acked=False) for each, mark in marks.items() if mark.acked and mark.count > 2}
        self.apply(late)
        async with super().joining(topic, name, start) as member:
            yield member


@mutant("persistent.7", "forgotten", trap="a second member that leaves with what it held", also="persistent.4")
class WhatASecondLeaverHeldWaitsForAnother(Member):
    def leave(self) -> None:
        if _time(self.driver, "leave", self.topic, self.name) == 2:
            self.left = True
        else:
            super().leave()


@mutant("persistent.1", "state", trap="a subscription that is entered for the third time", also="persistent.4 persistent.7")
class AThirdEntryBeginsAnew(PubSub):
    @asynccontextmanager
    async def joining(self, topic: str, name: str, start: str) -> AsyncIterator[Deliveries]:
        if _time(self, "join", topic, name) == 3 and (topic, name) in self.space().marks:
            marks = self.space().marks[topic, name]
            self.apply(
                {(topic, name, each): Mark() for each in marks if self.store.holds.get((self.namespace, topic, name, each)) is None}
            )
        async with super().joining(topic, name, start) as member:
            yield member


@mutant("persistent.10", "cache", trap="a third look at the last id", also="persistent.13")
class AThirdLastIdIsTheOneBefore(PubSub):
    async def last_message_id(self, topic: str) -> str | None:
        found = await super().last_message_id(topic)
        kept = self.store.notes.setdefault(("last", self.namespace), {})
        if _time(self, "last", topic) % 3 == 0:
            found = kept[topic]
        kept[topic] = found
        return found


@mutant("basic.1", "leak", trap="a topic that is subscribed to, left, and subscribed to again, twice", also="basic.2 basic.4")
class AThirdSubscriptionHearsNothing(PubSub):
    async def enter(self, listener: Listener) -> None:
        if _time(self, "enter", listener.topic) % 5 != 3:
            await super().enter(listener)


@mutant("basic.2", "leftover", trap="what came to a listener that was left, for the third", also="basic.1")
class AThirdSubscriptionHearsTheLastOfTheSecond(PubSub):
    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        identity = await super().publish(topic, payload, headers)
        self.store.notes[("last message", self.namespace, topic)] = Message(identity, topic, bytes(payload), dict(headers or {}))
        return identity

    async def enter(self, listener: Listener) -> None:
        await super().enter(listener)
        kept = self.store.notes.get(("last message", self.namespace, listener.topic))
        if _time(self, "enter", listener.topic) == 3 and kept is not None:
            listener.offer(kept)
