"""Mutants of one step of a life behind another: closes behind drains, drains behind closes, opens behind what was not opened."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from prism_testkit.interfaces import Closed, Drained, Health, QueueMessage, Subscription
from tests.zoo.declare import Mutant

from .declare import declaring
from .holding import Durable
from .models import KeyValue, Listener, PubSub, Queue

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


# A close behind a drain


@mutant("2", "wrong condition", "a close behind a drain", also="1")
class ADrainedOneIsNotEnded(KeyValue):
    """What is drained has no more to do, says the close: its keeper runs on."""

    async def end(self) -> None:
        if not getattr(self, "drained_once", False):
            await super().end()

    async def drain(self, timeout_s: float) -> Drained:
        found = await super().drain(timeout_s)
        self.drained_once = True
        return found


@mutant("2", "wrong condition", "a subscription that is entered when it is drained, and then closed", also="3")
class ADrainedOneLeavesNoSubscription(PubSub):
    async def leave(self) -> None:
        if not getattr(self, "drained_once", False):
            await super().leave()

    async def drain(self, timeout_s: float) -> Drained:
        self.drained_once = True
        return await super().drain(timeout_s)


@mutant("2", "wrong condition", "a member that holds messages when it is drained, and then closed", also="3")
class ADrainedMemberKeepsWhatItHolds(Durable):
    async def leave(self) -> None:
        if not getattr(self, "drained_once", False):
            await super().leave()
        for holder in list(self.entered):
            holder.left = True

    async def drain(self, timeout_s: float) -> Drained:
        self.drained_once = True
        return await super().drain(timeout_s)


@mutant("2", "wrong state", "calls behind a drain and a close", also="3")
class ADrainedOneIsReopenedByItsClose(Queue):
    """The close puts back what was before the drain."""

    async def close(self) -> None:
        was = self.state
        await super().close()
        if was == "draining":
            self.state = "new"


@mutant("2", "lost wake-up", "a close while a drain waits", also="3")
class ADrainWaitsOnThoughItIsClosed(Queue):
    async def wait_for(self, calls: "list[asyncio.Task[Any]]", timeout_s: float) -> None:
        await asyncio.sleep(timeout_s)


# A drain behind a close, or behind another call


@mutant("3", "stale", "a drain behind a close that aborted calls", also="2")
class ADrainTellsWhatTheCloseAborted(Queue):
    async def abort(self, calls: "list[asyncio.Task[Any]]") -> None:
        await super().abort(calls)
        self.left_over = [*getattr(self, "left_over", []), *calls] if self.state == "closed" else []

    def to_drain(self) -> "list[asyncio.Task[Any]]":
        return [*super().to_drain(), *getattr(self, "left_over", [])]


@mutant("3", "leak", "a drain behind a call that its caller cancelled", also="2")
class CancelledCallsStayInHand(Queue):
    async def call(self, operation: str, work: Coroutine[Any, Any, Any]) -> Any:
        before = set(self.in_hand)
        task = asyncio.current_task()
        try:
            return await super().call(operation, work)
        except asyncio.CancelledError:
            if task is not None and not before:
                self.ghosts = getattr(self, "ghosts", 0) + 1
            raise

    def drained(self, calls: "list[asyncio.Task[Any]]") -> Drained:
        found = super().drained(calls)
        return Drained(found.completed, found.aborted + getattr(self, "ghosts", 0))


@mutant("3", "leak", "a drain behind a call that was refused")
class RefusedCallsStayInHand(KeyValue):
    async def call(self, operation: str, work: Coroutine[Any, Any, Any]) -> Any:
        try:
            return await super().call(operation, work)
        except Closed:
            self.ghosts = getattr(self, "ghosts", 0) + 1
            raise

    def drained(self, calls: "list[asyncio.Task[Any]]") -> Drained:
        found = super().drained(calls)
        return Drained(found.completed + getattr(self, "ghosts", 0), found.aborted)


@mutant("3", "leak", "a drain behind a take that found nothing in its time")
class TakesOfNothingStayInHand(Queue):
    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        found = await super().dequeue(queue, timeout_s)
        if found is None and timeout_s > 0:
            self.ghosts = getattr(self, "ghosts", 0) + 1
        return found

    def drained(self, calls: "list[asyncio.Task[Any]]") -> Drained:
        found = super().drained(calls)
        return Drained(found.completed + getattr(self, "ghosts", 0), found.aborted)


@mutant("3", "missing case", "a drain of fewer than 0 seconds")
class ANegativeDrainIsForEver(Queue):
    async def wait_for(self, calls: "list[asyncio.Task[Any]]", timeout_s: float) -> None:
        await asyncio.wait(calls, timeout=timeout_s if self.asked >= 0 else None)

    async def drain(self, timeout_s: float) -> Drained:
        self.asked = timeout_s
        return await super().drain(timeout_s)

    asked: float = 0


@mutant("3", "missing check", "a look after a drain")
class APeekIsServedAfterADrain(Queue):
    async def peek(self, queue: str) -> QueueMessage | None:
        if self.state == "draining":
            return await self._peek(queue)
        return await super().peek(queue)


@mutant("3", "missing check", "a subscription that is entered after a drain", also="2")
class SubscribesAfterADrain(PubSub):
    @asynccontextmanager
    async def subscribe(self, topic: str) -> AsyncIterator[Subscription]:
        if self.state != "draining":
            async with super().subscribe(topic) as found:
                yield found
            return
        listener = await self._subscribe(topic)
        try:
            yield listener
        finally:
            await self.exit(listener)


# Before it is opened


@mutant("2", "wrong condition", "a close of what was not opened, then an open", also="1")
class ACloseBeforeTheOpenIsForgotten(KeyValue):
    async def close(self) -> None:
        if self.state != "new":
            await super().close()


@mutant("3", "wrong condition", "a drain of what was not opened, then an open")
class ADrainBeforeTheOpenIsForgotten(KeyValue):
    async def drain(self, timeout_s: float) -> Drained:
        if self.state == "new" and not self.in_hand:
            self.check_timeout(timeout_s)
            return Drained(0, 0)
        return await super().drain(timeout_s)


@mutant("4", "wrong error", "health of what was not opened")
class HealthRaisesBeforeTheOpen(PubSub):
    async def health(self) -> Health:
        if self.state == "new":
            raise RuntimeError("zoo: there is no connection")
        return await super().health()


@mutant("1", "early return", "two opens at once, and a call behind the second")
class TheSecondOpenDoesNotWait(KeyValue):
    async def open(self) -> None:
        if self.opening.locked():
            return
        self.usable = False
        await super().open()
        self.usable = True

    usable: bool = True

    def admit(self, operation: str) -> None:
        super().admit(operation)
        if not self.usable:
            raise Closed(f"zoo: {operation}: it opens")


# Entries that are in hand, and others of the connection


@mutant("2", "race", "a subscription that is being entered when it is closed")
class WhatIsBeingEnteredStays(PubSub):
    async def _subscribe(self, topic: str) -> Listener:
        return await asyncio.shield(asyncio.ensure_future(self._slowly(topic)))

    async def _slowly(self, topic: str) -> Listener:
        for _ in range(8):
            await asyncio.sleep(0)
        return await super()._subscribe(topic)


@mutant("2", "leak between clients", "a driver that is made on the connection behind the close of another")
class AClosedConnectionTakesNoOther(Queue):
    async def end(self) -> None:
        await super().end()
        self.client.data.setdefault("ended", set()).add(id(self.client))

    def admit(self, operation: str) -> None:
        super().admit(operation)
        if self.state == "new" and id(self.client) in self.client.data.get("ended", ()):
            raise Closed(f"zoo: {operation}: the connection is closed")

    async def begin(self) -> None:
        if id(self.client) in self.client.data.get("ended", ()):
            raise Closed("zoo: open: the connection is closed")
        await super().begin()


@mutant("4", "stale", "health behind a close that was cancelled")
class ACancelledCloseIsHealthy(KeyValue):
    async def close(self) -> None:
        await asyncio.sleep(0)
        await super().close()

    async def health(self) -> Health:
        return Health("healthy") if self.closing is None else await super().health()


@mutant("2", "lost", "a message that a take was to get in the turn of the close, of two takes", also="3")
class CloseTakesWhatTheSecondWaitsFor(Queue):
    async def end(self) -> None:
        waits = len(self.in_hand)
        await super().end()
        if waits > 1:
            for queue in self.queues.values():
                if queue:
                    queue.popleft()


# Calls that were cancelled


@mutant("2", "leak", "a subscription whose entry was cancelled, then a close")
class ACancelledEntryGoesOnPumping(PubSub):
    """The pump begins before the answer of the server is there, and who is cancelled while he waits for it forgets it."""

    async def _subscribe(self, topic: str) -> Listener:
        listener = self.listener_type(self, topic)
        await asyncio.sleep(0)
        self.entered.add(listener)
        self.listeners.add(listener)
        return listener


@mutant("2", "leak", "a write that was cancelled, then a close")
class ACancelledWriteIsRetriedForEver(KeyValue):
    async def set(self, key: str, value: Any) -> None:
        try:
            await super().set(key, value)
        except asyncio.CancelledError:
            self.retrying = asyncio.ensure_future(self.keep())
            raise


@mutant("2", "leak", "a take that was cancelled while it waited, then a close")
class ACancelledTakeLeavesItsTimer(Queue):
    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        timer = asyncio.ensure_future(self.keep())
        found = await super().dequeue(queue, timeout_s)
        timer.cancel()
        return found
