"""The five kinds of queues as one kind of line, on which parcels travel."""

import heapq
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

import prism_testkit as prism
from prism_testkit.interfaces import AlreadyExists
from prism_testkit.interfaces.pubsub import Deliveries, Delivery, PubSubBasic, PubSubPersistent, Subscription
from prism_testkit.interfaces.queue import Lease, QueueVisibility
from prism_testkit.interfaces.stream import Member, RecordDelivery, StreamBasic, StreamConsumerGroups

__all__ = ["Desk", "Leases", "Line", "Page", "Parcel", "Remembering", "line_of"]

Line = Any
"""One of the classes below."""


@dataclass(slots=True)
class Parcel:
    """What came from a line; ``slip`` is what the line wants back."""

    id: str
    payload: bytes
    headers: Mapping[str, str]
    count: int
    slip: Any
    settled: bool = False


class Desk(Protocol):
    async def take(self, timeout_s: float) -> Parcel | None: ...

    async def settle(self, parcel: Parcel) -> None: ...

    async def put_back(self, parcel: Parcel, delay_s: float) -> None: ...


class Leasing:
    """QueueVisibility."""

    acks, shared = True, False
    lease_s = 60.0

    def __init__(self, queue: QueueVisibility, clock: prism.Clock) -> None:
        self.queue, self.clock = queue, clock

    async def send(self, topic: str, payload: bytes, headers: Mapping[str, str]) -> str:
        return await self.queue.enqueue(topic, payload, headers)

    @asynccontextmanager
    async def desk(self, topic: str, consumer: str) -> AsyncIterator[Desk]:
        yield Leases(self, topic)


class Leases:
    def __init__(self, line: Leasing, topic: str) -> None:
        self.line, self.topic = line, topic

    async def take(self, timeout_s: float) -> Parcel | None:
        lease: Lease | None = await self.line.queue.receive(self.topic, self.line.lease_s, timeout_s)
        if lease is None:
            return None
        return Parcel(lease.message.id, lease.message.payload, lease.message.headers, lease.attempt, lease)

    async def settle(self, parcel: Parcel) -> None:
        await self.line.queue.ack(parcel.slip)

    async def put_back(self, parcel: Parcel, delay_s: float) -> None:
        if delay_s > 0:
            await self.line.queue.extend(parcel.slip, delay_s)
        else:
            await self.line.queue.release(parcel.slip)


class Lasting:
    """PubSubPersistent."""

    acks, shared = True, True

    def __init__(self, queue: PubSubPersistent, clock: prism.Clock) -> None:
        self.queue, self.clock = queue, clock

    async def send(self, topic: str, payload: bytes, headers: Mapping[str, str]) -> str:
        return await self.queue.publish_persistent(topic, payload, headers)

    @asynccontextmanager
    async def desk(self, topic: str, consumer: str) -> AsyncIterator[Desk]:
        async with self.queue.subscribe_durable(topic, consumer, start="earliest") as deliveries:
            yield _Subscribed(deliveries)


class _Subscribed:
    def __init__(self, deliveries: Deliveries) -> None:
        self.deliveries = deliveries

    async def take(self, timeout_s: float) -> Parcel | None:
        got: list[Delivery] = await self.deliveries.receive(1, timeout_s)
        if not got:
            return None
        message = got[0].message
        return Parcel(message.id, message.payload, message.headers, got[0].delivery_count, got[0])

    async def settle(self, parcel: Parcel) -> None:
        await self.deliveries.ack(parcel.slip)

    async def put_back(self, parcel: Parcel, delay_s: float) -> None:
        await self.deliveries.nack(parcel.slip, delay_s=delay_s)


class Grouped:
    """StreamConsumerGroups."""

    acks, shared = True, True

    def __init__(self, queue: StreamConsumerGroups, clock: prism.Clock) -> None:
        self.queue, self.clock = queue, clock

    async def send(self, topic: str, payload: bytes, headers: Mapping[str, str]) -> str:
        return str(await self.queue.append(topic, payload, headers=headers))

    @asynccontextmanager
    async def desk(self, topic: str, consumer: str) -> AsyncIterator[Desk]:
        with suppress(AlreadyExists):
            await self.queue.create_group(topic, consumer, "earliest")
        async with self.queue.join(topic, consumer, consumer) as member:
            yield _Joined(member)


class _Joined:
    def __init__(self, member: Member) -> None:
        self.member = member

    async def take(self, timeout_s: float) -> Parcel | None:
        got: list[RecordDelivery] = await self.member.receive(1, timeout_s)
        if not got:
            return None
        record = got[0].record
        return Parcel(str(record.offset), record.payload, record.headers, got[0].delivery_count, got[0])

    async def settle(self, parcel: Parcel) -> None:
        await self.member.ack(parcel.slip)

    async def put_back(self, parcel: Parcel, delay_s: float) -> None:
        await self.member.nack(parcel.slip, delay_s=delay_s)


class Remembering:
    """What is given back is kept here, for a queue that takes nothing back. ``step_s``: between two looks."""

    step_s = 0.02

    def __init__(self, clock: prism.Clock) -> None:
        self.clock = clock
        self.back: list[tuple[float, int, Parcel]] = []
        self.turn = 0

    async def fresh(self, timeout_s: float) -> Parcel | None:
        raise NotImplementedError

    async def take(self, timeout_s: float) -> Parcel | None:
        prism.check_timeout(timeout_s, "receive", "courier")
        end_s = self.clock.now_s() + timeout_s
        while True:
            if self.back and self.back[0][0] <= self.clock.now_s():
                parcel = heapq.heappop(self.back)[2]
                return Parcel(parcel.id, parcel.payload, parcel.headers, parcel.count + 1, parcel.slip)
            left_s = end_s - self.clock.now_s()
            found = await self.fresh(min(self.step_s, max(0.0, left_s)))
            if found is not None or (left_s <= 0 and not self.ripe()):
                return found

    def ripe(self) -> bool:
        return bool(self.back) and self.back[0][0] <= self.clock.now_s()

    async def settle(self, parcel: Parcel) -> None:
        """There is nothing that would remember it; what was given back and comes from elsewhere is done with."""
        self.back = [entry for entry in self.back if entry[2].slip != parcel.slip]
        heapq.heapify(self.back)

    async def put_back(self, parcel: Parcel, delay_s: float) -> None:
        seconds = prism.check_seconds(delay_s, "nack", "courier")
        self.turn += 1
        heapq.heappush(self.back, (self.clock.now_s() + max(0.0, seconds), self.turn, parcel))


class Reading:
    """StreamBasic: everybody reads from the beginning."""

    acks, shared = False, True

    def __init__(self, queue: StreamBasic, clock: prism.Clock) -> None:
        self.queue, self.clock = queue, clock

    async def send(self, topic: str, payload: bytes, headers: Mapping[str, str]) -> str:
        return str(await self.queue.append(topic, payload, headers=headers))

    @asynccontextmanager
    async def desk(self, topic: str, consumer: str) -> AsyncIterator[Desk]:
        yield Page(self, topic)


class Page(Remembering):
    def __init__(self, line: Reading, topic: str) -> None:
        super().__init__(line.clock)
        self.line, self.topic, self.at = line, topic, 0

    async def fresh(self, timeout_s: float) -> Parcel | None:
        found = await self.look()
        if found is None and timeout_s > 0:
            await self.clock.sleep(timeout_s)
            found = await self.look()
        return found

    async def look(self) -> Parcel | None:
        async for record in self.line.queue.read(self.topic, self.at, 1):
            self.at = record.offset + 1
            return Parcel(str(record.offset), record.payload, record.headers, 1, record.offset)
        return None


class Listening:
    """PubSubBasic: who is there hears it."""

    acks, shared = False, True

    def __init__(self, queue: PubSubBasic, clock: prism.Clock) -> None:
        self.queue, self.clock = queue, clock

    async def send(self, topic: str, payload: bytes, headers: Mapping[str, str]) -> str:
        return await self.queue.publish(topic, payload, headers)

    @asynccontextmanager
    async def desk(self, topic: str, consumer: str) -> AsyncIterator[Desk]:
        async with self.queue.subscribe(topic) as subscription:
            yield _Heard(subscription, self.clock)


class _Heard(Remembering):
    def __init__(self, subscription: Subscription, clock: prism.Clock) -> None:
        super().__init__(clock)
        self.subscription = subscription

    async def fresh(self, timeout_s: float) -> Parcel | None:
        message = await self.subscription.receive(timeout_s)
        return None if message is None else Parcel(message.id, message.payload, message.headers, 1, message.id)


_LINES: tuple[tuple[type, type], ...] = (
    (PubSubPersistent, Lasting),
    (StreamConsumerGroups, Grouped),
    (QueueVisibility, Leasing),
    (StreamBasic, Reading),
    (PubSubBasic, Listening),
)


def line_of(queue: Any, clock: prism.Clock) -> Line:
    """Return the line over whatever fills the slot."""
    for protocol, line in _LINES:
        if prism.offers(queue, protocol):
            return line(queue, clock)
    raise TypeError(f"courier: nothing can be sent with {type(queue).__name__}")
