"""Arguments that are left out of calls on what is entered, and deliveries of which only the first is looked at."""

from typing import Any

from prism_testkit.interfaces import Delivery, Message
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Listener, Member

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("persistent.8", "default", "a nack that names no delay")
class NacksForASecond(Member):
    async def nack(self, *deliveries: Delivery, delay_s: float = 1) -> None:
        await super().nack(*deliveries, delay_s=delay_s)


@mutant("persistent.9", "default", "a receive of nothing that names no time")
class MembersWaitUnasked(Member):
    async def receive(self, max_messages: int = 1, timeout_s: float = 2) -> list[Delivery]:
        return await super().receive(max_messages, timeout_s)


@mutant("persistent.9", "default", "a receive that does not say how many, of several")
class MembersTakeTenUnasked(Member):
    async def receive(self, max_messages: int = 10, timeout_s: float = 0) -> list[Delivery]:
        return await super().receive(max_messages, timeout_s)


@mutant("basic.9", "default", "a receive of nothing that names no time")
class ListensForASecondUnasked(Listener):
    async def receive(self, timeout_s: float = 1) -> Message | None:
        return await super().receive(timeout_s)


@mutant("persistent.8", "arguments", "what is no delivery, behind one", also="persistent.5 persistent.11")
class LooksAtTheFirstDeliveryOnly(Member):
    async def nack(self, *deliveries: Any, delay_s: float = 0) -> None:
        if deliveries and isinstance(deliveries[0], Delivery):
            deliveries = (deliveries[0], *(each for each in deliveries[1:] if isinstance(each, Delivery)))
        await super().nack(*deliveries, delay_s=delay_s)
