"""Mutants of the thirteenth round: queues that keep heaps, from whose middle something goes."""

import heapq
from typing import Any

from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Queue
from .stores import Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


def synchronised(heap: list[Any], wanted: dict[Any, Any], remove: Any) -> None:
    """Let a heap of (order, key) hold what is wanted: what goes from its top is popped, the rest is removed from its middle."""
    while heap and wanted.get(heap[0][1]) != heap[0][0]:
        heapq.heappop(heap)
    for entry in [entry for entry in heap if wanted.get(entry[1]) != entry[0]]:
        remove(heap, entry)
    known = {key for _, key in heap}
    for key, order in wanted.items():
        if key not in known:
            heapq.heappush(heap, (order, key))


class HeapOfRows(Queue):
    """The available rows of a queue, as a heap; a right one, but for what a mutant does in `without`."""

    def first(self, queue: str) -> Row | None:
        heap = self.store.notes.setdefault((self.namespace, queue, "rows"), [])
        rows = {row.id: row for row in self.rows(queue) if self.available(row)}
        synchronised(heap, {row.id: self.order(row) for row in rows.values()}, self.without)
        return rows[heap[0][1]] if heap else None

    def without(self, heap: list[Any], entry: Any) -> None:
        """Remove an entry that is not the first."""
        heap.remove(entry)
        heapq.heapify(heap)


@mutant("dead_letter.5", "missing step", trap="a redrive of many, from the middle of a long target", also="priority.1 visibility.1")
class RemovesFromTheMiddleOfItsHeap(HeapOfRows):
    def without(self, heap: list[Any], entry: Any) -> None:
        heap.remove(entry)


@mutant(
    "priority.1", "missing step", trap="many that die at once, among others of all priorities", also="dead_letter.5 visibility.1"
)
class FillsTheHoleWithTheLast(HeapOfRows):
    """As a heap does, but the last one stays where the hole was."""

    def without(self, heap: list[Any], entry: Any) -> None:
        hole, last = heap.index(entry), heap.pop()
        if hole < len(heap):
            heap[hole] = last


@mutant("visibility.3", "missing step", trap="many leases, of which some are acked out of turn", also="visibility.6 visibility.9")
class LosesTheOrderOfDeadlines(Queue):
    """Only the lease that ends first is looked at."""

    def settle(self, queue: str) -> None:
        heap = self.store.notes.setdefault((self.namespace, queue, "leases"), [])
        leased = {row.id: row for row in self.rows(queue) if row.token}
        while True:
            synchronised(heap, {row.id: row.until for row in leased.values()}, list.remove)
            if not heap or not self.over(heap[0][0]):
                break
            row = leased.pop(heap[0][1])
            self.put(self.ended(row, row.until))
        self.bury(queue)


@mutant("dead_letter.1", "boundary", trap="more than a hundred that die at once", also="dead_letter.4 dead_letter.3")
class BuriesAHundredALook(Queue):
    def bury(self, queue: str) -> None:
        config = self.config(queue)
        if config is not None:
            doomed = sorted((row for row in self.rows(queue) if self.doomed(row, config)), key=lambda row: row.ended)
            for row in doomed[:100]:
                self.move(row, self.corpse(row, config.target))


@mutant("dead_letter.5", "boundary", trap="more than 256 dead messages", also="dead_letter.4 dead_letter.1")
class KnowsTheFirstDeadOnly(Queue):
    """A page of them."""

    def dead(self, queue: str) -> list[Row]:
        return super().dead(queue)[:256]
