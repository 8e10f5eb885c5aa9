"""A correct driver of the five queue interfaces, made of small steps: a mutant replaces one of them.

Nothing suspends but a take that waits, before it takes: so every call is atomic. What time has ended is noted by `settle`,
which every call runs first.
"""

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from prism_testkit.backend import Backend
from prism_testkit.interfaces import (
    Bytes,
    Conflict,
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

from .stores import Changes, Config, Connect, FileStore, Row, Space, Store, clean, connector

__all__ = ["FileQueue", "Queue", "T", "backend", "step"]

T = TypeVar("T")


async def step(times: int = 1) -> None:
    """Let the others run."""
    for _ in range(times):
        await asyncio.sleep(0)


class Steps:
    """What all calls are made of; none of it suspends but `pause`."""

    traits: Traits = Traits()
    limits: Limits = Limits()

    def __init__(self, store: Store, namespace: str) -> None:
        self.store = store
        self.namespace = namespace

    # Arguments

    def name(self, queue: str, operation: str) -> str:
        """Return the name under which a legal queue is stored."""
        check_name(queue, operation, "zoo", self.limits)
        return queue

    def data(self, payload: Bytes, operation: str, queue: str) -> bytes:
        return check_payload(payload, operation, "zoo", queue, self.limits)

    def labels(self, headers: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        return check_headers(headers, operation, "zoo")

    def timeout(self, timeout_s: float, operation: str) -> float:
        return check_timeout(timeout_s, operation, "zoo")

    def visibility(self, seconds: float, operation: str) -> float:
        if not check_seconds(seconds, operation, "zoo") > 0:
            raise ValueError(f"zoo: {operation}: {seconds!r} s is not above 0")
        return seconds

    def delay(self, delay_s: float, operation: str) -> float:
        return check_seconds(delay_s, operation, "zoo")

    def rank(self, priority: int, operation: str) -> int:
        if not isinstance(priority, int) or isinstance(priority, bool):
            raise TypeError(f"zoo: {operation}: a priority is int, not {type(priority).__name__}")
        if not 0 <= priority <= 9:
            raise ValueError(f"zoo: {operation}: priority {priority} is not in 0 to 9")
        return priority

    # Time

    def now(self) -> float:
        return self.store.clock.now_s()

    def after(self, seconds: float) -> float:
        """Return the instant so far away; a microsecond is added, for floats round to less than that."""
        return self.now() + seconds + 1e-6

    def deadline(self, seconds: float) -> float:
        """Return when a lease or a delay of so many seconds ends."""
        return self.after(seconds)

    def over(self, instant: float) -> bool:
        return self.now() >= instant

    # Rows

    def space(self) -> Space:
        return self.store.space(self.namespace)

    def apply(self, changes: Changes) -> None:
        """Change rows; everything that writes comes here."""
        self.store.apply(self.namespace, changes)

    def put(self, *rows: Row) -> None:
        self.apply({(row.queue, row.id): row for row in rows})

    def remove(self, row: Row) -> None:
        """Remove a message for good."""
        self.apply({(row.queue, row.id): None})

    def serial(self) -> int:
        space = self.space()
        space.serial += 1
        return space.serial

    def new_id(self, queue: str) -> str:
        return str(self.serial())

    def order(self, row: Row) -> Any:
        """Sort key: the smallest available row is given first."""
        return -row.priority, row.place

    def rows(self, queue: str) -> list[Row]:
        """Return the rows of a queue in the order in which they are given."""
        return sorted(self.space().queues.get(queue, {}).values(), key=self.order)

    def delayed(self, row: Row) -> bool:
        return not self.over(row.due)

    def available(self, row: Row) -> bool:
        return not row.token and not self.delayed(row)

    def first(self, queue: str) -> Row | None:
        """Return the row that the next take gives."""
        return next((row for row in self.rows(queue) if self.available(row)), None)

    def shown(self, queue: str) -> Row | None:
        """Return the row that a peek shows."""
        return self.first(queue)

    def message(self, row: Row) -> QueueMessage:
        return QueueMessage(row.id, row.payload, dict(row.headers))

    # Leases that end, and messages that die

    def ended(self, row: Row, when: float) -> Row:
        """Return the row after its lease ended without ack."""
        return replace(row, token="", until=0.0, ended=(when, self.serial()))

    def lapsed(self, row: Row) -> bool:
        return bool(row.token) and self.over(row.until)

    def settle(self, queue: str) -> None:
        """Note the leases that time has ended, and bury what failed too often."""
        for row in sorted(filter(self.lapsed, self.rows(queue)), key=lambda row: row.until):
            self.put(self.ended(row, row.until))
        self.bury(queue)

    def config(self, queue: str) -> Config | None:
        return self.space().configs.get(queue)

    def doomed(self, row: Row, config: Config) -> bool:
        return not row.token and row.attempts >= config.max_attempts

    def bury(self, queue: str) -> None:
        config = self.config(queue)
        if config is not None:
            for row in sorted((r for r in self.rows(queue) if self.doomed(r, config)), key=lambda row: row.ended):
                self.move(row, self.corpse(row, config.target))

    def corpse(self, row: Row, target: str) -> Row:
        return replace(row, queue=target, place=self.serial(), due=0.0, attempts=0, origin=row.queue, death=self.serial())

    def move(self, row: Row, moved: Row) -> None:
        """Replace a row by one in another queue."""
        self.apply({(row.queue, row.id): None, (moved.queue, moved.id): moved})

    def dead(self, queue: str) -> list[Row]:
        """Return the rows in the target that died in the queue, in the order of death."""
        config = self.config(queue)
        if config is None:
            return []
        return sorted((row for row in self.rows(config.target) if row.origin == queue), key=lambda row: row.death)

    # Takes

    def pop(self, row: Row) -> QueueMessage:
        self.remove(row)
        return self.message(row)

    def lease(self, row: Row, seconds: float) -> Lease:
        """Lease an available message: one step."""
        leased = replace(row, attempts=row.attempts + 1, token=str(self.serial()), until=self.deadline(seconds))
        self.put(leased)
        return self.leased(leased)

    def leased(self, row: Row) -> Lease:
        return Lease(row.queue, self.message(row), row.attempts, row.token)

    def valid(self, row: Row, lease: Lease) -> bool:
        return row.token == lease.token and not self.lapsed(row)

    def held(self, lease: Lease, operation: str) -> Row:
        """Return the row of a valid lease."""
        queue = self.name(lease.queue, operation)
        self.settle(queue)
        row = self.space().queues.get(queue, {}).get(lease.message.id)
        if row is None or not self.valid(row, lease):
            raise Conflict(f"zoo: {operation} {lease.queue[:40]!a}: the lease has ended")
        return row

    async def take(self, queue: str, timeout_s: float, how: Callable[[Row], T]) -> T | None:
        """Take the first message as soon as there is one; taking is one step, and nothing suspends after it."""
        end = self.after(timeout_s)
        while True:
            self.settle(queue)
            row = self.first(queue)
            if row is not None:
                return how(row)
            if timeout_s <= 0 or self.over(end):
                return None
            await self.pause(queue, end)

    def instants(self, queue: str) -> list[float]:
        """Return when time alone may make a message of the queue available."""
        return [instant for row in self.rows(queue) for instant in (row.until, row.due) if not self.over(instant)]

    async def pause(self, queue: str, end: float) -> None:
        """Wait for a change, or for the next instant at which there may be something."""
        waiter = asyncio.get_running_loop().create_future()
        self.waiting().add(waiter)
        try:
            await asyncio.wait([waiter], timeout=max(0.0, min([end, *self.instants(queue)]) - self.now()) + 1e-6)
        finally:
            self.waiting().discard(waiter)

    def waiting(self) -> set[asyncio.Future[None]]:
        """Return those that wait for a change."""
        return self.store.waiting

    def wake(self, waiters: Iterable[asyncio.Future[None]]) -> None:
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


class Queue(Steps, QueueBasic, QueueVisibility, QueueDeadLetter, QueuePriority, QueueDelayed):
    """All five interfaces."""

    def add(
        self, operation: str, queue: str, payload: Bytes, headers: Mapping[str, str] | None, priority: int = 0, delay_s: float = 0
    ) -> str:
        """Put a message at the tail; arguments that are not common are checked."""
        name, data, labels = self.name(queue, operation), self.data(payload, operation, queue), self.labels(headers, operation)
        due = self.deadline(delay_s) if delay_s > 0 else 0.0
        return self.insert(Row(name, self.new_id(name), data, labels, self.serial(), priority, due))

    def insert(self, row: Row) -> str:
        self.put(row)
        return row.id

    async def enqueue(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        return self.add("enqueue", queue, payload, headers)

    async def enqueue_with_priority(
        self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, priority: int = 0
    ) -> str:
        rank = self.rank(priority, "enqueue_with_priority")
        return self.add("enqueue_with_priority", queue, payload, headers, priority=rank)

    async def enqueue_delayed(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, delay_s: float) -> str:
        delay = self.delay(delay_s, "enqueue_delayed")
        return self.add("enqueue_delayed", queue, payload, headers, delay_s=delay)

    async def scheduled_count(self, queue: str) -> int:
        return self.scheduled(self.name(queue, "scheduled_count"))

    def scheduled(self, queue: str) -> int:
        return sum(map(self.delayed, self.rows(queue)))

    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        name, timeout = self.name(queue, "dequeue"), self.timeout(timeout_s, "dequeue")
        return await self.take(name, timeout, self.pop)

    async def peek(self, queue: str) -> QueueMessage | None:
        name = self.name(queue, "peek")
        self.settle(name)
        row = self.shown(name)
        return None if row is None else self.message(row)

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        name, timeout = self.name(queue, "receive"), self.timeout(timeout_s, "receive")
        seconds = self.visibility(visibility_s, "receive")
        return await self.take(name, timeout, lambda row: self.lease(row, seconds))

    async def ack(self, lease: Lease) -> None:
        self.remove(self.held(lease, "ack"))

    async def extend(self, lease: Lease, seconds: float) -> None:
        wanted = self.visibility(seconds, "extend")
        self.put(replace(self.held(lease, "extend"), until=self.deadline(wanted)))

    async def release(self, lease: Lease) -> None:
        self.put(self.ended(self.held(lease, "release"), self.now()))
        self.bury(self.name(lease.queue, "release"))

    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        name, other = self.name(queue, "configure_dead_letter"), self.name(target, "configure_dead_letter")
        if name == other or max_attempts < 1 or not math.isfinite(max_attempts):
            raise ValueError(f"zoo: configure_dead_letter: target {target[:40]!a}, max_attempts={max_attempts}")
        self.apply({(name, ""): Config(other, max_attempts)})
        self.settle(name)

    async def dead_letters(self, queue: str) -> list[QueueMessage]:
        name = self.name(queue, "dead_letters")
        self.settle(name)
        return [self.message(row) for row in self.dead(name)]

    async def redrive(self, queue: str) -> int:
        name = self.name(queue, "redrive")
        self.settle(name)
        return self.revive(name)

    def revive(self, queue: str) -> int:
        rows = [row for row in self.dead(queue) if not row.token or self.lapsed(row)]
        for row in rows:
            self.move(row, self.revived(row, queue))
        return len(rows)

    def revived(self, row: Row, queue: str) -> Row:
        return replace(row, queue=queue, place=self.serial(), attempts=0, token="", until=0.0, origin="", death=0)


class FileQueue(Queue):
    """All five interfaces over a `FileStore`."""

    traits: Traits = Traits(durability="process", ack_survives_kill="yes", lease_survives_kill="yes", attempts_survive_kill="yes")


def backend(name: str, driver: type[Queue] = Queue, connect: Connect | None = None, **more: Any) -> Backend[Store]:
    """Make the backend ``zoo-queue-<name>``."""
    store_type = FileStore if issubclass(driver, FileQueue) else Store
    settings: dict[str, Any] = {"clean": clean, "traits": driver.traits, "limits": driver.limits, **more}
    return Backend(name=f"zoo-queue-{name}", connect=connect or connector(store_type), drivers=(driver,), **settings)
