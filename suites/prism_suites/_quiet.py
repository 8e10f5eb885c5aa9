"""A case that makes no noise: for a second run, of which nothing is to be told."""

from prism_testkit.case import Case
from prism_testkit.clock import VirtualClock

__all__ = ["Quiet"]


class Quiet:
    """A case whose calls and whose clock are not in the story: that has its end."""

    def __init__(self, case: Case) -> None:
        self.limits, self.traits, self.clock, self.note, self.inconclusive = (
            case.limits,
            case.traits,
            case.clock,
            case.note,
            case.inconclusive,
        )

    async def advance(self, seconds: float) -> None:
        assert isinstance(self.clock, VirtualClock)
        await self.clock.advance(seconds)
