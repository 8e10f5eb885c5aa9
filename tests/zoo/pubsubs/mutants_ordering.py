"""Mutants of `PubSubOrdering`: what is received, in which order, and how much at a time (1 to 4)."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from prism_testkit.interfaces import Bytes, Delivery
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import step
from .reference_newer import NewerPubSub, OrderedMember
from .stores import Mark, Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# ordering.1: all that is promised of persistent messages


@mutant("ordering.1", "lost field", trap="headers", also="ordering.7")
class OrderedOnesHaveNoHeaders(NewerPubSub):
    def ordered_row(self, topic: str, ordering_key: str, payload: Bytes, headers: Mapping[str, str] | None) -> Row:
        row = super().ordered_row(topic, ordering_key, payload, headers)
        return replace(row, message=replace(row.message, headers={}))


@mutant("ordering.1", "missing step", trap="last_message_id after publish_ordered")
class TheLastIdIsOfThoseWithoutAKey(NewerPubSub):
    def last_id(self, topic: str) -> str | None:
        return next((row.message.id for row in reversed(self.rows(topic)) if row.key is None), None)


@mutant("ordering.1", "wrong field")
class ReturnsAnIdOfTheKey(NewerPubSub):
    """A number within the key."""

    async def publish_ordered(self, topic: str, ordering_key: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        await super().publish_ordered(topic, ordering_key, payload, headers)
        return str(sum(row.key == ordering_key for row in self.rows(topic)))


@mutant("ordering.1", "lost", trap="a subscription from the earliest on")
class TheEarliestHaveNoKey(OrderedMember):
    """What has a key is routed when it is published, to the subscriptions that there are."""

    def __init__(self, driver: NewerPubSub, topic: str, name: str) -> None:
        super().__init__(driver, topic, name)
        self.made = driver.store.notes.setdefault(("made", driver.namespace, topic, name), driver.space().serial)

    def inside(self, row: Row) -> bool:
        return super().inside(row) and (row.key is None or row.place > self.made)


@mutant("ordering.1", "wrong count", trap="a redelivery of a message with a key")
class CountsOfKeysStandStill(OrderedMember):
    def counted(self, mark: Mark) -> Mark:
        return replace(mark, count=1)


@mutant("ordering.1", "collision", trap="messages with and without a key in one topic")
class KeyedIdsCountForThemselves(NewerPubSub):
    """Messages with a key count for themselves, and get the ids of those without."""

    def ordered_row(self, topic: str, ordering_key: str, payload: Bytes, headers: Mapping[str, str] | None) -> Row:
        row = super().ordered_row(topic, ordering_key, payload, headers)
        count = sum(other.key is not None for other in self.rows(topic))
        return replace(row, message=replace(row.message, id=f"p{count + 1}"))


@mutant("ordering.1", "truncation", trap="a payload with a zero byte")
class OrderedOnesEndAtAZero(NewerPubSub):
    def ordered_row(self, topic: str, ordering_key: str, payload: Bytes, headers: Mapping[str, str] | None) -> Row:
        row = super().ordered_row(topic, ordering_key, payload, headers)
        return replace(row, message=replace(row.message, payload=row.message.payload.partition(b"\0")[0]))


# ordering.2: the order of a key


class _Sorted(OrderedMember):
    """Takes the messages of each key in the order of `rank`."""

    def rank(self, row: Row) -> Any:
        return row.place

    def pending(self) -> list[Row]:
        return sorted(super().pending(), key=self.rank)


@mutant("ordering.2", "sorting", trap="more than nine messages of a key")
class OrdersIdsAsText(_Sorted):
    def rank(self, row: Row) -> Any:
        return row.message.id


@mutant("ordering.2", "order", trap="two messages of a key before the first receive", also="ordering.3")
class TheNewestOfAKeyComesFirst(_Sorted):
    def rank(self, row: Row) -> Any:
        return -row.place


@mutant("ordering.2", "two queues", trap="a message with headers before one without")
class MessagesWithHeadersComeLater(_Sorted):
    def rank(self, row: Row) -> Any:
        return bool(row.message.headers), row.place


@mutant("ordering.2", "two queues", trap="a large message before a small one")
class LargeOnesOfAKeyComeLater(_Sorted):
    def rank(self, row: Row) -> Any:
        return len(row.message.payload) > 65_536, row.place


@mutant("ordering.2", "scope", trap="two publishers of one key", also="ordering.3")
class AKeyIsOfItsPublisher(NewerPubSub):
    """Each client has its own line for a key."""

    def key(self, ordering_key: str) -> str:
        return f"{id(self)}/{super().key(ordering_key)}"


@mutant("ordering.2", "early acknowledgement", trap="a large message, and one right after it")
class LargeOnesAreStoredLater(NewerPubSub):
    """Above 4 KiB the id is returned before the message is stored."""

    def insert(self, row: Row) -> None:
        if len(row.message.payload) > 4096 and row.key is not None:
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, super().insert, row)
        else:
            super().insert(row)


class _NameOrders(OrderedMember):
    """Messages that were on their way at the same time come in an order that hangs on the subscription's name."""

    def pending(self) -> list[Row]:
        found = super().pending()
        if sum(map(ord, self.name)) % 2:
            found.sort(key=lambda row: self.driver.store.notes.get(("begun", row.message.id), row.place))
        return found


@mutant("ordering.2", "two orders", trap="two publishes at once, and two subscriptions")
class EachSubscriptionHasItsOrder(NewerPubSub):
    member_type = _NameOrders

    async def publish_ordered(self, topic: str, ordering_key: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        begun = self.store.notes["begun"] = self.store.notes.get("begun", 0) + 1
        await step(2 if begun % 2 else 0)
        row = self.ordered_row(topic, ordering_key, payload, headers)
        self.store.notes["begun", row.message.id] = begun
        self.insert(row)
        return row.message.id


# ordering.3: one at a time


@mutant("ordering.3", "missing check", trap="two messages of a key", also="ordering.2")
class KeysAreNotLookedAt(OrderedMember):
    def lane(self, row: Row) -> Any:
        return None


@mutant("ordering.3", "batch", trap="a receive of several")
class AReceiveGivesAllOfItsKey(OrderedMember):
    """One member works on a key at a time, and may have all of it."""

    def next_ones(self, amount: int) -> list[Row]:
        heads = super().next_ones(amount)
        keys = {row.key for row in heads if row.key is not None}
        more = [row for row in self.pending() if row.key in keys and row not in heads and self.available(row)]
        return [*heads, *more][:amount]


@mutant("ordering.3", "scope", trap="two members")
class EachMemberHasItsOwnLine(OrderedMember):
    """What another member holds is not seen."""

    def heads(self) -> list[Row]:
        found, seen = [], set()
        for row in self.pending():
            holder = self.holder(row.message.id)
            if holder is not None and holder[0] is not self:
                continue
            if row.key is None or row.key not in seen:
                found.append(row)
            seen.add(row.key)
        return found


@mutant("ordering.3", "race", trap="two receives at once, of two members")
class ChoosesThenTakes(OrderedMember):
    """Which keys are free is asked before a step, and the messages are taken behind it."""

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        free = [row.key for row in self.heads() if row.key is not None and self.available(row)]
        await step()
        self.check_open("receive")
        firsts = [next((row for row in self.pending() if row.key == key and self.available(row)), None) for key in free]
        rows = [row for row in firsts if row is not None][: self.driver.amount(max_messages)]
        return self.deliver(rows) if rows else await super().receive(max_messages, timeout_s)


@mutant("ordering.3", "expiry", trap="a message that is held for more than 30 s")
class ThirtySecondsLockAKey(OrderedMember):
    """The lock of a key ends sooner than the hold of its message."""

    def heads(self) -> list[Row]:
        since = self.driver.store.notes
        old = {
            row.message.id
            for row in self.pending()
            if since.get(("since", self.name, row.message.id), 1e99) < self.driver.now() - 30
        }
        found, seen = [], set()
        for row in self.pending():
            if row.message.id in old and self.holder(row.message.id) is not None:
                continue
            if row.key is None or row.key not in seen:
                found.append(row)
            seen.add(row.key)
        return found

    def hold(self, identifier: str) -> str:
        self.driver.store.notes["since", self.name, identifier] = self.driver.now()
        return super().hold(identifier)


@mutant("ordering.3", "limit", trap="more than 32 keys")
class LocksThirtyTwoKeys(OrderedMember):
    """The table of locks is full; further keys have none."""

    def lane(self, row: Row) -> Any:
        known: dict[Any, None] = self.driver.store.notes.setdefault(("locks", self.topic, self.name), {})
        if len(known) < 32:
            known.setdefault(row.key)
        return row.key if row.key in known else None


# ordering.4: what comes again comes first


@mutant("ordering.4", "order", trap="a nack, with a later message of its key")
class NackedOnesGoToTheEnd(OrderedMember):
    def pending(self) -> list[Row]:
        counts = Counter({row.message.id: self.mark(row.message.id).count for row in super().pending()})
        held = {row.message.id for row in super().pending() if self.holder(row.message.id) is not None}
        return sorted(super().pending(), key=lambda row: 0 if row.message.id in held else counts[row.message.id])


@mutant("ordering.4", "missing check", trap="a nack with a delay, with a later message of its key")
class ADelayFreesTheKey(OrderedMember):
    def pending(self) -> list[Row]:
        return [row for row in super().pending() if self.driver.over(self.mark(row.message.id).due)]


class _LeavesAtTheEnd(OrderedMember):
    def leave(self) -> None:
        late = self.driver.store.notes.setdefault(("late", self.topic, self.name), set())
        late.update(self.held())
        super().leave()

    def pending(self) -> list[Row]:
        late = self.driver.store.notes.get(("late", self.topic, self.name), ())
        return sorted(super().pending(), key=lambda row: row.message.id in late)


@mutant("ordering.4", "order", trap="a member that leaves with something held, with a later message of its key")
class WhatLeaversHeldGoesToTheEnd(NewerPubSub):
    member_type = _LeavesAtTheEnd


@mutant("ordering.4", "limit", trap="a message that comes for the third time, with a later one of its key", also="ordering.3")
class TheThirdTimeHoldsNothingUp(OrderedMember):
    """After two attempts a message is put aside."""

    def lane(self, row: Row) -> Any:
        return row.key if self.mark(row.message.id).count < 2 or self.holder(row.message.id) is not None else None


@mutant("ordering.4", "lost", trap="a nack, with a later message of its key", also="ordering.1")
class ANackOfAKeySkips(OrderedMember):
    """It was the consumer's last word."""

    def give_back(self, identifiers: list[str], delay_s: float) -> None:
        later = {row.key for row in self.pending() if row.message.id not in identifiers}
        skipped = [row.message.id for row in self.pending() if row.message.id in identifiers and row.key in later and row.key]
        self.confirm(skipped)
        super().give_back([i for i in identifiers if i not in skipped], delay_s)


@mutant("ordering.4", "wrong end", trap="a nack with a delay by one of two members", also="ordering.1")
class ADelayIsOfItsMember(OrderedMember):
    """Other members do not see it."""

    def give_back(self, identifiers: list[str], delay_s: float) -> None:
        super().give_back(identifiers, 0)
        due = self.driver.after(delay_s) if delay_s > 0 else 0.0
        self.delays = {**getattr(self, "delays", {}), **dict.fromkeys(identifiers, due)}

    def available(self, row: Row) -> bool:
        return super().available(row) and self.driver.over(getattr(self, "delays", {}).get(row.message.id, 0.0))

    def instants(self) -> list[float]:
        return [*super().instants(), *(due for due in getattr(self, "delays", {}).values() if not self.driver.over(due))]
