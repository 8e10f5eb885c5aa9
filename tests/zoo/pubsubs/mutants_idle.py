"""Mutants that forget what nobody touched for a while: an hour, a day, a week."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from prism_testkit.interfaces import Deliveries, Message
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Listener, Member, PubSub
from .stores import Mark, Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)
HOUR_S, DAY_S = 3_600.0, 86_400.0


@mutant("persistent.13", "expiry", trap="a subscription without a member, a week later", also="persistent.1 persistent.4")
class SubscriptionsWithoutMembersLastAWeek(PubSub):
    @asynccontextmanager
    async def joining(self, topic: str, name: str, start: str) -> AsyncIterator[Deliveries]:
        left = self.store.notes.setdefault(("left", self.namespace), {})
        if self.now() - left.get((topic, name), self.now()) > 7 * DAY_S:
            self.space().starts.pop((topic, name), None)
            self.space().marks.pop((topic, name), None)
        async with super().joining(topic, name, start) as member:
            yield member
        left[topic, name] = self.now()


@mutant("persistent.4", "expiry", trap="the count of what came back a day ago", also="persistent.2")
class CountsLastADay(Member):
    def counted(self, mark: Mark) -> Mark:
        given = self.driver.store.notes.setdefault(("given", self.driver.namespace, self.topic, self.name), {})
        counted = super().counted(mark)
        if mark.count and self.driver.now() - given.get(mark, self.driver.now()) > DAY_S:
            counted = replace(counted, count=1)
        given[counted] = self.driver.now()
        return counted


@mutant("persistent.13", "expiry", trap="a message that nobody received for a month", also="persistent.1 persistent.4")
class MessagesLastAMonth(PubSub):
    def rows(self, topic: str) -> list[Row]:
        kept = self.store.notes.setdefault(("kept", self.namespace, topic), {})
        now = self.now()
        return [row for row in super().rows(topic) if now - kept.setdefault(row.message.id, now) <= 30 * DAY_S]

    def insert(self, row: Row) -> None:
        super().insert(row)
        self.store.notes.setdefault(("kept", self.namespace, row.message.topic), {})[row.message.id] = self.now()


@mutant("persistent.10", "expiry", trap="the last id of a topic of last month", also="persistent.13")
class TheLastIdLastsAMonth(PubSub):
    def insert(self, row: Row) -> None:
        super().insert(row)
        self.store.notes[("at", self.namespace, row.message.topic)] = self.now()

    async def last_message_id(self, topic: str) -> str | None:
        found = await super().last_message_id(topic)
        at = self.store.notes.get(("at", self.namespace, topic), self.now())
        return None if self.now() - at > 30 * DAY_S else found


@mutant("basic.1", "expiry", trap="a subscription to which nothing came for a day", also="basic.4 basic.9")
class WhoHearsNothingForADayIsForgotten(Listener):
    def __init__(self, driver: PubSub, topic: str) -> None:
        super().__init__(driver, topic)
        self.heard_s = driver.now()

    def offer(self, message: Message) -> None:
        if self.driver.now() - self.heard_s <= DAY_S:
            self.heard_s = self.driver.now()
            super().offer(message)


@mutant("basic.1", "expiry", trap="a message that waits in a subscription for an hour", also="basic.4")
class WhatWaitsForAnHourIsDropped(Listener):
    def take(self) -> Message | None:
        while (found := super().take()) is not None:
            came = self.driver.store.notes.setdefault(("came", self.driver.namespace), {})
            if self.driver.now() - came.get((id(self), found.id), self.driver.now()) <= HOUR_S:
                return found
        return None

    def offer(self, message: Message) -> None:
        self.driver.store.notes.setdefault(("came", self.driver.namespace), {})[id(self), message.id] = self.driver.now()
        super().offer(message)
