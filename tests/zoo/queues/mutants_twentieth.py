"""Mutants of the twentieth examination: how many takes of one client may wait at once."""

import asyncio
from weakref import WeakKeyDictionary

from prism_testkit.interfaces import Lease, QueueMessage
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Queue

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

_POOLS: "WeakKeyDictionary[Queue, asyncio.Semaphore]" = WeakKeyDictionary()


@mutant("basic.4", "resources", trap="two takes of one client wait", also="basic.10 visibility.9")
class OneTakeWaitsAtATime(Queue):
    most = 1

    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        if timeout_s <= 0:
            return await super().dequeue(queue, timeout_s)
        async with _POOLS.setdefault(self, asyncio.Semaphore(self.most)):
            return await super().dequeue(queue, timeout_s)


@mutant("basic.4", "resources", trap="twenty takes of one client wait", also="basic.10 visibility.9")
class SixteenTakesWaitAtATime(OneTakeWaitsAtATime):
    most = 16


@mutant("visibility.9", "resources", trap="twenty receives of one client wait", also="visibility.8")
class SixteenReceivesWaitAtATime(Queue):
    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        if timeout_s <= 0:
            return await super().receive(queue, visibility_s, timeout_s)
        async with _POOLS.setdefault(self, asyncio.Semaphore(16)):
            return await super().receive(queue, visibility_s, timeout_s)
