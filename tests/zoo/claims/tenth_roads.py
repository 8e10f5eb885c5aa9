"""The roads of the freight: one small class for each interface that may carry messages."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from prism_testkit.clock import Clock
from prism_testkit.interfaces import (
    AlreadyExists,
    Conflict,
    PubSubBasic,
    PubSubPersistent,
    QueueVisibility,
    StreamBasic,
    StreamConsumerGroups,
)
from prism_testkit.pattern import offers

__all__ = ["Came", "Gate", "Road", "road_over"]


@dataclass
class Came:
    """A message that came, and what its road needs to know of it."""

    id: str
    payload: bytes
    headers: Mapping[str, str]
    count: int
    token: Any
    since_s: float = 0.0
    given_back: bool = False


class Gate:
    """One consumer's end of a road."""

    def __init__(self, inner: Any, clock: Clock) -> None:
        self.inner, self.clock = inner, clock

    async def take(self, timeout_s: float) -> Came | None:
        raise NotImplementedError

    async def confirm(self, came: Came) -> None:
        await self.inner.ack(came.token)

    async def give_back(self, came: Came, delay_s: float) -> None:
        await self.inner.nack(came.token, delay_s=delay_s)

    async def hold(self, came: Came) -> None:
        """Work on the message goes on."""


class Road:
    """``acks``: they are remembered. ``one``: a message has one consumer."""

    acks, one = True, False

    def __init__(self, queue: Any, clock: Clock) -> None:
        self.queue, self.clock = queue, clock

    async def send(self, topic: str, payload: bytes, headers: Mapping[str, str]) -> str:
        raise NotImplementedError

    def gate(self, topic: str, consumer: str) -> AbstractAsyncContextManager[Gate]:
        raise NotImplementedError


class _TopicGate(Gate):
    async def take(self, timeout_s: float) -> Came | None:
        got = await self.inner.receive(1, timeout_s)
        return (
            Came(got[0].message.id, got[0].message.payload, got[0].message.headers, got[0].delivery_count, got[0]) if got else None
        )


class Topics(Road):
    gate_type: type[Gate] = _TopicGate

    async def send(self, topic: str, payload: bytes, headers: Mapping[str, str]) -> str:
        return str(await self.queue.publish_persistent(topic, payload, headers))

    @asynccontextmanager
    async def gate(self, topic: str, consumer: str) -> AsyncIterator[Gate]:
        async with self.queue.subscribe_durable(topic, consumer, "earliest") as inner:
            yield self.gate_type(inner, self.clock)


class _GroupGate(Gate):
    async def take(self, timeout_s: float) -> Came | None:
        got = await self.inner.receive(1, timeout_s)
        return (
            Came(f"{got[0].record.offset}", got[0].record.payload, got[0].record.headers, got[0].delivery_count, got[0])
            if got
            else None
        )


class Groups(Road):
    async def send(self, topic: str, payload: bytes, headers: Mapping[str, str]) -> str:
        return f"{await self.queue.append(topic, payload, headers=headers)}"

    @asynccontextmanager
    async def gate(self, topic: str, consumer: str) -> AsyncIterator[Gate]:
        with contextlib.suppress(AlreadyExists):
            await self.queue.create_group(topic, consumer)
        async with self.queue.join(topic, consumer, "freight") as inner:
            yield _GroupGate(inner, self.clock)


class LeaseGate(Gate):
    """``inner`` is the queue."""

    lease_s = 45.0
    topic = ""

    async def take(self, timeout_s: float) -> Came | None:
        lease = await self.inner.receive(self.topic, self.lease_s, timeout_s)
        if lease is None:
            return None
        now_s = self.clock.now_s()
        return Came(lease.message.id, lease.message.payload, lease.message.headers, lease.attempt, lease, now_s)

    async def give_back(self, came: Came, delay_s: float) -> None:
        came.given_back = True
        if delay_s > 0:
            await self.inner.extend(came.token, delay_s)
        else:
            await self.inner.release(came.token)

    async def hold(self, came: Came) -> None:
        now_s = self.clock.now_s()
        if not came.given_back and now_s - came.since_s > self.lease_s / 3:  # a lease that waits out a delay is let alone
            came.since_s = now_s
            with contextlib.suppress(Conflict):
                await self.inner.extend(came.token, self.lease_s)


class Leases(Road):
    one = True
    gate_type = LeaseGate

    async def send(self, topic: str, payload: bytes, headers: Mapping[str, str]) -> str:
        return str(await self.queue.enqueue(topic, payload, headers))

    @asynccontextmanager
    async def gate(self, topic: str, consumer: str) -> AsyncIterator[Gate]:
        gate = self.gate_type(self.queue, self.clock)
        gate.topic = topic
        yield gate


class ShelfGate(Gate):
    """Without acks: what is given back lies on a shelf until it is due. ``inner`` says how the next one comes."""

    def __init__(self, inner: Any, clock: Clock) -> None:
        super().__init__(inner, clock)
        self.shelf: list[tuple[float, Came]] = []

    async def take(self, timeout_s: float) -> Came | None:
        end_s = self.clock.now_s() + max(0.0, timeout_s)
        wait_s = 0.005
        while True:
            now_s = self.clock.now_s()
            for entry in sorted(self.shelf, key=lambda entry: entry[0]):
                if entry[0] <= now_s:
                    self.shelf.remove(entry)
                    return entry[1]
            came: Came | None = await self.inner()
            if came is not None:
                return came
            if now_s >= end_s:
                return None
            due = [entry[0] for entry in self.shelf]
            await asyncio.sleep(max(0.0005, min(wait_s, min([end_s, *due]) - now_s)))
            wait_s = min(wait_s * 2, 0.4)

    async def confirm(self, came: Came) -> None:
        """Nobody remembers."""

    async def give_back(self, came: Came, delay_s: float) -> None:
        came.count += 1
        self.shelf.append((self.clock.now_s() + max(0.0, delay_s), came))


class Logs(Road):
    acks = False

    async def send(self, topic: str, payload: bytes, headers: Mapping[str, str]) -> str:
        return f"{await self.queue.append(topic, payload, headers=headers)}"

    @asynccontextmanager
    async def gate(self, topic: str, consumer: str) -> AsyncIterator[Gate]:
        at = 0

        async def following() -> Came | None:
            nonlocal at
            found = [record async for record in self.queue.read(topic, at, 1)]
            if not found:
                return None
            at = found[0].offset + 1
            return Came(f"{found[0].offset}", found[0].payload, found[0].headers, 1, None)

        yield ShelfGate(following, self.clock)


class Lives(Road):
    acks = False

    async def send(self, topic: str, payload: bytes, headers: Mapping[str, str]) -> str:
        return str(await self.queue.publish(topic, payload, headers))

    @asynccontextmanager
    async def gate(self, topic: str, consumer: str) -> AsyncIterator[Gate]:
        async with self.queue.subscribe(topic) as subscription:

            async def following() -> Came | None:
                message = await subscription.receive(0)
                return None if message is None else Came(message.id, message.payload, message.headers, 1, None)

            yield ShelfGate(following, self.clock)


ROADS: tuple[tuple[Any, type[Road]], ...] = (
    (PubSubPersistent, Topics),
    (StreamConsumerGroups, Groups),
    (QueueVisibility, Leases),
    (StreamBasic, Logs),
    (PubSubBasic, Lives),
)


def road_over(queue: Any, clock: Clock) -> Road:
    return next(road for interface, road in ROADS if offers(queue, interface))(queue, clock)
