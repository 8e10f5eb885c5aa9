"""A member of a group of the broker's: every call is a request that travels, and one step when it has arrived."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prism_testkit.interfaces import Closed, Conflict, Member, RecordDelivery
from prism_testkit.naming import check_seconds, check_timeout

from .history_broker import Cursor, Group, Log, Topic

if TYPE_CHECKING:
    from .history_streams import BrokerStreams

__all__ = ["BrokerMember"]

_TICK = 1e-6
"""Floats round to less than that."""


class BrokerMember(Member):
    def __init__(self, driver: "BrokerStreams", stream: str, group: str, consumer: str) -> None:
        self.driver = driver
        self.stream = stream
        self.name = group
        self.consumer = consumer
        self.id = 0
        self.given: set[str] = set()
        """The tokens of all deliveries to this member."""
        self.left = False

    # Steps

    @property
    def topic(self) -> Topic:
        return self.driver.topic(self.stream)

    @property
    def group(self) -> Group:
        return self.driver.group(self.stream, self.name)

    def lanes(self) -> Iterable[tuple[int, Log, Cursor]]:
        """Return the partitions, in the order in which a receive looks at them."""
        return [(number, log, cursor) for number, (log, cursor) in enumerate(zip(self.topic.logs, self.group.cursors, strict=True))]

    def open(self, operation: str) -> None:
        if self.left:
            raise Closed(f"zoo: {operation}: the member has left")

    def enter(self) -> None:
        group = self.group
        self.id = self.driver.serial(self.stream)
        group.members[self.id] = self.consumer
        self.driver.changed(self.stream)

    def leave(self) -> None:
        self.left = True
        group = self.topic.groups.get(self.name)
        if group is not None:
            group.members.pop(self.id, None)
            for cursor in group.cursors:
                cursor.release_all(self.id)
        self.driver.changed(self.stream)

    def take(self, most: int) -> list[RecordDelivery]:
        found = list[RecordDelivery]()
        for number, log, cursor in self.lanes():
            offsets = cursor.take(log, most - len(found), self.driver.now())
            found += [self.deliver(number, log, cursor, offset) for offset in offsets]
        if found:
            self.driver.changed(self.stream)
        return found

    def deliver(self, number: int, log: Log, cursor: Cursor, offset: int) -> RecordDelivery:
        token = str(self.driver.serial(self.stream))
        self.given.add(token)
        count = cursor.deliver(offset, self.id, token)
        kept = log.find(offset)
        assert kept is not None
        return RecordDelivery(self.driver.record(number, *kept), count, token)

    def cursor(self, delivery: RecordDelivery) -> Cursor | None:
        """Return the cursor by which this member holds it, by this very delivery."""
        number = delivery.record.partition
        if number >= len(self.group.cursors):
            return None
        cursor = self.group.cursors[number]
        held = cursor.held.get(delivery.record.offset)
        return cursor if held is not None and held.member == self.id and held.token == delivery.token else None

    def confirm(self, cursor: Cursor, delivery: RecordDelivery) -> None:
        cursor.ack(self.topic.logs[delivery.record.partition], delivery.record.offset)

    def give_back(self, cursor: Cursor, delivery: RecordDelivery, delay: float) -> None:
        cursor.release(delivery.record.offset, self.driver.now() + delay + _TICK if delay > 0 else 0.0)

    def refuse(self, deliveries: Iterable[RecordDelivery], operation: str) -> None:
        if any(delivery.token not in self.given for delivery in deliveries):
            raise Conflict(f"zoo: {operation}: not held by this member")

    def next_due(self) -> float | None:
        now = self.driver.now()
        return min((due for _, _, cursor in self.lanes() for due in cursor.due.values() if due > now), default=None)

    # Calls

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        self.open("receive")
        if self.driver.whole(max_records, "receive") < 1:
            raise ValueError(f"zoo: receive: max_records={max_records} is below 1")
        timeout = check_timeout(timeout_s, "receive", "zoo")
        end = self.driver.now() + timeout + _TICK
        await self.driver.request()
        while True:
            self.open("receive")
            found = self.take(max_records)
            if found or timeout <= 0 or self.driver.now() >= end:
                return found
            await self.pause(end)

    async def pause(self, end: float) -> None:
        due = self.next_due()
        await self.driver.broker.wait((end if due is None else min(end, due)) - self.driver.now() + _TICK)

    async def ack(self, *deliveries: RecordDelivery) -> None:
        self.open("ack")
        await self.driver.request()
        self.open("ack")
        for delivery in deliveries:
            cursor = self.cursor(delivery)
            if cursor is not None:
                self.confirm(cursor, delivery)
        self.driver.changed(self.stream)
        self.refuse(deliveries, "ack")

    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        self.open("nack")
        delay = check_seconds(delay_s, "nack", "zoo")
        await self.driver.request()
        self.open("nack")
        for delivery in deliveries:
            cursor = self.cursor(delivery)
            if cursor is not None:
                self.give_back(cursor, delivery, delay)
        self.driver.changed(self.stream)
        self.refuse(deliveries, "nack")
