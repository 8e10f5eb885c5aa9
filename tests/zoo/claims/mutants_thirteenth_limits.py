"""Claims that are exactly as old as they may be."""

from prism_patterns.claim_check import Claim, ClaimExpired, ClaimNotFound
from prism_testkit.interfaces import BucketNotFound, NotFound
from tests.zoo.declare import Mutant

from .declare import declaring
from .ours import OursOnQueues
from .tenth_freight import Clerk, OnQueues

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("CC4", "boundary", trap="a sweep exactly max_age_s and grace_period_s behind the put", also="CC7")
class SweepsAtExactlyItsLimit(OursOnQueues):
    async def now_ms(self) -> int:
        return await super().now_ms() + 1


class _ExpiresEarly(Clerk):
    async def missing(self, claim: Claim, where: str) -> NotFound:
        try:
            age_ms = await self.house.yard.now_ms() - claim.stored_ms
        except BucketNotFound:
            return ClaimNotFound(f"{where} is gone with its bucket")
        return (ClaimExpired if age_ms >= self.house.config.max_age_s * 1000 else ClaimNotFound)(f"{where} is gone")


@mutant("CC6", "boundary", trap="a read of an absent claim exactly max_age_s behind the put")
class ExpiresAtExactlyItsAge(OnQueues):
    clerk_type = _ExpiresEarly


class _NameErrors(Clerk):
    async def missing(self, claim: Claim, where: str) -> NotFound:
        try:
            return await super().missing(claim, where)
        finally:
            if not await self.house.store.bucket_exists(claim.bucket):
                raise UnboundLocalError("now_ms")


@mutant("CC6", "errors", trap="a read of a claim that is gone with its bucket")
class StumblesOverAMissingBucket(OnQueues):
    clerk_type = _NameErrors
