"""A lifecycle without a task a call: a call suspends at few places, each of which also waits for the call's own stop.

The queue is the client of `tests.zoo.queues.history_broker`; the places are where its request travels and where it waits for a
bell. To abort a call is to set its stop; it raises at the place where it is, and nothing that it had done so far is a take.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, Literal, TypeVar

from prism_testkit.interfaces import Closed, Drained, Health, Lifecycle
from prism_testkit.naming import check_timeout
from tests.zoo.queues.history_broker import Broker
from tests.zoo.queues.history_queue import BrokerQueue

__all__ = ["Call", "WorkerQueue"]

T = TypeVar("T")
_current: "ContextVar[Call | None]" = ContextVar("_current", default=None)


class Call:
    """One call in hand."""

    def __init__(self, operation: str) -> None:
        loop = asyncio.get_running_loop()
        self.operation = operation
        self.stop: asyncio.Future[None] = loop.create_future()
        self.over: asyncio.Future[None] = loop.create_future()
        self.aborted = False

    def abort(self) -> None:
        if not self.stop.done():
            self.stop.set_result(None)

    def check(self) -> None:
        if self.stop.done():
            self.aborted = True
            raise Closed(f"history: {self.operation}: aborted")


class WorkerQueue(BrokerQueue, Lifecycle):
    """All five queue interfaces, and a lifecycle."""

    def __init__(self, broker: Broker, namespace: str) -> None:
        super().__init__(broker, namespace)
        self.state: Literal["new", "open", "draining", "closed"] = "new"
        self.calls: list[Call] = []
        self.opening = asyncio.Lock()
        self.heart: asyncio.Task[None] | None = None

    # The places at which a call suspends

    async def wire(self) -> None:
        await super().wire()
        call = _current.get()
        if call is not None:
            call.check()

    async def until(self, waiter: "asyncio.Future[None]", seconds: float) -> None:
        call = _current.get()
        await asyncio.wait([waiter, *([call.stop] if call else [])], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if call is not None:
            call.check()

    # Calls

    def admit(self, operation: str) -> None:
        if self.state in ("draining", "closed"):
            raise Closed(f"history: {operation}: it is {self.state}")

    async def through(self, operation: str, work: Callable[[], Awaitable[T]]) -> T:
        """Make a call, unless it is over."""
        if _current.get() is not None:
            return await work()
        self.admit(operation)
        call = Call(operation)
        self.calls.append(call)
        mark = _current.set(call)
        try:
            return await work()
        finally:
            _current.reset(mark)
            self.calls.remove(call)
            if not call.over.done():
                call.over.set_result(None)

    async def call(self, script: str, queue: str, *arguments: Any) -> Any:
        return await self.through(script, lambda: super(WorkerQueue, self).call(script, queue, *arguments))

    async def blocking(self, script: str, queue: str, timeout_s: float, *arguments: Any) -> Any:
        return await self.through(script, lambda: super(WorkerQueue, self).blocking(script, queue, timeout_s, *arguments))

    # open

    async def open(self) -> None:
        if self.state == "closed":
            raise Closed("history: open: it is closed")
        async with self.opening:
            if self.state == "new":
                try:
                    await self.begin()
                except BaseException:
                    await self.undo()
                    raise
                if self.state == "new":
                    self.state = "open"
        if self.state == "closed":
            raise Closed("history: open: it is closed")

    async def begin(self) -> None:
        self.broker.sessions.add(self)
        await asyncio.sleep(0)
        self.heart = asyncio.ensure_future(self.beat())
        await asyncio.sleep(0)

    async def beat(self) -> None:
        await asyncio.get_running_loop().create_future()

    async def undo(self) -> None:
        self.broker.sessions.discard(self)
        heart, self.heart = self.heart, None
        if heart is not None:
            heart.cancel()
            await asyncio.gather(heart, return_exceptions=True)

    # health, drain, close

    async def health(self) -> Health:
        if self.state in ("draining", "closed"):
            return Health("unhealthy", f"it is {self.state}")
        return Health("healthy")

    async def drain(self, timeout_s: float) -> Drained:
        timeout = check_timeout(timeout_s, "drain", "history")
        if self.state != "closed":
            self.state = "draining"
        calls = list(self.calls)
        if calls:
            await asyncio.wait([call.over for call in calls], timeout=timeout)
            await self.abort(calls)
        aborted = sum(call.aborted for call in calls)
        return Drained(len(calls) - aborted, aborted)

    async def abort(self, calls: list[Call]) -> None:
        for call in calls:
            call.abort()
        if calls:
            await asyncio.wait([call.over for call in calls])

    async def close(self) -> None:
        self.state = "closed"
        await self.abort(list(self.calls))
        async with self.opening:
            await self.undo()
