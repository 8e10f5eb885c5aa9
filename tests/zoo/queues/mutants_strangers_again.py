"""More mutants that nobody who knew the checks would write: who waits and is not told, and what is known by its identity."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from prism_testkit.interfaces import Bytes, Lease, QueueMessage
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Queue
from .stores import Changes, Row

__all__ = ["MUTANTS"]

T = TypeVar("T")

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _Quiet(Queue):
    """A change made under ``silent`` wakes nobody."""

    def silently(self, change: Callable[[], T]) -> T:
        waiting, self.store.waiting = self.store.waiting, set()
        try:
            return change()
        finally:
            self.store.waiting |= waiting


class _QuietAsync(_Quiet):
    async def kept(self, call: object) -> None:
        """Run a call that does not suspend."""
        waiting, self.store.waiting = self.store.waiting, set()
        try:
            await call  # type: ignore[misc]
        finally:
            self.store.waiting = waiting


@mutant("visibility.9", "lost wake-up", trap="extend to an earlier end while a receive waits", also="visibility.6 visibility.3")
class ShorterLeasesWakeNobody(_QuietAsync):
    async def extend(self, lease: Lease, seconds: float) -> None:
        await self.kept(super().extend(lease, seconds))


@mutant("dead_letter.5", "lost wake-up", trap="redrive while a take waits", also="basic.4 visibility.9")
class RedriveWakesNobody(_Quiet):
    def revive(self, queue: str) -> int:
        return self.silently(lambda: super(RedriveWakesNobody, self).revive(queue))


@mutant(
    "dead_letter.2",
    "lost wake-up",
    trap="a message dies while a take waits at the target",
    also="basic.4 visibility.9 dead_letter.5",
)
class OneQueueOfAChangeIsWoken(Queue):
    """Those who wait are kept by queue, and what moves is a change of the one that it leaves."""

    async def pause(self, queue: str, end: float) -> None:
        waiter = asyncio.get_running_loop().create_future()
        waiting = self.store.notes.setdefault(("waiting", self.namespace, queue), set())
        waiting.add(waiter)
        try:
            await asyncio.wait([waiter], timeout=max(0.0, min([end, *self.instants(queue)]) - self.now()) + 1e-6)
        finally:
            waiting.discard(waiter)

    def apply(self, changes: Changes) -> None:
        self.space().apply(changes)
        queue, _ = next(iter(changes))
        self.wake(self.store.notes.get(("waiting", self.namespace, queue), ()))


@mutant("delayed.5", "lost wake-up", trap="a delayed enqueue while a take waits", also="basic.4")
class DelayedWakesNobody(_QuietAsync):
    async def enqueue_delayed(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, delay_s: float) -> str:
        waiting, self.store.waiting = self.store.waiting, set()
        try:
            return await super().enqueue_delayed(queue, payload, headers, delay_s=delay_s)
        finally:
            self.store.waiting = waiting


@mutant("visibility.4", "identity", trap="a lease that is equal, and another object", also="visibility.6 visibility.7 visibility.5")
class LeasesAreKnownByIdentity(Queue):
    def leased(self, row: Row) -> Lease:
        lease = super().leased(row)
        self.store.notes["lease", row.token] = lease
        return lease

    def valid(self, row: Row, lease: Lease) -> bool:
        return super().valid(row, lease) and self.store.notes.get(("lease", row.token)) is lease


@mutant("basic.4", "wrong unit", trap="a wait of 25 days", also="visibility.9 delayed.5")
class TimeoutsAreMillisecondsInInt32(Queue):
    def timeout(self, timeout_s: float, operation: str) -> float:
        return (round(super().timeout(timeout_s, operation) * 1000) + 2**31) % 2**32 / 1000 - 2**31 / 1000


@mutant("basic.4", "waiting", trap="a change that is for somebody else", also="visibility.9 basic.11")
class OneWakeEndsTheWait(Queue):
    async def take(self, queue: str, timeout_s: float, how: Callable[[Row], T]) -> T | None:
        taken = await super().take(queue, 0, how)
        if taken is not None or timeout_s <= 0:
            return taken
        await self.pause(queue, self.after(timeout_s))
        return await super().take(queue, 0, how)


@mutant("priority.3", "lost field", trap="extend of a lease, then its end", also="priority.1 priority.4")
class ExtendForgetsThePriority(Queue):
    async def extend(self, lease: Lease, seconds: float) -> None:
        await super().extend(lease, seconds)
        row = self.space().queues[lease.queue][lease.message.id]
        self.put(replace(row, priority=0))


@mutant(
    "dead_letter.6",
    "argument of a subclass",
    trap="a configuration made twice with one target and another number",
    also="dead_letter.1",
)
class FirstConfigurationOfATargetStays(Queue):
    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        config = self.config(self.name(queue, "configure_dead_letter"))
        if config is not None and config.target == target and max_attempts >= 1:
            return
        await super().configure_dead_letter(queue, target, max_attempts)


@mutant(
    "visibility.3",
    "timer",
    trap="extend while the queue is not looked at until after the first end",
    also="visibility.6 visibility.2",
)
class LeaseTimersStartAtTheReceive(Queue):
    """Each lease sleeps to its end, once; who extends it starts no new sleep, and the end is seen at a look a whole lease later."""

    def lapsed(self, row: Row) -> bool:
        return super().lapsed(row) and self.over(row.until) and row.until >= self.store.notes.get(("lease", row.token), row.until)

    def lease(self, row: Row, seconds: float) -> Lease:
        lease = super().lease(row, seconds)
        self.store.notes["lease", lease.token] = self.deadline(seconds)
        return lease


@mutant("basic.5", "truncation", trap="a peek at a message of over a kilobyte", also="basic.1")
class PeekShowsTheBeginning(Queue):
    async def peek(self, queue: str) -> QueueMessage | None:
        found = await super().peek(queue)
        return None if found is None else replace(found, payload=found.payload[:1024])


@mutant(
    "dead_letter.1", "race", trap="two receives at the same time after the last attempt failed", also="dead_letter.3 dead_letter.2"
)
class BuriesWhatItSawAMomentAgo(Queue):
    async def dead_letters(self, queue: str) -> list[QueueMessage]:
        name = self.name(queue, "dead_letters")
        self.settle(name)
        rows = self.dead(name)
        await asyncio.sleep(0)
        return [self.message(row) for row in rows if row.id in self.space().queues.get(row.queue, {}) or self.put(row) is None]
