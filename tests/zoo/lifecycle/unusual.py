"""Correct, but not as one would expect: no check may fail on these."""

import asyncio
from typing import Any

import prism_testkit as prism
from prism_testkit.backend import Backend
from prism_testkit.interfaces import Closed, Drained, Health, OperationTimeout

from .models import KeyValue, PubSub, Queue
from .reference import Client, backend

__all__ = ["UNUSUAL"]


class SlowQueue(Queue):
    """Every call takes ten seconds before its effect, and after it."""

    async def call(self, operation: str, work: Any) -> Any:
        async def slowly() -> Any:
            try:
                await asyncio.sleep(10)
                inner = asyncio.ensure_future(work)
            except BaseException:
                work.close()
                raise
            return await inner

        return await super().call(operation, slowly())

    async def begin(self) -> None:
        await super().begin()
        await asyncio.sleep(10)


class LateQueue(Queue):
    """An enqueue returns ten seconds after its effect."""

    async def _enqueue(self, queue: str, message: Any) -> None:
        await super()._enqueue(queue, message)
        await asyncio.sleep(10)


class NotBeforeOpen(KeyValue):
    """Calls before open are refused, and it is not healthy."""

    def admit(self, operation: str) -> None:
        if self.state != "open":
            raise Closed(f"zoo: {operation}: it is {self.state}")

    async def health(self) -> Health:
        return Health("degraded", "it was not opened") if self.state == "new" else await super().health()


class CancelsWhatItAborts(Queue):
    """Who made an aborted call is told that it was cancelled."""

    def told_aborted(self, operation: str) -> None:
        raise asyncio.CancelledError


class TimesOutWhatItAborts(PubSub):
    """An aborted call says that no answer came."""

    def told_aborted(self, operation: str) -> None:
        raise OperationTimeout(f"zoo: {operation}: no answer came, for it is {self.state}")


class ManyTurns(KeyValue):
    """Everything takes many turns of the loop."""

    async def begin(self) -> None:
        await super().begin()
        for _ in range(9):
            await asyncio.sleep(0)

    async def end(self) -> None:
        for _ in range(9):
            await asyncio.sleep(0)
        await super().end()

    async def drain(self, timeout_s: float) -> Drained:
        timeout_s = self.check_timeout(timeout_s)
        self.refuse_new()
        calls = self.to_drain()
        for _ in range(9):
            await asyncio.sleep(0)
        if calls:
            await self.wait_for(calls, timeout_s)
            await self.abort(calls)
        return self.drained(calls)

    async def _turn(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


class ConnectionsRun(PubSub):
    """A connection has a task of its own from its first driver on, and another one whenever a driver is closed."""

    async def begin(self) -> None:
        await super().begin()
        if self.client.task is None:
            await self.client.run(asyncio.ensure_future(self.keep()))

    async def end(self) -> None:
        await super().end()
        await self.client.run(asyncio.ensure_future(self.keep()))


class ClosesGently(Queue):
    """A close lets calls in hand end if they do so within a second."""

    async def end(self) -> None:
        if self.in_hand:
            await asyncio.wait(list(self.in_hand), timeout=1.0)
        await super().end()


class AbortsOneByOne(PubSub):
    """What is aborted is aborted one after another."""

    async def abort(self, calls: "list[asyncio.Task[Any]]") -> None:
        for task in calls:
            task.cancel()
            await asyncio.wait([task])


class FinishesWhileItDrains(PubSub):
    """Draining, it says that it is degraded only; subscriptions still give what they have."""

    async def health(self) -> Health:
        return Health("degraded", "it drains") if self.state == "draining" else await super().health()


UNUSUAL: tuple[Backend[Client], ...] = (
    backend("slow-queue", SlowQueue),
    backend("late-queue", LateQueue),
    backend("not-before-open", NotBeforeOpen),
    backend("cancels-what-it-aborts", CancelsWhatItAborts),
    backend("times-out-what-it-aborts", TimesOutWhatItAborts),
    backend("many-turns", ManyTurns),
    backend("connections-run", ConnectionsRun),
    backend("closes-gently", ClosesGently),
    backend("aborts-one-by-one", AbortsOneByOne),
    backend("finishes-while-it-drains", FinishesWhileItDrains),
    backend("queue-in-real-time", Queue, clock="real"),
    backend("coarse-keys", KeyValue, limits=prism.Limits(max_name=64, max_payload=64, clock_resolution_s=1.0)),
)
