"""One small face for the five interfaces of a queue: what a claim check of an author of his own needs of its broker."""

import asyncio
import math
from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import prism_testkit as prism
from prism_testkit.interfaces import (
    AlreadyExists,
    Conflict,
    PubSubBasic,
    PubSubPersistent,
    QueueVisibility,
    StreamBasic,
    StreamConsumerGroups,
)

__all__ = ["Broker", "Post", "Reader", "broker_of"]

VISIBLE_S = 60.0


@dataclass(frozen=True)
class Post:
    """One delivery: what came, how often, and what its broker knows it by."""

    id: str
    payload: bytes
    headers: Mapping[str, str]
    count: int
    known: Any = None


class Reader:
    """What a broker enters for one consumer."""

    @abstractmethod
    async def receive(self, timeout_s: float) -> Post | None: ...

    @abstractmethod
    async def ack(self, post: Post) -> None: ...

    @abstractmethod
    async def nack(self, post: Post, delay_s: float) -> None: ...


class Broker:
    """A queue of any kind. ``forgets``: it knows no acks; ``one_consumer``: a message has one."""

    forgets = False
    one_consumer = False

    def __init__(self, queue: Any, clock: prism.Clock) -> None:
        self.queue, self.clock = queue, clock

    @abstractmethod
    async def send(self, topic: str, payload: bytes, headers: Mapping[str, str]) -> str: ...

    @abstractmethod
    def read(self, topic: str, consumer: str) -> Any: ...


class _Held(Reader):
    """Over a subscription or a member, which have the same methods."""

    def __init__(self, inner: Any, make: Any) -> None:
        self.inner, self.make = inner, make

    async def receive(self, timeout_s: float) -> Post | None:
        got = await self.inner.receive(1, timeout_s)
        return self.make(got[0]) if got else None

    async def ack(self, post: Post) -> None:
        await self.inner.ack(post.known)

    async def nack(self, post: Post, delay_s: float) -> None:
        await self.inner.nack(post.known, delay_s=delay_s)


class _Topics(Broker):
    async def send(self, topic: str, payload: bytes, headers: Mapping[str, str]) -> str:
        return str(await self.queue.publish_persistent(topic, payload, headers))

    @asynccontextmanager
    async def read(self, topic: str, consumer: str) -> AsyncIterator[Reader]:
        def make(d: Any) -> Post:
            return Post(d.message.id, d.message.payload, d.message.headers, d.delivery_count, d)

        async with self.queue.subscribe_durable(topic, consumer, start="earliest") as inner:
            yield _Held(inner, make)


class _Groups(Broker):
    async def send(self, topic: str, payload: bytes, headers: Mapping[str, str]) -> str:
        return str(await self.queue.append(topic, payload, None, headers))

    @asynccontextmanager
    async def read(self, topic: str, consumer: str) -> AsyncIterator[Reader]:
        def make(d: Any) -> Post:
            return Post(str(d.record.offset), d.record.payload, d.record.headers, d.delivery_count, d)

        with suppress(AlreadyExists):
            await self.queue.create_group(topic, consumer, "earliest")
        async with self.queue.join(topic, consumer, consumer) as inner:
            yield _Held(inner, make)


class _Leases(Reader):
    def __init__(self, queue: QueueVisibility, name: str) -> None:
        self.queue, self.name = queue, name
        self.held: dict[str, Any] = {}

    async def receive(self, timeout_s: float) -> Post | None:
        lease = await self.queue.receive(self.name, VISIBLE_S, timeout_s)
        if lease is None:
            return None
        self.held[lease.token] = lease
        return Post(lease.message.id, lease.message.payload, lease.message.headers, lease.attempt, lease)

    async def ack(self, post: Post) -> None:
        await self.queue.ack(post.known)
        self.held.pop(post.known.token, None)

    async def nack(self, post: Post, delay_s: float) -> None:
        if not math.isfinite(delay_s):
            raise ValueError(f"nack: {delay_s!r} is not a finite number of seconds")
        if delay_s > 0:
            await self.queue.extend(post.known, delay_s)
        else:
            await self.queue.release(post.known)
        self.held.pop(post.known.token, None)

    async def leave(self) -> None:
        """Give back what is held; what cannot be comes back when its lease ends."""
        for lease in list(self.held.values()):
            with suppress(prism_errors):
                await self.queue.release(lease)


prism_errors = (Conflict, OSError)


class _Queues(Broker):
    one_consumer = True

    async def send(self, topic: str, payload: bytes, headers: Mapping[str, str]) -> str:
        return str(await self.queue.enqueue(topic, payload, headers))

    @asynccontextmanager
    async def read(self, topic: str, consumer: str) -> AsyncIterator[Reader]:
        prism.check_name(consumer, "consume", "claims")
        prism.check_name(topic, "consume", "claims")
        leases = _Leases(self.queue, topic)
        try:
            yield leases
        finally:
            await leases.leave()


class _Returned(Reader):
    """A reader without nacks and acks: what is given back is kept here until it is due."""

    def __init__(self, clock: prism.Clock) -> None:
        self.clock = clock
        self.waiting: list[tuple[float, Post]] = []

    @abstractmethod
    async def fresh(self, timeout_s: float) -> Post | None: ...

    async def receive(self, timeout_s: float) -> Post | None:
        prism.check_timeout(timeout_s, "receive", "claims")
        until = self.clock.now_s() + max(0.0, timeout_s)
        while True:
            due = min(self.waiting, key=lambda pair: pair[0], default=None)
            now = self.clock.now_s()
            if due is not None and due[0] <= now:
                self.waiting.remove(due)
                return replace(due[1], count=due[1].count + 1)
            left = max(0.0, min(until, due[0] if due else math.inf) - now)
            post = await self.fresh(left)
            if post is not None:
                return post
            if self.clock.now_s() >= until and not (due and due[0] <= until):
                return None
            await asyncio.sleep(0)

    async def ack(self, post: Post) -> None:
        self.waiting = [pair for pair in self.waiting if pair[1].id != post.id]

    async def nack(self, post: Post, delay_s: float) -> None:
        if not math.isfinite(delay_s):
            raise ValueError(f"nack: {delay_s!r} is not a finite number of seconds")
        await self.ack(post)
        self.waiting.append((self.clock.now_s() + max(0.0, delay_s), post))


class _Walk(_Returned):
    """Over a stream, from its beginning."""

    def __init__(self, queue: StreamBasic, stream: str, clock: prism.Clock) -> None:
        super().__init__(clock)
        self.queue, self.stream, self.next = queue, stream, 0

    async def fresh(self, timeout_s: float) -> Post | None:
        until = self.clock.now_s() + timeout_s
        while True:
            async for record in self.queue.read(self.stream, self.next, 1):
                self.next = record.offset + 1
                return Post(str(record.offset), record.payload, record.headers, 1)
            left = until - self.clock.now_s()
            if left <= 0:
                return None
            await self.clock.sleep(min(left, 0.05))


class _Streams(Broker):
    forgets = True

    async def send(self, topic: str, payload: bytes, headers: Mapping[str, str]) -> str:
        return str(await self.queue.append(topic, payload, None, headers))

    @asynccontextmanager
    async def read(self, topic: str, consumer: str) -> AsyncIterator[Reader]:
        prism.check_name(consumer, "consume", "claims")
        yield _Walk(self.queue, topic, self.clock)


class _Ear(_Returned):
    """Over a subscription that forgets."""

    def __init__(self, inner: Any, clock: prism.Clock) -> None:
        super().__init__(clock)
        self.inner = inner

    async def fresh(self, timeout_s: float) -> Post | None:
        message = await self.inner.receive(timeout_s)
        return None if message is None else Post(message.id, message.payload, message.headers, 1)


class _Ears(Broker):
    forgets = True

    async def send(self, topic: str, payload: bytes, headers: Mapping[str, str]) -> str:
        return str(await self.queue.publish(topic, payload, headers))

    @asynccontextmanager
    async def read(self, topic: str, consumer: str) -> AsyncIterator[Reader]:
        prism.check_name(consumer, "consume", "claims")
        async with self.queue.subscribe(topic) as inner:
            yield _Ear(inner, self.clock)


_KINDS: tuple[tuple[type, type[Broker]], ...] = (
    (PubSubPersistent, _Topics),
    (StreamConsumerGroups, _Groups),
    (QueueVisibility, _Queues),
    (StreamBasic, _Streams),
    (PubSubBasic, _Ears),
)


def broker_of(queue: Any, clock: prism.Clock) -> Broker:
    """Return the broker over what fills the slot."""
    for protocol, kind in _KINDS:
        if prism.offers(queue, protocol):
            return kind(queue, clock)
    raise TypeError(f"no queue: {type(queue).__name__}")
