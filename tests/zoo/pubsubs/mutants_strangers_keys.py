"""Mutants of strangers of ordering keys: single small defects in places where two things meet."""

from dataclasses import replace
from typing import Any

from prism_testkit.interfaces import Delivery
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Member, step
from .reference_newer import NewerPubSub, OrderedMember
from .stores import Mark, Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("ordering.9", "wrong count", trap="an ack that has one delivery twice", also="ordering.3 ordering.1")
class AnAckCountsItsArguments(OrderedMember):
    """So many of the key are done."""

    async def ack(self, *deliveries: Delivery) -> None:
        twice = [x for place, x in enumerate(deliveries) if x in deliveries[:place] and self.holds(x)]
        keys = {row.message.id: row.key for row in self.driver.rows(self.topic)}
        await super().ack(*deliveries)
        for delivery in twice:
            key = keys.get(delivery.message.id)
            following = next((row for row in self.pending() if key is not None and row.key == key), None)
            if following is not None:
                self.confirm([following.message.id])


@mutant("ordering.4", "missing step", trap="a nack of several with a delay", also="ordering.1")
class TheDelayIsOfTheFirst(OrderedMember):
    def give_back(self, identifiers: list[str], delay_s: float) -> None:
        super().give_back(identifiers[:1], delay_s)
        super().give_back(identifiers[1:], 0)


@mutant("ordering.2", "width of a number", trap="more than 256 messages of a key")
class PlacesInAKeyHaveAByte(OrderedMember):
    def pending(self) -> list[Row]:
        places: dict[Any, int] = {}
        ranks = {}
        for row in self.driver.rows(self.topic):
            places[row.key] = places.get(row.key, -1) + 1
            ranks[row.message.id] = places[row.key] % 256 if row.key is not None else 0
        return sorted(super().pending(), key=lambda row: ranks[row.message.id])


@mutant("ordering.4", "missing step", trap="a member that leaves with three keys held", also="ordering.1")
class LeavingGivesTwoBack(OrderedMember):
    """What it held beyond stays as it was."""

    def leave(self) -> None:
        self.left = True
        self.give_back(self.held()[:2], 0)


@mutant("ordering.8", "retention", trap="a subscription from the earliest on, after another one acked", also="ordering.1")
class WhatAllHaveAckedIsGone(OrderedMember):
    """It is deleted when every subscription that there is has acked it."""

    def confirm(self, identifiers: list[str]) -> None:
        super().confirm(identifiers)
        space = self.driver.space()
        names = [slot for slot in space.starts if slot[0] == self.topic]
        gone = self.driver.store.notes.setdefault(("gone", self.driver.namespace), set())
        gone.update(i for i in identifiers if all(space.marks.get(slot, {}).get(i, Mark()).acked for slot in names))

    def inside(self, row: Row) -> bool:
        gone = self.driver.store.notes.get(("gone", self.driver.namespace), ())
        return super().inside(row) and not (row.key is not None and row.message.id in gone)


@mutant("ordering.1", "ignored state", trap="a subscription opened again as new, with something pending", also="ordering.8")
class OpenedAgainAsNewItSkipsWhatHasAKey(NewerPubSub):
    async def join(self, member: Member, start: str) -> None:
        known = (member.topic, member.name) in self.space().starts
        await super().join(member, start)
        members = [holder for holder, _ in self.store.holds.values()]
        if known and start == "new" and not members:
            keyed = [row.message.id for row in self.rows(member.topic) if row.key is not None]
            done = [identifier for identifier in keyed if not member.mark(identifier).count]
            member.set_marks({i: replace(member.mark(i), acked=True) for i in done})


@mutant("ordering.7", "coincidence", trap="a key that is equal to its topic", also="ordering.3")
class AKeyThatIsItsTopicIsNone(OrderedMember):
    def lane(self, row: Row) -> Any:
        return None if row.key == row.topic else row.key


@mutant("ordering.10", "left over by a cancellation", trap="an ack that is cancelled", also="ordering.5 ordering.1")
class ACancelledAckKeepsTheLock(OrderedMember):
    async def ack(self, *deliveries: Delivery) -> None:
        locked = self.driver.store.notes.setdefault(("locked", self.driver.namespace, self.topic, self.name), set())
        held = {delivery.message.id for delivery in deliveries if self.holds(delivery)}
        keys = {row.key for row in self.driver.rows(self.topic) if row.message.id in held}
        locked |= keys - {None}
        await super().ack(*deliveries)
        await step()
        locked -= keys
        self.driver.wake()

    def available(self, row: Row) -> bool:
        locked = self.driver.store.notes.get(("locked", self.driver.namespace, self.topic, self.name), ())
        return super().available(row) and row.key not in locked


@mutant("ordering.5", "lost wake-up", trap="a message that is published while its key is held and somebody waits")
class WhoWaitsIsWokenOnce(OrderedMember):
    """A wait that was disturbed in vain goes on to its end."""

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        end = self.driver.after(self.driver.timeout(timeout_s, "receive"))
        found = await super().receive(max_messages, 0)
        if found or timeout_s <= 0:
            return found
        await self.driver.pause(end, *self.instants())
        found = await super().receive(max_messages, 0)
        keyed = any(row.key is not None for row in self.pending())
        if not found and keyed:
            await self.driver.store.clock.sleep(max(0.0, end - self.driver.now()))
            return await super().receive(max_messages, 0)
        return found or await super().receive(max_messages, max(0.0, end - self.driver.now()))


@mutant("ordering.8", "leak", trap="a delay of the same line in another namespace", also="ordering.1 ordering.6 ordering.4")
class DelaysAreOfAllNamespaces(OrderedMember):
    def give_back(self, identifiers: list[str], delay_s: float) -> None:
        super().give_back(identifiers, delay_s)
        dues = self.driver.store.notes.setdefault("dues", {})
        for row in self.driver.rows(self.topic):
            if row.message.id in identifiers and row.key is not None and delay_s > 0:
                dues[self.topic, self.name, row.key] = self.driver.after(delay_s)

    def available(self, row: Row) -> bool:
        due = self.driver.store.notes.get("dues", {}).get((self.topic, self.name, row.key), 0.0)
        return super().available(row) and self.driver.over(due)

    def instants(self) -> list[float]:
        dues = self.driver.store.notes.get("dues", {}).values()
        return [*super().instants(), *(due for due in dues if not self.driver.over(due))]


@mutant("ordering.10", "partial effect", trap="a publish that is cancelled, and last_message_id", also="ordering.1")
class TheLastIdIsWrittenFirst(NewerPubSub):
    async def publish_ordered(self, topic: str, ordering_key: str, payload: Any, headers: Any = None) -> str:
        row = self.ordered_row(topic, ordering_key, payload, headers)
        self.space().last[row.topic] = row.message.id
        await step()
        self.insert(row)
        return row.message.id


@mutant("ordering.7", "truncation", trap="keys that differ in zero bytes at their end", also="ordering.6")
class KeysEndAtTheirLastZero(OrderedMember):
    def lane(self, row: Row) -> Any:
        return None if row.key is None else row.key.rstrip("\0")
