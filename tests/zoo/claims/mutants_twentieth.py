"""Mutants of the twentieth examination."""

from prism_patterns.claim_check import Claim
from tests.zoo.declare import Mutant

from .declare import declaring
from .strangers import StrangeClaimCheck

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("CC3", "wrong condition", trap="a publish that is refused under `retain`")
class RetainKeepsWhatWasRefused(StrangeClaimCheck):
    async def take_back(self, claim: Claim) -> None:
        if self.config.cleanup != "retain":
            await super().take_back(claim)
