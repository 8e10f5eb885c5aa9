"""Mutants of the nineteenth examination: the dead beside priorities, calls inside a call, wakes, and what is cancelled or kept."""

import asyncio
import sys
from dataclasses import dataclass, replace

from prism_testkit.interfaces import Lease
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Queue, step
from .stores import Row, Store
from .unusual_timing import UndoesCancelledTakes

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("dead_letter.4", "order", trap="messages of several priorities die", also="dead_letter.5")
class TheDeadAreListedByPriority(Queue):
    def dead(self, queue: str) -> list[Row]:
        return sorted(super().dead(queue), key=lambda row: (-row.priority, row.death))


class Dallying(Queue):
    """It is right, and lets others run before each of its calls: more often than a wrong one does in its middle."""

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        await step(5)
        return await super().receive(queue, visibility_s, timeout_s)

    async def release(self, lease: Lease) -> None:
        await step(5)
        await super().release(lease)

    async def ack(self, lease: Lease) -> None:
        await step(5)
        await super().ack(lease)


@mutant(
    "visibility.5",
    "race",
    trap="a release and a receive within an extend",
    also="visibility.2 visibility.4 visibility.6 visibility.7 visibility.8",
)
class ExtendsWhatIsAnothersNow(Dallying):
    async def extend(self, lease: Lease, seconds: float) -> None:
        row = self.held(lease, "extend")
        await step(2)
        self.put(replace(row, until=self.deadline(self.visibility(seconds, "extend"))))


@mutant(
    "visibility.5",
    "race",
    trap="a release and a receive within an ack",
    also="visibility.2 visibility.4 visibility.7 visibility.8 basic.2",
)
class AcksWhatIsAnothersNow(Dallying):
    async def ack(self, lease: Lease) -> None:
        row = self.held(lease, "ack")
        await step(2)
        self.remove(row)


@mutant(
    "dead_letter.5",
    "race",
    trap="what died is taken in the target within a redrive",
    also="dead_letter.3 dead_letter.2 visibility.2 visibility.8",
)
class RedrivesWhatWasTakenMeanwhile(Dallying):
    async def redrive(self, queue: str) -> int:
        name = self.name(queue, "redrive")
        self.settle(name)
        rows = [row for row in self.dead(name) if not row.token or self.lapsed(row)]
        await step(2)
        for row in rows:
            self.move(row, self.revived(row, name))
        return len(rows)


@dataclass(slots=True)
class Waiter:
    """A take that waits."""

    queue: str
    event: asyncio.Event


class Relooking(Queue):
    """It is right: who waits looks again once a minute, too, and is woken by `wakes`."""

    def wakes(self, queue: str) -> list[Waiter]:
        """Return those that a change of a queue wakes."""
        return [waiter for waiter in self.sleepers() if waiter.queue == queue]

    def sleepers(self) -> list[Waiter]:
        sleepers: list[Waiter] = self.store.notes.setdefault("sleepers", [])
        return sleepers

    async def pause(self, queue: str, end: float) -> None:
        waiter = Waiter(queue, asyncio.Event())
        self.sleepers().append(waiter)
        try:
            ahead = min([end, self.now() + 60.0, *self.instants(queue)]) - self.now()
            async with asyncio.timeout(max(0.0, ahead) + 1e-6):
                await waiter.event.wait()
        except TimeoutError:
            pass
        finally:
            self.sleepers().remove(waiter)

    def put(self, *rows: Row) -> None:
        super().put(*rows)
        self.rouse(*(row.queue for row in rows))

    def move(self, row: Row, moved: Row) -> None:
        super().move(row, moved)
        self.rouse(moved.queue)

    def rouse(self, *queues: str) -> None:
        for queue in queues:
            for waiter in self.wakes(queue):
                waiter.event.set()


@mutant("visibility.9", "wakeup", trap="a take waits at the target, and looks once a minute", also="basic.4 dead_letter.2")
class ADeathWakesNobody(Relooking):
    def move(self, row: Row, moved: Row) -> None:
        Queue.move(self, row, moved)
        if not moved.death:
            self.rouse(moved.queue)


@mutant(
    "visibility.9",
    "wakeup",
    trap="a take waits for a redrive, and looks again once a minute",
    also="basic.4 dead_letter.5",
)
class ARedriveWakesNobody(Relooking):
    def move(self, row: Row, moved: Row) -> None:
        Queue.move(self, row, moved)
        if moved.death:
            self.rouse(moved.queue)


@mutant("basic.4", "wakeup", trap="two takes of one client wait at different queues", also="visibility.9 delayed.5 priority.4")
class WakesTheFirstWhereverHeWaits(Relooking):
    def wakes(self, queue: str) -> list[Waiter]:
        return [waiter for waiter in self.sleepers() if not waiter.event.is_set()][:1]


@mutant(
    "visibility.3", "cancellation", trap="a cancelled take of what had failed", also="dead_letter.1 dead_letter.2 visibility.12"
)
class CancelledTakesForgetAttempts(UndoesCancelledTakes):
    def put(self, *rows: Row) -> None:
        super().put(*(replace(row, attempts=0) if is_put_back() else row for row in rows))


@mutant("dead_letter.4", "cancellation", trap="a cancelled take of what is dead", also="dead_letter.5 dead_letter.9")
class CancelledTakesForgetWhereItDied(UndoesCancelledTakes):
    def put(self, *rows: Row) -> None:
        super().put(*(replace(row, origin="", death=0) if is_put_back() else row for row in rows))


def is_put_back() -> bool:
    """Say whether this is done for a cancelled take."""
    return isinstance(sys.exception(), asyncio.CancelledError)


@mutant("dead_letter.4", "state", trap="a lease in the target ends by its deadline", also="dead_letter.5")
class ADeadlineInTheTargetRevivesTheDead(Queue):
    def settle(self, queue: str) -> None:
        for row in filter(self.lapsed, self.rows(queue)):
            self.put(replace(self.ended(row, row.until), origin="", death=0))
        super().settle(queue)


@mutant("dead_letter.6", "cache", trap="a client configures anew what another one has replaced", also="dead_letter.1 dead_letter.2")
class ConfiguresNothingTwice(Queue):
    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.said: dict[str, tuple[str, int]] = {}

    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        if self.said.get(queue) != (target, max_attempts):
            await super().configure_dead_letter(queue, target, max_attempts)
            self.said[queue] = target, max_attempts
