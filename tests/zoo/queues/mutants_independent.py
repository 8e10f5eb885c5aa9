"""Mistakes of the independent queues: takes, leases, waits, priorities, delays."""

import asyncio
import heapq
from collections.abc import Mapping
from typing import Any

from prism_testkit.interfaces import Bytes, Lease, QueueMessage
from tests.zoo.declare import Mutant

from .declare_independent import declaring
from .independent_actor import Actor, ActorQueue, Box, Item, Letter
from .independent_ledger import LedgerQueue
from .independent_rules import Rules
from .independent_sql import Database, SqlQueue
from .independent_sum import Entry, Line

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("visibility.3", "wrong end", trap="a short lease taken after a long one")
class SweepStopsAtTheFirstLiveLease(LedgerQueue):
    """Leases are swept in the order in which they were taken, and the sweep stops at the first that lives."""

    def tidy(self, queue: str) -> None:
        lent = sorted((e for e in self.held(queue) if self.lent(e)), key=lambda e: int(e.token.rpartition(":")[2], 16))
        for entry in lent:
            if entry.until > self.now():
                break
            self.note(["back", queue, entry.id, entry.until])
        self.note(*self.deaths(queue))


@mutant("visibility.9", "lost wake-up", trap="a lease is cut short by extend while a receive waits")
class ExtendRingsNoBell(LedgerQueue):
    """Who waits goes on sleeping until the deadline that a lease had when the sleep began."""

    async def extend(self, lease: Lease, seconds: float) -> None:
        self.rules.lease(seconds, "extend")
        self.ledger.write(["until", lease.queue, self.valid(lease, "extend").id, self.instant(seconds)])


@mutant(
    "visibility.9",
    "lost wake-up",
    also="basic.4 dead_letter.1 dead_letter.2",
    trap="a take waits on the target when a message dies",
)
class TargetIsNotRung(LedgerQueue):
    """Each queue has bells of its own, and a death rings those of the queue, not those of its target."""

    def bells(self, queue: str) -> str:
        return f"{self.namespace}/{queue}"


@mutant("visibility.9", "lost wake-up", also="basic.4 dead_letter.5", trap="a take waits on the queue when its dead are redriven")
class RedriveRingsNobody(LedgerQueue):
    """Who waits on the queue is not told of what comes back to it."""

    def note(self, *lines: Line) -> None:
        if lines and lines[0][0] == "revived":
            self.ledger.write(*lines)
        else:
            super().note(*lines)


@mutant("basic.4", "lost wake-up", also="visibility.9 visibility.7", trap="a dequeue waits while a lease is released or ends")
class DequeueWaitsForEnqueues(LedgerQueue):
    """A dequeue that waits hears of new messages only; what comes back from a lease it does not see."""

    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        self.rules.queue(queue, "dequeue")
        timeout_s = self.rules.wait(timeout_s, "dequeue")
        end = self.instant(timeout_s)
        while True:
            self.tidy(queue)
            entry = self.next(queue)
            if entry is not None:
                return self.pop(queue, entry)
            places = {e.id for e in self.held(queue)}
            while not {e.id for e in self.held(queue) if not self.waits(e)} - places:
                if timeout_s <= 0 or self.now() >= end:
                    return None
                await self.listen(queue, end)
                places -= {e.id for e in self.held(queue) if e.attempts == 0}


@mutant("basic.5", "stale cache", also="delayed.1 visibility.3", trap="only time passes between two peeks")
class PeekRemembersByTheLine(LedgerQueue):
    """What a peek showed is shown again until a line is written; time writes none."""

    shown: tuple[Any, QueueMessage | None] = ((), None)

    async def peek(self, queue: str) -> QueueMessage | None:
        self.tidy(self.rules.queue(queue, "peek"))
        key = (queue, self.ledger.read().lines)
        if self.shown[0] != key:
            entry = self.next(queue)
            self.shown = (key, None if entry is None else entry.message())
        return self.shown[1]


@mutant("visibility.5", "reused token", trap="a lease from before a death meets a delivery after the redrive")
class TokenIsTheDeliverysNumber(SqlQueue):
    """The token of a delivery is its number, which begins again after a redrive."""

    def lend(self, queue: str, row: Any, seconds: float) -> Lease:
        self.database.ask(
            "UPDATE message SET token = attempts + 1, from_ms = ?, attempts = attempts + 1, released = 0 WHERE id = ?",
            *(self.from_ms(seconds), row[0]),
        )
        return Lease(queue, self.message(row), row[3] + 1, str(row[3] + 1))


@mutant(
    "visibility.2", "check, then act", also="dead_letter.5 dead_letter.3", trap="a message is leased in the target during a redrive"
)
class RedriveListsFirst(SqlQueue):
    """What is to be moved is listed in one transaction and moved in another, whoever holds it by then."""

    async def redrive(self, queue: str) -> int:
        self.rules.queue(queue, "redrive")
        with self.database.change():
            self.bury(queue)
            rows = [row for row in self.dead(queue) if row[3] <= self.now_ms()]
        await asyncio.sleep(0)
        with self.database.change():
            for row in rows:
                self.move(row[0], self.key(queue), None)
        return len(rows)


@mutant(
    "visibility.5", "check, then act", also="visibility.8 visibility.2", trap="a lease is released and taken again within an extend"
)
class ExtendChecksFirst(SqlQueue):
    """The lease is looked at, then the row is changed, whoever holds it by then."""

    async def extend(self, lease: Lease, seconds: float) -> None:
        self.rules.lease(seconds, "extend")
        number = self.valid(lease, "extend")
        await asyncio.sleep(0)
        with self.database.change():
            self.database.ask("UPDATE message SET from_ms = ? WHERE id = ? AND token IS NOT NULL", self.from_ms(seconds), number)


@mutant("visibility.10", "wrong bound", trap="a lease of less than a millisecond")
class LeasesAreOfMilliseconds(Rules):
    """Less than a millisecond is refused as if it were nothing."""

    def lease(self, seconds: float, call: str) -> float:
        if int(super().lease(seconds, call) * 1000) == 0:
            raise ValueError(f"{call}: {seconds!r} s is not above 0")
        return seconds


@mutant("basic.4", "wrong bound", also="visibility.9", trap="a wait of more than five minutes")
class WaitsAreCutAtFiveMinutes(Rules):
    """A longer wait is cut, and None returned, as if there had been time for no more."""

    def wait(self, timeout_s: float, call: str) -> float:
        return min(300.0, super().wait(timeout_s, call))


@mutant("visibility.3", "number too small", also="visibility.1 dead_letter.1", trap="more than 127 deliveries")
class AttemptsAreSevenBits(SqlQueue):
    """The count of attempts stays where it is at 127."""

    def lend(self, queue: str, row: Any, seconds: float) -> Lease:
        lease = super().lend(queue, row, seconds)
        if lease.attempt > 127:
            self.database.ask("UPDATE message SET attempts = 127 WHERE id = ?", row[0])
            return Lease(lease.queue, lease.message, 127, lease.token)
        return lease


@mutant(
    "priority.1",
    "wrong order",
    also="priority.3",
    trap="a released message of a low priority beside a fresh one of a high priority",
)
class ReleasedOnesComeFirst(Actor):
    """What comes back is served before all others, so that it is soon done with."""

    def give_back(self, box: Box, item: Item) -> None:
        item.place = -self.serial()
        item.rank = 9
        super().give_back(box, item)


@mutant("priority.3", "wrong order", also="priority.1", trap="the second return of a message")
class SecondReturnLosesThePriority(Actor):
    """After two deliveries a message is taken for a troublemaker and put behind those of priority 0."""

    def give_back(self, box: Box, item: Item) -> None:
        if item.attempts >= 2:
            item.rank = 0
        super().give_back(box, item)


@mutant("visibility.6", "timer not kept", also="visibility.2 visibility.3", trap="a lease extended a second time")
class SecondExtendSetsNoTimer(Actor):
    """The timer is set anew by the first extend only: after another one nothing ends the lease."""

    def extend(self, box: Box, lease: Lease, seconds: float) -> None:
        item = self.held(box, lease, "extend")
        item.until = self.clock.now_s() + seconds
        if sum(1 for _, token, _ in box.lent if token == item.token) < 2:
            heapq.heappush(box.lent, (item.until, item.token, item))


@mutant("basic.11", "wrong order", also="visibility.12 basic.3", trap="a take cancelled when it has its answer")
class CancelledTakesPutBackAtTheTail(Actor):
    """What a cancelled take gives back goes to the tail."""

    async def give(self, box: Box, letter: Letter, item: Item) -> None:
        await super().give(box, letter, item)
        if letter.kept.done() and not letter.kept.result():
            heapq.heappop(box.ready)
            item.place = self.serial()
            self.make_ready(box, item)


@mutant("basic.7", "wrong bound", also="visibility.15", trap="headers of 8 KiB in characters of several bytes")
class HeadersAreCountedInCharacters(Rules):
    """The sum of headers is a sum of characters."""

    def draft(
        self, call: str, queue: str, payload: Bytes, headers: Mapping[str, str] | None, rank: int = 0, delay_s: float = 0.0
    ) -> Any:
        made = super().draft(call, queue, payload, None, rank, delay_s)
        if not isinstance(headers, Mapping) or not all(isinstance(text, str) for pair in headers.items() for text in pair):
            return super().draft(call, queue, payload, headers, rank, delay_s)
        if sum(len(name) + len(value) for name, value in headers.items()) > 8192:
            return super().draft(call, queue, payload, headers, rank, delay_s)
        for name, value in headers.items():  # one after another, so that nobody adds up their bytes
            super().draft(call, queue, payload, {name: value}, rank, delay_s)
        return type(made)(queue, made.payload, dict(headers), rank, made.delay_s)


@mutant("basic.2", "reused id", trap="a message enqueued after the last one was taken")
class IdsOfTheTakenComeAgain(Database):
    """The table has no AUTOINCREMENT: once the newest row is gone its number is given again."""

    def __init__(self, place: Any) -> None:
        super().__init__(place)

        self.connection.executescript(
            "CREATE TRIGGER IF NOT EXISTS again AFTER DELETE ON message BEGIN "
            "UPDATE sqlite_sequence SET seq = (SELECT coalesce(max(id), 0) FROM message) WHERE name = 'message'; END"
        )


@mutant("delayed.2", "wrong count", trap="a delayed message in a queue whose name goes on where another ends")
class CountsQueuesByPrefix(ActorQueue):
    """Counted is what is in all queues whose names begin alike."""

    async def scheduled_count(self, queue: str) -> int:
        self.rules.queue(queue, "scheduled_count")
        boxes = [b for (space, name), b in self.actor.boxes.items() if space == self.namespace and name.startswith(queue)]
        count: int = await self.ask(queue, lambda box: sum(len(b.delayed) for b in boxes))
        return count


@mutant("delayed.5", "lost wake-up", also="visibility.9 basic.4", trap="a delayed message enqueued while a take already waits")
class WaitersKnowTheDelaysOfTheirStart(LedgerQueue):
    """Who waits computes once when something may come: a delayed enqueue rings, but the sleep is not computed again."""

    def note(self, *lines: Line) -> None:
        if lines and lines[0][0] == "put" and lines[0][-1] > self.now():
            self.ledger.write(*lines)
        else:
            super().note(*lines)


@mutant(
    "visibility.8",
    "check, then act",
    also="visibility.2 visibility.5 visibility.4 visibility.3",
    trap="an ack at the instant of the deadline",
)
class TheHolderMayBeLate(LedgerQueue):
    """An ack of a lease that just ended is accepted if nobody has looked at the queue since."""

    def valid(self, lease: Lease, call: str) -> Entry:
        entry = self.ledger.read().queues.get(lease.queue, {}).get(lease.message.id)
        if call == "ack" and entry is not None and entry.token == lease.token:
            return entry
        return super().valid(lease, call)
