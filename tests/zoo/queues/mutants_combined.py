"""Mutants of two things together: delays and takes of both kinds, priorities and deaths, redrives and what is leased."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from prism_testkit.interfaces import Bytes, Lease, QueueMessage
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Queue
from .stores import Changes, Config, FileStore, Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


# Takes of both kinds


@mutant(
    "visibility.2", "missing check", trap="a dequeue while the first is leased, of a queue with a delayed message", also="basic.2"
)
class ADequeueSeesLeasedBesideDelayed(Queue):
    """The dequeue looks at what is due first where anything is delayed, and forgets to ask for leases there."""

    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        name = self.name(queue, "dequeue")
        self.settle(name)
        if any(map(self.delayed, self.rows(name))):
            row = next((row for row in self.rows(name) if not self.delayed(row)), None)
            if row is not None:
                return self.pop(row)
        return await super().dequeue(queue, timeout_s)


@mutant("basic.3", "order", trap="a dequeue of what was released before", also="visibility.1 basic.5")
class WhatWasLeasedOnceIsPeekedLast(Queue):
    def shown(self, queue: str) -> Row | None:
        return min(
            (row for row in self.rows(queue) if self.available(row)), key=lambda r: (r.attempts > 0, self.order(r)), default=None
        )


@mutant("visibility.11", "lost", trap="a delayed message that was leased, and whose lease ended", also="visibility.3 delayed.4")
class AnEndedLeaseOfADelayedMessageIsItsEnd(Queue):
    def ended(self, row: Row, when: float) -> Row:
        found = super().ended(row, when)
        return replace(found, due=float("1e300")) if row.due and when >= row.until else found


@mutant("delayed.1", "sticky", trap="a delayed message that was released", also="visibility.7")
class AReleaseDelaysAgain(Queue):
    async def release(self, lease: Lease) -> None:
        row = self.held(lease, "release")
        again = self.notes_of(row)
        self.put(replace(self.ended(row, self.now()), due=self.deadline(again) if again else row.due))
        self.bury(self.name(lease.queue, "release"))

    def notes_of(self, row: Row) -> float:
        return float(self.store.notes.get(("delay", self.namespace, row.id), 0.0))

    async def enqueue_delayed(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, delay_s: float) -> str:
        found = await super().enqueue_delayed(queue, payload, headers, delay_s=delay_s)
        self.store.notes["delay", self.namespace, found] = max(delay_s, 0.0)
        return found


@mutant("delayed.2", "wrong count", trap="a look at what is scheduled while something is leased", also="delayed.1")
class LeasedIsScheduled(Queue):
    def scheduled(self, queue: str) -> int:
        return super().scheduled(queue) + sum(bool(row.token) and row.due > 0 for row in self.rows(queue))


@mutant("delayed.2", "wrong count", trap="a delayed message beside one that died, in the target", also="dead_letter.2")
class TheDeadAreScheduled(Queue):
    def scheduled(self, queue: str) -> int:
        return sum(not self.over(row.due) or (row.death > 0 and bool(row.token)) for row in self.rows(queue))


# Priorities


@mutant("priority.3", "lost on the way", trap="a lease of a high priority that ends by itself", also="priority.1")
class ADeadlineTakesThePriority(Queue):
    def ended(self, row: Row, when: float) -> Row:
        return replace(super().ended(row, when), priority=row.priority if when < row.until else 0)


@mutant("priority.3", "lost on the way", trap="an extended lease of a high priority, then released", also="priority.1")
class AnExtensionTakesThePriority(Queue):
    async def extend(self, lease: Lease, seconds: float) -> None:
        await super().extend(lease, seconds)
        row = self.held(lease, "extend")
        self.put(replace(row, priority=0))


@mutant("priority.1", "scope", trap="a priority and a plain message, the plain one delayed before", also="delayed.3")
class WhatIsDueComesFirst(Queue):
    def order(self, row: Row) -> Any:
        return not (row.due and self.over(row.due)), -row.priority, row.place


# Deaths and redrives


@mutant("dead_letter.5", "scope", trap="a redrive while one of the dead is leased", also="dead_letter.4 dead_letter.3")
class ARedriveEndsAtTheFirstLeased(Queue):
    def revive(self, queue: str) -> int:
        dead = self.dead(queue)
        cut = next((number for number, row in enumerate(dead) if row.token and not self.lapsed(row)), len(dead))
        for row in dead[:cut]:
            self.move(row, self.revived(row, queue))
        return cut


@mutant("dead_letter.5", "wrong count", trap="a redrive while one of the dead is leased")
class ARedriveCountsTheLeased(Queue):
    def revive(self, queue: str) -> int:
        count = len(self.dead(queue))
        super().revive(queue)
        return count


@mutant("dead_letter.4", "scope", trap="two queues with one target", also="dead_letter.5")
class ARedriveOfOneForgetsTheOther(Queue):
    def revive(self, queue: str) -> int:
        config = self.config(queue)
        found = super().revive(queue)
        for row in self.rows(config.target) if config and found else ():
            self.put(replace(row, origin=""))
        return found


@mutant("dead_letter.1", "sticky", trap="a message that was redriven and dies again", also="dead_letter.4")
class TheRedrivenDieOnceOnly(Queue):
    def doomed(self, row: Row, config: Config) -> bool:
        again = self.store.notes.setdefault(("redriven", self.namespace), set())
        return super().doomed(row, config) and row.id not in again

    def revived(self, row: Row, queue: str) -> Row:
        self.store.notes.setdefault(("redriven", self.namespace), set()).add(row.id)
        return super().revived(row, queue)


@mutant("dead_letter.1", "scope", trap="a target that has a configuration of its own", also="dead_letter.2")
class TargetsBuryNothing(Queue):
    def doomed(self, row: Row, config: Config) -> bool:
        return super().doomed(row, config) and not row.origin


@mutant(
    "dead_letter.6", "wrong condition", trap="a configuration while a message is leased for the last time", also="dead_letter.1"
)
class AConfigurationOfLeasedIsForLater(Queue):
    """What is leased when it is configured has its attempts counted from then on."""

    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        for row in self.rows(self.name(queue, "configure_dead_letter")):
            if row.token:
                self.put(replace(row, attempts=1))
        await super().configure_dead_letter(queue, target, max_attempts)


@mutant("dead_letter.6", "side effect", trap="another target, with the dead in the old one", also="dead_letter.3 dead_letter.2")
class AnotherTargetEmptiesTheOld(Queue):
    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        config = self.config(queue)
        if config is not None and config.target != target:
            for row in self.dead(queue):
                self.remove(row)
        await super().configure_dead_letter(queue, target, max_attempts)


@mutant("dead_letter.2", "lost on the way", trap="a message that was delayed dies", also="dead_letter.3 delayed.4")
class TheDelayedDieIntoTheirDelay(Queue):
    def corpse(self, row: Row, target: str) -> Row:
        return replace(super().corpse(row, target), due=self.deadline(3600.0) if row.due else 0.0)


@mutant(
    "dead_letter.7",
    "missing case",
    trap="a dequeue of a message that had failed before",
    also="basic.2 dead_letter.3 dead_letter.4",
)
class ADequeueOfWhatFailedIsAnAttempt(Queue):
    """Taken for good on what would be its last attempt, it is found among the dead as well."""

    def pop(self, row: Row) -> QueueMessage:
        config = self.config(row.queue)
        if config is not None and row.attempts and row.attempts + 1 >= config.max_attempts:
            self.move(row, self.corpse(row, config.target))
            return self.message(row)
        return super().pop(row)


@mutant("dead_letter.2", "wrong count", trap="a dead message received from its target, at once", also="visibility.3")
class TheDeadGoOnCounting(Queue):
    def leased(self, row: Row) -> Lease:
        found = super().leased(row)
        return replace(found, attempt=found.attempt + 1) if row.death else found


# Kills


class _Logs(FileStore):
    def logged(self, row: Row) -> Row:
        raise NotImplementedError

    def write(self, namespace: str, changes: Changes) -> None:
        super().write(namespace, {slot: self.logged(row) if isinstance(row, Row) else row for slot, row in changes.items()})


@mutant("visibility.13", "missing case", trap="kill after a lease of a delayed message")
class LeasesOfDelayedAreNotLogged(_Logs):
    def logged(self, row: Row) -> Row:
        return replace(row, token="", until=0.0) if row.due and row.token else row


@mutant("dead_letter.8", "missing case", trap="kill after deaths of two priorities", also="dead_letter.4")
class TheOrderOfDeathsIsThatOfTheLog(_Logs):
    def logged(self, row: Row) -> Row:
        return replace(row, death=1) if row.death else row


@mutant("visibility.13", "missing case", trap="kill after an extension to earlier", also="visibility.6")
class EarlierDeadlinesAreNotLogged(_Logs):
    def logged(self, row: Row) -> Row:
        known = next(
            (
                space.queues.get(row.queue, {}).get(row.id)
                for space in self.spaces.values()
                if row.id in space.queues.get(row.queue, {})
            ),
            None,
        )
        return (
            replace(row, until=known.until) if known is not None and known.token == row.token and known.until > row.until else row
        )


@mutant("visibility.13", "missing case", trap="kill after a redriven message was leased", also="dead_letter.8")
class AttemptsOfTheRedrivenAreThoseBefore(_Logs):
    def logged(self, row: Row) -> Row:
        before = self.notes.setdefault("before", {})
        if row.origin == "" and row.attempts:
            before[row.id] = max(row.attempts, before.get(row.id, 0))
            return replace(row, attempts=before[row.id])
        return row
