"""Mutants that do not wake who waits while there is something that is not for him."""

import asyncio

from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Queue
from .stores import Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _Silent(Queue):
    def silent(self, row: Row) -> bool:
        """Return whether nobody is told of a new message."""
        return False

    def insert(self, row: Row) -> str:
        waiting = set(self.store.waiting)
        if self.silent(row):
            self.store.waiting.clear()
        try:
            return super().insert(row)
        finally:
            self.store.waiting |= waiting


@mutant("basic.4", "lost wake", trap="a take waits while another message of its queue is leased", also="visibility.9")
class BesideALeaseNobodyIsWoken(_Silent):
    def silent(self, row: Row) -> bool:
        return any(each.token for each in self.rows(row.queue))


@mutant("basic.4", "lost wake", trap="a take waits while another message of its queue is delayed", also="visibility.9 delayed.4")
class BesideADelayNobodyIsWoken(_Silent):
    def silent(self, row: Row) -> bool:
        return any(map(self.delayed, self.rows(row.queue)))


@mutant("basic.4", "lost wake", trap="a take waits while another queue is full", also="visibility.9 basic.6")
class BesideAFullQueueNobodyIsWoken(_Silent):
    def silent(self, row: Row) -> bool:
        return any(len(rows) > 9 for name, rows in self.space().queues.items() if name != row.queue)


@mutant("priority.1", "lost wake", trap="a take waits, and a message with a priority comes", also="basic.4 visibility.9")
class BesideALeaseOfAHigherPriorityNobodyIsWoken(_Silent):
    def silent(self, row: Row) -> bool:
        return any(each.priority > row.priority for each in self.rows(row.queue))


@mutant("basic.4", "lost wake", trap="a take waits while another one is cancelled", also="visibility.9")
class WhoIsCancelledTakesAllWithHim(Queue):
    async def pause(self, queue: str, end: float) -> None:
        try:
            await super().pause(queue, end)
        except asyncio.CancelledError:
            self.store.waiting.clear()
            raise


@mutant("basic.4", "lost wake", trap="a take waits while another one ends in vain", also="visibility.9")
class WhoWaitsInVainTakesAllWithHim(Queue):
    async def pause(self, queue: str, end: float) -> None:
        await super().pause(queue, end)
        if self.over(end):
            self.store.waiting.clear()


@mutant("basic.4", "lost wake", trap="a take waits while something is redriven", also="visibility.9 dead_letter.5")
class ARedriveOfNothingForgetsWhoWaits(Queue):
    async def redrive(self, queue: str) -> int:
        found = await super().redrive(queue)
        if not found:
            self.store.waiting.clear()
        return found
