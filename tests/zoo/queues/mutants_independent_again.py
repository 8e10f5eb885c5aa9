"""A second wave of mistakes of the independent queues, of the kinds that their first wave had shown to slip through."""

import asyncio
from typing import Any

import prism_testkit as prism
from prism_testkit.interfaces import Conflict, Lease, QueueMessage
from tests.zoo.declare import Mutant

from .declare_independent import declaring
from .independent_ledger import LedgerQueue
from .independent_sql import Database, SqlQueue
from .independent_sum import Line, Sum
from .mutants_independent_durable import Buffering

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("basic.12", "not durable", also="visibility.13", trap="kill right after an enqueue with headers")
class HeadersAreWrittenLater(Buffering):
    """What has headers is written with the next line."""

    def is_buffered(self, line: Line) -> bool:
        return line[0] == "put" and bool(line[4])


@mutant("dead_letter.8", "not durable", also="visibility.13", trap="kill right after a death in a target")
class TouchesOfTheDeadAreWrittenLater(Buffering):
    """The deliveries of what died, in its target, are written with the next line."""

    def is_buffered(self, line: Line) -> bool:
        return line[0] in ("lent", "back") and bool(self.sum.queues[line[1]][line[2]].origin)


@mutant("visibility.13", "cleaned at opening", trap="kill; a message that was released")
class AttemptsOfTheReleasedAreForgotten(Database):
    """Who opens the file takes what nobody holds for new."""

    def __init__(self, place: prism.Place) -> None:
        super().__init__(place)
        self.connection.execute("UPDATE message SET attempts = 0 WHERE token IS NULL")


@mutant("dead_letter.8", "wrong order", trap="kill; what was redriven in another order than it was enqueued in")
class RedrivenOnesGoBackToTheirPlaces(Sum):
    """Places are read back as those of the enqueues."""

    @classmethod
    def unpack(cls, data: dict[str, Any]) -> Sum:
        self = super().unpack(data)
        for held in self.queues.values():
            for entry in held.values():
                entry.place = entry.place if entry.origin else int(entry.id, 16)
        return self


@mutant("dead_letter.5", "wrong state", also="dead_letter.4", trap="a message of the target that was released there")
class RedriveLeavesWhatWasTried(SqlQueue):
    """What was delivered in the target is no dead message any more for a redrive, though it is listed."""

    def dead(self, queue: str) -> list[Any]:
        rows = super().dead(queue)
        if not self.database.connection.in_transaction:
            return rows
        tried = {row[0] for row in self.ask("SELECT id FROM message WHERE namespace = ? AND attempts > 0")}
        return [row for row in rows if row[0] not in tried]


@mutant("dead_letter.4", "stale cache", trap="as many are dead as before, but others")
class ListIsRenewedWhenItsLengthChanges(LedgerQueue):
    """The list of the dead is kept by the client as long as there are as many."""

    def __init__(self, shelf: Any, namespace: str) -> None:
        super().__init__(shelf, namespace)
        self.lists: dict[str, list[QueueMessage]] = {}

    async def dead_letters(self, queue: str) -> list[QueueMessage]:
        fresh = await super().dead_letters(queue)
        if len(self.lists.get(queue, [])) != len(fresh):
            self.lists[queue] = fresh
        return [QueueMessage(m.id, m.payload, dict(m.headers)) for m in self.lists[queue]]


@mutant(
    "visibility.5",
    "check, then act",
    also="visibility.4 visibility.8 visibility.2",
    trap="a lease is released and taken again within an ack",
)
class AckChecksFirst(SqlQueue):
    """The lease is looked at, then the row is deleted, whoever holds it by then."""

    async def ack(self, lease: Lease) -> None:
        number = self.valid(lease, "ack")
        await asyncio.sleep(0)
        with self.database.change():
            if not self.database.ask("DELETE FROM message WHERE id = ? AND token IS NOT NULL RETURNING id", number):
                raise Conflict("sql: ack: the lease has ended")


@mutant(
    "visibility.5",
    "check, then act",
    also="visibility.8 visibility.2",
    trap="a lease is released and taken again within a release",
)
class ReleaseChecksFirst(SqlQueue):
    """The lease is looked at, then the row is made free, whoever holds it by then."""

    async def release(self, lease: Lease) -> None:
        self.valid(lease, "release")
        await asyncio.sleep(0)
        rows = self.ask("SELECT token FROM message WHERE namespace = ? AND id = ? AND token IS NOT NULL", int(lease.message.id))
        if not rows:
            raise Conflict("sql: release: the lease has ended")
        await super().release(Lease(lease.queue, lease.message, lease.attempt, str(rows[0][0])))


@mutant("basic.4", "lost wake-up", also="visibility.9", trap="a dequeue waits as a lease ends by itself")
class DequeueKnowsNoDeadlines(LedgerQueue):
    """A dequeue that waits is woken by calls and by delays, not by the end of a lease."""

    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        self.rules.queue(queue, "dequeue")
        end, bells = self.instant(self.rules.wait(timeout_s, "dequeue")), self.shelf.bells.setdefault(self.bells(queue), set())
        while True:
            self.tidy(queue)
            entry = self.next(queue)
            if entry is not None:
                return self.pop(queue, entry)
            if timeout_s <= 0 or self.now() >= end:
                return None
            bell = asyncio.Event()
            bells.add(bell)
            try:
                dues = [e.due for e in self.held(queue) if self.waits(e)]
                async with asyncio.timeout(max(0.0, min([end, *dues]) - self.now()) + 2e-6):
                    await bell.wait()
            except TimeoutError:
                continue
            finally:
                bells.discard(bell)
