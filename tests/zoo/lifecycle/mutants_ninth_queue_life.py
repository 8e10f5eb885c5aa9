"""Mutants of the ninth round: queues of an architecture of their own whose lives end wrongly."""

import asyncio

from prism_testkit.interfaces import Drained
from tests.zoo.declare import Mutant
from tests.zoo.family import declaring_family
from tests.zoo.queues.declare_ninth import ninth
from tests.zoo.queues.ninth_tubes import Server, TubeQueue

from .declare import HOME

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
life = declaring_family(MUTANTS, prefix="lifecycle.", make=ninth, home=HOME)


@life("3", "wrong state", trap="a drain that is cancelled")
class ACancelledDrainIsTakenBack(TubeQueue):
    async def drain(self, timeout_s: float) -> Drained:
        try:
            return await super().drain(timeout_s)
        except asyncio.CancelledError:
            self.shut = self.closed
            raise


@life("3", "wrong count", trap="two drains at once")
class TheSecondDrainFindsNothing(TubeQueue):
    async def drain(self, timeout_s: float) -> Drained:
        if self.shut and timeout_s >= 0:
            return Drained(0, 0)
        return await super().drain(timeout_s)


@life("2", "too much ended", trap="two clients that wait for one queue, of which one is closed")
class CloseEndsTheWaitsOfAll(TubeQueue):
    """Whoever waits in the same namespace is sent away, too."""

    def __init__(self, server: Server, namespace: str) -> None:
        super().__init__(server, namespace)
        self.all: list[TubeQueue] = server.__dict__.setdefault("drivers", [])
        self.all.append(self)

    async def close(self) -> None:
        others = [one for one in self.all if self.hand and one.space == self.space]
        for call in [call for one in others for call in one.hand]:
            call.tell()
        await super().close()
