"""Mutants on whose cancelled calls something is left behind that only the next call of another kind shows."""

from collections.abc import Mapping
from dataclasses import replace

from prism_testkit.interfaces import Bytes, Lease, QueueMessage
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Queue, step
from .stores import Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("priority.1", "leftover", trap="a plain enqueue behind a cancelled one with a priority", also="basic.11 priority.4")
class APriorityThatWasCancelledIsOfTheNext(Queue):
    rank_of_next = 0

    async def enqueue_with_priority(
        self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, priority: int = 0
    ) -> str:
        rank = self.rank(priority, "enqueue_with_priority")
        self.rank_of_next = rank
        await step()
        return self.add("enqueue_with_priority", queue, payload, headers)

    def insert(self, row: Row) -> str:
        rank, self.rank_of_next = self.rank_of_next, 0
        return super().insert(replace(row, priority=rank))


@mutant("delayed.1", "leftover", trap="a plain enqueue behind a cancelled one with a delay", also="basic.11 delayed.3 delayed.4")
class ADelayThatWasCancelledIsOfTheNext(Queue):
    due_of_next = 0.0

    async def enqueue_delayed(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, delay_s: float) -> str:
        delay = self.delay(delay_s, "enqueue_delayed")
        self.due_of_next = self.deadline(delay) if delay > 0 else 0.0
        await step()
        return self.add("enqueue_delayed", queue, payload, headers)

    def insert(self, row: Row) -> str:
        due, self.due_of_next = self.due_of_next, 0.0
        return super().insert(replace(row, due=due))


@mutant("basic.11", "leftover", trap="a take behind a cancelled peek", also="basic.5 basic.2")
class ATakeBehindACancelledPeekOnlyLooks(Queue):
    looking = False

    async def peek(self, queue: str) -> QueueMessage | None:
        self.looking = True
        await step()
        self.looking = False
        return await super().peek(queue)

    def pop(self, row: Row) -> QueueMessage:
        looking, self.looking = self.looking, False
        return self.message(row) if looking else super().pop(row)


@mutant("visibility.12", "leftover", trap="a receive behind a cancelled extension", also="visibility.6 visibility.3")
class TheTimeOfACancelledExtensionIsOfTheNextLease(Queue):
    wanted_s: float | None = None

    async def extend(self, lease: Lease, seconds: float) -> None:
        self.wanted_s = self.visibility(seconds, "extend")
        await step()
        self.wanted_s = None
        await super().extend(lease, seconds)

    def lease(self, row: Row, seconds: float) -> Lease:
        wanted, self.wanted_s = self.wanted_s, None
        return super().lease(row, seconds if wanted is None else wanted)


@mutant("dead_letter.9", "leftover", trap="a death behind a cancelled redrive", also="dead_letter.1 dead_letter.3")
class NothingDiesBehindACancelledRedrive(Queue):
    moving = False

    async def redrive(self, queue: str) -> int:
        self.moving = True
        await step()
        self.moving = False
        return await super().redrive(queue)

    def bury(self, queue: str) -> None:
        if not self.moving:
            super().bury(queue)


@mutant("visibility.12", "leftover", trap="an ack behind a cancelled release", also="visibility.4 visibility.7")
class AnAckBehindACancelledReleaseReleases(Queue):
    releasing = False

    async def release(self, lease: Lease) -> None:
        self.releasing = True
        await step()
        self.releasing = False
        await super().release(lease)

    async def ack(self, lease: Lease) -> None:
        releasing, self.releasing = self.releasing, False
        await (super().release(lease) if releasing else super().ack(lease))
