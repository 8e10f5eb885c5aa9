"""Mistakes of the independent queues: death, the target, redrive."""

import asyncio
from typing import Any

from prism_testkit.interfaces import QueueMessage
from tests.zoo.declare import Mutant

from .declare_independent import declaring
from .independent_actor import Actor, Box, Item
from .independent_ledger import LedgerQueue
from .independent_rules import Rules
from .independent_sql import SqlQueue
from .independent_sum import Entry, Sum

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("dead_letter.5", "only the first", trap="more than fifty dead")
class RedrivesAPage(SqlQueue):
    """A redrive moves the first fifty."""

    def dead(self, queue: str) -> list[Any]:
        return super().dead(queue)[: 50 if self.database.connection.in_transaction else None]


@mutant("dead_letter.5", "wrong state", also="dead_letter.4", trap="a message of the target whose lease ended by itself")
class RedriveTakesALapsedLeaseForALiveOne(SqlQueue):
    """Whoever was leased in the target stays there until the next take has noted the end."""

    async def redrive(self, queue: str) -> int:
        self.rules.queue(queue, "redrive")
        with self.database.change():
            self.bury(queue)
            rows = [
                row for row in self.dead(queue) if not self.database.ask("SELECT 1 FROM message WHERE id = ? AND token > 0", row[0])
            ]
            for row in rows:
                self.move(row[0], self.key(queue), None)
        return len(rows)


@mutant("dead_letter.4", "forgotten state", also="dead_letter.5", trap="a dead message is received and released in the target")
class CorpseThatWasTouchedIsForgotten(Sum):
    """With a delivery in the target a message is an ordinary one, and its origin is forgotten."""

    def add_lent(self, held: dict[str, Entry], queue: str, name: str, token: str, until: float) -> None:
        super().add_lent(held, queue, name, token, until)
        held[name].origin = ""


@mutant("dead_letter.4", "forgotten state", also="dead_letter.5", trap="a message dies in a queue, and again in its target")
class FirstOriginStays(Sum):
    """Where a message died is noted at its first death only."""

    def add_died(self, held: dict[str, Entry], queue: str, name: str, target: str) -> None:
        origin = held[name].origin
        super().add_died(held, queue, name, target)
        held_now = self.queues[target][name]
        held_now.origin = origin or held_now.origin


@mutant("dead_letter.4", "wrong scope", also="dead_letter.5 dead_letter.6", trap="another target is configured when there are dead")
class FormerTargetsAreListedToo(SqlQueue):
    """All that died in the queue are listed, wherever they are."""

    def dead(self, queue: str) -> list[Any]:
        if self.policy(queue) is None:
            return []
        return self.ask(
            "SELECT id, payload, headers, from_ms FROM message WHERE namespace = ? AND origin = ? ORDER BY place", self.key(queue)
        )


@mutant(
    "dead_letter.6", "stale configuration", also="dead_letter.1", trap="the number of attempts is lowered while a lease is open"
)
class PolicyOfTheReceive(Actor):
    """Which policy holds for a delivery is decided when it begins."""

    def give_back(self, box: Box, item: Item) -> None:
        most = getattr(box, "old_most", {}).get(item.token, box.most)
        now, box.most = box.most, most
        super().give_back(box, item)
        box.most = now

    def configure(self, box: Box, target: Box, most: int) -> None:
        olds: dict[int, int] = box.__dict__.setdefault("old_most", {})
        olds.update({i.token: box.most or 1 << 60 for i in box.items.values() if i.token and i.token not in olds})
        super().configure(box, target, most)


@mutant("dead_letter.4", "wrong order", also="dead_letter.5", trap="messages that die in another order than they were enqueued in")
class RedriveIsInTheOrderOfIds(SqlQueue):
    """Listed in the order of death, redriven in the order of ids."""

    def dead(self, queue: str) -> list[Any]:
        rows = super().dead(queue)
        return sorted(rows, key=lambda row: int(row[0])) if self.database.connection.in_transaction else rows


@mutant("dead_letter.5", "sorted as text", also="dead_letter.4", trap="ten deaths and more in one target")
class RedriveSortsNumbersAsText(Actor):
    """Redriven in the order of the deaths' numbers in their target, compared as text."""

    def redrive(self, box: Box) -> int:
        rows = [item for item in self.dead(box) if not item.token]
        if box.target is not None:
            for _, item in sorted(enumerate(rows, start=1), key=lambda pair: str(pair[0])):
                self.moved(box.target, box, item)
        return len(rows)


@mutant("dead_letter.5", "state left", also="dead_letter.1 dead_letter.6", trap="a message dies a second time after a redrive")
class RedrivenOnesKeepTheirAttempts(Sum):
    """Attempts begin at 0 in the target, but with a redrive those of the queue come back, less one."""

    def add_died(self, held: dict[str, Entry], queue: str, name: str, target: str) -> None:
        attempts = held[name].attempts
        super().add_died(held, queue, name, target)
        self.former[name] = attempts

    def add_revived(self, held: dict[str, Entry], queue: str, name: str, target: str) -> None:
        super().add_revived(held, queue, name, target)
        held[name].attempts = max(0, self.former.pop(name, 0) - 2)

    def __init__(self) -> None:
        super().__init__()
        self.former: dict[str, int] = {}


@mutant("dead_letter.3", "partial effect", also="dead_letter.9", trap="a redrive is cancelled, or another client looks meanwhile")
class RedriveTakesOutThenPutsIn(SqlQueue):
    """All that died is taken out in one transaction, and put back in another."""

    async def redrive(self, queue: str) -> int:
        self.rules.queue(queue, "redrive")
        with self.database.change():
            self.bury(queue)
            rows = [row for row in self.dead(queue) if row[3] <= self.now_ms()]
            for row in rows:
                self.move(row[0], self.key(queue), None)
                self.database.ask("UPDATE message SET from_ms = ? WHERE id = ?", self.from_ms(1e9), row[0])
        await asyncio.sleep(0)
        with self.database.change():
            for row in rows:
                self.database.ask("UPDATE message SET from_ms = 0 WHERE id = ?", row[0])
        return len(rows)


@mutant("dead_letter.2", "state left", also="dead_letter.1", trap="the target has a policy of its own")
class AttemptsGoAlong(Actor):
    """In the target attempts go on where they were, unless it has no policy."""

    def moved(self, box: Box, target: Box, item: Item) -> Item:
        fresh = super().moved(box, target, item)
        if target.target is not None and target is not item.origin:
            fresh.attempts = min(item.attempts, target.most - 1)
        return fresh


@mutant("dead_letter.6", "number too small", also="dead_letter.1", trap="a large number of attempts")
class PoliciesOfAByte(Rules):
    """The number of attempts is kept in a byte."""

    def policy(self, queue: str, target: str, attempts: int) -> tuple[str, str, int]:
        queue, target, attempts = super().policy(queue, target, attempts)
        return queue, target, min(attempts, 255)


@mutant("dead_letter.6", "client state", trap="another client configures after this one has")
class EachClientKeepsThePolicyItConfigured(SqlQueue):
    """A client that configured a queue does not read the policy again."""

    def __init__(self, database: Any, namespace: str) -> None:
        super().__init__(database, namespace)
        self.known: dict[str, tuple[bytes, int]] = {}

    def policy(self, queue: str) -> tuple[bytes, int] | None:
        return self.known.get(queue) or super().policy(queue)

    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        self.known.pop(queue, None)
        await super().configure_dead_letter(queue, target, max_attempts)
        self.known[queue] = (self.key(target), max_attempts)


@mutant("dead_letter.4", "wrong state", trap="a dead message is leased in the target and acked there, beside another")
class ListedUntilTheQueueIsLookedAt(LedgerQueue):
    """The list of the dead is kept by the client and renewed when somebody dies."""

    def __init__(self, shelf: Any, namespace: str) -> None:
        super().__init__(shelf, namespace)
        self.lists: dict[str, tuple[int, list[QueueMessage]]] = {}

    async def dead_letters(self, queue: str) -> list[QueueMessage]:
        self.tidy(self.rules.queue(queue, "dead_letters"))
        dead = self.dead(queue)
        latest = max((entry.death for entry in dead), default=0)
        if queue not in self.lists or self.lists[queue][0] != latest:
            self.lists[queue] = (latest, [entry.message() for entry in dead])
        return [*self.lists[queue][1]]


@mutant("dead_letter.9", "lock kept", also="dead_letter.3", trap="a redrive is cancelled before it ends")
class RedriveKeepsItsLock(LedgerQueue):
    """A redrive that is cancelled leaves the queue marked as being redriven: later ones find nothing."""

    redriving: bool = False

    async def redrive(self, queue: str) -> int:
        self.rules.queue(queue, "redrive")
        if self.redriving:
            return 0
        self.redriving = True
        await asyncio.sleep(0)
        count = await super().redrive(queue)
        self.redriving = False
        return count
