"""A correct driver of both pub/sub interfaces, made of small steps: a mutant replaces one of them.

Nothing suspends but a receive that waits, before it takes: so every call is atomic.
"""

from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any, Literal

from prism_testkit.backend import Backend
from prism_testkit.interfaces import (
    Bytes,
    Closed,
    Deliveries,
    Delivery,
    Message,
    PubSubBasic,
    PubSubPersistent,
    Subscription,
)
from prism_testkit.traits import Traits

from .steps import Steps, step
from .stores import Changes, Connect, FileStore, Mark, Row, Start, Store, clean, connector

__all__ = ["FilePubSub", "Listener", "Member", "PubSub", "backend", "step"]


class Listener(Subscription):
    """A plain subscription with a buffer."""

    def __init__(self, driver: "PubSub", topic: str) -> None:
        self.driver = driver
        self.topic = topic
        self.buffer: deque[Message] = deque()
        self.left = False
        self.missed = 0

    def offer(self, message: Message) -> None:
        """Keep a message of the topic until it is received."""
        self.buffer.append(message)

    def take(self) -> Message | None:
        """Return the next message: one step."""
        return self.shown(self.buffer.popleft()) if self.buffer else None

    def shown(self, message: Message) -> Message:
        """Return the message as it is received."""
        return replace(message, headers=dict(message.headers))

    def check_open(self, operation: str) -> None:
        if self.left:
            raise Closed(f"zoo: {operation}: the subscription was left")

    async def receive(self, timeout_s: float = 0) -> Message | None:
        timeout = self.driver.timeout(timeout_s, "receive")
        end = self.driver.after(timeout)
        while True:
            self.check_open("receive")
            message = self.take()
            if message is not None:
                return message
            if timeout <= 0 or self.driver.over(end):
                return None
            await self.driver.pause(end)

    async def __anext__(self) -> Message:
        while not self.left:
            message = self.take()
            if message is not None:
                return message
            await self.driver.pause()
        raise StopAsyncIteration

    @property
    def gaps(self) -> int:
        return self.missed


class Member(Deliveries):
    """A member of a durable subscription. What it holds is in the store's ``holds``."""

    def __init__(self, driver: "PubSub", topic: str, name: str) -> None:
        self.driver = driver
        self.topic = topic
        self.name = name
        self.left = False

    # What is known of a message

    def mark(self, identifier: str) -> Mark:
        return self.driver.space().marks.get((self.topic, self.name), {}).get(identifier, Mark())

    def set_marks(self, marks: Mapping[str, Mark]) -> None:
        changes: Changes = {(self.topic, self.name, identifier): mark for identifier, mark in marks.items()}
        self.driver.apply(changes)

    def hold_slot(self, identifier: str) -> tuple[str, str, str, str]:
        return self.driver.namespace, self.topic, self.name, identifier

    def holder(self, identifier: str) -> tuple[Any, str] | None:
        """Return member and token of who holds a message."""
        return self.driver.store.holds.get(self.hold_slot(identifier))

    def hold(self, identifier: str) -> str:
        token = self.driver.token()
        self.driver.store.holds[self.hold_slot(identifier)] = self, token
        return token

    def drop(self, identifier: str) -> None:
        self.driver.store.holds.pop(self.hold_slot(identifier), None)

    def held(self) -> list[str]:
        """Return the ids of what this member holds, in the order in which it came."""
        prefix = self.driver.namespace, self.topic, self.name
        return [slot[3] for slot, (member, _) in self.driver.store.holds.items() if slot[:3] == prefix and member is self]

    def holds(self, delivery: Delivery) -> bool:
        return self.holder(delivery.message.id) == (self, delivery.token)

    # Taking

    def start(self) -> Start:
        return self.driver.space().starts[self.topic, self.name]

    def inside(self, row: Row) -> bool:
        """Return whether a message belongs to the subscription."""
        return row.place > self.start().place

    def available(self, row: Row) -> bool:
        mark = self.mark(row.message.id)
        return self.inside(row) and not mark.acked and self.driver.over(mark.due) and self.holder(row.message.id) is None

    def next_ones(self, amount: int) -> list[Row]:
        """Return what a receive gives now."""
        found = []
        for row in self.driver.rows(self.topic):
            if self.available(row):
                found.append(row)
                if len(found) == amount:
                    break
        return found

    def deliver(self, rows: list[Row]) -> list[Delivery]:
        """Take messages: one step."""
        marks = {row.message.id: self.counted(self.mark(row.message.id)) for row in rows}
        self.set_marks(marks)
        return [self.delivery(row, marks[row.message.id].count, self.hold(row.message.id)) for row in rows]

    def counted(self, mark: Mark) -> Mark:
        return replace(mark, count=mark.count + 1)

    def delivery(self, row: Row, count: int, token: str) -> Delivery:
        return Delivery(replace(row.message, headers=dict(row.message.headers)), count, token)

    def instants(self) -> list[float]:
        """Return when time alone may make a message available."""
        marks = self.driver.space().marks.get((self.topic, self.name), {})
        return [mark.due for mark in marks.values() if not self.driver.over(mark.due)]

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        amount, timeout = self.driver.amount(max_messages), self.driver.timeout(timeout_s, "receive")
        end = self.driver.after(timeout)
        while True:
            self.check_open("receive")
            rows = self.next_ones(amount)
            if rows:
                return self.deliver(rows)
            if timeout <= 0 or self.driver.over(end):
                return []
            await self.driver.pause(end, *self.instants())

    # Giving back

    def check_open(self, operation: str) -> None:
        if self.left:
            raise Closed(f"zoo: {operation}: the subscription was left")

    def checked(self, deliveries: tuple[Delivery, ...], operation: str) -> list[str]:
        """Return the ids of those that are held."""
        self.check_open(operation)
        for delivery in deliveries:
            if not isinstance(delivery, Delivery):
                raise TypeError(f"zoo: {operation}: a delivery is Delivery, not {type(delivery).__name__}")
        return list(dict.fromkeys(delivery.message.id for delivery in deliveries if self.holds(delivery)))

    async def ack(self, *deliveries: Delivery) -> None:
        self.confirm(self.checked(deliveries, "ack"))

    def confirm(self, identifiers: list[str]) -> None:
        self.set_marks({identifier: replace(self.mark(identifier), acked=True) for identifier in identifiers})
        for identifier in identifiers:
            self.drop(identifier)

    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        delay = self.driver.delay(delay_s, "nack")
        self.give_back(self.checked(deliveries, "nack"), delay)

    def give_back(self, identifiers: list[str], delay_s: float) -> None:
        due = self.driver.after(delay_s) if delay_s > 0 else 0.0
        for identifier in identifiers:
            self.drop(identifier)
        self.set_marks({identifier: replace(self.mark(identifier), due=due) for identifier in identifiers})

    def leave(self) -> None:
        self.left = True
        self.give_back(self.held(), 0)


class PubSub(Steps, PubSubBasic, PubSubPersistent):
    """Both interfaces."""

    listener_type: type[Listener] = Listener
    member_type: type[Member] = Member

    # Plain

    def new_id(self, topic: str) -> str:
        return self.token()

    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        key, data, labels = self.topic(topic, "publish"), self.data(payload, "publish", topic), self.labels(headers, "publish")
        message = Message(self.new_id(key), topic, data, labels)
        self.fan_out(key, message)
        self.wake()
        return message.id

    def listeners(self, topic: str) -> list[Any]:
        """Return those that listen to a topic."""
        return self.store.listeners.setdefault((self.namespace, topic), [])

    def fan_out(self, topic: str, message: Message) -> None:
        for listener in list(self.listeners(topic)):
            listener.offer(message)

    def subscribe(self, topic: str) -> AbstractAsyncContextManager[Subscription]:
        return self.listening(self.topic(topic, "subscribe"))

    @asynccontextmanager
    async def listening(self, topic: str) -> AsyncIterator[Subscription]:
        listener = self.listener_type(self, topic)
        await self.enter(listener)
        try:
            yield listener
        finally:
            await self.leave(listener)

    async def enter(self, listener: Listener) -> None:
        self.listeners(listener.topic).append(listener)

    async def leave(self, listener: Listener) -> None:
        self.forget(listener)
        listener.left = True
        self.wake()

    def forget(self, listener: Listener) -> None:
        """Offer nothing to a listener any more."""
        if listener in self.listeners(listener.topic):
            self.listeners(listener.topic).remove(listener)

    # Durable

    def new_persistent_id(self, topic: str, place: int) -> str:
        return f"p{place}"

    async def publish_persistent(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        operation = "publish_persistent"
        key, data, labels = self.topic(topic, operation), self.data(payload, operation, topic), self.labels(headers, operation)
        place = self.serial()
        row = Row(key, place, Message(self.new_persistent_id(key, place), topic, data, labels))
        self.insert(row)
        return row.message.id

    def insert(self, row: Row) -> None:
        self.apply({(row.topic, row.message.id): row})

    def rows(self, topic: str) -> list[Row]:
        """Return the persistent messages of a topic, in the order of publishing."""
        return list(self.space().topics.get(topic, {}).values())

    def subscribe_durable(
        self, topic: str, name: str, start: Literal["new", "earliest"] = "new"
    ) -> AbstractAsyncContextManager[Deliveries]:
        key, title = self.topic(topic, "subscribe_durable"), self.title(name, "subscribe_durable")
        return self.joining(key, title, self.beginning(start))

    @asynccontextmanager
    async def joining(self, topic: str, name: str, start: str) -> AsyncIterator[Deliveries]:
        member = self.member_type(self, topic, name)
        await self.join(member, start)
        try:
            yield member
        finally:
            await self.part(member)

    async def join(self, member: Member, start: str) -> None:
        if (member.topic, member.name) not in self.space().starts:
            self.create(member, start)

    def create(self, member: Member, start: str) -> None:
        """Make the subscription."""
        self.apply({(member.topic, member.name, ""): Start(self.first_place(member.topic, start))})

    def first_place(self, topic: str, start: str) -> int:
        return 0 if start == "earliest" else self.space().serial

    async def part(self, member: Member) -> None:
        member.leave()

    async def last_message_id(self, topic: str) -> str | None:
        return self.last_id(self.topic(topic, "last_message_id"))

    def last_id(self, topic: str) -> str | None:
        return self.space().last.get(topic)


class FilePubSub(PubSub):
    """Both interfaces over a `FileStore`."""

    traits: Traits = Traits(
        durability="process", ack_survives_kill="yes", attempts_survive_kill="yes", member_timeout_s=0.0, delivery_count="exact"
    )


def backend(name: str, driver: type[PubSub] = PubSub, connect: Connect | None = None, **more: Any) -> Backend[Store]:
    """Make the backend ``zoo-pubsub-<name>``."""
    store_type = FileStore if issubclass(driver, FilePubSub) else Store
    settings: dict[str, Any] = {"clean": clean, "traits": driver.traits, "limits": driver.limits, **more}
    return Backend(name=f"zoo-pubsub-{name}", connect=connect or connector(store_type), drivers=(driver,), **settings)
