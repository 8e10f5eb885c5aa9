"""Mutants of the nineteenth examination: calls of several, of which one is wrong or cut off, and what is done beside a delay."""

import asyncio
from dataclasses import replace
from typing import ClassVar

from prism_testkit.interfaces import Delivery
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Member

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("persistent.11", "order of steps", trap="a delivery beside what is none", also="persistent.5")
class AcksUntilOneIsNoDelivery(Member):
    async def ack(self, *deliveries: Delivery) -> None:
        self.check_open("ack")
        for delivery in deliveries:
            await super().ack(delivery)


@mutant("persistent.15", "missing check", trap="an ack of nothing, by a member that was left")
class NothingIsAckedByWhoeverAsks(Member):
    async def ack(self, *deliveries: Delivery) -> None:
        if deliveries:
            await super().ack(*deliveries)


@mutant("persistent.14", "cap", trap="a cancelled receive of more than eight", also="persistent.7 persistent.13")
class ACancelledReceiveGivesEightMessagesBack(Member):
    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        found = await super().receive(max_messages, timeout_s)
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            await self.nack(*found[:8])
            raise
        return found


@mutant("persistent.8", "side effect", trap="another is given back without a delay", also="persistent.4")
class OneDelayForAllOfASubscription(Member):
    def give_back(self, identifiers: list[str], delay_s: float) -> None:
        super().give_back(identifiers, delay_s)
        marks = self.driver.space().marks.get((self.topic, self.name), {})
        least = min((mark.due for identifier, mark in marks.items() if identifier in identifiers), default=0.0)
        self.set_marks({identifier: replace(mark, due=least) for identifier, mark in marks.items() if mark.due > least})


@mutant("persistent.1", "cap", trap="a year and more without a member", also="persistent.13")
class IdleForAYearItIsForgotten(Member):
    idle_since: ClassVar[dict[tuple[str, str, str], float]] = {}

    def leave(self) -> None:
        super().leave()
        self.idle_since[self.driver.namespace, self.topic, self.name] = self.driver.now()

    def available(self, row: object) -> bool:
        since = self.idle_since.get((self.driver.namespace, self.topic, self.name))
        if since is not None and self.driver.now() - since > 400 * 86_400:
            return False
        return super().available(row)  # type: ignore[arg-type]
