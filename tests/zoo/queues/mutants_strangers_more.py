"""Mutants of strangers, the third round: configurations that meet, groups of calls, and looks that are shared."""

import asyncio
from dataclasses import replace

from prism_testkit.interfaces import Lease, QueueMessage
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Queue, step
from .stores import Config, Row, Store

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("dead_letter.6", "wrong condition", trap="two queues that are each the target of the other")
class CyclesAreRefused(Queue):
    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        other = self.config(self.name(target, "configure_dead_letter"))
        if other is not None and other.target == queue:
            raise ValueError("zoo: configure_dead_letter: this is a cycle")
        await super().configure_dead_letter(queue, target, max_attempts)


@mutant("dead_letter.5", "wrong set", trap="two queues with one target, of which one is redriven", also="dead_letter.4")
class RedriveTakesAllOfTheTarget(Queue):
    """Whatever died, wherever."""

    def revive(self, queue: str) -> int:
        config = self.config(queue)
        if config is None:
            return 0
        rows = [row for row in self.rows(config.target) if row.origin and not row.token]
        for row in sorted(rows, key=lambda row: row.death):
            self.move(row, self.revived(row, queue))
        return len(rows)


@mutant(
    "dead_letter.4", "stale field", trap="a new target, while dead messages are in the old one", also="dead_letter.5 dead_letter.6"
)
class TheDeadFollowTheConfiguration(Queue):
    """A new target, and they are moved there: and lose where they died."""

    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        old = self.config(self.name(queue, "configure_dead_letter"))
        dead = self.dead(queue) if old is not None and old.target != target else []
        await super().configure_dead_letter(queue, target, max_attempts)
        for row in dead:
            self.move(row, replace(row, queue=target, origin=""))


@mutant(
    "basic.5", "shared look", trap="a peek that begins after a take returned, while an older peek is under way", also="basic.10"
)
class PeeksJoinAnOlderLook(Queue):
    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.flights: dict[str, asyncio.Future[QueueMessage | None]] = {}

    async def peek(self, queue: str) -> QueueMessage | None:
        name = self.name(queue, "peek")
        if name in self.flights:
            return await asyncio.shield(self.flights[name])
        flight = self.flights[name] = asyncio.get_running_loop().create_future()
        found = await super().peek(queue)
        try:
            await step()
        finally:
            del self.flights[name]
            flight.set_result(found)
        return found


@mutant("visibility.6", "wrong base", trap="extend while more than its seconds are left", also="visibility.3 visibility.2")
class ExtendOnlyEverLengthens(Queue):
    async def extend(self, lease: Lease, seconds: float) -> None:
        row = self.held(lease, "extend")
        self.put(replace(row, until=max(row.until, self.deadline(self.visibility(seconds, "extend")))))


@mutant(
    "delayed.4", "interaction", trap="a delayed message that is due, leased, and released", also="delayed.2 basic.5 visibility.7"
)
class ScheduledCountsWhatWasDelayed(Queue):
    """A delay that is over counts again while its message is leased."""

    def scheduled(self, queue: str) -> int:
        return sum(self.delayed(row) or (bool(row.due) and bool(row.token)) for row in self.rows(queue))


@mutant("delayed.2", "interaction", trap="a delayed message dies, and lies in its target", also="delayed.1 dead_letter.2")
class DeathDelaysAnew(Queue):
    """A corpse keeps the seconds of its delay."""

    def insert(self, row: Row) -> str:
        if row.due:
            self.store.notes[self.namespace, row.id] = row.due - self.now()
        return super().insert(row)

    def corpse(self, row: Row, target: str) -> Row:
        seconds = self.store.notes.get((self.namespace, row.id), 0)
        return replace(super().corpse(row, target), due=self.deadline(seconds) if seconds > 0 else 0.0)


@mutant(
    "priority.4",
    "interaction",
    trap="a message with a priority that dies, or is redriven, is lost",
    also="dead_letter.2 dead_letter.3 dead_letter.1 dead_letter.4",
)
class TheDeadOfHighPriorityStay(Queue):
    """Of the rows of a queue only those of priority 0 are looked through for what has failed."""

    def doomed(self, row: Row, config: Config) -> bool:
        return super().doomed(row, config) and row.priority == 0


@mutant("visibility.12", "cancellation", trap="a release that is cancelled", also="visibility.7 visibility.11")
class CancelledReleaseForgetsTheLease(Queue):
    async def release(self, lease: Lease) -> None:
        row = self.held(lease, "release")
        self.put(replace(row, until=self.now() + 1e9))
        await step()
        self.put(self.ended(row, self.now()))
        self.bury(row.queue)


@mutant(
    "dead_letter.6",
    "forgotten state",
    trap="a queue that an ack used up",
    also="dead_letter.1 dead_letter.4",
)
class TheLastAckForgetsTheConfiguration(Queue):
    """Of a queue that has become empty nothing is kept."""

    async def ack(self, lease: Lease) -> None:
        row = self.held(lease, "ack")
        await super().ack(lease)
        if not self.rows(row.queue):
            self.space().configs.pop(row.queue, None)


@mutant("dead_letter.6", "forgotten state", trap="a target that was emptied", also="dead_letter.1 dead_letter.4")
class AnEmptiedTargetIsNoTarget(Queue):
    """Who takes the last message of a target forgets what led there."""

    async def ack(self, lease: Lease) -> None:
        row = self.held(lease, "ack")
        await super().ack(lease)
        configs = self.space().configs
        if row.origin and not self.rows(row.queue):
            for queue in [queue for queue, config in configs.items() if config.target == row.queue]:
                del configs[queue]
