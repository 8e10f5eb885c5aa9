"""A right driver of all five interfaces that speaks with the zoo's broker over a wire; made of small steps, as the others are."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from prism_testkit.backend import Backend
from prism_testkit.interfaces import (
    Bytes,
    Closed,
    Deliveries,
    Delivery,
    Message,
    PubSubBasic,
    PubSubFiltering,
    PubSubOrdering,
    PubSubPersistent,
    PubSubWildcards,
    Start,
    Subscription,
)
from prism_testkit.naming import (
    check_attributes,
    check_headers,
    check_name,
    check_pattern,
    check_payload,
    check_seconds,
    check_timeout,
)
from prism_testkit.traits import Limits, Traits

from .history_broker import Broker, Client, JournalBroker, clean, connector
from .history_wire import Parser

__all__ = ["Ear", "Hand", "KeptPubSub", "Wire", "WirePubSub", "wire_backend"]


class Wire:
    """The client's end of a connection."""

    def __init__(self, broker: Broker) -> None:
        self.client = Client(broker)
        self.client.answer = self.feed
        self.codec = broker.codec
        self.clock = broker.clock
        self.parser = Parser(self.codec)
        self.broker = broker
        self.answers: dict[int, asyncio.Future[Any]] = {}
        self.ears: dict[int, Ear] = {}
        self.hands: dict[int, Hand] = {}

    def send(self, verb: str, *fields: Any) -> int:
        number = self.broker.number()
        for chunk in self.parser.cut(self.codec.pack(verb, number, *fields)):
            self.client.feed(chunk)
        return number

    def feed(self, chunk: bytes) -> None:
        for verb, number, *fields in self.parser.feed(chunk):
            getattr(self, f"on_{verb}")(number, *fields)

    def on_done(self, number: int, answer: Any) -> None:
        waiter = self.answers.pop(number, None)
        if waiter is not None and not waiter.done():
            waiter.set_result(answer)

    def on_message(self, number: int, identifier: str, topic: str, payload: bytes, headers: dict[str, str]) -> None:
        if number in self.ears:
            self.ears[number].hear(Message(identifier, topic, payload, headers))

    def on_wake(self, member: int) -> None:
        if member in self.hands:
            self.hands[member].wake()

    def expect(self, number: int) -> asyncio.Future[Any]:
        """Return what will be the answer to a frame that was sent."""
        return self.answers.setdefault(number, asyncio.get_running_loop().create_future())

    async def call(self, verb: str, *fields: Any) -> Any:
        return await self.expect(self.send(verb, *fields))


class Waiting:
    """What some wait at until they are woken."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.waiters: set[asyncio.Future[None]] = set()
        self.left = False
        self.number = 0

    def check_open(self, operation: str) -> None:
        if self.left:
            raise Closed(f"zoo: {operation}: the subscription was left")

    def wake(self) -> None:
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)

    def waiter(self) -> asyncio.Future[None]:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiters.add(waiter)
        return waiter

    async def wait(self, waiter: asyncio.Future[None], *ends: float) -> None:
        """Wait until woken, or for the first of some instants."""
        timeout = max(0.0, min(ends) - self.now()) + 1e-6 if ends else None
        await asyncio.wait([waiter], timeout=timeout)

    def now(self) -> float:
        return self.wire.clock.now_s()


class Ear(Waiting, Subscription):
    """A plain subscription, by pattern and by attributes too."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)
        self.heard: deque[Message] = deque()

    def hear(self, message: Message) -> None:
        self.heard.append(message)
        self.wake()

    def take(self) -> Message | None:
        return self.heard.popleft() if self.heard else None

    async def receive(self, timeout_s: float = 0) -> Message | None:
        timeout = check_timeout(timeout_s, "receive", "zoo")
        end = self.now() + timeout + 1e-6
        while True:
            self.check_open("receive")
            message = self.take()
            if message is not None:
                return message
            if timeout <= 0 or self.now() >= end:
                return None
            await self.pause(end)

    async def pause(self, *ends: float) -> None:
        waiter = self.waiter()
        try:
            await self.wait(waiter, *ends)
        finally:
            self.waiters.discard(waiter)

    async def __anext__(self) -> Message:
        while not self.left:
            message = self.take()
            if message is not None:
                return message
            await self.pause()
        raise StopAsyncIteration

    @property
    def gaps(self) -> int:
        return 0

    async def enter(self, namespace: str, topic: str, is_pattern: bool, attributes: Mapping[str, str]) -> None:
        self.number = self.wire.send("subscribe", namespace, topic, int(is_pattern), attributes)
        self.wire.ears[self.number] = self
        try:
            await self.wire.expect(self.number)
        except asyncio.CancelledError:
            self.leave()
            raise

    def leave(self) -> None:
        self.left = True
        self.wire.ears.pop(self.number, None)
        self.wire.send("unsubscribe", self.number)
        self.wake()


class Hand(Waiting, Deliveries):
    """A member of a durable subscription."""

    def __init__(self, wire: Wire, topic: str) -> None:
        super().__init__(wire)
        self.topic = topic

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        amount, timeout = self.amount(max_messages), check_timeout(timeout_s, "receive", "zoo")
        end = self.now() + timeout + 1e-6
        while True:
            self.check_open("receive")
            waiter = self.waiter()
            try:
                due, grants = await self.pull(amount)
                self.check_open("receive")
                if grants:
                    return [self.delivery(*grant) for grant in grants]
                if timeout <= 0 or self.now() >= end:
                    return []
                await self.wait(waiter, end, *([] if due is None else [due]))
            finally:
                self.waiters.discard(waiter)

    def amount(self, max_messages: int) -> int:
        if not isinstance(max_messages, int):
            raise TypeError(f"zoo: receive: max_messages is int, not {type(max_messages).__name__}")
        if max_messages < 1:
            raise ValueError(f"zoo: receive: max_messages={max_messages} is below 1")
        return min(max_messages, 1 << 30)

    async def pull(self, amount: int) -> tuple[float | None, list[Any]]:
        number = self.wire.send("pull", self.number, amount)
        try:
            due, grants = await self.wire.expect(number)
        except asyncio.CancelledError:
            self.wire.send("drop", self.number, number)
            raise
        return due, grants

    def delivery(self, identifier: str, payload: bytes, headers: dict[str, str], count: int, token: str) -> Delivery:
        return Delivery(Message(identifier, self.topic, payload, headers), count, token)

    def tokens(self, deliveries: tuple[Delivery, ...], operation: str) -> list[str]:
        self.check_open(operation)
        for delivery in deliveries:
            if not isinstance(delivery, Delivery):
                raise TypeError(f"zoo: {operation}: a delivery is Delivery, not {type(delivery).__name__}")
        return [delivery.token for delivery in deliveries]

    async def ack(self, *deliveries: Delivery) -> None:
        await self.wire.call("ack", self.number, self.tokens(deliveries, "ack"))

    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        delay = float(check_seconds(delay_s, "nack", "zoo"))
        await self.wire.call("nack", self.number, self.tokens(deliveries, "nack"), delay)

    async def enter(self, namespace: str, name: str, start: str) -> None:
        self.number = self.wire.send("join", namespace, self.topic, name, start)
        self.wire.hands[self.number] = self
        try:
            await self.wire.expect(self.number)
        except asyncio.CancelledError:
            self.leave()
            raise

    def leave(self) -> None:
        self.left = True
        self.wire.hands.pop(self.number, None)
        self.wire.send("leave", self.number)
        self.wake()


class WirePubSub(PubSubBasic, PubSubPersistent, PubSubWildcards, PubSubFiltering, PubSubOrdering):
    """All five interfaces."""

    traits: Traits = Traits(delivery_count="exact")
    limits: Limits = Limits()
    wire_type: type[Wire] = Wire
    ear_type: type[Ear] = Ear
    hand_type: type[Hand] = Hand

    def __init__(self, broker: Broker, namespace: str) -> None:
        self.wire = self.wire_type(broker)
        self.namespace = namespace

    def name(self, name: str, operation: str) -> str:
        check_name(name, operation, "zoo", self.limits)
        return name

    def parts(
        self, topic: str, payload: Bytes, headers: Mapping[str, str] | None, operation: str
    ) -> tuple[str, bytes, Mapping[str, str]]:
        """Return what is legal of a message, as it is sent."""
        return (
            self.name(topic, operation),
            check_payload(payload, operation, "zoo", topic, self.limits),
            check_headers(headers, operation, "zoo"),
        )

    # Plain

    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        identifier: str = await self.wire.call("publish", self.namespace, *self.parts(topic, payload, headers, "publish"))
        return identifier

    def subscribe(self, topic: str) -> AbstractAsyncContextManager[Subscription]:
        return self.listening(self.name(topic, "subscribe"), False, {})

    def subscribe_pattern(self, pattern: str) -> AbstractAsyncContextManager[Subscription]:
        check_pattern(pattern, "subscribe_pattern", "zoo", self.limits)
        return self.listening(pattern, True, {})

    def subscribe_filtered(self, topic: str, attributes: Mapping[str, str]) -> AbstractAsyncContextManager[Subscription]:
        wanted = check_attributes(attributes, "subscribe_filtered", "zoo")
        return self.listening(self.name(topic, "subscribe_filtered"), False, wanted)

    @asynccontextmanager
    async def listening(self, topic: str, is_pattern: bool, attributes: Mapping[str, str]) -> AsyncIterator[Subscription]:
        ear = self.ear_type(self.wire)
        await ear.enter(self.namespace, topic, is_pattern, attributes)
        try:
            yield ear
        finally:
            ear.leave()

    # Durable

    async def publish_persistent(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        return await self.store(None, *self.parts(topic, payload, headers, "publish_persistent"))

    async def publish_ordered(self, topic: str, ordering_key: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        key = self.name(ordering_key, "publish_ordered")
        return await self.store(key, *self.parts(topic, payload, headers, "publish_ordered"))

    async def store(self, key: str | None, topic: str, payload: bytes, headers: Mapping[str, str]) -> str:
        identifier: str = await self.wire.call("store", self.namespace, topic, key, payload, headers)
        return identifier

    def subscribe_durable(self, topic: str, name: str, start: Start = "new") -> AbstractAsyncContextManager[Deliveries]:
        if start not in ("new", "earliest"):
            raise ValueError(f"zoo: subscribe_durable: start={start!r} is neither 'new' nor 'earliest'")
        return self.joining(self.name(topic, "subscribe_durable"), self.name(name, "subscribe_durable"), start)

    @asynccontextmanager
    async def joining(self, topic: str, name: str, start: str) -> AsyncIterator[Deliveries]:
        hand = self.hand_type(self.wire, topic)
        await hand.enter(self.namespace, name, start)
        try:
            yield hand
        finally:
            hand.leave()

    async def last_message_id(self, topic: str) -> str | None:
        last: str | None = await self.wire.call("last", self.namespace, self.name(topic, "last_message_id"))
        return last


class KeptPubSub(WirePubSub):
    """All five interfaces, over a broker with a journal."""

    traits: Traits = Traits(
        durability="process", ack_survives_kill="yes", attempts_survive_kill="yes", member_timeout_s=0.0, delivery_count="exact"
    )


def wire_backend(name: str, driver: type[WirePubSub] = WirePubSub, broker: type[Broker] = Broker, **more: Any) -> Backend[Broker]:
    """Make a backend of a driver and a broker."""
    if issubclass(broker, JournalBroker) and driver is WirePubSub:
        driver = KeptPubSub
    settings: dict[str, Any] = {"clean": clean, "traits": driver.traits, "limits": driver.limits, **more}
    return Backend(name=name, connect=connector(broker), drivers=(driver,), **settings)
