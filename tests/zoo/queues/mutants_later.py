"""Mutants that are right the first time: a second lease, a third attempt, another death of the same message."""

from collections.abc import Callable
from dataclasses import replace

from prism_testkit.interfaces import Lease, QueueMessage
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Queue, T
from .stores import Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("visibility.5", "missing check", trap="an earlier lease that is the second itself", also="visibility.4 visibility.2")
class LaterLeasesAreByMessage(Queue):
    def valid(self, row: Row, lease: Lease) -> bool:
        return super().valid(row, lease) or (lease.attempt > 1 and bool(row.token) and not self.lapsed(row))


@mutant("visibility.5", "missing check", trap="an ack of a second lease past its deadline", also="visibility.4 visibility.3")
class LaterLeasesNeverLapse(Queue):
    def held(self, lease: Lease, operation: str) -> Row:
        row = self.space().queues.get(self.name(lease.queue, operation), {}).get(lease.message.id)
        if lease.attempt > 1 and row is not None and row.token == lease.token:
            return row
        return super().held(lease, operation)


@mutant("visibility.3", "stale state", trap="a second lease of another length", also="visibility.1")
class TheFirstLengthStays(Queue):
    def lease(self, row: Row, seconds: float) -> Lease:
        lengths = self.store.notes.setdefault(("lengths", self.namespace), {})
        return super().lease(row, lengths.setdefault((row.queue, row.id), seconds))


@mutant("visibility.6", "wrong base", trap="a second extension of one lease", also="visibility.3")
class ASecondExtensionAdds(Queue):
    async def extend(self, lease: Lease, seconds: float) -> None:
        extended = self.store.notes.setdefault(("extended", self.namespace), set())
        row = self.held(lease, "extend")
        if row.token in extended:
            wanted = self.visibility(seconds, "extend")
            self.put(replace(row, until=row.until + wanted))
            return
        extended.add(row.token)
        await super().extend(lease, seconds)


@mutant("visibility.6", "forgotten", trap="a second extension of one lease, too", also="visibility.3")
class ASecondExtensionIsNone(Queue):
    async def extend(self, lease: Lease, seconds: float) -> None:
        extended = self.store.notes.setdefault(("extended", self.namespace), set())
        row = self.held(lease, "extend")
        if row.token not in extended:
            extended.add(row.token)
            await super().extend(lease, seconds)


@mutant("visibility.6", "forgotten", trap="an extension of a second lease", also="visibility.3")
class ExtensionsOfLaterLeasesAreNone(Queue):
    async def extend(self, lease: Lease, seconds: float) -> None:
        if lease.attempt == 1:
            await super().extend(lease, seconds)
        else:
            self.held(lease, "extend")


@mutant("visibility.7", "wrong state", trap="a second release", also="visibility.3")
class ASecondReleaseWaitsForItsDeadline(Queue):
    async def release(self, lease: Lease) -> None:
        if lease.attempt == 1:
            await super().release(lease)
        else:
            self.held(lease, "release")


@mutant("priority.3", "lost on the way", trap="a second release of what has a priority", also="priority.1")
class PrioritiesLastForOneReturn(Queue):
    def ended(self, row: Row, when: float) -> Row:
        ended = super().ended(row, when)
        return replace(ended, priority=0) if row.attempts > 1 else ended


@mutant("basic.2", "lost on the way", trap="the headers of a third attempt", also="visibility.7 visibility.1")
class HeadersLastForTwoAttempts(Queue):
    def message(self, row: Row) -> QueueMessage:
        return replace(super().message(row), headers={}) if row.attempts > 2 else super().message(row)


@mutant("dead_letter.5", "never reset", trap="a second redrive of one message", also="dead_letter.1")
class AttemptsAreResetOnce(Queue):
    def revived(self, row: Row, queue: str) -> Row:
        revived = self.store.notes.setdefault(("revived", self.namespace), set())
        before = row.id in revived
        revived.add(row.id)
        return replace(super().revived(row, queue), attempts=1 if before else 0)


@mutant("dead_letter.4", "forgotten", trap="a second death of one message", also="dead_letter.5")
class ASecondDeathIsNotListed(Queue):
    def corpse(self, row: Row, target: str) -> Row:
        died = self.store.notes.setdefault(("died", self.namespace), set())
        before = row.id in died
        died.add(row.id)
        corpse = super().corpse(row, target)
        return replace(corpse, origin="") if before else corpse


@mutant("dead_letter.4", "order", trap="a second death of one message, among first ones", also="dead_letter.5")
class ASecondDeathIsAsOldAsTheFirst(Queue):
    def corpse(self, row: Row, target: str) -> Row:
        deaths = self.store.notes.setdefault(("deaths", self.namespace), {})
        corpse = super().corpse(row, target)
        return replace(corpse, death=deaths.setdefault(row.id, corpse.death))


@mutant("dead_letter.6", "stale state", trap="a third configuration of one queue", also="dead_letter.1")
class AThirdConfigurationIsNone(Queue):
    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        counts = self.store.notes.setdefault(("configured", self.namespace), {})
        counts[queue] = counts.get(queue, 0) + 1
        if counts[queue] < 3:
            await super().configure_dead_letter(queue, target, max_attempts)


@mutant("dead_letter.2", "never reset", trap="a message that dies in a target that is configured itself", also="dead_letter.1")
class AttemptsGoOnInALaterTarget(Queue):
    def corpse(self, row: Row, target: str) -> Row:
        corpse = super().corpse(row, target)
        return replace(corpse, attempts=1) if row.origin else corpse


@mutant("delayed.2", "missing check", trap="two delays that end at one instant", also="delayed.1")
class DelaysOfTheSecondMessageOfAnInstantAreLost(Queue):
    def insert(self, row: Row) -> str:
        if row.due and any(other.due == row.due for other in self.rows(row.queue)):
            row = replace(row, due=0.0)
        return super().insert(row)


@mutant("basic.5", "cache", trap="a peek behind two takes", also="basic.1")
class PeeksAreKeptBehindTheSecond(Queue):
    async def peek(self, queue: str) -> QueueMessage | None:
        peeks = self.store.notes.setdefault(("peeks", self.namespace), {})
        count, kept = peeks.get(queue, (0, None))
        found = await super().peek(queue)
        if count % 3 == 2 and kept is not None and found is not None:
            found = kept
        peeks[queue] = count + 1, found
        return found


def _second(calls: dict[str, int], queue: str) -> bool:
    calls[queue] = calls.get(queue, 0) + 1
    return calls[queue] % 2 == 0


@mutant("visibility.9", "lost wakeup", trap="two receives that wait one after the other", also="visibility.7 basic.4")
class EachSecondWaitIsNotWoken(Queue):
    async def take(self, queue: str, timeout_s: float, how: Callable[[Row], T]) -> T | None:
        if timeout_s > 0 and _second(self.store.notes.setdefault(("waits", self.namespace), {}), queue):
            found = await super().take(queue, 0, how)
            if found is not None:
                return found
            await self.store.clock.sleep(min(timeout_s, 600.0))
        return await super().take(queue, timeout_s, how)
