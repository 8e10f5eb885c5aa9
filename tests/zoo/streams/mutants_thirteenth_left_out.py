"""Arguments that are left out of calls of a member."""

from prism_testkit.interfaces import RecordDelivery
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Member

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("consumer_groups.7", "default", "a nack that names no delay")
class NacksForHalfASecond(Member):
    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0.5) -> None:
        await super().nack(*deliveries, delay_s=delay_s)


@mutant("consumer_groups.10", "default", "a receive that does not say how many, of several")
class TakesTenUnasked(Member):
    async def receive(self, max_records: int = 10, timeout_s: float = 0) -> list[RecordDelivery]:
        return await super().receive(max_records, timeout_s)
