"""Mutants that keep in the driver what belongs to one wait."""

from collections.abc import Callable

from prism_testkit.interfaces import Lease
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Queue, T
from .stores import Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("visibility.3", "shared time", trap="two receives that wait to lease for different times", also="visibility.2 visibility.9")
class ReceivesOfAClientShareTheirSeconds(Queue):
    seconds_s = 0.0

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        self.seconds_s = visibility_s
        return await super().receive(queue, visibility_s, timeout_s)

    def lease(self, row: Row, seconds: float) -> Lease:
        return super().lease(row, self.seconds_s)


@mutant("visibility.9", "shared time", trap="two receives that wait for different times", also="basic.4")
class TakesOfAClientShareTheirEnd(Queue):
    until_s = 0.0

    async def take(self, queue: str, timeout_s: float, how: Callable[[Row], T]) -> T | None:
        self.until_s = self.after(timeout_s)
        while True:
            self.settle(queue)
            row = self.first(queue)
            if row is not None:
                return how(row)
            if timeout_s <= 0 or self.over(self.until_s):
                return None
            await self.pause(queue, self.until_s)
