"""Mutants of the nineteenth examination: the dead beside priorities, and calls inside a call."""

from dataclasses import replace

from prism_testkit.interfaces import Lease
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Queue, step
from .stores import Row

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
