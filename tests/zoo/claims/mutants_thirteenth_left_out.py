"""Arguments that are left out of calls of a consumer, and a receive that waits for its time twice."""

from prism_patterns.claim_check import ClaimDelivery
from tests.zoo.declare import Mutant

from .declare import declaring
from .ours import OurConsumer, OursOnQueues

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _NacksForASecond(OurConsumer):
    async def nack(self, delivery: ClaimDelivery, delay_s: float = 1) -> None:
        await super().nack(delivery, delay_s)


@mutant("CC4", "default", trap="a nack that names no delay")
class ConsumersPutOffUnasked(OursOnQueues):
    consumer_type = _NacksForASecond


class _Waits(OurConsumer):
    async def receive(self, timeout_s: float = 1) -> ClaimDelivery | None:
        return await super().receive(timeout_s)


@mutant("CC1", "default", trap="a receive of nothing that names no time")
class ConsumersWaitUnasked(OursOnQueues):
    consumer_type = _Waits


class _Looks(OurConsumer):
    async def receive(self, timeout_s: float = 0) -> ClaimDelivery | None:
        return await super().receive(min(timeout_s, 10.0))


@mutant("CC1", "timeouts", trap="a receive of nothing that may take a minute")
class ConsumersWaitTenSecondsAtMost(OursOnQueues):
    consumer_type = _Looks
