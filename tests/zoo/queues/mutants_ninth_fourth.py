"""Mutants of the ninth round, the last wave: looks that show less, and takes of two kinds that wait."""

from typing import Any

from prism_testkit.interfaces import Lease, QueueMessage
from tests.zoo.declare import Mutant

from .declare_ninth import declaring
from .ninth_desk import Bell
from .ninth_tubes import Job, Server, Tube, TubeQueue

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("basic.5", "cut off", trap="a peek at more than 64 KiB")
class PeekShowsTheFirstPart(TubeQueue):
    async def peek(self, queue: str) -> QueueMessage | None:
        shown = await super().peek(queue)
        return shown and QueueMessage(shown.id, shown.payload[:65_536], shown.headers)


@mutant("dead_letter.2", "cut off", trap="a dead letter of more than 4 KiB, listed", also="dead_letter.4")
class TheListShowsTheFirstPart(TubeQueue):
    async def dead_letters(self, queue: str) -> list[QueueMessage]:
        return [QueueMessage(one.id, one.payload[:4096], one.headers) for one in await super().dead_letters(queue)]


@mutant("dead_letter.4", "paging", trap="a target with more than a hundred messages of its own", also="dead_letter.5")
class OneHundredOfTheTargetAreLookedAt(Server):
    def dead(self, space: str, tube: Tube) -> Any:
        dead = list(super().dead(space, tube))
        there = sorted(self.tube(space, tube.target).jobs.values(), key=lambda job: job.place)[:100] if tube.target else []
        return iter([job for job in dead if job in there])


@mutant(
    "visibility.9", "lost wake-up", trap="a dequeue and a receive that wait for one queue", also="basic.4 basic.10 visibility.12"
)
class DequeuesAreToldFirst(TubeQueue):
    """Who leases is told only where nobody takes for good."""

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        tube = self.tube(queue, "receive")
        before = list(tube.bell.ears)
        if not isinstance(tube.bell, _Two):
            tube.bell = _Two(before)
        tube.bell.leasing += 1
        return await super().receive(queue, visibility_s, timeout_s)


class _Two(Bell):
    def __init__(self, ears: list[Any]) -> None:
        super().__init__()
        self.ears = ears
        self.leasing = 0

    def ring(self) -> None:
        if len(self.ears) > 1 and self.leasing:
            ear = self.ears.pop(0)
            if not ear.done():
                ear.set_result(None)
            return
        super().ring()


@mutant("visibility.1", "cut off", trap="headers of more than 4 KiB, in a second delivery", also="visibility.3")
class ASecondDeliveryHasFewerHeaders(TubeQueue):
    def hold(self, tube: Tube, job: Job, seconds: float) -> Lease:
        if job.tries and sum(map(len, job.headers.values())) > 4096:
            job.headers = {}
        return super().hold(tube, job, seconds)


@mutant("dead_letter.2", "cut off", trap="a large payload that dies", also="dead_letter.3")
class LargeOnesDieWithoutTheirEnd(Server):
    def bury(self, space: str, tube: Tube, job: Job) -> None:
        job.payload = job.payload[:65_536]
        super().bury(space, tube, job)


@mutant("visibility.3", "cut off", trap="a large payload that comes again", also="visibility.1 visibility.7")
class LargeOnesComeAgainWithoutTheirEnd(Server):
    def fail(self, space: str, tube: Tube, job: Job) -> None:
        job.payload = job.payload[:65_536]
        super().fail(space, tube, job)
