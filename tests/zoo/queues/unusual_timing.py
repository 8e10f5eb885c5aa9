"""Queues that keep every promise and take their time: they wait, take turns, poll, or work in the background."""

import asyncio
import uuid
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from functools import wraps
from typing import Any, TypeVar

from prism_testkit.backend import Backend
from prism_testkit.interfaces import Lease, QueueMessage
from prism_testkit.traits import Limits

from .reference import Queue, backend, step
from .stores import Row, Store

__all__ = ["UNUSUAL"]

T = TypeVar("T")

Method = Callable[..., Coroutine[Any, Any, T]]


def _around(method: Method[T]) -> Method[T]:
    @wraps(method)
    async def call(self: "_Around", *arguments: Any, **more: Any) -> T:
        await self.before()
        result = await method(self, *arguments, **more)
        await self.behind()
        return result

    return call


def _before(method: Method[T]) -> Method[T]:
    @wraps(method)
    async def call(self: "_Around", *arguments: Any, **more: Any) -> T:
        await self.before()
        return await method(self, *arguments, **more)

    return call


class _Around(Queue):
    """Every effect happens in one step; `before` comes before it and `behind` after it, but never after a take."""

    async def before(self) -> None: ...

    async def behind(self) -> None: ...

    enqueue = _around(Queue.enqueue)
    enqueue_with_priority = _around(Queue.enqueue_with_priority)
    enqueue_delayed = _around(Queue.enqueue_delayed)
    scheduled_count = _around(Queue.scheduled_count)
    peek = _around(Queue.peek)
    ack = _around(Queue.ack)
    extend = _around(Queue.extend)
    release = _around(Queue.release)
    configure_dead_letter = _around(Queue.configure_dead_letter)
    dead_letters = _around(Queue.dead_letters)
    redrive = _around(Queue.redrive)
    dequeue = _before(Queue.dequeue)
    receive = _before(Queue.receive)


class Slow(_Around):
    """Each call takes ten seconds of the place's clock; its effect is in the middle, that of a take at the end."""

    async def before(self) -> None:
        await self.store.clock.sleep(5)

    async def behind(self) -> None:
        await self.store.clock.sleep(5)


class Suspending(_Around):
    """Lets others run many times, before and after."""

    async def before(self) -> None:
        await step(5)

    async def behind(self) -> None:
        await step(5)


class Threaded(_Around):
    """Hops to the executor, as a synchronous client library does."""

    async def before(self) -> None:
        await asyncio.get_running_loop().run_in_executor(None, bool)


class OneAtATime(_Around):
    """All calls of all clients pass one gate, first come, first served; a take that waits has passed it."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.gate: asyncio.Lock = vars(store).setdefault("gate", asyncio.Lock())

    async def before(self) -> None:
        async with self.gate:
            await step()


class Polling(Queue):
    """A take that waits looks every quarter of a second."""

    limits = Limits(clock_resolution_s=0.25)

    async def pause(self, queue: str, end: float) -> None:
        await self.store.clock.sleep(min(0.25, max(0.0, end - self.now()) + 1e-6))


class UndoesCancelledTakes(Queue):
    """A take returns a step after it took; cancelled in that step, it puts back what it has, and its attempt counts."""

    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        name, timeout = self.name(queue, "dequeue"), self.timeout(timeout_s, "dequeue")
        return await self.take_or_undo(name, timeout, lambda row: (row, self.pop(row)))

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        name, timeout = self.name(queue, "receive"), self.timeout(timeout_s, "receive")
        seconds = self.visibility(visibility_s, "receive")

        def lease(row: Row) -> tuple[Row, Lease]:
            return replace(row, attempts=row.attempts + 1), self.lease(row, seconds)

        return await self.take_or_undo(name, timeout, lease)

    async def take_or_undo(self, queue: str, timeout_s: float, how: Callable[[Row], tuple[Row, T]]) -> T | None:
        taken = await self.take(queue, timeout_s, how)
        if taken is None:
            return None
        try:
            await step()
        except asyncio.CancelledError:
            self.put(replace(taken[0], ended=(self.now(), self.serial())))
            raise
        return taken[1]


class Reaping(Queue):
    """A task notes what time has ended, from ``open()`` to ``close()``; calls note it as well."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        self.task = asyncio.create_task(self.reap())

    async def close(self) -> None:
        task, self.task = self.task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def reap(self) -> None:
        while True:
            for queue in list(self.space().queues):
                self.settle(queue)
            await self.pause_for_any()

    async def pause_for_any(self) -> None:
        instants = [instant for queue in self.space().queues for instant in self.instants(queue)]
        waiter = asyncio.get_running_loop().create_future()
        self.waiting().add(waiter)
        try:
            await asyncio.wait([waiter], timeout=max(0.0, min(instants) - self.now()) + 1e-6 if instants else None)
        finally:
            self.waiting().discard(waiter)


class WholeMilliseconds(Queue):
    """Instants are whole milliseconds, of a clock that rounds down; ids are UUIDs."""

    def now(self) -> float:
        return self.store.clock.now_ms() / 1000

    def new_id(self, queue: str) -> str:
        return str(uuid.uuid4())


UNUSUAL: tuple[Backend[Any], ...] = (
    backend("slow", Slow),
    backend("suspending", Suspending),
    backend("threaded", Threaded),
    backend("one-at-a-time", OneAtATime),
    backend("polling", Polling),
    backend("undoes-cancelled-takes", UndoesCancelledTakes),
    backend("reaping", Reaping),
    backend("whole-milliseconds", WholeMilliseconds),
    backend("real-clock", Queue, clock="real"),
)
