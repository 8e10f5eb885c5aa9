"""Mutants of the sixteenth examination: what is counted, paged or cut where there are many."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from prism_testkit.interfaces import Bytes, Lease
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Queue
from .stores import Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)
T = TypeVar("T")


@mutant("visibility.9", "bounded look", trap="the 17th of many leases ends first, and somebody waits", also="delayed.5")
class WaitsKnowSixteenInstants(Queue):
    def instants(self, queue: str) -> list[float]:
        return super().instants(queue)[:16]


@mutant("basic.4", "bounded tries", trap="a hundred messages elsewhere while somebody waits", also="visibility.9 delayed.5")
class WaitsMakeSoManyRounds(Queue):
    async def take(self, queue: str, timeout_s: float, how: Callable[[Row], T]) -> T | None:
        end = self.after(timeout_s)
        for _ in range(100):
            self.settle(queue)
            row = self.first(queue)
            if row is not None:
                return how(row)
            if timeout_s <= 0 or self.over(end):
                return None
            await self.pause(queue, end)
            await asyncio.sleep(0)
        return None


@mutant("dead_letter.5", "page", trap="a redrive of more than 500")
class ARedriveMovesAPage(Queue):
    def revive(self, queue: str) -> int:
        rows = [row for row in self.dead(queue) if not row.token or self.lapsed(row)][:500]
        for row in rows:
            self.move(row, self.revived(row, queue))
        return len(rows)


@mutant("visibility.5", "integer", trap="the lease of 256 deliveries ago", also="visibility.2 visibility.4")
class TokensAreBytes(Queue):
    """They count the deliveries of a message."""

    def lease(self, row: Row, seconds: float) -> Lease:
        counts: dict[str, int] = self.store.notes.setdefault((self.namespace, "tokens"), {})
        counts[row.id] = counts.get(row.id, 0) + 1
        lease = replace(super().lease(row, seconds), token=str(counts[row.id] % 256 + 1))
        self.put(replace(self.space().queues[row.queue][row.id], token=lease.token))
        return lease


@mutant("basic.1", "cache", trap="messages with three headers of the same names, and other values")
class HeadersAreKeptByTheirNames(Queue):
    def labels(self, headers: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        labels = super().labels(headers, operation)
        kept: dict[tuple[str, ...], Mapping[str, str]] = self.store.notes.setdefault((self.namespace, "labels"), {})
        return kept.setdefault(tuple(labels), labels) if len(labels) > 2 else labels


@mutant("basic.2", "bounded cache", trap="a thousand queues are used between two uses of one", also="basic.10 basic.6")
class AThousandQueuesAreKept(Queue):
    async def enqueue(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        identity = await super().enqueue(queue, payload, headers)
        queues = self.space().queues
        if len(queues) > 1000:
            del queues[next(iter(queues))]
        return identity
