"""Mutants whose client does one thing at a time: what waits holds up what does not."""

import asyncio
from collections.abc import Mapping

from prism_testkit.interfaces import Bytes, Lease, QueueMessage
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Queue

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _OneAtATime(Queue):
    @property
    def lock(self) -> asyncio.Lock:
        """The one connection of a client."""
        found: asyncio.Lock = self.__dict__.setdefault("_lock", asyncio.Lock())
        return found

    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        async with self.lock:
            return await super().dequeue(queue, timeout_s)

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        async with self.lock:
            return await super().receive(queue, visibility_s, timeout_s)


@mutant("basic.10", "lock", trap="an enqueue while a take of the same client waits", also="basic.4 visibility.9")
class EnqueuesWaitForTakes(_OneAtATime):
    async def enqueue(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        async with self.lock:
            return await super().enqueue(queue, payload, headers)


@mutant("visibility.4", "lock", trap="an ack while a receive of the same client waits", also="visibility.9 visibility.8")
class AcksWaitForReceives(_OneAtATime):
    async def ack(self, lease: Lease) -> None:
        async with self.lock:
            await super().ack(lease)


@mutant("visibility.6", "lock", trap="an extension while a receive of the same client waits", also="visibility.9 visibility.2")
class ExtensionsWaitForReceives(_OneAtATime):
    async def extend(self, lease: Lease, seconds: float) -> None:
        async with self.lock:
            await super().extend(lease, seconds)


@mutant("visibility.7", "lock", trap="a release while a receive of the same client waits", also="visibility.9")
class ReleasesWaitForReceives(_OneAtATime):
    async def release(self, lease: Lease) -> None:
        async with self.lock:
            await super().release(lease)


@mutant("basic.5", "lock", trap="a peek while a take of the same client waits", also="basic.10 basic.4")
class PeeksWaitForTakes(_OneAtATime):
    async def peek(self, queue: str) -> QueueMessage | None:
        async with self.lock:
            return await super().peek(queue)


@mutant("dead_letter.4", "lock", trap="a look at the dead while a receive of the same client waits", also="dead_letter.5")
class LooksAtTheDeadWaitForReceives(_OneAtATime):
    async def dead_letters(self, queue: str) -> list[QueueMessage]:
        async with self.lock:
            return await super().dead_letters(queue)


@mutant("delayed.2", "lock", trap="scheduled_count while a take of the same client waits", also="delayed.5 basic.4")
class CountsWaitForTakes(_OneAtATime):
    async def scheduled_count(self, queue: str) -> int:
        async with self.lock:
            return await super().scheduled_count(queue)
