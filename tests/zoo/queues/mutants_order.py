"""Mutants of `QueueBasic`: lost, doubled and overtaken messages, waits and looks."""

import asyncio
import hashlib
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from prism_testkit.interfaces import NotFound, QueueMessage
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Queue
from .stores import Changes, Row

__all__ = ["MUTANTS"]

T = TypeVar("T")

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# basic.2: every message once, under an id of its own


@mutant("basic.2", "count", trap="a message is enqueued after another was taken", also="basic.1")
class IdIsLengthOfQueue(Queue):
    """Ids come again; the message of the same id is written over."""

    def new_id(self, queue: str) -> str:
        return str(len(self.rows(queue)) + 1)


@mutant("basic.2", "reuse", trap="ids are compared after the queue was empty")
class IdsBeginAnewWhenEmpty(Queue):
    def new_id(self, queue: str) -> str:
        rows = self.rows(queue)
        return str(max((int(row.id) for row in rows), default=0) + 1)


@mutant("basic.2", "deduplication", trap="two equal payloads", also="basic.3 basic.10")
class DeduplicatesPayloads(Queue):
    """As content-based deduplication does."""

    def insert(self, row: Row) -> str:
        same = [other for other in self.rows(row.queue) if (other.payload, other.headers) == (row.payload, row.headers)]
        return same[0].id if same else super().insert(row)


@mutant("basic.2", "identity", trap="equal payloads, one after the other is gone")
class IdIsDigestOfPayload(Queue):
    """The id alone is the digest; the row has a key of its own."""

    def insert(self, row: Row) -> str:
        super().insert(row)
        return self.public(row)

    def public(self, row: Row) -> str:
        return hashlib.blake2b(row.payload, digest_size=8).hexdigest()

    def message(self, row: Row) -> QueueMessage:
        return replace(super().message(row), id=self.public(row))


@mutant("basic.2", "identity", trap="two messages in the same millisecond", also="basic.1 basic.10")
class IdIsMillisecond(Queue):
    def new_id(self, queue: str) -> str:
        return str(int(self.now() * 1000))


@mutant("basic.2", "limit", trap="more than 100 messages in a queue", also="basic.3 visibility.11")
class RingOf100(Queue):
    """The oldest makes room."""

    def insert(self, row: Row) -> str:
        rows = self.rows(row.queue)
        if len(rows) >= 100:
            self.remove(rows[0])
        return super().insert(row)


@mutant("basic.2", "retry", trap="a payload of more than 64 KiB", also="basic.3")
class SendsLargeMessagesTwice(Queue):
    """The acknowledgement of a large one comes too late, and it is sent again."""

    def insert(self, row: Row) -> str:
        if len(row.payload) > 65536:
            super().insert(replace(row, id=self.new_id(row.queue), place=self.serial()))
        return super().insert(row)


@mutant("basic.2", "missing step", trap="the last message of a queue is taken", also="basic.4 basic.10")
class LastMessageComesAgain(Queue):
    """The queue is deleted when it is empty, and the message with it: but the delete is by name, and the row has none."""

    def remove(self, row: Row) -> None:
        seen = self.store.notes.setdefault((self.namespace, row.id), [])
        seen.append(row)
        if len(seen) > 1 or len(self.rows(row.queue)) > 1:
            super().remove(row)


# basic.3: first in, first out


@mutant("basic.3", "order", trap="two messages", also="basic.5 basic.10 visibility.1")
class LastInFirstOut(Queue):
    def order(self, row: Row) -> Any:
        return -row.priority, -row.place


@mutant("basic.3", "order as text", trap="more than nine messages", also="basic.5 basic.10 visibility.1")
class OrdersByIdAsText(Queue):
    def order(self, row: Row) -> Any:
        return -row.priority, str(row.place)


@mutant("basic.3", "ties", trap="two messages in one millisecond", also="basic.5 basic.10 visibility.1")
class OrdersByMillisecond(Queue):
    """Those of one millisecond come by payload."""

    def insert(self, row: Row) -> str:
        self.store.notes[self.namespace, row.id] = int(self.now() * 1000)
        return super().insert(row)

    def order(self, row: Row) -> Any:
        return -row.priority, self.store.notes.get((self.namespace, row.id), row.place), row.payload


@mutant("basic.3", "sharding", trap="three messages taken in turn", also="basic.5 basic.10 visibility.1")
class TwoShards(Queue):
    """Two partitions, the first one read to its end."""

    def order(self, row: Row) -> Any:
        return -row.priority, row.place // 2 % 2, row.place


@mutant("basic.3", "per client", trap="two clients enqueue in turn", also="basic.5 basic.10 visibility.1")
class OrdersByClientsCounter(Queue):
    """Each client numbers its own messages."""

    counter = 0

    def insert(self, row: Row) -> str:
        self.counter += 1
        return super().insert(replace(row, place=self.counter))


@mutant("basic.3", "size", trap="a large message before a small one", also="basic.5 basic.10 visibility.1")
class LargeMessagesComeLater(Queue):
    """Large ones go through a slower path: ten places later."""

    def order(self, row: Row) -> Any:
        return -row.priority, row.place + (10 if len(row.payload) > 8192 else 0)


@mutant("basic.3", "wrap", trap="more than 128 messages", also="basic.5 basic.10 visibility.1")
class PlacesInEightBits(Queue):
    """A counter of eight bits a queue."""

    def insert(self, row: Row) -> str:
        slot = self.namespace, row.queue
        self.store.notes[slot] = self.store.notes.get(slot, -1) + 1
        return super().insert(replace(row, place=self.store.notes[slot] % 256))


# basic.4: an empty queue, and waiting


@mutant("basic.4", "rounding", trap="timeout_s that is not whole", also="visibility.9")
class WholeSecondsOfTimeout(Queue):
    """Rounded down."""

    def timeout(self, timeout_s: float, operation: str) -> float:
        return float(math.floor(super().timeout(timeout_s, operation)))


@mutant("basic.4", "limit", trap="timeout_s above 20", also="visibility.9")
class WaitsAtMost20Seconds(Queue):
    """As SQS does."""

    def timeout(self, timeout_s: float, operation: str) -> float:
        return min(20.0, super().timeout(timeout_s, operation))


@mutant("basic.4", "missing wake-up", trap="a message that comes while a take waits", also="visibility.9 delayed.5")
class LooksAtStartAndEnd(Queue):
    """Sleeps the whole time between both looks."""

    def instants(self, queue: str) -> list[float]:
        return []

    async def pause(self, queue: str, end: float) -> None:
        await self.store.clock.sleep(end - self.now() + 1e-6)


@mutant("basic.4", "spurious wake-up", trap="something else changes while a take waits", also="visibility.9 delayed.5")
class AnyWakeUpEndsTheWait(Queue):
    """Woken and nothing there: None, long before the time."""

    async def take(self, queue: str, timeout_s: float, how: Callable[[Row], T]) -> T | None:
        found = await super().take(queue, 0, how)
        if found is not None or timeout_s <= 0:
            return found
        await self.pause(queue, self.after(timeout_s))
        return await super().take(queue, 0, how)


@mutant("basic.4", "wrong error", trap="a queue never used")
class UnknownQueueRaises(Queue):
    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        if self.name(queue, "dequeue") not in self.space().queues:
            self.timeout(timeout_s, "dequeue")
            raise NotFound(f"zoo: dequeue {queue[:40]!a}: no such queue")
        return await super().dequeue(queue, timeout_s)


@mutant("basic.4", "wrong error", trap="a negative timeout", also="visibility.9")
class NegativeTimeoutRaises(Queue):
    def timeout(self, timeout_s: float, operation: str) -> float:
        if timeout_s < 0:
            raise ValueError(f"zoo: {operation}: {timeout_s} is negative")
        return super().timeout(timeout_s, operation)


@mutant("basic.4", "missing check", trap="a timeout that is NaN", also="visibility.9")
class NanIsNoTimeout(Queue):
    def timeout(self, timeout_s: float, operation: str) -> float:
        return 0.0 if math.isnan(timeout_s) else super().timeout(timeout_s, operation)


@mutant("basic.4", "scope", trap="a waiting take and another client", also="visibility.9 delayed.5 basic.10")
class HearsOwnClientOnly(Queue):
    """The condition variable belongs to the client."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.mine: set[asyncio.Future[None]] = set()

    def waiting(self) -> set[asyncio.Future[None]]:
        return self.mine

    def apply(self, changes: Changes) -> None:
        self.space().apply(changes)
        self.wake(self.mine)


@mutant("basic.4", "lost wake-up", trap="several takes wait, and the one that is woken has no use for it", also="visibility.9")
class WakesOneOfAll(Queue):
    """One waiter is woken, whichever queue it waits for."""

    def apply(self, changes: Changes) -> None:
        self.space().apply(changes)
        self.wake([waiter for waiter in self.store.waiting if not waiter.done()][:1])


@mutant(
    "basic.4",
    "missing wake-up",
    trap="a take waits and a message is enqueued by enqueue_with_priority or enqueue_delayed",
    also="priority.4 delayed.5",
)
class OnlyPlainEnqueueWakes(Queue):
    def insert(self, row: Row) -> str:
        if row.priority or row.due:
            self.space().apply({(row.queue, row.id): row})
            return row.id
        return super().insert(row)


# basic.5: a look


@mutant("basic.5", "wrong end", trap="two messages")
class PeeksAtTheTail(Queue):
    def shown(self, queue: str) -> Row | None:
        return next((row for row in reversed(self.rows(queue)) if self.available(row)), None)


@mutant("basic.5", "side effect", trap="a peek between two messages", also="basic.2 basic.3")
class PeekTakesAndPutsBack(Queue):
    """To the tail."""

    def shown(self, queue: str) -> Row | None:
        row = super().shown(queue)
        if row is not None:
            self.put(replace(row, place=self.serial()))
        return row


@mutant("basic.5", "side effect", trap="a take right after a peek", also="basic.3 basic.10 basic.2")
class PeekHidesForASecond(Queue):
    """A receive with the shortest visibility."""

    def shown(self, queue: str) -> Row | None:
        row = super().shown(queue)
        if row is not None:
            self.put(replace(row, due=self.after(1)))
        return row


@mutant("basic.5", "side effect", trap="attempt after a peek", also="visibility.1 visibility.3")
class PeekCountsAnAttempt(Queue):
    def shown(self, queue: str) -> Row | None:
        row = super().shown(queue)
        if row is not None:
            self.put(replace(row, attempts=row.attempts + 1))
        return row


@mutant("basic.5", "stale cache", trap="peek, take, peek", also="basic.10")
class PeekIsCached(Queue):
    """For a second."""

    def shown(self, queue: str) -> Row | None:
        until, row = self.store.notes.get((self.namespace, queue), (0.0, None))
        if row is None or self.over(until):
            row = super().shown(queue)
            self.store.notes[self.namespace, queue] = self.after(1), row
        return row  # type: ignore[no-any-return]


@mutant("basic.5", "missing field", trap="headers of a peeked message", also="basic.1")
class PeekHasNoHeaders(Queue):
    def shown(self, queue: str) -> Row | None:
        row = super().shown(queue)
        return row and replace(row, headers={})


@mutant("basic.5", "limit", trap="a large message is peeked", also="basic.1")
class PeekShowsTheFirst1024Bytes(Queue):
    def shown(self, queue: str) -> Row | None:
        row = super().shown(queue)
        return row and replace(row, payload=row.payload[:1024])


@mutant("basic.5", "exhaustion", trap="more than ten peeks", also="basic.2")
class PeekWearsOut(Queue):
    """After ten looks a message is taken for poison."""

    def shown(self, queue: str) -> Row | None:
        row = super().shown(queue)
        if row is not None:
            looks = self.store.notes[self.namespace, row.id] = self.store.notes.get((self.namespace, row.id), 0) + 1
            if looks > 10:
                self.remove(row)
        return row


@mutant("basic.5", "wrong order", trap="priorities, peeked", also="priority.1")
class PeekIgnoresPriority(Queue):
    def shown(self, queue: str) -> Row | None:
        return min(filter(self.available, self.rows(queue)), key=lambda row: row.place, default=None)
