"""One way to speak to each of the five interfaces that may carry the messages."""

import heapq
import itertools
import math
from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from prism_testkit.clock import Clock
from prism_testkit.interfaces.errors import AlreadyExists, Conflict
from prism_testkit.interfaces.pubsub import Deliveries, PubSubBasic, PubSubPersistent, Subscription
from prism_testkit.interfaces.queue import QueueVisibility
from prism_testkit.interfaces.stream import Member, StreamBasic, StreamConsumerGroups
from prism_testkit.naming import check_seconds
from prism_testkit.pattern import offers

__all__ = ["LEASE_S", "Channel", "Incoming", "Source", "channel_of"]

LEASE_S = 60.0
"""How long a message of a queue is leased; fetching its payload extends the lease."""


@dataclass(slots=True)
class Incoming:
    """A message as it came. ``mine`` is what its source needs to ack it."""

    id: str
    payload: bytes
    headers: Mapping[str, str]
    count: int
    mine: Any
    leased_until_s: float = 0.0


class Source(Protocol):
    """Where a consumer's messages come from."""

    async def receive(self, timeout_s: float) -> Incoming | None: ...
    async def ack(self, incoming: Incoming) -> None: ...
    async def nack(self, incoming: Incoming, delay_s: float) -> None: ...
    async def keep(self, incoming: Incoming) -> None:
        """Say that work on a message goes on."""


class Channel(Protocol):
    """How messages are sent, and a source is opened. ``acks``: what was acked is remembered; ``shared``: among all consumers."""

    acks: bool
    shared: bool

    @abstractmethod
    async def publish(self, topic: str, payload: bytes, headers: Mapping[str, str]) -> str: ...
    @abstractmethod
    def source(self, topic: str, consumer: str) -> AbstractAsyncContextManager[Source]: ...


def channel_of(queue: Any, clock: Clock) -> Channel:
    """Return the channel over what fills the slot; of several interfaces the one that remembers most."""
    if offers(queue, PubSubPersistent):
        return _Durable(queue)
    if offers(queue, StreamConsumerGroups):
        return _Groups(queue)
    if offers(queue, QueueVisibility):
        return _Leases(queue, clock)
    if offers(queue, StreamBasic):
        return _Log(queue, clock)
    return _Live(queue, clock)


class _Durable(Channel):
    acks, shared = True, False

    def __init__(self, queue: PubSubPersistent) -> None:
        self._queue = queue

    async def publish(self, topic: str, payload: bytes, headers: Mapping[str, str]) -> str:
        return await self._queue.publish_persistent(topic, payload, headers)

    @asynccontextmanager
    async def source(self, topic: str, consumer: str) -> AsyncIterator[Source]:
        async with self._queue.subscribe_durable(topic, consumer, start="earliest") as deliveries:
            yield _DurableSource(deliveries)


class _DurableSource(Source):
    def __init__(self, deliveries: Deliveries) -> None:
        self._deliveries = deliveries

    async def receive(self, timeout_s: float) -> Incoming | None:
        for delivery in await self._deliveries.receive(1, timeout_s):
            message = delivery.message
            return Incoming(message.id, message.payload, message.headers, delivery.delivery_count, delivery)
        return None

    async def ack(self, incoming: Incoming) -> None:
        await self._deliveries.ack(incoming.mine)

    async def nack(self, incoming: Incoming, delay_s: float) -> None:
        await self._deliveries.nack(incoming.mine, delay_s=delay_s)

    async def keep(self, incoming: Incoming) -> None:
        """A member that lives keeps what it holds."""


class _Groups(Channel):
    acks, shared = True, False

    def __init__(self, queue: StreamConsumerGroups) -> None:
        self._queue = queue

    async def publish(self, topic: str, payload: bytes, headers: Mapping[str, str]) -> str:
        return str(await self._queue.append(topic, payload, None, headers))

    @asynccontextmanager
    async def source(self, topic: str, consumer: str) -> AsyncIterator[Source]:
        with suppress(AlreadyExists):  # somebody was here before
            await self._queue.create_group(topic, consumer, "earliest")
        async with self._queue.join(topic, consumer, consumer) as member:
            yield _GroupSource(member)


class _GroupSource(Source):
    def __init__(self, member: Member) -> None:
        self._member = member

    async def receive(self, timeout_s: float) -> Incoming | None:
        for delivery in await self._member.receive(1, timeout_s):
            record = delivery.record
            return Incoming(str(record.offset), record.payload, record.headers, delivery.delivery_count, delivery)
        return None

    async def ack(self, incoming: Incoming) -> None:
        await self._member.ack(incoming.mine)

    async def nack(self, incoming: Incoming, delay_s: float) -> None:
        await self._member.nack(incoming.mine, delay_s=delay_s)

    async def keep(self, incoming: Incoming) -> None:
        """A member that lives keeps what it holds."""


class _Leases(Channel):
    acks, shared = True, True

    def __init__(self, queue: QueueVisibility, clock: Clock) -> None:
        self._queue, self._clock = queue, clock

    async def publish(self, topic: str, payload: bytes, headers: Mapping[str, str]) -> str:
        return await self._queue.enqueue(topic, payload, headers)

    @asynccontextmanager
    async def source(self, topic: str, consumer: str) -> AsyncIterator[Source]:
        yield _LeaseSource(self._queue, topic, self._clock)


class _LeaseSource(Source):
    def __init__(self, queue: QueueVisibility, topic: str, clock: Clock) -> None:
        self._queue, self._topic, self._clock = queue, topic, clock

    async def receive(self, timeout_s: float) -> Incoming | None:
        lease = await self._queue.receive(self._topic, LEASE_S, timeout_s)
        if lease is None:
            return None
        message = lease.message
        return Incoming(message.id, message.payload, message.headers, lease.attempt, lease, self._clock.now_s() + LEASE_S)

    async def ack(self, incoming: Incoming) -> None:
        await self._queue.ack(incoming.mine)

    async def nack(self, incoming: Incoming, delay_s: float) -> None:
        # A lease that is left to end after the delay gives the message back then, and not before, whoever reads on meanwhile.
        incoming.leased_until_s = math.inf
        if check_seconds(delay_s, "nack", "claim check") > 0:
            await self._queue.extend(incoming.mine, delay_s)
        else:
            await self._queue.release(incoming.mine)

    async def keep(self, incoming: Incoming) -> None:
        now_s = self._clock.now_s()
        if incoming.leased_until_s - now_s < LEASE_S / 2:
            with suppress(Conflict):  # the message is somebody else's by now; its payload can be read all the same
                await self._queue.extend(incoming.mine, LEASE_S)
            incoming.leased_until_s = now_s + LEASE_S


@dataclass(order=True, slots=True)
class _Again:
    due_s: float
    number: int
    incoming: Incoming = field(compare=False)


class _Forgetful(Source):
    """A source without acks: what is given back is kept here, and forgotten with the consumer."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._again: list[_Again] = []
        self._numbers = itertools.count()

    @abstractmethod
    async def _next(self, timeout_s: float) -> Incoming | None: ...

    async def receive(self, timeout_s: float) -> Incoming | None:
        end_s = self._clock.now_s() + max(0.0, check_seconds(timeout_s, "receive", "claim check"))
        while True:
            now_s = self._clock.now_s()
            if self._again and self._again[0].due_s <= now_s:
                return heapq.heappop(self._again).incoming
            until_s = min(end_s, self._again[0].due_s) if self._again else end_s
            incoming = await self._next(until_s - now_s)
            if incoming is not None or (self._clock.now_s() >= end_s and not self._is_due()):
                return incoming

    def _is_due(self) -> bool:
        return bool(self._again) and self._again[0].due_s <= self._clock.now_s()

    async def ack(self, incoming: Incoming) -> None:
        """There is nobody to tell."""

    async def nack(self, incoming: Incoming, delay_s: float) -> None:
        incoming.count += 1
        due_s = self._clock.now_s() + max(0.0, check_seconds(delay_s, "nack", "claim check"))
        heapq.heappush(self._again, _Again(due_s, next(self._numbers), incoming))

    async def keep(self, incoming: Incoming) -> None:
        """It is nobody else's."""


class _Log(Channel):
    acks, shared = False, False

    def __init__(self, queue: StreamBasic, clock: Clock) -> None:
        self._queue, self._clock = queue, clock

    async def publish(self, topic: str, payload: bytes, headers: Mapping[str, str]) -> str:
        return str(await self._queue.append(topic, payload, None, headers))

    @asynccontextmanager
    async def source(self, topic: str, consumer: str) -> AsyncIterator[Source]:
        yield _LogSource(self._queue, topic, self._clock)


_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.01, 0.5
"""A stream has no bell: it is asked again after a wait that doubles."""


class _LogSource(_Forgetful):
    def __init__(self, queue: StreamBasic, topic: str, clock: Clock) -> None:
        super().__init__(clock)
        self._queue, self._topic, self._position = queue, topic, 0

    async def _next(self, timeout_s: float) -> Incoming | None:
        end_s = self._clock.now_s() + timeout_s
        wait_s = _FIRST_WAIT_S
        while True:
            records = [record async for record in self._queue.read(self._topic, self._position, 1)]
            for record in records:
                self._position = record.offset + 1
                return Incoming(str(record.offset), record.payload, record.headers, 1, None)
            left_s = end_s - self._clock.now_s()
            if left_s <= 0:
                return None
            await self._clock.sleep(min(wait_s, left_s))
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)


class _Live(Channel):
    acks, shared = False, False

    def __init__(self, queue: PubSubBasic, clock: Clock) -> None:
        self._queue, self._clock = queue, clock

    async def publish(self, topic: str, payload: bytes, headers: Mapping[str, str]) -> str:
        return await self._queue.publish(topic, payload, headers)

    @asynccontextmanager
    async def source(self, topic: str, consumer: str) -> AsyncIterator[Source]:
        async with self._queue.subscribe(topic) as subscription:
            yield _LiveSource(subscription, self._clock)


class _LiveSource(_Forgetful):
    def __init__(self, subscription: Subscription, clock: Clock) -> None:
        super().__init__(clock)
        self._subscription = subscription

    async def _next(self, timeout_s: float) -> Incoming | None:
        message = await self._subscription.receive(timeout_s)
        return None if message is None else Incoming(message.id, message.payload, message.headers, 1, None)
