"""Mutants of `PubSubOrdering`: acks that come too late, and what is left of cancelled calls (9 and 10)."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from prism_testkit.interfaces import Bytes, Delivery
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import step
from .reference_newer import NewerPubSub, OrderedMember
from .stores import Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# ordering.9: what is no longer held


@mutant("ordering.9", "missing check", trap="an ack of what another member holds now", also="ordering.3 ordering.1")
class AcksAreByMessage(OrderedMember):
    """Whoever acks, it is done, and the next one comes."""

    async def ack(self, *deliveries: Delivery) -> None:
        self.check_open("ack")
        self.confirm([delivery.message.id for delivery in deliveries])


@mutant("ordering.9", "missing check", trap="a nack of what another member holds now", also="ordering.3 ordering.1")
class NacksAreByMessage(OrderedMember):
    """It comes again, although it is held."""

    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        delay = self.driver.delay(delay_s, "nack")
        self.check_open("nack")
        self.give_back([x.message.id for x in deliveries if not self.mark(x.message.id).acked], delay)


@mutant("ordering.9", "wrong lock", trap="an ack of what was nacked, while another message of the key is held", also="ordering.3")
class AnyAckFreesTheKey(OrderedMember):
    """A lock is by key: an ack gives it back, whatever it was of."""

    async def ack(self, *deliveries: Delivery) -> None:
        stale = {delivery.message.id for delivery in deliveries if not self.holds(delivery)}
        await super().ack(*deliveries)
        keys = {row.key for row in self.driver.rows(self.topic) if row.message.id in stale and row.key is not None}
        self.driver.store.notes.setdefault(("freed", self.topic, self.name), set()).update(keys)

    def deliver(self, rows: list[Row]) -> list[Delivery]:
        freed = self.driver.store.notes.setdefault(("freed", self.topic, self.name), set())
        freed.difference_update(row.key for row in rows)
        return super().deliver(rows)

    def heads(self) -> list[Row]:
        freed = self.driver.store.notes.setdefault(("freed", self.topic, self.name), set())
        found, seen = [], set()
        for row in self.pending():
            if row.key in freed and self.holder(row.message.id) is not None:
                continue
            if row.key is None or row.key not in seen:
                found.append(row)
            seen.add(row.key)
        return found


@mutant("ordering.9", "wrong count", trap="an ack that is repeated, while a message of the key is held", also="ordering.3")
class AcksAreCounted(OrderedMember):
    """A key is as far as it has acks."""

    async def ack(self, *deliveries: Delivery) -> None:
        held = [delivery for delivery in deliveries if self.holds(delivery)]
        await super().ack(*deliveries)
        counts = self.driver.store.notes.setdefault(("acks", self.driver.namespace, self.topic, self.name), {})
        keys = {row.message.id: row.key for row in self.driver.rows(self.topic)}
        for delivery in deliveries:
            known = delivery in held or self.mark(delivery.message.id).acked
            key = keys.get(delivery.message.id)
            counts[key] = counts.get(key, 0) + known

    def heads(self) -> list[Row]:
        counts = dict(self.driver.store.notes.get(("acks", self.driver.namespace, self.topic, self.name), {}))
        found = []
        for row in self.driver.rows(self.topic):
            if not self.inside(row):
                continue
            if not self.mark(row.message.id).acked and (row.key is None or counts.get(row.key, 0) >= 0):
                found.append(row)
            counts[row.key] = counts.get(row.key, 0) - 1
        return found


@mutant("ordering.9", "missing check", trap="an ack of what was nacked and is not held by anybody", also="ordering.1")
class NackedOnesCanBeAcked(OrderedMember):
    async def ack(self, *deliveries: Delivery) -> None:
        self.check_open("ack")
        self.confirm([x.message.id for x in deliveries if self.holds(x) or self.holder(x.message.id) is None])


@mutant("ordering.9", "after the end", trap="an ack of a member that was left", also="ordering.1 ordering.3")
class LeftMembersMayAck(OrderedMember):
    """What is held by nobody is confirmed by whoever had it last."""

    async def ack(self, *deliveries: Delivery) -> None:
        if self.left:
            self.confirm([x.message.id for x in deliveries if self.holder(x.message.id) is None])
        await super().ack(*deliveries)


@mutant("ordering.9", "reopened", trap="a nack of what was acked, while the next one is held", also="ordering.1 ordering.3")
class NacksUndoAcks(OrderedMember):
    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        await super().nack(*deliveries, delay_s=delay_s)
        done = [x.message.id for x in deliveries if self.mark(x.message.id).acked]
        self.set_marks({identifier: replace(self.mark(identifier), acked=False) for identifier in done})


# ordering.10: cancelled calls


@mutant("ordering.10", "hole", trap="a publish that is cancelled, and another of its key", also="ordering.1")
class APlaceIsTakenFirst(NewerPubSub):
    """A cancelled publish leaves a place that its key waits for."""

    async def publish_ordered(self, topic: str, ordering_key: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        row = self.ordered_row(topic, ordering_key, payload, headers)
        open_places = self.store.notes.setdefault(("open", self.namespace, row.topic, row.key), set())
        open_places.add(row.place)
        await step()
        self.insert(row)
        open_places.discard(row.place)
        self.wake()
        return row.message.id

    class member_type(OrderedMember):  # noqa: N801
        def available(self, row: Row) -> bool:
            places = self.driver.store.notes.get(("open", self.driver.namespace, self.topic, row.key), ())
            return super().available(row) and (row.key is None or all(place > row.place for place in places))


@mutant("ordering.10", "lost on cancel", trap="a receive that is cancelled when its message comes", also="ordering.1 ordering.5")
class TakesAndSuspendsWithAKey(OrderedMember):
    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        found = await super().receive(max_messages, timeout_s)
        await step()
        return found


@mutant("ordering.10", "order", trap="a receive that is cancelled when its message comes, and a later one of its key")
class CancelledTakesGoToTheEnd(OrderedMember):
    """They are put back, behind the others."""

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        found = await super().receive(max_messages, timeout_s)
        try:
            await step()
        except asyncio.CancelledError:
            identifiers = [delivery.message.id for delivery in found]
            self.driver.store.notes.setdefault(("back", self.topic, self.name), set()).update(identifiers)
            self.give_back(identifiers, 0)
            raise
        return found

    def pending(self) -> list[Row]:
        back = self.driver.store.notes.get(("back", self.topic, self.name), ())
        return sorted(super().pending(), key=lambda row: row.message.id in back)


@mutant("ordering.10", "unusable", trap="a publish after one that was cancelled", also="ordering.1")
class CancelledPublishKeepsTheKey(NewerPubSub):
    """A lock for each key, which a cancelled publish does not give back."""

    async def publish_ordered(self, topic: str, ordering_key: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        lock = self.store.notes.setdefault(("lock", self.namespace, topic, ordering_key), asyncio.Lock())
        row = None
        await lock.acquire()
        try:
            row = self.ordered_row(topic, ordering_key, payload, headers)
        finally:
            if row is None:
                lock.release()
        await step()
        self.insert(row)
        lock.release()
        return row.message.id


class _SeesSome(OrderedMember):
    def inside(self, row: Row) -> bool:
        unseen = self.driver.store.notes.get(("unseen", self.driver.namespace, row.message.id), ())
        return super().inside(row) and self.name not in unseen


@mutant("ordering.10", "partial effect", trap="a publish to two subscriptions that is cancelled", also="ordering.1")
class PublishesToOneSubscriptionAfterTheOther(NewerPubSub):
    member_type = _SeesSome

    async def publish_ordered(self, topic: str, ordering_key: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        row = self.ordered_row(topic, ordering_key, payload, headers)
        names = [name for other, name in self.space().starts if other == row.topic]
        unseen = self.store.notes.setdefault(("unseen", self.namespace, row.message.id), set(names[1:]))
        self.insert(row)
        for name in names[1:]:
            await step()
            unseen.discard(name)
            self.wake()
        return row.message.id


@mutant("ordering.10", "lost on timeout", trap="a receive after one that waited in vain, of a key", also="ordering.1 ordering.5")
class WaitersThatTimedOutLockWhatTheyWaitedFor(OrderedMember):
    """Who waits for a key has a ticket for its next message; a receive that ended in vain keeps it."""

    tickets = 0

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        found = await super().receive(max_messages, timeout_s)
        if not found and timeout_s > 0 and any(row.key is not None for row in self.pending()):
            self.tickets += 1
        return found

    def next_ones(self, amount: int) -> list[Row]:
        found = super().next_ones(amount)
        if self.tickets and found and found[0].key is not None:
            self.tickets -= 1
            return []
        return found


@mutant("ordering.10", "unusable", trap="a receive after one that was cancelled while its key was held", also="ordering.1")
class ACancelledWaitBlocksItsKeys(OrderedMember):
    """The keys that a cancelled receive waited for stay reserved for it."""

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        try:
            return await super().receive(max_messages, timeout_s)
        except asyncio.CancelledError:
            waited = {row.key for row in self.pending() if row.key is not None and not self.available(row)}
            self.driver.store.notes.setdefault(("reserved", self.driver.namespace, self.topic, self.name), set()).update(waited)
            raise

    def next_ones(self, amount: int) -> list[Row]:
        reserved = self.driver.store.notes.get(("reserved", self.driver.namespace, self.topic, self.name), ())
        return [row for row in super().next_ones(10**6) if row.key not in reserved][:amount]
