"""Publish and subscribe over tables: what is durable is in rows, what is not in the memory of those who listen."""

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import ClassVar
from uuid import uuid4

from prism_testkit.interfaces import (
    Deliveries,
    Delivery,
    Message,
    PubSubBasic,
    PubSubFiltering,
    PubSubOrdering,
    PubSubPersistent,
    PubSubWildcards,
    Subscription,
)
from prism_testkit.interfaces.errors import Closed
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.pubsub import Start
from prism_testkit.naming import check_attributes, check_headers, check_name, check_pattern, check_payload, check_timeout

from .tenth_office import Office, Row

__all__ = ["Ear", "Holder", "OfficePubSub"]

Wants = Callable[[Message], bool]


class Ear(Subscription):
    """A listener: what it wants, and what came."""

    def __init__(self, office: Office, wants: Wants) -> None:
        self.office, self.wants = office, wants
        self.came: deque[Message] = deque()
        self.open = True
        self.missed = 0

    def hear(self, message: Message) -> None:
        """Take a message, if it is wanted."""
        if self.wants(message):
            self.came.append(self.copy(message))

    def copy(self, message: Message) -> Message:
        return Message(message.id, message.topic, message.payload, dict(message.headers))

    @property
    def gaps(self) -> int:
        return self.missed

    def _there(self) -> bool:
        if not self.open:
            raise Closed("office: the subscription was left")
        return bool(self.came)

    async def receive(self, timeout_s: float = 0) -> Message | None:
        timeout = check_timeout(timeout_s, "receive", "office")
        clock = self.office.clock
        deadline = clock.now_s() + timeout
        await asyncio.sleep(0)
        while not self._there():
            left = deadline - clock.now_s()
            if left <= 0:
                return None
            await self.office.sleep(left)
        return self.came.popleft()

    async def __anext__(self) -> Message:
        while self.open and not self.came:
            await self.office.sleep(None)
        if not self.open:
            raise StopAsyncIteration
        return self.came.popleft()

    def leave(self) -> None:
        self.open = False
        self.came.clear()
        self.office.wake()


class Holder(Deliveries):
    """A member of a durable subscription."""

    def __init__(self, office: Office, subscription: int) -> None:
        self.office, self.subscription = office, subscription
        office.members += 1
        self.member = office.members
        self.open = True

    def _tokens(self, deliveries: tuple[Delivery, ...]) -> list[str]:
        if not all(isinstance(one, Delivery) for one in deliveries):
            raise TypeError("office: what is acked or nacked is a delivery")
        return [one.token for one in deliveries]

    def _check(self) -> None:
        if not self.open:
            raise Closed("office: the member was left")

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        if not isinstance(max_messages, int):
            raise TypeError("office: max_messages is an int")
        if max_messages < 1:
            raise ValueError(f"office: max_messages={max_messages} is below 1")
        clock = self.office.clock
        deadline = clock.now_s() + check_timeout(timeout_s, "receive", "office")
        await asyncio.sleep(0)
        while True:
            self._check()
            taken = self.office.take(self.subscription, self.member, min(max_messages, 2**62), self.token)
            now = clock.now_s()
            if taken or now >= deadline:
                return [Delivery(*one) for one in taken]
            due = self.office.next_due(self.subscription)
            await self.office.sleep(max(min(deadline, math.inf if due is None else due) - now, 1e-6))

    def token(self) -> str:
        return uuid4().hex

    async def ack(self, *deliveries: Delivery) -> None:
        tokens = self._tokens(deliveries)
        self._check()
        await asyncio.sleep(0)
        self._check()
        self.office.change(self.office.delete_acked, *[(self.subscription, self.member, one) for one in tokens])

    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        delay, tokens = check_timeout(delay_s, "nack", "office"), self._tokens(deliveries)
        self._check()
        await asyncio.sleep(0)
        self._check()
        due = self.office.clock.now_s() + delay
        rows = [(due, self.subscription, self.member, one) for one in tokens]
        self.office.change(self.office.update_nacked, *rows)

    def leave(self) -> None:
        self.open = False
        self.office.change(self.office.update_left, (self.subscription, self.member))


def matches(tokens: tuple[str, ...], topic: str) -> bool:
    """Whether the tokens of a pattern stand for those of a topic."""
    found = topic.split(".")
    if tokens[-1] == ">":
        if len(found) < len(tokens):
            return False
        tokens, found = tokens[:-1], found[: len(tokens) - 1]
    return len(found) == len(tokens) and all(want in ("*", has) for want, has in zip(tokens, found, strict=True))


class OfficePubSub(PubSubBasic, PubSubPersistent, PubSubWildcards, PubSubFiltering, PubSubOrdering):
    """All five interfaces."""

    ear_type: ClassVar[type[Ear]] = Ear
    holder_type: ClassVar[type[Holder]] = Holder

    def __init__(self, office: Office, namespace: str) -> None:
        self.office = office
        self.namespace = namespace

    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        check_name(topic, "publish", "office")
        data, kept = check_payload(payload, "publish", "office", topic), check_headers(headers, "publish", "office")
        message = Message(uuid4().hex, topic, data, kept)
        await asyncio.sleep(0)
        self.tell(message)
        return message.id

    def tell(self, message: Message) -> None:
        """Let all who listen hear it; nothing is awaited, so it is all or none."""
        for ear in list(self.office.listeners.get(self.namespace, ())):
            ear.hear(message)
        self.office.wake()

    @asynccontextmanager
    async def _listening(self, wants: Callable[[], Wants]) -> AsyncIterator[Subscription]:
        ear = self.ear_type(self.office, wants())
        ears = self.office.listeners.setdefault(self.namespace, [])
        ears.append(ear)
        try:
            yield ear
        finally:
            ears.remove(ear)
            ear.leave()

    def subscribe(self, topic: str) -> AbstractAsyncContextManager[Subscription]:
        return self._listening(lambda: self.by_topic(topic))

    def by_topic(self, topic: str) -> Wants:
        check_name(topic, "subscribe", "office")
        return lambda message: message.topic == topic

    def subscribe_pattern(self, pattern: str) -> AbstractAsyncContextManager[Subscription]:
        return self._listening(lambda: self.by_pattern(pattern))

    def by_pattern(self, pattern: str) -> Wants:
        tokens = check_pattern(pattern, "subscribe_pattern", "office")
        return lambda message: matches(tokens, message.topic)

    def subscribe_filtered(self, topic: str, attributes: Mapping[str, str]) -> AbstractAsyncContextManager[Subscription]:
        return self._listening(lambda: self.by_attributes(topic, attributes))

    def by_attributes(self, topic: str, attributes: Mapping[str, str]) -> Wants:
        check_name(topic, "subscribe_filtered", "office")
        asked = check_attributes(attributes, "subscribe_filtered", "office").items()
        return lambda message: message.topic == topic and asked <= message.headers.items()

    # What is durable

    async def publish_persistent(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        return await self._store(topic, None, payload, headers)

    async def publish_ordered(self, topic: str, ordering_key: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        return await self._store(topic, check_name(ordering_key, "publish_ordered: key", "office"), payload, headers)

    async def _store(self, topic: str, key: bytes | None, payload: Bytes, headers: Mapping[str, str] | None) -> str:
        name = check_name(topic, "publish", "office")
        data, kept = check_payload(payload, "publish", "office", topic), check_headers(headers, "publish", "office")
        row = Row(self.namespace, name, uuid4().hex, key, data, kept)
        await asyncio.sleep(0)
        self.office.store(row)
        return row.id

    @asynccontextmanager
    async def _joined(self, topic: str, name: str, start: Start) -> AsyncIterator[Deliveries]:
        if start not in ("new", "earliest"):
            raise ValueError(f"office: a subscription begins with new or earliest, not {start!a}")
        names = check_name(topic, "subscribe_durable", "office"), check_name(name, "subscribe_durable: name", "office")
        await asyncio.sleep(0)
        holder = self.holder_type(self.office, self.office.subscription(self.namespace, *names, start == "earliest"))
        try:
            yield holder
        finally:
            holder.leave()

    def subscribe_durable(self, topic: str, name: str, start: Start = "new") -> AbstractAsyncContextManager[Deliveries]:
        return self._joined(topic, name, start)

    async def last_message_id(self, topic: str) -> str | None:
        name = check_name(topic, "last_message_id", "office")
        await asyncio.sleep(0)
        return self.office.last(self.namespace, name)
