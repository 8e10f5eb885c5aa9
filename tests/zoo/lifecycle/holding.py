"""Models in which something is held between two calls: transactions, scans, and members that hold messages."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import prism_testkit as prism
from prism_testkit.interfaces import (
    Closed,
    Deliveries,
    Delivery,
    KeyValueScan,
    KeyValueTransaction,
    KeyValueTransactional,
    Message,
    PubSubPersistent,
)

from .models import KeyValue
from .reference import Client, Life

__all__ = ["Durable", "Holder", "Transaction", "Transactions"]

_ids = count(1)


class Transaction(KeyValueTransaction):
    """Writes kept back. It never conflicts, for it reads nothing that it could have to compare in these checks."""

    def __init__(self, driver: "Transactions") -> None:
        self.driver, self.writes = driver, dict[str, bytes | None]()

    def check(self) -> None:
        if self.driver.state == "closed":
            raise Closed("zoo: transaction: the driver is closed")

    async def get(self, key: str) -> bytes | None:
        self.check()
        return self.writes[key] if key in self.writes else self.driver.values.get(key)

    async def set(self, key: str, value: Any) -> None:
        self.check()
        self.writes[key] = bytes(value)

    async def delete(self, key: str) -> bool:
        present = await self.get(key) is not None
        self.writes[key] = None
        return present

    def commit(self) -> None:
        for key, value in self.writes.items():
            if value is None:
                self.driver.values.pop(key, None)
            else:
                self.driver.values[key] = value


class Transactions(KeyValue, KeyValueTransactional, KeyValueScan):
    """Transactions and scans."""

    transaction_type: type[Transaction] = Transaction

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        await self.call("transaction", asyncio.sleep(0))
        made = self.transaction_type(self)
        yield made
        await self.commit(made)

    async def commit(self, transaction: Transaction) -> None:
        transaction.check()
        transaction.commit()

    async def scan(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[tuple[str, bytes]]:
        async for key in self.scan_keys(prefix, limit):
            yield key, self.values[key]

    async def scan_keys(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[str]:
        self.admit("scan")
        for key in [key for key in self.values if key.startswith(prefix)][:limit]:
            self.step()
            yield key
        self.step()

    def step(self) -> None:
        if self.state == "closed":
            raise Closed("zoo: scan: it is closed")

    async def count(self, prefix: str = "") -> int:
        self.admit("count")
        return sum(key.startswith(prefix) for key in self.values)


class Holder(Deliveries):
    """A member. What it holds is given back when it is left."""

    def __init__(self, driver: "Durable", topic: str, name: str) -> None:
        self.driver, self.at, self.left = driver, (topic, name), False
        self.held: dict[str, Message] = {}

    @property
    def ready(self) -> deque[Message]:
        return self.driver.ready.setdefault(self.at, deque())

    def check(self) -> None:
        if self.left or self.driver.state == "closed":
            raise Closed("zoo: the member was left")

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        self.check()
        found: list[Delivery] = await self.driver.call(
            "receive", self._receive(max_messages, prism.check_timeout(timeout_s, "", ""))
        )
        return found

    async def _receive(self, most: int, timeout_s: float) -> list[Delivery]:
        until_s = asyncio.get_running_loop().time() + timeout_s
        while not self.ready:
            if asyncio.get_running_loop().time() >= until_s:
                return []
            await asyncio.sleep(0.5)
        given = []
        while self.ready and len(given) < most:
            message = self.ready.popleft()
            self.held[message.id] = message
            given.append(Delivery(message, 1, message.id))
        return given

    async def ack(self, *deliveries: Delivery) -> None:
        self.check()
        for delivery in deliveries:
            self.held.pop(delivery.token, None)

    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        self.check()
        for delivery in deliveries:
            if delivery.token in self.held:
                self.ready.append(self.held.pop(delivery.token))

    def leave(self) -> None:
        self.left = True
        self.ready.extendleft(reversed(self.held.values()))
        self.held.clear()


class Durable(Life, PubSubPersistent):
    """Durable subscriptions, from the first message on."""

    def __init__(self, client: Client, namespace: str) -> None:
        super().__init__(client, namespace)
        self.entered: set[Holder] = set()

    @property
    def log(self) -> list[Message]:
        found: list[Message] = self.client.data.setdefault(f"log/{self.namespace}", [])
        return found

    @property
    def ready(self) -> dict[tuple[str, str], deque[Message]]:
        found: dict[tuple[str, str], deque[Message]] = self.client.data.setdefault(f"ready/{self.namespace}", {})
        return found

    async def publish_persistent(self, topic: str, payload: Any, headers: Mapping[str, str] | None = None) -> str:
        message = Message(str(next(_ids)), topic, bytes(payload), dict(headers or {}))
        await self.call("publish_persistent", self._publish(message))
        return message.id

    async def _publish(self, message: Message) -> None:
        self.log.append(message)
        for (topic, _), ready in self.ready.items():
            if topic == message.topic:
                ready.append(message)

    @asynccontextmanager
    async def subscribe_durable(self, topic: str, name: str, start: Any = "new") -> AsyncIterator[Deliveries]:
        await self.call("subscribe_durable", asyncio.sleep(0))
        if (topic, name) not in self.ready:
            self.ready[topic, name] = deque(m for m in self.log if m.topic == topic and start == "earliest")
        holder = Holder(self, topic, name)
        self.entered.add(holder)
        try:
            yield holder
        finally:
            self.exit(holder)

    def exit(self, holder: Holder) -> None:
        self.entered.discard(holder)
        holder.leave()

    async def last_message_id(self, topic: str) -> str | None:
        self.admit("last_message_id")
        return next((message.id for message in reversed(self.log) if message.topic == topic), None)

    async def leave(self) -> None:
        for holder in list(self.entered):
            holder.leave()
