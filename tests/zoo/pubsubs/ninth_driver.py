"""A driver of all five interfaces of pub/sub, over `ninth_rows`.

Rows: ("last", space, topic) is the number and the id of the last message of a topic; ("message", space, topic, number) a
persistent message; ("name", space, topic, name) the number up to which all is acked; ("mark", space, topic, name, number) what a
subscription knows of a message: (deliveries, not before, acked).
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

from prism_testkit.interfaces import (
    Bytes,
    Closed,
    Conflict,
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

from .ninth_rows import Rows

__all__ = ["MAKER", "Ear", "Grip", "RowPubSub", "copied"]

MAKER = "rows"


def copied(message: Message) -> Message:
    return replace(message, headers=dict(message.headers))


class Ear(Subscription):
    """A plain subscription; ``wants`` says what it listens to."""

    def __init__(self, driver: "RowPubSub", wants: Callable[[Message], bool]) -> None:
        self.driver, self.wants = driver, wants
        self.heard: deque[Message] = deque()
        self.bell = asyncio.Event()
        self.left = False

    def tell(self, message: Message) -> None:
        if self.wants(message):
            self.heard.append(message)
            self.bell.set()

    async def receive(self, timeout_s: float = 0) -> Message | None:
        self.check_here()
        loop = asyncio.get_running_loop()
        end = loop.time() + check_timeout(timeout_s, "receive", MAKER)
        while not self.heard:
            if (left := end - loop.time()) <= 0:
                return None
            await self.wait(left)
            self.check_here()
        return copied(self.heard.popleft())

    async def wait(self, seconds: float | None) -> None:
        self.bell.clear()
        try:
            async with asyncio.timeout(seconds):
                await self.bell.wait()
        except TimeoutError:
            return

    async def __anext__(self) -> Message:
        while not self.left:
            if self.heard:
                return copied(self.heard.popleft())
            await self.wait(None)
        raise StopAsyncIteration

    @property
    def gaps(self) -> int:
        self.check_here()
        return 0

    def check_here(self) -> None:
        if self.left:
            raise Closed(f"{MAKER}: the subscription was left")

    def leave(self) -> None:
        self.left = True
        self.bell.set()


class Grip(Deliveries):
    """A member of a durable subscription."""

    def __init__(self, driver: "RowPubSub", topic: str, name: str) -> None:
        self.driver, self.rows, self.topic, self.name = driver, driver.rows, topic, name
        self.number = self.rows.number()
        self.left = False

    def mark(self, number: int) -> tuple[Any, ...]:
        return ("mark", self.driver.space, self.topic, self.name, number)

    def check_here(self) -> None:
        if self.left:
            raise Closed(f"{MAKER}: the member has left")

    def wanted(self) -> Iterator[tuple[int, Message]]:
        """Give what may be delivered now, in order."""
        now, space = self.rows.clock.now_s(), self.driver.space
        busy: set[str] = set()
        base = self.rows.get("name", space, self.topic, self.name)
        for key, (message, ordering) in self.rows.range("message", space, self.topic, after=base):
            _, due, acked = self.rows.get(*self.mark(key[3])) or (0, 0.0, False)
            if acked:
                continue
            free = self.mark(key[3]) not in self.rows.holds and due <= now
            if free and ordering not in busy:
                yield key[3], message
            if ordering is not None:
                busy.add(ordering)

    def dues(self) -> Iterator[float]:
        """Give in how many seconds something is due."""
        now = self.rows.clock.now_s()
        for _, (_, due, acked) in self.rows.range("mark", self.driver.space, self.topic, self.name):
            if not acked and due > now:
                yield due - now

    def take(self, most: int) -> list[Delivery]:
        found, changes = [], {}
        for number, message in [pair for pair, _ in zip(self.wanted(), range(most), strict=False)]:
            count = (self.rows.get(*self.mark(number)) or (0,))[0] + 1
            token = f"{self.number}/{number}/{self.rows.number()}"
            self.rows.holds[self.mark(number)] = self, token
            changes[self.mark(number)] = (count, 0.0, False)
            found.append(Delivery(copied(message), count, token))
        if changes:
            self.rows.commit(changes)
        return found

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        self.check_here()
        if not isinstance(max_messages, int):
            raise TypeError(f"{MAKER}: max_messages is int")
        if max_messages < 1:
            raise ValueError(f"{MAKER}: max_messages is 1 or more")
        loop = asyncio.get_running_loop()
        end = loop.time() + check_timeout(timeout_s, "receive", MAKER)
        while True:
            if found := self.take(max_messages):
                return found
            if (left := end - loop.time()) <= 0:
                return []
            await self.rows.heard(min([left, *self.dues()]))
            self.check_here()

    def mine(self, deliveries: tuple[Delivery, ...]) -> tuple[list[int], bool]:
        """Return the numbers of what this member holds, and whether another's was among them."""
        self.check_here()
        held, strange = [], False
        if not all(isinstance(delivery, Delivery) for delivery in deliveries):
            raise TypeError(f"{MAKER}: what is no delivery")
        for delivery in deliveries:
            number = int(delivery.token.split("/")[1])
            if self.rows.holds.get(self.mark(number)) == (self, delivery.token):
                if number not in held:
                    held.append(number)
            elif not delivery.token.startswith(f"{self.number}/"):
                strange = True
        return held, strange

    async def ack(self, *deliveries: Delivery) -> None:
        held, strange = self.mine(deliveries)
        if held:
            self.confirm(held)
        if strange:
            raise Conflict(f"{MAKER}: another member's delivery")

    def confirm(self, numbers: list[int]) -> None:
        """Mark them as acked; fold what is acked without a hole into one number."""
        space = self.driver.space
        changes: dict[tuple[Any, ...], Any] = {}
        for number in numbers:
            changes[self.mark(number)] = (self.rows.get(*self.mark(number))[0], 0.0, True)
            del self.rows.holds[self.mark(number)]
        base = self.rows.get("name", space, self.topic, self.name)
        for key, _ in self.rows.range("message", space, self.topic, after=base):
            mark = self.mark(key[3])
            if not (changes.get(mark) or self.rows.get(*mark) or (0, 0.0, False))[2]:
                break
            changes[mark] = None
            base = key[3]
        changes["name", space, self.topic, self.name] = base
        self.rows.commit(changes)

    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        self.check_here()
        delay = max(0.0, check_seconds(delay_s, "nack", MAKER))
        held, strange = self.mine(deliveries)
        if held:
            self.give_back(held, self.rows.clock.now_s() + delay if delay else 0.0)
        if strange:
            raise Conflict(f"{MAKER}: another member's delivery")

    def give_back(self, numbers: list[int], due: float) -> None:
        changes: dict[tuple[Any, ...], Any] = {}
        for number in numbers:
            changes[self.mark(number)] = (self.rows.get(*self.mark(number))[0], due, False)
            del self.rows.holds[self.mark(number)]
        self.rows.commit(changes)

    def leave(self) -> None:
        self.left = True
        if held := [mark[4] for mark, (member, _) in self.rows.holds.items() if member is self]:
            self.give_back(held, 0.0)
        self.rows.ring()


class RowPubSub(PubSubBasic, PubSubPersistent, PubSubWildcards, PubSubFiltering, PubSubOrdering):
    """Topics as rows."""

    ear_type: type[Ear] = Ear
    grip_type: type[Grip] = Grip

    def __init__(self, rows: Rows, namespace: str) -> None:
        self.rows, self.space = rows, namespace

    def message(self, call: str, topic: str, payload: Bytes, headers: Mapping[str, str] | None) -> Message:
        """Return a message without an id."""
        check_name(topic, call, MAKER)
        data = check_payload(payload, call, MAKER, topic)
        return Message("", topic, data, check_headers(headers, call, MAKER))

    def following(self, topic: str) -> tuple[int, str]:
        number = (self.rows.get("last", self.space, topic) or (0, ""))[0] + 1
        return number, f"{number:x}"

    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        message = replace(self.message("publish", topic, payload, headers), id=f"p{self.rows.number():x}")
        for ear in self.rows.listeners.get(self.space, ()):
            ear.tell(message)
        return message.id

    def subscribe(self, topic: str) -> AbstractAsyncContextManager[Subscription]:
        return self.listen(lambda: self.of_topic(topic))

    def of_topic(self, topic: str) -> Callable[[Message], bool]:
        check_name(topic, "subscribe", MAKER)
        return lambda message: message.topic == topic

    def subscribe_pattern(self, pattern: str) -> AbstractAsyncContextManager[Subscription]:
        return self.listen(lambda: self.of_pattern(pattern))

    def of_pattern(self, pattern: str) -> Callable[[Message], bool]:
        tokens = check_pattern(pattern, "subscribe_pattern", MAKER)
        return lambda message: self.fits(tokens, message.topic.split("."))

    def fits(self, tokens: tuple[str, ...], parts: list[str]) -> bool:
        if tokens[-1] == ">":
            if len(parts) < len(tokens):
                return False
            tokens, parts = tokens[:-1], parts[: len(tokens) - 1]
        return len(tokens) == len(parts) and all(t in ("*", p) for t, p in zip(tokens, parts, strict=True))

    def subscribe_filtered(self, topic: str, attributes: Mapping[str, str]) -> AbstractAsyncContextManager[Subscription]:
        return self.listen(lambda: self.of_attributes(topic, attributes))

    def of_attributes(self, topic: str, attributes: Mapping[str, str]) -> Callable[[Message], bool]:
        check_name(topic, "subscribe_filtered", MAKER)
        wanted = check_attributes(attributes, "subscribe_filtered", MAKER).items()
        return lambda message: message.topic == topic and wanted <= message.headers.items()

    @asynccontextmanager
    async def listen(self, wanted: Callable[[], Callable[[Message], bool]]) -> AsyncIterator[Subscription]:
        ear = self.ear_type(self, wanted())
        self.rows.listeners.setdefault(self.space, []).append(ear)
        try:
            yield ear
        finally:
            ear.leave()
            if ear in (ears := self.rows.listeners.get(self.space, [])):
                ears.remove(ear)

    async def publish_persistent(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        return self.store(self.message("publish_persistent", topic, payload, headers), None)

    async def publish_ordered(self, topic: str, ordering_key: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        check_name(ordering_key, "publish_ordered", MAKER)
        return self.store(self.message("publish_ordered", topic, payload, headers), ordering_key)

    def store(self, message: Message, key: str | None) -> str:
        number, named = self.following(message.topic)
        row = (replace(message, id=named), key)
        topic = message.topic
        self.rows.commit({("message", self.space, topic, number): row, ("last", self.space, topic): (number, named)})
        return named

    @asynccontextmanager
    async def subscribe_durable(self, topic: str, name: str, start: Start = "new") -> AsyncIterator[Deliveries]:
        check_name(topic, "subscribe_durable", MAKER)
        check_name(name, "subscribe_durable", MAKER)
        if start not in ("new", "earliest"):
            raise ValueError(f"{MAKER}: a start is new or earliest")
        if self.rows.get("name", self.space, topic, name) is None:
            last = self.following(topic)[0] - 1
            self.rows.commit({("name", self.space, topic, name): last if start == "new" else 0})
        grip = self.grip_type(self, topic, name)
        try:
            yield grip
        finally:
            grip.leave()

    async def last_message_id(self, topic: str) -> str | None:
        check_name(topic, "last_message_id", MAKER)
        return (self.rows.get("last", self.space, topic) or (0, None))[1]
