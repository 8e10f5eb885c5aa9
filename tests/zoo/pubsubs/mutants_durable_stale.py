"""Mutants of `PubSubPersistent`: other subscriptions, and what is no longer held (6 and 15)."""

from dataclasses import replace
from typing import Any

from prism_testkit.interfaces import Delivery
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Member, PubSub
from .stores import Mark, Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# persistent.6: subscriptions are independent


@mutant("persistent.6", "scope", trap="an ack in one of two subscriptions", also="persistent.4 persistent.1")
class AcksAreOfTheTopic(Member):
    def confirm(self, identifiers: list[str]) -> None:
        super().confirm(identifiers)
        for topic, name in list(self.driver.space().starts):
            if topic == self.topic:
                self.driver.apply({(topic, name, i): Mark(1, acked=True) for i in identifiers})


@mutant("persistent.6", "scope", trap="something held in one of two subscriptions", also="persistent.1 persistent.9")
class HoldsAreOfTheTopic(Member):
    """A message that one holds is hidden from all."""

    def holder(self, identifier: str) -> tuple[Any, str] | None:
        own = super().holder(identifier)
        prefix = self.driver.namespace, self.topic
        others = (h for s, h in self.driver.store.holds.items() if s[:2] == prefix and s[3] == identifier)
        return own or next(others, None)


@mutant("persistent.6", "wrong pattern", trap="two subscriptions", also="persistent.1 persistent.13")
class SubscriptionsCompete(Member):
    """One consumer group a topic: what one received others do not get."""

    def available(self, row: Row) -> bool:
        others = [marks for key, marks in self.driver.space().marks.items() if key[0] == self.topic and key[1] != self.name]
        return super().available(row) and not any(row.message.id in marks for marks in others)


@mutant("persistent.6", "scope", trap="a nack in one of two subscriptions", also="persistent.5")
class NacksAreOfTheTopic(Member):
    """A nack makes the message come again everywhere."""

    def give_back(self, identifiers: list[str], delay_s: float) -> None:
        super().give_back(identifiers, delay_s)
        for (topic, _), marks in self.driver.space().marks.items():
            if topic == self.topic and not self.left:
                for identifier in identifiers:
                    if identifier in marks:
                        marks[identifier] = replace(marks[identifier], acked=False)


@mutant("persistent.6", "scope", trap="counts in two subscriptions", also="persistent.4")
class CountsAreOfTheTopic(Member):
    def delivery(self, row: Row, count: int, token: str) -> Delivery:
        every = [marks[row.message.id].count for marks in self.driver.space().marks.values() if row.message.id in marks]
        return super().delivery(row, sum(every), token)


@mutant("persistent.6", "scope", trap="leaving one of two subscriptions of one client", also="persistent.7 persistent.15")
class LeavingReleasesAllOfTheClient(PubSub):
    """What the client holds in another subscription comes again."""

    async def part(self, member: Member) -> None:
        await super().part(member)
        for slot, (holder, _) in list(self.store.holds.items()):
            if holder.driver is self:
                del self.store.holds[slot]


@mutant("persistent.6", "limit", trap="more than four subscriptions", also="persistent.13 persistent.1")
class FourSubscriptions(PubSub):
    """A fifth replaces the first."""

    def create(self, member: Member, start: str) -> None:
        super().create(member, start)
        mine = [key for key in self.space().starts if key[0] == member.topic]
        for key in mine[:-4]:
            self.space().starts[key] = replace(self.space().starts[key], place=10**9)


# persistent.15: after leaving, and what is no longer held


@mutant("persistent.15", "missing check", trap="a receive after leaving", also="persistent.7")
class ReceivesAfterLeaving(Member):
    def check_open(self, operation: str) -> None:
        if operation != "receive":
            super().check_open(operation)


@mutant("persistent.15", "missing check", trap="an ack after leaving", also="persistent.4 persistent.5")
class AcksAfterLeaving(Member):
    """Confirms whoever holds it."""

    def check_open(self, operation: str) -> None:
        if operation != "ack":
            super().check_open(operation)


@mutant("persistent.15", "missing check", trap="a nack after leaving")
class NacksAfterLeaving(Member):
    def check_open(self, operation: str) -> None:
        if operation != "nack":
            super().check_open(operation)


@mutant("persistent.15", "hang", trap="a receive that waits while it is left")
class PartingWakesNobody(PubSub):
    async def part(self, member: Member) -> None:
        known = list(self.store.waiting)
        self.store.waiting.clear()
        await super().part(member)
        self.store.waiting.update(known)


@mutant(
    "persistent.15", "stale token", trap="an ack of what another member holds now", also="persistent.4 persistent.5 persistent.7"
)
class AcksWhatAnotherHolds(Member):
    """By id, whoever holds it."""

    def checked(self, deliveries: tuple[Delivery, ...], operation: str) -> list[str]:
        self.check_open(operation)
        own = [d.message.id for d in deliveries if self.holds(d)]
        return [d.message.id for d in deliveries if self.holder(d.message.id)] if operation == "ack" else own


@mutant("persistent.15", "stale token", trap="a nack of what another member holds now", also="persistent.7 persistent.4")
class NacksWhatAnotherHolds(Member):
    def checked(self, deliveries: tuple[Delivery, ...], operation: str) -> list[str]:
        self.check_open(operation)
        own = [d.message.id for d in deliveries if self.holds(d)]
        return [d.message.id for d in deliveries if self.holder(d.message.id)] if operation == "nack" else own


@mutant("persistent.15", "stale token", trap="an ack of an old delivery of what is held again", also="persistent.4 persistent.5")
class TokensAreNotCompared(Member):
    """Held by this member is enough."""

    def holds(self, delivery: Delivery) -> bool:
        holder = self.holder(delivery.message.id)
        return holder is not None and holder[0] is self


@mutant("persistent.15", "revival", trap="a nack after an ack", also="persistent.5")
class NackRevives(Member):
    """A nack of what was confirmed brings it back."""

    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        self.driver.delay(delay_s, "nack")
        acked = [d.message.id for d in deliveries if self.mark(d.message.id).acked]
        await super().nack(*deliveries, delay_s=delay_s)
        self.set_marks({identifier: replace(self.mark(identifier), acked=False) for identifier in acked})


@mutant("persistent.15", "missing check", trap="an ack after a nack, before it comes again", also="persistent.4 persistent.8")
class AcksWhatWasNacked(Member):
    def checked(self, deliveries: tuple[Delivery, ...], operation: str) -> list[str]:
        found = super().checked(deliveries, operation)
        free = [d.message.id for d in deliveries if self.holder(d.message.id) is None]
        return [*found, *free] if operation == "ack" else found


@mutant("persistent.15", "missing check", trap="a second nack with another delay", also="persistent.8")
class SecondNackCounts(Member):
    """A nack of what is not held any more sets its delay anew."""

    def checked(self, deliveries: tuple[Delivery, ...], operation: str) -> list[str]:
        found = super().checked(deliveries, operation)
        free = [d.message.id for d in deliveries if self.holder(d.message.id) is None and not self.mark(d.message.id).acked]
        return [*found, *free] if operation == "nack" else found


@mutant("persistent.15", "scope", trap="a delivery of another subscription", also="persistent.6")
class AcksForeignDeliveries(Member):
    """By id, whatever subscription the delivery came from."""

    def checked(self, deliveries: tuple[Delivery, ...], operation: str) -> list[str]:
        found = super().checked(deliveries, operation)
        if operation == "ack":
            ours = {row.message.id for row in self.driver.rows(self.topic) if self.holder(row.message.id) is None}
            theirs = {slot[3] for slot, (_, token) in self.driver.store.holds.items() if token in {d.token for d in deliveries}}
            found += [d.message.id for d in deliveries if d.message.id in ours & theirs]
        return found
