"""The client of `history_broker`: a request travels, a script runs, its answer is the call's. Nothing suspends after a script."""

import asyncio
from collections.abc import Mapping
from typing import Any

from prism_testkit.interfaces import (
    Bytes,
    Lease,
    QueueBasic,
    QueueDeadLetter,
    QueueDelayed,
    QueueMessage,
    QueuePriority,
    QueueVisibility,
)
from prism_testkit.naming import check_headers, check_name, check_payload, check_seconds, check_timeout
from prism_testkit.traits import Limits, Traits

from .history_broker import ROUNDING, Broker

__all__ = ["BrokerQueue", "JournalQueue"]


class BrokerQueue(QueueBasic, QueueVisibility, QueueDeadLetter, QueuePriority, QueueDelayed):
    """All five interfaces."""

    traits: Traits = Traits()
    limits: Limits = Limits()

    def __init__(self, broker: Broker, namespace: str) -> None:
        self.broker, self.space = broker, namespace

    # The way to the broker

    async def wire(self) -> None:
        """Let a request travel."""
        await asyncio.sleep(0)

    async def call(self, script: str, queue: str, *arguments: Any) -> Any:
        await self.wire()
        return self.broker.run(script, self.space, self.key(queue), *arguments)

    def key(self, queue: str) -> str:
        """Return what a queue is called there."""
        return queue

    async def wait(self, queue: str, end: float) -> None:
        """Wait for a bell, or for the next instant."""
        bells = self.broker.bells.setdefault((self.space, self.key(queue)), set())
        waiter = asyncio.get_running_loop().create_future()
        bells.add(waiter)
        try:
            wake = min([end, *self.instants(queue)])
            await self.until(waiter, max(0.0, wake - self.broker.now()) + ROUNDING)
        finally:
            bells.discard(waiter)

    def instants(self, queue: str) -> list[float]:
        return self.broker.instants(self.space, self.key(queue))

    async def until(self, waiter: "asyncio.Future[None]", seconds: float) -> None:
        await asyncio.wait([waiter], timeout=seconds)

    async def blocking(self, script: str, queue: str, timeout_s: float, *arguments: Any) -> Any:
        """Call a script until it has something to give."""
        end = self.broker.now() + timeout_s + ROUNDING
        await self.wire()
        while True:
            found = self.broker.run(script, self.space, self.key(queue), *arguments)
            if found is not None or timeout_s <= 0 or self.broker.now() >= end:
                return found
            await self.wait(queue, end)

    # Arguments

    def length(self, seconds: float, operation: str) -> float:
        if not check_seconds(seconds, operation, "history") > 0:
            raise ValueError(f"history: {operation}: {seconds!r} s is not above 0")
        return seconds

    def rank(self, priority: int) -> int:
        if isinstance(priority, bool) or not isinstance(priority, int):
            raise TypeError(f"history: a priority is int, not {type(priority).__name__}")
        if priority not in range(10):
            raise ValueError(f"history: a priority is 0 to 9, not {priority}")
        return priority

    async def send(
        self, operation: str, queue: str, payload: Bytes, headers: Mapping[str, str] | None, priority: int = 0, delay_s: float = 0
    ) -> str:
        check_name(queue, operation, "history", self.limits)
        data = check_payload(payload, operation, "history", queue, self.limits)
        labels = check_headers(headers, operation, "history")
        return str(await self.call("push", queue, data, labels, priority, delay_s))

    # Calls

    async def enqueue(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        return await self.send("enqueue", queue, payload, headers)

    async def enqueue_with_priority(
        self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, priority: int = 0
    ) -> str:
        return await self.send("enqueue_with_priority", queue, payload, headers, self.rank(priority))

    async def enqueue_delayed(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, delay_s: float) -> str:
        check_seconds(delay_s, "enqueue_delayed", "history")
        return await self.send("enqueue_delayed", queue, payload, headers, delay_s=delay_s)

    async def scheduled_count(self, queue: str) -> int:
        check_name(queue, "scheduled_count", "history", self.limits)
        return int(await self.call("count", queue))

    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        check_name(queue, "dequeue", "history", self.limits)
        found: QueueMessage | None = await self.blocking("pop", queue, check_timeout(timeout_s, "dequeue", "history"))
        return found

    async def peek(self, queue: str) -> QueueMessage | None:
        check_name(queue, "peek", "history", self.limits)
        found: QueueMessage | None = await self.call("top", queue)
        return found

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        check_name(queue, "receive", "history", self.limits)
        timeout, seconds = check_timeout(timeout_s, "receive", "history"), self.length(visibility_s, "receive")
        found: Lease | None = await self.blocking("take", queue, timeout, seconds)
        return found

    async def ack(self, lease: Lease) -> None:
        await self.call("ack", lease.queue, lease)

    async def extend(self, lease: Lease, seconds: float) -> None:
        await self.call("extend", lease.queue, lease, self.length(seconds, "extend"))

    async def release(self, lease: Lease) -> None:
        await self.call("release", lease.queue, lease)

    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        check_name(queue, "configure_dead_letter", "history", self.limits)
        check_name(target, "configure_dead_letter: target", "history", self.limits)
        if target == queue or max_attempts < 1:
            raise ValueError(f"history: configure_dead_letter: max_attempts={max_attempts}, target {target[:40]!a}")
        await self.call("configure", queue, self.key(target), max_attempts)

    async def dead_letters(self, queue: str) -> list[QueueMessage]:
        check_name(queue, "dead_letters", "history", self.limits)
        return list(await self.call("buried", queue))

    async def redrive(self, queue: str) -> int:
        check_name(queue, "redrive", "history", self.limits)
        return int(await self.call("revive", queue))


class JournalQueue(BrokerQueue):
    """All five interfaces over a `Journal`."""

    traits: Traits = Traits(durability="process", ack_survives_kill="yes", lease_survives_kill="yes", attempts_survive_kill="yes")
