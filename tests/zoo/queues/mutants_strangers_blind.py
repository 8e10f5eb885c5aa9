"""Mutants of strangers, a blind round: second calls, what a refused call leaves, and wakes that are lost."""

import asyncio
import math
from dataclasses import replace
from typing import ClassVar

from prism_testkit.interfaces import Lease, QueueMessage
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Queue, step
from .stores import Changes, Config, Row, Store

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("dead_letter.5", "second call", trap="a message that dies, is redriven, dies and is redriven again", also="dead_letter.1")
class TheSecondRedriveKeepsAnAttempt(Queue):
    def revived(self, row: Row, queue: str) -> Row:
        redriven = self.store.notes.setdefault((self.namespace, "redriven"), set())
        again = row.id in redriven
        redriven.add(row.id)
        return replace(super().revived(row, queue), attempts=int(again))


@mutant("visibility.6", "second call", trap="a lease that is extended, and then cut short", also="visibility.3")
class TheSecondExtendNeverShortens(Queue):
    async def extend(self, lease: Lease, seconds: float) -> None:
        before = self.held(lease, "extend").until
        await super().extend(lease, seconds)
        extended = self.store.notes.setdefault((self.namespace, "extended"), set())
        row = self.held(lease, "extend")
        if lease.token in extended:
            self.put(replace(row, until=max(before, row.until)))
        extended.add(lease.token)


@mutant("basic.5", "stale look", trap="peek is the first call after the deadline of a lease", also="visibility.3")
class PeekSeesWhatWasFreeBefore(Queue):
    """It notes the leases that have ended, and shows what was free when it came."""

    async def peek(self, queue: str) -> QueueMessage | None:
        name = self.name(queue, "peek")
        free = [row for row in self.rows(name) if self.available(row)]
        self.settle(name)
        row = next((row for row in self.rows(name) if row in free), None)
        return None if row is None else self.message(row)


@mutant(
    "visibility.3",
    "interaction",
    trap="a delayed message is due, leased, and the lease runs out",
    also="basic.5 delayed.1 delayed.2",
)
class LapsedDelayedMessagesWaitAgain(Queue):
    def insert(self, row: Row) -> str:
        if row.due:
            self.store.notes[self.namespace, row.id] = row.due - self.now()
        return super().insert(row)

    def ended(self, row: Row, when: float) -> Row:
        done = super().ended(row, when)
        seconds = self.store.notes.get((self.namespace, row.id), 0)
        return replace(done, due=when + seconds) if seconds and self.lapsed(row) else done


@mutant("delayed.1", "truncation", trap="a delay that is no whole number of hundredths", also="delayed.2")
class DelaysInHundredths(Queue):
    def delay(self, delay_s: float, operation: str) -> float:
        seconds = super().delay(delay_s, operation)
        return math.ceil(seconds * 100) / 100 if seconds < 0.01 else int(seconds * 100) / 100


@mutant(
    "basic.8",
    "shared mutable",
    trap="who took a message without headers adds one to its mapping",
    also="basic.1 visibility.15 visibility.1",
)
class NoHeadersAreOneMapping(Queue):
    none: ClassVar[dict[str, str]] = {}

    def message(self, row: Row) -> QueueMessage:
        return QueueMessage(row.id, row.payload, dict(row.headers) or self.none)


@mutant("dead_letter.9", "cancellation", trap="a redrive that is cancelled, then another one", also="dead_letter.5")
class CancelledRedriveKeepsTheLock(Queue):
    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.moving = asyncio.Lock()

    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        async with self.moving:
            await super().configure_dead_letter(queue, target, max_attempts)

    async def redrive(self, queue: str) -> int:
        self.name(queue, "redrive")
        await self.moving.acquire()
        await step()
        moved = await super().redrive(queue)
        self.moving.release()
        return moved


@mutant("visibility.5", "wrap", trap="the first lease of a message, at its 101st delivery", also="visibility.4")
class TokensHaveTwoDigits(Queue):
    def lease(self, row: Row, seconds: float) -> Lease:
        attempts = row.attempts + 1
        leased = replace(row, attempts=attempts, token=f"{attempts % 100:02}", until=self.deadline(seconds))
        self.put(leased)
        return self.leased(leased)


@mutant("dead_letter.5", "early end", trap="of several dead messages the first is leased in the target", also="dead_letter.4")
class RedriveStopsAtALeasedOne(Queue):
    def revive(self, queue: str) -> int:
        moved = 0
        for row in self.dead(queue):
            if row.token:
                break
            self.move(row, self.revived(row, queue))
            moved += 1
        return moved


@mutant(
    "dead_letter.10",
    "effect before the check",
    trap="another number of attempts with an illegal target",
    also="dead_letter.6 basic.7",
)
class RefusedConfigurationChangesTheAttempts(Queue):
    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        old = self.config(self.name(queue, "configure_dead_letter"))
        if old is not None and max_attempts >= 1 and math.isfinite(max_attempts):
            self.apply({(queue, ""): Config(old.target, max_attempts)})
        await super().configure_dead_letter(queue, target, max_attempts)


@mutant(
    "basic.11",
    "lost wake",
    trap="two takes wait, a message comes, and the one that is woken is cancelled",
    also="basic.4 visibility.9 visibility.12",
)
class AWakeIsLostWithItsWaiter(Queue):
    """A change wakes one that waits, and one that is cancelled does not wake the next."""

    def queued(self, queue: str) -> list[asyncio.Future[None]]:
        found: list[asyncio.Future[None]] = self.store.notes.setdefault(("waiting", self.namespace, queue), [])
        return found

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        for (queue, _), thing in changes.items():
            if isinstance(thing, Row):
                self.wake([waiter for waiter in self.queued(queue) if not waiter.done()][:1])

    async def pause(self, queue: str, end: float) -> None:
        waiter = asyncio.get_running_loop().create_future()
        waiting = self.queued(queue)
        waiting.append(waiter)
        try:
            await asyncio.wait([waiter], timeout=max(0.0, min([end, *self.instants(queue)]) - self.now()) + 1e-6)
        finally:
            waiting.remove(waiter)


@mutant(
    "dead_letter.6",
    "stale cache",
    trap="another client configures a queue anew that this one knows",
    also="dead_letter.1 dead_letter.4",
)
class ConfigurationsAreCachedWhenFound(Queue):
    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.known: dict[str, Config] = {}

    def config(self, queue: str) -> Config | None:
        found = self.known.get(queue) or super().config(queue)
        if found is not None:
            self.known[queue] = found
        return found

    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        self.known.pop(queue, None)
        await super().configure_dead_letter(queue, target, max_attempts)


@mutant(
    "delayed.2",
    "interaction",
    trap="a delayed message was due, leased, and is free again",
    also="visibility.7 visibility.3 basic.5",
)
class DelayedThatCameAgainAreScheduled(Queue):
    def scheduled(self, queue: str) -> int:
        return sum(self.delayed(row) or (row.due > 0 and row.attempts > 0 and not row.token) for row in self.rows(queue))


@mutant(
    "basic.9",
    "state of the class",
    trap="messages of one id die in two namespaces, and are redriven in one",
    also="visibility.15 dead_letter.10 dead_letter.5 dead_letter.4 dead_letter.3",
)
class DeathsAreKnownById(Queue):
    died: ClassVar[dict[tuple[str, str], str]] = {}

    def corpse(self, row: Row, target: str) -> Row:
        self.died[target, row.id] = row.queue
        return super().corpse(row, target)

    def dead(self, queue: str) -> list[Row]:
        return [row for row in super().dead(queue) if self.died.get((row.queue, row.id)) == queue]

    def revived(self, row: Row, queue: str) -> Row:
        self.died.pop((row.queue, row.id), None)
        return super().revived(row, queue)
