"""Mutants of the tenth round: opens that are shared, closes that are cancelled, drains that count by the outcome."""

import asyncio
from typing import Any

from prism_testkit.interfaces import Drained, Message
from tests.zoo.declare import Mutant

from .declare import declaring
from .models import KeyValue, Listener, PubSub, Queue

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("1", "shared call", "two opens at once, of which the first is cancelled")
class OpensAreShared(KeyValue):
    """An open that comes while another is under way waits for that one, and is cancelled with it."""

    opened: "asyncio.Task[None] | None" = None

    async def open(self) -> None:
        if self.opened is None or self.opened.done():
            self.opened = asyncio.ensure_future(super().open())
        await self.opened


@mutant("2", "wrong state", "a close that is cancelled, and another one")
class CancelledClosesAreDone(KeyValue):
    """A close that is cancelled stops where it is; the next one finds it closed."""

    async def close(self) -> None:
        if self.state == "closed":
            return
        self.state = "closed"
        await asyncio.sleep(0)
        await self.end()


@mutant("3", "order of checks", "a drain of NaN seconds, and a call after it")
class DrainsRefuseBeforeTheyCheck(KeyValue):
    async def drain(self, timeout_s: float) -> Drained:
        self.refuse_new()
        return await super().drain(timeout_s)


class _Loud(Listener):
    async def __anext__(self) -> Message:
        self.check("receive")
        return await super().__anext__()


@mutant("2", "wrong ending", "an iteration of a subscription whose driver was closed")
class IterationsRaiseClosed(PubSub):
    listener_type = _Loud


@mutant("2", "leaked wait", "two receives of one subscription that wait when it is closed")
class OneWaitIsEnded(Queue):
    """A close ends the call that waits longest of each kind; the others end when their own time is up."""

    async def abort(self, calls: "list[asyncio.Task[Any]]") -> None:
        if self.state != "closed" or len(calls) < 3:
            return await super().abort(calls)
        await super().abort(calls[:-1])
        calls[-1].add_done_callback(lambda task: task.cancelled() or task.exception())
        return None


@mutant("3", "left out", "a call that began while another drain of the same driver was under way, or before the first")
class DrainedCallsAreDoneOnce(Queue):
    """What a first drain waits for is no longer counted by a second one that begins meanwhile."""

    first: "list[asyncio.Task[Any]] | None" = None

    def to_drain(self) -> "list[asyncio.Task[Any]]":
        calls = [task for task in super().to_drain() if task not in (self.first or ())]
        self.first = self.first or calls
        return calls
