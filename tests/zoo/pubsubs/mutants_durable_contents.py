"""Mutants of `PubSubPersistent`: beginnings, contents, and order (1 to 3)."""

import asyncio
from dataclasses import replace

from prism_testkit.interfaces import Delivery
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Member, PubSub
from .stores import Row, Start, Store

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# persistent.1: beginnings


@mutant("persistent.1", "ignored argument", trap="start='earliest' after a publish")
class EarliestIsNew(PubSub):
    def first_place(self, topic: str, start: str) -> int:
        return self.space().serial


@mutant("persistent.1", "ignored argument", trap="start='new' after a publish")
class NewIsEarliest(PubSub):
    def first_place(self, topic: str, start: str) -> int:
        return 0


@mutant("persistent.1", "boundary", trap="start='new' after a publish")
class NewBeginsWithTheLast(PubSub):
    """``>=`` in place of ``>``."""

    def first_place(self, topic: str, start: str) -> int:
        rows = self.rows(topic)
        return rows[-1].place - 1 if start == "new" and rows else super().first_place(topic, start)


@mutant("persistent.1", "boundary", trap="start='earliest' after a publish")
class EarliestSkipsTheFirst(PubSub):
    """Exclusive of the message at which it begins."""

    def first_place(self, topic: str, start: str) -> int:
        rows = self.rows(topic)
        return rows[0].place if start == "earliest" and rows else super().first_place(topic, start)


@mutant("persistent.1", "late", trap="start='new', and a publish before the first receive", also="persistent.13 persistent.4")
class NewBeginsAtTheFirstReceive(Member):
    """The position is resolved lazily."""

    asked = False

    def next_ones(self, amount: int) -> list[Row]:
        place = self.start().place
        if place and not self.asked and not self.driver.space().marks.get((self.topic, self.name)):
            start = Start(self.driver.space().serial)
            self.driver.space().starts[self.topic, self.name] = start
        self.asked = True
        return super().next_ones(amount)


@mutant("persistent.1", "ignored argument", trap="start='earliest' when it is opened again", also="persistent.5 persistent.4")
class EarliestStartsOver(PubSub):
    """``start`` is obeyed each time: acks are forgotten."""

    async def join(self, member: Member, start: str) -> None:
        if start == "earliest" and (member.topic, member.name) in self.space().starts:
            self.space().marks.pop((member.topic, member.name), None)
        if start == "earliest":
            self.create(member, start)
        else:
            await super().join(member, start)


@mutant("persistent.1", "ignored argument", trap="start='new' when it is opened again", also="persistent.4 persistent.13")
class NewSkipsWhenReopened(PubSub):
    async def join(self, member: Member, start: str) -> None:
        if start == "new":
            self.create(member, start)
        else:
            await super().join(member, start)


@mutant("persistent.1", "lifetime", trap="messages while no member is there", also="persistent.13 persistent.4 persistent.5")
class EndsWithItsLastMember(PubSub):
    """Durable as long as somebody is joined."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)

    async def join(self, member: Member, start: str) -> None:
        await super().join(member, start)
        self.members(member)[0] += 1

    async def part(self, member: Member) -> None:
        await super().part(member)
        count = self.members(member)
        count[0] -= 1
        if not count[0]:
            self.space().starts.pop((member.topic, member.name), None)
            self.space().marks.pop((member.topic, member.name), None)

    def members(self, member: Member) -> list[int]:
        count: list[int] = self.store.notes.setdefault((self.namespace, member.topic, member.name), [0])
        return count


@mutant("persistent.1", "lifetime", trap="a subscription that never acked is opened again", also="persistent.13 persistent.4")
class ExistsFromItsFirstAck(PubSub):
    """There is no row of it before."""

    async def join(self, member: Member, start: str) -> None:
        key = member.topic, member.name
        if not any(mark.acked for mark in self.space().marks.get(key, {}).values()):
            self.space().starts.pop(key, None)
        await super().join(member, start)


@mutant("persistent.1", "missing check", trap="another start")
class AnyOtherStartIsNew(PubSub):
    def beginning(self, start: str) -> str:
        return start


@mutant("persistent.1", "limit", trap="more than a hundred messages before the entry")
class EarliestIsTheLastHundred(PubSub):
    def first_place(self, topic: str, start: str) -> int:
        rows = self.rows(topic)
        return rows[-101].place if start == "earliest" and len(rows) > 100 else super().first_place(topic, start)


@mutant("persistent.1", "expiry", trap="a message an hour before the entry", also="persistent.4 persistent.13")
class KeepsAnHour(PubSub):
    """Retention nobody asked for."""

    def insert(self, row: Row) -> None:
        self.store.notes[self.namespace, row.message.id] = self.now()
        super().insert(row)

    def rows(self, topic: str) -> list[Row]:
        return [r for r in super().rows(topic) if self.now() < self.store.notes[self.namespace, r.message.id] + 3600]


@mutant("persistent.1", "lifetime", trap="start='earliest' after another subscription acked", also="persistent.6")
class AckedByAllIsRemoved(PubSub):
    """What everybody who is there confirmed is gone for those who come later."""

    def create(self, member: Member, start: str) -> None:
        others = [marks for (topic, _), marks in self.space().marks.items() if topic == member.topic]
        gone = [r for r in self.rows(member.topic) if others and all(r.message.id in m and m[r.message.id].acked for m in others)]
        for row in gone:
            del self.space().topics[member.topic][row.message.id]
        super().create(member, start)


# persistent.2: contents


@mutant("persistent.2", "missing field", trap="headers")
class DeliveriesHaveNoHeaders(Member):
    def delivery(self, row: Row, count: int, token: str) -> Delivery:
        delivery = super().delivery(row, count, token)
        return replace(delivery, message=replace(delivery.message, headers={}))


@mutant("persistent.2", "missing field", trap="headers of a message that comes again", also="persistent.4")
class RedeliveriesHaveNoHeaders(Member):
    def delivery(self, row: Row, count: int, token: str) -> Delivery:
        delivery = super().delivery(row, count, token)
        return delivery if count == 1 else replace(delivery, message=replace(delivery.message, headers={}))


@mutant("persistent.2", "normalisation", trap="a header name in capitals")
class StoresHeadersLowerCased(PubSub):
    def insert(self, row: Row) -> None:
        headers = {name.lower(): value for name, value in row.message.headers.items()}
        super().insert(replace(row, message=replace(row.message, headers=headers)))


@mutant("persistent.2", "identity", trap="the id of a delivery", also="persistent.10 persistent.4 persistent.5")
class DeliveriesAreNumbered(Member):
    """The id is the place in the subscription."""

    def delivery(self, row: Row, count: int, token: str) -> Delivery:
        delivery = super().delivery(row, count, token)
        return replace(delivery, message=replace(delivery.message, id=f"{row.place - self.start().place}:{row.message.id}"))

    def checked(self, deliveries: tuple[Delivery, ...], operation: str) -> list[str]:
        plain = [replace(d, message=replace(d.message, id=d.message.id.split(":")[-1])) for d in deliveries]
        return super().checked(tuple(plain), operation)


@mutant("persistent.2", "wrong field", trap="the topic of a delivery")
class TopicIsTheSubscription(Member):
    def delivery(self, row: Row, count: int, token: str) -> Delivery:
        delivery = super().delivery(row, count, token)
        return replace(delivery, message=replace(delivery.message, topic=f"{row.message.topic}/{self.name}"))


@mutant("persistent.2", "encoding", trap="a payload that is not ASCII")
class StoresText(PubSub):
    def insert(self, row: Row) -> None:
        text = row.message.payload.decode("utf-8", "replace").encode()
        super().insert(replace(row, message=replace(row.message, payload=text)))


@mutant("persistent.2", "truncation", trap="a payload above 256 KiB")
class Stores256KiB(PubSub):
    def insert(self, row: Row) -> None:
        super().insert(replace(row, message=replace(row.message, payload=row.message.payload[: 256 * 1024])))


@mutant("persistent.2", "identity", trap="ids of two topics or clients", also="persistent.10 persistent.13 persistent.4")
class StoresUnderIdsOfTheClient(PubSub):
    """Two clients count alike, and the later message replaces the earlier one."""

    count = 0

    def new_persistent_id(self, topic: str, place: int) -> str:
        self.count += 1
        return str(self.count)


# persistent.3: order


class _Ordering(PubSub):
    def rows(self, topic: str) -> list[Row]:
        return self.ordered(super().rows(topic))

    def ordered(self, rows: list[Row]) -> list[Row]:
        return rows


@mutant("persistent.3", "order", trap="two messages")
class NewestFirst(_Ordering):
    def ordered(self, rows: list[Row]) -> list[Row]:
        return rows[::-1]


@mutant("persistent.3", "order", trap="more than nine messages")
class OrdersByText(_Ordering):
    def ordered(self, rows: list[Row]) -> list[Row]:
        return sorted(rows, key=lambda row: row.message.id)


@mutant("persistent.3", "order", trap="payloads of several sizes")
class SmallestFirst(_Ordering):
    def ordered(self, rows: list[Row]) -> list[Row]:
        return sorted(rows, key=lambda row: len(row.message.payload) > 1024)


@mutant("persistent.3", "order", trap="several messages in one receive")
class BatchesAreReversed(Member):
    def next_ones(self, amount: int) -> list[Row]:
        return super().next_ones(amount)[::-1]


@mutant("persistent.3", "order", trap="messages that were published before and after the entry")
class BacklogComesLast(Member):
    """What comes live is delivered first, then what was there."""

    def __init__(self, driver: PubSub, topic: str, name: str) -> None:
        super().__init__(driver, topic, name)
        self.entered = driver.space().serial

    def next_ones(self, amount: int) -> list[Row]:
        found = super().next_ones(10**6)
        return sorted(found, key=lambda row: row.place <= self.entered)[:amount]


@mutant("persistent.3", "two paths", trap="a large message before a small one", also="persistent.13")
class LargeMessagesAreStoredLater(PubSub):
    def insert(self, row: Row) -> None:
        if len(row.message.payload) > 65536:
            asyncio.get_running_loop().call_later(0.001, super().insert, row)
        else:
            super().insert(row)
