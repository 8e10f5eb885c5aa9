"""Mutants of the twentieth examination."""

from prism_patterns.claim_check import Claim
from prism_testkit.interfaces import PrismError
from tests.zoo.declare import Mutant

from .declare import declaring
from .stranger_sweep import Sweep
from .strangers import SWEEP_EVERY_S, StrangeClaimCheck

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("CC3", "wrong condition", trap="a publish that is refused under `retain`")
class RetainKeepsWhatWasRefused(StrangeClaimCheck):
    async def take_back(self, claim: Claim) -> None:
        if self.config.cleanup != "retain":
            await super().take_back(claim)


class _GivesUpSoon(Sweep):
    """A sweep that goes no further when a few removals failed one after the other."""

    patience = 3
    in_a_row = 0

    async def decide(self, identifier: str) -> None:
        if self.in_a_row == self.patience:
            return
        try:
            await super().decide(identifier)
        except PrismError:
            self.in_a_row += 1
            raise
        self.in_a_row = 0


@mutant("CC7", "wrong constant", trap="removals that fail one after the other")
class SweepGivesUpAfterThreeFailures(StrangeClaimCheck):
    sweep_type = _GivesUpSoon


class _GivesUpLater(_GivesUpSoon):
    patience = 6


@mutant("CC7", "wrong constant", trap="more removals that fail one after the other")
class SweepGivesUpAfterSixFailures(StrangeClaimCheck):
    sweep_type = _GivesUpLater


@mutant("lifecycle.4", "forgotten", trap="a store that is away for hours")
class WorkerEndsAfterThreeFailures(StrangeClaimCheck):
    async def work(self) -> None:
        failures = 0
        while failures < 3:
            await self.clock.sleep(SWEEP_EVERY_S)
            try:
                await self.sweep()
                self.failure, failures = "", 0
            except PrismError as error:
                self.failure = f"sweep: {error}"
                failures += 1
