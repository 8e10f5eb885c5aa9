"""Three data models over the reference's lifecycle: keys, queues whose takes wait, and subscriptions that pump."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import prism_testkit as prism
from prism_testkit.interfaces import Closed, KeyValueBasic, Message, PubSubBasic, QueueBasic, QueueMessage, Subscription

from .reference import Client, Life

__all__ = ["KeyValue", "Listener", "PubSub", "Queue"]

_ids = count(1)


class KeyValue(Life, KeyValueBasic):
    """Keys. A call takes a few turns, so that it can be in hand."""

    @property
    def values(self) -> dict[str, bytes]:
        found: dict[str, bytes] = self.client.data.setdefault(f"kv/{self.namespace}", {})
        return found

    async def _turn(self) -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def set(self, key: str, value: Any) -> None:
        prism.check_name(key, "set", "zoo")
        await self.call("set", self._set(key, prism.check_payload(value, "set", "zoo", key)))

    async def _set(self, key: str, value: bytes) -> None:
        await self._turn()
        self.values[key] = value

    async def get(self, key: str) -> bytes | None:
        prism.check_name(key, "get", "zoo")
        found: bytes | None = await self.call("get", self._get(key))
        return found

    async def _get(self, key: str) -> bytes | None:
        await self._turn()
        return self.values.get(key)

    async def delete(self, key: str) -> bool:
        prism.check_name(key, "delete", "zoo")
        return bool(await self.call("delete", self._delete(key)))

    async def _delete(self, key: str) -> bool:
        await self._turn()
        return self.values.pop(key, None) is not None

    async def exists(self, key: str) -> bool:
        prism.check_name(key, "exists", "zoo")
        return await self.call("exists", self._get(key)) is not None


class Queue(Life, QueueBasic):
    """Queues. A take that waits looks again whenever something was put anywhere."""

    @property
    def queues(self) -> dict[str, deque[QueueMessage]]:
        found: dict[str, deque[QueueMessage]] = self.client.data.setdefault(f"queues/{self.namespace}", {})
        return found

    @property
    def bell(self) -> asyncio.Condition:
        found: asyncio.Condition = self.client.data.setdefault("bell", asyncio.Condition())
        return found

    async def enqueue(self, queue: str, payload: Any, headers: Mapping[str, str] | None = None) -> str:
        prism.check_name(queue, "enqueue", "zoo")
        data = prism.check_payload(payload, "enqueue", "zoo", queue)
        message = QueueMessage(str(next(_ids)), data, prism.check_headers(headers, "enqueue", "zoo"))
        await self.call("enqueue", self._enqueue(queue, message))
        return message.id

    async def _enqueue(self, queue: str, message: QueueMessage) -> None:
        async with self.bell:
            self.queues.setdefault(queue, deque()).append(message)
            self.bell.notify_all()

    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        prism.check_name(queue, "dequeue", "zoo")
        found: QueueMessage | None = await self.call(
            "dequeue", self._dequeue(queue, prism.check_timeout(timeout_s, "dequeue", "zoo"))
        )
        return found

    async def _dequeue(self, queue: str, timeout_s: float) -> QueueMessage | None:
        try:
            async with asyncio.timeout(timeout_s), self.bell:
                while not self.queues.get(queue):
                    await self.bell.wait()
                return self.queues[queue].popleft()
        except TimeoutError:
            found = self.queues.get(queue)
            return found.popleft() if found else None

    async def peek(self, queue: str) -> QueueMessage | None:
        prism.check_name(queue, "peek", "zoo")
        found: QueueMessage | None = await self.call("peek", self._peek(queue))
        return found

    async def _peek(self, queue: str) -> QueueMessage | None:
        found = self.queues.get(queue)
        return found[0] if found else None


class Listener(Subscription):
    """A subscription: what was sent to it is pumped by a task of its own into a buffer."""

    def __init__(self, driver: "PubSub", topic: str) -> None:
        self.driver, self.topic, self.left = driver, topic, False
        self.wire: asyncio.Queue[Message] = asyncio.Queue()
        self.buffer: deque[Message] = deque()
        self.bell = asyncio.Condition()
        self.pumping = asyncio.ensure_future(self.pump())

    async def pump(self) -> None:
        while True:
            message = await self.wire.get()
            async with self.bell:
                self.buffer.append(message)
                self.bell.notify_all()

    def check(self, operation: str) -> None:
        if self.left or self.driver.state == "closed":
            raise Closed(f"zoo: {operation} {self.topic}: it was left")

    async def receive(self, timeout_s: float = 0) -> Message | None:
        self.check("receive")
        found: Message | None = await self.driver.call("receive", self._receive(prism.check_timeout(timeout_s, "receive", "zoo")))
        return found

    async def _receive(self, timeout_s: float | None) -> Message | None:
        await asyncio.sleep(0)
        try:
            async with asyncio.timeout(timeout_s), self.bell:
                while not self.buffer:
                    await self.bell.wait()
                return self.buffer.popleft()
        except TimeoutError:
            return self.buffer.popleft() if self.buffer else None

    async def __anext__(self) -> Message:
        try:
            self.check("receive")
            message: Message = await self.driver.call("receive", self._receive(None))
        except Closed:
            raise StopAsyncIteration from None
        return message

    @property
    def gaps(self) -> int:
        return 0

    async def leave(self) -> None:
        self.left = True
        self.driver.listeners.discard(self)
        self.driver.entered.discard(self)
        self.pumping.cancel()
        await asyncio.gather(self.pumping, return_exceptions=True)


class PubSub(Life, PubSubBasic):
    """Subscriptions."""

    listener_type: type[Listener] = Listener

    def __init__(self, client: Client, namespace: str) -> None:
        super().__init__(client, namespace)
        self.entered: set[Listener] = set()

    @property
    def listeners(self) -> set[Listener]:
        found: set[Listener] = self.client.data.setdefault(f"listeners/{self.namespace}", set())
        return found

    async def publish(self, topic: str, payload: Any, headers: Mapping[str, str] | None = None) -> str:
        prism.check_name(topic, "publish", "zoo")
        data = prism.check_payload(payload, "publish", "zoo", topic)
        message = Message(str(next(_ids)), topic, data, prism.check_headers(headers, "publish", "zoo"))
        await self.call("publish", self._publish(message))
        return message.id

    async def _publish(self, message: Message) -> None:
        await asyncio.sleep(0)
        for listener in self.listeners:
            if listener.topic == message.topic:
                listener.wire.put_nowait(message)

    @asynccontextmanager
    async def subscribe(self, topic: str) -> AsyncIterator[Subscription]:
        prism.check_name(topic, "subscribe", "zoo")
        listener: Listener = await self.call("subscribe", self._subscribe(topic))
        try:
            yield listener
        finally:
            await self.exit(listener)

    async def _subscribe(self, topic: str) -> Listener:
        await asyncio.sleep(0)
        listener = self.listener_type(self, topic)
        self.entered.add(listener)
        self.listeners.add(listener)
        return listener

    async def exit(self, listener: Listener) -> None:
        await listener.leave()

    async def leave(self) -> None:
        for listener in list(self.entered):
            await listener.leave()
