"""Mutants whose mistake needs a small number: the first messages of a store, a second attempt, two that die at one look."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from prism_testkit.interfaces import Lease
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Queue
from .stores import Changes, Config, Row, Store

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("basic.3", "numbers as text", trap="the first ten messages of a store", also="visibility.1 priority.2 priority.1")
class PlacesAreTexts(Queue):
    def order(self, row: Row) -> Any:
        return -row.priority, str(row.place)


@mutant("basic.2", "numbers as text", trap="the first hundred messages of a store", also="basic.1 visibility.1 basic.3")
class IdsHaveTwoDigits(Queue):
    """A column of two characters."""

    def new_id(self, queue: str) -> str:
        return str(self.serial())[:2]


@mutant("basic.3", "numbers as text", trap="the first hundred messages of a store", also="visibility.1 priority.2 priority.1")
class PlacesHaveTwoDigits(Queue):
    """Padded with zeros, to two."""

    def order(self, row: Row) -> Any:
        return -row.priority, f"{row.place:02d}"


@mutant("dead_letter.4", "numbers as text", trap="the first ten deaths of a store", also="dead_letter.5")
class DeathsAreTexts(Queue):
    def dead(self, queue: str) -> list[Row]:
        return sorted(super().dead(queue), key=lambda row: str(row.death))


@mutant("dead_letter.5", "numbers as text", trap="the first ten deaths of a store, redriven", also="dead_letter.4")
class RedrivenInTheOrderOfTexts(Queue):
    def revive(self, queue: str) -> int:
        rows = sorted((row for row in self.dead(queue) if not row.token or self.lapsed(row)), key=lambda row: str(row.death))
        for row in rows:
            self.move(row, self.revived(row, queue))
        return len(rows)


@mutant("priority.2", "numbers as text", trap="the first messages of one priority in a store", also="priority.1 basic.3")
class PlacesOfAPriorityAreTexts(Queue):
    """The plain ones are ordered by number."""

    def order(self, row: Row) -> Any:
        return -row.priority, row.place if not row.priority else 0, str(row.place)


@mutant("visibility.9", "first time only", trap="a second lease is released while another waits", also="visibility.7 basic.4")
class OnlyTheFirstReleaseWakes(Queue):
    async def release(self, lease: Lease) -> None:
        waiting = set(self.store.waiting)
        if lease.attempt > 1:
            self.store.waiting.clear()
        try:
            await super().release(lease)
        finally:
            self.store.waiting |= waiting


class _Sweeps(Queue):
    """What dies at one look is moved in one statement."""

    def together(self, rows: list[Row]) -> Iterable[Row]:
        return rows

    def bury(self, queue: str) -> None:
        config = self.config(queue)
        if config is None:
            return
        doomed = sorted((r for r in self.rows(queue) if self.doomed(r, config)), key=lambda row: row.ended)
        for row, moved in zip(doomed, self.together([self.corpse(row, config.target) for row in doomed]), strict=True):
            self.move(row, moved)


@mutant("dead_letter.2", "batch", trap="two messages with headers die at one look", also="dead_letter.3")
class OfTwoThatDieTogetherHeadersAreLost(_Sweeps):
    def together(self, rows: list[Row]) -> Iterable[Row]:
        return [replace(row, headers={}) for row in rows] if len(rows) > 1 else rows


@mutant("dead_letter.2", "batch", trap="two messages die at one look", also="dead_letter.3 dead_letter.4")
class OfTwoThatDieTogetherPayloadsAreOne(_Sweeps):
    def together(self, rows: list[Row]) -> Iterable[Row]:
        return [replace(row, payload=rows[-1].payload) for row in rows]


@mutant("dead_letter.1", "batch", trap="eleven messages die at one look", also="dead_letter.3 dead_letter.4")
class ALookBuriesTen(Queue):
    def bury(self, queue: str) -> None:
        config = self.config(queue)
        if config is not None:
            doomed = sorted((r for r in self.rows(queue) if self.doomed(r, config)), key=lambda row: row.ended)
            for row in doomed[:10]:
                self.move(row, self.corpse(row, config.target))
            for row in doomed[10:]:
                self.remove(row)


@mutant("priority.3", "boundary", trap="a message of priority 9 is released above one of priority 8", also="priority.1")
class NineComesBackAsEight(Queue):
    async def release(self, lease: Lease) -> None:
        row = self.held(lease, "release")
        await super().release(lease)
        if row.priority == 9:
            for found in self.rows(row.queue):
                if found.id == row.id:
                    self.put(replace(found, priority=8))


@mutant("priority.3", "boundary", trap="a message of priority 1 runs out above one of priority 0", also="priority.1")
class OneComesBackAsZero(Queue):
    def ended(self, row: Row, when: float) -> Row:
        return replace(super().ended(row, when), priority=0 if row.priority == 1 else row.priority)


@mutant("priority.3", "boundary", trap="a message that is released twice, above one of the next lower priority", also="priority.1")
class TheSecondReleaseCostsAPriority(Queue):
    async def release(self, lease: Lease) -> None:
        row = self.held(lease, "release")
        await super().release(lease)
        if row.attempts == 2 and row.priority:
            for found in self.rows(row.queue):
                if found.id == row.id:
                    self.put(replace(found, priority=row.priority - 1))


@mutant("dead_letter.2", "numbers as text", trap="a configuration of ten attempts or more", also="dead_letter.1")
class AttemptsAreComparedAsTexts(Queue):
    def doomed(self, row: Row, config: Config) -> bool:
        return not row.token and bool(row.attempts) and str(row.attempts) >= str(config.max_attempts)


@mutant("delayed.2", "numbers as text", trap="ten delayed messages or more in a store", also="delayed.1")
class TheCountOfScheduledIsOneDigit(Queue):
    def scheduled(self, queue: str) -> int:
        return int(str(super().scheduled(queue))[:1])


@mutant("basic.2", "fresh store", trap="the very first message of a store is acked, and one more comes", also="basic.1")
class SerialsBeginAnewWhereAllIsGone(Store):
    """An id is one above the highest there is (SQLite without AUTOINCREMENT)."""

    def apply(self, namespace: str, changes: Changes) -> None:
        super().apply(namespace, changes)
        space = self.space(namespace)
        rows = [row for queue in space.queues.values() for row in queue.values()]
        if not rows:
            space.serial = 0
