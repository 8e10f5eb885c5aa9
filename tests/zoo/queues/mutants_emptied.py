"""Mutants that forget something when the last of it goes, and nothing before."""

from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Queue
from .stores import Changes, Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _Emptied(Queue):
    def apply(self, changes: Changes) -> None:
        before = {name for name, rows in self.space().queues.items() if rows}
        super().apply(changes)
        for name in before:
            if not self.space().queues.get(name):
                self.emptied(name)

    def emptied(self, queue: str) -> None:
        """The last message of a queue is gone."""


@mutant("dead_letter.6", "cleaning up", trap="a queue that was emptied, and its configuration", also="dead_letter.1")
class AnEmptiedQueueForgetsItsConfiguration(_Emptied):
    def emptied(self, queue: str) -> None:
        self.space().configs.pop(queue, None)


@mutant("basic.2", "cleaning up", trap="ids in a queue that was emptied", also="visibility.11 visibility.5 basic.3")
class AnEmptiedQueueCountsFromOne(_Emptied):
    def emptied(self, queue: str) -> None:
        if not any(self.space().queues.values()):
            self.space().serial = 0


@mutant("dead_letter.4", "cleaning up", trap="a target that was emptied", also="dead_letter.1 dead_letter.6")
class AnEmptiedTargetEndsTheConfiguration(_Emptied):
    def emptied(self, queue: str) -> None:
        for name, config in list(self.space().configs.items()):
            if config.target == queue:
                self.space().configs.pop(name)


@mutant("basic.4", "lost wakeup", trap="a take that waits on a queue that was emptied", also="visibility.9")
class WhoWaitsOnAnEmptiedQueueIsNotWoken(_Emptied):
    def emptied(self, queue: str) -> None:
        self.store.notes.setdefault("emptied", set()).add((self.namespace, queue))

    def insert(self, row: Row) -> str:
        emptied = self.store.notes.setdefault("emptied", set())
        if (self.namespace, row.queue) not in emptied:
            return super().insert(row)
        emptied.discard((self.namespace, row.queue))
        waiting, self.store.waiting = self.store.waiting, set()
        try:
            return super().insert(row)
        finally:
            self.store.waiting |= waiting
