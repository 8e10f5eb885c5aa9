"""Mutants of the sixteenth examination: instants and keys of other deliveries, what is cut off with another, identity."""

import asyncio
from collections.abc import Mapping
from typing import Any

from prism_testkit.interfaces import Bytes, Delivery, Message
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Listener, Member, PubSub, step
from .reference_newer import NewerPubSub, OrderedMember, PatternListener
from .stores import Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _CountsFromTheReceive(Member):
    def deliver(self, rows: list[Row]) -> list[Delivery]:
        for row in rows:
            self.driver.store.notes[self.hold_slot(row.message.id), "since"] = self.driver.now()
        return super().deliver(rows)

    def give_back(self, identifiers: list[str], delay_s: float) -> None:
        for identifier in identifiers:
            since = self.driver.store.notes.get((self.hold_slot(identifier), "since"), self.driver.now())
            super().give_back([identifier], delay_s and max(1e-9, since + delay_s - self.driver.now()))


@mutant("persistent.8", "wrong instant", trap="a message is held for a moment, and nacked with a delay")
class DelaysCountFromTheReceive(PubSub):
    member_type = _CountsFromTheReceive


class _KnowsTheLastInstant(Member):
    def instants(self) -> list[float]:
        last = self.driver.store.notes.get((self.driver.namespace, self.topic, self.name, "last"))
        return [] if last is None or self.driver.over(last) else [last]

    def give_back(self, identifiers: list[str], delay_s: float) -> None:
        super().give_back(identifiers, delay_s)
        if identifiers and delay_s > 0:
            self.driver.store.notes[self.driver.namespace, self.topic, self.name, "last"] = self.driver.after(delay_s)


@mutant(
    "persistent.9",
    "bounded look",
    trap="two delays, the second shorter, and a receive that waits for the first",
    also="persistent.8",
)
class TheLastDelayIsWaitedFor(PubSub):
    member_type = _KnowsTheLastInstant


class _KnowsByIdentity(Member):
    def deliver(self, rows: list[Row]) -> list[Delivery]:
        given = super().deliver(rows)
        self.__dict__.setdefault("given", []).extend(given)
        return given

    def holds(self, delivery: Delivery) -> bool:
        return any(each is delivery for each in self.__dict__.get("given", ())) and super().holds(delivery)


@mutant("persistent.5", "identity", trap="a delivery that was copied is acked")
class DeliveriesAreKnownByIdentity(PubSub):
    member_type = _KnowsByIdentity


@mutant(
    "persistent.1", "bounded cache", trap="a thousand topics between publishing and subscribing", also="persistent.13 persistent.10"
)
class AThousandTopicsAreKept(PubSub):
    def insert(self, row: Row) -> None:
        super().insert(row)
        topics = self.space().topics
        if len(topics) > 1000:
            del topics[next(iter(topics))]


class _TakesManyOfAKey(OrderedMember):
    def next_ones(self, amount: int) -> list[Row]:
        if amount <= 100:
            return super().next_ones(amount)
        first = super().next_ones(amount)
        keys = {self.lane(row) for row in first}
        return [row for row in self.pending() if self.available(row) and self.lane(row) in keys][:amount]


@mutant("ordering.3", "threshold", trap="a receive of more than 100, and several messages of a key", also="ordering.2")
class AReceiveOfManyTakesSeveralOfAKey(NewerPubSub):
    member_type = _TakesManyOfAKey


class _FreesWhatItHeld(OrderedMember):
    """A key is free if nobody has it; who leaves frees the keys that were ever his."""

    def table(self) -> dict[Any, str]:
        found: dict[Any, str] = self.driver.store.notes.setdefault((self.driver.namespace, self.topic, self.name, "keys"), {})
        return found

    def heads(self) -> list[Row]:
        taken = self.table()
        lines: dict[Any, Row] = {}
        for row in self.pending():
            if row.key is not None and self.holder(row.message.id) is None:
                lines.setdefault(row.key, row)
        alone = [row for row in self.pending() if row.key is None]
        return [*alone, *(row for key, row in lines.items() if key not in taken)]

    def deliver(self, rows: list[Row]) -> list[Delivery]:
        mine = self.__dict__.setdefault("mine", set())
        for row in rows:
            if row.key is not None:
                self.table()[row.key] = row.message.id
                mine.add(row.key)
        return super().deliver(rows)

    def drop(self, identifier: str) -> None:
        super().drop(identifier)
        for key in [key for key, held in self.table().items() if held == identifier]:
            del self.table()[key]

    def leave(self) -> None:
        for key in self.__dict__.get("mine", ()):
            self.table().pop(key, None)
        super().leave()


@mutant(
    "ordering.3", "what is somebody's", trap="a member that held a key leaves while another holds it", also="ordering.2 ordering.4"
)
class WhoLeavesFreesWhatHeEverHeld(NewerPubSub):
    member_type = _FreesWhatItHeld


@mutant("wildcards.6", "siblings", trap="a pattern is left that is the beginning of another", also="wildcards.1")
class WhatBeginsLikeALeftPatternIsCutOff(NewerPubSub):
    """Patterns are a tree; with its last subscription a branch goes."""

    def forget(self, listener: Listener) -> None:
        super().forget(listener)
        if isinstance(listener, PatternListener) and all(each.topic != listener.topic for each in self.watchers()):
            for each in [each for each in self.watchers() if each.topic.startswith(f"{listener.topic}.")]:
                self.watchers().remove(each)


@mutant("basic.4", "live iteration", trap="a subscription is left while a message is offered to those behind it", also="basic.1")
class AWalkOverTheListenersThemselves(PubSub):
    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        key, data, labels = self.topic(topic, "publish"), self.data(payload, "publish", topic), self.labels(headers, "publish")
        message = Message(self.new_id(key), topic, data, labels)
        await asyncio.shield(self._offered(key, message))
        return message.id

    async def _offered(self, topic: str, message: Message) -> None:
        for listener in self.listeners(topic):
            listener.offer(message)
            await step()
        self.wake()
