"""The ways a depot sends slips and gets them back: one for each kind of queue."""

import asyncio
import contextlib
import math
from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from prism_testkit.clock import Clock
from prism_testkit.interfaces import (
    AlreadyExists,
    Conflict,
    Deliveries,
    Lease,
    Member,
    PrismError,
    PubSubBasic,
    PubSubPersistent,
    QueueVisibility,
    StreamBasic,
    StreamConsumerGroups,
    Subscription,
)
from prism_testkit.pattern import offers

__all__ = ["Groups", "HasAcks", "LeaseStand", "Leases", "LogStand", "Logs", "Parcel", "Queue", "Stand", "Topics", "Way", "way_of"]

Queue = PubSubPersistent | StreamConsumerGroups | QueueVisibility | StreamBasic | PubSubBasic

LEASE_S = 60.0
RENEW_S = 20.0
LONGEST_LEASE_S = 43_200.0


@dataclass(eq=False)
class Parcel:
    """One delivery as the queue gave it. ``token``: what the queue wants to hear of again."""

    id: str
    payload: bytes
    headers: Mapping[str, str]
    count: int
    token: Any = field(repr=False, default=None)


class Stand(Protocol):
    """Where a consumer stands and receives."""

    @abstractmethod
    async def receive(self, timeout_s: float) -> Parcel | None: ...
    @abstractmethod
    async def ack(self, parcel: Parcel) -> None: ...
    @abstractmethod
    async def nack(self, parcel: Parcel, delay_s: float) -> None: ...

    async def rest(self) -> None:
        """End what goes on in the background."""
        return


class Way(Protocol):
    """A way through one kind of queue."""

    @abstractmethod
    async def send(self, topic: str, payload: bytes, headers: Mapping[str, str]) -> str: ...
    @abstractmethod
    def stand(self, topic: str, consumer: str) -> AbstractAsyncContextManager[Stand]: ...


class Topics(Way):
    def __init__(self, queue: PubSubPersistent) -> None:
        self._queue = queue

    async def send(self, topic: str, payload: bytes, headers: Mapping[str, str]) -> str:
        return await self._queue.publish_persistent(topic, payload, headers)

    @contextlib.asynccontextmanager
    async def stand(self, topic: str, consumer: str) -> AsyncIterator[Stand]:
        async with self._queue.subscribe_durable(topic, consumer, start="earliest") as deliveries:
            yield TopicStand(deliveries)


class TopicStand(Stand):
    def __init__(self, deliveries: Deliveries) -> None:
        self._deliveries = deliveries

    async def receive(self, timeout_s: float) -> Parcel | None:
        for each in await self._deliveries.receive(1, timeout_s):
            return Parcel(each.message.id, each.message.payload, each.message.headers, each.delivery_count, each)
        return None

    async def ack(self, parcel: Parcel) -> None:
        await self._deliveries.ack(parcel.token)

    async def nack(self, parcel: Parcel, delay_s: float) -> None:
        await self._deliveries.nack(parcel.token, delay_s=delay_s)


class Groups(Way):
    def __init__(self, queue: StreamConsumerGroups) -> None:
        self._queue = queue

    async def send(self, topic: str, payload: bytes, headers: Mapping[str, str]) -> str:
        return str(await self._queue.append(topic, payload, None, headers))

    @contextlib.asynccontextmanager
    async def stand(self, topic: str, consumer: str) -> AsyncIterator[Stand]:
        with contextlib.suppress(AlreadyExists):
            await self._queue.create_group(topic, consumer, "earliest")
        async with self._queue.join(topic, consumer, consumer) as member:
            yield GroupStand(member)


class GroupStand(Stand):
    def __init__(self, member: Member) -> None:
        self._member = member

    async def receive(self, timeout_s: float) -> Parcel | None:
        for each in await self._member.receive(1, timeout_s):
            return Parcel(str(each.record.offset), each.record.payload, each.record.headers, each.delivery_count, each)
        return None

    async def ack(self, parcel: Parcel) -> None:
        await self._member.ack(parcel.token)

    async def nack(self, parcel: Parcel, delay_s: float) -> None:
        await self._member.nack(parcel.token, delay_s=delay_s)


class Leases(Way):
    stand_type: type["LeaseStand"]

    def __init__(self, queue: QueueVisibility, clock: Clock) -> None:
        self._queue = queue
        self._clock = clock

    async def send(self, topic: str, payload: bytes, headers: Mapping[str, str]) -> str:
        return await self._queue.enqueue(topic, payload, headers)

    @contextlib.asynccontextmanager
    async def stand(self, topic: str, consumer: str) -> AsyncIterator[Stand]:
        stand = self.stand_type(self._queue, topic, self._clock)
        stand.renewing = asyncio.create_task(stand.renew())
        try:
            yield stand
        finally:
            await stand.rest()
            await stand.leave()


class LeaseStand(Stand):
    """Holds leases and renews them, so that a consumer may take its time."""

    def __init__(self, queue: QueueVisibility, topic: str, clock: Clock) -> None:
        self._queue = queue
        self._topic = topic
        self._clock = clock
        self._held: dict[str, Lease] = {}
        self.renewing: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()  # a renewal that is overtaken must not undo what a nack said

    async def receive(self, timeout_s: float) -> Parcel | None:
        lease = await self._queue.receive(self._topic, LEASE_S, timeout_s)
        if lease is None:
            return None
        self._held[lease.token] = lease
        return Parcel(lease.message.id, lease.message.payload, lease.message.headers, lease.attempt, lease)

    async def renew(self) -> None:
        while True:
            await self._clock.sleep(RENEW_S)
            for token, lease in list(self._held.items()):
                async with self._turn:
                    if token in self._held:
                        await self._renewed(token, lease)

    async def _renewed(self, token: str, lease: Lease) -> None:
        try:
            await self._queue.extend(lease, LEASE_S)
        except Conflict:
            self._held.pop(token, None)
        except PrismError:
            return  # it may still hold; the next round tells

    async def ack(self, parcel: Parcel) -> None:
        await self._queue.ack(parcel.token)
        self._held.pop(parcel.token.token, None)

    async def nack(self, parcel: Parcel, delay_s: float) -> None:
        async with self._turn:
            self._held.pop(parcel.token.token, None)
            if delay_s > 0:
                await self._queue.extend(parcel.token, min(delay_s, LONGEST_LEASE_S))
            else:
                await self._queue.release(parcel.token)

    async def rest(self) -> None:
        renewing, self.renewing = self.renewing, None
        if renewing is not None:
            renewing.cancel()
            await asyncio.wait([renewing])

    async def leave(self) -> None:
        """Give back what is still held."""
        held, self._held = self._held, {}
        for lease in held.values():
            with contextlib.suppress(PrismError):  # it comes again when its lease ends
                await self._queue.release(lease)


@dataclass(eq=False)
class _Later:
    due_s: float
    parcel: Parcel


class Forgetful(Stand):
    """Queues without acks: what is given back waits here, and is forgotten when the consumer leaves."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._later: list[_Later] = []

    @abstractmethod
    async def fresh(self, timeout_s: float) -> Parcel | None: ...

    async def receive(self, timeout_s: float) -> Parcel | None:
        if not math.isfinite(timeout_s):
            raise ValueError(f"timeout_s: {timeout_s} is not finite")
        until = self._clock.now_s() + max(0.0, timeout_s)
        while True:
            now = self._clock.now_s()
            due = next((each for each in self._later if each.due_s <= now), None)
            if due is not None:
                self._later.remove(due)
                return self.again(due.parcel)
            wait = min([until, *(each.due_s for each in self._later)]) - now
            parcel = await self.fresh(max(0.0, wait))
            if parcel is not None:
                return parcel
            if self._clock.now_s() >= until and not any(each.due_s <= self._clock.now_s() for each in self._later):
                return None

    def again(self, parcel: Parcel) -> Parcel:
        return Parcel(parcel.id, parcel.payload, parcel.headers, parcel.count + 1)

    async def ack(self, parcel: Parcel) -> None:
        return

    async def nack(self, parcel: Parcel, delay_s: float) -> None:
        self._later.append(_Later(self._clock.now_s() + max(0.0, delay_s), parcel))


class Logs(Way):
    stand_type: type["LogStand"]

    def __init__(self, queue: StreamBasic, clock: Clock) -> None:
        self._queue = queue
        self._clock = clock

    async def send(self, topic: str, payload: bytes, headers: Mapping[str, str]) -> str:
        return str(await self._queue.append(topic, payload, None, headers))

    @contextlib.asynccontextmanager
    async def stand(self, topic: str, consumer: str) -> AsyncIterator[Stand]:
        yield self.stand_type(self._queue, topic, self._clock)


class LogStand(Forgetful):
    def __init__(self, queue: StreamBasic, topic: str, clock: Clock) -> None:
        super().__init__(clock)
        self._queue = queue
        self._topic = topic
        self._next = 0

    async def fresh(self, timeout_s: float) -> Parcel | None:
        until, pause = self._clock.now_s() + timeout_s, 0.01
        while True:
            async for record in self._queue.read(self._topic, self._next, 1):
                self._next = record.offset + 1
                return Parcel(str(record.offset), record.payload, record.headers, 1)
            left = until - self._clock.now_s()
            if left <= 0:
                return None
            await self._clock.sleep(min(left, pause))
            pause = min(2 * pause, 0.25)


class Live(Way):
    def __init__(self, queue: PubSubBasic, clock: Clock) -> None:
        self._queue = queue
        self._clock = clock

    async def send(self, topic: str, payload: bytes, headers: Mapping[str, str]) -> str:
        return await self._queue.publish(topic, payload, headers)

    @contextlib.asynccontextmanager
    async def stand(self, topic: str, consumer: str) -> AsyncIterator[Stand]:
        async with self._queue.subscribe(topic) as subscription:
            yield LiveStand(subscription, self._clock)


class LiveStand(Forgetful):
    def __init__(self, subscription: Subscription, clock: Clock) -> None:
        super().__init__(clock)
        self._subscription = subscription

    async def fresh(self, timeout_s: float) -> Parcel | None:
        message = await self._subscription.receive(timeout_s)
        return None if message is None else Parcel(message.id, message.payload, message.headers, 1)


Leases.stand_type = LeaseStand
Logs.stand_type = LogStand
HasAcks = (Topics, Groups, Leases)


def way_of(queue: Queue, clock: Clock) -> Way | None:
    """Return the way through a queue: the one that remembers most, if it is of several kinds."""
    if offers(queue, PubSubPersistent):
        return Topics(queue)  # type: ignore[arg-type]
    if offers(queue, StreamConsumerGroups):
        return Groups(queue)  # type: ignore[arg-type]
    if offers(queue, QueueVisibility):
        return Leases(queue, clock)  # type: ignore[arg-type]
    if offers(queue, StreamBasic):
        return Logs(queue, clock)  # type: ignore[arg-type]
    if offers(queue, PubSubBasic):
        return Live(queue, clock)  # type: ignore[arg-type]
    return None
